"""The agent's GraphQL schema: its five operations as mutations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInt,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
    specified_directives,
)

from rating_harness.rating.engine import timestamps
from rating_harness.rating.engine.calls import CallRequest
from rating_harness.rating.engine.types import TypeFactory

__all__ = ["agent_schema"]

_NAMES = {"tenant": "ID", "transaction_tag": "String!", "account_tag": "String", "destination_account_tag": "String"}
_ADDRESSES = dict.fromkeys(("source", "source_ip", "destination", "carrier_ip"), "String")
_TAGS = {"tags": "[String]"}

_MUTATIONS: dict[str, tuple[str, dict[str, str]]] = {
    "authorization": ("authorization", {**_ADDRESSES, "timestamp_auth": "DateTime"}),
    "beginTransaction": ("begin_transaction", {**_ADDRESSES, **_TAGS, "timestamp_begin": "DateTime"}),
    "endTransaction": ("end_transaction", {"timestamp_end": "DateTime"}),
    "rollbackTransaction": ("rollback_transaction", {}),
    "recordTransaction": (
        "record_transaction",
        {
            **_ADDRESSES,
            **_TAGS,
            "authorized": "Boolean",
            "unauthorized_reason": "String",
            **dict.fromkeys(("timestamp_auth", "timestamp_begin", "timestamp_end"), "DateTime"),
        },
    ),
}
_AUTHORIZATION = {
    "authorized": "Boolean",
    "authorized_destination": "Boolean",
    "unauthorized_account_tag": "String",
    "unauthorized_reason": "String",
    "max_available_units": "Int",
    "balance": "BigInt",
    "carriers": "[String]",
}

Work = Callable[[CallRequest], dict[str, Any]]


def agent_schema(operations: dict[str, Work]) -> GraphQLSchema:
    """The schema.

    :param operations: what answers, by the last part of the REST path.
    """
    types = TypeFactory()

    def response(name: str) -> GraphQLObjectType:
        own = _AUTHORIZATION if name == "authorization" else {"ok": "Boolean"}
        fields = {field: GraphQLField(types(type_)) for field, type_ in {**_NAMES, **own}.items()}
        return GraphQLObjectType(f"{name[0].upper()}{name[1:]}Response", fields)

    def mutation(name: str) -> GraphQLField:
        operation, own = _MUTATIONS[name]
        arguments = {
            argument: GraphQLArgument(types(type_), "default" if argument == "tenant" else Undefined)
            for argument, type_ in sorted({**_NAMES, **own}.items())
        }
        return GraphQLField(response(name), arguments, _resolver(operation, operations[operation]))

    return GraphQLSchema(
        GraphQLObjectType("Query", {"version": GraphQLField(GraphQLInt, resolve=lambda *_: 1)}),
        GraphQLObjectType("Mutations", {name: mutation(name) for name in _MUTATIONS}),
        directives=[directive for directive in specified_directives if directive.name in ("include", "skip")],
    )


def _resolver(operation: str, work: Work) -> Callable[..., dict[str, Any]]:
    def resolve(_: Any, __: Any, **arguments: Any) -> dict[str, Any]:
        for ignored in ("authorized", "unauthorized_reason"):
            arguments.pop(ignored, None)
        for name in ("timestamp_auth", "timestamp_begin", "timestamp_end"):
            if arguments.get(name) is not None:
                arguments[name] = timestamps.whole_seconds(arguments[name])
        if operation == "record_transaction":  # Quirk.GRAPHQL_RECORD_INSTANT
            arguments["timestamp_begin"] = arguments["timestamp_end"] = arguments.get("timestamp_auth")
        return work(CallRequest(**arguments))

    return resolve
