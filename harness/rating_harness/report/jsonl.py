"""Events and calls as JSON lines, for other programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from rating_harness.evidence.calls import Call, calls_of
from rating_harness.evidence.statistics import statistics_of
from rating_harness.report import events

__all__ = ["JsonLines", "objects_of"]


class JsonLines:
    """Writes to ``file``, a line for each event and each call, as they come."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def on_event(self, event: events.Event) -> None:
        for each in objects_of(event):
            self._file.write(json.dumps(each, ensure_ascii=False) + "\n")
        self._file.flush()


def objects_of(event: events.Event) -> Iterator[Mapping[str, Any]]:
    """The objects that tell of an event: one, and of a finished scenario one more for each call before it."""
    match event:
        case events.SessionStarted(at, scenarios, seed, lab):
            yield {"event": "session started", "at": at, "scenarios": scenarios, "seed": seed, "lab": lab}
        case events.LabUp(at, seconds, lab):
            yield {"event": "lab up", "at": at, "seconds": seconds, **lab}
        case events.ScenarioStarted(at, scenario):
            yield {"event": "scenario started", "at": at, "scenario": scenario.id, "title": scenario.scenario}
        case events.ScenarioFinished():
            yield from (_call(event.scenario.id, call) for call in calls_of(event.evidence))
            yield _finished(event)
        case events.ScenarioFailedToRun(at, seconds, scenario, error):
            yield {
                "event": "scenario not run",
                "at": at,
                "seconds": seconds,
                "scenario": scenario.id,
                "error": str(error),
            }
        case events.FileRefused(at, file, error):
            yield {"event": "file refused", "at": at, "file": str(file), "error": str(error)}
        case events.ScenarioSkipped(at, scenario, reason):
            yield {"event": "scenario skipped", "at": at, "scenario": scenario.id, "reason": reason}
        case events.SessionFinished(at, seconds, interrupted):
            yield {"event": "session finished", "at": at, "seconds": seconds, "interrupted": interrupted}


def _finished(event: events.ScenarioFinished) -> Mapping[str, Any]:
    figures = statistics_of(event.evidence)
    return {
        "event": "scenario finished",
        "at": event.at,
        "seconds": event.seconds,
        "scenario": event.scenario.id,
        "passed": event.verdict.passed,
        "seed": event.seed,
        "ends": event.evidence.lab.get("ends", "own"),
        "calls": figures.calls,
        "answered": figures.answered,
        "rate": figures.rate,
        "setup_p50": figures.setup_p50,
        "setup_p95": figures.setup_p95,
        "setup_max": figures.setup_max,
        "clock_skipped": event.evidence.skipped,
        "repeated": list(event.evidence.repeated),
        "evidence": str(event.folder) if event.folder else None,
        "findings": [
            {
                "check": finding.check,
                "message": finding.message,
                "expected": finding.expected,
                "seen": finding.seen,
                "where": str(finding.where),
                "call_id": finding.call_id,
                "consequences": [f"{each.message}: {each.seen}" for each in finding.consequences],
            }
            for finding in event.verdict.findings
        ],
    }


def _call(scenario: str, call: Call) -> Mapping[str, Any]:
    return {
        "event": "call",
        "at": call.invite.at if call.invite else None,
        "scenario": scenario,
        "call": call.id,
        "index": call.index,
        "call_id": call.call_id,
        "status": call.final.status if call.final else None,
        "setup": call.setup,
        "duration": call.duration,
        "ended_by": call.ended_by,
        "carrier": call.answered_by,
    }
