"""The same calls, in numbers: what `load` makes of the calls that a scenario tells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from rating_harness.scenario.model import Call, Load, Scenario
from rating_harness.scenario.values import CountRange

__all__ = ["Pace", "in_numbers", "pace_of"]

AT_ONCE = 100.0
"""Calls per second where nothing is said: as fast as a call's ends can be distinguished."""

_FINE = 100.0


def in_numbers(scenario: Scenario) -> Scenario:
    """The scenario with its calls repeated as its `load` says; without a `load`, the scenario itself.

    A call has its share of the rate, or a rate of its own; the others share the rest evenly. While the rate grows,
    half as many are made as at its height.
    """
    load = scenario.load
    if load is None:
        return scenario
    ramp = load.ramp or 0.0
    number = round(load.rate * (load.duration - ramp / 2))
    shares = _shares(scenario.calls)
    calls, before = [], Fraction(0)
    for call, share in zip(scenario.calls, shares, strict=True):
        rate = call.rate if call.rate is not None else load.rate * float(share)
        own = round(rate * (load.duration - ramp / 2))
        until = before + share
        count = own if call.rate is not None else math.floor(number * until) - math.floor(number * before)
        calls.append(_repeated(call, load, max(1, count), rate, share))
        before = until
    return scenario.model_copy(update={"calls": tuple(calls)})


def _shares(calls: Sequence[Call]) -> list[Fraction]:
    """Of the load's rate: what a call says, else an even part of the rest; none with a rate of its own."""
    said = {call.id: Fraction(str(call.share)) for call in calls if call.share is not None}
    even = sum(call.share is None and call.rate is None for call in calls)
    rest = (1 - sum(said.values(), Fraction(0))) / even if even else Fraction(0)
    return [Fraction(0) if call.rate is not None else said.get(call.id, rest) for call in calls]


def _repeated(call: Call, load: Load, number: int, rate: float, share: Fraction) -> Call:
    changes: dict[str, Any] = {"repeat": CountRange(number, number), "rate": rate}
    if load.hold is not None:
        changes["hold"] = load.hold
    if load.concurrency is not None and share:
        changes["concurrency"] = max(1, math.floor(load.concurrency * share))
    return call.model_copy(update=changes)


@dataclass(frozen=True, slots=True)
class Pace:
    """How a SIPp makes its calls: so many per period (seconds) at first, and pysipp's options for what comes then."""

    rate: float
    period: float = 1.0
    options: Mapping[str, Any] = field(default_factory=dict)


def pace_of(call: Call, load: Load | None) -> Pace:
    """SIPp raises its rate once a second, and by whole numbers, hence the long period for a ramp.

    Beginning with half a step, it makes as many calls as if the rate grew evenly.
    """
    rate = call.rate or AT_ONCE
    if load is None or not load.ramp:
        return Pace(rate)
    step = rate / math.ceil(load.ramp) * _FINE
    options = {
        "rate_increase": max(1, round(step)),
        "rate_interval": 1,
        "rate_max": max(1, round(rate * _FINE)),
        "no_rate_quit": True,
    }
    return Pace(step / 2, _FINE, options)
