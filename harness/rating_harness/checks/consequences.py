"""One cause, one finding: what follows from another finding is put under that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rating_harness.checks.model import Case, Finding
from rating_harness.contract import CONTRACT
from rating_harness.evidence.calls import Call
from rating_harness.evidence.model import SipMessage

__all__ = ["with_consequences"]

_OF_AN_ANSWER = ("ended_by", "duration", "bye_reason", "bye_reply", "reinvite_reply", "carrier")
"""Expectations of a call that only one which is answered can meet."""

_OF_THE_END = ("duration", "bye_reason", "bye_reply")
"""Those that depend on who ends a call."""

_HARDEST_FIRST = (
    "always: strict_peer",
    "always: calls",
    ".expect.reply",
    ".expect.reason",
    ".expect.ended_by",
    "always: begin_and_end",
)
"""Ends of the names of checks which may tell a cause: a finding follows from one further up alone."""


def with_consequences(case: Case, findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings that follow from no other, in their order, each with those that follow from it.

    Where failed calls are counted nothing is put together: a finding is of many calls there.
    """
    if case.counts_failures:
        return tuple(findings)
    calls = {call.call_id: call for call in case.calls}
    causes = sorted((each for each in findings if _may_cause(calls, each)), key=_rank)
    # A load's findings are thousands, each of a call of its own: each is compared with those of its call alone.
    by_call: dict[str | None, list[Finding]] = {}
    for cause in causes:
        by_call.setdefault(cause.call_id, []).append(cause)
    cause_of: dict[int, Finding] = {}
    for finding in findings:
        for cause in causes if finding.call_id is None else by_call.get(finding.call_id, ()):
            if cause is not finding and _may_follow(finding, cause) and _follows(case, calls, finding, cause):
                cause_of[id(finding)] = cause
                break

    def root(finding: Finding) -> Finding:
        return root(cause_of[id(finding)]) if id(finding) in cause_of else finding

    under: dict[int, list[Finding]] = {}
    for finding in findings:
        if id(finding) in cause_of:
            under.setdefault(id(root(finding)), []).append(finding)
    return tuple(
        replace(each, consequences=tuple(sorted(under[id(each)], key=_is_no_loss))) if id(each) in under else each
        for each in findings
        if id(each) not in cause_of
    )


def _may_cause(calls: dict[str, Call], finding: Finding) -> bool:
    """Whether anything can follow from it: it's about a call of the scenario, or about one that was never made."""
    is_of_a_call = finding.call_id in calls or _makes_none(finding)
    return is_of_a_call and _rank(finding) < len(_HARDEST_FIRST)


def _makes_none(finding: Finding) -> bool:
    return finding.check == "always: calls" and finding.seen.startswith("0 made")


def _is_no_loss(finding: Finding) -> bool:
    """An unbilled call is what a reader has to see of all that follows."""
    return finding.check != "always: begin_and_end"


def _rank(finding: Finding) -> int:
    return next((n for n, end in enumerate(_HARDEST_FIRST) if finding.check.endswith(end)), len(_HARDEST_FIRST))


def _may_follow(finding: Finding, cause: Finding) -> bool:
    """Never both from each other: from one of the same name only what is said of its record."""
    return _rank(cause) < _rank(finding) or (_rank(cause) == _rank(finding) and _is_summary(finding, cause))


def _is_summary(finding: Finding, cause: Finding) -> bool:
    if cause.check == "always: begin_and_end":
        return finding.message.endswith(": its record") and not cause.message.endswith(": its record")
    return finding.message == _NO_CALL and cause.message != _NO_CALL


_NO_CALL = "no call was made at all"


def _follows(case: Case, calls: dict[str, Call], finding: Finding, cause: Finding) -> bool:
    if finding.message == _NO_CALL:
        return _makes_none(cause)
    call = calls.get(cause.call_id or "")
    if call is None or finding.call_id not in (None, call.call_id):
        return False
    if cause.check == "always: strict_peer":
        return finding.call_id is not None and _follows_a_refusal(finding, cause)
    if cause.check == "always: calls":
        return cause.message.endswith(_NOBODY) and _is_up(call, finding)
    if cause.check.endswith((".expect.reply", ".expect.reason")):
        return _follows_the_reply(case, call, finding)
    if cause.check.endswith(".expect.ended_by"):
        is_endless = call.answered is not None and not call.byes
        return _key(finding) in _OF_THE_END or (is_endless and _needs_a_bye(case, call, finding))
    is_unbilled = cause.seen.startswith(_UNBILLED) and cause.message.endswith(f": {CONTRACT.paths.end}")
    return is_unbilled and _needs_an_end(case, call, finding)


_UNBILLED = ("no request", "not accepted")
"""What is seen of an end that the engine doesn't count."""

_NOBODY = ": nobody ever hung up"


def _follows_a_refusal(finding: Finding, cause: Finding) -> bool:
    """What a strict peer refuses doesn't count as having arrived."""
    method = cause.shown_by.method if isinstance(cause.shown_by, SipMessage) else ""
    if finding.check == "always: both_ends":
        return f" {method} " in f"{finding.message} " or (method == "BYE" and " goes on for " in finding.message)
    return finding.check == "always: record" and method == "BYE" and " ends " in finding.message


def _follows_the_reply(case: Case, call: Call, finding: Finding) -> bool:
    """What another final reply than expected, or none, leads to."""
    if finding.call_id is None:
        is_caller = finding.message.startswith(f"SIPp on caller-{call.id} gave up")
        return is_caller or (call.answered is None and _is_unpaid(case, call, finding))
    if finding.check == "always: final_reply":
        return not call.finals
    if finding.check.startswith("expect.transactions["):
        return call.answered is None and not _has_ended(case, call)
    if finding.check.startswith("expect.requests["):
        return call.answered is None and finding.expected.startswith(f"{finding.seen}, ")
    return _key(finding) in ("reason", *(_OF_AN_ANSWER if call.answered is None else ()))


def _needs_a_bye(case: Case, call: Call, finding: Finding) -> bool:
    """What a call that was answered can't have unless someone hangs up."""
    if _needs_an_end(case, call, finding) or _is_up(call, finding):
        return True
    if ".received[" in finding.check:
        return " BYE " in f"{finding.message} "
    is_end = finding.check == "always: begin_and_end" and finding.message.endswith(f": {CONTRACT.paths.end}")
    return finding.call_id is not None and (is_end or finding.check in ("always: limit", "always: record"))


def _is_up(call: Call, finding: Finding) -> bool:
    is_running = finding.check == "always: running" and call.call_id in finding.seen
    return is_running or finding.check == "always: dialogs"


def _needs_an_end(case: Case, call: Call, finding: Finding) -> bool:
    """What a call can't have that the engine wasn't told the end of."""
    if finding.call_id is None:
        return (finding.check == "always: running" and call.call_id in finding.seen) or _is_unpaid(
            case, call, finding
        )
    if finding.check.startswith("expect.requests["):
        return finding.expected.startswith(f"{finding.seen}, ") and CONTRACT.paths.end in finding.expected
    if finding.check.startswith("expect.transactions["):
        return not _has_ended(case, call)
    return finding.check == "always: begin_and_end" and finding.message.endswith(": its record")


def _has_ended(case: Case, call: Call) -> bool:
    return any(record.get(CONTRACT.fields.ended_at) for record in case.records(call))


def _is_unpaid(case: Case, call: Call, finding: Finding) -> bool:
    """Whether it's about the balance of an account of the call's, for which there is no record with an end at all."""
    if not finding.check.startswith("expect.accounts["):
        return False
    index = int(finding.check.partition("[")[2].partition("]")[0])
    tag = case.scenario.expect.accounts[index].account_tag
    asked = (each.requested(CONTRACT.fields.account) for each in case.exchanges(call))
    return tag in asked and not any(_is_paid(case, tag))


def _is_paid(case: Case, tag: str) -> Iterable[bool]:
    fields = CONTRACT.fields
    records = case.evidence.after.transactions if case.evidence.after else ()
    return (bool(each.get(fields.ended_at)) for each in records if str(each.get(fields.account)) == tag)


def _key(finding: Finding) -> str:
    """``reply`` of ``calls[0].expect.reply``."""
    return finding.check.rpartition(".expect.")[2] if ".expect." in finding.check else ""
