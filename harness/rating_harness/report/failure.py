"""What a failed scenario looks like: one screen, the cause first."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from rating_harness.checks.model import Case, Finding, Verdict
from rating_harness.errors import HarnessError, LabError, PlanError, ScenarioError
from rating_harness.evidence.model import LEVELS, Evidence, LogLine
from rating_harness.report.ladder import exchange_text, ladder_of, ladder_text
from rating_harness.report.presentation import Told, asked_line, names_of_calls, printable, telling_first, title_of
from rating_harness.scenario.model import Scenario

__all__ = ["error_text", "failure_text"]

_SCREEN = 46
_WIDTH = 118
_WHOLE = 3
"""Findings with all that there is to say of each; two more have a line each."""
_SHORT = 2
_LOG_LINES = 6
_STEPS, _ASKED = 3, 90
"""Most steps of a canyan-tester file, and most characters of what one asked."""
_SMALLEST_LADDER = 11
_GRAVE = LEVELS[: LEVELS.index("NOTICE") + 1]


def failure_text(scenario: Scenario, evidence: Evidence, verdict: Verdict, folder: Path | None) -> str:
    """Why the scenario failed, for a person: findings, the call's ladder, the log, and where all the evidence is.

    Of one that passed, the same without findings.
    """
    case = Case(scenario, evidence)
    findings = telling_first(case, verdict.findings)
    call_id = _call_shown(evidence, findings)
    above = [*_title(scenario, verdict, findings), *_findings(scenario, findings)]
    below = [*_strangers(case), *_asked(evidence, findings), *_log(evidence, call_id), "", *_footer(evidence, folder)]
    ladder = _ladder(evidence, call_id, _SCREEN - len(above) - len(below)) if call_id else ()
    return "\n".join(_fit(line) for line in [*above, *ladder, *below])


def error_text(error: HarnessError) -> str:
    """Why a scenario could not be run. It says nothing on the system under test."""
    if isinstance(error, ScenarioError):
        return str(error)
    kind = next((name for kind, name in _KINDS.items() if isinstance(error, kind)), "error")
    return f"NOT RUN  {kind}\n{error}"


_KINDS: dict[type[HarnessError], str] = {
    LabError: "the lab could not be brought up, or broke",
    PlanError: "the scenario can't be carried out here",
}


# --- the parts ------------------------------------------------------------------------------------------------------


def _title(scenario: Scenario, verdict: Verdict, findings: Sequence[Told]) -> Iterator[str]:
    yield f"{'PASSED' if verdict.passed else 'FAILED'}  {title_of(scenario)}"
    where = findings[0].finding.where if findings else scenario.where("scenario")
    yield f"        {where.path}:{where.line}"


def _findings(scenario: Scenario, findings: Sequence[Told]) -> Iterator[str]:
    for told in findings[:_WHOLE]:
        finding = told.finding
        always = f"  ({finding.check})" if finding.check.startswith("always:") else ""
        said = {_place(finding, scenario): asked_line(finding.where)}
        said |= {"expected": finding.expected, "seen": finding.seen, "hint": finding.hint}
        width = max(map(len, said))
        yield ""
        yield f"{told.message}{always}"
        yield from (f"  {name:>{width}} | {text}" for name, text in said.items() if text or name != "hint")
    if findings[_WHOLE:]:
        yield ""
    for told in findings[_WHOLE : _WHOLE + _SHORT]:
        finding = told.finding
        yield f"{told.message}: expected {finding.expected}, seen {finding.seen} ({_place(finding, scenario)})"
    more = len(findings) - _WHOLE - _SHORT
    if more > 0:
        yield f"and {more} more"


def _place(finding: Finding, scenario: Scenario) -> str:
    is_elsewhere = finding.where.path != scenario.origin.file.as_posix()
    return f"{finding.where.path}:{finding.where.line}" if is_elsewhere else f"line {finding.where.line}"


def _call_shown(evidence: Evidence, findings: Sequence[Told]) -> str | None:
    """The Call-ID of the call that the first finding which has one is on, else of the first call."""
    names = names_of_calls(evidence)
    wanted = (told.finding.call_id for told in findings if told.finding.call_id in names)
    return next(wanted, next(iter(names), None))


def _ladder(evidence: Evidence, call_id: str, room: int) -> Iterator[str]:
    name = names_of_calls(evidence)[call_id]
    ladder = ladder_of(evidence, call_id)
    yield ""
    if ladder is None:
        yield f"{name}: no message of it was seen ({call_id})"
        return
    yield f"{name}  {call_id}"
    yield from ladder_text(ladder, lines=max(_SMALLEST_LADDER, room - 2)).splitlines()


def _strangers(case: Case) -> Iterator[str]:
    """Exchanges that no ladder shows, since they are about no call of the scenario."""
    strangers = case.strangers()
    if strangers:
        yield ""
        yield "Requests to the agent about other calls"
        yield from (f"  {exchange_text(exchange, case.evidence.started)}" for exchange in strangers[:4])


def _asked(evidence: Evidence, findings: Sequence[Told]) -> Iterator[str]:
    """What the harness itself asked in the steps that findings are on."""
    on = {told.finding.check for told in findings}
    steps = [asked for asked in evidence.http_steps if f"{asked.section}[{asked.index}]" in on]
    if steps:
        yield ""
        yield "Requests of the scenario's own"
    for asked in steps[:_STEPS]:
        answer = "no answer" if asked.status is None else f"{asked.status} {_on_a_line(asked.response)}"
        request = _on_a_line(asked.request)[:_ASKED]
        yield f"  {asked.at - evidence.started:8.3f}  {asked.section}[{asked.index}] {request}"
        yield f"{'':12}-> {asked.error or answer}"


def _on_a_line(value: object) -> str:
    return " ".join((value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)).split())


def _log(evidence: Evidence, call_id: str | None) -> Iterator[str]:
    lines = _kamailio_lines(evidence, call_id) if call_id else ()
    if lines:
        yield ""
        yield "Kamailio's log of this call"
        yield from (f"  {line.level:8}  {line.text}" for line in lines[:_LOG_LINES])
    if len(lines) > _LOG_LINES:
        yield f"  and {len(lines) - _LOG_LINES} more"


def _kamailio_lines(evidence: Evidence, call_id: str) -> tuple[LogLine, ...]:
    """What Kamailio logged of a call at level NOTICE and graver, without the prefix that says of which call."""
    return tuple(
        LogLine(line.service, _unprefixed(line.text), line.level, line.at)
        for line in evidence.log
        if line.level in _GRAVE and call_id in line.text
    )


def _unprefixed(text: str) -> str:
    prefix, brace, rest = text.partition("} ")
    return rest.removeprefix("<script>: ") if brace and prefix.startswith("{") else text


def _footer(evidence: Evidence, folder: Path | None) -> Iterator[str]:
    lab = {key: value for key, value in evidence.lab.items() if key not in ("token", "prepared")}
    yield "  ".join(f"{key} {value}" for key, value in lab.items())
    yield from (f"prepared  {line}" for line in evidence.lab.get("prepared", "").splitlines())
    if folder is not None:
        yield f"evidence  {folder}"
        yield f"again     rating-harness check {shlex.quote(str(folder))}"


def _fit(line: str) -> str:
    line = printable(line)
    # A folder is there to be copied.
    is_whole = line.startswith(("evidence ", "again ")) or len(line) <= _WIDTH
    return line if is_whole else f"{line[: _WIDTH - 1]}…"
