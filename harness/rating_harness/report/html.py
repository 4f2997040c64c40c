"""A report in one HTML file with nothing from elsewhere in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from rating_harness.checks.model import Case, Verdict
from rating_harness.evidence.model import Evidence, Exchange, HttpStep
from rating_harness.evidence.statistics import statistics_of
from rating_harness.report import events
from rating_harness.report.ladder import AGENT, Ladder, Mark, ladder_of
from rating_harness.report.presentation import (
    ReportedFinding,
    causes_first,
    expectation_line,
    json_text,
    messages_of,
    names_of_calls,
    title_of,
)

__all__ = ["HtmlReport", "html_page"]

Ended = events.ScenarioFinished | events.ScenarioFailedToRun | events.ScenarioSkipped

_LADDERS, _EXCHANGES, _LOG_LINES, _RECORDS = 5, 200, 300, 100
"""Most of each that a scenario shows: a load scenario has thousands, and they are in its evidence."""

_GAP, _LEFT, _TOP, _STEP = 290, 150, 48, 24
_COLUMNS = ("transaction_tag", "account_tag", "authorized", "timestamp_begin", "timestamp_end", "duration", "fee")


class HtmlReport:
    """Writes ``path`` when the session has finished."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._results: list[Mapping[str, Any]] = []
        self._about: list[str] = []

    def on_event(self, event: events.Event) -> None:
        match event:
            case events.LabUp(lab=lab):
                self._about = [f"{name} {value}" for name, value in lab.items()]
            case events.ScenarioFinished() | events.ScenarioFailedToRun() | events.ScenarioSkipped():
                # What is shown is kept, and not the evidence: a session may have a thousand scenarios.
                self._results.append(_result(event))
            case events.SessionFinished(seconds=seconds, interrupted=interrupted):
                about = [*self._about, f"interrupted after {seconds:.1f} s" if interrupted else f"{seconds:.1f} s"]
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._path.write_text(_page(self._results, about), encoding="utf-8")
            case _:
                pass


def html_page(ended: Sequence[Ended], about: str = "") -> str:
    """The page for scenarios that have ended."""
    return _page([_result(event) for event in ended], [about] if about else [])


def _page(results: Sequence[Mapping[str, Any]], about: Sequence[str]) -> str:
    count = Counter(result["css"].replace("-", "_") for result in results)
    counts = {name: count[name] for name in ("passed", "failed", "skipped", "not_run")}
    return _template().render(results=results, counts=counts, about=", ".join(about))


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("rating_harness.report"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("report.html.j2")


# --- what is shown of a scenario ------------------------------------------------------------------------------------


def _result(event: Ended) -> Mapping[str, Any]:
    scenario = event.scenario
    common: dict[str, Any] = dict.fromkeys(("calls", "setup", "seconds", "reason", "folder", "seed", "log"), "")
    common |= dict.fromkeys(("findings", "ladders", "changes", "transactions", "exchanges", "http_steps"), ())
    common |= {"title": title_of(scenario), "file": scenario.origin.file.as_posix(), "calls_left_out": 0}
    match event:
        case events.ScenarioSkipped(reason=reason):
            return {**common, "outcome": "skipped", "css": "skipped", "reason": reason}
        case events.ScenarioFailedToRun(error=error, seconds=seconds):
            about = {"reason": str(error), "seconds": f"{seconds:.1f} s"}
            return {**common, "outcome": "not run", "css": "not-run", **about}
        case events.ScenarioFinished():
            return {**common, **_finished(event)}


def _finished(event: events.ScenarioFinished) -> Mapping[str, Any]:
    evidence = event.evidence
    figures = statistics_of(evidence)
    findings = causes_first(Case(event.scenario, evidence), event.verdict.findings)
    shown = _calls_shown(evidence, event.verdict, findings)
    outcome = "passed" if event.verdict.passed else "failed"
    return {
        "outcome": outcome,
        "css": outcome,
        "seconds": f"{event.seconds:.1f} s",
        "calls": str(figures.calls),
        "setup": "" if figures.setup_p95 is None else f"{figures.setup_p95 * 1000:.0f} ms",
        "findings": [_finding(reported) for reported in findings],
        "ladders": [_picture_of(ladder, title) for title, ladder in shown],
        "calls_left_out": max(0, figures.calls - len(shown)),
        "changes": list(_changes(evidence)),
        "transactions": list(_transactions(evidence)),
        "exchanges": [_exchange(exchange, evidence.started) for exchange in evidence.exchanges[:_EXCHANGES]],
        "http_steps": [_http_step(step, evidence.started) for step in evidence.http_steps[:_EXCHANGES]],
        "log": "\n".join(f"{line.level:8} {line.text}" for line in evidence.log[:_LOG_LINES]),
        "folder": str(event.folder or ""),
        "seed": event.seed,
    }


def _finding(reported: ReportedFinding) -> Mapping[str, str]:
    finding = reported.finding
    return {
        "message": reported.message,
        "where": str(finding.where),
        "check": finding.check,
        "line": expectation_line(finding.where),
        "expected": finding.expected,
        "seen": finding.seen,
        "hint": finding.hint,
    }


def _calls_shown(
    evidence: Evidence, verdict: Verdict, findings: Sequence[ReportedFinding]
) -> list[tuple[str, Ladder]]:
    """The ladders of the calls that findings are on, then of the first ones."""
    names = names_of_calls(evidence)
    wanted = dict.fromkeys(
        [*(t.finding.call_id for t in findings if t.finding.call_id in names), *list(names)[:_LADDERS]]
    )
    ladders = [
        (f"{names[each]}  {each}", ladder_of(evidence, each, messages_of(verdict.findings, each)))
        for each in list(wanted)[:_LADDERS]
        if each
    ]
    return [(name, ladder) for name, ladder in ladders if ladder is not None]


def _changes(evidence: Evidence) -> Iterator[Mapping[str, str]]:
    before = evidence.before.accounts if evidence.before else {}
    after = evidence.after.accounts if evidence.after else {}
    for tag in dict.fromkeys((*before, *after)):
        old, new = before.get(tag, {}), after.get(tag, {})
        for field in dict.fromkeys((*old, *new)):
            if old.get(field) != new.get(field):
                yield {
                    "account": tag,
                    "field": field,
                    "before": json_text(old.get(field)),
                    "after": json_text(new.get(field)),
                }


def _transactions(evidence: Evidence) -> Iterator[Mapping[str, str]]:
    for record in (evidence.after.transactions if evidence.after else ())[:_RECORDS]:
        yield {name: json_text(record.get(name)) for name in _COLUMNS}


def _exchange(exchange: Exchange, zero: float) -> Mapping[str, str]:
    return {
        "time": f"{exchange.received - zero:.3f}",
        "path": f"{exchange.method} {exchange.path}",
        "request": json_text(exchange.request),
        "status": "none" if exchange.status is None else str(exchange.status),
        "answer": json_text(exchange.response),
        "fault": exchange.fault or "",
    }


def _http_step(step: HttpStep, zero: float) -> Mapping[str, str]:
    return {
        "time": f"{step.at - zero:.3f}",
        "step": f"{step.section}[{step.index}]",
        "to": f"{step.method} {step.url}",
        "request": json_text(step.request),
        "status": "none" if step.status is None else str(step.status),
        "answer": step.error or json_text(step.response),
        "tries": str(step.tries),
    }


# --- the ladder as SVG ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    """An arrow, or a mark, with its places in the picture."""

    at: float
    y: int
    label: str
    middle: float
    begin: int = 0
    end: int = 0
    back: int = 0
    kind: str = ""
    mark: bool = False


def _picture_of(ladder: Ladder, title: str) -> Mapping[str, Any]:
    places = {name: _LEFT + index * _GAP for index, name in enumerate(ladder.columns)}
    width = max(places.values()) + 100
    rows = []
    for index, row in enumerate(ladder.rows):
        y = _TOP + index * _STEP
        if isinstance(row, Mark):
            rows.append(_Row(row.at, y, row.label, width / 2, mark=True))
            continue
        begin, end = places[row.source], places[row.target]
        room = abs(end - begin) // 8
        times = f" ×{row.times}" if row.times > 1 else ""
        label = row.label if len(row.label) <= room else f"{row.label[: room - 1]}…"
        kind = "http" if AGENT in (row.source, row.target) else "sip"
        kind = "broken" if row.broken or row.arrival == "lost" else kind
        kind = f"{kind} {row.arrival}{' marked' if row.marked else ''}"
        middle, back = (begin + end) / 2, -8 if end > begin else 8
        rows.append(_Row(row.at, y, f"{label}{times}", middle, begin, end, back, kind))
    return {
        "title": title,
        "width": width,
        "height": _TOP + len(rows) * _STEP,
        "columns": [{"name": name, "x": x} for name, x in places.items()],
        "rows": rows,
    }
