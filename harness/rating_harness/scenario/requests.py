"""Requests beside a call's own: any method at any moment, by either side or by a stranger, well-formed or not."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rating_harness.scenario.fields import (
    AnyMoment,
    CSeqNumber,
    Flag,
    HeaderMatches,
    HeaderValues,
    MethodName,
    Model,
    Port,
    RawBytes,
    RouteSet,
    Seconds,
    StatusMatch,
    Text,
    TextMatch,
    Times,
    key,
)
from rating_harness.scenario.sdp import SdpBody
from rating_harness.scenario.values import CSeq, Moment, Route

__all__ = ["Credentials", "Request", "RequestReply"]


class Credentials(Model):
    """Digest credentials of the caller."""

    username: Annotated[Text, key("User name, also the account where digest is on.", "1000")]
    password: Annotated[Text, key("Password, in quotes when it is a number.", "secret")]


class RequestReply(Model):
    """The final reply that a request is to get."""

    meanings = (
        ("status response reply answer", "the status is 'code'"),
        ("text phrase reason_phrase message", "the reason phrase is 'reason'"),
    )

    shorthand = "code"
    code: Annotated[StatusMatch, key("Its status; absent: none at all.", 481, "4xx", "absent")]
    reason: Annotated[TextMatch | None, key("Its reason phrase.", "/Call/")] = None
    headers: Annotated[HeaderMatches, key("Headers of the reply.", {"Retry-After": "any"})] = Field(
        default_factory=dict
    )


class Request(Model):
    """A request beside the call's own. What isn't said is as the dialog has it."""

    meanings = (
        ("when start after moment", "when it is sent is 'at'"),
        ("who from sender side", "who sends it is 'by'"),
        ("reply status code response", "the reply to it is 'expect'"),
        ("count repeat number", "how often it is sent is 'times'"),
        ("to ruri request_uri target", "the Request-URI is 'uri'"),
        ("type name", "it's 'method': BYE, or any other"),
        ("raw message", "the whole message is 'bytes'"),
    )

    at: Annotated[
        AnyMoment,
        key(
            "When: a duration after the answer, a moment of this call, or an event of another one.",
            "after 1s",
            "while ringing",
            "500ms after end",
            "bob is answered",
        ),
    ] = Moment("answered")
    by: Annotated[
        Literal["caller", "callee", "stranger"],
        key("Who sends it; a stranger has an address of its own, and knows all about the call.", "stranger"),
    ] = "caller"
    method: Annotated[MethodName | None, key("Any method.", "BYE", "INVITE", "PUBLISH")] = None
    uri: Annotated[
        Text | None, key("Request-URI; the other side's Contact when not given.", "sip:nobody@127.0.0.1:9")
    ] = None
    cseq: Annotated[
        CSeqNumber, key("CSeq: a number, or one counted from the sender's last.", 2147483647, "last", "last + 5")
    ] = CSeq(1, relative=True)
    route: Annotated[
        RouteSet,
        key(
            "Route: as given by the dialog, none, without a parameter, or these values.",
            "none",
            "without did",
            ["<sip:{kamailio};lr>"],
        ),
    ] = Route()
    swap: Annotated[Flag, key("From and To exchanged: as if the other side sent it.", True)] = False
    contact: Annotated[
        Text | None, key("Contact; absent: none. The sender's own when not given.", "<sip:x@127.0.0.1:9>", "absent")
    ] = None
    headers: Annotated[
        HeaderValues,
        key(
            "Headers to add, or to replace; a list for several of one name, absent for none.",
            {"Max-Forwards": "0"},
            {"Via": "absent"},
            {"X-Account": ["1", "2"]},
        ),
    ] = Field(default_factory=dict)
    sdp: Annotated[
        SdpBody | None,
        key("true for the usual session description, one in words, or one's own. INVITE has one anyway.", True),
    ] = None
    body: Annotated[Text | None, key("Another body; its type is said with `headers`.", "hello")] = None
    bytes: Annotated[
        RawBytes | None,
        key("The message as it goes out, in place of all of the above: each character is one octet.", "\r\n\r\n"),
    ] = None
    auth: Annotated[Credentials | None, key("Digest credentials.", {"username": "1000", "password": "secret"})] = None
    transport: Annotated[
        Literal["udp", "tcp", "tls"] | None, key("Its transport; the call's when not given.", "tcp")
    ] = None
    port: Annotated[Port | None, key("Kamailio's port; that of the transport when not given.", 8080)] = None
    times: Annotated[Times, key("How often it is sent, unchanged, as a retransmission is.", 10)] = 1
    every: Annotated[Seconds | None, key("Time between two of them; none when not given.", "100ms")] = None
    expect: Annotated[RequestReply | None, key("The final reply to it.", 481, "absent")] = None
