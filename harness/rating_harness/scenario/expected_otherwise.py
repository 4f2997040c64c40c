"""Expectations of a call which other words of the same file leave no way to meet: warnings."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rating_harness.scenario.calls import DEFAULT_HOLD, Call
from rating_harness.scenario.consistency import refuses
from rating_harness.scenario.diagnostics import Finding
from rating_harness.scenario.expectations import TransactionExpectation
from rating_harness.scenario.foreseen import (
    LONGEST_CALL,
    behaviours,
    expects_answer,
    is_above_0,
    is_answered_by_fault,
    is_plain,
    isnt_authorised,
    longest_limit,
    no_carrier_answers,
    provisional_of,
    reached,
    shortest_limit,
)
from rating_harness.scenario.matchers import Absent, Matcher, Status
from rating_harness.scenario.model import Scenario
from rating_harness.scenario.nodes import ValuePath
from rating_harness.scenario.vacuous import bounds
from rating_harness.scenario.values import SecondsRange, duration_text

__all__ = ["expected_otherwise"]

_SLACK = 1.0
"""Seconds by which a call may differ from its `hold`."""


def expected_otherwise(scenario: Scenario) -> Iterator[Finding]:
    """Findings of a scenario on the project's own configuration."""
    for index, call in enumerate(scenario.calls):
        path: ValuePath = ("calls", index, "expect")
        if call.sipp is None and call.host is None:
            yield from _answer(scenario, call, path)
            yield from _refusal(scenario, call, path)
        yield from _length(scenario, call, path)
        yield from _up_to_its_limit(scenario, call, path)
        yield from _provisional(scenario, call, path)
        yield from _carriers(call, path)
        yield from _renewal(scenario, call, path)
    yield from _without_invites(scenario)
    if not scenario.faults and "begin_and_end" not in scenario.invariants:
        yield from _records(scenario)
    yield from _replies(scenario)
    yield from _timeout(scenario)


def _answer(scenario: Scenario, call: Call, path: ValuePath) -> Iterator[Finding]:
    if expects_answer(scenario, call) and isnt_authorised(scenario, call) and not scenario.phones:
        message = "a fault leaves this call without an authorization, and an answer is expected"
        yield Finding((*path, "reply"), message, "expect the refusal; or say with 'times' how many requests meet it")
    if is_answered_by_fault(scenario):
        return
    if expects_answer(scenario, call) and no_carrier_answers(scenario, call):
        message = "no carrier answers this call, and an answer is expected"
        yield Finding((*path, "reply"), message, "expect the refusal, or a carrier that answers")
    reply = call.expect.reply
    is_487 = reply is not None and reply.code == Status(487, 487)
    is_ended = call.cancel or call.requests or call.vanish or any(each.replaces == call.id for each in scenario.calls)
    may = any(each.sipp or (each.refuse and each.refuse.code == 487) for each in behaviours(scenario, call))
    if is_487 and not (is_ended or may or scenario.faults) and call.method == "INVITE":
        yield Finding(
            (*path, "reply"), "487 ends a call that is cancelled, and this one isn't", "cancel: while ringing"
        )


_OF_CALLEES = frozenset({410, 484, 485, 486, 488, 493, 603, 604, 606, 607, 608})
"""Refusals that Kamailio and the engine never make of their own."""


def _refusal(scenario: Scenario, call: Call, path: ValuePath) -> Iterator[Finding]:
    """A refusal that no carrier sends, or that reaches the caller as another."""
    reply, ends = call.expect.reply, reached(scenario, call)
    is_odd = call.headers or call.replaces or call.requests or call.method != "INVITE" or call.sdp is not True
    if reply is None or is_odd or scenario.faults or scenario.phones or any(each.sipp for each in ends):
        return
    sent = {each.refuse.code for each in ends if each.refuse is not None}
    for code in _OF_CALLEES - sent:
        if reply.code == Status(code, code):
            message = f"no carrier refuses with {code}"
            yield Finding((*path, "reply"), message, f"carriers: {{...: {{refuse: {code}}}}}")
    if reply.code == Status(503, 503) and 503 in sent and not scenario.kamailio.defines:
        message = "a carrier's 503 reaches the caller as 500 (RFC 3261 section 16.7)"
        yield Finding((*path, "reply"), message, "reply: 500")


def _hold(scenario: Scenario, call: Call) -> SecondsRange:
    hold = scenario.load.hold if scenario.load and scenario.load.hold else call.hold
    return hold or SecondsRange(DEFAULT_HOLD, DEFAULT_HOLD)


def _up_to_its_limit(scenario: Scenario, call: Call, path: ValuePath) -> Iterator[Finding]:
    """Of a call that neither end hangs up."""
    expect, most = call.expect, longest_limit(scenario, call)
    if call.hangup != "never" or not is_plain(scenario, call) or call.method != "INVITE":
        return
    if expect.ended_by in ("caller", "callee") and not (call.requests or call.cancel):
        message = f"nobody hangs up, and the {expect.ended_by} is expected to"
        yield Finding((*path, "ended_by"), message, f"hangup: {expect.ended_by}; or ended_by: kamailio, at its limit")
    if expect.duration is not None and not isinstance(expect.duration, Absent):
        yield from _paid(expect.duration, most, path)


def _paid(duration: Matcher, most: float, path: ValuePath) -> Iterator[Finding]:
    if bounds(duration)[0] > most + _SLACK:
        message = f"the account pays for {duration_text(most)}, and the duration is expected to be {duration}"
        yield Finding((*path, "duration"), message, "a higher balance; or expect that Kamailio ends it")


def _length(scenario: Scenario, call: Call, path: ValuePath) -> Iterator[Finding]:
    if call.hangup == "never" or not is_plain(scenario, call) or call.method != "INVITE":
        return
    expect, hold = call.expect, _hold(scenario, call)
    limit = min(shortest_limit(scenario, call), LONGEST_CALL)
    may_be_cut = hold.high + _SLACK >= limit
    is_limited_otherwise = scenario.kamailio.defines or call.reinvite or call.requests or call.headers
    if expect.ended_by == "kamailio" and not may_be_cut and not is_limited_otherwise:
        message = f"nothing makes Kamailio end this call: the {call.hangup} hangs up after {duration_text(hold.high)}"
        yield Finding((*path, "ended_by"), message, "hangup: never, and a PREPAID account whose balance is used up")
    if expect.ended_by == "nobody" and expect.reply is not None and expect.reply.code == Status(200, 200):
        message = f"the {call.hangup} hangs up after {duration_text(hold.high)}, and nobody is expected to"
        yield Finding((*path, "ended_by"), message, f"ended_by: {call.hangup}; or hangup: never")
    if expect.duration is None or isinstance(expect.duration, Absent):
        return
    low, high = bounds(expect.duration)
    unpaid = list(_paid(expect.duration, longest_limit(scenario, call), path))
    if unpaid:
        yield from unpaid
        return
    if expect.ended_by != "kamailio" and (
        low > hold.high + _SLACK or (high < hold.low - _SLACK and (expect.ended_by == call.hangup or not may_be_cut))
    ):
        held = duration_text(hold.high if low > hold.high else hold.low)
        message = f"the {call.hangup} hangs up after {held}, and the duration is expected to be {expect.duration}"
        yield Finding((*path, "duration"), message, f"duration: {held} ± 1s; or another 'hold'")


def _provisional(scenario: Scenario, call: Call, path: ValuePath) -> Iterator[Finding]:
    ends = reached(scenario, call)
    if not call.expect.provisional or any(each.sipp for each in ends) or scenario.faults or call.sipp is not None:
        return
    sent = {100, *(code for each in ends for code in provisional_of(each))}
    for index, code in enumerate(call.expect.provisional):
        if code not in sent:
            hint = f"carriers: {{...: {{provisional: [{code}]}}}}"
            yield Finding((*path, "provisional", index), f"no carrier sends {code}", hint)
            return


def _carriers(call: Call, path: ValuePath) -> Iterator[Finding]:
    carrier, tried = call.expect.carrier, call.expect.carriers
    if carrier is not None and tried and not isinstance(carrier, Absent) and not any(map(carrier.matches, tried)):
        message = f"{carrier} is to answer, and isn't among the carriers that are to get the INVITE"
        yield Finding((*path, "carrier"), message, "one of 'carriers'")


def _renewal(scenario: Scenario, call: Call, path: ValuePath) -> Iterator[Finding]:
    reply = call.expect.reinvite_reply
    is_said = call.reinvite or call.requests or call.transfer or call.replaces or call.sipp or call.headers
    may = any(each.sipp or each.headers for each in behaviours(scenario, call)) or scenario.phones
    if reply is not None and not isinstance(reply, Absent) and not is_said and not may:
        yield Finding((*path, "reinvite_reply"), "no re-INVITE and no UPDATE is sent", "reinvite: [after 500ms]")
    for index, each in enumerate(call.reinvite):
        if each.refuse is not None and isinstance(reply, Status) and not reply.matches(each.refuse.code):
            message = f"the other side refuses reinvite[{index}] with {each.refuse.code}"
            yield Finding(
                (*path, "reinvite_reply"), message, f"reinvite_reply: {each.refuse.code}, or a list of them"
            )


def _is_none(matcher: Matcher | None) -> bool:
    return matcher is not None and bounds(matcher) == (0.0, 0.0)


def _without_invites(scenario: Scenario) -> Iterator[Finding]:
    hosts = {carrier.host for carrier in scenario.given.carriers}
    left_out = {each.host: index for index, each in enumerate(scenario.expect.carriers) if _is_none(each.invites)}
    if not hosts or not hosts <= set(left_out) or scenario.phones or scenario.given.graphql:
        return
    if any(expects_answer(scenario, call) for call in scenario.calls) and not is_answered_by_fault(scenario):
        index = next(number for host, number in left_out.items() if host in hosts)
        message = "no carrier is to get an INVITE, and an answer is expected"
        yield Finding(("expect", "carriers", index, "invites"), message, "how many are they to be?")


def _records(scenario: Scenario) -> Iterator[Finding]:
    """Begins, ends and records of calls that aren't to be answered, and none of those that are."""
    calls = {call.id: call for call in scenario.calls}
    for key in ("begun", "ended"):
        for index, name in enumerate(getattr(scenario.expect, key)):
            reply = calls[name].expect.reply
            if reply is not None and refuses(reply.code):
                message = f"{name!r} isn't answered, and never {key}: its reply is expected to be {reply.code}"
                yield Finding(("expect", key, index), message, f"not_{key}: [{name}]")
    for key in ("not_begun", "not_ended"):
        for index, name in enumerate(getattr(scenario.expect, key)):
            if _says_answered(calls[name]):
                message = f"{name!r} is expected to be answered, and so it is {key.removeprefix('not_')}"
                yield Finding(("expect", key, index), message, "delete it, or expect a refusal")
    for index, record in enumerate(scenario.expect.transactions):
        reply = calls[record.call].expect.reply if record.call else None
        if reply is not None and refuses(reply.code) and not record.absent and record.count is None:
            for key in ("duration", "fee"):
                if is_above_0(getattr(record, key)):
                    message = f"{record.call!r} isn't answered: its reply is expected to be {reply.code}"
                    yield Finding(("expect", "transactions", index, key), message, f"{key}: 0")
        most = _most_records(scenario, record)
        if most is not None and record.count is not None and bounds(record.count)[0] > most:
            message, hint = (
                f"{record.call!r} has a record for each call and account: {most} at most",
                "or 'repeat' it",
            )
            yield Finding(("expect", "transactions", index, "count"), message, f"count: {most}; {hint}")
        is_any = record.model_fields_set <= {"call", "absent"}
        if record.call and record.absent and is_any and _says_answered(calls[record.call]):
            message = f"{record.call!r} is expected to be answered, and so it has a record"
            yield Finding(("expect", "transactions", index), message, "delete it, or expect a refusal")


def _most_records(scenario: Scenario, record: TransactionExpectation) -> int | None:
    """How many records a call has at most on the accounts that are asked for; None where nobody can tell."""
    call = next((each for each in scenario.calls if each.id == record.call), None)
    if call is None or scenario.load is not None or scenario.given.graphql:
        return None
    tags = [each.account_tag for each in scenario.given.accounts]
    payers = sum(1 for tag in tags if record.account_tag is None or record.account_tag.matches(tag))
    return int(call.times.high) * max(payers, 1)


def _says_answered(call: Call) -> bool:
    reply = call.expect.reply
    return reply is not None and reply.code == Status(200, 200) and call.expect.ended_by != "nobody"


def _replies(scenario: Scenario) -> Iterator[Finding]:
    """Final replies of all calls together that none of them is expected to get."""
    expected = [call.expect.reply.code for call in scenario.calls if call.expect.reply is not None]
    if len(expected) < len(scenario.calls):
        return
    for status, matcher in scenario.expect.replies.items():
        codes = range(int(status[0]) * 100, int(status[0]) * 100 + 100) if status.endswith("xx") else [int(status)]
        if not matcher.matches(0) and not any(code.matches(each) for code in expected for each in codes):
            message = f"no call is expected to end with {status}"
            yield Finding(("expect", "replies", status), message, "as the calls' own 'reply' has it", at_key=True)


def _timeout(scenario: Scenario) -> Iterator[Finding]:
    """Calls that go on for longer than the whole scenario may take."""
    most = scenario.timeout
    if most is None or scenario.load is not None or scenario.clock is not None:
        return
    for index, call in enumerate(scenario.calls):
        parts = {
            "start": call.start.delay if call.start.event is None else 0.0,
            "ring": call.ring.low if call.ring and call.cancel is None else 0.0,
            "hold": call.hold.low if call.hold and call.hangup != "never" else 0.0,
        }
        if sum(parts.values()) > most and math.isfinite(most):
            key = max(parts, key=lambda each: parts[each])
            message = f"this is {duration_text(sum(parts.values()))}, and the scenario may take {duration_text(most)}"
            yield Finding(("calls", index, key), message, "a longer 'timeout'")
