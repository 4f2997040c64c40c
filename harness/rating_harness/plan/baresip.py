"""What of a scenario a baresip (1.1.0, Debian's) can't do: nothing is done in another way than it says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from rating_harness.scenario.behaviour import Behaviour, CarrierBehaviour
from rating_harness.scenario.calls import TRACED, Call, Reinvite
from rating_harness.scenario.expectations import CallExpectation, SdpExpectation
from rating_harness.scenario.model import Scenario
from rating_harness.scenario.sdp import Sdp

__all__ = ["beyond_baresip", "reason", "said"]

_CALL = frozenset(
    ("id", "from_", "to", "domain", "transport", "auth", "repeat", "rate", "concurrency", "start", "ring", "hold")
) | {"hangup", "cancel", "reinvite", "expect"}
_CARRIER = frozenset(("ring", "refuse", "absent", "hang_up_after", "calls", "attempts"))
"""Words that it can follow, some of them with certain values only."""

_WHY: Mapping[str, str] = {
    "headers": "it adds no headers of the scenario's",
    "provisional": "it always rings with 180, and sends nothing else",
    "answer_after": "it sends 180 at once",
    "silent": "it sends 180 at once",
    "sdp": "it makes its session descriptions itself",
    "early_sdp": "it always rings with 180, and sends nothing else",
    "sipp": "that's a scenario for SIPp",
    "clock": "its time can't be moved",
    "load": "SIPp makes loads",
    "phones": "it isn't made to register here",
    "ipv6": "it's given IPv4 addresses alone",
}
"""The reason, by the word; of all others it's that baresip has no means for it."""

_REFUSES = (480, 486)
_USER = re.compile(r"[\w.+-]+", re.ASCII)
_SECRET = re.compile(r"[\w.+-]+", re.ASCII)


def beyond_baresip(scenario: Scenario) -> str | None:
    """Why a baresip can't play the ends of a scenario, with the name of the field; None when it can."""
    return next(_reasons(scenario), None)


def _reasons(scenario: Scenario) -> Iterator[str]:
    for name in ("load", "clock", "phones"):
        if getattr(scenario, name):
            yield _reason(name)
    for index, fault in enumerate(scenario.faults):
        if fault.call is not None:
            yield _reason(
                f"faults[{index}].call", "a call's requests are known by its Call-ID, which it makes itself"
            )
    for index, call in enumerate(scenario.calls):
        yield from _of_call(f"calls[{index}]", call)
        if call.transport == "tcp" and scenario.kamailio.tables:
            yield _reason(
                f"calls[{index}].transport", "its TCP connections come from an address of the system's choice"
            )
        several = call.times.high > 1 or len(scenario.calls) > 1
        if several and any(each.sdp is not True for each in call.reinvite):
            yield _reason(f"calls[{index}].reinvite", "it puts one call on hold when it takes another back")
    if sum(call.times.high for call in scenario.calls) > TRACED:
        most = max(range(len(scenario.calls)), key=lambda index: scenario.calls[index].times.high)
        yield _reason(f"calls[{most}].repeat", f"SIPp makes more than {TRACED} calls")
    yield from _alike(scenario)
    hosts: dict[str, str] = {}
    for index, carrier in enumerate(scenario.given.carriers):
        if carrier.protocol == "TLS":
            yield _reason(f"given.carriers[{index}].protocol", "it's given no certificates")
        if (
            hosts.setdefault(carrier.host, f"{carrier.port} {carrier.protocol}")
            != f"{carrier.port} {carrier.protocol}"
        ):
            yield _reason(f"given.carriers[{index}]", "one baresip on a host listens at one port, on UDP and TCP")
    for host, behaviour in scenario.carriers.items():
        where = f"carriers.{host}"
        yield from _of_carrier(where, behaviour)
        others = {f"{where}.calls.{name}": each for name, each in behaviour.calls.items()}
        others |= {f"{where}.attempts[{index}]": each for index, each in enumerate(behaviour.attempts)}
        for place, each in others.items():
            yield from _of_carrier(place, each)
        yield from _unavailable(where, behaviour, list(others.values()))
    for index, received in enumerate(scenario.expect.received):
        yield from _of_received(f"expect.received[{index}]", received)
    yield from _of_call_ids(scenario)


def _of_call_ids(scenario: Scenario) -> Iterator[str]:
    """What is expected by a Call-ID: those that are planned have the call's id between hyphens."""
    marks = [f"-{call.id}-" for call in scenario.calls]
    expected = scenario.expect
    for name, each in (
        ("log", expected.log),
        ("requests", expected.requests),
        ("transactions", expected.transactions),
    ):
        for index, item in enumerate(each):
            if any(mark in repr(item) for mark in marks):
                yield _reason(f"expect.{name}[{index}]", "a call's Call-ID is in it, which it makes itself")


def reason(ends: str, where: str, why: str | None = None) -> str:
    """Why a scenario is skipped.

    :param where: the field.
    :param why: when not given: there are no means for it.
    """
    return f"--ends {ends}: {where}: {why or f'{_NAMES[ends]} has no means for it'}"


_NAMES = {"baresip": "baresip 1.1.0", "asterisk": "Asterisk's dialplan"}


def _reason(where: str, why: str | None = None) -> str:
    return reason("baresip", where, why or _WHY.get(where.rpartition(".")[2].partition("[")[0]))


def said(model: BaseModel) -> Iterator[str]:
    """The names of the fields whose values aren't the usual ones."""
    for name, field in type(model).model_fields.items():
        if getattr(model, name) != field.get_default(call_default_factory=True):
            yield name


def _of_call(where: str, call: Call) -> Iterator[str]:
    for name in said(call):
        if name not in _CALL:
            yield _reason(f"{where}.{name}")
    if not isinstance(call.from_, str):
        yield _reason(f"{where}.from", "one baresip has one account")
    for word, users in (("from", (call.from_,)), ("to", (call.to,))):
        flat = [user for each in users for user in ([each] if isinstance(each, str) else each)]
        if not all(_USER.fullmatch(user) for user in flat):
            yield _reason(f"{where}.{word}", "its accounts have letters, digits and . + - _ alone in users of URIs")
    if call.transport == "tls":
        yield _reason(f"{where}.transport", "it's given no certificates")
    if call.auth and not all(_SECRET.fullmatch(each) for each in (call.auth.username, call.auth.password)):
        yield _reason(f"{where}.auth", "its accounts have letters, digits and . + - _ alone in passwords")
    if call.cancel is not None and (
        call.cancel.call is not None or call.cancel.event not in (None, "started", "ringing")
    ):
        yield _reason(f"{where}.cancel", "a moment of its own start or ringing is all that it follows")
    repeated = call.times.high > 1
    if repeated and call.ring is not None and not call.ring.fixed:
        yield _reason(f"{where}.ring", "it knows a call by its users, and not by its number")
    if repeated and call.hangup == "callee" and call.hold is not None and not call.hold.fixed:
        yield _reason(f"{where}.hold", "it knows a call by its users, and not by its number")
    for index, each in enumerate(call.reinvite):
        yield from _of_reinvite(f"{where}.reinvite[{index}]", each)
    yield from _of_expectation(f"{where}.expect", call.expect)


def _of_reinvite(where: str, each: Reinvite) -> Iterator[str]:
    if each.method != "INVITE":
        yield _reason(f"{where}.method", "it sends no UPDATE")
    if each.at.event not in (None, "answered") or each.at.call is not None:
        yield _reason(f"{where}.at", "it renews a session once that's answered")
    if each.refuse is not None:
        yield _reason(f"{where}.refuse", "it accepts what it's offered")
    directions = (Sdp(direction="sendonly"), Sdp(direction="sendrecv"))
    if each.sdp is not True and each.sdp not in directions:
        yield _reason(f"{where}.sdp", "it holds (sendonly) and resumes (sendrecv), and makes all else of it itself")


def _of_expectation(where: str, expected: CallExpectation) -> Iterator[str]:
    reply = expected.reply
    own_reason = reply is not None and any(reply.code.matches(code) for code in (200, *_REFUSES))
    if own_reason and (expected.reason or (reply and reply.reason)):
        yield _reason(f"{where}.reply.reason", "the callee has its own reason phrases (RFC 3261 section 7.2)")
    for index, received in enumerate(expected.received):
        yield from _of_received(f"{where}.received[{index}]", received)


def _of_received(where: str, received: Any) -> Iterator[str]:
    if received.reason is not None:
        yield _reason(f"{where}.reason", "it has its own reason phrases (RFC 3261 section 7.2)")
    if any(name.lower() == "cseq" for name in received.headers):
        yield _reason(f"{where}.headers.CSeq", "its CSeq numbers begin anywhere (RFC 3261 section 8.1.1.5)")
    if isinstance(received.sdp, SdpExpectation):
        for name in said(received.sdp):
            if name not in ("media", "direction"):
                yield _reason(f"{where}.sdp.{name}", "it makes its session descriptions itself")


def _of_carrier(where: str, behaviour: Behaviour) -> Iterator[str]:
    for name in said(behaviour):
        if name not in _CARRIER and not (name == "provisional" and behaviour.refuse is not None):
            yield _reason(f"{where}.{name}")
    refuse = behaviour.refuse
    if refuse is None:
        return
    if refuse.code not in _REFUSES:
        yield _reason(f"{where}.refuse", f"it refuses with 486, or 480, and never with {refuse.code}")
    if refuse.reason is not None:
        yield _reason(f"{where}.refuse.reason", "it has its own reason phrases (RFC 3261 section 7.2)")


def _unavailable(where: str, behaviour: CarrierBehaviour, others: list[Behaviour]) -> Iterator[str]:
    """480 is for all calls of a host, and comes at once."""
    treatments = [behaviour, *others]
    codes = [each.refuse.code if each.refuse else None for each in treatments]
    if 480 not in codes:
        return
    if set(codes) != {480}:
        yield _reason(f"{where}.refuse", "480 is its reply to all calls of a host, or to none")
    if any(each.ring is not None for each in treatments):
        yield _reason(f"{where}.ring", "who answers 480 doesn't ring before")


def _alike(scenario: Scenario) -> Iterator[str]:
    """Calls of the same users that a callee is to treat in different ways."""
    own = {name for behaviour in scenario.carriers.values() for name in behaviour.calls}
    seen: dict[tuple[str, str], Call] = {}
    for index, call in enumerate(scenario.calls):
        for users in call.users:
            first = seen.setdefault(users, call)
            if first is not call and (_for_callee(first) != _for_callee(call) or {first.id, call.id} & own):
                yield _reason(
                    f"calls[{index}].to",
                    f"it knows a call by its users, and is to treat {first.id} of the same otherwise",
                )


def _for_callee(call: Call) -> tuple[object, ...]:
    hold = call.hold if call.hangup == "callee" else None
    return call.ring, hold, call.hangup == "callee", call.cancel is not None, call.reinvite
