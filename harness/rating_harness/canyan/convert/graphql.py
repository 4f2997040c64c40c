"""What GraphQL requests ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import FieldNode, GraphQLError, OperationDefinitionNode, OperationType, parse, value_from_ast_untyped

__all__ = ["Field", "Kind", "fields_of"]

Kind = OperationType


@dataclass(frozen=True, slots=True)
class Field:
    """A top-level field of an operation. ``alias`` is its name in the answer."""

    name: str
    arguments: Mapping[str, Any]
    alias: str


def fields_of(payload: Mapping[str, Any] | None, kind: OperationType) -> tuple[Field, ...]:
    """The fields of a request's operations of that kind; none when it isn't GraphQL."""
    try:
        return tuple(_fields((payload or {}).get("query"), (payload or {}).get("variables"), kind))
    except GraphQLError:
        return ()


def _fields(query: Any, variables: Any, kind: OperationType) -> Iterator[Field]:
    for operation in parse(query).definitions if isinstance(query, str) else ():
        if isinstance(operation, OperationDefinitionNode) and operation.operation == kind:
            for node in operation.selection_set.selections:
                if isinstance(node, FieldNode):
                    arguments = {
                        each.name.value: value_from_ast_untyped(each.value, variables)
                        for each in node.arguments or ()
                    }
                    yield Field(node.name.value, arguments, node.alias.value if node.alias else node.name.value)
