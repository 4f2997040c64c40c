"""What a call costs and how long it may last. Pure functions on integers.

Fees and balances are in the currency's smallest unit, rates per ``rate_increment`` seconds, durations and units in
seconds, instants in milliseconds (see :mod:`~rating_harness.rating.engine.timestamps`).
"""

from __future__ import annotations

from dataclasses import dataclass

from rating_harness.rating.engine.timestamps import SECOND

__all__ = [
    "LONGEST_CALL",
    "LONGEST_PREFIX",
    "Incomplete",
    "Tariff",
    "available_units",
    "candidate_prefixes",
    "duration",
    "fee",
]

LONGEST_CALL = 14400
"""The most seconds that one authorization grants."""

LONGEST_PREFIX = 9
"""The most characters of a destination that are compared with prefixes."""

_DAY = 86400


class Incomplete(Exception):
    """A rate lacks a value that the units depend on."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """What a rate charges. None stands for a value that was never given."""

    connect_fee: int | None = 0
    rate: int | None = 0
    rate_increment: int | None = 1
    interval_start: int | None = 0

    @property
    def increment(self) -> int:
        """Seconds that are charged together; an absent or zero ``rate_increment`` means one."""
        return self.rate_increment or 1

    @property
    def free(self) -> bool:
        return self.connect_fee == 0 and self.rate == 0


def duration(begin: int, end: int) -> int:
    """Seconds from ``begin`` to ``end``, rounded up; whole days are dropped (``Quirk.DAYS_DROPPED``)."""
    elapsed = end - begin
    if elapsed <= 0:
        return 0
    return elapsed // SECOND % _DAY + (elapsed % SECOND > 0)


def fee(tariff: Tariff | None, begin: int, end: int) -> int:
    """What a call from ``begin`` to ``end`` costs: nothing without a tariff, and not even the connect fee when it
    takes no time (``Quirk.NO_FEE_WITHOUT_TIME``)."""
    if tariff is None or end <= begin:
        return 0
    increments = -(-duration(begin, end) // tariff.increment)
    charged = max(0, increments - (tariff.interval_start or 0))
    return (tariff.connect_fee or 0) + charged * (tariff.rate or 0)


def available_units(balance: int, tariff: Tariff) -> int:
    """Seconds that ``balance`` pays for, 0 to :data:`LONGEST_CALL`.

    ``interval_start`` counts seconds here and increments in :func:`fee` (``Quirk.INTERVAL_START_UNITS``); it is added
    only when the balance pays for something.

    :raises Incomplete: when the tariff lacks a value.
    """
    if tariff.rate is None:
        raise Incomplete("rate")
    units = LONGEST_CALL
    if tariff.rate:
        if tariff.connect_fee is None:
            raise Incomplete("connect_fee")
        units = int((balance - tariff.connect_fee) / tariff.rate) * tariff.increment
    if units == 0:
        return 0
    if tariff.interval_start is None:
        raise Incomplete("interval_start")
    return max(0, min(units + tariff.interval_start, LONGEST_CALL))


def candidate_prefixes(destination: str) -> list[str]:
    """The prefixes of ``destination`` that a rate may have, shortest first: never more than nine characters, and
    never the whole destination (``Quirk.WHOLE_DESTINATION``, ``Quirk.NINE_CHARACTERS``)."""
    return [destination[:length] for length in range(1, min(LONGEST_PREFIX + 1, len(destination)))]
