"""What one end of a call sent, and Kamailio has to pass on: that it rings, a session description, that it's over.

Nothing is asked of calls whose ends lose messages or vanish on purpose, nor where Kamailio or an end was stopped.
"""

from __future__ import annotations

from collections.abc import Iterator

from rating_harness.checks.model import Case, Finding, broken
from rating_harness.evidence.calls import Call
from rating_harness.evidence.headers import branch_of
from rating_harness.evidence.model import SipMessage
from rating_harness.evidence.sdp import fault_of_sdp

__all__ = ["messages_are_passed_on"]

_LONG = 1.0
"""Seconds that a callee rings at least: of what comes with its final reply tm may pass on the final reply alone."""

_DESCRIPTION = "application/sdp"


def messages_are_passed_on(case: Case) -> Iterator[Finding]:
    """A caller hears that it rings, no session description is lost, and no callee rings on when the call is over."""
    if case.was_restarted or any(fault.is_outage for fault in case.scenario.faults):
        return
    for index, planned in enumerate(case.scenario.calls):
        if planned.method != "INVITE" or planned.vanish is not None or planned.loss:
            continue
        for call in case.of(planned.id):
            if any(message.is_brief for message in call.messages) or _has_lossy_callee(case, call):
                continue
            yield from _unheard_ringing(case, call, index)
            yield from _lost_descriptions(case, call, index)
            yield from _spoilt_descriptions(case, call, index)
            yield from _invented(case, call, index)
            yield from _rings_on(case, call, index)


def _has_lossy_callee(case: Case, call: Call) -> bool:
    behaviours = (case.scenario.carriers.get(message.host) for message in call.carriers)
    return any(each is not None and (each.loss or each.of(call.id, 0).vanish is not None) for each in behaviours)


def _unheard_ringing(case: Case, call: Call, index: int) -> Iterator[Finding]:
    """A provisional reply is passed on at once, whatever becomes of the call (RFC 3261 section 16.7)."""
    final = call.final
    if final is None or any(100 < (reply.status or 0) < 200 for reply in call.replies):
        return
    for ringing in call.carriers:
        is_one = ringing.direction == "sent" and ringing.method == "INVITE" and 100 < (ringing.status or 0) < 200
        if not is_one or _is_renewal(call, ringing):
            continue
        over = min([final.at, *(m.at for m in call.carriers if _ends_ringing(m, ringing))])
        if ringing.at < over - _LONG:
            what = f"{ringing.status} {ringing.reason}"
            message = f"call {call.id}: the {what} of {ringing.host}"
            seen = "it never arrived"
            yield broken(
                case, "both_ends", message, "one that reaches the caller", seen, call=call, index=index,
                shown_by=ringing,
            )  # fmt: skip
            return


def _ends_ringing(reply: SipMessage, ringing: SipMessage) -> bool:
    is_one = reply.direction == "sent" and reply.method == "INVITE" and reply.is_final
    return is_one and (reply.host, _branch(reply)) == (ringing.host, _branch(ringing))


def _is_renewal(call: Call, reply: SipMessage) -> bool:
    """Whether a callee's reply is to an INVITE within the dialog."""
    return any(m.is_within_dialog for m in _invites(call, reply.host) if _branch(m) == _branch(reply))


def _invites(call: Call, host: str) -> list[SipMessage]:
    return [m for m in call.carriers if m.host == host and m.is_request and m.method == "INVITE"]


def _branch(message: SipMessage) -> str | None:
    return branch_of(message.header("Via"))


def _lost_descriptions(case: Case, call: Call, index: int) -> Iterator[Finding]:
    """A proxy takes no body out of what it passes on (RFC 3261 section 16.6); what is in it, it may know better."""
    for receiving, sending in ((call.caller, call.carriers), (call.carriers, call.caller)):
        sent: dict[tuple[object, ...], list[SipMessage]] = {}
        for message in sending:
            if message.direction == "sent":
                sent.setdefault(_same(message), []).append(message)
        for message in receiving:
            origins = (
                sent.get(_same(message), ()) if message.direction == "received" and not message.body.strip() else ()
            )
            if origins and all(_is_description(each) for each in origins):
                what = message.method if message.is_request else f"{message.status} to {message.method}"
                seen = f"{message.host} got none"
                about = f"call {call.id}: the session description of the {what}"
                wanted = f"that which {origins[0].host} sent"
                yield broken(case, "both_ends", about, wanted, seen, call=call, index=index, shown_by=message)
                return


def _spoilt_descriptions(case: Case, call: Call, index: int) -> Iterator[Finding]:
    """One that was well-formed is so when it arrives, whatever a relay of media has written into it."""
    for receiving, sending in ((call.caller, call.carriers), (call.carriers, call.caller)):
        sent: dict[tuple[object, ...], list[SipMessage]] = {}
        for message in sending:
            if message.direction == "sent" and _is_description(message):
                sent.setdefault(_same(message), []).append(message)
        for message in receiving:
            origins = sent.get(_same(message), ()) if message.direction == "received" else ()
            if not origins or not message.body.strip() or any(fault_of_sdp(each.body) for each in origins):
                continue
            fault = fault_of_sdp(message.body)
            if not _is_description(message):
                fault = f"Content-Type is {message.header('Content-Type')}"
            if fault:
                what = message.method if message.is_request else f"{message.status} to {message.method}"
                about = f"call {call.id}: the session description of the {what}"
                wanted, seen = f"that which {origins[0].host} sent", f"{message.host} got {fault}"
                yield broken(case, "both_ends", about, wanted, seen, call=call, index=index, shown_by=message)
                return


_PASSED_ON = ("INVITE", "UPDATE", "PRACK", "INFO", "MESSAGE")


def _invented(case: Case, call: Call, index: int) -> Iterator[Finding]:
    """A reply but a refusal that has an end's tag is that end's: a proxy's own has another one (section 8.2.6.2).

    Refusals aren't asked for: a proxy may change them (section 16.7), and refuses requests within a dialog itself.
    """
    if case.scenario.calls[index].requests or case.scenario.calls[index].sipp is not None:
        return
    for receiving, sending in ((call.caller, call.carriers), (call.carriers, call.caller)):
        sent: dict[tuple[object, ...], set[int | None]] = {}
        for message in sending:
            if message.direction == "sent" and not message.is_request:
                sent.setdefault((message.method, message.cseq, message.to_tag), set()).add(message.status)
        for message in receiving:
            known = sent.get((message.method, message.cseq, message.to_tag), set())
            is_one = message.direction == "received" and 100 < (message.status or 0) < 300
            if is_one and known and message.status not in known and message.method in _PASSED_ON:
                about = f"call {call.id}: the {message.status} to {message.method} that {message.host} got"
                statuses = ", ".join(map(str, sorted(each or 0 for each in known)))
                wanted, seen = f"one that the other end sent: {statuses}", f"{message.status} {message.reason}"
                yield broken(case, "both_ends", about, wanted, seen, call=call, index=index, shown_by=message)
                return


def _same(message: SipMessage) -> tuple[object, ...]:
    return (message.method, message.cseq, message.status, message.to_tag)


def _is_description(message: SipMessage) -> bool:
    kind = (message.header("Content-Type") or "").partition(";")[0].strip().lower()
    return bool(message.body.strip()) and kind == _DESCRIPTION


def _rings_on(case: Case, call: Call, index: int) -> Iterator[Finding]:
    """Who rings and isn't the one that answers gets a CANCEL (RFC 3261 sections 9.1 and 16.10)."""
    final = call.final
    if final is None or case.evidence.ended < final.at + _LONG:
        return
    for host in dict.fromkeys(message.host for message in call.carriers):
        branches = dict.fromkeys(_branch(m) for m in _invites(call, host) if m.direction == "received")
        for branch in branches:
            within = [m for m in call.carriers if m.host == host and _branch(m) == branch]
            replies = [m for m in within if m.method == "INVITE" and m.direction == "sent"]
            ringing = next((m for m in replies if 100 < (m.status or 0) < 200), None)
            is_over = any(m.is_final for m in replies) or any(m.method == "CANCEL" for m in within)
            if ringing is not None and not is_over and ringing.at < final.at:
                message = f"call {call.id} is over for its caller, and {host} rings on"
                wanted, seen = f"a CANCEL to {host}", "none"
                yield broken(case, "both_ends", message, wanted, seen, call=call, index=index, shown_by=ringing)
