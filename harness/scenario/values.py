"""Values with a meaning of their own: durations, drawn values, moments, and matchers.

Every parser raises ValueError with a sentence that an author can act on: pydantic collects those, and no TypeError.
All values are immutable, and ``str()`` gives them as they are written in YAML.
"""

# ruff: noqa: TRY004

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Literal, Protocol, TypeVar, runtime_checkable

__all__ = [
    "ABSENT",
    "ANY",
    "MISSING",
    "Absent",
    "Anything",
    "Between",
    "Compared",
    "DrawnCount",
    "DrawnSeconds",
    "Event",
    "Exactly",
    "Matcher",
    "Missing",
    "Moment",
    "Near",
    "OneOf",
    "Pattern",
    "Status",
    "duration_text",
    "parse_any_matcher",
    "parse_duration",
    "parse_duration_matcher",
    "parse_moment",
    "parse_number_matcher",
    "parse_status_matcher",
    "parse_text_matcher",
]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER = r"\d{1,9}(?:\.\d{1,6})?"
_DURATION = rf"{_NUMBER}\s*(?:ms|s|m|h)"
DURATION_PATTERN = rf"^{_DURATION}$"
LONGEST = 7 * 24 * 3600.0


def parse_duration(value: object) -> float:
    """Seconds of a text such as ``3s``, ``200ms``, ``1.5m`` or ``2h``.

    :raises ValueError: without a unit, with an unknown one, or longer than a week.
    """
    if isinstance(value, bool) or not isinstance(value, str):
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
            shown = f"{value:g}" if value < 1e9 else "3"
            raise ValueError(f"a duration needs a unit: {shown}s, {shown}ms, {shown}m")
        raise ValueError("a duration is a number with a unit: 3s, 200ms, 1m, 1h")
    match = re.fullmatch(rf"({_NUMBER})\s*([a-zA-Zµ]*)", value.strip(), re.ASCII)
    if match is None:
        raise ValueError("a duration is a number with a unit: 3s, 200ms, 1m, 1h")
    number, unit = match.groups()
    if not unit:
        raise ValueError(f"a duration needs a unit: {number}s, {number}ms, {number}m")
    if unit not in _UNITS:
        raise ValueError(f"unknown unit {unit!r}: durations take ms, s, m (minutes), h")
    seconds = round(float(number) * _UNITS[unit], 6)
    if seconds > LONGEST:
        raise ValueError("a duration of more than a week")
    return seconds


def duration_text(seconds: float) -> str:
    """``200ms``, ``3s``, ``1.5s``, ``90s``: the form that a person would write."""
    if 0 < abs(seconds) < 1:
        return f"{seconds * 1000:.6g}ms"
    return f"{seconds:.10g}s"


@dataclass(frozen=True, slots=True)
class Between:
    """A value that is drawn: evenly from ``low`` to ``high``, both included. A fixed value has the two equal."""

    low: float
    high: float

    @property
    def fixed(self) -> bool:
        return self.low == self.high


class DrawnSeconds(Between):
    """A duration in seconds, fixed or drawn."""

    __slots__ = ()

    def draw(self, random: Random) -> float:
        return self.low if self.fixed else round(random.uniform(self.low, self.high), 3)

    def __str__(self) -> str:
        if self.fixed:
            return duration_text(self.low)
        return f"{duration_text(self.low)} to {duration_text(self.high)}"


class DrawnCount(Between):
    """A whole number, fixed or drawn."""

    __slots__ = ()

    def draw(self, random: Random) -> int:
        return random.randint(int(self.low), int(self.high))

    def __str__(self) -> str:
        return f"{self.low:g}" if self.fixed else f"{self.low:g} to {self.high:g}"


D = TypeVar("D", bound=Between)


def parse_drawn(value: object, bound: Callable[[object], float], kind: type[D]) -> D:
    """A fixed value, or ``{min: LOW, max: HIGH}``."""
    if not isinstance(value, Mapping):
        fixed = bound(value)
        return kind(fixed, fixed)
    if set(value) != {"min", "max"}:
        raise ValueError("a drawn value takes exactly 'min' and 'max'")
    low, high = bound(value["min"]), bound(value["max"])
    if low > high:
        raise ValueError(f"'min' ({value['min']}) is above 'max' ({value['max']})")
    return kind(low, high)


def parse_count(value: object) -> int:
    """A whole number, 1 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10_000_000:
        raise ValueError("this is a whole number, 1 or more")
    return value


Event = Literal["started", "ringing", "answered", "ended"]
_EVENTS: dict[str, Event] = {
    "started": "started",
    "start": "started",
    "invite": "started",
    "ringing": "ringing",
    "ring": "ringing",
    "answered": "answered",
    "answer": "answered",
    "ended": "ended",
    "end": "ended",
}
CALL_ID = r"[A-Za-z][A-Za-z0-9_-]{0,63}"
_OWN_MOMENT = re.compile(rf"(?:(?P<delay>{_DURATION})\s+)?after\s+(?P<event>[a-z]+)")
_OTHER_MOMENT = re.compile(
    rf"(?:(?P<delay>{_DURATION})\s+after\s+)?(?P<call>{CALL_ID})(?:\s+is\s+|\.|\s+has\s+)(?P<event>[a-z]+)"
)


@dataclass(frozen=True, slots=True)
class Moment:
    """``delay`` seconds after ``event`` of ``call``.

    ``call`` is None in a moment of the call itself (``reinvite: 2s after answer``), and ``event`` is None when the
    moment counts from the start of the scenario's calls (``start: 2s``).
    """

    event: Event | None
    delay: float = 0.0
    call: str | None = None

    def __str__(self) -> str:
        delay = f"{duration_text(self.delay)} after " if self.delay else ""
        if self.event is None:
            return duration_text(self.delay)
        if self.call is not None:
            verb = "has" if self.event in ("started", "ended") else "is"
            return f"{delay}{self.call} {verb} {self.event}"
        return f"{delay or 'after '}{self.event}"


def parse_moment(value: object, default: Event) -> Moment:
    """A moment in the life of the call that says it; ``after 2s`` counts from ``default``.

    Forms: ``at once`` (right after the INVITE), ``while ringing``, ``after answer``, ``after 200ms``,
    ``2s after ringing``.
    """
    forms = "a moment is 'at once', 'while ringing', 'after 200ms', or '2s after ringing' (or start, answer)"
    if not isinstance(value, str):
        raise ValueError(forms)
    text = " ".join(value.split())
    if text == "at once":
        return Moment("started")
    if text == "while ringing":
        return Moment("ringing")
    if re.fullmatch(rf"after {_DURATION}", text):
        return Moment(default, parse_duration(text.removeprefix("after ")))
    if re.fullmatch(_DURATION, text):
        return Moment(default, parse_duration(text))
    match = _OWN_MOMENT.fullmatch(text)
    if match is None or match["event"] not in _EVENTS:
        raise ValueError(forms)
    return Moment(_EVENTS[match["event"]], parse_duration(match["delay"]) if match["delay"] else 0.0)


def parse_other_moment(value: object) -> Moment:
    """A moment in the scenario: ``2s``, ``ana is answered``, ``2s after ana is answered``, ``{after: ana.answered}``."""
    forms = (
        "a moment is a duration ('2s'), 'ana is answered', or '2s after ana is answered' (ringing, answered, ended)"
    )
    if isinstance(value, Mapping):
        if not {"after"} <= set(value) <= {"after", "delay"}:
            raise ValueError("this takes 'after' (CALL.answered) and 'delay' (2s)")
        moment = parse_other_moment(value["after"])
        if moment.call is None:
            raise ValueError("'after' names a call's event: ana.ringing, ana.answered, ana.ended")
        return Moment(moment.event, moment.delay + parse_duration(value.get("delay", "0s")), moment.call)
    if not isinstance(value, str):
        if isinstance(value, int | float):
            parse_duration(value)
        raise ValueError(forms)
    text = " ".join(value.split())
    if re.fullmatch(r"\d.*", text) and " " not in text:
        return Moment(None, parse_duration(text))
    match = _OTHER_MOMENT.fullmatch(text)
    if match is None or match["event"] not in _EVENTS:
        raise ValueError(forms)
    return Moment(_EVENTS[match["event"]], parse_duration(match["delay"]) if match["delay"] else 0.0, match["call"])


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


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


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


@dataclass(frozen=True, slots=True)
class Near:
    """A number within ``tolerance`` of ``value``, both in seconds when ``unit`` is ``s``."""

    value: float
    tolerance: float
    unit: Literal["", "s"] = ""

    def matches(self, seen: object) -> bool:
        if not isinstance(seen, int | float) or not _is_number(seen):
            return False
        return abs(seen - self.value) <= self.tolerance + 1e-9

    def __str__(self) -> str:
        show: Callable[[float], str] = duration_text if self.unit else "{:.10g}".format
        return f"{show(self.value)} ± {show(self.tolerance)}" if self.tolerance else show(self.value)


_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda seen, limit: seen < limit,
    "<=": lambda seen, limit: seen <= limit,
    ">": lambda seen, limit: seen > limit,
    ">=": lambda seen, limit: seen >= limit,
}


@dataclass(frozen=True, slots=True)
class Compared:
    """A number below or above a limit: ``< 200ms``, ``>= 3``."""

    sign: str
    limit: float
    unit: Literal["", "s"] = ""

    def matches(self, seen: object) -> bool:
        if not isinstance(seen, int | float) or not _is_number(seen):
            return False
        return _COMPARE[self.sign](seen, self.limit)

    def __str__(self) -> str:
        return f"{self.sign} {duration_text(self.limit) if self.unit else format(self.limit, '.10g')}"


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
            raise ValueError(f"not a regular expression: {error}") from None

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


def _keyword(value: object) -> Matcher | None:
    if value == "any":
        return ANY
    return ABSENT if value == "absent" else None


def _pattern(value: object) -> Matcher | None:
    if isinstance(value, str) and len(value) > 2 and value.startswith("/") and value.endswith("/"):
        return Pattern(value[1:-1])
    return None


_TOLERANCE = re.compile(r"\s*(?:±|\+-|\+/-)\s*")
_COMPARISON = re.compile(r"(<=|>=|<|>)\s*(.*)")


def parse_number(value: object) -> float:
    """A finite number, from YAML's own or from text."""
    if isinstance(value, str) and re.fullmatch(rf"-?{_NUMBER}", value.strip(), re.ASCII):
        number = float(value)
        return int(number) if number.is_integer() else number
    if isinstance(value, int | float) and _is_number(value) and abs(value) < 2**63:
        return value
    raise ValueError("this is a number: 3, 0 ± 1, >= 2, any or absent")


def _parse_quantity(value: object, bound: Callable[[object], float], unit: Literal["", "s"]) -> Matcher:
    keyword = _keyword(value)
    if keyword is not None:
        return keyword
    if isinstance(value, str):
        text = value.strip()
        comparison = _COMPARISON.fullmatch(text)
        if comparison is not None:
            return Compared(comparison[1], bound(comparison[2]), unit)
        parts = _TOLERANCE.split(text)
        if len(parts) == 2:
            tolerance = bound(parts[1])
            if tolerance < 0:
                raise ValueError("a tolerance isn't negative")
            return Near(bound(parts[0]), tolerance, unit)
        if len(parts) > 2:
            raise ValueError("one tolerance is enough: 3 ± 1")
    return Near(bound(value), 0.0, unit)


def parse_number_matcher(value: object) -> Matcher:
    """``3``, ``0 ± 1`` (also ``+-``), ``>= 2``, ``any``, ``absent``."""
    return _parse_quantity(value, parse_number, "")


def parse_duration_matcher(value: object) -> Matcher:
    """``3s``, ``3s ± 1s``, ``< 200ms``, ``any``, ``absent``. It matches seconds."""
    return _parse_quantity(value, parse_duration, "s")


def parse_text_matcher(value: object) -> Matcher:
    """A text, ``/regular expression/``, ``any``, ``absent``."""
    if not isinstance(value, str):
        raise ValueError("this is a text: put it in quotes")
    return _keyword(value) or _pattern(value) or Exactly(value)


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


def parse_status_matcher(value: object) -> Matcher:
    """A status code (``200``), a class (``4xx``), a list of them, or ``absent`` (no reply at all)."""
    if isinstance(value, list | tuple):
        if not value:
            raise ValueError("an empty list: name a code, such as 200")
        return OneOf(tuple(parse_status_matcher(choice) for choice in value))
    keyword = _keyword(value)
    if keyword is not None:
        return keyword
    if isinstance(value, str) and re.fullmatch(r"[1-6]xx", value):
        low = int(value[0]) * 100
        return Status(low, low + 99)
    if isinstance(value, int) and not isinstance(value, bool) and 100 <= value <= 699:
        return Status(value, value)
    raise ValueError("a status is a code from 100 to 699, or a class such as 4xx")


def parse_flag_matcher(value: object) -> Matcher:
    """``true``, ``false``, ``any``, ``absent``."""
    keyword = _keyword(value)
    if keyword is not None:
        return keyword
    if isinstance(value, bool):
        return Exactly(value)
    raise ValueError("this is true or false (or any, absent)")


def parse_rate(value: object) -> float:
    """Calls per second, more than 0."""
    if not isinstance(value, int | float) or not _is_number(value) or not 0 < value <= 1_000_000:
        raise ValueError("this is a number of calls per second, more than 0")
    return float(value)


def parse_version(value: object) -> str:
    """``>= 6.1``, ``6.0``, ``< 6.1``: a comparison and a version; equality when there is no sign."""
    if not isinstance(value, str) or re.fullmatch(r"(?:(?:<=|>=|<|>)\s*)?\d+(?:\.\d+){0,3}", value, re.ASCII) is None:
        raise ValueError("this is a version in quotes: '>= 6.1', '< 7', '6.0'")
    return value
