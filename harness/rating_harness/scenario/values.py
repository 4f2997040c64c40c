"""Values with a meaning of their own: durations, random values, moments.

Every parser raises :class:`Unfit`. All values are immutable, and ``str()`` gives them as they are written in YAML.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeVar

__all__ = [
    "CALL_ID",
    "CSEQ",
    "DEFAULT_DOMAIN",
    "DURATION",
    "DURATION_MATCH",
    "MEGABYTES",
    "METHOD",
    "MOMENT",
    "NUMBER",
    "NUMBER_MATCH",
    "OTHER_MOMENT",
    "PERCENT",
    "PERCENT_MATCH",
    "PLACEHOLDERS",
    "ROUTE",
    "TOLERANCE",
    "VARIABLE",
    "VERSION",
    "Between",
    "CSeq",
    "CountRange",
    "Event",
    "Megabytes",
    "Moment",
    "Route",
    "SecondsRange",
    "Unfit",
    "duration_text",
    "expand",
    "header_lines",
    "is_number",
    "parse_any_moment",
    "parse_bytes",
    "parse_count",
    "parse_cseq",
    "parse_duration",
    "parse_megabytes",
    "parse_moment",
    "parse_number",
    "parse_other_moment",
    "parse_percent",
    "parse_range",
    "parse_rate",
    "parse_rate_or_none",
    "parse_route",
    "parse_share",
    "parse_version",
    "placeholders_in",
    "spoken_duration",
    "whole",
]

# How texts with a meaning are spelled, as regular expressions that JSON Schema (ECMA 262) shares with Python.
NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,6})?"
_PARTS = r"(?:[0-9]{1,3}h[0-9]{1,2}m(?:[0-9]{1,2}s)?|[0-9]{1,4}[hm][0-9]{1,2}s)"
DURATION = rf"(?:{NUMBER}\s*(?:ms|s|m|h)|{_PARTS})"
TOLERANCE = r"(?:±|\+-|\+/-)"
CALL_ID = r"[A-Za-z][A-Za-z0-9_-]{0,63}"
MEGABYTES = r"[1-9][0-9]{0,6}\s*(?:[mM]|[gG])(?:[iI]?[bB])?"
VERSION = r"(?:(?:at least|below) )?[0-9]+(?:\.[0-9]+){0,3}"
METHOD = r"[A-Z][A-Za-z0-9.!%*_+`'~-]{0,31}"
CSEQ = r"last(?:\s*[+-]\s*[0-9]{1,10})?"
ROUTE = r"(?:as given|none|without [A-Za-z0-9.!%*_+`'~-]+|<[^<>]+>[^<>]*)"
VARIABLE = r"\$\{[^{}]*\}"

_COMPARED = r"(?:(?:<=|>=|<|>)\s*|(?:at most|at least|below|above)\s+)"
_EVENT = r"(?:start(?:ed)?|invite|ring(?:ing)?|answer(?:ed)?|transferred|end(?:ed)?)"

PERCENT = rf"{NUMBER}\s*%"
NUMBER_MATCH = rf"(?:any|absent|-?{NUMBER}(?:\s*{TOLERANCE}\s*{NUMBER})?|{_COMPARED}-?{NUMBER})"
DURATION_MATCH = rf"(?:any|absent|{DURATION}(?:\s*{TOLERANCE}\s*{DURATION})?|{_COMPARED}{DURATION})"
PERCENT_MATCH = rf"(?:any|{PERCENT}(?:\s*{TOLERANCE}\s*{PERCENT})?|{_COMPARED}{PERCENT})"
MOMENT = rf"(?:at once|while\s+ringing|(?:after\s+)?{DURATION}|(?:{DURATION}\s+)?after\s+{_EVENT})"
OTHER_MOMENT = rf"(?:{DURATION}|(?:{DURATION}\s+after\s+)?{CALL_ID}(?:\s+is\s+|\.|\s+has\s+){_EVENT})"


def whole(pattern: str) -> str:
    """The pattern for JSON Schema, which else would find it anywhere in a text."""
    return rf"^\s*{pattern}\s*$"


class Unfit(ValueError):
    """A value that can't be what is wanted. A ValueError, because pydantic collects those.

    ``hint`` says what would be right; when it's empty, what the field takes is hint enough.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST = 7 * 24 * 3600.0


def parse_duration(value: object) -> float:
    """Seconds of a text such as ``3s``, ``200ms``, ``1.5m``, ``2h`` or ``9m50s``.

    :raises Unfit: without a unit, with an unknown one, or longer than a week.
    """
    if is_number(value):
        value = f"{value:.10g}"
    if not isinstance(value, str):
        raise Unfit("this is no duration")
    text = value.strip()
    match = re.fullmatch(rf"({NUMBER})\s*([a-zA-Zµ]*)", text, re.ASCII)
    parts = re.findall(r"([0-9]+)([hms])", text) if re.fullmatch(_PARTS, text, re.ASCII) else []
    if match is None and not parts:
        raise Unfit(f"{value[:40]!r} is no duration", _meant_duration(text))
    number, unit = match.groups() if match else parts[0]
    if not unit:
        raise Unfit(f"{number} has no unit", f"{number}s, {number}ms or {number}m (minutes)?")
    if unit not in _UNITS:
        meant = _meant_duration(text)
        hint = f"{meant} U{_OF_TIME[1:]}" if meant else _OF_TIME
        raise Unfit(f"{unit[:20]!r} is no unit of time", hint)
    seconds = round(sum(float(each) * _UNITS[of] for each, of in parts or [(number, unit)]), 6)
    if seconds > _LONGEST:
        raise Unfit(f"{value} is more than a week", "a scenario that takes so long can't be run")
    return seconds


_OF_TIME = "units are ms, s, m (minutes) and h"
_SPELLINGS = {
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "h"),
}
_SMALLER = {"h": "m", "m": "s"}
_ENDLESS = ("forever", "for ever", "infinite", "unlimited", "endless", "never")


def _meant_duration(text: str) -> str:
    """A question for what is most likely meant by a duration in other words; empty where nobody knows.

    ``1min``, ``90 sec``, ``5S``, ``1m30``, ``1m 30s``, ``1 minute 30 seconds``, ``.5s``, ``1d``, ``PT1M30S``.
    """
    if text.strip().lower() in _ENDLESS:
        return "a call that nobody ends is 'hangup: never'; the longest time is a week"
    plain = text.strip().lower().removeprefix("pt").lstrip("+").replace(",", ".")
    pairs = re.findall(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*([a-z]*)", plain)
    if not pairs or re.fullmatch(r"(?:(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*[a-z]*(?:\s*and)?\s*)+", plain) is None:
        return ""
    days, meant, before = 0, "", ""
    for number, word in pairs:
        unit = _SPELLINGS.get(word) or (_SMALLER.get(before) if not word else None)
        if word in ("d", "day", "days") and number.isdecimal():
            days, before = int(number), "d"
            continue
        if days and unit == "h" and number.isdecimal():
            number, days = str(24 * days + int(number)), 0
        if unit is None:
            return ""
        meant += f"{24 * days}h" if days else ""
        meant, before, days = f"{meant}{'0' if number.startswith('.') else ''}{number}{unit}", unit, 0
    meant += f"{24 * days}h" if days else ""
    return f"did you mean {meant}?" if re.fullmatch(DURATION, meant) else ""


def duration_text(seconds: float) -> str:
    """``200ms``, ``3s``, ``1.5s``, ``90s``: the form that a person would write."""
    if 0 < abs(seconds) < 1:
        return f"{seconds * 1000:.6g}ms"
    return f"{seconds:.10g}s"


_LONG = 120.0
"""Seconds from which on a duration is said in minutes and hours."""


def spoken_duration(seconds: float) -> str:
    """``90s``, ``9m57s``, ``1h2s``: what a person would say, in the words of the language."""
    if seconds < _LONG or seconds != int(seconds):
        return duration_text(seconds)
    whole, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(whole, 60)
    said = f"{hours}h" if hours else ""
    said += f"{minutes}m" if minutes else ""
    return said + (f"{rest}s" if rest else "")


@dataclass(frozen=True, slots=True)
class Between:
    """A random value, evenly from ``low`` to ``high``, both included. A fixed value has the two equal."""

    low: float
    high: float

    @property
    def fixed(self) -> bool:
        return self.low == self.high


class SecondsRange(Between):
    """A duration in seconds, fixed or random."""

    __slots__ = ()

    def draw(self, random: Random) -> float:
        return self.low if self.fixed else round(random.uniform(self.low, self.high), 3)

    def __str__(self) -> str:
        if self.fixed:
            return duration_text(self.low)
        return f"{duration_text(self.low)} to {duration_text(self.high)}"


class CountRange(Between):
    """A whole number, fixed or random."""

    __slots__ = ()

    def draw(self, random: Random) -> int:
        return random.randint(int(self.low), int(self.high))

    def __str__(self) -> str:
        return f"{self.low:g}" if self.fixed else f"{self.low:g} to {self.high:g}"


D = TypeVar("D", bound=Between)


def parse_range(value: object, bound: Callable[[object], float], kind: type[D]) -> D:
    """A fixed value, or ``{min: LOW, max: HIGH}``."""
    if not isinstance(value, Mapping):
        fixed = bound(value)
        return kind(fixed, fixed)
    if set(value) != {"min", "max"}:
        raise Unfit("a random value has 'min' and 'max', and nothing else")
    low, high = bound(value["min"]), bound(value["max"])
    if low > high:
        raise Unfit(f"'min' ({value['min']}) is above 'max' ({value['max']})", "exchange them")
    return kind(low, high)


def parse_count(value: object) -> int:
    """A whole number, 1 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10_000_000:
        raise Unfit("this is no whole number of 1 or more")
    return value


DEFAULT_DOMAIN = "sip.test"
"""Domain of the URIs of a call that names none (RFC 6761: nobody's)."""

Event = Literal["started", "ringing", "answered", "transferred", "ended"]
_EVENTS: dict[str, Event] = {
    "started": "started",
    "start": "started",
    "invite": "started",
    "ringing": "ringing",
    "ring": "ringing",
    "answered": "answered",
    "answer": "answered",
    "transferred": "transferred",
    "ended": "ended",
    "end": "ended",
}
_VERBS = {"rings": "ringing", "answers": "answered", "ends": "ended", "starts": "started", "begins": "started"}
_OWN_MOMENT = re.compile(rf"(?:(?P<delay>{DURATION})\s+)?after\s+(?P<event>[a-z]+)")
_OTHER_MOMENT = re.compile(
    rf"(?:(?P<delay>{DURATION})\s+after\s+)?(?P<call>{CALL_ID})(?:\s+is\s+|\.|\s+has\s+)(?P<event>[a-z]+)"
)
_NEARLY_OTHER_MOMENT = re.compile(
    rf"(?:(?P<delay>{DURATION})\s+)?(?:(?:after|when|once|while)\s+)?(?P<call>{CALL_ID})"
    r"(?:\.|\s+(?:is\s+|has\s+|was\s+)?)(?P<event>[a-z]+)"
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
    if not isinstance(value, str):
        raise Unfit("this is no moment")
    text = " ".join(value.split())
    if text == "at once":
        return Moment("started")
    if text == "while ringing":
        return Moment("ringing")
    if re.fullmatch(rf"after {DURATION}", text):
        return Moment(default, parse_duration(text.removeprefix("after ")))
    if re.fullmatch(DURATION, text):
        return Moment(default, parse_duration(text))
    match = _OWN_MOMENT.fullmatch(text)
    if match is None or match["event"] not in _EVENTS:
        raise Unfit(f"{text[:60]!r} is no moment", _nearly_own_moment(text))
    return Moment(_EVENTS[match["event"]], parse_duration(match["delay"]) if match["delay"] else 0.0)


def _nearly_own_moment(text: str) -> str:
    """What a moment of the call itself is likely to mean that isn't written as one; empty where nobody knows."""
    match = re.fullmatch(
        rf"(?:(?P<delay>{DURATION})\s+)?(?:(?:when|once|while|on|is)\s+)?(?P<event>[a-z]+)", text.lower()
    )
    event = _EVENTS.get(_VERBS.get(match["event"], match["event"])) if match else None
    if match is None or event is None:
        return ""
    if match["delay"]:
        return f"{match['delay']} after {event}"
    return "while ringing" if event == "ringing" else f"after {event}"


def parse_other_moment(value: object) -> Moment:
    """A moment in the scenario: ``2s``, ``ana is answered``, ``2s after ana is answered``, or ``{after, delay}``."""
    if isinstance(value, Mapping):
        if not {"after"} <= set(value) <= {"after", "delay"}:
            raise Unfit("a moment has 'after', and may have 'delay'", "{after: ana.answered, delay: 2s}")
        moment = parse_other_moment(value["after"])
        if moment.call is None:
            raise Unfit("'after' names an event of a call", "after: ana.answered (or ringing, ended)")
        return Moment(moment.event, moment.delay + parse_duration(value.get("delay", "0s")), moment.call)
    if not isinstance(value, str):
        if isinstance(value, int | float):
            parse_duration(value)
        raise Unfit("this is no moment")
    text = " ".join(value.split())
    if re.fullmatch(r"[0-9].*", text) and " " not in text:
        return Moment(None, parse_duration(text))
    match = _OTHER_MOMENT.fullmatch(text)
    if match is None or match["event"] not in _EVENTS:
        raise Unfit(f"{text[:60]!r} is no moment", _nearly_other_moment(text))
    return Moment(_EVENTS[match["event"]], parse_duration(match["delay"]) if match["delay"] else 0.0, match["call"])


def _nearly_other_moment(text: str) -> str:
    """What a moment of another call is likely to mean that isn't written as one; empty where nobody knows."""
    if match := re.fullmatch(rf"after ({DURATION})", text):
        return match[1]
    match = _NEARLY_OTHER_MOMENT.fullmatch(text)
    event = _EVENTS.get(_VERBS.get(match["event"], match["event"])) if match else None
    if match is None or event is None:
        return ""
    return str(Moment(event, parse_duration(match["delay"]) if match["delay"] else 0.0, match["call"]))


def parse_any_moment(value: object, default: Event) -> Moment:
    """A moment of the call that says it, as `parse_moment`, or of another call, as `parse_other_moment`.

    Only the second kind names a call.
    """
    try:
        return parse_moment(value, default)
    except Unfit as unfit:
        try:
            moment = parse_other_moment(value)
        except Unfit as other:
            raise (unfit if unfit.hint else other) from None
        return moment if moment.call is not None else Moment(default, moment.delay)


@dataclass(frozen=True, slots=True)
class CSeq:
    """A CSeq number (RFC 3261 section 20.16), or one that is counted from the sender's last."""

    number: int
    relative: bool = False

    def of(self, last: int) -> int:
        """The number itself; below 0 there is none, so 0 at least."""
        return max(0, last + self.number) if self.relative else self.number

    def __str__(self) -> str:
        if not self.relative:
            return str(self.number)
        return f"last {'+' if self.number > 0 else '-'} {abs(self.number)}" if self.number else "last"


def parse_cseq(value: object) -> CSeq:
    """``7``, ``last``, ``last + 5``, ``last - 1``; numbers beyond the RFC's 2**31 are allowed, to be refused."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**20:
        return CSeq(value)
    match = re.fullmatch(r"last(?:\s*([+-])\s*([0-9]{1,10}))?", value.strip()) if isinstance(value, str) else None
    if match is None:
        raise Unfit("this is no CSeq")
    sign, number = match.groups(default="")
    return CSeq(int(f"{sign}{number}" or "0"), relative=True)


@dataclass(frozen=True, slots=True)
class Route:
    """What becomes of a request's route set (RFC 3261 section 12.2.1.1).

    :param kind: ``given`` as the dialog has it, ``none``, ``without`` a URI parameter, or ``values``.
    :param parameter: the parameter that each route is to lack.
    :param values: Route header values, in order.
    """

    kind: Literal["given", "none", "without", "values"] = "given"
    parameter: str = ""
    values: tuple[str, ...] = ()

    def of(self, route_set: Sequence[str]) -> tuple[str, ...]:
        """The Route values of a request whose dialog has this route set."""
        if self.kind == "given":
            return tuple(route_set)
        if self.kind == "without":
            parameter = re.compile(rf";{re.escape(self.parameter)}(?:=[^;>?]*)?(?=[;>?]|$)")
            return tuple(parameter.sub("", route) for route in route_set)
        return self.values

    def __str__(self) -> str:
        words = {"given": "as given", "none": "none", "without": f"without {self.parameter}"}
        return words.get(self.kind) or ", ".join(self.values)


def parse_route(value: object) -> Route:
    """``as given``, ``none``, ``without did``, a Route value (``<sip:...;lr>``), or a list of them."""
    if isinstance(value, str):
        if value in ("as given", "none"):
            return Route("given" if value == "as given" else "none")
        if match := re.fullmatch(r"without ([A-Za-z0-9.!%*_+`'~-]+)", value):
            return Route("without", match[1])
    values = [str(each) for each in (value if isinstance(value, list | tuple) else [value])]
    if values and all("<" in each and not set(each) & {"\n", "\r"} for each in values):
        return Route("values", values=tuple(values))
    raise Unfit("this is no route")


PLACEHOLDERS: dict[str, str] = {
    "call_id": "the call's Call-ID",
    "from": "From of the call's INVITE, its tag included",
    "to": "To of the call's answer, its tag included",
    "from_tag": "the caller's tag",
    "to_tag": "the callee's tag",
    "caller_contact": "the URI in the caller's Contact",
    "callee_contact": "the URI in the callee's Contact",
    "route": "the values of Route, as the sender's route set has them",
    "cseq": "the CSeq number that would come next",
    "branch": "a new branch",
    "authorization": "the credentials of the caller's last INVITE that had any",
    "caller": "the caller's address and port",
    "callee": "address and port of the carrier or phone that answered",
    "sender": "address and port of whoever sends the request",
    "kamailio": "Kamailio's address and port",
    "length": "octets of the body",
}
"""What ``{name}`` stands for in the texts of a request."""

_PLACEHOLDER = re.compile(r"\{(?:(?P<name>[a-z_]+)|(?P<text>[^{}*]{1,64})\*(?P<times>[0-9]{1,6}))\}")


def placeholders_in(text: str) -> list[str]:
    """Each ``{name}`` of a text, whether or not it is one of :data:`PLACEHOLDERS`."""
    return [match["name"] for match in _PLACEHOLDER.finditer(text) if match["name"]]


def expand(text: str, values: Mapping[str, str]) -> str:
    """The text with each ``{name}`` of :data:`PLACEHOLDERS` replaced, and ``{x*1100}`` by 1,100 times ``x``.

    Other braces stay as they are: JSON has them too.

    :param values: by name.
    :raises KeyError: a placeholder whose value isn't known (yet), such as the tag of a callee that never answered.
    """

    def replaced(match: re.Match[str]) -> str:
        if match["name"] is None:
            return match["text"] * int(match["times"])
        return values[match["name"]] if match["name"] in PLACEHOLDERS else match[0]

    return _PLACEHOLDER.sub(replaced, text)


def header_lines(headers: Mapping[str, str | tuple[str, ...]]) -> list[tuple[str, str]]:
    """Names and values of the headers to write, in order; a name with ``absent`` has none."""
    return [
        (name, value)
        for name, values in headers.items()
        for value in (values if isinstance(values, tuple) else (values,))
        if value != "absent"
    ]


def parse_bytes(value: object) -> str:
    """A message as it goes out: a text of which each character is one octet (ISO 8859-1)."""
    if not isinstance(value, str) or not value:
        raise Unfit("this is no text")
    odd = next((character for character in value if ord(character) > 0xFF), None)
    if odd is not None:
        octets = "".join(f"\\x{octet:02x}" for octet in odd.encode("utf-8", "surrogatepass"))
        raise Unfit(f"{odd!r} is more than one octet", f'in double quotes its octets are "{octets}"')
    return value


def parse_number(value: object) -> float:
    """A finite number, from YAML's own or from text."""
    if isinstance(value, str) and re.fullmatch(rf"-?{NUMBER}", value.strip(), re.ASCII):
        number = float(value)
        return int(number) if number.is_integer() else number
    if isinstance(value, int | float) and is_number(value) and abs(value) < 2**63:
        return value
    raise Unfit("this is no number")


def parse_rate(value: object) -> float:
    """Calls per second, more than 0."""
    if not isinstance(value, int | float) or not is_number(value) or not 0 < value <= 1_000_000:
        raise Unfit("this is no number above 0")
    return float(value)


def parse_rate_or_none(value: object) -> float:
    """Calls per second, 0 among them."""
    if is_number(value) and value == 0:
        return 0.0
    try:
        return parse_rate(value)
    except Unfit:
        raise Unfit("this is no number of 0 or more") from None


class Megabytes(int):
    """An amount of memory, as Kamailio counts it: of 1,048,576 octets each."""

    def __str__(self) -> str:
        return f"{int(self)}m"


_MOST_MEGABYTES = 1024 * 1024


def parse_megabytes(value: object) -> Megabytes:
    """An amount of memory, ``256m`` or ``1g``; a terabyte at most."""
    match = re.fullmatch(MEGABYTES, value.strip(), re.ASCII) if isinstance(value, str) else None
    if match is None:
        number = isinstance(value, int) and not isinstance(value, bool) and value > 0
        raise Unfit("this is no amount of memory", f"{value}m, in megabytes" if number else "256m, 1g")
    megabytes = int(re.match("[0-9]+", match[0])[0]) * (1024 if "g" in match[0].lower() else 1)  # type: ignore[index]
    if megabytes > _MOST_MEGABYTES:
        raise Unfit("this is more than Kamailio takes", "1024g at most")
    return Megabytes(megabytes)


def parse_percent(value: object) -> float:
    """A percentage, ``40%`` or ``0.5 %``, as a number from 0 to 100."""
    match = re.fullmatch(rf"({NUMBER})\s*%", value.strip(), re.ASCII) if isinstance(value, str) else None
    if match is None:
        raise Unfit("this is no percentage", _with_per_cent(value))
    if float(match[1]) > 100:
        raise Unfit("this is more than all", "100% at most")
    return float(match[1])


def _with_per_cent(value: object) -> str:
    """A number that lacks its sign."""
    return f"{value}%" if isinstance(value, int | float) and is_number(value) and 0 <= value <= 100 else ""


def parse_share(value: object) -> float:
    """A share of all calls, ``40%`` or ``0.5 %``, as a fraction above 0 and of 1 at most."""
    try:
        percent = parse_percent(value)
    except Unfit as unfit:
        raise Unfit("this is no share", unfit.hint) from None
    if not percent:
        raise Unfit("this is no share")
    return percent / 100


def parse_version(value: object) -> str:
    """``at least 6.1``, ``below 7``, ``"6.0"``; a version that is given alone must be that one."""
    if not isinstance(value, str) or re.fullmatch(VERSION, value) is None:
        raise Unfit("this is no version", 'at least 6.1, below 7, or "6.0" in quotes')
    return value
