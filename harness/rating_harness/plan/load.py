"""The same calls, in numbers: what `load` makes of the calls that a scenario tells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rating_harness.errors import PlanError
from rating_harness.scenario.model import Call, Load, Scenario, ValuePath
from rating_harness.scenario.values import CountRange

__all__ = ["TRACED", "Pace", "in_numbers", "pace_of", "refuse_unseen"]

AT_ONCE = 100.0
"""Calls per second where nothing is said: as fast as a call's ends can be told apart."""

_FINE = 100.0

TRACED = 200
"""Calls of which every message is kept; of more, a line of each message is."""

_UNSEEN = ("headers", "received", "bye_reason", "bye_reply", "reinvite_reply", "source", "destination")
"""What is expected of a call and can't be told from the first lines of its messages."""


def in_numbers(scenario: Scenario) -> Scenario:
    """The scenario with its calls repeated as its `load` says; without a `load`, the scenario itself.

    The calls share its rate evenly. While the rate grows, half as many are made as at its height.

    :raises PlanError: a ramp that is longer than all of it, or fewer calls than the scenario tells.
    """
    load = scenario.load
    if load is None:
        return scenario
    ramp = load.ramp or 0.0
    if ramp > load.duration:
        raise PlanError(
            "the rate would still grow when it's over",
            expected=f"a ramp of {load.duration:g} s at most",
            found=f"{ramp:g} s",
            where=scenario.where("load", "ramp"),
        )
    number, kinds = round(load.rate * (load.duration - ramp / 2)), len(scenario.calls)
    if number < kinds:
        raise PlanError(
            f"{number} calls are made, and the scenario tells {kinds}",
            where=scenario.where("load"),
            hint="a higher `rate`, or a longer `duration`",
        )
    calls = tuple(
        _repeated(call, load, (number + index) // kinds, kinds) for index, call in enumerate(scenario.calls)
    )
    return scenario.model_copy(update={"calls": calls})


def _repeated(call: Call, load: Load, number: int, kinds: int) -> Call:
    changes: dict[str, Any] = {"repeat": CountRange(number, number), "rate": load.rate / kinds}
    if load.hold is not None:
        changes["hold"] = load.hold
    if load.concurrency is not None:
        changes["concurrency"] = max(1, load.concurrency // kinds)
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


def refuse_unseen(scenario: Scenario, number: int) -> None:
    """:raises PlanError: something is expected that isn't recorded of so many calls, with its place."""
    if number <= TRACED:
        return
    unseen: list[ValuePath] = [
        ("calls", index, "expect", key)
        for index, call in enumerate(scenario.calls)
        for key in _UNSEEN
        if getattr(call.expect, key)
    ]
    unseen += [("expect", "received", index) for index in range(len(scenario.expect.received))]
    unseen += [("expect", "dialogs", index) for index in range(len(scenario.expect.dialogs))]
    if unseen:
        raise PlanError(
            f"this can't be told of {number} calls: of more than {TRACED}, messages are kept by their first lines, "
            "and dialogs are counted",
            where=scenario.where(*unseen[0]),
            hint="expect it in a scenario with fewer calls",
        )
