"""What is expected of one value, as the author wrote it: ``200``, ``3s ± 1s``, ``>= 2``, ``/regex/``, ``any``.

A matcher is a value: ``matches`` is pure, and ``str()`` gives it back as it is written in YAML. The parsers raise
:class:`~rating_harness.scenario.values.Unfit`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from rating_harness.scenario.values import (
    TOLERANCE,
    Unfit,
    duration_text,
    is_number,
    parse_duration,
    parse_number,
    parse_percent,
)

__all__ = [
    "ABSENT",
    "ANY",
    "MISSING",
    "Absent",
    "Anything",
    "Compared",
    "Exactly",
    "Matcher",
    "Missing",
    "Near",
    "OneOf",
    "PartOfList",
    "PartOfMapping",
    "Pattern",
    "Status",
    "parse_any_matcher",
    "parse_count_or_percent_matcher",
    "parse_duration_matcher",
    "parse_flag_matcher",
    "parse_header_matcher",
    "parse_number_matcher",
    "parse_part_matcher",
    "parse_percent_matcher",
    "parse_status_matcher",
    "parse_text_matcher",
    "parse_whole_matcher",
    "parse_whole_seconds_matcher",
]


class Missing:
    """The type of MISSING: what a check passes for a field that isn't there at all."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "nothing"


MISSING = Missing()


@runtime_checkable
class Matcher(Protocol):
    """What is expected of one value. ``matches`` is pure; ``str()`` is what the author wrote, tidied."""

    def matches(self, seen: object) -> bool: ...


@dataclass(frozen=True, slots=True)
class Exactly:
    """Equal to ``value``; ``1`` is not ``true``, and lists and mappings compare as JSON does."""

    value: object

    def matches(self, seen: object) -> bool:
        return seen == self.value and isinstance(seen, bool) == isinstance(self.value, bool)

    def __str__(self) -> str:
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        return str(self.value)


Unit = Literal["", "s", "%"]


def _shown(value: float, unit: Unit) -> str:
    return duration_text(value) if unit == "s" else f"{value:.10g}{unit}"


@dataclass(frozen=True, slots=True)
class Near:
    """A number within ``tolerance`` of ``value``, both in the unit: seconds (``s``), percent, or none."""

    value: float
    tolerance: float
    unit: Unit = ""

    def matches(self, seen: object) -> bool:
        if not isinstance(seen, int | float) or not is_number(seen):
            return False
        return abs(seen - self.value) <= self.tolerance + 1e-9

    def __str__(self) -> str:
        value, tolerance = _shown(self.value, self.unit), _shown(self.tolerance, self.unit)
        return f"{value} ± {tolerance}" if self.tolerance else value


_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda seen, limit: seen < limit,
    "<=": lambda seen, limit: seen <= limit,
    ">": lambda seen, limit: seen > limit,
    ">=": lambda seen, limit: seen >= limit,
}


@dataclass(frozen=True, slots=True)
class Compared:
    """A number below or above a limit: ``below 200ms``, ``at least 3``; also ``"< 200ms"``, in quotes."""

    sign: str
    limit: float
    unit: Unit = ""

    def matches(self, seen: object) -> bool:
        if not isinstance(seen, int | float) or not is_number(seen):
            return False
        return _COMPARE[self.sign](seen, self.limit)

    def __str__(self) -> str:
        words = {sign: word for word, sign in _SIGNS.items()}
        return f"{words[self.sign]} {_shown(self.limit, self.unit)}"


@dataclass(frozen=True, slots=True)
class Anything:
    """There, whatever its value: not missing, and not null."""

    def matches(self, seen: object) -> bool:
        return seen is not MISSING and seen is not None

    def __str__(self) -> str:
        return "any"


@dataclass(frozen=True, slots=True)
class Absent:
    """Missing, or null."""

    def matches(self, seen: object) -> bool:
        return seen is MISSING or seen is None

    def __str__(self) -> str:
        return "absent"


ANY = Anything()
ABSENT = Absent()


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression, found anywhere in the text (``/^sip:/`` anchors it)."""

    pattern: str
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "_compiled", re.compile(self.pattern))
        except (re.error, OverflowError, RecursionError) as error:
            raise Unfit(
                f"/{self.pattern[:40]}/ is no regular expression: {error}",
                "a backslash before [ ( { + * . makes it plain",
            ) from None

    def matches(self, seen: object) -> bool:
        return isinstance(seen, str) and self._compiled.search(seen) is not None

    def __str__(self) -> str:
        return f"/{self.pattern}/"


@dataclass(frozen=True, slots=True)
class Status:
    """A SIP or HTTP status: a code, or the class of one (``4xx``)."""

    low: int
    high: int

    def matches(self, seen: object) -> bool:
        return isinstance(seen, int) and not isinstance(seen, bool) and self.low <= seen <= self.high

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low // 100}xx"


@dataclass(frozen=True, slots=True)
class OneOf:
    """Any of several."""

    choices: tuple[Matcher, ...]

    def matches(self, seen: object) -> bool:
        return any(choice.matches(seen) for choice in self.choices)

    def __str__(self) -> str:
        return " or ".join(map(str, self.choices))


@dataclass(frozen=True, slots=True)
class PartOfMapping:
    """A mapping with at least these values."""

    values: Mapping[str, Matcher]

    def matches(self, seen: object) -> bool:
        return isinstance(seen, Mapping) and all(
            value.matches(seen.get(name, MISSING)) for name, value in self.values.items()
        )

    def __str__(self) -> str:
        return "{" + ", ".join(f"{name}: {value}" for name, value in self.values.items()) + "}"


@dataclass(frozen=True, slots=True)
class PartOfList:
    """A list that has an item like each of these, in whatever order."""

    items: tuple[Matcher, ...]

    def matches(self, seen: object) -> bool:
        return isinstance(seen, list) and all(any(item.matches(each) for each in seen) for item in self.items)

    def __str__(self) -> str:
        return "[" + ", ".join(map(str, self.items)) + "]"


def _keyword(value: object) -> Matcher | None:
    if value == "any":
        return ANY
    return ABSENT if value == "absent" else None


def _pattern(value: object) -> Matcher | None:
    if isinstance(value, str) and len(value) > 2 and value.startswith("/") and value.endswith("/"):
        return Pattern(value[1:-1])
    return None


_NEARLY_PATTERN = re.compile(r"/(?:(?P<pattern>.+)/(?P<flags>[imsx]{1,3})|(?P<rest>\^[^/]*))", re.DOTALL)
"""What was meant as a regular expression: flags behind it as Perl has them, or no end."""

_TOLERANCE = re.compile(rf"\s*{TOLERANCE}\s*")
_COMPARISON = re.compile(r"(?:(<=|>=|<|>)\s*|(at most|at least|below|above)\s+)(.+)")
_SIGNS = {"at most": "<=", "at least": ">=", "below": "<", "above": ">"}


def _parse_quantity(value: object, bound: Callable[[object], float], unit: Unit) -> Matcher:
    keyword = _keyword(value)
    if keyword is not None:
        return keyword
    if isinstance(value, str):
        text = value.strip()
        comparison = _COMPARISON.fullmatch(text)
        if comparison is not None:
            sign, word, limit = comparison.groups()
            return Compared(sign or _SIGNS[word], bound(limit), unit)
        parts = _TOLERANCE.split(text)
        if len(parts) == 2:
            tolerance = bound(parts[1])
            if tolerance < 0:
                raise Unfit("a tolerance isn't negative", "3 ± 1")
            return Near(bound(parts[0]), tolerance, unit)
        if len(parts) > 2:
            raise Unfit("two tolerances", "one is enough: 3s ± 1s")
    return Near(bound(value), 0.0, unit)


def parse_number_matcher(value: object) -> Matcher:
    """``3``, ``0 ± 1`` (also ``+-``), ``at least 2``, ``any``, ``absent``."""
    return _parse_quantity(value, parse_number, "")


def parse_duration_matcher(value: object) -> Matcher:
    """``3s``, ``3s ± 1s``, ``below 200ms``, ``any``, ``absent``. It matches seconds."""
    return _parse_quantity(value, parse_duration, "s")


def parse_percent_matcher(value: object) -> Matcher:
    """``60%``, ``60% ± 5%``, ``at least 55%``, ``any``. It matches a number from 0 to 100."""
    return _parse_quantity(value, parse_percent, "%")


def parse_count_or_percent_matcher(value: object) -> Matcher:
    """Of what is counted: a number as `parse_whole_matcher` has it, or a percentage of all."""
    has_percent = isinstance(value, str) and "%" in value
    return parse_percent_matcher(value) if has_percent else parse_whole_matcher(value)


def parse_whole_matcher(value: object) -> Matcher:
    """As `parse_number_matcher`, of what is counted: ``2.5`` would never match."""
    return _holding_a_whole_one(parse_number_matcher(value), "whole number")


def parse_whole_seconds_matcher(value: object) -> Matcher:
    """As `parse_duration_matcher`, of what is kept in whole seconds: ``2.5s`` would never match."""
    return _holding_a_whole_one(parse_duration_matcher(value), "whole second")


def _holding_a_whole_one(matcher: Matcher, what: str) -> Matcher:
    if isinstance(matcher, Near) and not matcher.matches(math.floor(matcher.value + matcher.tolerance + 1e-9)):
        low = math.floor(matcher.value)
        wider = Near(matcher.value, min(matcher.value - low, low + 1 - matcher.value), matcher.unit)
        raise Unfit(
            f"no {what} is {matcher}, and only those are counted",
            f"{low}{matcher.unit}, {low + 1}{matcher.unit}, or {wider}",
        )
    return matcher


def parse_text_matcher(value: object) -> Matcher:
    """A text, ``/regular expression/``, ``any``, ``absent``."""
    if not isinstance(value, str):
        raise Unfit(
            "this is no text",
            "one text, without brackets" if isinstance(value, list | tuple | dict) else "put it in quotes",
        )
    matcher = _keyword(value) or _pattern(value)
    if matcher is None and (match := _NEARLY_PATTERN.fullmatch(value)):
        flags = f"(?{match['flags']})" if match["flags"] else ""
        meant = f"/{flags}{match['pattern'] or match['rest']}/"
        raise Unfit("a regular expression begins and ends with '/'", f"did you mean: {meant}")
    return matcher or Exactly(value)


def parse_header_matcher(value: object) -> Matcher | tuple[Matcher, ...]:
    """What each header of a name is; a list has one for the first, the second and so on, and no more."""
    if isinstance(value, list | tuple):
        return tuple(parse_text_matcher(each) for each in value)
    return parse_text_matcher(value)


def parse_any_matcher(value: object) -> Matcher:
    """Anything JSON has, ``/regular expression/``, ``3 ± 1``, ``any``, ``absent``."""
    keyword = _keyword(value) or _pattern(value)
    if keyword is not None:
        return keyword
    if isinstance(value, str) and _TOLERANCE.search(value):
        try:
            return parse_number_matcher(value)
        except ValueError:
            return Exactly(value)
    return Exactly(value)


def parse_part_matcher(value: object) -> Matcher:
    """As `parse_any_matcher`; of a mapping the keys that are named, of a list the items, and others may be there.

    One that is empty matches what is empty: as a part it would be of anything.
    """
    if value in ([], (), {}):
        return Exactly({} if isinstance(value, Mapping) else [])
    if isinstance(value, Mapping):
        return PartOfMapping({str(name): parse_part_matcher(inner) for name, inner in value.items()})
    if isinstance(value, list | tuple):
        return PartOfList(tuple(map(parse_part_matcher, value)))
    return parse_any_matcher(value)


_SEVERAL_STATUSES = re.compile(
    r"[1-6](?:[0-9]{2}|xx)(?:(?:\s*[,;/|]\s*|\s+or\s+|\s+and\s+|\s+)[1-6](?:[0-9]{2}|xx))+"
)


_STATUS_BY_WORD = {
    "ok": 200,
    "answered": 200,
    "success": 200,
    "redirected": 302,
    "bad request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "refused": 403,
    "not found": 404,
    "timeout": 408,
    "no answer": 408,
    "unavailable": 480,
    "busy": 486,
    "busy here": 486,
    "cancelled": 487,
    "canceled": 487,
    "request terminated": 487,
    "payment required": 402,
    "temporarily unavailable": 480,
    "service unavailable": 503,
    "decline": 603,
    "declined": 603,
    "rejected": 603,
}
"""Statuses that a word is likely to mean (RFC 3261 section 21)."""


def parse_status_matcher(value: object) -> Matcher:
    """A status code (``200``), a class (``4xx``), a list of them, or ``absent`` (no reply at all)."""
    if isinstance(value, list | tuple):
        if not value:
            raise Unfit("an empty list of codes")
        return OneOf(tuple(parse_status_matcher(choice) for choice in value))
    keyword = _keyword(value)
    if keyword is not None:
        return keyword
    if isinstance(value, str) and re.fullmatch(r"[1-6](?:xx|XX)", value):
        low = int(value[0]) * 100
        return Status(low, low + 99)
    if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 699:
        return Status(value, value)
    if isinstance(value, str) and _SEVERAL_STATUSES.fullmatch(value.strip()):
        raise Unfit("these are several statuses", f"[{', '.join(re.findall('[0-9][0-9x]{2}', value))}]")
    if isinstance(value, str) and re.fullmatch(r"[1-6][0-9][0-9] .+", value):
        raise Unfit("this is a status with its reason", f"{{code: {value[:3]}, reason: {value[4:60]}}}")
    if isinstance(value, str) and (code := _STATUS_BY_WORD.get(re.sub(r"[ _-]+", " ", value.strip().lower()))):
        raise Unfit("this is no status", f"did you mean {code}?")
    raise Unfit("this is no status")


def parse_flag_matcher(value: object) -> Matcher:
    """``true``, ``false``, ``any``, ``absent``."""
    keyword = _keyword(value)
    if keyword is not None:
        return keyword
    if isinstance(value, bool):
        return Exactly(value)
    raise Unfit("this is neither true nor false")
