"""Ends of calls that SIPp can't play: scripts for the harness's own user agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from rating_harness.plan.render import sdp_for
from rating_harness.plan.sampling import Sampled
from rating_harness.scenario.behaviour import Refusal
from rating_harness.scenario.calls import MADE_BY_SIPP, TRACED, UNSAID_BY_SIPP
from rating_harness.scenario.model import Call, Phone, Request, Scenario
from rating_harness.scenario.values import DEFAULT_DOMAIN, CSeq, Moment, header_lines
from rating_harness.useragent.dialog import SipRequest
from rating_harness.useragent.message import tag_of
from rating_harness.useragent.script import (
    CallerScript,
    CallerVariant,
    Happening,
    Registration,
    Renewal,
    Socket,
    TimedRequest,
)

__all__ = [
    "DEFAULT_DOMAIN",
    "call_id_of",
    "caller_script",
    "needs_user_agent",
    "octets_of",
    "registration_of",
    "renewals_of",
    "sip_request",
    "speaks_tls_by_sipp",
    "timed_requests",
    "waits_for_others",
]


def needs_user_agent(call: Call) -> bool:
    """Whether a call says what SIPp can't, or is over TLS, for which not every SIPp serves.

    Not one whose SIPp scenario is written by hand.
    """
    if call.sipp is not None:
        return False
    return (
        call.transport == "tls"
        or any(word in call.model_fields_set for word in UNSAID_BY_SIPP)
        or any(name.lower() in MADE_BY_SIPP for name in call.headers)
        or any("100rel" in value for _, value in header_lines(call.headers))
        or any(each.at.event != "answered" or each.model_fields_set & {"sdp", "refuse"} for each in call.reinvite)
        or answers_in_ack(call)
        or signs_another_method(call)
        or renewals_may_cross(call)
    )


def answers_in_ack(call: Call) -> bool:
    """Whether the callee's 200 has the offer, which the ACK is to answer (RFC 3261 section 13.2.1)."""
    return call.method == "INVITE" and call.sdp is False


def signs_another_method(call: Call) -> bool:
    """Whether it's a REGISTER, say, with credentials, which SIPp's scenario of a single request has no room for."""
    return call.method != "INVITE" and call.auth is not None


def renewals_may_cross(call: Call) -> bool:
    """Whether both sides renew the session: where the two meet, one is refused with 491, for which SIPp doesn't wait
    (RFC 3261 section 14)."""
    return len({each.by for each in call.reinvite}) > 1


def speaks_tls_by_sipp(scenario: Scenario) -> bool:
    """Whether it takes a SIPp that can speak TLS: in a load, or where its scenario is written by hand."""
    tls = {carrier.host for carrier in scenario.given.carriers if carrier.protocol == "TLS"}
    is_load = scenario.load is not None or any(call.repeat.high > TRACED for call in scenario.calls)
    if is_load:
        return bool(tls) or any(call.transport == "tls" for call in scenario.calls)
    by_hand = [host for host, carrier in scenario.carriers.items() if carrier.sipp is not None]
    return bool(tls.intersection(by_hand)) or any(
        call.transport == "tls" and call.sipp is not None for call in scenario.calls
    )


def caller_script(
    call: Call, sampled: Sampled, token: str, socket: Socket, patience: float, spacing: float
) -> CallerScript:
    """What a call's caller does."""
    scripts = [
        _caller_script(each, sampled, token, socket, patience, spacing)
        for each in (call.model_copy(update={"from_": caller, "to": number}) for caller, number in call.users)
    ]
    variants = tuple(CallerVariant(each.invite, each.from_value, each.to_value) for each in scripts)
    return replace(scripts[0], variants=variants if len(variants) > 1 else ())


def _lingers(call: Call) -> float:
    """Seconds that a caller waits for what the one who was called says after the call."""
    late = (each for each in call.requests if each.by == "callee" and each.at.event == "ended" and not each.at.call)
    return max((each.at.delay + (each.every or 0.0) * each.times + _UNTIL_THERE for each in late), default=0.0)


_UNTIL_THERE = 1.0
"""Seconds in which a request gets from one end to the other, and its reply back."""


def _caller_script(
    call: Call, sampled: Sampled, token: str, socket: Socket, patience: float, spacing: float
) -> CallerScript:
    """Of a call whose users are the same each time."""
    domain = call.domain or DEFAULT_DOMAIN
    headers = _values_of(call.headers)
    named = {name.lower(): values[0] for name, values in headers.items() if values}
    user = f"sip:{call.from_}@{domain}" if call.from_ else f"sip:{domain}"
    display = '"' + call.display.replace("\\", "\\\\").replace('"', '\\"') + '" ' if call.display is not None else ""
    invite = SipRequest(
        method=call.method,
        uri=call.uri or f"sip:{call.to}@{domain}",
        cseq=CSeq(call.cseq),
        contact=f"<sip:{call.from_}@{socket.local};transport={socket.transport}>"
        if call.contact is None
        else _absent_or(call.contact),
        headers={name: values for name, values in headers.items() if name.lower() not in ("from", "to")},
        username=call.auth.username if call.auth else "",
        password=call.auth.password if call.auth else "",
    )
    to_value = named.get("to", f"<sip:{call.to}@{domain}>")
    if call.method == "BYE" and tag_of(to_value) is None:
        to_value += ";tag=unknown"
    return CallerScript(
        name=f"{token}-{call.id}",
        call=call.id,
        socket=socket,
        call_ids=tuple(call_id_of(call, token, number) for number in range(1, sampled.calls + 1)),
        invite=_encoded(invite),
        from_value=octets_of(named.get("from", f"{display}<{user}>")),
        to_value=octets_of(to_value),
        holds=sampled.holds,
        hangup=call.hangup == "caller",
        lingers=_lingers(call),
        bye=call.bye,
        cancel=Happening(call.cancel.event or "started", call.cancel.delay) if call.cancel else None,
        vanish=Happening(call.vanish.at.event or "answered", call.vanish.at.delay)
        if call.vanish is not None and call.vanish.who == "caller"
        else None,
        transfers=call.transfer is not None and call.transfer.by == "callee",
        refusals=refusals_of(call, "caller"),
        no_ack=call.no_ack,
        twice=call.retransmit,
        renewals=renewals_of(call, "caller"),
        requests=timed_requests(call, "caller"),
        sdp=octets_of(sdp_for(call.sdp)) if call.method == "INVITE" else "",
        patience=patience,
        spacing=spacing,
        limit=call.concurrency or 1_000_000,
        loss=call.loss or 0,
    )


def call_id_of(call: Call, token: str, number: int) -> str:
    """Of the call's repetition of that number, from 1."""
    return f"{token}-{call.id}-{number}@{DEFAULT_DOMAIN}"


def renewals_of(call: Call, side: Literal["caller", "callee"]) -> tuple[Renewal, ...]:
    """The re-INVITEs and UPDATEs that one side sends."""
    return tuple(
        Renewal(each.at.delay, each.method, each.at.event or "answered", octets_of(sdp_for(each.sdp, version=number)))
        for number, each in enumerate(call.reinvite, start=2)
        if each.by == side
    )


def refusals_of(call: Call, side: Literal["caller", "callee"]) -> tuple[str, ...]:
    """How one side refuses the other's re-INVITEs and UPDATEs, in the order in which they come; empty where it
    doesn't."""
    if all(each.refuse is None for each in call.reinvite):
        return ()
    theirs = sorted(
        (each for each in call.reinvite if each.by != side), key=lambda it: (it.at.event != "ringing", it.at.delay)
    )
    return tuple(octets_of(status_of(each.refuse)) if each.refuse else "" for each in theirs)


def status_of(refusal: Refusal) -> str:
    """Its status line, without the version."""
    return f"{refusal.code} {refusal.reason or _REASONS.get(refusal.code, 'Refused')}"


_REASONS = {
    300: "Multiple Choices", 301: "Moved Permanently", 302: "Moved Temporarily", 305: "Use Proxy",
    380: "Alternative Service", 400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden",
    404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable", 407: "Proxy Authentication Required",
    408: "Request Timeout", 410: "Gone", 413: "Request Entity Too Large", 414: "Request-URI Too Long",
    415: "Unsupported Media Type", 416: "Unsupported URI Scheme", 420: "Bad Extension", 421: "Extension Required",
    422: "Session Interval Too Small", 423: "Interval Too Brief", 428: "Use Identity Header",
    433: "Anonymity Disallowed", 436: "Bad Identity Info", 437: "Unsupported Credential",
    438: "Invalid Identity Header", 480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist",
    482: "Loop Detected", 483: "Too Many Hops", 484: "Address Incomplete", 485: "Ambiguous", 486: "Busy Here",
    487: "Request Terminated", 488: "Not Acceptable Here", 489: "Bad Event", 491: "Request Pending",
    493: "Undecipherable", 494: "Security Agreement Required", 500: "Server Internal Error", 501: "Not Implemented",
    502: "Bad Gateway", 503: "Service Unavailable", 504: "Server Time-out", 505: "Version Not Supported",
    513: "Message Too Large", 580: "Precondition Failure", 600: "Busy Everywhere", 603: "Decline",
    604: "Does Not Exist Anywhere", 606: "Not Acceptable", 607: "Unwanted", 608: "Rejected",
}  # fmt: skip
"""Reason phrases as they're registered (RFC 3261 section 21, and IANA's registry of response codes)."""


def timed_requests(call: Call, side: Literal["caller", "callee"]) -> tuple[TimedRequest, ...]:
    """The requests that one side of a call sends besides, each with its moment."""
    return tuple(
        TimedRequest(index, _happening(request.at), sip_request(request, call))
        for index, request in enumerate(call.requests)
        if request.by == side
    )


def waits_for_others(moment: Moment) -> bool:
    """Whether only the harness can know when a moment has come: it's of another call, or of the whole scenario."""
    return moment.call is not None or moment.event is None


def _happening(moment: Moment) -> Happening:
    return Happening(None) if waits_for_others(moment) else Happening(moment.event, moment.delay)


def sip_request(request: Request, call: Call) -> SipRequest:
    """A request of the language's as the user agent takes it."""
    method = request.method or "OPTIONS"
    sdp = sdp_for(request.sdp if request.sdp is not None else method == "INVITE", version=100)
    body = request.body if request.body is not None else sdp
    said = SipRequest(
        method=method,
        uri=request.uri,
        cseq=request.cseq,
        route=request.route,
        swap=request.swap,
        contact=None if request.contact is None else _absent_or(request.contact),
        headers=_values_of(request.headers),
        body=body,
        content_type="application/sdp" if sdp and request.body is None else "",
        octets=request.bytes,
        transport=request.transport or (call.transport if request.by != "callee" else None),
        port=request.port,
        times=request.times,
        every=request.every or 0.0,
        username=request.auth.username if request.auth else "",
        password=request.auth.password if request.auth else "",
    )
    return _encoded(said)


def registration_of(phone: Phone, socket: Socket, call_id: str) -> Registration | None:
    """How a phone registers; None where it doesn't."""
    how = phone.registration
    if not how:
        return None
    domain = phone.domain or DEFAULT_DOMAIN
    expires = round(how.expires)
    contact = how.contact or f"<sip:{phone.user}@{socket.local};transport={socket.transport}>"
    request = SipRequest(
        method="REGISTER",
        uri=f"sip:{domain}",
        contact=contact,
        headers={"Expires": (str(expires),), **_values_of(how.headers)},
        username=phone.auth.username if phone.auth else "",
        password=phone.auth.password if phone.auth else "",
    )
    return Registration(_encoded(request), call_id, octets_of(f"<sip:{phone.user}@{domain}>"), expires, how.renewed)


def octets_of(text: str) -> str:
    """A text of the scenario's as the user agent takes it: UTF-8, each octet a character (RFC 3261 section 7.1)."""
    return text.encode().decode("latin-1")


def _encoded(request: SipRequest) -> SipRequest:
    return replace(
        request,
        uri=octets_of(request.uri) if request.uri is not None else None,
        contact=octets_of(request.contact) if request.contact is not None else None,
        headers={name: tuple(map(octets_of, values)) for name, values in request.headers.items()},
        body=octets_of(request.body),
    )


def _values_of(headers: Mapping[str, str | tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Names and their values; a header that is to be absent has none."""
    return {
        name: () if values == "absent" else values if isinstance(values, tuple) else (values,)
        for name, values in headers.items()
    }


def _absent_or(value: str) -> str:
    return "" if value == "absent" else value
