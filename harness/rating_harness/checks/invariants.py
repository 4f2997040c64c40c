"""What must hold in every scenario, unless it says why not (``invariants:``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from rating_harness.checks.health import kamailio_is_well, no_dialog_left, nothing_left_running
from rating_harness.checks.model import Case, Finding, broken
from rating_harness.evidence.calls import Call
from rating_harness.evidence.model import Exchange, SipMessage
from rating_harness.scenario.values import duration_text

__all__ = ["AWAITED", "INVARIANT_CHECKS"]

_LATE = 2.0
"""Seconds that a call may outlast its limit: Kamailio's dialog timer ticks once a second, and its BYE takes a while
(measured: 0.5 s early to 0.7 s late)."""

_MOMENT = 0.1
"""Seconds from a call's answer to its begin, at most, and from a fault to the note of it."""


def calls_were_made(case: Case) -> Iterator[Finding]:
    made = 0
    for index, planned in enumerate(case.scenario.calls):
        calls = case.of(planned.id)
        sent = [call for call in calls if any(message.direction == "sent" for message in call.caller)]
        made += len(sent)
        if len(sent) < len(calls):
            yield broken(case, "calls", f"call {planned.id}", f"{len(calls)} made", f"{len(sent)} made", index=index)
    if made == 0:
        yield broken(case, "calls", "no call was made at all", "at least one call", "none")
    for result in case.evidence.sipp:
        if result.failed and not case.counts_failures:
            reasons = ", ".join(f"{name} {number}" for name, number in result.failures.items())
            yield broken(
                case,
                "calls",
                f"SIPp on {result.host} met something it had no place for",
                "no failed call",
                f"{result.failed} failed ({reasons or 'no reason given'})",
                hint=_first_error(result.errors),
            )


def one_final_reply(case: Case) -> Iterator[Finding]:
    for index, planned in enumerate(case.scenario.calls):
        gone_early = (
            planned.vanish is not None and planned.vanish.who == "caller" and planned.vanish.at.event == "ringing"
        )
        silence_expected = planned.expect.reply is not None and planned.expect.reply.code.matches(None)
        for call in case.of(planned.id):
            finals = call.finals
            if len(finals) > 1 or (not finals and call.caller and not gone_early and not silence_expected):
                yield broken(
                    case,
                    "final_reply",
                    f"call {call.id}: final replies to the caller",
                    "exactly one",
                    ", ".join(f"{final.status} {final.reason}" for final in finals) or "none",
                    call=call,
                    index=index,
                )


def begin_and_end(case: Case) -> Iterator[Finding]:
    """Each answered call is begun once and ended once, as the same call; no other call is begun or ended."""
    for index, planned in enumerate(case.scenario.calls):
        if planned.method == "INVITE":
            for call in case.of(planned.id):
                for finding in _begin_and_end(case, call):
                    yield broken(case, "begin_and_end", call=call, index=index, **finding)
    for stranger in case.strangers():
        yield broken(
            case,
            "begin_and_end",
            f"{stranger.kind} about a call that nobody made",
            "the Call-ID of one of the scenario's calls",
            f"{stranger.requested('transaction_tag')!r}, of account {stranger.requested('account_tag')!r}",
        )


def _begin_and_end(case: Case, call: Call) -> Iterator[Mapping[str, str]]:
    begins = case.exchanges(call, "begin_transaction")
    ends = case.exchanges(call, "end_transaction")
    name = f"call {call.id}"
    if call.answered is None:
        for kind, found in (("begin", begins), ("end", ends)):
            if found:
                final = call.final
                seen = f"{len(found)}, and the caller got {final.status if final else 'no reply'}"
                yield {"message": f"{name} was not answered, but has a {kind}", "expected": "none", "seen": seen}
        return
    if len(begins) != 1 and not (not begins and _is_refused(case, call.answered)):
        yield {
            "message": f"{name}: begin_transaction",
            "expected": "one request",
            "seen": f"{len(begins) or 'no'} requests",
        }
    if not ends:
        yield {
            "message": f"{name}: end_transaction",
            "expected": "one request",
            "seen": "no request: an unbilled call",
        }
    acknowledged = case.acknowledged(call, "end_transaction")
    if len(acknowledged) > 1:
        yield {
            "message": f"{name} was ended more than once",
            "expected": "one",
            "seen": f"{len(acknowledged)} accepted",
        }
    early = _early(begins[0], ends[0]) if begins and ends else 0.0
    if early > 0:
        yield {
            "message": f"{name}: the end was sent before begin was answered",
            "expected": "begin, its answer, end",
            "seen": f"end {duration_text(round(early, 4))} early",
        }
    if not any(service.restarts for service in case.evidence.services):
        yield from _same_end(ends, name)
    yield from _same_call(case, call, (*begins, *ends), name)
    yield from _in_the_engine(case, call, bool(begins and case.acknowledged(call, "begin_transaction")), name)


def _is_refused(case: Case, at: float) -> bool:
    """Whether the scenario had the agent refuse connections then: what is refused doesn't show as a request."""
    return any(
        span.what == "fault refuse" and span.started - _MOMENT <= at and (span.ended is None or at <= span.ended)
        for span in case.evidence.spans
    )


def _early(begin: Exchange, end: Exchange) -> float:
    """Seconds from the end to begin's answer. One that Kamailio can't wait for to its last byte doesn't count."""
    if begin.answered is None or begin.status is None or begin.fault == "drip":
        return 0.0
    return begin.answered - end.received


def _same_end(ends: tuple[Exchange, ...], name: str) -> Iterator[Mapping[str, str]]:
    """An end that is tried again is the same request: a later timestamp_end would bill the waiting."""
    for again in ends[1:]:
        for key in ("timestamp_begin", "timestamp_end"):
            expected, seen = ends[0].requested(key), again.requested(key)
            if seen != expected:
                yield {
                    "message": f"{name}: {key} in an end that is tried again",
                    "expected": f"{expected}, as before",
                    "seen": str(seen),
                }
                return


def _same_call(case: Case, call: Call, reports: tuple[Exchange, ...], name: str) -> Iterator[Mapping[str, str]]:
    """Begin and end name the account, the source and the destination that were authorised."""
    authorised = next(iter(case.exchanges(call, "authorization")), None)
    if authorised is None:
        return
    for report in reports:
        for key in ("account_tag", "source", "destination"):
            expected, seen = authorised.requested(key), report.requested(key)
            if seen != expected:
                yield {"message": f"{name}: {key} in {report.kind}", "expected": str(expected), "seen": str(seen)}


def _in_the_engine(case: Case, call: Call, begun: bool, name: str) -> Iterator[Mapping[str, str]]:
    after = case.evidence.after
    if after is None:
        yield {"message": f"{name}: its record", "expected": "the engine's record", "seen": "it was never read"}
        return
    if begun and not any(record.get("timestamp_end") for record in case.records(call)):
        yield {
            "message": f"{name}: its record",
            "expected": "one with begin and end",
            "seen": "none: an unbilled call",
        }


def call_limits(case: Case) -> Iterator[Finding]:
    for index, planned in enumerate(case.scenario.calls):
        for call in case.of(planned.id):
            granted = [e.answer("max_available_units") for e in case.exchanges(call, "authorization")]
            limit = next((units for units in granted if isinstance(units, int)), None)
            if call.answered is None or limit is None:
                continue
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


_FOR_THE_PROXY = ("Route", "Proxy-Authorization")
"""Headers that a proxy takes off a caller's INVITE (RFC 3261 sections 16.4 and 22.3)."""


def no_unauthorised_invite(case: Case) -> Iterator[Finding]:
    known = {call.call_id: call for call in case.calls}
    reported: set[tuple[str, str]] = set()
    callers = {result.host for result in case.evidence.sipp if result.role != "carrier"}
    for message in case.evidence.messages:
        is_arrival = message.direction == "received" and message.is_request and message.method == "INVITE"
        if not is_arrival or message.host in callers or (message.host, message.call_id) in reported:
            continue
        call = known.get(message.call_id)
        ours = next((name for name in _FOR_THE_PROXY if message.header(name) and not _has_to_tag(message)), None)
        if ours is not None:
            seen = f"a header that is for Kamailio: {ours}: {message.header(ours)}"
        elif call is None:
            seen = f"an INVITE with Call-ID {message.call_id}, which no call of the scenario has"
        elif not any(e.answer("authorized") is True for e in case.exchanges(call, "authorization")):
            seen = f"the INVITE of call {call.id}, which the engine did not authorise"
        else:
            continue
        reported.add((message.host, message.call_id))
        yield broken(case, "carriers", f"what reached {message.host}", "authorised calls only", seen, call=call)


def _has_to_tag(message: SipMessage) -> bool:
    return "tag=" in (message.header("To") or "")


def balances_move_by_fees(case: Case) -> Iterator[Finding]:
    before, after = case.evidence.before, case.evidence.after
    if before is None or after is None:
        yield broken(case, "balances", "the engine's accounts", "read before and after", "they were never read")
        return
    for tag, account in before.accounts.items():
        start, end = account.get("balance"), after.accounts.get(tag, {}).get("balance")
        if start is None:
            continue
        own = [record.get("fee") or 0 for record in after.transactions if record.get("account_tag") == tag]
        if not all(isinstance(amount, int) for amount in (start, *own)):
            seen = ", ".join(map(repr, (start, *own)))
            yield broken(case, "balances", f"balance and fees of account {tag}", "whole numbers", seen)
            continue
        fees = sum(own)
        if end != start - fees:
            yield broken(
                case,
                "balances",
                f"balance of account {tag}",
                f"{start - fees}: {start} less the fees of its records, {fees}",
                str(end),
            )


Check = Callable[[Case], Iterator[Finding]]

INVARIANT_CHECKS: Mapping[str, Check] = {
    "calls": calls_were_made,
    "final_reply": one_final_reply,
    "begin_and_end": begin_and_end,
    "limit": call_limits,
    "carriers": no_unauthorised_invite,
    "balances": balances_move_by_fees,
    "running": nothing_left_running,
    "dialogs": no_dialog_left,
    "kamailio": kamailio_is_well,
}
"""By the name that switches one off (`rating_harness.scenario.model.INVARIANTS`)."""

AWAITED = frozenset({"begin_and_end", "balances", "running"})
"""Those that look at records, which arrive in their own time."""


def _first_error(errors: str) -> str:
    return next(
        (line.split(": ", 1)[-1][:160] for line in errors.splitlines() if "Aborting" in line or "Failed" in line), ""
    )
