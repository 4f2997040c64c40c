"""The same calls, in numbers: what `load` makes of the calls that a scenario tells."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate
from typing import Any

from rating_harness.scenario.calls import LoadStep
from rating_harness.scenario.model import Call, Load, Scenario
from rating_harness.scenario.values import CountRange

__all__ = ["Pace", "in_numbers", "pace_of", "schedule"]

AT_ONCE = 100.0
"""Calls per second where nothing is said: as fast as a call's ends can be distinguished."""

_FINE = 100.0

_REACTION = 0.05
"""Seconds: at a rate below one call in its period, 0 among them, SIPp looks for a new rate once in a period."""


def in_numbers(scenario: Scenario) -> Scenario:
    """The scenario with its calls repeated as its `load` says; without a `load`, the scenario itself.

    A call has its share of the rate, or a rate of its own; the others share the rest evenly. While the rate grows,
    half as many are made as at its height.
    """
    load = scenario.load
    if load is None:
        return scenario
    number = round(load.peak * load.seconds_at_peak)
    shares = _shares(scenario.calls)
    calls, before = [], Fraction(0)
    for call, share in zip(scenario.calls, shares, strict=True):
        rate = call.rate if call.rate is not None else load.peak * float(share)
        own = round(rate * load.seconds_at_peak)
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
    """How a SIPp makes its calls: so many per period (seconds) at first, and pysipp's options for what comes then.

    :param changes: seconds from its start, and calls per second from then on; empty where SIPp needs none of them.
    """

    rate: float
    period: float = 1.0
    options: Mapping[str, Any] = field(default_factory=dict)
    changes: tuple[tuple[float, float], ...] = ()


def pace_of(call: Call, load: Load | None, calls: int) -> Pace:
    """SIPp raises its rate once a second, and by whole numbers, hence the long period for a ramp.

    Beginning with half a step, it makes as many calls as if the rate grew evenly. Several rates it is given from
    outside, and begins at none.

    :param calls: how often the call is made.
    """
    rate = call.rate or AT_ONCE
    if load is None or not (load.steps or load.ramp):
        return Pace(rate)
    if load.steps:
        return Pace(0.0, _REACTION, changes=schedule(load.profile, calls))
    step = rate / math.ceil(load.ramp or 1) * _FINE
    options = {
        "rate_increase": max(1, round(step)),
        "rate_interval": 1,
        "rate_max": max(1, round(rate * _FINE)),
        "no_rate_quit": True,
    }
    return Pace(step / 2, _FINE, options)


def schedule(steps: Sequence[LoadStep], calls: int) -> tuple[tuple[float, float], ...]:
    """When which rate begins, so that so many calls are made as the steps tell.

    SIPp counts anew at each change, and forgets the part of a call that was due: so each rate makes a whole number of
    calls, and half of one more would be due when it ends. A ramp is a stair with a stair for each second at most. The
    last rate is for calls that a busy machine made too late.

    :return: seconds from the start, ascending, and calls per second from then on; the first at 0.
    """
    pieces = [piece for before, step in zip((None, *steps), steps, strict=False) for piece in _pieces(before, step)]
    made = list(accumulate(mean * seconds for seconds, mean in pieces))
    changes, at, done = [], 0.0, 0
    for (seconds, _), total in zip(pieces, made, strict=True):
        until = round(calls * total / made[-1])
        changes.append((at, (until - done + 0.5) / seconds if until > done else 0.0))
        at, done = at + seconds, until
    return (*changes, (at, max(1.0, *(rate for _, rate in changes))))


def _pieces(before: LoadStep | None, step: LoadStep) -> Iterator[tuple[float, float]]:
    """Seconds, and the mean rate in them."""
    first, ramp = before.rate if before else 0.0, step.ramp or 0.0
    stairs = math.ceil(ramp)
    for stair in range(stairs):
        yield ramp / stairs, first + (step.rate - first) * (stair + 0.5) / stairs
    if step.duration > ramp:
        yield step.duration - ramp, step.rate
