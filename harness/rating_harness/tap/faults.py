"""Faults as values: what goes wrong, and for which requests.

Every fault has one JSON form, the same in both directions::

    {"action": {"kind": "answer", "status": 503}, "delay": 0.5,
     "path": "authorization", "match": {"account_tag": {"regex": "^10"}}, "nth": 2}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from rating_harness.errors import UsageError
from rating_harness.rating.json_path import MISSING, value_at
from rating_harness.rating.request_texts import path_texts

if TYPE_CHECKING:
    from pydantic import ConfigDict, GetCoreSchemaHandler, TypeAdapter
    from pydantic_core import CoreSchema

__all__ = [
    "Action",
    "Answer",
    "Close",
    "Drip",
    "Duplicate",
    "Edit",
    "Encoded",
    "Fault",
    "FaultState",
    "Garbage",
    "Malformed",
    "Partial",
    "Pass",
    "Refuse",
    "Regex",
    "RegexTimeout",
    "Reset",
    "Silence",
    "parse_faults",
]

REGEX_SECONDS = 0.1
"""The longest that a fault's pattern may look at one field: the tap handles all requests in one thread."""

Moment = Literal["request", "upstream"]
"""After the tap has read the request (the agent never sees it), or after the agent has answered it."""


class _Strict:
    """Unknown keys are errors, wherever a fault comes from."""

    __slots__ = ()
    __pydantic_config__: ClassVar[ConfigDict] = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class Pass(_Strict):
    """The agent's answer as it is; what goes wrong is its time (`Fault.late`, `Fault.delay`)."""

    kind: Literal["pass"] = "pass"


@dataclass(frozen=True, slots=True)
class Silence(_Strict):
    """No answer, ever. The connection is held until the client goes."""

    after: Moment = "request"
    kind: Literal["silence"] = "silence"


@dataclass(frozen=True, slots=True)
class Answer(_Strict):
    """The tap answers itself; the agent gets no request. A body that isn't text is sent as JSON."""

    status: int = 200
    body: Any = field(default="", hash=False)
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    kind: Literal["answer"] = "answer"

    def __post_init__(self) -> None:
        if not 200 <= self.status <= 999:
            raise UsageError("an answer has no such status", expected="200 to 999", found=str(self.status))


@dataclass(frozen=True, slots=True)
class Edit(_Strict):
    """The agent's JSON answer with keys set (to values of a wrong type, say) and removed.

    A key may be a place further down, as a dotted path (`rating_harness.rating.json_path`).
    """

    set: Mapping[str, Any] = field(default_factory=dict, hash=False)
    remove: tuple[str, ...] = ()
    kind: Literal["edit"] = "edit"


@dataclass(frozen=True, slots=True)
class Malformed(_Strict):
    """The first half of the agent's body, as a whole HTTP answer: sound HTTP, broken JSON."""

    kind: Literal["malformed"] = "malformed"


@dataclass(frozen=True, slots=True)
class Partial(_Strict):
    """The agent's answer with its full length announced and so many bytes of the body sent; then the end, or silence.

    :param size: None for half of the body.
    """

    then: Literal["close", "hang"] = "close"
    size: int | None = None
    kind: Literal["partial"] = "partial"

    def __post_init__(self) -> None:
        _at_least(0, "size", self.size or 0)


@dataclass(frozen=True, slots=True)
class Drip(_Strict):
    """The agent's answer, headers included, in pieces of so many bytes, so many seconds apart."""

    size: int = 8
    interval: float = 0.3
    kind: Literal["drip"] = "drip"

    def __post_init__(self) -> None:
        _at_least(1, "size", self.size)
        _at_least(0, "interval", self.interval)


@dataclass(frozen=True, slots=True)
class Encoded(_Strict):
    """The agent's answer in chunks (RFC 9112, section 7.1), or compressed, whether the client accepts that or not."""

    encoding: Literal["chunked", "gzip"]
    kind: Literal["encoded"] = "encoded"


@dataclass(frozen=True, slots=True)
class Reset(_Strict):
    """A TCP reset instead of an answer. curl sends a POST again when that happens on a kept-alive connection."""

    after: Moment = "request"
    kind: Literal["reset"] = "reset"


@dataclass(frozen=True, slots=True)
class Close(_Strict):
    """The end of the connection (FIN) instead of an answer."""

    after: Moment = "request"
    kind: Literal["close"] = "close"


@dataclass(frozen=True, slots=True)
class Garbage(_Strict):
    """Something that isn't HTTP, then the end of the connection."""

    data: str = "\x16\x03\x01 this is no HTTP\r\n"
    kind: Literal["garbage"] = "garbage"


@dataclass(frozen=True, slots=True)
class Duplicate(_Strict):
    """The agent gets the request twice, one after the other; the client gets one of the answers."""

    answer: Literal["first", "last"] = "first"
    kind: Literal["duplicate"] = "duplicate"


@dataclass(frozen=True, slots=True)
class Refuse(_Strict):
    """As long as it is armed, connections are refused; open ones are closed as soon as nothing is in hand."""

    kind: Literal["refuse"] = "refuse"


class _ByKind:
    """A value's ``kind`` says which of a union's classes it is: pydantic's ``Field``, imported when it's needed."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic import Field

        return handler.generate_schema(Annotated[source, Field(discriminator="kind")])


Action = Annotated[
    Pass
    | Silence
    | Answer
    | Edit
    | Malformed
    | Partial
    | Drip
    | Encoded
    | Reset
    | Close
    | Garbage
    | Duplicate
    | Refuse,
    _ByKind(),
]


@dataclass(frozen=True, slots=True)
class Regex(_Strict):
    """A pattern that has to be found somewhere in a request's field."""

    regex: str

    def __post_init__(self) -> None:
        import regex

        try:
            regex.compile(self.regex)
        except regex.error as error:
            raise UsageError(f"{self.regex!r} is no regular expression: {error}") from None

    def is_found_in(self, text: str) -> bool:
        """Whether the pattern matches somewhere in the text.

        :raises RegexTimeout: after `REGEX_SECONDS`, since patterns with nested repeats can take for ever.
        """
        import regex

        try:
            return regex.search(self.regex, text, timeout=REGEX_SECONDS) is not None
        except TimeoutError:
            raise RegexTimeout(
                f"the regular expression {self.regex!r} took longer than {REGEX_SECONDS:g} s",
                hint="don't repeat a group that itself repeats",
            ) from None


class RegexTimeout(UsageError):
    """A fault's pattern couldn't be tried on a request in time."""


@dataclass(frozen=True, slots=True)
class Fault(_Strict):
    """What goes wrong, and for which requests.

    Of several faults that fit a request, the first in the list is applied, alone.

    :param late: seconds by which the request reaches the agent late, even when the client has given up by then.
    :param delay: seconds by which the answer, or what stands for it, comes late: the agent has done its work by then.
    :param path: the whole path, whose segments may be placeholders (``/calls/{call_id}/start``), or its last segment
        (``authorization``); None for every path.
    :param match: key of the request's JSON body, or a dotted path -> its value, or a `Regex`; all of them must fit.
        What the body hasn't got is looked for in the path's placeholders, a form, and the query, where all is text.
    :param nth: the first request to be affected, counted from 1 among those that fit while the fault is armed.
    :param count: how many requests are affected, from that one on; None for all.
    :param armed: whether it is in force.
    :param id: its name; the tap gives it one when it has none.
    """

    action: Action = field(default_factory=Pass)
    late: float = 0.0
    delay: float = 0.0
    path: str | None = None
    match: Mapping[str, str | int | float | bool | Regex | None] = field(default_factory=dict, hash=False)
    nth: int = 1
    count: int | None = None
    armed: bool = True
    id: str = ""

    def __post_init__(self) -> None:
        for name in ("late", "delay"):
            _at_least(0, name, getattr(self, name))
        _at_least(1, "nth", self.nth)
        _at_least(1, "count", 1 if self.count is None else self.count)
        requests = (self.path, self.match, self.nth > 1, self.count, self.late, self.delay)
        if self.action.kind == "refuse" and any(requests):
            raise UsageError(
                "'refuse' concerns connections, which have no path, fields, number or time",
                hint="leave these out, and arm and disarm the fault",
            )

    @property
    def kind(self) -> str:
        """In a word: the action's kind; ``late`` or ``delay`` when nothing else goes wrong."""
        if self.action.kind != "pass":
            return self.action.kind
        return "late" if self.late else "delay" if self.delay else "pass"

    def concerns(self, path: str) -> bool:
        if self.path is None or self.path in (path, path.rsplit("/", 1)[-1]):
            return True
        return "{" in self.path and path_texts(self.path, path) is not None

    def matches(self, body: Any, texts: Mapping[str, str]) -> bool:
        """Whether the parsed body, or else the request's path, form or query, has the fields that the fault names."""
        return all(self._has(key, expected, body, texts) for key, expected in self.match.items())

    def _has(self, key: str, expected: object, body: Any, texts: Mapping[str, str]) -> bool:
        found = value_at(body, key)
        if found is not MISSING:
            return _fits(expected, found)
        wanted = expected if isinstance(expected, Regex) else str(expected)
        return key in texts and _fits(wanted, texts[key])


@dataclass(frozen=True, slots=True)
class FaultState:
    """A fault as the tap has it: ``seen`` requests that it fits so far, and how often it was ``applied``."""

    fault: Fault
    seen: int = 0
    applied: int = 0


@cache
def _faults() -> TypeAdapter[list[Fault]]:
    from pydantic import TypeAdapter

    return TypeAdapter(list[Fault])


def parse_faults(text: bytes) -> list[Fault]:
    """Faults from their JSON: a list of them.

    :raises UsageError: naming every mistake.
    """
    if text.strip() == b"[]":
        return []  # as most scenarios have it: what reads others is imported for those that have one
    from pydantic import ValidationError

    try:
        return _faults().validate_json(text)
    except ValidationError as error:
        mistakes = [f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}" for each in error.errors()]
        raise UsageError("these are no faults", detail="\n".join(mistakes)) from None


def _fits(expected: object, found: object) -> bool:
    if isinstance(expected, Regex):
        return expected.is_found_in(str(found))
    return type(expected) is type(found) and expected == found


def _at_least(least: float, name: str, value: float) -> None:
    if not value >= least:
        raise UsageError(f"{name!r} is out of range", expected=f"{least} or more", found=str(value))
