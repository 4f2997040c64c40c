"""One cause, one finding: what follows from another finding is put under that."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from rating_harness.checks.billing import BESIDE
from rating_harness.checks.model import Case, Finding
from rating_harness.checks.time_over import NOBODY, RINGING, UP
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
    "always: both_ends",
    "always: calls",
    "always: requests",
    ".expect.reply",
    ".expect.reason",
    "always: final_reply",
    "].timeout",
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
        return _step(cause) < _step(finding) < len(_STEPS)
    if cause.check == "always: both_ends":
        is_left = _GOES_ON in finding.message and _GOES_ON not in cause.message
        return is_left or _is_lost_later(finding, cause)
    return finding.message == _NO_CALL and cause.message != _NO_CALL


_LOST = re.compile(r": the [\w-]+ of the (?:caller|callee)$")


def _is_lost_later(finding: Finding, cause: Finding) -> bool:
    """Whether both are of requests within the call that were kept back in the same way: the first tells it."""
    is_same = finding.seen == cause.seen and all(map(_LOST.search, (finding.message, cause.message)))
    first, later = cause.shown_by, finding.shown_by
    return bool(is_same and isinstance(first, SipMessage) and isinstance(later, SipMessage) and first.at < later.at)


_STEPS = (CONTRACT.paths.begin, CONTRACT.paths.end, "its record")
"""Ends of messages of `begin_and_end`: what isn't begun isn't ended, and what isn't ended has no record."""

_GOES_ON = " goes on for "


def _step(finding: Finding) -> int:
    return next((n for n, end in enumerate(_STEPS) if finding.message.endswith(f" {end}")), len(_STEPS))


_NO_CALL = "no call was made at all"


def _follows(case: Case, calls: dict[str, Call], finding: Finding, cause: Finding) -> bool:
    if finding.message == _NO_CALL:
        return _makes_none(cause)
    call = calls.get(cause.call_id or "")
    if call is None or finding.call_id not in (None, call.call_id):
        return False
    if cause.check == "always: strict_peer":
        is_refused = finding.call_id is not None and _follows_a_refusal(finding, cause)
        return is_refused or _follows_an_unread_reply(call, finding, cause)
    if cause.check == "always: both_ends":
        return _follows_a_loss(case, call, finding, cause)
    if cause.check == "always: requests":
        return _follows_a_wrong_name(case, call, finding, cause)
    if cause.check == "always: calls":
        return _follows_its_going_on(case, call, finding, cause)
    if cause.check.endswith((".expect.reply", ".expect.reason")):
        return _follows_the_reply(case, call, finding)
    if cause.check == "always: final_reply":
        is_begun = _BUT_HAS in finding.message and finding.call_id == call.call_id
        return call.answered is None and (is_begun or _is_up(call, finding) or _gave_up(call, finding))
    if cause.check.endswith("].timeout"):
        return _follows_the_timeout(call, finding)
    if cause.check.endswith(".expect.ended_by"):
        is_endless = call.answered is not None and not call.byes
        return _key(finding) in _OF_THE_END or (is_endless and _needs_a_bye(case, call, finding))
    if _names(cause):
        return _follows_a_wrong_name(case, call, finding, cause)
    if cause.message.endswith((BESIDE, "was ended more than once")):
        is_number = finding.check.startswith("expect.requests[") and finding.check.endswith((".count", ".order"))
        is_of_ends = is_number and CONTRACT.paths.end in f"{finding.seen}, {finding.expected}"
        return is_of_ends or (finding.check == "always: tables" and finding.call_id == call.call_id)
    is_unbilled = cause.seen.startswith(_UNBILLED) and _step(cause) < len(_STEPS) - 1
    return is_unbilled and (_needs_an_end(case, call, finding) or _is_unfinished(case, call, finding))


def _names(finding: Finding) -> str:
    """``account_tag in end_transaction``, of a finding that it's another one than it should be; empty for others."""
    what = finding.message.rpartition(": ")[2]
    return what if what.partition(" in ")[2] in CONTRACT.paths.by_word.values() else ""


def _follows_a_wrong_name(case: Case, call: Call, finding: Finding, cause: Finding) -> bool:
    """What comes of a request to the agent that names another account, caller or number than that of its call."""
    what = _names(cause)
    if not what:
        return False
    is_refused = call.final is not None and not call.tried
    if finding.check.endswith((".expect.reply", ".expect.reason")):
        return what.endswith(CONTRACT.paths.authorization) and is_refused
    if finding.check.startswith("expect.requests["):
        is_same = finding.seen == cause.seen and finding.message.startswith(f"{what.partition(' in ')[0]} in ")
        is_tried_again = finding.check.endswith((".count", ".order")) and _is_retried(case, call)
        return is_same or is_tried_again
    if finding.check.startswith("expect.transactions[") or finding.check == "always: record":
        return True
    if _is_retried(case, call):
        return finding.check == "always: tables" or _needs_an_end(case, call, finding)
    return False


def _is_retried(case: Case, call: Call) -> bool:
    """Whether ends were sent, and the agent took none."""
    return bool(case.exchanges(call, CONTRACT.paths.end)) and not case.accepted(call, CONTRACT.paths.end)


def _follows_a_loss(case: Case, call: Call, finding: Finding, cause: Finding) -> bool:
    """What follows where a request within the call doesn't reach the other end, or isn't taken there."""
    if _GOES_ON in cause.message:
        return False
    nobody_hung_up = call.ended_by in (None, "kamailio")
    if finding.check == "always: both_ends":
        is_left = _GOES_ON in finding.message and (nobody_hung_up or " BYE " in cause.message)
        return is_left or _is_lost_later(finding, cause)
    if _gave_up(call, finding):
        return True
    if not nobody_hung_up and " BYE " not in cause.message:
        return False
    if nobody_hung_up and (finding.check == "always: tables" or _key(finding) in ("ended_by", *_OF_THE_END)):
        return True
    is_lost = not case.exchanges(call, CONTRACT.paths.end)
    return is_lost and (_needs_a_bye(case, call, finding) or _is_unfinished(case, call, finding))


_BUT_HAS = " was not answered, but has "

_UNBILLED = ("no request", "not accepted")
"""What is seen of an end that the engine doesn't count."""


def _follows_its_going_on(case: Case, call: Call, finding: Finding, cause: Finding) -> bool:
    """What a call lacks because it's not over yet."""
    is_of_it = finding.call_id == call.call_id
    if cause.message.endswith(RINGING):
        is_told = ".expect." in finding.check or finding.check in _OF_ONE_THAT_RINGS
        return (is_of_it and is_told) or _is_up(call, finding) or _gave_up(call, finding)
    if not cause.message.endswith((NOBODY, UP)) or call.byes:
        return False
    is_end = _key(finding) in ("ended_by", *_OF_THE_END) or finding.check == "always: tables"
    return (is_of_it and is_end) or _needs_a_bye(case, call, finding) or _gave_up(call, finding)


_OF_ONE_THAT_RINGS = ("always: begin_and_end", "always: final_reply", "always: both_ends", "always: tables")


def _gave_up(call: Call, finding: Finding) -> bool:
    return finding.call_id is None and finding.message.startswith(f"SIPp on caller-{call.id} gave up")


def _follows_the_timeout(call: Call, finding: Finding) -> bool:
    """What Kamailio does at another moment than it was to, or never: hang up."""
    is_kamailios = finding.check.endswith(".expect.ended_by") and call.ended_by in ("kamailio", None)
    return is_kamailios and call.answered is not None


def _is_unfinished(case: Case, call: Call, finding: Finding) -> bool:
    """What Kamailio keeps of a call that it has reported no end of."""
    if finding.check == "always: dialogs":
        unended = [each for each in case.calls if each.answered and not case.exchanges(each, CONTRACT.paths.end)]
        return 0 < (case.evidence.dialogs_left or 0) <= len(unended)
    return finding.check == "always: tables" and finding.call_id == call.call_id


def _follows_a_refusal(finding: Finding, cause: Finding) -> bool:
    """What a strict peer refuses doesn't count as having arrived."""
    method = cause.shown_by.method if isinstance(cause.shown_by, SipMessage) else ""
    if finding.check == "always: both_ends":
        words = f"{finding.message} ".replace(" re-INVITE ", " INVITE ")
        return f" {method} " in words or (method == "BYE" and " goes on for " in finding.message)
    return finding.check == "always: record" and method == "BYE" and " ends " in finding.message


def _follows_an_unread_reply(call: Call, finding: Finding, cause: Finding) -> bool:
    """What comes of a caller that makes nothing of a reply to its INVITE, and may give up at it."""
    shown = cause.shown_by
    if (
        not isinstance(shown, SipMessage)
        or shown.status is None
        or shown.method != "INVITE"
        or call.final is not None
    ):
        return False
    is_told = finding.check in ("always: final_reply", "always: tables") or _BUT_HAS in finding.message
    is_of_it = finding.call_id == call.call_id and is_told
    return is_of_it or _gave_up(call, finding) or _is_up(call, finding)


def _follows_the_reply(case: Case, call: Call, finding: Finding) -> bool:
    """What another final reply than expected, or none, leads to."""
    if finding.call_id is None:
        is_waiting = call.answered is None and (_is_unpaid(case, call, finding) or _waits_for(case, call, finding))
        return _gave_up(call, finding) or is_waiting
    if finding.check == "always: final_reply":
        return not call.finals
    if finding.check.startswith("expect.transactions["):
        return call.answered is None and not _has_ended(case, call)
    if finding.check.startswith("expect.requests["):
        return call.answered is None and _lacks_requests(case, call, finding)
    return _key(finding) in ("reason", *(_OF_AN_ANSWER if call.answered is None else ()))


_INDEXES = re.compile(r"calls\[(\d+)\]\.requests\[(\d+)\]")


def _waits_for(case: Case, call: Call, finding: Finding) -> bool:
    """Whether it's a request or a call that waited in vain for something of that call."""
    if finding.check == "always: calls" and finding.message.startswith("call ") and finding.seen.startswith("0 made"):
        waiting = finding.message.removeprefix("call ")
        return any(each.id == waiting and each.start.call == call.id for each in case.scenario.calls)
    found = _INDEXES.match(finding.check)
    if found is None or not finding.message.endswith("was never sent"):
        return False
    planned = case.scenario.calls[int(found[1])]
    moment = planned.requests[int(found[2])].at
    return call.id == (moment.call or planned.id)


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
        return _lacks_requests(case, call, finding)
    if finding.check.startswith("expect.transactions["):
        return not _has_ended(case, call)
    is_reported = finding.check == "always: begin_and_end" and 0 < _step(finding) < len(_STEPS)
    return is_reported and (finding.seen.startswith("no") or _step(finding) > 1)


def _lacks_requests(case: Case, call: Call, finding: Finding) -> bool:
    """Whether an expectation of the agent's requests would be met with the begin or the end that was never sent."""
    paths = CONTRACT.paths
    expect = case.scenario.expect.requests[int(finding.check.partition("[")[2].partition("]")[0])]
    never = [kind for kind in (paths.begin, paths.end) if not case.exchanges(call, kind)]
    if finding.check.endswith(".order"):
        wanted = finding.expected.split(", ")
        return finding.seen == ", ".join(kind for kind in wanted if kind not in never) != finding.expected
    if not finding.check.endswith(".count"):
        return False
    if expect.path is not None:
        return paths.by_word[expect.path] in never
    sent = len(case.exchanges(call))
    return expect.count is None or any(expect.count.matches(sent + n) for n in range(1, len(never) + 1))


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
