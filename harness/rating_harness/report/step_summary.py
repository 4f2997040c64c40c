"""GitHub's step summary: Markdown that a job's page shows, in the file that GITHUB_STEP_SUMMARY names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from rating_harness.errors import Location
from rating_harness.report import events
from rating_harness.report.junit import cause_of, cause_of_error, place_of_refusal
from rating_harness.report.presentation import title_of
from rating_harness.scenario.model import Scenario

__all__ = ["StepSummary"]

_MOST = 50
"""Failures with a line each: GitHub cuts a summary of more than 1 MiB."""


class StepSummary:
    """Adds its part to ``path`` when the session has finished, if any scenario was in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count: Counter[str] = Counter()
        self._rows: list[str] = []
        self._lab: Mapping[str, str] = {}
        self._seed: int | None = None

    def on_event(self, event: events.Event) -> None:
        match event:
            case events.SessionStarted(seed=seed):
                self._seed = seed
            case events.LabUp(lab=lab):
                self._lab = lab
            case events.ScenarioFinished(scenario=scenario, evidence=evidence, verdict=verdict):
                self._count["passed" if verdict.passed else "failed"] += 1
                if not verdict.passed:
                    self._add("failed", scenario, cause_of(scenario, evidence, verdict))
            case events.ScenarioFailedToRun(scenario=scenario, error=error):
                self._count["not run"] += 1
                self._add("not run", scenario, cause_of_error(error))
            case events.FileRefused(error=error):
                self._count["not run"] += 1
                title = f"{event.file.name} can't be used"
                self._row("not run", title, place_of_refusal(event), cause_of_error(error))
            case events.ScenarioSkipped():
                self._count["skipped"] += 1
            case events.SessionFinished(seconds=seconds, interrupted=interrupted):
                # A page that can't be written to costs no verdict.
                if self._count:
                    with suppress(OSError), self._path.open("a", encoding="utf-8") as file:
                        file.write(self._text(seconds, interrupted=interrupted))
            case _:
                pass

    def _add(self, result: str, scenario: Scenario, cause: str) -> None:
        self._row(result, title_of(scenario), scenario.where("scenario"), cause)

    def _row(self, result: str, title: str, where: Location, cause: str) -> None:
        cells = (result, title, f"{where.path}:{where.line}", cause)
        self._rows.append(f"| {' | '.join(map(_cell, cells))} |")

    def _text(self, seconds: float, *, interrupted: bool) -> str:
        names = ("passed", "failed", "not run", "skipped")
        counts = ", ".join(f"{self._count[name]} {name}" for name in names if self._count[name])
        about = [f"{name} {value}" for name, value in self._lab.items()]
        about += [] if self._seed is None else [f"seed {self._seed}"]
        lines = [
            f"### Scenarios: {counts}",
            "",
            f"{', '.join(about)}; {seconds:.0f} s{', interrupted' * interrupted}",
            "",
        ]
        if self._rows:
            lines += ["| | scenario | where | cause |", "| --- | --- | --- | --- |", *self._rows[:_MOST]]
            lines += [f"\n… and {len(self._rows) - _MOST} more"] if len(self._rows) > _MOST else []
        return "\n".join(lines) + "\n\n"


def _cell(text: str) -> str:
    """Text in a cell of a table, taken as it is: no markup, no HTML."""
    for char in "\\`*_[]|~$":
        text = text.replace(char, f"\\{char}")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
