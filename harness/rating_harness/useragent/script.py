"""What a user agent is to do, as immutable values that become JSON and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from rating_harness.scenario.values import CSeq, Event, Route
from rating_harness.useragent.dialog import Place, SipRequest

__all__ = [
    "NEVER_CAME",
    "CalleeScript",
    "CallerScript",
    "CallerVariant",
    "Happening",
    "Registration",
    "Renewal",
    "Script",
    "SenderScript",
    "Socket",
    "TimedRequest",
    "Transport",
    "Treatment",
    "from_json",
    "to_json",
]

Transport = Literal["udp", "tcp", "tls"]

NEVER_CAME = "its moment never came"
"""Why a request wasn't sent whose event never happened at the end that was to send it."""


@dataclass(frozen=True, slots=True)
class Happening:
    """``delay`` seconds after an event of the call; ``event`` None: when the harness signals it (`signal_of`)."""

    event: Event | None
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class TimedRequest:
    """A request and its moment.

    :param index: among the call's ``requests``; its branch has it (``request-INDEX``).
    """

    index: int
    at: Happening
    request: SipRequest


@dataclass(frozen=True, slots=True)
class Renewal:
    """A re-INVITE or UPDATE, so many seconds after the answer, or after an event before it."""

    at: float
    method: Literal["INVITE", "UPDATE"]
    event: Event = "answered"
    sdp: str = ""


@dataclass(frozen=True, slots=True)
class Socket:
    """Where a user agent listens, and where Kamailio is."""

    local: Place
    kamailio: Place
    transport: Transport


@dataclass(frozen=True, slots=True)
class CallerVariant:
    """What differs from call to call of a script: who calls whom."""

    invite: SipRequest
    from_value: str
    to_value: str


@dataclass(frozen=True, slots=True)
class CallerScript:
    """A caller, for all of a call's repetitions.

    :param call: the call's id in the scenario.
    :param call_ids: one for each repetition, in order.
    :param holds: seconds from answer to hang-up: of the first call, the second, and so on, then from the beginning.
    :param hangup: whether it's the caller who hangs up.
    :param bye: how its BYE is odd, if it is.
    :param transfers: it accepts a REFER.
    :param refusals: of the other side's first re-INVITE or UPDATE, the second, and so on; empty: it's accepted.
    :param patience: seconds that it waits for anything.
    :param lingers: seconds for which it's still there when its call is over, and refuses what comes of it.
    :param spacing: seconds between the beginnings of two calls.
    :param loss: how many of 100 datagrams are lost, of those it sends and of those it gets.
    :param variants: for the first call, the second, and so on, then from the beginning; none: all are the same.
    """

    name: str
    call: str
    socket: Socket
    call_ids: tuple[str, ...]
    invite: SipRequest
    from_value: str
    to_value: str
    holds: tuple[float, ...] = (1.0,)
    hangup: bool = True
    bye: Literal["normal", "wrong_cseq", "wrong_tag", "both"] = "normal"
    cancel: Happening | None = None
    vanish: Happening | None = None
    transfers: bool = False
    refusals: tuple[str, ...] = ()
    no_ack: bool = False
    twice: tuple[str, ...] = ()
    renewals: tuple[Renewal, ...] = ()
    requests: tuple[TimedRequest, ...] = ()
    sdp: str = ""
    patience: float = 20.0
    lingers: float = 0.0
    spacing: float = 0.01
    limit: int = 1_000_000
    loss: float = 0
    variants: tuple[CallerVariant, ...] = ()

    def of(self, number: int) -> CallerScript:
        """The script of the call of that number, from 1."""
        if not self.variants:
            return self
        it = self.variants[(number - 1) % len(self.variants)]
        return replace(self, invite=it.invite, from_value=it.from_value, to_value=it.to_value)


@dataclass(frozen=True, slots=True)
class Fork:
    """A further callee that a carrier's own proxy tries for the same INVITE: an early dialog with a To tag of its own
    (RFC 3261 section 12.1.2); times are seconds.

    :param delay: it's silent for so long.
    :param late_answer: it answers as well, so long after the call's answer; None: it only rings.
    """

    provisional: tuple[str, ...] = ("180 Ringing",)
    delay: float = 0.0
    early_sdp: str = ""
    late_answer: float | None = None


@dataclass(frozen=True, slots=True)
class Treatment:
    """What a callee does with a call; times are seconds.

    :param refuse: ``486 Busy Here``; empty: it answers.
    :param delay: nothing at all is sent for so long.
    :param ring: from the provisional replies to the final one.
    :param hang_up, vanish: so long after the answer; None: it doesn't.
    :param sdp, early_sdp: of the answer, and of a 183; empty: none.
    :param reliable: when provisional replies are sent until their PRACK comes (RFC 3262): where the caller requires
        100rel, or where it supports it at least; never: the callee doesn't know 100rel.
    :param forks: who rings beside it.
    """

    provisional: tuple[str, ...] = ("180 Ringing",)
    delay: float = 0.0
    ring: float = 0.0
    refuse: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    silent: bool = False
    vanish_ringing: bool = False
    vanish: float | None = None
    hang_up: float | None = None
    retransmit_answer: int = 0
    answer_cancelled: bool = False
    renewals: tuple[Renewal, ...] = ()
    sdp: str = ""
    early_sdp: str = ""
    reliable: Literal["where required", "where supported", "never"] = "where required"
    forks: tuple[Fork, ...] = ()


@dataclass(frozen=True, slots=True)
class CalleeCall:
    """How calls are treated whose Call-ID matches a regular expression; ``name`` is their id in the scenario.

    :param by_attempt: the behaviour for the first INVITE, the second, and so on; ``then`` for all later ones.
    :param transfers: it accepts a REFER.
    :param refusals: of the other side's first re-INVITE or UPDATE, the second, and so on; empty: it's accepted.
    :param tag: its tag in the dialog; empty: one of its own for each call.
    :param users: of From and To, by which a baresip knows the call: it can't know the caller's Call-IDs beforehand.
    """

    name: str
    pattern: str
    by_attempt: tuple[Treatment, ...]
    then: Treatment
    requests: tuple[TimedRequest, ...] = ()
    transfers: bool = False
    refusals: tuple[str, ...] = ()
    tag: str = ""
    users: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Registration:
    """A REGISTER (RFC 3261 section 10.2) before any call, renewed at half of its time unless it's to run out."""

    request: SipRequest
    call_id: str
    address_of_record: str
    expires: int
    renewed: bool = True


@dataclass(frozen=True, slots=True)
class CalleeScript:
    """A carrier or a telephone."""

    name: str
    socket: Socket
    calls: tuple[CalleeCall, ...]
    registration: Registration | None = None
    loss: float = 0


@dataclass(frozen=True, slots=True)
class SenderScript:
    """Somebody with an address of its own who sends octets, and takes down what comes back.

    :param messages: each character is one octet.
    :param listens: seconds after the last message for which replies are waited for.
    """

    name: str
    socket: Socket
    messages: tuple[str, ...]
    times: int = 1
    every: float = 0.0
    listens: float = 2.0


Script = CallerScript | CalleeScript | SenderScript

_KINDS: Mapping[str, type[Any]] = {
    each.__name__: each
    for each in (
        *(Treatment, CalleeCall, CalleeScript, CallerScript, CallerVariant, CSeq, Happening, Place, Registration),
        *(Fork, Renewal, Route, SenderScript, SipRequest, Socket, TimedRequest),
    )
}


def to_json(script: Script) -> str:
    return json.dumps(_plain(script), indent=1)


def _plain(value: Any) -> Any:
    if type(value) in _KINDS.values():
        named = {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
        return {"": type(value).__name__, **named}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return value


def from_json(text: str) -> Any:
    """The script that `to_json` wrote."""
    return _read(json.loads(text))


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_read(each) for each in value)
    if isinstance(value, dict):
        read = {name: _read(each) for name, each in value.items() if name}
        return _KINDS[value[""]](**read) if "" in value else read
    return value
