"""Requests beside a call's own, and registrations: were they sent, and were they answered as expected?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rating_harness.checks.format import reply_text
from rating_harness.checks.model import Case, Finding, unmet
from rating_harness.checks.received import wrong_headers
from rating_harness.evidence.calls import Call, host_of_stranger, is_of_request
from rating_harness.evidence.headers import branch_of
from rating_harness.evidence.model import SipMessage
from rating_harness.scenario.matchers import MISSING
from rating_harness.scenario.model import Request
from rating_harness.scenario.nodes import ValuePath
from rating_harness.scenario.requests import RequestReply

__all__ = ["check_call_requests"]

_HTTP = re.compile(r"HTTP/1\.[01] (\d{3}) ?([^\r\n]*)")


def check_call_requests(case: Case) -> Iterator[Finding]:
    """Each request of each call, and each phone's REGISTER."""
    for index, planned in enumerate(case.scenario.calls):
        for number, request in enumerate(planned.requests):
            path: ValuePath = ("calls", index, "requests", number)
            unsent = [each for each in case.evidence.unsent if (each.call, each.index) == (planned.id, number)]
            what = f"call {planned.id}: the {request.method or 'message'} by the {request.by}"
            if unsent:
                yield unmet(case, path, f"{what} was never sent", "sent", unsent[0].why, within=("at",))
            elif request.expect is not None:
                yield from _reply(case, path, number, request, request.expect, planned.id, what)
    yield from _registrations(case)


def _reply(
    case: Case, path: ValuePath, number: int, request: Request, expect: RequestReply, call: str, what: str
) -> Iterator[Finding]:
    if request.by == "stranger":
        host = host_of_stranger(call, number)
        messages = [message for message in case.evidence.messages if message.host == host]
        yield from _judged(case, path, expect, what, _answer(case, host, messages, None), None)
        return
    for each in case.of(call):
        side = each.caller if request.by == "caller" else each.carriers
        # A CANCEL has the branch of the INVITE (RFC 3261 section 9.1).
        own = [m for m in side if m.method == "CANCEL"] if request.method == "CANCEL" else side
        index = None if request.method == "CANCEL" else number
        yield from _judged(case, path, expect, what, _answer(case, None, own, index), each)


def _answer(
    case: Case, host: str | None, messages: Sequence[SipMessage], number: int | None
) -> tuple[int, str, SipMessage | None] | None:
    """Status and reason of the final reply, which may be one to the same request with credentials; None for none.

    :param host: of a stranger, who gets nothing else than replies; also those that aren't SIP.
    :param number: of an end's own request; None where these messages are of no other request.
    """
    sent = [m for m in messages if m.direction == "sent" and m.is_request]
    wanted = {branch_of(m.header("Via")) for m in sent if number is None or is_of_request(m, number)}
    finals = [
        m
        for m in messages
        if m.direction == "received" and m.is_final and (host or branch_of(m.header("Via")) in wanted)
    ]
    for final in finals[:1]:
        signed = _signed(messages, final)
        last = next((m for m in messages if signed and _answers(m, signed)), final)
        return last.status or 0, last.reason, last
    for octets in case.evidence.octets if host else ():
        if octets.host == host and octets.direction == "received":
            match = _HTTP.match(octets.data)
            return (int(match[1]), match[2], None) if match else (0, octets.data[:60], None)
    return None


def _signed(messages: Sequence[SipMessage], challenge: SipMessage) -> SipMessage | None:
    """The request that followed a challenge, with credentials."""
    if challenge.status not in (401, 407):
        return None
    return next(
        (
            m
            for m in messages
            if m.direction == "sent"
            and m.is_request
            and m.method == challenge.method
            and m.cseq > challenge.cseq
            and (m.header("Authorization") or m.header("Proxy-Authorization"))
        ),
        None,
    )


def _answers(message: SipMessage, request: SipMessage) -> bool:
    return (
        message.direction == "received"
        and message.is_final
        and (message.method, message.cseq) == (request.method, request.cseq)
        and branch_of(message.header("Via")) == branch_of(request.header("Via"))
    )


def _judged(
    case: Case,
    path: ValuePath,
    expect: RequestReply,
    what: str,
    answer: tuple[int, str, SipMessage | None] | None,
    call: Call | None,
) -> Iterator[Finding]:
    def finding(message: str, expected: object, seen: str, *within: str) -> Finding:
        return unmet(case, (*path, "expect"), f"{what}: {message}", str(expected), seen, within=within, call=call)

    seen = reply_text(None) if answer is None else f"{answer[0] or 'octets'} {answer[1]}".strip()
    if not expect.code.matches(MISSING if answer is None else answer[0]):
        yield finding("another final reply", expect.code, seen, "code")
    elif expect.reason is not None and not expect.reason.matches(MISSING if answer is None else answer[1]):
        yield finding("another reason phrase", expect.reason, seen, "reason")
    elif answer is not None and answer[2] is not None:
        for name, wanted, there in wrong_headers(answer[2], expect.headers):
            yield finding(f"header {name} of the reply", wanted, there, "headers", name)


def _registrations(case: Case) -> Iterator[Finding]:
    for host, phone in case.scenario.phones.items():
        if phone.registration is False or phone.absent:
            continue
        registers = [m for m in case.evidence.messages if m.host == host and m.method == "REGISTER"]
        first = next((m for m in registers if m.direction == "received" and m.is_final), None)
        signed = _signed(registers, first) if first else None
        last = next((m for m in registers if signed and _answers(m, signed)), first)
        answer = (last.status or 0, last.reason, last) if last else None
        path: ValuePath = ("phones", host, "registration")
        yield from _judged(case, path, phone.registration.expect, f"phone {host}: REGISTER", answer, None)
