"""What must be so after a canyan-tester file was run: canyan-tester's own checks, and those that it leaves out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rating_harness.canyan.model import CanyanScenario, SippWorker, Step, XhttpRequest
from rating_harness.checks.invariants import INVARIANT_CHECKS
from rating_harness.checks.model import Case, Finding, Verdict
from rating_harness.evidence.model import Evidence, HttpStep, SippResult

__all__ = ["accepted", "difference", "judge_canyan"]

_SHORT = 160


def judge_canyan(scenario: CanyanScenario, evidence: Evidence) -> Verdict:
    """Causes first: after a set-up that failed, nothing else means anything."""
    findings = list(_requests(scenario, evidence, "setup"))
    if not findings:
        if not scenario.lenient:
            findings += INVARIANT_CHECKS["kamailio"](Case(scenario, evidence))
        findings += _workers(scenario, evidence)
        for section in ("workers", "check", "teardown"):
            findings += _requests(scenario, evidence, section)
    return Verdict(scenario.id, tuple(findings))


# --- requests -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Wrong:
    expected: str
    seen: str
    hint: str = ""


def accepted(step: Step, exchange: HttpStep, *, lenient: bool = False) -> bool:
    """Whether a request was answered as its step expects.

    :param lenient: errors of GraphQL in an answer of status 200 are none.
    """
    return _wrong_answer(step, exchange, lenient) is None


def _requests(scenario: CanyanScenario, evidence: Evidence, section: str) -> Iterator[Finding]:
    for exchange in evidence.http_steps:
        if exchange.section != section:
            continue
        step = getattr(scenario.canyan, section)[exchange.index]
        if isinstance(step, XhttpRequest):
            is_lost = scenario.lenient and section == "workers"
            wrong, to = None if is_lost else _wrong_rpc(exchange, scenario.lenient), "Kamailio's HTTP"
        else:
            wrong, to = _wrong_answer(step, exchange, scenario.lenient), "the API"
        if wrong is not None:
            yield Finding(
                check=f"{section}[{exchange.index}]",
                message=f"{section}[{exchange.index}]: what {to} answered to {exchange.method} {exchange.url}",
                expected=wrong.expected,
                seen=wrong.seen,
                where=_place(scenario, section, exchange.index),
                hint=wrong.hint,
            )


def _place(scenario: CanyanScenario, section: str, index: int) -> Any:
    step = getattr(scenario.canyan, section)[index]
    is_compared = isinstance(step, Step) and step.expected_response is not None
    return scenario.where(section, index, *(["expected_response"] if is_compared else []))


def _wrong_answer(step: Step, exchange: HttpStep, lenient: bool) -> _Wrong | None:
    wrong = _no_answer(exchange)
    if wrong is not None:
        return wrong
    if step.method != "DELETE" and isinstance(exchange.response, str):
        return _Wrong("JSON", _short(exchange.response))
    errors = _errors(exchange.response)
    if step.expected_response:
        expected = json.loads(step.expected_response)
        differs = difference(expected, exchange.response)
        if differs is None:
            return None
        if not errors:
            way, wanted, seen = differs
            return _Wrong(f"{way}: {wanted}", f"{way}: {seen}", _times(exchange))
    return _Wrong("no errors", errors) if errors and not lenient else None


def _wrong_rpc(exchange: HttpStep, lenient: bool) -> _Wrong | None:
    wrong = _no_answer(exchange)
    if wrong is not None or lenient or not isinstance(exchange.response, Mapping):
        return wrong
    error = exchange.response.get("error")
    return _Wrong("no error", _short(json.dumps(error))) if error else None


def _no_answer(exchange: HttpStep) -> _Wrong | None:
    if exchange.error:
        return _Wrong("an answer", _short(exchange.error))
    if exchange.status != 200:
        return _Wrong("status 200", f"status {exchange.status}: {_short(_text(exchange.response))}")
    return None


def _errors(answer: Any) -> str:
    """The messages of GraphQL's errors; an empty text where there's none."""
    errors = answer.get("errors") if isinstance(answer, Mapping) else None
    if not errors:
        return ""
    messages = (str(e.get("message", e)) if isinstance(e, Mapping) else str(e) for e in _as_list(errors))
    return _short("; ".join(dict.fromkeys(messages)))


def _as_list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]


def difference(expected: Any, seen: Any, way: str = "") -> tuple[str, str, str] | None:
    """``(way, expected, seen)`` of the first place where two JSON values differ; None when they are equal."""
    if isinstance(expected, dict) and isinstance(seen, dict):
        for key in [*expected, *(key for key in seen if key not in expected)]:
            below = f"{way}.{key}".lstrip(".")
            if key not in expected or key not in seen:
                return below, _shown(expected, key), _shown(seen, key)
            found = difference(expected[key], seen[key], below)
            if found is not None:
                return found
        return None
    if isinstance(expected, list) and isinstance(seen, list) and len(expected) == len(seen):
        pairs = enumerate(zip(expected, seen, strict=True))
        return next((found for n, (e, s) in pairs if (found := difference(e, s, f"{way}[{n}]"))), None)
    # Python takes true for 1; JSON doesn't.
    is_same = expected == seen and isinstance(expected, bool) == isinstance(seen, bool)
    return None if is_same else (way or "the answer", _short(json.dumps(expected)), _short(json.dumps(seen)))


def _shown(value: Mapping[str, Any], key: str) -> str:
    return _short(json.dumps(value[key])) if key in value else "nothing"


def _times(exchange: HttpStep) -> str:
    return f"it was sent {exchange.tries} times, since records arrive in their own time" if exchange.tries > 1 else ""


def _text(answer: Any) -> str:
    return answer if isinstance(answer, str) else json.dumps(answer)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHORT else f"{line[: _SHORT - 1]}…"


# --- SIPp -----------------------------------------------------------------------------------------------------------


def _workers(scenario: CanyanScenario, evidence: Evidence) -> Iterator[Finding]:
    runs: dict[str, list[SippResult]] = {}
    for result in evidence.sipp:
        runs.setdefault(result.host, []).append(result)
    for name, results in runs.items():
        index = int(name.split("-")[1]) - 1
        worker = scenario.canyan.workers[index]
        failed = [(number, run, _why_failed(run, scenario.lenient)) for number, run in enumerate(results, start=1)]
        bad = [(number, run, why) for number, run, why in failed if why]
        if isinstance(worker, SippWorker) and len(bad) > worker.max_errors:
            number, run, why = bad[0]
            yield Finding(
                check=f"workers[{index}]",
                message=f"{name}: SIPp runs that went as {worker.scenario or 'the built-in scenario'} says",
                expected=_runs(len(results), worker.max_errors),
                seen=f"{len(results) - len(bad)}; run {number}: {why}",
                where=scenario.where("workers", index, "scenario"),
                call_id=_call_of(run.errors),
                hint=_cause(run.errors),
            )
    if not scenario.lenient and not sum(run.created or 0 for run in evidence.sipp):
        yield Finding(
            check="always: calls",
            message="no call was made at all",
            expected="at least one call",
            seen="none",
            where=scenario.where("workers"),
        )


def _runs(number: int, allowed: int) -> str:
    text = f"{number} run" if number == 1 else f"all {number} runs"
    return f"{text}, of which {allowed} may fail (max_errors)" if allowed else text


def _why_failed(run: SippResult, lenient: bool) -> str:
    """Empty when it went well."""
    if run.stopped:
        return "killed when its time was over"
    if run.status is None:
        return "it was not made"
    failures = ", ".join(f"{name} {number}" for name, number in run.failures.items())
    if run.status != 0:
        return f"exit status {run.status}{f' ({failures})' if failures else ''}"
    if lenient:
        return ""
    if run.failed:
        return f"{run.failed} of {run.created} calls failed ({failures or 'no reason given'})"
    if run.planned is not None and (run.successful or 0) < run.planned:
        return f"exit status 0, but {run.successful or 'none'} of {run.planned} calls made"
    return ""


def _call_of(errors: str) -> str | None:
    found = re.search(r"Call-I[dD] '([^']+)'", errors)
    return found[1] if found else None


def _cause(errors: str) -> str:
    """The first line that says what SIPp didn't like, without its time."""
    lines = [line for line in errors.splitlines() if line.strip()]
    causes = (line for line in lines if re.search(r"Aborting|Failed|expecting|[Ee]rror|No such|[Tt]imeout", line))
    found = next(causes, lines[-1] if lines else "")
    return _short(re.sub(r"^\d{4}-\d\d-\d\d\s\S+\s[\d.]+:\s|^\S+\s\S+\s\d+\.\d+:\s", "", found))
