"""The scalars of both schemas, and types by their notation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLError,
    GraphQLID,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLScalarType,
    GraphQLString,
    ValueNode,
)
from graphql.language import IntValueNode, StringValueNode

from rating_harness.rating.engine import timestamps

__all__ = ["TypeFactory"]

_LARGEST_INT = 2**31 - 1
_LARGEST_BIG_INT = 2**63 - 1


def _big_int_out(value: Any) -> int | float:
    """Beyond 32 bits a float (``Quirk.BIG_FLOATS``)."""
    return value if -_LARGEST_INT - 1 <= value <= _LARGEST_INT else float(value)


def _big_int_in(value: Any) -> int:
    number = int(float(value)) if isinstance(value, str) and not value.lstrip("-").isdecimal() else int(value)
    if not -_LARGEST_BIG_INT - 1 <= number <= _LARGEST_BIG_INT:
        raise GraphQLError(f"BigInt holds 64 bits, not {value}")
    return number


def _big_int_literal(node: ValueNode, _: dict[str, Any] | None = None) -> int:
    if not isinstance(node, IntValueNode):
        raise GraphQLError("BigInt is written as an integer", node)
    return _big_int_in(int(node.value))


def _instant_in(value: Any) -> int:
    instant = timestamps.from_text(value) if isinstance(value, str) else None
    if instant is None:
        raise GraphQLError(f"DateTime is ISO 8601, such as 2020-05-01T12:00:00Z, not {value!r}")
    return instant


def _date_in(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 10 or timestamps.from_text(f"{value}T00:00") is None:
        raise GraphQLError(f"Date is YYYY-MM-DD, not {value!r}")
    return value


def _text_literal(parse_text: Callable[[Any], Any]) -> Callable[..., Any]:
    def from_literal(node: ValueNode, _: dict[str, Any] | None = None) -> Any:
        return parse_text(node.value if isinstance(node, StringValueNode) else None)

    return from_literal


BIG_INT = GraphQLScalarType("BigInt", serialize=_big_int_out, parse_value=_big_int_in, parse_literal=_big_int_literal)
DATE_TIME = GraphQLScalarType(
    "DateTime", serialize=timestamps.to_text, parse_value=_instant_in, parse_literal=_text_literal(_instant_in)
)
DATE = GraphQLScalarType("Date", parse_value=_date_in, parse_literal=_text_literal(_date_in))


class TypeFactory:
    """Types by the notation of a schema: ``[String]``, ``AccountType!``."""

    def __init__(self) -> None:
        scalars = (GraphQLID, GraphQLString, GraphQLInt, GraphQLBoolean, BIG_INT, DATE_TIME, DATE)
        self._named: dict[str, Any] = {scalar.name: scalar for scalar in scalars}

    def add(self, named: Any) -> None:
        self._named[named.name] = named

    def __call__(self, notation: str) -> Any:
        if notation.endswith("!"):
            return GraphQLNonNull(self(notation[:-1]))
        if notation.startswith("["):
            return GraphQLList(self(notation[1:-1]))
        return self._named[notation]
