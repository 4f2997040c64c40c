"""What is sampled for each call: the caller and the carrier of a call have to agree on it."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from rating_harness.scenario.calls import DEFAULT_HOLD
from rating_harness.scenario.model import Call
from rating_harness.scenario.values import SecondsRange

__all__ = ["DIGITS", "Sampled", "draw_call", "last_digit", "values_of"]

DIGITS = 10
"""Both sides tell repetitions of a call apart by the last digit of their numbers: so many values are sampled."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """Of one call of the scenario.

    :param calls: how often it's made.
    :param holds: seconds from answer to hang-up, for the 1st call, the 2nd, and so on, then from the beginning again.
    :param rings: the same of the time until the answer; empty where the call leaves that to the carrier.
    """

    calls: int
    holds: tuple[float, ...]
    rings: tuple[float, ...]

    @property
    def longest(self) -> float:
        return max(self.holds) + max(self.rings, default=0.0)


def draw_call(call: Call, random: Random) -> Sampled:
    calls = call.times.draw(random)
    return Sampled(
        calls=calls,
        holds=values_of(call.hold or SecondsRange(DEFAULT_HOLD, DEFAULT_HOLD), calls, random),
        rings=values_of(call.ring, calls, random) if call.ring else (),
    )


def values_of(sampled: SecondsRange, calls: int, random: Random) -> tuple[float, ...]:
    """One value where it's fixed; else one for each last digit of the calls' numbers that occurs."""
    return tuple(sampled.draw(random) for _ in range(1 if sampled.fixed else min(calls, DIGITS)))


def last_digit(index: int) -> int:
    """Of the number of the call (from 1) which the value at ``index`` (from 0) is for."""
    return (index + 1) % DIGITS
