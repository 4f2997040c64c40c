"""How carriers and telephones treat calls."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from rating_harness.scenario.fields import (
    CallRef,
    Count,
    DurationOrRange,
    Flag,
    FromAnswer,
    HeaderValues,
    Model,
    No,
    PerCent,
    Provisional,
    Raw,
    Refusing,
    Seconds,
    Text,
    key,
)
from rating_harness.scenario.requests import Credentials, RequestReply
from rating_harness.scenario.sdp import SdpBody

__all__ = ["Behaviour", "CarrierBehaviour", "Fork", "Phone", "Refusal", "Registration", "SippFile"]


class SippFile(Model):
    """A SIPp scenario written by hand."""

    shorthand = "file"
    file: Annotated[Text, key("The XML file, relative to this one.", "odd-invite.xml")]
    variables: Annotated[dict[Text, Raw], key("Values for SIPp's `[name]` keywords.", {"service": "39040123456"})] = (
        Field(default_factory=dict)
    )
    csv: Annotated[
        Text | None, key("A CSV file with the values of `[field0]` and so on, relative to this one.", "users.csv")
    ] = None


class Refusal(Model):
    """A final reply that refuses."""

    meanings = (
        ("status response reply answer", "the status is 'code'"),
        ("text phrase reason_phrase message", "the reason phrase is 'reason'"),
    )

    shorthand = "code"
    code: Annotated[Refusing, key("Its status.", 503)]
    reason: Annotated[Text | None, key("Its reason phrase; the usual one when not given.", "Busy Here")] = None


class Fork(Model):
    """A further callee that the carrier's own proxy tries for the same INVITE: it has a To tag and a Contact of its
    own (RFC 3261 sections 12.1.2 and 16.7)."""

    meanings = (
        ("answer answers answered second_answer pick_up", "a second answer is 'late_answer'"),
        ("ring delay after wait", "how long it's silent at first is 'answer_after'"),
        ("refuse status code busy", "the final reply is the carrier's own: 'refuse' beside 'forks'"),
    )

    provisional: Annotated[tuple[Provisional, ...], key("Provisional replies it sends, in order.", [183])] = (180,)
    answer_after: Annotated[Seconds | None, key("Slow from the start: nothing at all for so long.", "200ms")] = None
    early_sdp: Annotated[
        SdpBody, key("A session description in its 183: early media.", True, {"codecs": ["PCMA"]})
    ] = False
    late_answer: Annotated[
        Seconds | None, key("It answers as well, so long after the carrier's own answer: a second 200.", "300ms")
    ] = None


class Behaviour(Model):
    """How a carrier treats a call. With no key at all it rings shortly and answers."""

    meanings: ClassVar[tuple[tuple[str, str], ...]] = (
        ("status code reply reject busy dnd do_not_disturb", "a reply that refuses is 'refuse': 486"),
        ("delay answer_delay wait", "how long it rings is 'ring', how long it's silent 'answer_after'"),
        ("hold duration hangup_after hangup", "when it hangs up is 'hang_up_after'"),
        ("no_answer unanswered timeout mute", "one that never replies is 'silent'"),
        ("down offline dead unreachable", "one where nobody listens is 'absent'"),
        (
            "redirect redirection forward forward_to forwarding call_forwarding contact",
            "a redirection is 'refuse': 302, with its Contact in 'headers'",
        ),
        ("answer answers pick_up", "it answers unless it refuses; how long it rings before is 'ring'"),
        ("early_media", "a session description in its 183 is 'early_sdp'"),
        ("prack 100rel rel100", "reliable provisional replies are 'reliable'"),
        ("packet_loss lossy", "how much of its messages is lost is 'loss'"),
        ("crash die freeze", "one that falls silent in mid-call has 'vanish'"),
        ("ip address port host protocol transport", "where a carrier is, is said in 'given.carriers'"),
        ("retries tries", "what it does at one attempt after another is 'attempts'"),
    )

    provisional: Annotated[
        tuple[Provisional, ...],
        key("Provisional replies it sends, in order.", [100, 183]),
    ] = (180,)
    answer_after: Annotated[
        DurationOrRange | None,
        key("Slow from the start: nothing at all, not even a provisional reply, for so long.", "1s"),
    ] = None
    ring: Annotated[DurationOrRange | None, key("How long it rings before it answers or refuses.", "2s")] = None
    refuse: Annotated[Refusal | None, key("Refuse with this reply.", 486, {"code": 503, "reason": "Maintenance"})] = (
        None
    )
    silent: Annotated[Flag, key("It gets the INVITE and never replies.", True)] = False
    absent: Annotated[Flag, key("Nobody listens at its address.", True)] = False
    hang_up_after: Annotated[DurationOrRange | None, key("It hangs up so long after the answer.", "2s")] = None
    vanish: Annotated[FromAnswer | None, key("It falls silent in mid-call: when.", "after 1s", "while ringing")] = (
        None
    )
    retransmit_answer: Annotated[Count, key("How many times more it sends the 200, whatever the ACK.", 2)] = 0
    answer_cancelled: Annotated[
        Flag, key("It answers 200 to the INVITE although a CANCEL came: the two cross.", True)
    ] = False
    sdp: Annotated[SdpBody, key("The session description of its answer.", {"codecs": ["PCMA"]}, False)] = True
    early_sdp: Annotated[
        SdpBody, key("A session description in its 183: early media.", True, {"codecs": ["PCMA"]})
    ] = False
    reliable: Annotated[
        Flag | None,
        key("Reliable provisional replies (RFC 3262) where 100rel is supported; false: never.", True, False),
    ] = None
    forks: Annotated[
        tuple[Fork, ...],
        key("Further callees that ring at the same time, each with a To tag of its own.", [{"provisional": [183]}]),
    ] = ()
    headers: Annotated[HeaderValues, key("Headers it adds to its final reply.", {"Retry-After": "30"})] = Field(
        default_factory=dict
    )
    sipp: Annotated[
        SippFile | None, key("A SIPp scenario written by hand for the callee's side.", "odd-answer.xml")
    ] = None


class CarrierBehaviour(Behaviour):
    """How a carrier treats calls; differently by call, or by attempt, where that is said."""

    loss: Annotated[
        PerCent | None, key("How many of 100 UDP messages are lost, of those it sends and of those it gets.", 10)
    ] = None
    calls: Annotated[
        dict[CallRef, Behaviour], key("A different behaviour for one call.", {"ana": {"refuse": 486}})
    ] = Field(default_factory=dict)
    attempts: Annotated[
        tuple[Behaviour, ...],
        key(
            "A behaviour for the 1st INVITE, the 2nd, and so on; after the last, the carrier's own.",
            [{"refuse": 503}, {}],
        ),
    ] = ()

    def of(self, call: str, attempt: int) -> Behaviour:
        """What to do with the INVITE number ``attempt`` (from 0) for ``call``: a call's own word goes first."""
        if call in self.calls:
            return self.calls[call]
        return self.attempts[attempt] if attempt < len(self.attempts) else self


class Registration(Model):
    """How a phone registers."""

    meanings = (
        ("interval lifetime duration ttl", "for how long is 'expires'"),
        ("reply status code", "the final reply to it is 'expect'"),
    )

    shorthand = "expires"
    expires: Annotated[Seconds, key("For how long, in whole seconds; it's renewed at half of that.", "1h")] = 3600.0
    renewed: Annotated[
        bool, key("false: it isn't, as by a phone that is out of reach, and runs out after 'expires'.", False)
    ] = True
    contact: Annotated[
        Text | None, key("Contact, when it isn't the phone's own address.", "<sip:2000@10.99.99.99:5060>")
    ] = None
    headers: Annotated[
        HeaderValues, key("Headers to add to the REGISTER, or to replace.", {"User-Agent": "desk phone"})
    ] = Field(default_factory=dict)
    expect: Annotated[RequestReply, key("The final reply to it.", 200, 403)] = RequestReply.model_validate(200)


class Phone(CarrierBehaviour):
    """A telephone that registers with Kamailio before the calls, and is called there; it treats them as a carrier."""

    meanings: ClassVar[tuple[tuple[str, str], ...]] = (
        ("number extension aor username id", "the number that is called is 'user'"),
        ("password credentials digest", "it's 'auth': {username: ..., password: ...}"),
        ("register expires", "how it registers is 'registration'"),
        ("protocol", "its transport is 'transport'"),
        *(row for row in Behaviour.meanings if "transport" not in row[0].split()),
    )

    user: Annotated[Text, key("User part of its address of record: the number that is called. In quotes.", "2000")]
    domain: Annotated[Text | None, key("Domain of that address; the lab's when not given.", "example.org")] = None
    auth: Annotated[Credentials | None, key("Digest credentials.", {"username": "2000", "password": "secret"})] = None
    transport: Annotated[Literal["udp", "tcp", "tls"], key("Its transport.", "tcp")] = "udp"
    registration: Annotated[Registration | No, key("How it registers; false: it doesn't.", "1m", False)] = (
        Registration()
    )
