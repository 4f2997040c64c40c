"""What each call was expected to be, against what its two ends saw."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from rating_harness.checks.agent_answers import agent_at_fault
from rating_harness.checks.format import listed, reply_text, seconds
from rating_harness.checks.model import Case, Finding, unmet
from rating_harness.checks.received import received_in_call, wrong_headers
from rating_harness.checks.strict_peer import malformed
from rating_harness.contract import CONTRACT, Reason
from rating_harness.evidence.calls import Call
from rating_harness.evidence.model import SipMessage
from rating_harness.scenario.matchers import MISSING, Matcher
from rating_harness.scenario.model import CallExpectation

__all__ = ["check_call", "check_calls"]

_ADDRESS = re.compile(r"\s*\w+:(\d+(?:\.\d+){3}|\[[0-9a-fA-F:.]+\])(?::\d+)?\s*")
"""A carrier of the contract's, PROTOCOL:HOST:PORT, whose host is an address."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """A call, and what is expected of it."""

    case: Case
    index: int
    expect: CallExpectation
    call: Call

    def finding(
        self,
        key: str,
        message: str,
        expected: object,
        seen: object,
        *within: str | int,
        hint: str = "",
        shown_by: SipMessage | None = None,
    ) -> Finding:
        several = f" {self.call.index}" if len(self.case.of(self.call.id)) > 1 else ""
        return unmet(
            self.case,
            ("calls", self.index, "expect", key),
            f"call {self.call.id}{several}: {message}",
            listed(expected),
            listed(seen),
            within=within,
            call=self.call,
            hint=hint,
            shown_by=shown_by,
        )


def check_calls(case: Case) -> Iterator[Finding]:
    """Each call against what is expected of it."""
    for index, planned in enumerate(case.scenario.calls):
        for call in case.of(planned.id):
            # One that was never made isn't another call than expected; the invariant `calls` says why.
            if call.invite is not None or "calls" in case.scenario.invariants:
                yield from check_call(case, index, planned.expect, call)


def check_call(case: Case, index: int, expect: CallExpectation, call: Call) -> Iterator[Finding]:
    """One call against what is expected of it.

    :param index: of the call in the scenario.
    """
    judged = _Judged(case, index, expect, call)
    for key, check in _CHECKS.items():
        if getattr(expect, key) not in (None, {}):
            yield from check(judged)


# --- the reply to the INVITE ----------------------------------------------------------------------------------------


def _reply(judged: _Judged) -> Iterator[Finding]:
    wanted = judged.expect.reply
    if wanted is not None:
        yield from _final_reply(judged, "reply", wanted.code, wanted.reason)


def _reason(judged: _Judged) -> Iterator[Finding]:
    """Of the status that is expected; another one is told, and has another reason."""
    wanted, final = judged.expect.reply, judged.call.final
    if wanted is None or wanted.code.matches(MISSING if final is None else final.status):
        yield from _final_reply(judged, "reason", None, judged.expect.reason)


def _final_reply(judged: _Judged, key: str, code: Matcher | None, reason: Matcher | None) -> Iterator[Finding]:
    final = judged.call.final
    has_code = code is None or code.matches(MISSING if final is None else final.status)
    has_reason = reason is None or (final is not None and reason.matches(final.reason))
    if not (has_code and has_reason):
        parts = [str(part) for part in (code, reason) if part is not None]
        wanted = " ".join(part for part in parts if part != "any") or "any"
        message = "another final reply to the caller"
        hint = (
            _missing_rate(judged)
            or _own_mistake(judged)
            or _refused_by_agent(judged)
            or _missing_account(judged)
            or _outside_of_the_lab(judged)
            or _agent_not_reached(judged)
            or ("" if final else _parse_error(judged))
        )
        yield judged.finding(key, message, wanted, reply_text(final), hint=hint, shown_by=final)


def _own_mistake(judged: _Judged) -> str:
    """What is wrong with the INVITE that a file of the author's sends, which Kamailio may refuse or pass over."""
    sipp, invite = judged.case.scenario.calls[judged.index].sipp, judged.call.invite
    wrong = malformed(invite) if sipp is not None and invite is not None and not invite.is_brief else None
    if sipp is None or wrong is None:
        return ""
    says = "" if judged.call.final else "; where no reply is right: reply: absent"
    return f"{sipp.file} sends a malformed INVITE: {wrong[1]}{says}"


def _missing_rate(judged: _Judged) -> str:
    """What to do where the engine knew no price for what Kamailio asked for."""
    for exchange in judged.case.exchanges(judged.call, CONTRACT.paths.authorization):
        if exchange.answer(CONTRACT.fields.reason) == Reason.UNREACHEABLE_DESTINATION:
            destination = str(exchange.requested(CONTRACT.fields.destination))
            if why := judged.case.evidence.unobserved.get("records"):
                return f"the engine has no rate for {destination}, and is given none: {why}"
            return f'no rate has a prefix of {destination}; "{destination[:6]}" would be one'
    return ""


def _missing_account(judged: _Judged) -> str:
    """Which account the engine was asked for and doesn't know: that of an anonymous caller, say."""
    given = {account.account_tag for account in judged.case.scenario.given.accounts}
    for exchange in judged.case.exchanges(judged.call, CONTRACT.paths.authorization):
        if exchange.answer(CONTRACT.fields.reason) == Reason.NOT_FOUND:
            tag = exchange.requested(CONTRACT.fields.account)
            if tag not in given:
                return f"Kamailio named the account '{tag}', which 'given' doesn't have"
            if why := judged.case.evidence.unobserved.get("records"):
                return f"the engine has no account '{tag}', and is given none: {why}"
            before = judged.case.evidence.before
            if before is not None and tag not in before.accounts:
                return (
                    f"the engine has no account '{tag}': create it there, or store it by `seed` of the engine's file"
                )
    return ""


def _parse_error(judged: _Judged) -> str:
    """What Kamailio's core first said of a message that it could make nothing of, which then names no call."""
    if len(judged.case.calls) > 1:
        return ""
    lines = (each for each in judged.case.evidence.log if each.level == "ERROR" and "[core/parser/" in each.text)
    return next((f"Kamailio's log: {each.text.partition('<core> ')[2] or each.text}" for each in lines), "")


def _refused_by_agent(judged: _Judged) -> str:
    """What is wrong with the agent's answer, where no carrier was called because of it."""
    if judged.call.tried:
        return ""
    return agent_at_fault(judged.case, (judged.call,), CONTRACT.paths.authorization)


def _outside_of_the_lab(judged: _Judged) -> str:
    """What to do where the agent named carriers by addresses, and none of the lab's was called."""
    if judged.call.tried or judged.case.evidence.lab.get("driver") == "external":
        return ""  # a target is given the addresses of this machine's carriers
    for exchange in judged.case.exchanges(judged.call, CONTRACT.paths.authorization):
        carriers = exchange.answer(CONTRACT.fields.carriers)
        for carrier in carriers if isinstance(carriers, list) else ():
            if match := _ADDRESS.fullmatch(str(carrier)):
                return f"{match[1]} is nobody's address in the lab: it plays carriers under the host names of `given`"
    return ""


def _agent_not_reached(judged: _Judged) -> str:
    """Where a Kamailio that runs already has to ask its agent, and what to do, if it never did."""
    evidence = judged.case.evidence
    agent = evidence.lab.get("agent")
    if agent is None or evidence.exchanges:
        return ""
    return (
        f"no request came to {agent}: is it the agent's URL in the target? `curl -i` it there; and does it serve the "
        "domain that is called (docs/target.md)?"
    )


def _ended_by_agent(judged: _Judged) -> str:
    """What is wrong with the agent's answer to the begin, without which a call doesn't go on."""
    if judged.call.answered is None:
        return ""
    return agent_at_fault(judged.case, (judged.call,), CONTRACT.paths.begin)


def _provisional(judged: _Judged) -> Iterator[Finding]:
    wanted, seen = judged.expect.provisional, judged.call.provisional
    if wanted is not None and 100 not in wanted:
        seen = tuple(status for status in seen if status != 100)
    if seen != wanted:
        yield judged.finding("provisional", "other provisional replies", wanted, seen)


def _headers(judged: _Judged) -> Iterator[Finding]:
    final = judged.call.final
    if final is None:
        yield judged.finding("headers", "headers of the final reply", listed(tuple(judged.expect.headers)), MISSING)
        return
    for name, wanted, seen in wrong_headers(final, judged.expect.headers):
        yield judged.finding("headers", f"header {name} of the final reply", wanted, seen, name, shown_by=final)


def _setup(judged: _Judged) -> Iterator[Finding]:
    matcher, seen = judged.expect.setup, judged.call.setup
    if matcher is not None and not matcher.matches(seen):
        yield judged.finding("setup", "set-up time", matcher, seconds(seen), shown_by=judged.call.final)


def _ringing(judged: _Judged) -> Iterator[Finding]:
    matcher, seen = judged.expect.ringing, judged.call.ringing
    if matcher is not None and not matcher.matches(seen):
        yield judged.finding("ringing", "post-dial delay", matcher, seconds(seen))


# --- the call's end -------------------------------------------------------------------------------------------------


def _of_its_end(judged: _Judged, key: str, message: str, wanted: object, seen: str) -> Finding:
    hint, call = _ended_by_agent(judged), judged.call
    return judged.finding(key, message, wanted, seen, hint=hint, shown_by=call.byes[0] if call.byes else None)


def _ended_by(judged: _Judged) -> Iterator[Finding]:
    wanted, call = judged.expect.ended_by, judged.call
    if (call.ended_by or "nobody") != wanted:
        yield _of_its_end(judged, "ended_by", "who ended the call", wanted, _who_ended(call))
    elif wanted == "kamailio":
        vanish = judged.case.scenario.calls[judged.index].vanish
        for side in ("caller", "callee"):
            has_vanished = vanish is not None and vanish.who == side
            if not has_vanished and call.bye_received_by(side) is None:
                yield judged.finding("ended_by", f"the {side} got no BYE", "BYE to both sides", "no BYE")


def _who_ended(call: Call) -> str:
    if call.ended_by is not None:
        return call.ended_by
    return "nobody: no BYE was seen" if call.answered else "nobody: it wasn't answered"


def _duration(judged: _Judged) -> Iterator[Finding]:
    matcher, call = judged.expect.duration, judged.call
    if matcher is not None and not matcher.matches(call.duration):
        yield _of_its_end(judged, "duration", "the call's length", matcher, _length(call))


def _length(call: Call) -> str:
    if call.answered is None:
        return "it wasn't answered"
    return seconds(call.duration) if call.byes else "no BYE was seen"


def _bye_reason(judged: _Judged) -> Iterator[Finding]:
    matcher, byes = judged.expect.bye_reason, judged.call.byes
    if not byes:
        yield judged.finding("bye_reason", "Reason of the BYE", matcher, "no BYE")
    for bye in byes:
        value = bye.header("Reason")
        if bye.direction == "received" and matcher and not matcher.matches(MISSING if value is None else value):
            yield judged.finding("bye_reason", f"Reason of the BYE to {bye.host}", matcher, value, shown_by=bye)


def _bye_reply(judged: _Judged) -> Iterator[Finding]:
    yield from _replies_within(judged, "bye_reply", judged.expect.bye_reply, ("BYE",))


def _reinvite_reply(judged: _Judged) -> Iterator[Finding]:
    yield from _replies_within(judged, "reinvite_reply", judged.expect.reinvite_reply, ("INVITE", "UPDATE"))


def _replies_within(
    judged: _Judged, key: str, matcher: Matcher | None, methods: tuple[str, ...]
) -> Iterator[Finding]:
    """Replies to the requests of those methods that either side sent inside the dialog."""
    sent = {
        (m.host, m.cseq): m
        for m in judged.call.messages
        if m.direction == "sent" and m.is_request and m.method in methods and m.is_within_dialog
    }
    if not sent:
        yield judged.finding(key, f"reply to {' or '.join(methods)}", matcher, "no such request was sent")
    for request in sent.values():
        reply = judged.call.reply_to(request)
        if matcher is not None and not matcher.matches(MISSING if reply is None else reply.status):
            message = f"reply to {request.method} (CSeq {request.cseq})"
            yield judged.finding(key, message, matcher, reply_text(reply), shown_by=reply or request)


# --- the call's way -------------------------------------------------------------------------------------------------


def _carrier(judged: _Judged) -> Iterator[Finding]:
    matcher, host = judged.expect.carrier, judged.call.answered_by
    if matcher is not None and not matcher.matches(MISSING if host is None else host):
        yield judged.finding("carrier", "another carrier answered", matcher, host)


def _carriers(judged: _Judged) -> Iterator[Finding]:
    wanted, tried = judged.expect.carriers, judged.call.tried
    if tried != wanted:
        message = "other carriers were tried, or in another order"
        yield judged.finding("carriers", message, wanted, tried, hint=_why_never_tried(judged))


def _why_never_tried(judged: _Judged) -> str:
    """Of the first carrier that was expected and got no INVITE: it wasn't offered, or another's reply ended it."""
    call, carriers = judged.call, CONTRACT.fields.carriers
    wanted = next((host for host in judged.expect.carriers or () if host not in call.tried), None)
    asked = judged.case.first_authorization(call)
    if wanted is None or asked is None or asked.fault is not None or not judged.case.is_authorised(call):
        return ""
    offered = asked.answer(carriers)
    texts = [str(each) for each in offered] if isinstance(offered, list) else []
    known = {each.host: each.carrier_tag for each in judged.case.scenario.given.carriers}
    if wanted in known and not any(f":{wanted.lower()}:" in f"{text.lower()}:" for text in texts):
        return f"the engine didn't offer {wanted}, but {', '.join(texts) or 'none'}: has it a rate for this number?"
    final = next((m for m in call.carriers if m.direction == "sent" and m.is_final and m.method == "INVITE"), None)
    if final is not None and call.tried and call.tried[-1] == final.host and (final.status or 0) < 500:
        return f"{final.host} replied {final.status} {final.reason}, after which no other was tried"
    return ""


def _source(judged: _Judged) -> Iterator[Finding]:
    arrived = _at_the_carrier(judged.call)
    uri = _uri(arrived.header("From")) if arrived else None
    yield from _arrived(judged, "source", judged.expect.source, "From URI at the carrier", uri, arrived)


def _destination(judged: _Judged) -> Iterator[Finding]:
    arrived = _at_the_carrier(judged.call)
    uri = arrived.uri if arrived else None
    yield from _arrived(judged, "destination", judged.expect.destination, "Request URI at the carrier", uri, arrived)


def _arrived(
    judged: _Judged, key: str, matcher: Matcher | None, message: str, uri: str | None, invite: SipMessage | None
) -> Iterator[Finding]:
    if matcher is not None and not matcher.matches(MISSING if uri is None else uri):
        yield judged.finding(key, message, matcher, uri, shown_by=invite)


def _at_the_carrier(call: Call) -> SipMessage | None:
    return next((m for m in call.carriers if m.is_request and m.method == "INVITE"), None)


def _uri(header: str | None) -> str | None:
    """The URI of a From or To header (RFC 3261 section 20.10)."""
    if header is None:
        return None
    before, bracket, rest = header.partition("<")
    return rest.partition(">")[0] if bracket else before.partition(";")[0].strip()


_CHECKS: Mapping[str, Callable[[_Judged], Iterator[Finding]]] = {
    "reply": _reply,
    "reason": _reason,
    "provisional": _provisional,
    "headers": _headers,
    "ended_by": _ended_by,
    "duration": _duration,
    "bye_reason": _bye_reason,
    "bye_reply": _bye_reply,
    "reinvite_reply": _reinvite_reply,
    "carrier": _carrier,
    "carriers": _carriers,
    "source": _source,
    "destination": _destination,
    "received": lambda judged: received_in_call(judged.case, judged.index, judged.call),
    "setup": _setup,
    "ringing": _ringing,
}
"""By the key of what is expected, in the order in which findings are told."""
