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

from harness.scenario import matchers, values
from harness.scenario.matchers import Matcher
from harness.scenario.values import DrawnCount, DrawnSeconds, Moment

__all__ = [
    "DURATION_SCHEMA",
    "CallId",
    "Code",
    "Count",
    "DrawnDuration",
    "DurationMatch",
    "ExchangePath",
    "Flag",
    "FlagMatch",
    "FromAnswer",
    "FromStart",
    "HeaderValues",
    "Int32",
    "Model",
    "NumberMatch",
    "PerSecond",
    "Port",
    "Positive",
    "Repeat",
    "Seconds",
    "StatusMatch",
    "Text",
    "TextMatch",
    "ValueMatch",
    "VersionText",
    "When",
    "Whole",
    "as_schema",
    "drawn_schema",
    "key",
]


def key(description: str, *examples: object, **constraints: Any) -> FieldInfo:
    """What an editor shows for a key."""
    info: FieldInfo = Field(description=description, examples=list(examples), **constraints)
    return info


def as_schema(schema: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema(schema)


DURATION_SCHEMA: dict[str, Any] = {"type": "string", "pattern": values.DURATION_PATTERN}
_COUNT_SCHEMA: dict[str, Any] = {"type": "integer", "minimum": 1}


def drawn_schema(bound: dict[str, Any]) -> dict[str, Any]:
    both = {"min": bound, "max": bound}
    drawn = {"type": "object", "properties": both, "required": ["min", "max"], "additionalProperties": False}
    return {"anyOf": [bound, drawn]}


def _of_type(*types: str) -> WithJsonSchema:
    return as_schema({"type": list(types)})


Text = Annotated[str, Strict(), Field(min_length=1)]
Whole = Annotated[int, Strict(), Field(ge=-(2**53), le=2**53)]
Int32 = Annotated[int, Strict(), Field(ge=-(2**31), lt=2**31)]
Count = Annotated[int, Strict(), Field(ge=0, lt=2**31)]
Positive = Annotated[int, Strict(), Field(ge=1, lt=2**31)]
Port = Annotated[int, Strict(), Field(ge=1, le=65535)]
Code = Annotated[int, Strict(), Field(ge=100, le=699)]
Flag = Annotated[bool, Strict()]
CallId = Annotated[str, Strict(), Field(pattern=rf"^{values.CALL_ID}$")]
HeaderValues = dict[Text, Annotated[str, Strict()]]

ExchangePath = Literal["authorization", "begin", "end"]
"""A request to the agent: ``begin`` is ``/v1/begin_transaction``, and so on."""

Seconds = Annotated[float, PlainValidator(values.parse_duration), as_schema(DURATION_SCHEMA)]
DrawnDuration = Annotated[
    DrawnSeconds,
    PlainValidator(lambda value: values.parse_drawn(value, values.parse_duration, DrawnSeconds)),
    as_schema(drawn_schema(DURATION_SCHEMA)),
]
Repeat = Annotated[
    DrawnCount,
    PlainValidator(lambda value: values.parse_drawn(value, values.parse_count, DrawnCount)),
    as_schema(drawn_schema(_COUNT_SCHEMA)),
]
PerSecond = Annotated[float, PlainValidator(values.parse_rate), as_schema({"type": "number", "exclusiveMinimum": 0})]
FromStart = Annotated[
    Moment, PlainValidator(lambda v: values.parse_moment(v, "started")), as_schema({"type": "string"})
]
FromAnswer = Annotated[Moment, PlainValidator(lambda v: values.parse_moment(v, "answered")), _of_type("string")]
When = Annotated[Moment, PlainValidator(values.parse_other_moment), as_schema({"type": ["string", "object"]})]
TextMatch = Annotated[Matcher, PlainValidator(matchers.parse_text_matcher), _of_type("string")]
NumberMatch = Annotated[Matcher, PlainValidator(matchers.parse_number_matcher), _of_type("number", "string")]
DurationMatch = Annotated[Matcher, PlainValidator(matchers.parse_duration_matcher), _of_type("string")]
StatusMatch = Annotated[
    Matcher, PlainValidator(matchers.parse_status_matcher), _of_type("integer", "string", "array")
]
ValueMatch = Annotated[Matcher, PlainValidator(matchers.parse_any_matcher), as_schema({})]
FlagMatch = Annotated[Matcher, PlainValidator(matchers.parse_flag_matcher), _of_type("boolean", "string")]
VersionText = Annotated[str, PlainValidator(values.parse_version), as_schema({"type": "string"})]


class Model(BaseModel):
    """Base of all: immutable, and nothing but the named keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shorthand: ClassVar[str] = ""
    """The key that is meant when the author writes a plain value in place of a mapping."""

    @model_validator(mode="before")
    @classmethod
    def _from_shorthand(cls, value: Any) -> Any:
        return {cls.shorthand: value} if cls.shorthand and not isinstance(value, dict) else value

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
