"""Carriers and telephones: which hosts there are, and what each does with each call."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from rating_harness.lab.protocol import Host
from rating_harness.plan.in_dialog import Step, in_order, renewals
from rating_harness.plan.model import PlannedCarrier
from rating_harness.plan.render import certificates, companions, literal, render, sdp_for
from rating_harness.plan.replaces import callee_tag, is_replaced
from rating_harness.plan.sampling import DIGITS, Sampled, last_digit
from rating_harness.plan.user_agents import (
    DEFAULT_DOMAIN,
    octets_of,
    refusals_of,
    registration_of,
    renewals_of,
    status_of,
    timed_requests,
)
from rating_harness.scenario.calls import TRACED
from rating_harness.scenario.model import Behaviour, Call, CarrierBehaviour, Phone, Scenario
from rating_harness.scenario.sdp import Sdp
from rating_harness.scenario.sipp_files import as_written
from rating_harness.scenario.values import header_lines
from rating_harness.sipp.agent import Agent, Transport
from rating_harness.useragent.agent import UserAgent
from rating_harness.useragent.dialog import Place
from rating_harness.useragent.script import CalleeCall, CalleeScript, Fork, Socket, Treatment

__all__ = ["plan_carriers"]

REPLY_MS = 5000
"""How long a carrier waits for an ACK, or for the reply to its BYE."""

SIP_PORT, TLS_PORT = 5060, 5061

_PROVISIONAL = {100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress"}


@dataclass(frozen=True, slots=True)
class _SippTreatment:
    """What SIPp's template needs to know; times are milliseconds, ``vanish`` and ``hang_up`` after the last step."""

    provisional: tuple[str, ...]
    delay: int
    ring: int
    refuse: str
    headers: str
    silent: bool
    vanish_ringing: bool
    steps: tuple[Step, ...]
    vanish: int | None
    hang_up: int | None
    retransmit_answer: int
    answer_cancelled: bool


@dataclass(frozen=True, slots=True)
class _Route:
    """Which treatment a call gets: one by the number of the INVITE, then the same for all."""

    calls: str
    by_attempt: tuple[int, ...]
    then: int


@dataclass(frozen=True, slots=True)
class _Context:
    """What all carriers of a scenario have in common."""

    scenario: Scenario
    token: str
    sampled: Mapping[str, Sampled]
    random: Random
    patience: float
    hosts: Callable[[str], Host]

    @property
    def is_load(self) -> bool:
        """Whether there are so many calls that only SIPp makes them."""
        return self.scenario.load is not None or sum(each.calls for each in self.sampled.values()) > TRACED


def plan_carriers(
    scenario: Scenario,
    token: str,
    sampled: Mapping[str, Sampled],
    random: Random,
    patience: float,
    hosts: Callable[[str], Host],
) -> tuple[PlannedCarrier, ...]:
    """One for each host, port and protocol that a carrier of the scenario has, and one for each telephone.

    SIPp plays the carriers of a load, and those whose SIPp scenario is written by hand. All others are user agents of
    the harness's own, which read headers however they are spelled, and refuse what RFC 3261 has a peer refuse.

    :param sampled: by the call's id."""
    context = _Context(scenario, token, sampled, random, patience, hosts)
    carriers = [PlannedCarrier(host, _carrier(context, host, port, way)) for host, port, way in _listeners(scenario)]
    phones = [PlannedCarrier(host, _phone(context, host, phone)) for host, phone in scenario.phones.items()]
    return (*carriers, *phones)


def _listeners(scenario: Scenario) -> Iterable[tuple[str, int, Transport]]:
    seen: dict[tuple[str, int, Transport], None] = {}
    for carrier in scenario.given.carriers:
        transport: Transport = "udp" if carrier.protocol == "UDP" else "tcp" if carrier.protocol == "TCP" else "tls"
        seen[carrier.host, carrier.port, transport] = None
    named = {host for host, _, _ in seen}
    for host in scenario.carriers:
        if host not in named:
            seen[host, SIP_PORT, "udp"] = None
    return seen


def _carrier(context: _Context, name: str, port: int, transport: Transport) -> Agent | UserAgent | None:
    behaviour = context.scenario.carriers.get(name, CarrierBehaviour())
    host = context.hosts(name)
    if behaviour.absent:
        return None
    if behaviour.sipp is None and not context.is_load:
        return _user_agent(context, name, port, transport, behaviour)
    if behaviour.sipp is not None:
        file = context.scenario.origin.file.parent / behaviour.sipp.file
        text, keys = as_written(file.read_text("utf-8-sig")), behaviour.sipp.variables
        files, options = companions(behaviour.sipp, context.scenario.origin.file.parent)
    else:
        text, keys, files, options = _render(context, name, behaviour), {}, {}, {"auto_answer": True}
    return Agent(
        role="carrier",
        host=name,
        address=host.address,
        port=port,
        transport=transport,
        scenario=text,
        keys=keys,
        files={**files, **(certificates() if transport == "tls" else {})},
        # SIPp would take the ACK of what it sent again for a request to send that once more.
        options={
            **options,
            **({"no_retransmission": True} if _repeats_answers(behaviour) else {}),
            **({"loss": behaviour.loss} if behaviour.loss and transport == "udp" else {}),
        },
    )


def _repeats_answers(behaviour: CarrierBehaviour) -> bool:
    return any(b.retransmit_answer for b in (behaviour, *behaviour.calls.values(), *behaviour.attempts))


# --- user agents of the harness's own -------------------------------------------------------------------------------


def _phone(context: _Context, name: str, phone: Phone) -> UserAgent | None:
    context.hosts(name)
    if phone.absent:
        return None
    return _user_agent(context, name, SIP_PORT, phone.transport, phone)


def _user_agent(
    context: _Context, name: str, port: int, transport: Transport, behaviour: CarrierBehaviour
) -> UserAgent:
    address, kamailio = context.hosts(name).address, context.hosts("kamailio").address
    socket = Socket(Place(address, port), Place(kamailio, TLS_PORT if transport == "tls" else SIP_PORT), transport)
    call_id = f"{context.token}-{name}-registration@{DEFAULT_DOMAIN}"
    script = CalleeScript(
        name=name,
        socket=socket,
        calls=tuple(_callee_calls(context, behaviour)),
        registration=registration_of(behaviour, socket, call_id) if isinstance(behaviour, Phone) else None,
        loss=behaviour.loss or 0,
    )
    files = certificates() if transport == "tls" else {}
    return UserAgent("carrier", name, address, port, script, transport, files=files)


def _callee_calls(context: _Context, behaviour: CarrierBehaviour) -> Iterator[CalleeCall]:
    for call, pattern, treatments in _treatments(context, behaviour):
        transfers = call.transfer is not None and call.transfer.by == "caller"
        *first, last = (_encoded(treatment) for treatment in treatments)
        tag = callee_tag(call, context.token) if is_replaced(context.scenario, call) else ""
        requests = timed_requests(call, "callee")
        refusals = refusals_of(call, "callee")
        yield CalleeCall(call.id, pattern, tuple(first), last, requests, transfers, refusals, tag, call.users)


def _encoded(treatment: Treatment) -> Treatment:
    return replace(
        treatment,
        provisional=tuple(map(octets_of, treatment.provisional)),
        refuse=octets_of(treatment.refuse),
        headers=tuple((name, octets_of(value)) for name, value in treatment.headers),
        sdp=octets_of(treatment.sdp),
        early_sdp=octets_of(treatment.early_sdp),
        forks=tuple(replace(fork, early_sdp=octets_of(fork.early_sdp)) for fork in treatment.forks),
    )


# --- SIPp -----------------------------------------------------------------------------------------------------------


def _render(context: _Context, name: str, behaviour: CarrierBehaviour) -> str:
    numbers: dict[_SippTreatment, int] = {}
    routes = []
    for call, pattern, treatments in _treatments(context, behaviour):
        *first, last = (numbers.setdefault(_for_sipp(call, each), len(numbers)) for each in treatments)
        routes.append(_Route(pattern, tuple(first), last))
    return render(
        "uas.xml.j2",
        name=name,
        sdp=sdp_for(True),
        patience=round(context.patience * 1000),
        reply_ms=REPLY_MS,
        attempts=len(behaviour.attempts),
        routes=routes,
        behaviours=list(numbers),
        bye_cseq=1 + max(sum(not step.awaited for step in each.steps) for each in numbers),
    )


_RELIABLE: Mapping[bool | None, Literal["where required", "where supported", "never"]] = {
    None: "where required",
    True: "where supported",
    False: "never",
}


def _for_sipp(call: Call, treatment: Treatment) -> _SippTreatment:
    def ms(seconds: float) -> int:
        return round(seconds * 1000)

    ends = (treatment.vanish, treatment.hang_up, math.inf)
    over = min(at for at in ends if at is not None)
    steps, now = in_order(moment for moment in renewals(call, "callee") if moment[0] <= over)
    return _SippTreatment(
        provisional=treatment.provisional,
        delay=ms(treatment.delay),
        ring=ms(treatment.ring),
        refuse=literal(treatment.refuse),
        headers="\n".join(f"{name}: {literal(value)}" for name, value in treatment.headers),
        silent=treatment.silent,
        vanish_ringing=treatment.vanish_ringing,
        steps=steps,
        vanish=ms(treatment.vanish - now) if treatment.vanish is not None else None,
        hang_up=ms(treatment.hang_up - now) if treatment.hang_up is not None else None,
        retransmit_answer=treatment.retransmit_answer,
        answer_cancelled=treatment.answer_cancelled,
    )


# --- what both do with a call ---------------------------------------------------------------------------------------


def _treatments(context: _Context, behaviour: CarrierBehaviour) -> Iterator[tuple[Call, str, list[Treatment]]]:
    """``(call, pattern of its Call-IDs, treatment of each INVITE)``; the last treatment is that of all later ones."""
    for call in context.scenario.calls:
        sampled = context.sampled[call.id]
        attempts = () if call.id in behaviour.calls else tuple(range(len(behaviour.attempts)))
        behaviours = [behaviour.of(call.id, attempt) for attempt in (*attempts, len(behaviour.attempts))]
        variants = _variants(call, behaviours, sampled)
        for variant in range(variants):
            yield (
                call,
                _pattern(call, context.token, variant if variants > 1 else None),
                [_resolve(context, call, each, sampled, variant) for each in behaviours],
            )


def _pattern(call: Call, token: str, variant: int | None) -> str:
    """A regular expression, such as POSIX has them too, of the Call-IDs of a call, or of every tenth repetition."""
    number = f"[0-9]*{last_digit(variant)}@" if variant is not None else ""
    # Python escapes a hyphen, of which POSIX doesn't say what that means.
    escaped = re.escape(f"{token}-{call.id}-").replace(r"\-", "-")
    # A SIPp scenario written by hand may begin its Call-IDs with a prefix, up to "///".
    prefix = "(.*///)?" if call.sipp is not None else ""
    return f"^ *{prefix}{escaped}{number}"


def _variants(call: Call, behaviours: Iterable[Behaviour], sampled: Sampled) -> int:
    """How many kinds of the same call there are for a carrier: one, unless something is sampled for it."""
    own = [each for b in behaviours for each in (b.ring, b.answer_after, b.hang_up_after) if each is not None]
    if any(not each.fixed for each in own):
        return min(sampled.calls, DIGITS)
    return max(len(sampled.rings), len(sampled.holds) if _callee_hangs_up(call) else 1)


def _callee_hangs_up(call: Call) -> bool:
    return call.hangup == "callee" or call.bye == "both"


def _resolve(context: _Context, call: Call, behaviour: Behaviour, sampled: Sampled, variant: int) -> Treatment:
    """The carrier's behaviour, with the call's own words, which go first."""
    random = context.random
    ring = behaviour.ring.draw(random) if behaviour.ring else 0.0
    if sampled.rings:
        ring = sampled.rings[variant % len(sampled.rings)]
    elif call.cancel is not None and behaviour.ring is None and behaviour.refuse is None:
        # Who is to be cancelled rings until then, and is never quicker than the CANCEL.
        ring = context.patience
    hang_up = behaviour.hang_up_after.draw(random) if behaviour.hang_up_after else None
    if _callee_hangs_up(call):
        hang_up = sampled.holds[variant % len(sampled.holds)]
    vanish = behaviour.vanish
    if call.vanish is not None and call.vanish.who == "callee":
        vanish = call.vanish.at
    vanish_at = vanish.delay if vanish is not None and vanish.event == "answered" else None
    over = min(at for at in (vanish_at, hang_up, math.inf) if at is not None)
    refuse = behaviour.refuse
    return Treatment(
        provisional=_provisional(behaviour.provisional),
        delay=behaviour.answer_after.draw(random) if behaviour.answer_after else 0.0,
        ring=ring,
        refuse=status_of(refuse) if refuse else "",
        headers=tuple(header_lines(behaviour.headers)),
        silent=behaviour.silent,
        vanish_ringing=vanish is not None and vanish.event == "ringing",
        vanish=vanish_at,
        hang_up=hang_up,
        retransmit_answer=behaviour.retransmit_answer,
        answer_cancelled=behaviour.answer_cancelled,
        renewals=tuple(each for each in renewals_of(call, "callee") if each.event != "answered" or each.at <= over),
        sdp=sdp_for(_answer(call, behaviour)),
        early_sdp=sdp_for(behaviour.early_sdp),
        reliable=_RELIABLE[behaviour.reliable],
        forks=tuple(
            Fork(_provisional(fork.provisional), fork.answer_after or 0.0, sdp_for(fork.early_sdp), fork.late_answer)
            for fork in behaviour.forks
        ),
    )


def _answer(call: Call, behaviour: Behaviour) -> bool | str | Sdp:
    """The session description of an answer: of the media that are offered, where the carrier says nothing of it
    (RFC 3264 section 6: an answer has as many media as its offer)."""
    if "sdp" in behaviour.model_fields_set or not isinstance(call.sdp, Sdp) or call.sdp.media == ("audio",):
        return behaviour.sdp
    return Sdp(media=call.sdp.media)


def _provisional(codes: Iterable[int]) -> tuple[str, ...]:
    return tuple(f"{code} {_PROVISIONAL.get(code, 'Progress')}" for code in codes)
