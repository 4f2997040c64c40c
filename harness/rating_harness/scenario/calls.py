"""The calls that are made, and how many."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from rating_harness.scenario.behaviour import Refusal, SippFile
from rating_harness.scenario.expectations import CallExpectation
from rating_harness.scenario.fields import (
    AnyMoment,
    CallId,
    CallRef,
    CSeqStart,
    DurationOrRange,
    Flag,
    FromAnswer,
    FromStart,
    HeaderValues,
    HostName,
    MethodName,
    Model,
    PerCent,
    PerSecond,
    PerSecondOrNone,
    Positive,
    Raw,
    Repeat,
    Seconds,
    Share,
    Text,
    Users,
    When,
    key,
)
from rating_harness.scenario.requests import Credentials, Request, RequestReply
from rating_harness.scenario.sdp import SdpBody
from rating_harness.scenario.values import CountRange, Moment

__all__ = [
    "DEFAULT_HOLD",
    "MADE_BY_SIPP",
    "TRACED",
    "UNSAID_BY_SIPP",
    "Call",
    "Credentials",
    "Load",
    "LoadStep",
    "Reinvite",
    "Request",
    "Transfer",
    "Vanish",
]


DEFAULT_HOLD = 1.0
"""Seconds that a call lasts where nothing is said."""

TRACED = 200
"""Most calls of which every message is kept; of more, a line of each message is."""


MADE_BY_SIPP = frozenset(
    {"via", "from", "to", "call-id", "cseq", "contact", "max-forwards", "content-length", "content-type"}
)
"""Headers that SIPp's scenarios make themselves."""

UNSAID_BY_SIPP = ("host", "uri", "display", "contact", "cseq", "requests", "transfer", "cancel", "replaces")
"""Words that SIPp has no means for. Of a CANCEL it takes the 200 for that of the INVITE, whose branch it has."""


class Reinvite(Model):
    """A request inside the dialog that renews the session."""

    shorthand = "at"
    at: Annotated[FromAnswer, key("When: a duration after the answer, or a moment.", "after 1s", "while ringing")]
    by: Annotated[Literal["caller", "callee"], key("Who sends it.", "caller")] = "caller"
    method: Annotated[Literal["INVITE", "UPDATE"], key("How; UPDATE also before the answer.", "UPDATE")] = "INVITE"
    sdp: Annotated[
        SdpBody, key("Its session description; sendonly puts on hold.", {"direction": "sendonly"}, False)
    ] = True
    refuse: Annotated[
        Refusal | None, key("The other side refuses it with this reply, and the call goes on as it was.", 488)
    ] = None


class Transfer(Model):
    """One side asks the other to make another call: REFER (RFC 3515), with NOTIFYs on what comes of it."""

    shorthand = "call"
    meanings = (
        ("after when start", "the moment is 'at'"),
        ("to target refer_to number", "whom the other side calls then is a call of its own, named by 'call'"),
        ("who", "who asks is 'by'"),
        (
            "replaces attended consultation",
            "whose place the other call takes is said there: {id: cara, ..., replaces: bob}",
        ),
    )
    call: Annotated[CallRef, key("The call that the other side makes then.", "cara")]
    by: Annotated[Literal["caller", "callee"], key("Who asks for it.", "callee")] = "caller"
    at: Annotated[
        AnyMoment,
        key("When: a duration after the answer, or the answer of another call.", "after 1s", "bob is answered"),
    ] = Moment("answered", 1.0)
    expect: Annotated[RequestReply, key("The final reply to the REFER.", 202, "4xx")] = RequestReply.model_validate(
        202
    )


class Vanish(Model):
    """A side that falls silent: it sends nothing more and answers nothing."""

    meanings = (
        ("by side end", "who vanishes is 'who'"),
        ("when start after", "the moment is 'at'"),
    )

    who: Annotated[Literal["caller", "callee"], key("Who vanishes.", "callee")]
    at: Annotated[FromAnswer, key("When.", "after 1s", "while ringing")] = Moment("answered")


class Call(Model):
    """A call, or many of the same kind."""

    meanings = (
        ("duration length talk talk_time", "how long it lasts is 'hold'"),
        ("caller source account account_tag a_number calling", "who calls is 'from'"),
        ("callee destination number b_number called", "who is called is 'to'"),
        ("status code result response final_reply", "the reply is expected: 'expect: {reply: 200}'"),
        ("refer transferred blind_transfer", "a transfer is 'transfer: {call: ..., by: callee, at: after 1s}'"),
        (
            "attended consultation attended_transfer pickup pick_up call_pickup",
            "a call that takes another's place has 'replaces': the other call's id",
        ),
        ("delay wait after when at", "when it begins is 'start'"),
        ("count times number_of_calls calls", "how many of them is 'repeat'"),
        ("cps calls_per_second", "new calls per second is 'rate'"),
        ("password username credentials digest", "it's 'auth: {username: ..., password: ...}'"),
        ("protocol tls tcp udp secure", "it's 'transport': udp, tcp or tls"),
        ("display_name caller_name", "the name in From is 'display'"),
        (
            "caller_id callerid cli clip clir anonymous hidden shown_number presentation",
            "whom the callee sees is said by 'headers': {From: <sip:anonymous@anonymous.invalid>, Privacy: id}",
        ),
        ("body codec codecs media", "the session description is 'sdp'"),
        ("answer_after ring_time ringing", "how long it rings is 'ring'"),
        (
            "refuse busy reject dnd do_not_disturb unavailable",
            "how it's treated is said under 'carriers': 'refuse: 486'",
        ),
        ("update reinvites re_invite", "a re-INVITE or UPDATE is 'reinvite'"),
        ("register registration", "a phone that registers is said under 'phones'"),
        ("parallel simultaneous at_once max_calls channels", "most calls at once are 'concurrency'"),
        ("percent percentage weight ratio proportion part", "its part of a load is 'share'"),
        ("trunk incoming inbound gateway ip address", "where it comes from is 'host'"),
        (
            "header pai p_asserted_identity privacy remote_party_id rpid diversion user_agent",
            "any header is one of 'headers': {P-Asserted-Identity: <sip:1000@sip.test>}",
        ),
        ("request_uri ruri uri_parameters user_phone phone_context", "the Request-URI as a whole is 'uri'"),
        ("prack 100rel rel100 reliable", "a caller that takes reliable replies says 'headers: {Supported: 100rel}'"),
        ("early_media early_sdp", "early media is the callee's, under 'carriers': {carrier: {early_sdp: true}}"),
        (
            "no_answer unanswered not_answered",
            "a callee who never answers rings for longer than anybody waits: 'ring': 2m, say",
        ),
        (
            "redirect redirection forward forwarding call_forwarding forward_to diverted",
            "a redirection is the callee's, under 'carriers': {carrier: {refuse: 302}}",
        ),
        ("answer answered answers", "an answer is expected: 'expect: {reply: 200}'; when it comes is 'ring'"),
        (
            "on_hold hold_call put_on_hold resume unhold moh music_on_hold music park mute",
            "putting on hold is 'reinvite': [{at: after 1s, sdp: {direction: sendonly}}]",
        ),
        (
            "dtmf digits info tones",
            "what a side says in mid-call is 'requests': [{at: after 1s, method: INFO, body: ...}]",
        ),
        (
            "session_timer session_expires min_se refresh",
            "a session timer is said by 'headers': {Supported: timer, Session-Expires: 90;refresher=uac}",
        ),
        (
            "conference three_way bridge barge intrusion",
            "a call has two sides: each further one is a call of its own, whose moment is 'start'",
        ),
        (
            "rtp audio media_file wav pcap play",
            "no media are sent, but by a SIPp file of your own: 'sipp'",
        ),
        ("limit max_duration cut cut_after", "who ends it at its limit is Kamailio: 'hangup': never"),
        ("cost fee price charge", "what it costs is in 'expect.transactions' of the file"),
        ("name title label", "its name is 'id'"),
    )

    id: Annotated[CallId, key("A name for this call, used by the rest of the file.", "ana")]
    from_: Annotated[
        Users,
        key(
            "User part of From: the account that pays. In quotes. A list: one after another.",
            "1000",
            ["1000", "1001"],
        ),
    ] = Field(alias="from")
    to: Annotated[
        Users,
        key("User part of To: the number dialled. In quotes. A list: one after another.", "39040123456"),
    ]
    domain: Annotated[Text | None, key("Domain of both URIs; the lab's when not given.", "example.org")] = None
    host: Annotated[
        HostName | None,
        key(
            "Where it comes from: a carrier's host for an incoming call; one of its own else.",
            "trunk",
        ),
    ] = None
    method: Annotated[MethodName, key("Anything but INVITE is a single request.", "OPTIONS", "REGISTER")] = "INVITE"
    uri: Annotated[Text | None, key("Request-URI; made of `to` and `domain` when not given.", "tel:+39040123456")] = (
        None
    )
    display: Annotated[Raw | None, key("Display name in From, without quotes.", "Ana Rossi")] = None
    contact: Annotated[
        Text | None,
        key("Contact, as behind a NAT; absent: none. The caller's own if not given.", "<sip:1000@10.99.99.99:5066>"),
    ] = None
    cseq: Annotated[CSeqStart, key("The first CSeq number.", 2147483647)] = 1
    headers: Annotated[
        HeaderValues,
        HostName,
        MethodName,
        key(
            "Headers to add to the INVITE, or to replace; a list for several of one name.",
            {"User-Agent": "friendly-scanner"},
            {"From": "<sip:1000@sip.test;user=phone>"},
        ),
    ] = Field(default_factory=dict)
    transport: Annotated[Literal["udp", "tcp", "tls"], key("The caller's transport.", "tcp")] = "udp"
    ipv6: Annotated[Flag, key("Call over IPv6.", True)] = False
    auth: Annotated[Credentials | None, key("Digest credentials.", {"username": "1000", "password": "secret"})] = None
    sdp: Annotated[
        SdpBody,
        key("false for no body, one in words, or the SDP itself.", False, {"codecs": ["PCMA"]}),
    ] = True
    repeat: Annotated[Repeat, key("How many such calls, or a random number.", 50, {"min": 10, "max": 20})] = (
        CountRange(1, 1)
    )
    rate: Annotated[
        PerSecond | None,
        key("New calls per second, under `load` too; as fast as possible when not given.", 10),
    ] = None
    share: Annotated[
        Share | None, key("Its share of the calls of `load`; the others share the rest evenly.", "40%")
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
    requests: Annotated[
        tuple[Request, ...],
        key(
            "Further requests, of either side or of a stranger: any method at any moment, well-formed or not.",
            [{"at": "after 1s", "by": "stranger", "method": "BYE", "expect": 481}],
        ),
    ] = ()
    transfer: Annotated[
        Transfer | None, key("It is transferred to another call.", "cara", {"call": "cara", "by": "callee"})
    ] = None
    replaces: Annotated[
        CallRef | None,
        key("It takes the place of another call at that call's callee, who hangs that one up (RFC 3891).", "bob"),
    ] = None
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

    @property
    def users(self) -> tuple[tuple[str, str], ...]:
        """Users of From and To of the first call, the second, and so on, then from the beginning again."""
        callers = (self.from_,) if isinstance(self.from_, str) else self.from_
        numbers = (self.to,) if isinstance(self.to, str) else self.to
        length = math.lcm(len(callers), len(numbers))
        return tuple((callers[index % len(callers)], numbers[index % len(numbers)]) for index in range(length))

    @property
    def times(self) -> CountRange:
        """How many such calls: as many as `repeat` says, else one for each item of the longer list."""
        if "repeat" in self.model_fields_set:
            return self.repeat
        lists = [len(each) for each in (self.from_, self.to) if not isinstance(each, str)]
        return CountRange(max(lists), max(lists)) if lists else self.repeat


class LoadStep(Model):
    """A part of a load: its rate, and how long."""

    rate: Annotated[PerSecondOrNone, key("New calls per second, at the end of `ramp`; 0 is a pause.", 50)]
    duration: Annotated[Seconds, key("How long the step takes, its ramp included.", "30s")]
    ramp: Annotated[
        Seconds | None, key("Time in which the rate goes evenly from the step before's, or from 0, to `rate`.", "10s")
    ] = None


class Load(Model):
    """The same calls, in numbers. It applies to every call of the scenario."""

    meanings = (
        ("cps caps calls_per_second speed", "new calls per second are 'rate'"),
        ("for time length seconds lasts", "how long new calls are made is 'duration'"),
        ("ramp_up rampup warmup", "the time in which the rate grows is 'ramp'"),
        ("parallel simultaneous at_once max_calls channels", "most calls at once are 'concurrency'"),
        ("count calls number total", "a number of calls is 'repeat' of a call; here 'rate' and 'duration' make it"),
        ("stages phases profile", "one rate after another is 'steps'"),
    )

    rate: Annotated[
        PerSecond | None, key("New calls per second, of all calls together without a rate of their own.", 50)
    ] = None
    duration: Annotated[Seconds | None, key("How long new calls are made.", "1m")] = None
    ramp: Annotated[Seconds | None, key("Time in which the rate grows from 0 to `rate`.", "10s")] = None
    steps: Annotated[
        tuple[LoadStep, ...],
        key(
            "In place of `rate`, `duration` and `ramp`: one rate after another.",
            [{"rate": 20, "duration": "1m"}, {"rate": 50, "duration": "1m", "ramp": "10s"}],
        ),
    ] = ()
    hold: Annotated[
        DurationOrRange | None, key("How long each call lasts; overrides the calls' own.", {"min": "1s", "max": "9s"})
    ] = None
    concurrency: Annotated[Positive | None, key("Most calls at once.", 500)] = None

    @property
    def profile(self) -> tuple[LoadStep, ...]:
        """Its steps; a load without any is one. Empty where neither is said."""
        if self.steps or self.rate is None or self.duration is None:
            return self.steps
        return (LoadStep.model_construct(rate=self.rate, duration=self.duration, ramp=self.ramp),)

    @property
    def peak(self) -> float:
        """The highest of its rates, in calls per second."""
        return max((step.rate for step in self.profile), default=0.0)

    @property
    def seconds(self) -> float:
        """How long new calls are made."""
        return sum(step.duration for step in self.profile)

    @property
    def seconds_at_peak(self) -> float:
        """In how many seconds as many calls were made if all were made at the highest rate."""
        made, before = 0.0, 0.0
        for step in self.profile:
            made += step.rate * step.duration + (before - step.rate) * (step.ramp or 0.0) / 2
            before = step.rate
        return made / self.peak if self.peak else 0.0
