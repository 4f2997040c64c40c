"""What happens between the answer and the end of a call: each side knows when the other's turn comes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from rating_harness.scenario.model import Call

__all__ = ["Step", "in_order", "renewals"]


@dataclass(frozen=True, slots=True)
class Step:
    """A request of one side, ``after`` so many milliseconds from the step before, or from the answer.

    :param awaited: it's the other side's, and this one answers it.
    :param number: of those that aren't, from 1.
    """

    method: Literal["INVITE", "UPDATE", "BYE", "vanish"]
    after: int = 0
    awaited: bool = False
    number: int = 0
    cseq: int | None = None
    from_tag: str = "[pid]-[call_number]"


def renewals(call: Call, side: Literal["caller", "callee"]) -> list[tuple[float, Step]]:
    """The re-INVITEs and UPDATEs of a call as one side has them, each with its second after the answer."""
    return [(each.at.delay, Step(each.method, awaited=each.by != side)) for each in call.reinvite]


def in_order(moments: Iterable[tuple[float, Step]]) -> tuple[tuple[Step, ...], float]:
    """The steps one after another, and the second of the last."""
    steps: list[Step] = []
    number, now = 0, 0.0
    for at, step in sorted(moments, key=lambda moment: moment[0]):
        number += not step.awaited
        steps.append(replace(step, after=round((at - now) * 1000), number=number))
        now = at
    return tuple(steps), now
