"""The calls that are made, and how many."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rating_harness.scenario.behaviour import SippFile
from rating_harness.scenario.expectations import CallExpectation
from rating_harness.scenario.fields import (
    CallId,
    DurationOrRange,
    Flag,
    FromAnswer,
    FromStart,
    HeaderValues,
    Model,
    PerCent,
    PerSecond,
    Positive,
    Repeat,
    Seconds,
    Text,
    When,
    key,
)
from rating_harness.scenario.values import CountRange, Moment

__all__ = ["Call", "Credentials", "Load", "Reinvite", "Vanish"]


class Credentials(Model):
    """Digest credentials of the caller."""

    username: Annotated[Text, key("User name, also the account where digest is on.", "1000")]
    password: Annotated[Text, key("Password, in quotes when it is a number.", "secret")]


class Reinvite(Model):
    """A request inside the dialog that renews the session."""

    shorthand = "at"
    at: Annotated[FromAnswer, key("When: a duration after the answer, or a moment.", "after 1s")]
    by: Annotated[Literal["caller", "callee"], key("Who sends it.", "caller")] = "caller"
    method: Annotated[Literal["INVITE", "UPDATE"], key("How.", "UPDATE")] = "INVITE"


class Vanish(Model):
    """A side that falls silent: it sends nothing more and answers nothing."""

    who: Annotated[Literal["caller", "callee"], key("Who vanishes.", "callee")]
    at: Annotated[FromAnswer, key("When.", "after 1s", "while ringing")] = Moment("answered")


class Call(Model):
    """A call, or many of the same kind."""

    id: Annotated[CallId, key("A name for this call, used by the rest of the file.", "ana")]
    from_: Annotated[Text, key("User part of From: the account that pays. In quotes.", "1000")] = Field(alias="from")
    to: Annotated[Text, key("User part of To: the number dialled. In quotes.", "39040123456")]
    domain: Annotated[Text | None, key("Domain of both URIs; the lab's when not given.", "example.org")] = None
    method: Annotated[
        Literal["INVITE", "OPTIONS", "REGISTER", "MESSAGE", "SUBSCRIBE", "BYE"],
        key("Anything but INVITE is a single request.", "OPTIONS"),
    ] = "INVITE"
    headers: Annotated[
        HeaderValues, key("Headers to add to the INVITE, or to replace.", {"User-Agent": "friendly-scanner"})
    ] = Field(default_factory=dict)
    transport: Annotated[Literal["udp", "tcp", "tls"], key("The caller's transport.", "tcp")] = "udp"
    ipv6: Annotated[Flag, key("Call over IPv6.", True)] = False
    auth: Annotated[Credentials | None, key("Digest credentials.", {"username": "1000", "password": "secret"})] = None
    sdp: Annotated[Flag | Text, key("false for an INVITE without a body, or the SDP itself.", False)] = True
    repeat: Annotated[Repeat, key("How many such calls, or a random number.", 50, {"min": 10, "max": 20})] = (
        CountRange(1, 1)
    )
    rate: Annotated[
        PerSecond | None,
        key("New calls per second; not given: one after another has begun, as fast as possible.", 10),
    ] = None
    concurrency: Annotated[Positive | None, key("Most calls at once.", 5)] = None
    start: Annotated[
        When,
        key(
            "When: a delay, or after an event of another call.",
            "2s",
            "ana is answered",
            {"after": "ana.answered", "delay": "1s"},
        ),
    ] = Moment(None)
    ring: Annotated[
        DurationOrRange | None,
        key(
            "How long the callee rings before it answers; overrides the carrier's.", "2s", {"min": "1s", "max": "3s"}
        ),
    ] = None
    hold: Annotated[
        DurationOrRange | None,
        key("How long the call lasts once answered; 1s when not given.", "5s", {"min": "1s", "max": "9s"}),
    ] = None
    hangup: Annotated[Literal["caller", "callee", "never"], key("Who hangs up after `hold`.", "callee")] = "caller"
    cancel: Annotated[
        FromStart | None, key("The caller gives up: when.", "while ringing", "after 200ms", "at once")
    ] = None
    reinvite: Annotated[
        tuple[Reinvite, ...],
        key("Re-INVITEs or UPDATEs during the call.", ["after 1s", {"at": "after 2s", "method": "UPDATE"}]),
    ] = ()
    vanish: Annotated[Vanish | None, key("A side falls silent.", {"who": "callee", "at": "after 1s"})] = None
    no_ack: Annotated[Flag, key("The caller never sends the ACK.", True)] = False
    retransmit: Annotated[
        tuple[Literal["INVITE", "ACK", "BYE"], ...],
        key("Requests that the caller sends twice, as if the first were lost.", ["BYE"]),
    ] = ()
    loss: Annotated[
        PerCent | None,
        key("How many of 100 UDP messages are lost, of those the caller sends and of those it gets.", 10),
    ] = None
    bye: Annotated[
        Literal["normal", "wrong_cseq", "wrong_tag", "both"],
        key("An odd BYE: an old CSeq, an unknown tag, or both sides at once.", "wrong_cseq"),
    ] = "normal"
    sipp: Annotated[
        SippFile | None,
        key(
            "A SIPp scenario written by hand for the caller's side.",
            "odd-invite.xml",
            {"file": "odd-invite.xml", "variables": {"service": "39"}},
        ),
    ] = None
    expect: Annotated[
        CallExpectation, key("What is expected of this call.", {"reply": 200, "ended_by": "kamailio"})
    ] = CallExpectation()


class Load(Model):
    """The same calls, in numbers. It applies to every call of the scenario."""

    rate: Annotated[PerSecond, key("New calls per second, all calls of the file together.", 50)]
    duration: Annotated[Seconds, key("How long new calls are made.", "1m")]
    ramp: Annotated[Seconds | None, key("Time in which the rate grows from 0 to `rate`.", "10s")] = None
    hold: Annotated[
        DurationOrRange | None, key("How long each call lasts; overrides the calls' own.", {"min": "1s", "max": "9s"})
    ] = None
    concurrency: Annotated[Positive | None, key("Most calls at once.", 500)] = None
