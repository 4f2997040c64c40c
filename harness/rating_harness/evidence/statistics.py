"""A run in a few numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rating_harness.evidence.calls import calls_of
from rating_harness.evidence.model import Evidence

__all__ = ["Histogram", "LoadProgress", "Statistics", "percentile", "statistics_of"]


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


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """How far a load is, by what SIPp counts and Kamailio says.

    :param planned, made, over, failed: calls; ``over`` went as SIPp's scenario has it, ``failed`` didn't.
    :param rate: calls made per second since the last time; None the first time.
    :param memory, memory_used: octets of Kamailio's shared memory; None where it doesn't say.
    """

    at: float
    planned: int
    made: int
    over: int
    failed: int
    rate: float | None = None
    memory: int | None = None
    memory_used: int | None = None

    @property
    def up(self) -> int:
        """Calls that were begun and aren't over."""
        return max(0, self.made - self.over - self.failed)

    def __str__(self) -> str:
        """``300 of 900 calls, 100.2/s, 98 up, 0 failed, Kamailio's memory 31 of 256 MB``."""
        parts = [f"{self.made:,} of {self.planned:,} calls"]
        parts += [f"{self.rate:.1f}/s"] if self.rate is not None else []
        parts += [f"{self.up:,} up", f"{self.failed:,} failed"]
        if self.memory and self.memory_used is not None:
            parts.append(f"Kamailio's memory {self.memory_used / _MEGABYTE:.0f} of {self.memory / _MEGABYTE:.0f} MB")
        return ", ".join(parts)


_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often which time was seen, in bins whose upper end is 1 % above their lower: percentiles of several are
    those of their sum, which no average of percentiles is.

    :param counts: number of a bin -> how many times are in it; bin ``n`` ends at ``0.0001 * 1.01**n`` seconds.
    """

    counts: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, times: Iterable[float]) -> Histogram:
        """:param times: seconds."""
        return cls(Counter(max(0, math.ceil(math.log(max(each, _FINEST) / _FINEST) / _RATIO)) for each in times))

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram(Counter(self.counts) + Counter(other.counts))

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def percentile(self, share: float) -> float | None:
        """The time that a share (0 to 1) needs at most, by nearest rank, up to 1 % too high; None without one."""
        left = max(1, math.ceil(share * self.total))
        for number in sorted(self.counts):
            left -= self.counts[number]
            if left <= 0:
                return _FINEST * math.exp(number * _RATIO)
        return None


_FINEST, _RATIO = 1e-4, math.log(1.01)


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
