"""Carriers: which hosts there are, and what each does with each call."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from random import Random

from rating_harness.lab.protocol import Host
from rating_harness.plan.in_dialog import Step, in_order, renewals
from rating_harness.plan.model import PlannedCarrier
from rating_harness.plan.render import certificates, render, sdp_for
from rating_harness.plan.sampling import DIGITS, Drawn, last_digit
from rating_harness.scenario.model import Behaviour, Call, CarrierBehaviour, Scenario
from rating_harness.scenario.values import header_lines
from rating_harness.sipp.agent import Agent, Transport

__all__ = ["plan_carriers"]

REPLY_MS = 5000
"""How long a carrier waits for an ACK, or for the reply to its BYE."""

_REASONS = {
    302: "Moved Temporarily", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 408: "Request Timeout",
    480: "Temporarily Unavailable", 484: "Address Incomplete", 486: "Busy Here", 488: "Not Acceptable Here",
    500: "Server Internal Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Server Time-out",
    600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere", 606: "Not Acceptable",
}  # fmt: skip
_PROVISIONAL = {100: "Trying", 180: "Ringing", 181: "Call Is Being Forwarded", 182: "Queued", 183: "Session Progress"}


@dataclass(frozen=True, slots=True)
class _Behaviour:
    """What the template needs to know; times are milliseconds, ``vanish`` and ``hang_up`` after the last step."""

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
    """Which behaviour a call gets: one by the number of the INVITE, then the same for all."""

    calls: str
    by_attempt: tuple[int, ...]
    then: int


def plan_carriers(
    scenario: Scenario,
    token: str,
    drawn: Mapping[str, Drawn],
    random: Random,
    patience: float,
    hosts: Callable[[str], Host],
) -> tuple[PlannedCarrier, ...]:
    """One for each host, port and protocol that a carrier of the scenario has.

    :param drawn: by the call's id.
    :raises PlanError: something that a carrier can't do.
    """
    return tuple(
        PlannedCarrier(host, _agent(scenario, host, port, transport, token, drawn, random, patience, hosts))
        for host, port, transport in _listeners(scenario)
    )


def _listeners(scenario: Scenario) -> Iterable[tuple[str, int, Transport]]:
    seen: dict[tuple[str, int, Transport], None] = {}
    for carrier in scenario.given.carriers:
        transport: Transport = "udp" if carrier.protocol == "UDP" else "tcp" if carrier.protocol == "TCP" else "tls"
        seen[carrier.host, carrier.port, transport] = None
    named = {host for host, _, _ in seen}
    for host in scenario.carriers:
        if host not in named:
            seen[host, 5060, "udp"] = None
    return seen


def _agent(
    scenario: Scenario,
    name: str,
    port: int,
    transport: Transport,
    token: str,
    drawn: Mapping[str, Drawn],
    random: Random,
    patience: float,
    hosts: Callable[[str], Host],
) -> Agent | None:
    behaviour = scenario.carriers.get(name, CarrierBehaviour())
    host = hosts(name)
    if behaviour.absent:
        return None
    if behaviour.sipp is not None:
        file = scenario.origin.file.parent / behaviour.sipp.file
        text, keys = file.read_text(), behaviour.sipp.variables
    else:
        text, keys = _render(scenario, name, behaviour, token, drawn, random, patience), {}
    return Agent(
        role="carrier",
        host=name,
        address=host.address,
        port=port,
        transport=transport,
        scenario=text,
        keys=keys,
        files=certificates() if transport == "tls" else {},
        # SIPp would take the ACK of what it sent again for a request to send that once more.
        options={
            **({"no_retransmission": True} if _answers_again(behaviour) else {}),
            **({"loss": behaviour.loss} if behaviour.loss and transport == "udp" else {}),
        },
    )


def _answers_again(behaviour: CarrierBehaviour) -> bool:
    return any(b.retransmit_answer for b in (behaviour, *behaviour.calls.values(), *behaviour.attempts))


def _render(
    scenario: Scenario,
    name: str,
    behaviour: CarrierBehaviour,
    token: str,
    drawn: Mapping[str, Drawn],
    random: Random,
    patience: float,
) -> str:
    numbers: dict[_Behaviour, int] = {}
    routes = []
    for call in scenario.calls:
        attempts = () if call.id in behaviour.calls else tuple(range(len(behaviour.attempts)))
        treatments = [behaviour.of(call.id, attempt) for attempt in (*attempts, len(behaviour.attempts))]
        variants = _variants(call, treatments, drawn[call.id])
        for variant in range(variants):
            *first, last = (
                numbers.setdefault(_resolve(call, treatment, drawn[call.id], variant, random), len(numbers))
                for treatment in treatments
            )
            number = f"[0-9]*{last_digit(variant)}@" if variants > 1 else ""
            routes.append(_Route(f"^ *{re.escape(token)}-{re.escape(call.id)}-{number}", tuple(first), last))
    return render(
        "uas.xml.j2",
        name=name,
        sdp=sdp_for(True),
        patience=round(patience * 1000),
        reply_ms=REPLY_MS,
        attempts=len(behaviour.attempts),
        routes=routes,
        behaviours=list(numbers),
        bye_cseq=1 + max(sum(not step.awaited for step in each.steps) for each in numbers),
    )


def _variants(call: Call, treatments: Iterable[Behaviour], drawn: Drawn) -> int:
    """How many kinds of the same call there are for a carrier: one, unless something is drawn for it."""
    own = [each for b in treatments for each in (b.ring, b.answer_after, b.hang_up_after) if each is not None]
    if any(not each.fixed for each in own):
        return min(drawn.calls, DIGITS)
    return max(len(drawn.rings), len(drawn.holds) if _callee_hangs_up(call) else 1)


def _callee_hangs_up(call: Call) -> bool:
    return call.hangup == "callee" or call.bye == "both"


def _resolve(call: Call, behaviour: Behaviour, drawn: Drawn, variant: int, random: Random) -> _Behaviour:
    """The carrier's behaviour, with the call's own words, which go first."""

    def ms(seconds: float) -> int:
        return round(seconds * 1000)

    ring = behaviour.ring.draw(random) if behaviour.ring else 0.0
    if drawn.rings:
        ring = drawn.rings[variant % len(drawn.rings)]
    hang_up = behaviour.hang_up_after.draw(random) if behaviour.hang_up_after else None
    if _callee_hangs_up(call):
        hang_up = drawn.holds[variant % len(drawn.holds)]
    vanish = behaviour.vanish
    if call.vanish is not None and call.vanish.who == "callee":
        vanish = call.vanish.at
    vanish_at = vanish.delay if vanish is not None and vanish.event == "answered" else None
    over = min(at for at in (vanish_at, hang_up, math.inf) if at is not None)
    steps, now = in_order(moment for moment in renewals(call, "callee") if moment[0] <= over)
    refuse = behaviour.refuse
    return _Behaviour(
        provisional=tuple(f"{code} {_PROVISIONAL.get(code, 'Progress')}" for code in behaviour.provisional),
        delay=ms(behaviour.answer_after.draw(random)) if behaviour.answer_after else 0,
        ring=ms(ring),
        refuse=f"{refuse.code} {refuse.reason or _REASONS.get(refuse.code, 'Refused')}" if refuse else "",
        headers="\n".join(f"{name}: {value}" for name, value in header_lines(behaviour.headers)),
        silent=behaviour.silent,
        vanish_ringing=vanish is not None and vanish.event == "ringing",
        steps=steps,
        vanish=ms(vanish_at - now) if vanish_at is not None else None,
        hang_up=ms(hang_up - now) if hang_up is not None else None,
        retransmit_answer=behaviour.retransmit_answer,
        answer_cancelled=behaviour.answer_cancelled,
    )
