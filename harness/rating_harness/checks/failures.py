"""How many calls failed, where that is counted: under load, and where a scenario says how many may."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rating_harness.checks.calls import check_call
from rating_harness.checks.invariants import first_error, one_final_reply
from rating_harness.checks.model import Case, Finding, broken, unmet
from rating_harness.evidence.calls import Call
from rating_harness.scenario.matchers import Status
from rating_harness.scenario.model import Call as PlannedCall
from rating_harness.scenario.model import CallExpectation, Reply

__all__ = ["check_failures"]

_REASONS = 5
"""Reasons that are listed, the most frequent ones."""

_UNEXPECTED = "unexpected SIP message, or none"


@dataclass(frozen=True, slots=True)
class _Failure:
    """A call that failed, and what is wrong with it, the cause first."""

    call: Call
    findings: tuple[Finding, ...]

    @property
    def causes(self) -> tuple[Finding, ...]:
        """Without what follows from another reply than expected."""
        first = self.findings[0]
        return (first,) if first.check.endswith((".reply", ".reason", "final_reply")) else self.findings


def check_failures(case: Case) -> Iterator[Finding]:
    """Calls that differ from what is expected of them, or have no final reply, or which SIPp itself gave up.

    Where the scenario says how many may, that number is judged; else each expectation that isn't met has a finding,
    with how many calls it isn't met by and what was seen instead.
    """
    failed = _failures(case)
    number = max(len(failed), *_given_up(case).values(), 0)
    wanted = case.scenario.expect.failures
    if wanted is None:
        yield from _by_expectation(case, failed)
        if number > len(failed):
            yield _unexplained(case, number - len(failed))
    elif not wanted.matches(number):
        reasons = Counter(_reason(failure.findings[0]) for failure in failed)
        if number > len(failed):
            reasons[_UNEXPECTED] = number - len(failed)
        told = f": {_counted(reasons)}" if reasons else ""
        yield unmet(
            case,
            ("expect", "failures"),
            "calls that failed",
            str(wanted),
            f"{number} of {len(case.calls)}{told}",
            call=failed[0].call if failed else None,
        )


def _failures(case: Case) -> list[_Failure]:
    """Each call that failed, with all that is wrong with it."""
    failed: list[_Failure] = []
    without_final_reply = {each.call_id: each for each in one_final_reply(case)}
    for index, planned in enumerate(case.scenario.calls):
        for call in case.of(planned.id):
            found = list(check_call(case, index, _completed(planned, call), call))
            if not found and call.call_id in without_final_reply:
                found = [without_final_reply[call.call_id]]
            if found:
                failed.append(_Failure(call, tuple(found)))
    return failed


def _given_up(case: Case) -> Counter[str]:
    """How many calls SIPp itself counts as failed, by its role: each end counts the same call."""
    counts = Counter[str]()
    for result in case.evidence.sipp:
        counts[result.role] += result.failed or 0
    return counts


def _by_expectation(case: Case, failures: Sequence[_Failure]) -> Iterator[Finding]:
    """A finding for each expectation that some calls don't meet, the most frequent first."""
    alike: dict[tuple[str, str, str], list[Finding]] = {}
    for failure in failures:
        for finding in failure.causes:
            what = finding.message.partition(": ")[2]
            alike.setdefault((finding.check, failure.call.id, what), []).append(finding)
    for (_, call_id, what), several in sorted(alike.items(), key=lambda each: -len(each[1])):
        yield replace(
            several[0],
            message=f"call {call_id}: {what}, in {len(several)} of {len(case.of(call_id))} calls",
            seen=_counted(Counter(finding.seen for finding in several)),
        )


def _unexplained(case: Case, number: int) -> Finding:
    errors = next((first_error(result.errors) for result in case.evidence.sipp if result.failed), "")
    return broken(
        case,
        "calls",
        f"{_UNEXPECTED}, in {number} of {len(case.calls)} calls",
        "no call that SIPp gives up",
        f"{number} given up",
        hint=errors,
    )


def _counted(reasons: Counter[str]) -> str:
    told = ", ".join(f"{reason} ({times})" for reason, times in reasons.most_common(_REASONS))
    return told if len(reasons) <= _REASONS else f"{told}, and {len(reasons) - _REASONS} others"


def _completed(call: PlannedCall, seen: Call) -> CallExpectation:
    """What is expected of a call, with what goes without saying: it's answered, and ended by the one who hangs up.

    :param seen: where it may be refused as well, and was, nobody hangs it up.
    """
    expect, changes = call.expect, dict[str, Any]()
    if call.method != "INVITE" or call.sipp is not None or call.vanish is not None:
        return expect
    if expect.reply is None and expect.reason is None:
        changes["reply"] = Reply.model_construct(code=Status(487, 487) if call.cancel else Status(200, 299))
    reply = changes.get("reply", expect.reply)
    if (
        expect.ended_by is None
        and call.hangup != "never"
        and call.bye == "normal"
        and reply is not None
        and reply.code.matches(200)
        and (seen.answered is not None or seen.final is None or not reply.code.matches(seen.final.status))
    ):
        changes["ended_by"] = call.hangup
    return expect.model_copy(update=changes)


def _reason(finding: Finding) -> str:
    if finding.check == "always: final_reply":
        return f"final replies: {finding.seen}"
    key = finding.check.rpartition(".expect.")[2]
    if key in ("reply", "reason"):
        return finding.seen
    return f"ended by {finding.seen}" if key == "ended_by" else key
