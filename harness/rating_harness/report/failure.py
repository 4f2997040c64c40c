"""What a failed scenario looks like: one screen, the cause first."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from rating_harness.checks.model import Case, Finding, Verdict
from rating_harness.errors import (
    BusyMachineError,
    EndpointError,
    EngineError,
    HarnessError,
    LabError,
    PlanError,
    ScenarioError,
)
from rating_harness.evidence.model import LEVELS, Evidence, LogLine
from rating_harness.report.ladder import exchange_text, ladder_of
from rating_harness.report.ladder_text import ladder_text
from rating_harness.report.presentation import (
    ReportedFinding,
    causes_first,
    consequences_of,
    expectation_line,
    json_text,
    names_of_calls,
    printable,
    run_facts,
    shown_of,
    title_of,
)
from rating_harness.scenario.model import Scenario

__all__ = ["LADDERS", "error_text", "failure_text"]

LADDERS = 3
"""Calls that a failure shows the ladders of."""

_SCREEN = 46
_WIDTH = 118
_WHOLE = 3
"""Findings with all that there is to say of each; two more have a line each."""
_SHORT = 2
_CONSEQUENCES = 4
"""Consequences of a finding that have a line."""
_LOG_LINES = 6
_STEPS, _REQUEST = 3, 90
"""Most steps of a canyan-tester file, and most characters of what one requested."""
_SMALLEST_LADDER = 11
_GRAVE = LEVELS[: LEVELS.index("NOTICE") + 1]


def failure_text(
    scenario: Scenario,
    evidence: Evidence,
    verdict: Verdict,
    folder: Path | None,
    *,
    ladders: int | None = LADDERS,
) -> str:
    """Why the scenario failed, for a person: findings, the calls' ladders, the log, and where all the evidence is.

    Of one that passed, the same without findings.

    :param ladders: most ladders that are shown; None: one for each call that fails.
    """
    case = Case(scenario, evidence)
    findings = causes_first(case, verdict.findings)
    calls = _calls_shown(evidence, verdict, findings)
    shown = calls[:ladders]
    above = [*_title(scenario, verdict, findings), *_run_facts(evidence), *_findings(scenario, findings)]
    below = [
        *_left_out(len(calls) - len(shown)),
        *_strangers(case),
        *_http_steps(evidence, findings),
        *_log(evidence, shown[0] if shown else None),
        "",
        *_footer(evidence, verdict, folder),
    ]
    # With one call all is on one screen; each further one has a ladder of its own below it.
    room = _SCREEN - len(above) - len(below)
    ladder_lines = [line for call_id in shown for line in _ladder(evidence, verdict, call_id, room)]
    return "\n".join(_fit(line) for line in [*above, *ladder_lines, *below])


def error_text(error: HarnessError) -> str:
    """Why a scenario could not be run. It says nothing on the system under test."""
    if isinstance(error, ScenarioError):
        return str(error)
    kind = next((name for kind, name in _KINDS.items() if isinstance(error, kind)), "error")
    return f"NOT RUN  {kind}\n{error}"


_KINDS: dict[type[HarnessError], str] = {
    LabError: "the lab could not be brought up, or broke",
    PlanError: "the scenario can't be carried out here",
    EngineError: "the rating engine refused a request, or didn't answer",
    BusyMachineError: "this machine was too busy, and nothing is said of Kamailio",
    EndpointError: "a caller or a carrier of the harness's own is at fault",
}


# --- the parts ------------------------------------------------------------------------------------------------------


def _title(scenario: Scenario, verdict: Verdict, findings: Sequence[ReportedFinding]) -> Iterator[str]:
    yield f"{'PASSED' if verdict.passed else 'FAILED'}  {title_of(scenario)}"
    where = findings[0].finding.where if findings else scenario.where("scenario")
    yield f"        {where.path}:{where.line}"


def _run_facts(evidence: Evidence) -> Iterator[str]:
    yield from (f"        {each}" for each in run_facts(evidence))


def _findings(scenario: Scenario, findings: Sequence[ReportedFinding]) -> Iterator[str]:
    for reported in findings[:_WHOLE]:
        finding = reported.finding
        always = f"  ({finding.check})" if finding.check.startswith("always:") else ""
        lines = [(_place(finding, scenario), expectation_line(finding.where))]
        lines += [("expected", finding.expected), ("seen", finding.seen)]
        lines += [("hint", finding.hint)] * bool(finding.hint)
        lines += [("" if number else "and so", text) for number, text in enumerate(_consequences(finding))]
        width = max(len(name) for name, _ in lines)
        yield ""
        yield f"{reported.message}{always}"
        yield from (f"  {name:>{width}} | {text}" for name, text in lines)
    if findings[_WHOLE:]:
        yield ""
    for reported in findings[_WHOLE : _WHOLE + _SHORT]:
        finding = reported.finding
        yield f"{reported.message}: expected {finding.expected}, seen {finding.seen} ({_place(finding, scenario)})"
    more = len(findings) - _WHOLE - _SHORT
    if more > 0:
        yield f"and {more} more"


def _consequences(finding: Finding) -> list[str]:
    lines = consequences_of(finding)
    more = len(lines) - _CONSEQUENCES
    return [*lines[:_CONSEQUENCES], f"and {more} more"] if more > 0 else lines


def _place(finding: Finding, scenario: Scenario) -> str:
    is_elsewhere = finding.where.path != scenario.origin.file.as_posix()
    return f"{finding.where.path}:{finding.where.line}" if is_elsewhere else f"line {finding.where.line}"


def _calls_shown(evidence: Evidence, verdict: Verdict, findings: Sequence[ReportedFinding]) -> list[str]:
    """Call-IDs of the calls that findings are on, in the findings' order; without any the first call's."""
    names = names_of_calls(evidence)
    on = [*(reported.finding for reported in findings), *verdict.findings]
    failing = list(dict.fromkeys(finding.call_id for finding in on if finding.call_id in names))
    return [call_id for call_id in failing if call_id is not None] or list(names)[:1]


def _left_out(count: int) -> Iterator[str]:
    if count > 0:
        yield ""
        yield f"and {count} more call{'s' * (count > 1)} with findings: -v shows all ladders"


def _ladder(evidence: Evidence, verdict: Verdict, call_id: str, room: int) -> Iterator[str]:
    name = names_of_calls(evidence)[call_id]
    ladder = ladder_of(evidence, call_id, shown_of(verdict.findings, call_id))
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


def _http_steps(evidence: Evidence, findings: Sequence[ReportedFinding]) -> Iterator[str]:
    """What the scenario itself requested in the steps that findings are on."""
    on = {reported.finding.check for reported in findings}
    steps = [step for step in evidence.http_steps if f"{step.section}[{step.index}]" in on]
    if steps:
        yield ""
        yield "Requests of the scenario's own"
    for step in steps[:_STEPS]:
        answer = "no answer" if step.status is None else f"{step.status} {_on_a_line(step.response)}"
        request = _on_a_line(step.request)[:_REQUEST]
        yield f"  {step.at - evidence.started:8.3f}  {step.section}[{step.index}] {request}"
        yield f"{'':12}-> {step.error or answer}"


def _on_a_line(value: object) -> str:
    return " ".join(json_text(value).split())


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


def _footer(evidence: Evidence, verdict: Verdict, folder: Path | None) -> Iterator[str]:
    lab = {key: value for key, value in evidence.lab.items() if key not in ("token", "prepared", "unchecked")}
    yield "  ".join(f"{key} {value}" for key, value in lab.items())
    for about in ("prepared", "unchecked"):
        yield from (f"{about:<9} {line}" for line in evidence.lab.get(about, "").splitlines())
    of_the_lab = evidence.lab.get("unchecked", "")
    yield from (f"unchecked {name}: {why}" for name, why in verdict.unchecked.items() if why not in of_the_lab)
    if folder is not None:
        yield f"evidence  {folder}"
        yield f"check     rating-harness check {shlex.quote(str(folder))}"


def _fit(line: str) -> str:
    line = printable(line)
    # A folder is there to be copied.
    is_whole = line.startswith(("evidence ", "check ")) or len(line) <= _WIDTH
    return line if is_whole else f"{line[: _WIDTH - 1]}…"
