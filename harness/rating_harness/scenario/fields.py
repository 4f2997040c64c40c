"""The types of the fields, the base of the models, and what an editor shows for a key."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainValidator,
    Strict,
    WithJsonSchema,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from rating_harness.scenario import matchers, values
from rating_harness.scenario.matchers import Matcher
from rating_harness.scenario.values import CountRange, CSeq, Moment, Route, SecondsRange

__all__ = [
    "AnyMoment",
    "CSeqNumber",
    "CSeqStart",
    "CallId",
    "CallRef",
    "Count",
    "CountOrPercentMatch",
    "DurationMatch",
    "DurationOrRange",
    "ExchangePath",
    "Flag",
    "FlagMatch",
    "FromAnswer",
    "FromStart",
    "HeaderMatch",
    "HeaderMatches",
    "HeaderValues",
    "HostName",
    "HttpStatus",
    "Int32",
    "Memory",
    "MethodName",
    "Model",
    "No",
    "NumberMatch",
    "Outage",
    "PartMatch",
    "PerCent",
    "PerSecond",
    "PerSecondOrNone",
    "PercentMatch",
    "Port",
    "Positive",
    "Provisional",
    "Raw",
    "RawBytes",
    "Reason",
    "Refusing",
    "Repeat",
    "RouteSet",
    "Seconds",
    "Share",
    "StatusMatch",
    "StatusName",
    "Takes",
    "Text",
    "TextMatch",
    "Times",
    "Users",
    "ValueMatch",
    "VersionText",
    "When",
    "Whole",
    "WholeSecondsMatch",
    "Yes",
    "key",
]


class Takes(str):
    """What a field takes, in words: for the hints of mistakes."""

    __slots__ = ()


def key(description: str, *examples: object, **constraints: Any) -> FieldInfo:
    """What an editor shows for a key."""
    info: FieldInfo = Field(description=description, examples=list(examples), **constraints)
    return info


def _or_range(bound: dict[str, Any]) -> WithJsonSchema:
    both = {"min": bound, "max": bound}
    limits = {"type": "object", "properties": both, "required": ["min", "max"], "additionalProperties": False}
    return WithJsonSchema({"anyOf": [bound, limits]})


def _spelled(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": values.whole(pattern)}


_ROUTE_VALUE = {"type": "string", "pattern": "<"}
_DURATION = _spelled(values.DURATION)
_STATUS = {
    "anyOf": [{"type": "integer", "minimum": 100, "maximum": 699}, _spelled(r"(?:[1-6](?:xx|XX)|any|absent)")],
}
_OTHER_MOMENT: dict[str, Any] = {
    "type": "object",
    "properties": {"after": _spelled(values.OTHER_MOMENT), "delay": _DURATION},
    "required": ["after"],
    "additionalProperties": False,
}

Text = Annotated[str, Strict(), Field(min_length=1), Takes("a text")]
Raw = Annotated[str, Strict(), Takes("a text")]
Whole = Annotated[int, Strict(), Field(ge=-(2**53), le=2**53), Takes("a whole number")]
Int32 = Annotated[int, Strict(), Field(ge=-(2**31), lt=2**31), Takes("a whole number")]
Count = Annotated[int, Strict(), Field(ge=0, lt=2**31), Takes("a whole number, 0 or more")]
Positive = Annotated[int, Strict(), Field(ge=1, lt=2**31), Takes("a whole number, 1 or more")]
PerCent = Annotated[int, Strict(), Field(ge=1, le=90), Takes("a percentage from 1 to 90, as a whole number: 10")]
Port = Annotated[int, Strict(), Field(ge=1, le=65535), Takes("a port from 1 to 65535")]
Provisional = Annotated[int, Strict(), Field(ge=100, le=199), Takes("a provisional status, 100 to 199")]
Refusing = Annotated[int, Strict(), Field(ge=300, le=699), Takes("a status that refuses, 300 to 699")]
HttpStatus = Annotated[int, Strict(), Field(ge=200, le=599), Takes("a final HTTP status, 200 to 599")]
Flag = Annotated[bool, Strict(), Takes("true or false")]
Reason = Annotated[str, Strict(), Field(min_length=1), Takes("the reason, in words")]
No = Annotated[Literal[False], Takes("false")]
Yes = Annotated[Literal[True], Takes("true (or leave the key out)")]
CallId = Annotated[
    str, Strict(), Field(pattern=rf"^{values.CALL_ID}$"), Takes("a name: a letter, then letters, digits, - or _")
]
CallRef = Annotated[str, Strict(), Field(pattern=rf"^{values.CALL_ID}$"), Takes("the id of a call")]
HeaderValue = Annotated[Raw | tuple[Raw, ...], Takes("a text, or a list of them")]
HeaderValues = dict[Text, HeaderValue]
MethodName = Annotated[
    str, Strict(), Field(pattern=rf"^{values.METHOD}$"), Takes("a method in capital letters: BYE, OPTIONS, REFER")
]
CSeqStart = Annotated[int, Strict(), Field(ge=0, lt=2**33), Takes("a whole number, 0 or more")]
HostName = Annotated[
    str, Strict(), Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$"), Takes("a host name")
]
Times = Annotated[int, Strict(), Field(ge=1, le=100_000), Takes("a whole number from 1 to 100000")]
CSeqNumber = Annotated[
    CSeq,
    PlainValidator(values.parse_cseq),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, _spelled(values.CSEQ)]}),
    Takes("a number, or: last, last + 5, last - 1"),
]
RouteSet = Annotated[
    Route,
    PlainValidator(values.parse_route),
    WithJsonSchema({"anyOf": [_spelled(values.ROUTE), {"type": "array", "items": _ROUTE_VALUE, "minItems": 1}]}),
    Takes("as given, none, without did, or values for Route in < >"),
]
RawBytes = Annotated[
    str,
    PlainValidator(values.parse_bytes),
    WithJsonSchema({"type": "string", "minLength": 1}),
    Takes("a text of octets, with escapes in double quotes"),
]

ExchangePath = Literal["authorization", "begin", "end"]
"""A request to the agent: ``begin`` is ``/v1/begin_transaction``, and so on."""

Seconds = Annotated[
    float, PlainValidator(values.parse_duration), WithJsonSchema(_DURATION), Takes("a duration: 3s, 200ms, 1m")
]
DurationOrRange = Annotated[
    SecondsRange,
    PlainValidator(lambda value: values.parse_range(value, values.parse_duration, SecondsRange)),
    _or_range(_DURATION),
    Takes("a duration (3s, 200ms, 1m), or {min: 1s, max: 3s} for a random one"),
]
Outage = Annotated[
    Literal[True] | float,
    PlainValidator(lambda value: value if value is True else values.parse_duration(value)),
    WithJsonSchema({"anyOf": [{"const": True}, _DURATION]}),
    Takes("a duration (2s), or true for good"),
]
Repeat = Annotated[
    CountRange,
    PlainValidator(lambda value: values.parse_range(value, values.parse_count, CountRange)),
    _or_range({"type": "integer", "minimum": 1}),
    Takes("a whole number, 1 or more, or {min: 10, max: 20} for a random one"),
]
PerSecond = Annotated[
    float,
    PlainValidator(values.parse_rate),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0}),
    Takes("a number of calls per second"),
]
PerSecondOrNone = Annotated[
    float,
    PlainValidator(values.parse_rate_or_none),
    WithJsonSchema({"type": "number", "minimum": 0}),
    Takes("a number of calls per second, or 0"),
]
Memory = Annotated[
    values.Megabytes,
    PlainValidator(values.parse_megabytes),
    WithJsonSchema(_spelled(values.MEGABYTES)),
    Takes("an amount of memory: 16m, 256m, 1g"),
]
Users = Annotated[Text | tuple[Text, ...], Takes("a text, or a list of them")]
Share = Annotated[
    float,
    PlainValidator(values.parse_share),
    WithJsonSchema(_spelled(rf"{values.NUMBER}\s*%")),
    Takes("a share: 40%, 0.5%"),
]
FromStart = Annotated[
    Moment,
    PlainValidator(lambda value: values.parse_moment(value, "started")),
    WithJsonSchema(_spelled(values.MOMENT)),
    Takes("a moment: at once, while ringing, after 200ms, 2s after ringing"),
]
FromAnswer = Annotated[
    Moment,
    PlainValidator(lambda value: values.parse_moment(value, "answered")),
    WithJsonSchema(_spelled(values.MOMENT)),
    Takes("a moment: after 2s (of the answer), while ringing, 2s after ringing"),
]
AnyMoment = Annotated[
    Moment,
    PlainValidator(lambda value: values.parse_any_moment(value, "answered")),
    WithJsonSchema({"anyOf": [_spelled(values.MOMENT), _spelled(values.OTHER_MOMENT)]}),
    Takes("a moment: after 2s (of the answer), while ringing, 500ms after end, bob is answered"),
]
When = Annotated[
    Moment,
    PlainValidator(values.parse_other_moment),
    WithJsonSchema({"anyOf": [_spelled(values.OTHER_MOMENT), _OTHER_MOMENT]}),
    Takes("a moment: 2s, ana is answered, 2s after ana is answered"),
]
VersionText = Annotated[
    str,
    PlainValidator(values.parse_version),
    WithJsonSchema(_spelled(values.VERSION)),
    Takes('a version: at least 6.1, below 7, "6.0"'),
]
TextMatch = Annotated[
    Matcher,
    PlainValidator(matchers.parse_text_matcher),
    WithJsonSchema({"type": "string"}),
    Takes("a text, /a regular expression/, any, absent"),
]
HeaderMatch = Annotated[
    Matcher | tuple[Matcher, ...],
    PlainValidator(matchers.parse_header_matcher),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
    Takes("a text, /a regular expression/, any, absent, or a list with one for each header of the name"),
]
HeaderMatches = dict[Text, HeaderMatch]
NumberMatch = Annotated[
    Matcher,
    PlainValidator(matchers.parse_whole_matcher),
    WithJsonSchema({"anyOf": [{"type": "integer"}, _spelled(values.NUMBER_MATCH)]}),
    Takes("a whole number: 3, 0 ± 1, at least 2, below 5, any, absent"),
]
DurationMatch = Annotated[
    Matcher,
    PlainValidator(matchers.parse_duration_matcher),
    WithJsonSchema(_spelled(values.DURATION_MATCH)),
    Takes("a duration: 3s, 3s ± 1s, below 200ms, any, absent"),
]
WholeSecondsMatch = Annotated[
    Matcher,
    PlainValidator(matchers.parse_whole_seconds_matcher),
    WithJsonSchema(_spelled(values.DURATION_MATCH)),
    Takes("a duration in whole seconds: 3s, 3s ± 1s, below 5s, any, absent"),
]
StatusMatch = Annotated[
    Matcher,
    PlainValidator(matchers.parse_status_matcher),
    WithJsonSchema({"anyOf": [_STATUS, {"type": "array", "items": _STATUS, "minItems": 1}]}),
    Takes("a status from 100 to 699, a class such as 4xx, or a list of them"),
]
PercentMatch = Annotated[
    Matcher,
    PlainValidator(matchers.parse_percent_matcher),
    WithJsonSchema(_spelled(values.PERCENT_MATCH)),
    Takes("a percentage: 60%, 60% ± 5%, at least 55%, any"),
]
CountOrPercentMatch = Annotated[
    Matcher,
    PlainValidator(matchers.parse_count_or_percent_matcher),
    WithJsonSchema({"anyOf": [{"type": "integer"}, _spelled(values.NUMBER_MATCH), _spelled(values.PERCENT_MATCH)]}),
    Takes("a whole number or a percentage: 3, at least 2, 60%, 60% ± 5%, any, absent"),
]
StatusName = Annotated[
    str, Strict(), Field(pattern=r"^[1-6]([0-9][0-9]|xx|XX)$"), Takes("a status or a class: 200, 4xx")
]
FlagMatch = Annotated[
    Matcher,
    PlainValidator(matchers.parse_flag_matcher),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, _spelled("(?:any|absent)")]}),
    Takes("true, false, any, absent"),
]
ValueMatch = Annotated[
    Matcher,
    PlainValidator(matchers.parse_any_matcher),
    WithJsonSchema({}),
    Takes("any value, 3 ± 1, /a regular expression/, any, absent"),
]
PartMatch = Annotated[
    Matcher,
    PlainValidator(matchers.parse_part_matcher),
    WithJsonSchema({}),
    Takes("any value, 3 ± 1, /a regular expression/, any, absent; a part of a mapping or of a list"),
]


class Model(BaseModel):
    """Base of all: immutable, and nothing but the named keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    shorthand: ClassVar[str] = ""
    """The key that is meant when the author writes a plain value in place of a mapping."""

    meanings: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Words that aren't keys here, apart by spaces, and what says what they mean."""

    @classmethod
    def meaning(cls, word: str) -> str | None:
        """What says what ``word`` means, if it has a meaning without being a key."""
        return next((hint for words, hint in cls.meanings if word.lower().replace("-", "_") in words.split()), None)

    @model_validator(mode="before")
    @classmethod
    def _from_shorthand(cls, value: Any) -> Any:
        return {cls.shorthand: value} if cls.shorthand and not isinstance(value, dict | cls) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        if not cls.shorthand:
            return schema
        mapping = handler.resolve_ref_schema(schema)
        short = {name: value for name, value in mapping["properties"][cls.shorthand].items() if name != "default"}
        body = dict(mapping)
        mapping.clear()
        mapping.update(anyOf=[short, body], description=body.get("description", ""))
        return schema
