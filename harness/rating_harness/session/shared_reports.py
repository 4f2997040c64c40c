"""Reports of scenarios that several processes run, as pytest-xdist's workers do: one writes, the others tell it."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rating_harness.report import events
from rating_harness.session.event_log import EventLog

__all__ = ["Reports", "WorkersReports"]


class WorkersReports:
    """Those of a process that another one writes the files for.

    :param directory: `Reports.directory_for_workers` of that one.
    """

    def __init__(self, directory: Path) -> None:
        self._log = EventLog(directory)

    def begin(self, scenarios: int) -> None:
        """Told by the process that writes, as is the end."""

    def on_scenario(self, event: events.Event) -> None:
        self._log.on_event(event)

    def end(self, *, interrupted: bool) -> None:
        pass


class Reports:
    """Those of the process that writes the files.

    :param lab: as it was asked for: what came up is known with the first scenario.
    """

    def __init__(self, reporters: Sequence[events.Reporter], *, lab: str, seed: int) -> None:
        self._reporters = reporters
        self._lab, self._seed = lab, seed
        self._started = time.time()
        self._lab_is_known = False
        self._directory: Path | None = None

    def directory_for_workers(self) -> Path:
        """Where `WorkersReports` puts events."""
        self._directory = self._directory or Path(tempfile.mkdtemp(prefix="rating-events-"))
        return self._directory

    def begin(self, scenarios: int) -> None:
        """:param scenarios: how many there will be."""
        self._tell(events.SessionStarted(self._started, scenarios, self._seed, self._lab))

    def on_scenario(self, event: events.Event) -> None:
        """One is over, or could not be run."""
        if isinstance(event, events.ScenarioFinished) and not self._lab_is_known:
            self._lab_is_known = True
            lab = {name: value for name, value in event.evidence.lab.items() if name not in ("token", "seed")}
            self._tell(events.LabUp(event.at, 0.0, lab))
        self._tell(event)

    def end(self, *, interrupted: bool) -> None:
        """Write the files."""
        if self._directory is not None:
            log = EventLog(self._directory)
            self.begin(log.scenarios())
            for event in _each_once(log.read()):
                self.on_scenario(event)
            shutil.rmtree(self._directory)
        now = time.time()
        self._tell(events.SessionFinished(now, now - self._started, interrupted))

    def _tell(self, event: events.Event) -> None:
        for reporter in self._reporters:
            reporter.on_event(event)


def _each_once(found: Iterable[events.Event]) -> Iterator[events.Event]:
    """Each worker collects all files."""
    refused: set[Path] = set()
    for event in found:
        if isinstance(event, events.FileRefused):
            if event.file in refused:
                continue
            refused.add(event.file)
        yield event
