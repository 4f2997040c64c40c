"""What of a scenario an Asterisk can't do as the carrier: nothing is done in another way than it says."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rating_harness.plan.baresip import reason, said
from rating_harness.scenario.behaviour import Behaviour
from rating_harness.scenario.calls import DEFAULT_HOLD, TRACED, Call
from rating_harness.scenario.expectations import Received, SdpExpectation
from rating_harness.scenario.model import Scenario
from rating_harness.scenario.sdp import Sdp
from rating_harness.useragent.asterisk.configuration import ANSWERING, CAUSES

__all__ = ["beyond_asterisk"]

_NAME = "asterisk"
_CARRIER = frozenset(("ring", "refuse", "absent", "hang_up_after", "calls", "attempts"))
_NUMBER = re.compile(r"[+0-9a-zA-Z][^\s,@;]+", re.ASCII)
_SLOW = f"it does nothing for {ANSWERING:g} s once it has answered"
_CODECS = "it makes its session descriptions itself, of PCMA and PCMU"


def beyond_asterisk(scenario: Scenario) -> str | None:
    """Why an Asterisk can't be the carriers of a scenario, with the name of the field; None when it can."""
    return next(_reasons(scenario), None)


def _reasons(scenario: Scenario) -> Iterator[str]:
    for name in ("load", "clock", "phones"):
        if getattr(scenario, name):
            yield reason(_NAME, name)
    for index, call in enumerate(scenario.calls):
        yield from _of_call(f"calls[{index}]", call)
    if sum(call.times.high for call in scenario.calls) > TRACED:
        yield reason(_NAME, "calls", f"SIPp is the carrier of more than {TRACED} calls")
    hosts: dict[str, str] = {}
    for index, carrier in enumerate(scenario.given.carriers):
        place = f"{carrier.port} {carrier.protocol}"
        if carrier.protocol == "TLS":
            yield reason(_NAME, f"given.carriers[{index}].protocol", "it's given no certificates")
        if hosts.setdefault(carrier.host, place) != place:
            yield reason(_NAME, f"given.carriers[{index}]", "one on a host listens at one port, on UDP and TCP")
    for host, behaviour in scenario.carriers.items():
        where = f"carriers.{host}"
        yield from _of_carrier(where, behaviour)
        for name, each in behaviour.calls.items():
            yield from _of_carrier(f"{where}.calls.{name}", each)
        for index, each in enumerate(behaviour.attempts):
            yield from _of_carrier(f"{where}.attempts[{index}]", each)
    for index, received in enumerate(scenario.expect.received):
        yield from _of_received(f"expect.received[{index}]", received)


def _of_call(where: str, call: Call) -> Iterator[str]:
    numbers = (call.to,) if isinstance(call.to, str) else call.to
    if not all(_NUMBER.fullmatch(number) for number in numbers):
        yield reason(_NAME, f"{where}.to", "its dialplan has numbers and names of two characters at least")
    for name in ("transfer", "replaces"):
        if getattr(call, name) is not None:
            yield reason(_NAME, f"{where}.{name}", "it isn't made to transfer calls here")
    if call.sdp is not True:
        yield reason(_NAME, f"{where}.sdp", _CODECS)
    if call.bye == "both":
        yield reason(_NAME, f"{where}.bye")
    if call.vanish is not None and call.vanish.who == "callee":
        yield reason(_NAME, f"{where}.vanish.who")
    for index, each in enumerate(call.reinvite):
        if each.by == "callee":
            yield reason(_NAME, f"{where}.reinvite[{index}].by")
        if each.refuse is not None:
            yield reason(_NAME, f"{where}.reinvite[{index}].refuse", "it accepts what it's offered")
        if isinstance(each.sdp, Sdp) and "image" in each.sdp.media:
            yield reason(_NAME, f"{where}.reinvite[{index}].sdp.media", "it's set up for no fax")
        if each.at.event not in (None, "answered"):
            yield reason(_NAME, f"{where}.reinvite[{index}].at", "no offer is answered before (RFC 3311 section 5.2)")
    if call.sipp is not None:
        yield reason(_NAME, f"{where}.sipp", "it hangs up who offers no session, and of this caller it isn't known")
    if any(each.by != "stranger" for each in call.requests):
        yield reason(_NAME, f"{where}.requests", "it's made to answer requests of calls alone")
    hold = call.hold.low if call.hold else DEFAULT_HOLD
    if call.hangup == "callee" and hold < ANSWERING:
        yield reason(_NAME, f"{where}.hold", _SLOW)
    for index, received in enumerate(call.expect.received):
        yield from _of_received(f"{where}.expect.received[{index}]", received)


def _of_received(where: str, received: Received) -> Iterator[str]:
    if isinstance(received.sdp, SdpExpectation):
        for name in said(received.sdp):
            if name not in ("media", "direction"):
                yield reason(_NAME, f"{where}.sdp.{name}", _CODECS)


def _of_carrier(where: str, behaviour: Behaviour) -> Iterator[str]:
    for name in said(behaviour):
        if name not in _CARRIER:
            yield reason(_NAME, f"{where}.{name}", _WHY.get(name))
    if behaviour.hang_up_after is not None and behaviour.hang_up_after.low < ANSWERING:
        yield reason(_NAME, f"{where}.hang_up_after", _SLOW)
    refuse = behaviour.refuse
    if refuse is not None and refuse.code not in CAUSES:
        codes = ", ".join(map(str, sorted(CAUSES)))
        yield reason(_NAME, f"{where}.refuse", f"it has no cause for {refuse.code}, only for {codes}")
    if refuse is not None and refuse.reason is not None:
        yield reason(_NAME, f"{where}.refuse.reason", "it has its own reason phrases (RFC 3261 section 7.2)")


_WHY = {
    "sdp": _CODECS,
    "provisional": "it rings with 180, and sends 100 before",
    "answer_after": "it sends 100 at once",
    "silent": "it sends 100 at once",
    "early_sdp": "it rings with 180, and sends 100 before",
    "sipp": "that's a scenario for SIPp",
}
