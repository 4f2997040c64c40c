"""A run in a few numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.evidence.calls import calls_of
from harness.evidence.model import Evidence

__all__ = ["Figures", "figures_of"]


@dataclass(frozen=True, slots=True)
class Figures:
    """:param setup_p95: seconds that 95 of 100 calls needed at most from INVITE to final reply (nearest rank); None
    without one.
    """

    calls: int
    answered: int
    setup_p95: float | None


def figures_of(evidence: Evidence) -> Figures:
    calls = calls_of(evidence)
    times = sorted(call.setup for call in calls if call.setup is not None)
    return Figures(
        calls=len(calls),
        answered=sum(call.answered is not None for call in calls),
        setup_p95=times[math.ceil(0.95 * len(times)) - 1] if times else None,
    )
