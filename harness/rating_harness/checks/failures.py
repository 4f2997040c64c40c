"""How many calls did not go as told: where that is counted, none of them is a finding of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from rating_harness.checks.calls import check_call
from rating_harness.checks.invariants import one_final_reply
from rating_harness.checks.model import Case, Finding
from rating_harness.scenario.matchers import Exactly, Matcher, Status
from rating_harness.scenario.model import Call, CallExpectation, Reply

__all__ = ["check_failures"]

_REASONS = 5
"""Reasons that are told, the most frequent ones."""


def check_failures(case: Case) -> Iterator[Finding]:
    """Calls that differ from what is expected of them, or have no final reply, or for which SIPp had no place."""
    failed: dict[str, str] = {}
    for index, planned in enumerate(case.scenario.calls):
        expect = _completed(planned)
        for call in case.of(planned.id):
            for finding in check_call(case, index, expect, call):
                failed.setdefault(call.call_id, _reason(finding))
    for finding in one_final_reply(case):
        if finding.call_id is not None:
            failed.setdefault(finding.call_id, f"final replies: {finding.seen}")
    misplaced = Counter[str]()
    for result in case.evidence.sipp:
        misplaced[result.role] += result.failed or 0
    number = max(len(failed), misplaced["caller"], misplaced["carrier"])
    wanted: Matcher = case.scenario.expect.failures or Exactly(0)
    if not wanted.matches(number):
        reasons = Counter(failed.values())
        if number > len(failed):
            reasons["SIPp met something it had no place for"] = number - len(failed)
        told = ", ".join(f"{reason} ({times})" for reason, times in reasons.most_common(_REASONS))
        yield Finding(
            check="expect.failures",
            message="calls that did not go as told",
            expected=str(wanted),
            seen=f"{number} of {len(case.calls)}: {told}" if told else f"{number} of {len(case.calls)}",
            where=case.scenario.where("expect", "failures"),
            call_id=next(iter(failed), None),
        )


def _completed(call: Call) -> CallExpectation:
    """What is expected of a call, with what goes without saying: it's answered, and ended by the one who hangs up."""
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
    ):
        changes["ended_by"] = call.hangup
    return expect.model_copy(update=changes)


def _reason(finding: Finding) -> str:
    key = finding.check.rpartition(".expect.")[2]
    if key in ("reply", "reason"):
        return finding.seen
    return f"ended by {finding.seen}" if key == "ended_by" else key
