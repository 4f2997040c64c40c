"""A run in a few numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rating_harness.evidence.calls import calls_of
from rating_harness.evidence.model import Evidence

__all__ = ["Statistics", "percentile", "statistics_of"]


@dataclass(frozen=True, slots=True)
class Statistics:
    """:param rate: calls begun per second, from the first to the last of them; None for a single one.
    :param setup_p50, setup_p95, setup_max: seconds that half, 95 of 100 and all of the calls needed at most from
        INVITE to final reply (nearest rank); None without one.
    """

    calls: int
    answered: int
    rate: float | None
    setup_p50: float | None
    setup_p95: float | None
    setup_max: float | None


def statistics_of(evidence: Evidence) -> Statistics:
    calls = calls_of(evidence)
    times = sorted(call.setup for call in calls if call.setup is not None)
    begun = sorted(call.invite.at for call in calls if call.invite is not None)
    took = begun[-1] - begun[0] if begun else 0.0
    return Statistics(
        calls=len(calls),
        answered=sum(call.answered is not None for call in calls),
        rate=(len(begun) - 1) / took if took > 0 else None,
        setup_p50=percentile(times, 0.5),
        setup_p95=percentile(times, 0.95),
        setup_max=percentile(times, 1.0),
    )


def percentile(times: Sequence[float], share: float) -> float | None:
    """The time that a share (0 to 1) of the sorted times needs at most, by nearest rank; None without one."""
    return times[max(0, math.ceil(share * len(times)) - 1)] if times else None
