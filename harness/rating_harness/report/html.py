"""A report in one HTML file with nothing from elsewhere in it.

Each scenario is rendered when it ends, and what is left of it is its part of the page: a session may have a thousand.
"""

from __future__ import annotations

import os
import shlex
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from rating_harness.checks.model import Case, Finding, Verdict
from rating_harness.contract import CONTRACT
from rating_harness.errors import Location
from rating_harness.evidence.calls import Call
from rating_harness.evidence.model import Evidence, Exchange, HttpStep, LogLine
from rating_harness.evidence.statistics import statistics_of
from rating_harness.report import events
from rating_harness.report.junit import cause_of_error, place_of_refusal
from rating_harness.report.ladder import ladder_of
from rating_harness.report.ladder_svg import exchange_shown, picture_of, pretty_json
from rating_harness.report.load import Latency, kinds_of_calls, load_charts, load_of
from rating_harness.report.presentation import (
    ReportedFinding,
    causes_first,
    consequences_of,
    expectation_line,
    json_text,
    names_of_calls,
    run_facts,
    shown_of,
    title_of,
)
from rating_harness.scenario.model import Scenario

__all__ = ["HtmlReport", "Texts", "html_page"]

Ended = events.ScenarioFinished | events.ScenarioFailedToRun | events.ScenarioSkipped

Texts = Callable[[Scenario], Mapping[str, str]]
"""The files of a scenario without its passwords, by their absolute paths."""

_LADDERS, _EXCHANGES, _LOG_LINES, _RECORDS = 5, 60, 300, 100
"""Most of each that a scenario shows: a load scenario has thousands, and they are in its evidence."""
_OPEN = 20
"""Failed scenarios that are open from the start."""
_MANY = 20
"""Calls from which on a scenario is shown as a load is."""

_COLUMNS = ("transaction_tag", "account_tag", "authorized", "timestamp_begin", "timestamp_end", "duration", "fee")
_RANKS = ("failed", "not-run", "passed", "skipped")
"""What is shown first."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What is left of a scenario.

    :param css: ``failed``, ``not-run``, ``passed`` or ``skipped``.
    """

    css: str
    tags: tuple[str, ...]
    html: str


class HtmlReport:
    """Writes ``path`` when the session has finished.

    :param texts: gives the scenarios' files; without it they aren't shown.
    """

    def __init__(self, path: Path, texts: Texts | None = None) -> None:
        self._path = path
        self._parts: list[_Part] = []
        self._facts: dict[str, str] = {}
        self._texts = _once_for_each_file(texts)

    def on_event(self, event: events.Event) -> None:
        match event:
            case events.SessionStarted(at=at, seed=seed):
                self._facts |= _facts(at, "" if seed is None else str(seed))
            case events.LabUp(lab=lab):
                self._facts |= lab
            case events.ScenarioFinished() | events.ScenarioFailedToRun() | events.ScenarioSkipped():
                self._parts.append(_part(event, len(self._parts) + 1, self._texts))
            case events.FileRefused(error=error):
                where = place_of_refusal(event)
                said = f"{where.path}:{where.line}: {cause_of_error(error)}"
                self._facts["not used"] = "; ".join(filter(None, (self._facts.get("not used"), said)))
            case events.SessionFinished(seconds=seconds, interrupted=interrupted):
                took = f"interrupted after {seconds:.1f} s" if interrupted else f"{seconds:.1f} s"
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._path.write_text(_page(self._parts, {**self._facts, "took": took}), encoding="utf-8")
            case _:
                pass


def html_page(ended: Sequence[Ended], about: str = "", texts: Texts | None = None) -> str:
    """The page for scenarios that have ended.

    :param texts: as for `HtmlReport`.
    """
    given = _once_for_each_file(texts)
    parts = [_part(event, number, given) for number, event in enumerate(ended, start=1)]
    first = min((event.at for event in ended), default=None)
    facts = {} if first is None else _facts(first, "")
    return _page(parts, facts | ({"about": about} if about else {}))


def _facts(at: float, seed: str) -> dict[str, str]:
    """Of the session, for the page's head."""
    facts = {"date": time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(at)), "seed": seed}
    return {**{name: value for name, value in facts.items() if value}, "rating-harness": version("rating-harness")}


def _once_for_each_file(texts: Texts | None) -> Texts:
    """The rows of a matrix share a file, and come one after the other."""
    last: dict[Path, Mapping[str, str]] = {}

    def given(scenario: Scenario) -> Mapping[str, str]:
        file = scenario.origin.file
        if texts is None:
            return {}
        if file not in last:
            last.clear()
            last[file] = texts(scenario)
        return last[file]

    return given


def _page(parts: Sequence[_Part], facts: Mapping[str, str]) -> str:
    count = Counter(part.css.replace("-", "_") for part in parts)
    ordered = sorted(parts, key=lambda part: _RANKS.index(part.css))
    tags = Counter(tag for part in parts for tag in part.tags)
    page = _templates().get_template("report.html.j2")
    text = page.render(
        # Parts are HTML already.
        parts=[part.html.replace(_OPENED, ">", 1) if n >= _OPEN else part.html for n, part in enumerate(ordered)],
        counts={name: count[name] for name in ("passed", "failed", "skipped", "not_run")},
        tags=sorted(tags.items()),
        facts=facts,
    )
    # A message may hold octets that aren't UTF-8.
    return text.encode("utf-8", "backslashreplace").decode()


_OPENED = " open data-open>"
"""How the template begins a scenario that is open from the start."""


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("rating_harness.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


# --- what is shown of a scenario ------------------------------------------------------------------------------------


def _part(event: Ended, number: int, texts: Texts) -> _Part:
    shown = _result(event, f"s{number}", texts)
    html = _templates().get_template("scenario.html.j2").render(result=shown, name=f"s{number}")
    return _Part(shown["css"], tuple(event.scenario.tags), html)


def _result(event: Ended, name: str, texts: Texts) -> Mapping[str, Any]:
    scenario = event.scenario
    common: dict[str, Any] = dict.fromkeys(("calls", "setup", "seconds", "reason", "folder", "load", "command"), "")
    common |= dict.fromkeys(
        ("findings", "ladders", "changes", "transactions", "exchanges", "http_steps", "logs", "files", "facts"), ()
    )
    file = scenario.origin.file.as_posix()
    common |= {"title": title_of(scenario), "file": file, "tags": scenario.tags, "calls_left_out": 0, "records": None}
    common["exchanges_left_out"] = 0
    match event:
        case events.ScenarioSkipped(reason=reason):
            return {**common, "outcome": "skipped", "css": "skipped", "reason": reason}
        case events.ScenarioFailedToRun(error=error, seconds=seconds):
            about = {"reason": str(error), "seconds": f"{seconds:.1f} s"}
            where = [error.where] if isinstance(error.where, Location) else []
            files = _files(texts(scenario), scenario, [(each, error.message) for each in where])
            return {**common, "outcome": "not run", "css": "not-run", **about, "files": files}
        case events.ScenarioFinished():
            return {**common, **_finished(event, name, texts(scenario))}


def _finished(event: events.ScenarioFinished, name: str, texts: Mapping[str, str]) -> Mapping[str, Any]:
    evidence, case = event.evidence, Case(event.scenario, event.evidence)
    figures = statistics_of(evidence)
    findings = causes_first(case, event.verdict.findings)
    is_load = event.scenario.load is not None or figures.calls >= _MANY
    shown = _calls_shown(case, findings, every=not is_load)
    names = names_of_calls(evidence)
    outcome = "passed" if event.verdict.passed else "failed"
    return {
        "outcome": outcome,
        "css": outcome,
        "seconds": ", ".join([f"{event.seconds:.1f} s", *run_facts(evidence)]),
        "calls": str(figures.calls),
        "setup": "" if figures.setup_p95 is None else f"{figures.setup_p95 * 1000:.0f} ms",
        "findings": [_finding(reported, texts, name) for reported in findings],
        "files": _files(texts, event.scenario, list(_marks(findings))),
        "load": _load(case, evidence, name) if is_load else "",
        "ladders": list(_ladders(evidence, event.verdict, {each: kind for each, kind in shown.items() if each})),
        "calls_left_out": max(0, figures.calls - len(shown)),
        "changes": list(_changes(evidence)),
        "transactions": list(_transactions(evidence)),
        "records": _records(evidence),
        "exchanges": [_exchange(each, evidence.started, shown) for each in evidence.exchanges[:_EXCHANGES]],
        "exchanges_left_out": max(0, len(evidence.exchanges) - _EXCHANGES),
        "http_steps": [_http_step(step, evidence.started) for step in evidence.http_steps[:_EXCHANGES]],
        "logs": list(_logs(evidence, {each: names.get(each, "") for each in shown})),
        "folder": str(event.folder or ""),
        "facts": [(key, value) for key, value in evidence.lab.items() if key not in ("token", "seed")],
        "command": _command(event),
    }


def _marks(findings: Sequence[ReportedFinding]) -> Iterator[tuple[Location, str]]:
    for reported in findings:
        yield reported.finding.where, reported.message
        yield from ((each.where, each.message) for each in reported.finding.consequences)


def _command(event: events.ScenarioFinished) -> str:
    """The command that runs it once more."""
    origin, driver = event.scenario.origin, event.evidence.lab.get("driver", "")
    words = ["rating-harness", "run", origin.file.as_posix(), *(["-k", origin.row] if origin.row else [])]
    words += ["--seed", str(event.seed), *(["--lab", driver] if driver in ("local", "docker") else [])]
    return shlex.join(words)


def _finding(reported: ReportedFinding, texts: Mapping[str, str], name: str) -> Mapping[str, object]:
    finding = reported.finding
    path = _absolute(finding.where.path)
    return {
        "message": reported.message,
        "where": str(finding.where),
        "anchor": _anchor(finding, texts, name),
        "check": finding.check,
        "line": _line(texts[path], finding.where) if path in texts else expectation_line(finding.where),
        "expected": finding.expected,
        "seen": finding.seen,
        "hint": finding.hint,
        "consequences": [
            (text, _anchor(each, texts, name))
            for text, each in zip(consequences_of(finding), finding.consequences, strict=True)
        ],
    }


def _anchor(finding: Finding, texts: Mapping[str, str], name: str) -> str:
    path = _absolute(finding.where.path)
    return f"{name}-{list(texts).index(path)}-{finding.where.line}" if path in texts else ""


def _absolute(path: str) -> str:
    return os.path.normpath(Path(path).absolute())


def _line(text: str, where: Location) -> str:
    lines = text.splitlines()
    return lines[where.line - 1].strip() if where.line <= len(lines) else ""


def _files(
    texts: Mapping[str, str], scenario: Scenario, found: Sequence[tuple[Location, str]]
) -> list[Mapping[str, Any]]:
    """The scenario's file, and others that findings are in, with the lines that these are on."""
    main = _absolute(scenario.origin.file.as_posix())
    messages: dict[str, dict[int, list[str]]] = {main: {}}
    for where, message in found:
        messages.setdefault(_absolute(where.path), {}).setdefault(where.line, []).append(message)
    return [
        {
            "number": list(texts).index(path),
            "name": Path(path).name,
            "lines": [
                (number, line, "; ".join(dict.fromkeys(messages[path].get(number, ()))))
                for number, line in enumerate(texts[path].splitlines(), start=1)
            ],
        }
        for path in messages
        if path in texts
    ]


# --- calls ----------------------------------------------------------------------------------------------------------


def _calls_shown(case: Case, findings: Sequence[ReportedFinding], *, every: bool) -> Mapping[str, str]:
    """Call-IDs, and what is said of each: calls that findings are on, one of each kind of call, then the first ones.

    :param every: calls are shown beside others of their kind, too.
    """
    names = names_of_calls(case.evidence)
    failing = dict.fromkeys(t.finding.call_id for t in findings if t.finding.call_id in names)
    kinds: dict[str, tuple[str, Sequence[Call]]] = {}
    for kind, calls in kinds_of_calls(case.calls).items():
        kinds[calls[0].call_id] = (kind, calls)
    wanted = [*failing, *kinds, *(names if every or not kinds else ())]
    shown = [each for each in dict.fromkeys(wanted) if each][:_LADDERS]
    return {
        each: f"{len(kinds[each][1])} calls like it"
        if not every and each in kinds and len(kinds[each][1]) > 1
        else ""
        for each in shown
    }


def _ladders(evidence: Evidence, verdict: Verdict, shown: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
    names = names_of_calls(evidence)
    for call_id, kind in shown.items():
        ladder = ladder_of(evidence, call_id, shown_of(verdict.findings, call_id))
        if ladder is not None:
            title = f"{names[call_id]}  {call_id}"
            yield picture_of(ladder, f"{title}  ({kind})" if kind else title)


def _load(case: Case, evidence: Evidence, name: str) -> Mapping[str, Any]:
    load = load_of(case.calls, evidence)
    figures = {
        "calls": str(load.calls),
        "answered": str(load.answered),
        "answer-seizure ratio": "" if load.ratio is None else f"{load.ratio * 100:.1f} %",
        "calls per second": "" if load.rate is None else f"{load.rate:.1f}",
        "most calls up at once": str(load.most_up),
        "average length": "" if load.mean_length is None else f"{load.mean_length:.1f} s",
    }
    return {
        "figures": {name: value for name, value in figures.items() if value},
        "replies": load.replies,
        "kinds": load.kinds,
        "latencies": [_latency(each) for each in load.latencies],
        "charts": load_charts(case.calls, evidence, f"{name}-chart"),
    }


def _latency(latency: Latency) -> Mapping[str, str]:
    times = {"p50": latency.p50, "p95": latency.p95, "p99": latency.p99, "longest": latency.longest}
    shown = {name: "" if value is None else f"{value * 1000:.1f} ms" for name, value in times.items()}
    return {"what": latency.what, "count": str(latency.count), **shown, "silent": str(latency.silent)}


# --- records, requests, log -----------------------------------------------------------------------------------------


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


def _records(evidence: Evidence) -> Mapping[str, str] | None:
    """All that the engine's API said before and after, as JSON."""
    if evidence.before is None and evidence.after is None:
        return None

    def text(side: str) -> str:
        records = getattr(evidence, side)
        if records is None:
            return "not read"
        transactions = [dict(each) for each in records.transactions[:_RECORDS]]
        return pretty_json({"accounts": dict(records.accounts), "transactions": transactions})

    return {"before": text("before"), "after": text("after")}


def _exchange(exchange: Exchange, zero: float, shown: Container[str]) -> Mapping[str, str]:
    """One line, and the whole of it where it's of no call whose ladder shows it."""
    is_in_ladder = exchange.requested(CONTRACT.fields.call) in shown
    request, answer = ("", "") if is_in_ladder else exchange_shown(exchange)
    return {
        "time": f"{exchange.received - zero:.3f}",
        "path": f"{exchange.method} {exchange.path}",
        "status": "none" if exchange.status is None else str(exchange.status),
        "short": json_text(exchange.response),
        "request": request,
        "answer": answer,
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


def _logs(evidence: Evidence, names: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Kamailio's log, by the calls that are shown; then the rest of it."""
    by_call: dict[str, list[LogLine]] = {call_id: [] for call_id in names}
    rest: list[LogLine] = []
    for line in evidence.log:
        of = next((lines for call_id, lines in by_call.items() if call_id and call_id in line.text), rest)
        of.append(line)
    groups = [(f"{names[call_id]}  {call_id}", lines) for call_id, lines in by_call.items()]
    for title, lines in [*groups, ("Of no call, and of calls that aren't shown", rest)]:
        if lines:
            more = len(lines) - _LOG_LINES
            text = [f"{line.level:8} {line.text}" for line in lines[:_LOG_LINES]]
            yield {"title": title, "text": "\n".join([*text, *([f"and {more} more lines"] if more > 0 else [])])}
