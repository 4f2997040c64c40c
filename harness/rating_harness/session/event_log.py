"""Events of several processes, in a directory, to be reported by one of them: pytest-xdist's workers and controller.

Pickles are read only from a directory that the reading process made itself.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from rating_harness.report import events

__all__ = ["EventLog"]

_REFUSED = "-refused"


class EventLog:
    """A reporter, whose events another process reads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = count()

    def on_event(self, event: events.Event) -> None:
        name = f"{event.at:017.6f}-{os.getpid()}-{next(self._numbers):06}"
        name += _REFUSED * isinstance(event, events.FileRefused)
        temporary = self._directory / f".{name}"
        temporary.write_bytes(pickle.dumps(event))
        temporary.rename(self._directory / f"{name}.event")

    def scenarios(self) -> int:
        """How many events are those of scenarios."""
        return sum(not path.stem.endswith(_REFUSED) for path in self._directory.glob("*.event"))

    def read(self) -> Iterator[events.Event]:
        """All of them, in the order of their times, one after the other in memory."""
        for path in sorted(self._directory.glob("*.event")):
            yield pickle.loads(path.read_bytes())
