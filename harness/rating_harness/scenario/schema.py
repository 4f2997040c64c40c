"""The JSON Schema with which editors complete and check scenarios, made from the model."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from rating_harness.scenario.fields import Model
from rating_harness.scenario.includes import Shared
from rating_harness.scenario.model import Scenario
from rating_harness.scenario.values import VARIABLE

__all__ = ["VERSION", "scenario_schema", "shared_schema"]

VERSION = 1
_FREE = ("variables", "matrix", "use")
_VARIABLE: dict[str, Any] = {"$ref": "#/$defs/Variable"}


def scenario_schema() -> dict[str, Any]:
    """The schema of a scenario file."""
    return _schema(Scenario, "scenario")


def shared_schema() -> dict[str, Any]:
    """The schema of a file that scenarios ``use``."""
    return _schema(Shared, "shared")


class _Generator(GenerateJsonSchema):
    """No default but a plain one: an editor would offer the rest as if it were to be written."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if isinstance(schema.get("default"), bool | int | str):
            return super().default_schema(schema)
        return self.generate_inner(schema["schema"])

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def _schema(model: type[Model], name: str) -> dict[str, Any]:
    generated = model.model_json_schema(by_alias=True, schema_generator=_Generator)
    definitions = {key: _adapted(value) for key, value in generated.pop("$defs", {}).items()}
    _describe_rows(generated)
    definitions["Variable"] = {
        "type": "string",
        "pattern": VARIABLE,
        "description": "A value of `variables` or of the row of `matrix`.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:rating-harness:{name}:{VERSION}",
        **_adapted(generated),
        "$defs": dict(sorted(definitions.items())),
    }


def _describe_rows(schema: dict[str, Any]) -> None:
    """Say of the matrix' rows that ``requires`` is one of the language's keys, where there is a matrix."""
    for choice in schema["properties"].get("matrix", {}).get("anyOf", []):
        if choice["type"] == "array":
            requires = {
                "description": "What this row needs besides.",
                "anyOf": [{"$ref": "#/$defs/Requires"}, _VARIABLE],
            }
            choice["items"] = {**choice["items"], "properties": {"requires": requires}}


def _adapted(schema: dict[str, Any]) -> dict[str, Any]:
    """Without pydantic's titles, and with ``${name}`` allowed in place of each value."""
    adapted = {key: value for key, value in schema.items() if key != "title"}
    if "anyOf" in adapted and "properties" not in adapted:
        adapted["anyOf"] = [_adapted(choice) for choice in adapted["anyOf"]]
    if "properties" in adapted:
        adapted["properties"] = {
            key: value if key in _FREE else _or_variable(value) for key, value in schema["properties"].items()
        }
    return adapted


def _or_variable(schema: dict[str, Any]) -> dict[str, Any]:
    about: dict[str, Any] = {key: schema[key] for key in ("description", "examples", "default") if key in schema}
    value = {key: inner for key, inner in schema.items() if key not in about and key != "title"}
    if isinstance(value.get("items"), dict):
        value["items"] = _or_variable(value["items"])
    if isinstance(value.get("patternProperties"), dict):
        value["patternProperties"] = {key: _or_variable(each) for key, each in value["patternProperties"].items()}
        value["additionalProperties"] = False
    if isinstance(value.get("additionalProperties"), dict):
        value["additionalProperties"] = _or_variable(value["additionalProperties"])
    if not value or (value.get("type") == "string" and not {"pattern", "enum", "const"} & value.keys()):
        return {**about, **value}
    choices = value["anyOf"] if set(value) == {"anyOf"} else [value]
    return {**about, "anyOf": [*choices, _VARIABLE]}
