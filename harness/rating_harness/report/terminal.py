"""What `rating-harness run` shows: a line for each scenario as it ends, failures in full, a summary."""

from __future__ import annotations

from collections import Counter
from typing import TextIO

from rating_harness.evidence.statistics import statistics_of
from rating_harness.report import events
from rating_harness.report.console import console, show
from rating_harness.report.failure import error_text, failure_text
from rating_harness.report.presentation import title_of
from rating_harness.scenario.values import duration_text

__all__ = ["Terminal"]


class Terminal:
    def __init__(self, file: TextIO | None = None) -> None:
        self._console = console(file)
        self._count: Counter[str] = Counter()

    def on_event(self, event: events.Event) -> None:
        text = self._text(event)
        if text:
            show(text, self._console)

    def _text(self, event: events.Event) -> str:
        match event:
            case events.SessionStarted(scenarios=scenarios, seed=seed, lab=lab):
                seeded = "" if seed is None else f", seed {seed}"
                return f"{scenarios} scenario{'s' * (scenarios != 1)}, lab {lab}{seeded}"
            case events.LabUp(seconds=seconds, lab=lab):
                described = ", ".join(f"{name} {value}" for name, value in lab.items() if name != "prepared")
                changes = "".join(f"  {line}\n" for line in lab.get("prepared", "").splitlines())
                return f"lab up in {seconds:.1f} s: {described}\n{changes}"
            case events.ScenarioFinished():
                self._count["passed" if event.verdict.passed else "failed"] += 1
                return _finished(event)
            case events.ScenarioFailedToRun(error=error, scenario=scenario):
                self._count["not run"] += 1
                return f"\n{error_text(error)}\n  scenario: {scenario.id}\n"
            case events.ScenarioSkipped(scenario=scenario, reason=reason):
                self._count["skipped"] += 1
                return f"SKIPPED  {title_of(scenario)}: {reason}"
            case events.SessionFinished(seconds=seconds, interrupted=interrupted):
                return f"\n{self._summary()}{', interrupted' if interrupted else ''} in {seconds:.1f} s"
            case _:
                return ""

    def _summary(self) -> str:
        always = [f"{self._count[name]} {name}" for name in ("passed", "failed", "skipped")]
        return ", ".join([*always, *([f"{self._count['not run']} not run"] if self._count["not run"] else [])])


def _finished(event: events.ScenarioFinished) -> str:
    if not event.verdict.passed:
        return f"\n{failure_text(event.scenario, event.evidence, event.verdict, event.folder)}\n"
    figures = statistics_of(event.evidence)
    told = [f"{figures.calls} call{'s' * (figures.calls != 1)}"]
    if event.scenario.load is not None and figures.rate is not None:
        told.append(f"{figures.rate:.1f} a second")
    if figures.calls > 1 and figures.setup_p95 is not None:
        told.append(f"set-up p95 {duration_text(round(figures.setup_p95, 3))}")
    if event.scenario.load is not None and figures.setup_p50 is not None and figures.setup_max is not None:
        told.append(f"p50 {duration_text(round(figures.setup_p50, 3))}")
        told.append(f"max {duration_text(round(figures.setup_max, 3))}")
    return f"PASSED  {title_of(event.scenario)}  ({', '.join(told)}, {event.seconds:.1f} s)"
