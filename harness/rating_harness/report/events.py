"""What happens while scenarios are run, for reporters.

Times are Unix seconds, durations seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rating_harness.checks.model import Verdict
from rating_harness.errors import HarnessError
from rating_harness.evidence.model import Evidence
from rating_harness.evidence.statistics import LoadProgress
from rating_harness.scenario.model import Scenario

__all__ = [
    "Event",
    "FileRefused",
    "LabUp",
    "LoadMoved",
    "Reporter",
    "ScenarioFailedToRun",
    "ScenarioFinished",
    "ScenarioSkipped",
    "ScenarioStarted",
    "SessionFinished",
    "SessionStarted",
]


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """:param lab: the kind of lab that was chosen."""

    at: float
    scenarios: int
    seed: int | None
    lab: str


@dataclass(frozen=True, slots=True)
class LabUp:
    """The services under test are ready. ``lab`` says what they are: driver, versions."""

    at: float
    seconds: float
    lab: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ScenarioStarted:
    at: float
    scenario: Scenario


@dataclass(frozen=True, slots=True)
class LoadMoved:
    """A scenario's load is so far; only where somebody looks on."""

    at: float
    scenario: Scenario
    progress: LoadProgress


@dataclass(frozen=True, slots=True)
class ScenarioFinished:
    """It was run and judged, whatever the verdict.

    :param folder: where its evidence is kept, if it is.
    """

    at: float
    seconds: float
    scenario: Scenario
    verdict: Verdict
    evidence: Evidence
    folder: Path | None
    seed: int


@dataclass(frozen=True, slots=True)
class FileRefused:
    """It has mistakes, or is no scenario: nothing in it was run, and others were.

    :param file: as messages cite it.
    """

    at: float
    file: Path
    error: HarnessError


@dataclass(frozen=True, slots=True)
class ScenarioFailedToRun:
    """Nothing is known of the system under test."""

    at: float
    seconds: float
    scenario: Scenario
    error: HarnessError


@dataclass(frozen=True, slots=True)
class ScenarioSkipped:
    at: float
    scenario: Scenario
    reason: str


@dataclass(frozen=True, slots=True)
class SessionFinished:
    """:param interrupted: not all of its scenarios were run to their end."""

    at: float
    seconds: float
    interrupted: bool = False


Event = (
    SessionStarted
    | LabUp
    | ScenarioStarted
    | LoadMoved
    | FileRefused
    | ScenarioFinished
    | ScenarioFailedToRun
    | ScenarioSkipped
    | SessionFinished
)


class Reporter(Protocol):
    """Gets each event, in order."""

    def on_event(self, event: Event) -> None: ...
