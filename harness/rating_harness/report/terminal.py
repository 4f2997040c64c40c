"""The report on a terminal: a line for each scenario as it ends, failures in full, a summary.

In colour where the terminal has any, and in ASCII where it can't show more.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console
from rich.highlighter import RegexHighlighter
from rich.text import Text
from rich.theme import Theme

from rating_harness.errors import HarnessError
from rating_harness.evidence.calls import calls_of
from rating_harness.evidence.model import Evidence
from rating_harness.evidence.statistics import Histogram, statistics_of
from rating_harness.report import events
from rating_harness.report.failure import LADDERS, error_text, failure_text
from rating_harness.report.presentation import run_facts, title_of
from rating_harness.report.progress import Progress
from rating_harness.scenario.model import Scenario
from rating_harness.scenario.values import duration_text

__all__ = ["Terminal", "console", "show", "styled", "to_ascii"]

_THEME = Theme(
    {
        "harness.bad": "bold red",
        "harness.good": "bold green",
        "harness.skipped": "yellow",
        "harness.what": "bold",
        "harness.expected": "green",
        "harness.seen": "red",
        "harness.line": "dim",
        "harness.broken": "red",
        "harness.grave": "red",
        "harness.warning": "yellow",
        "harness.marked": "bold red",
    }
)


_LINES = {"prepared": "", "unchecked": "not checked: "}
"""What is said of a lab in lines of their own, and how each begins."""


class _Highlighter(RegexHighlighter):
    base_style = "harness."
    highlights = (
        r"(?m)^(?P<bad>FAILED|NOT RUN)",
        r"(?m)^(?P<good>PASSED)",
        r"(?m)^(?P<skipped>SKIPPED)",
        r"(?m)^(?P<what>\S.*)\n(?= +(?:line )?\S+ \| )",
        r"(?m)^ +expected \| (?P<expected>.*)$",
        r"(?m)^ +seen \| (?P<seen>.*)$",
        r"(?P<line>[│├┤╞╡])",
        r"(?P<broken>◀╌[^┤\n]*┤)",
        r"(?P<broken>├╌[^│\n]*×)",
        r"(?P<broken>×╌[^┤\n]*┤)",
        r"(?m)^(?P<marked>> +\d+\.\d{3})",
        r"(?m)^  (?P<grave>ALERT|BUG|CRITICAL|ERROR)\b",
        r"(?m)^  (?P<warning>WARNING|NOTICE)\b",
    )


_PLAIN: dict[int, int | str] = {**str.maketrans("│─╌▶◀▷◁├┤╞╡…×⋮", "|-.><)(||##~x:"), ord("±"): "+-"}


def console(file: TextIO | None = None) -> Console:
    """A console for the report's texts: it keeps their lines as they are, and respects NO_COLOR."""
    # An empty NO_COLOR is none (https://no-color.org); to rich before 14 it's one.
    no_color = bool(os.environ.get("NO_COLOR"))
    return Console(
        file=file,
        theme=_THEME,
        highlighter=_Highlighter(),
        soft_wrap=True,
        markup=False,
        emoji=False,
        no_color=no_color,
    )


def show(text: str, on: Console) -> None:
    on.print(styled(text) if on.encoding.startswith("utf") else to_ascii(text))


def styled(text: str) -> Text:
    """The text with its styles; what it says is the same."""
    return _Highlighter()(text)


def to_ascii(text: str) -> str:
    """The same text for a terminal that knows no more than ASCII; a ladder keeps its columns."""
    return text.translate(_PLAIN).encode("ascii", "replace").decode()


class Terminal:
    """Shows events as they come.

    :param ladders: most ladders that a failure shows; None: one for each call that fails.
    """

    def __init__(self, file: TextIO | None = None, *, ladders: int | None = LADDERS) -> None:
        self._console = console(file)
        self._progress = Progress(self._console)
        self._ladders = ladders
        self._count: Counter[str] = Counter()
        self._not_run: dict[tuple[object, ...], list[str]] = {}

    def on_event(self, event: events.Event) -> None:
        self._progress.on_event(event)
        text = self._text(event)
        if text:
            show(text, self._console)

    def _text(self, event: events.Event) -> str:
        match event:
            case events.SessionStarted(scenarios=scenarios, seed=seed, lab=lab):
                seeded = "" if seed is None else f", seed {seed}"
                return f"{scenarios} scenario{'s' * (scenarios != 1)}, lab {lab}{seeded}"
            case events.LabUp(seconds=seconds, lab=lab):
                described = ", ".join(f"{name} {value}" for name, value in lab.items() if name not in _LINES)
                changes = "".join(
                    f"  {_LINES[name]}{line}\n" for name in _LINES for line in lab.get(name, "").splitlines()
                )
                return f"lab up in {seconds:.1f} s: {described}\n{changes}"
            case events.ScenarioFinished():
                self._count["passed" if event.verdict.passed else "failed"] += 1
                return _finished(event, self._ladders)
            case events.ScenarioFailedToRun(error=error, scenario=scenario):
                self._count["not run"] += 1
                alike = self._not_run.setdefault(_cause(error), [])
                alike.append(scenario.id)
                # A configuration that doesn't start keeps every scenario from running: it's told once.
                return f"\n{error_text(error)}\n  scenario: {scenario.id}\n" if len(alike) == 1 else ""
            case events.ScenarioSkipped(scenario=scenario, reason=reason):
                self._count["skipped"] += 1
                return f"SKIPPED  {title_of(scenario)}: {reason}"
            case events.SessionFinished(seconds=seconds, interrupted=interrupted):
                ended = f"{self._summary()}{', interrupted' if interrupted else ''} in {seconds:.1f} s"
                return "\n".join([*self._alike(), "", ended])
            case _:
                return ""

    def _alike(self) -> Iterator[str]:
        """Scenarios that could not be run for a reason that has been told of another."""
        for first, *others in self._not_run.values():
            if others:
                yield f"\nNOT RUN  {len(others)} more, for the same reason as {first}"
                yield from (f"  {each}" for each in others if self._ladders is None)

    def _summary(self) -> str:
        always = [f"{self._count[name]} {name}" for name in ("passed", "failed", "skipped")]
        return ", ".join([*always, *([f"{self._count['not run']} not run"] if self._count["not run"] else [])])


def _cause(error: HarnessError) -> tuple[object, ...]:
    """Equal for errors that tell the same."""
    detail = _PROCESS.sub("", error.detail or "")
    return type(error), error.message, error.where, error.expected, error.found, error.hint, detail


_PROCESS = re.compile(r"^\s*\d+\(\d+\)\s*", re.MULTILINE)
"""What tells one process of Kamailio's from another in its log."""


def _finished(event: events.ScenarioFinished, ladders: int | None) -> str:
    if not event.verdict.passed:
        return f"\n{failure_text(event.scenario, event.evidence, event.verdict, event.folder, ladders=ladders)}\n"
    figures = statistics_of(event.evidence)
    facts = [f"{figures.calls} call{'s' * (figures.calls != 1)}"]
    if event.scenario.load is not None and figures.rate is not None:
        facts.append(f"{figures.rate:.1f} a second")
    if figures.calls > 1 and figures.setup_p95 is not None:
        facts.append(f"set-up p95 {duration_text(round(figures.setup_p95, 3))}")
    if event.scenario.load is not None and figures.setup_p50 is not None and figures.setup_max is not None:
        facts.append(f"p50 {duration_text(round(figures.setup_p50, 3))}")
        facts.append(f"max {duration_text(round(figures.setup_max, 3))}")
    facts += run_facts(event.evidence)
    of_the_lab = event.evidence.lab.get("unchecked", "")
    unchecked = [
        f"\n        not checked: {n}: {why}" for n, why in event.verdict.unchecked.items() if why not in of_the_lab
    ]
    notes = [f"\n        {note}" for note in _unexpected_refusals(event.scenario, event.evidence)]
    notes += [f"\n        {line}" for line in _generators(event.evidence)]
    line = f"PASSED  {title_of(event.scenario)}  ({', '.join(facts)}, {event.seconds:.1f} s)"
    return f"{line}{''.join(unchecked)}{''.join(notes)}"


def _generators(evidence: Evidence) -> Iterator[str]:
    """What each of several has made, how fast its calls were set up, and how far its clock was off."""
    for each in evidence.generators:
        setup = Histogram(each.setup).percentile(0.95)
        fast = f", set-up p95 {duration_text(round(setup, 3))}" if setup is not None else ""
        clock = f"its clock {1000 * each.clock:+.1f} ms ± {1000 * each.precision:.1f} ms"
        yield f"generator {each.number} on {each.node}: {each.made} calls{fast}, {clock}"


def _unexpected_refusals(scenario: Scenario, evidence: Evidence) -> Iterator[str]:
    """Calls that weren't answered, and of which nothing is expected: they may prove less than is meant."""
    if scenario.load is not None or scenario.expect.failures is not None:
        return
    silent = {
        call.id
        for call in scenario.calls
        if not call.expect.model_fields_set
        and call.method == "INVITE"
        and not (call.cancel or call.sipp or call.vanish)
    }
    told: set[str] = set()
    for call in calls_of(evidence):
        final = call.final
        if call.id in silent - told and final is not None and final.status is not None and final.status >= 300:
            told.add(call.id)
            yield f"not answered: {call.id}: {final.status} {final.reason}; nothing is expected of its reply"
