"""Points in time as integers: milliseconds since 1970 in UTC, which is as fine as the real store keeps them."""

from __future__ import annotations

import re
import time
from datetime import datetime, timedelta

__all__ = ["SECOND", "from_number", "from_text", "now", "to_text", "whole_seconds"]

SECOND = 1000
"""Milliseconds of a second."""

_EPOCH = datetime(1970, 1, 1)
_MILLISECOND = timedelta(milliseconds=1)
_EARLIEST = (datetime.min - _EPOCH) // _MILLISECOND
_LATEST = (datetime.max - _EPOCH) // _MILLISECOND
_LARGEST_SECONDS = 2e10
"""Numbers beyond it are taken as milliseconds (or finer), as pydantic 1 does."""

_ISO_8601 = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})[T ](\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{1,6})\d{0,6})?)?"
    r"(?:(Z)|([+-])(\d{2}):?(\d{2})?)?",
    re.ASCII,
)


def now() -> int:
    """The current time, in milliseconds."""
    return time.time_ns() // 1_000_000


def whole_seconds(instant: int) -> int:
    """``instant`` without its fraction of a second: all that passes between the real agent and the real engine."""
    return instant - instant % SECOND


def from_text(text: str) -> int | None:
    """The instant that an ISO 8601 date and time names; without a zone it's UTC. None when it is none."""
    match = _ISO_8601.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, _, sign, hours, minutes = match.groups()
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour),
            int(minute),
            int(second or 0),
            int((fraction or "").ljust(6, "0")),
        )
        if sign:
            offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
            moment += -offset if sign == "+" else offset
    except (ValueError, OverflowError):
        return None
    return (moment - _EPOCH) // _MILLISECOND


def from_number(number: float) -> int | None:
    """The instant of a Unix time: seconds, or milliseconds and finer when the number is large. None for NaN."""
    if number != number:
        return None
    if abs(number) > 3e20:
        return _LATEST if number > 0 else _EARLIEST
    while abs(number) > _LARGEST_SECONDS:
        number /= 1000
    return int(max(_EARLIEST, min(_LATEST, number * SECOND)))


def to_text(instant: int) -> str:
    """ISO 8601 in UTC without a zone, and with microseconds only where there is a fraction of a second."""
    return (_EPOCH + instant * _MILLISECOND).isoformat()
