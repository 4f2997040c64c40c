"""What must hold in every scenario, unless it says why not (``invariants:``)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from rating_harness.checks.agent_answers import untranslated
from rating_harness.checks.billing import balances_move_by_fees, begin_and_end
from rating_harness.checks.call_ends import both_ends_agree, is_left_alone
from rating_harness.checks.forwarding import messages_are_passed_on
from rating_harness.checks.health import kamailio_is_well, no_dialog_left, nothing_left_running, nothing_left_waiting
from rating_harness.checks.kamailio import no_alarm
from rating_harness.checks.model import Case, Finding, broken, unmet
from rating_harness.checks.own_ends import CLOCKS
from rating_harness.checks.proxying import proxied_as_it_should_be
from rating_harness.checks.recorded_calls import fees_are_right, records_are_the_calls
from rating_harness.checks.requests import requests_are_as_agreed, requests_are_of_the_call
from rating_harness.checks.strict_peer import arrivals_are_valid
from rating_harness.checks.time_over import beyond_their_time
from rating_harness.contract import CONTRACT, units_of
from rating_harness.evidence.calls import Call
from rating_harness.evidence.headers import branch_of, is_same_number, user_of
from rating_harness.evidence.model import SipMessage, SippResult
from rating_harness.scenario.clock import skip_name, skips_of
from rating_harness.scenario.values import Moment, duration_text, spoken_duration

__all__ = ["AWAITED", "INVARIANT_CHECKS", "first_error", "one_final_reply", "unmoved_clock", "unused_faults"]

_CROSSING = 0.3
"""Seconds within which a final reply and a CANCEL may cross, on a busy machine too."""

_LATE = 2.0
"""Seconds that a call may outlast its limit: Kamailio's dialog timer ticks once a second, and its BYE takes a while
(measured: 0.5 s early to 0.7 s late)."""


def unused_faults(case: Case) -> Iterator[Finding]:
    """A fault that was never applied proves nothing. This check can't be switched off."""
    for index in case.evidence.idle:
        fault = case.scenario.faults[index]
        yield unmet(
            case,
            ("faults", index),
            f"the fault of {fault.on} was never applied",
            f"{', '.join(fault.actions)}, at least once",
            "never: its moment didn't come, or no request met it",
            hint="is its `when` an event that happens, and its `path` and `nth` a request that is made?",
        )


def unmoved_clock(case: Case) -> Iterator[Finding]:
    """A skip of the clock that never came. This check can't be switched off."""
    skips, skipped = skips_of(case.scenario), case.evidence.skipped
    if skipped >= sum(skip.skip for _, skip in skips):
        return
    spans = [span.what for span in case.evidence.spans]
    for path, skip in skips:
        name = skip_name(skip.skip)
        if name in spans:
            spans.remove(name)
            continue
        yield unmet(
            case,
            (*path, "when"),
            "the clock was never put forward",
            f"{spoken_duration(skip.skip)} skipped, {skip.when}",
            f"{spoken_duration(skipped)} skipped{' by the others' if skipped else ''}: its moment didn't come",
        )


def calls_were_made(case: Case) -> Iterator[Finding]:
    """Zero calls are a failure, and so is a call that SIPp gave up."""
    made = 0
    for index, planned in enumerate(case.scenario.calls):
        calls = case.of(planned.id)
        sent = sum(any(message.direction == "sent" for message in call.caller) for call in calls)
        made += sent
        if sent < len(calls):
            why = f", since its moment never came: {planned.start}" if planned.start.event and not sent else ""
            expected, seen = f"{len(calls)} made", f"{sent} made{why}"
            yield broken(case, "calls", f"call {planned.id}", expected, seen, index=index)
        yield from beyond_their_time(case, index)
    if made == 0:
        yield broken(case, "calls", "no call was made at all", "at least one call", "none")
    if not case.counts_failures:
        yield from _given_up(case)
        yield from _never_cancelled(case)


def _never_cancelled(case: Case) -> Iterator[Finding]:
    """A caller who was to give up, and got a final reply before. Where one is expected, that tells it."""
    for index, planned in enumerate(case.scenario.calls):
        expect = planned.expect
        if planned.cancel is None or expect.reply is not None or expect.reason is not None:
            continue
        for call in case.of(planned.id):
            final, due = call.final, _due(call, planned.cancel)
            sent = any(m.is_request and m.method == "CANCEL" for m in call.caller)
            if final is not None and not sent and (due is None or final.at < due - _CROSSING):
                seen = f"{final.status} {final.reason} before"
                message = f"call {call.id}: the CANCEL was never sent"
                expected = f"CANCEL {planned.cancel}"
                yield broken(case, "calls", message, expected, seen, call=call, index=index, shown_by=final)


def _due(call: Call, cancel: Moment) -> float | None:
    """When a CANCEL was to be sent; None where its moment never came."""
    rang = (m.at for m in call.replies if m.status is not None and 100 < m.status < 200)
    begun = next(rang, None) if cancel.event == "ringing" else call.invite.at if call.invite else None
    return None if begun is None else begun + cancel.delay


def _given_up(case: Case) -> Iterator[Finding]:
    for result in case.evidence.sipp:
        if result.failed and not _got_what_is_expected(case, result):
            reasons = ", ".join(f"{name} {number}" for name, number in result.failures.items())
            expected, seen = "no failed call", f"{result.failed} failed ({reasons or 'no reason given'})"
            hint, index, file = first_error(result.errors), *_file_of(case, result)
            if file is not None and (gave_up := _step_of(result.errors, file)) is not None:
                (expected, came), hint = gave_up, seen
                seen, status = came, re.match("[3-6][0-9][0-9] ", came)
                if status is not None and index is not None:
                    hint += f"; where that's right: expect: {{reply: {status[0].strip()}}}"
            message = f"SIPp on {result.host} gave up: an unexpected SIP message, or none in time"
            yield broken(case, "calls", message, expected, seen, index=index, hint=hint)


def _file_of(case: Case, result: SippResult) -> tuple[int | None, str | None]:
    """The call whose caller it plays, and the author's file that it plays."""
    for index, planned in enumerate(case.scenario.calls):
        if f"caller-{planned.id}" == result.host:
            return index, planned.sipp.file if planned.sipp is not None else None
    behaviour = case.scenario.carriers.get(result.host)
    return None, behaviour.sipp.file if behaviour is not None and behaviour.sipp is not None else None


_UNEXPECTED = re.compile(r"while expecting '(\w+)' \(index (\d+)\), received '(?:SIP/2\.0 )?([^\r\n']*)")
_NO_MATCH = re.compile(
    r"Failed regexp match: looking in '(?:SIP/2\.0 )?([^\r\n']*).*?', with regexp '([^\n]*)'\n", re.DOTALL
)

_UNFORESEEN = re.compile(r"Aborting call on an unexpected (CANCEL|BYE)")


def _step_of(errors: str, file: str) -> tuple[str, str] | None:
    """What a file waited for, and what came, by what SIPp says of it first; None where it says something else."""
    if unexpected := _UNEXPECTED.search(errors):
        awaited, step, came = unexpected.groups()
        return f"{awaited}, by step {int(step) + 1} of {file}", came
    if unlike := _NO_MATCH.search(errors):
        return f"/{unlike[2]}/ in it, by {file}", f"{unlike[1]}, without"
    if unforeseen := _UNFORESEEN.search(errors):
        return f"a {unforeseen[1]} where {file} waits for one", f"{unforeseen[1]} at another step"
    return None


def _got_what_is_expected(case: Case, result: SippResult) -> bool:
    """Whether a file of the author's gave up at the very refusal that the scenario expects: the scenario decides."""
    if set(result.failures) - {"FailedUnexpectedMessage"}:
        return False
    planned = next((each for each in case.scenario.calls if f"caller-{each.id}" == result.host), None)
    if planned is None:
        return _was_cancelled(case, result)
    if planned.sipp is None or planned.expect.reply is None:
        return False
    for call in case.of(planned.id):
        final, wanted = call.final, planned.expect.reply
        status = final.status or 0 if final else 0
        if status < 300 or not wanted.code.matches(status) or f"received 'SIP/2.0 {status}" not in result.errors:
            return False
    return True


def _was_cancelled(case: Case, result: SippResult) -> bool:
    """Whether a carrier's file has no place for a CANCEL, and each call that it got ended as the scenario expects."""
    behaviour = case.scenario.carriers.get(result.host)
    aborted = [line for line in result.errors.splitlines() if "Aborting" in line]
    is_for_a_cancel = bool(aborted) and all("unexpected CANCEL" in line for line in aborted)
    if behaviour is None or behaviour.sipp is None or not is_for_a_cancel:
        return False
    for planned in case.scenario.calls:
        for call in case.of(planned.id):
            if any(m.host == result.host and m.is_request and m.method == "CANCEL" for m in call.messages):
                wanted, status = planned.expect.reply, call.final.status if call.final else None
                if wanted is None or status is None or status < 300 or not wanted.code.matches(status):
                    return False
    return True


def first_error(errors: str) -> str:
    """What SIPp says first of a call that it gave up."""
    return next(
        (line.split(": ", 1)[-1][:160] for line in errors.splitlines() if "Aborting" in line or "Failed" in line), ""
    )


def one_final_reply(case: Case) -> Iterator[Finding]:
    """Each caller gets one final reply, but for answers that it declined; none where none can come."""
    for index, planned in enumerate(case.scenario.calls):
        vanish = planned.vanish
        gone_early = vanish is not None and vanish.who == "caller" and vanish.at.event == "ringing"
        silence_expected = planned.expect.reply is not None and planned.expect.reply.code.matches(None)
        for call in case.of(planned.id):
            finals = [final for final in call.finals if final not in call.declined]
            if len(finals) > 1 or (not finals and call.caller and not gone_early and not silence_expected):
                yield broken(
                    case,
                    "final_reply",
                    f"call {call.id}: final replies to the caller",
                    "exactly one",
                    ", ".join(f"{final.status} {final.reason}" for final in finals) or "none",
                    call=call,
                    index=index,
                    shown_by=finals[-1] if finals else None,
                )


def one_answer_each(case: Case) -> Iterator[Finding]:
    """A request that was sent once has no two different final replies (RFC 3261 section 17.2).

    Of a call's INVITE `one_final_reply` knows more; one that was repeated may be answered anew, by who kept no state.
    """
    sent: Counter[tuple[str, str | None, str]] = Counter()
    finals: dict[tuple[str, str | None, str], dict[int, SipMessage]] = {}
    for message in case.evidence.messages:
        if message.is_brief or (message.method == "INVITE" and not message.is_within_dialog):
            continue
        key = (message.host, branch_of(message.header("Via")), message.method)
        if message.is_request and message.direction == "sent":
            sent[key] += 1
        elif message.is_final and message.direction == "received":
            finals.setdefault(key, {}).setdefault(message.status or 0, message)
    for key, answers in finals.items():
        if sent[key] == 1 and len(answers) > 1:
            host, _, method = key
            seen = ", ".join(f"{final.status} {final.reason}" for final in answers.values())
            last = list(answers.values())[-1]
            what = f"final replies to one {method} of {host}"
            yield broken(case, "final_reply", what, "exactly one", seen, shown_by=last)


def _final_replies(case: Case) -> Iterator[Finding]:
    yield from one_final_reply(case)
    yield from one_answer_each(case)


def call_limits(case: Case) -> Iterator[Finding]:
    """No call lasts longer than the engine allowed, nor would one, by the timeout of its dialog."""
    for index, planned in enumerate(case.scenario.calls):
        for call in case.of(planned.id):
            answers = case.exchanges(call, CONTRACT.paths.authorization)
            granted = [units_of(exchange.answer(CONTRACT.fields.units)) for exchange in answers]
            limit = next((units for units in granted if units is not None), None)
            if call.answered is None or limit is None:
                continue
            yield from _timeout(case, call, index, limit)
            yield from _hung_up_early(case, call, index, limit)
            lasted = call.duration if call.duration is not None else case.evidence.ended - call.answered
            if lasted > limit + _LATE:
                yield broken(
                    case,
                    "limit",
                    f"call {call.id} outlasted its limit",
                    f"{limit} s at most, as the engine allowed",
                    f"{duration_text(round(lasted, 1))}{'' if call.byes else ', and no BYE was seen'}",
                    call=call,
                    index=index,
                )


_EARLY = 2.0
"""Seconds by which Kamailio's timer may end a call before its limit, and one more (measured: 0.5 s)."""

_CONFIRMED = 4
"""The state of a dialog whose ACK was seen (Kamailio's dialog module)."""

_LONGEST = 2**31 - 1
"""Seconds that a timer of Kamailio's can be set to, at most."""

_SLICE = "RATING_SLICE"
"""The define by which a call is authorised for so many seconds at a time, for which its dialog's timeout is set."""

_BEING_ENDED = 3
"""A timeout of so many seconds is set to end a dialog."""


def _timeout(case: Case, call: Call, index: int, limit: float) -> Iterator[Finding]:
    """Of a dialog that was confirmed, and whose account pays for the time."""
    asked = case.exchanges(call, CONTRACT.paths.authorization)
    if not any(each.requested(CONTRACT.fields.account) for each in asked):
        return
    dialog = next((each for each in case.evidence.dialogs if each.call_id == call.call_id), None)
    if dialog is None or _CONFIRMED not in dialog.states or 0 <= dialog.lifetime <= _BEING_ENDED:
        return
    wanted = min(int(limit), _LONGEST)
    slice_ = case.scenario.kamailio.defines.get(_SLICE)
    if slice_ is not None:
        if dialog.lifetime > min(wanted, int(str(slice_))) + _restored(case):
            message = f"call {call.id}: the timeout of its dialog"
            expected = f"{slice_} s at most, and what the engine allowed"
            yield broken(case, "limit", message, expected, f"{dialog.lifetime} s", call=call, index=index)
    elif abs(dialog.lifetime - wanted) > _restored(case):
        message = f"call {call.id}: the timeout of its dialog"
        expected, seen = f"{wanted} s, as the engine allowed", f"{dialog.lifetime} s"
        yield broken(case, "limit", message, expected, seen, call=call, index=index)


def _hung_up_early(case: Case, call: Call, index: int, limit: float) -> Iterator[Finding]:
    """Kamailio ends no call that the engine has taken before its limit, where nothing happens to it on purpose."""
    planned, duration = case.scenario.calls[index], call.duration
    slices = _SLICE in case.scenario.kamailio.defines
    if not is_left_alone(case, index) or slices or planned.expect.ended_by is not None or duration is None:
        return
    is_begun = any(each.answered is not None for each in case.accepted(call, CONTRACT.paths.begin))
    if call.ended_by == "kamailio" and is_begun and duration < min(limit, _LONGEST) - _EARLY:
        message = f"call {call.id}: Kamailio hung it up before its limit"
        seen, shown_by = duration_text(round(duration, 1)), call.byes[0]
        expected = f"{limit:g} s, as the engine allowed, or until an end hangs up"
        yield broken(case, "limit", message, expected, seen, call=call, index=index, shown_by=shown_by)


def _restored(case: Case) -> int:
    """The seconds by which a timeout may be off: what the dialog module restores from its database is when the dialog
    began and when it's to end, each a whole second."""
    named = CONTRACT.services.kamailio
    return int(any(fault.is_outage and fault.on == named for fault in case.scenario.faults))


_FOR_THE_PROXY = ("Route", "Proxy-Authorization")
"""Headers that a proxy takes off a caller's INVITE (RFC 3261 sections 16.4 and 22.3)."""


def no_unauthorised_invite(case: Case) -> Iterator[Finding]:
    """Nothing reaches a carrier that the engine didn't authorise, or with headers that were for Kamailio."""
    known = {call.call_id: call for call in case.calls}
    reported: set[tuple[str, str]] = set()
    for message in case.evidence.messages:
        is_arrival = message.direction == "received" and message.is_request and message.method == "INVITE"
        if not is_arrival or message.host in case.callers or (message.host, message.call_id) in reported:
            continue
        call = known.get(message.call_id)
        left, hint = _left_on(message), ""
        if left is not None:
            seen = f"a header that is for Kamailio: {left}: {message.header(left)}"
        elif call is None:
            seen = f"an INVITE with Call-ID {message.call_id}, which no call of the scenario has"
        elif not case.is_authorised(call):
            seen = f"the INVITE of call {call.id}, which the engine did not authorise"
            hint = untranslated(case.exchanges(call, CONTRACT.paths.authorization))
        elif (early := case.authorised(call) - message.at) > CLOCKS:
            seen = f"the INVITE of call {call.id}, {duration_text(round(early, 1))} before the engine authorised it"
        elif (rated := _rated_otherwise(case, call, message)) is not None:
            seen = f"the INVITE of call {call.id} for {message.uri}, and what was authorised is {rated}"
        else:
            continue
        reported.add((message.host, message.call_id))
        yield broken(
            case,
            "carriers",
            f"what reached {message.host}",
            "authorised calls only",
            seen,
            call=call,
            hint=hint,
            shown_by=message,
        )


def _rated_otherwise(case: Case, call: Call, invite: SipMessage) -> str | None:
    """What was rated is what the caller wants, and a carrier gets another number than that.

    Not of a phone, which has a Request-URI of its own choice.
    """
    asked = case.first_authorization(call)
    rated = asked.requested(CONTRACT.fields.destination) if asked else None
    if not isinstance(rated, str) or call.invite is None or invite.is_within_dialog:
        return None
    is_as_wanted = user_of(rated) == user_of(call.invite.uri)
    is_carrier = any(each.host == invite.host for each in case.scenario.given.carriers)
    both = user_of(rated).lstrip("+").isdecimal() and user_of(invite.uri).lstrip("+").isdecimal()
    return rated if is_as_wanted and is_carrier and both and not is_same_number(rated, invite.uri) else None


def _left_on(invite: SipMessage) -> str | None:
    return next((name for name in _FOR_THE_PROXY if invite.header(name) and not invite.is_within_dialog), None)


def _requests(case: Case) -> Iterator[Finding]:
    yield from requests_are_as_agreed(case)
    yield from requests_are_of_the_call(case)


def _both_ends(case: Case) -> Iterator[Finding]:
    yield from both_ends_agree(case)
    yield from messages_are_passed_on(case)


Check = Callable[[Case], Iterator[Finding]]

INVARIANT_CHECKS: Mapping[str, Check] = {
    "calls": calls_were_made,
    "final_reply": _final_replies,
    "begin_and_end": begin_and_end,
    "limit": call_limits,
    "carriers": no_unauthorised_invite,
    "record": records_are_the_calls,
    "fee": fees_are_right,
    "both_ends": _both_ends,
    "forwarding": proxied_as_it_should_be,
    "strict_peer": arrivals_are_valid,
    "requests": _requests,
    "balances": balances_move_by_fees,
    "running": nothing_left_running,
    "dialogs": no_dialog_left,
    "tables": nothing_left_waiting,
    "kamailio": kamailio_is_well,
    "alarms": no_alarm,
}
"""By the name that switches one off (`rating_harness.scenario.model.INVARIANTS`)."""

AWAITED = frozenset({"begin_and_end", "record", "fee", "balances", "running", "tables"})
"""Those that look at records, which arrive in their own time."""
