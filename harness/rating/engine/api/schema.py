"""The API's GraphQL schema, made from the description of the entities."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
    specified_directives,
)

from harness.rating.engine.api.service import Service
from harness.rating.engine.entities import ENTITIES, ENUMS, SHAPES, Entity, entity
from harness.rating.engine.manners import TypeFactory

__all__ = ["api_schema"]

_PAGING = {"page": "Int", "perPage": "Int", "sortField": "String", "sortOrder": "String"}
_TENANT = {"tenant": "ID"}
_ACCOUNT_MUTATIONS = {
    "beginAccountTransaction": ("begin", {"account_tag": "String", "transaction": "InputAccountTransaction"}),
    "endAccountTransaction": (
        "end",
        {"account_tag": "String", "timestamp_end": "DateTime", "transaction_tag": "String"},
    ),
    "commitAccountTransaction": ("commit", {"account_tag": "String", "fee": "Int", "transaction_tag": "String"}),
    "rollbackAccountTransaction": ("rollback", {"account_tag": "String", "transaction_tag": "String"}),
    "incrementAccountBalance": (
        "increment_balance",
        {"account_tag": "String", "balance": "BigInt", "tags": "[String]"},
    ),
    "setAccountBalance": ("set_balance", {"account_tag": "String", "balance": "BigInt", "tags": "[String]"}),
}


def api_schema(service: Service) -> GraphQLSchema:
    """The schema, with the service behind it."""
    types = TypeFactory()
    for name, values in ENUMS.items():
        types.add(GraphQLEnumType(name, {value: value for value in values}))
    for shape in SHAPES:
        if shape.input:
            types.add(GraphQLInputObjectType(shape.name, partial(_input_fields, types, shape.fields)))
        else:
            types.add(GraphQLObjectType(shape.name, partial(_fields, types, shape.fields)))
    for kind in ENTITIES:
        types.add(GraphQLObjectType(kind.name, partial(_entity_fields, types, kind, service)))
        types.add(GraphQLInputObjectType(f"{kind.name}Filter", partial(_filter_fields, types, kind)))
    types.add(GraphQLObjectType("LinkedAccount", partial(_linked_fields, types, service)))
    queries: dict[str, GraphQLField] = {}
    mutations: dict[str, GraphQLField] = {}
    for kind in ENTITIES:
        queries |= _queries(types, kind, service)
        mutations |= _mutations(types, kind, service)
        if kind.name == "Account":
            arguments = _arguments(types, _TENANT | {"account_tag": "String", "transaction_tag": "String"})
            queries["AccountTransaction"] = _field(
                types, "AccountTransaction", arguments, service.account_transaction
            )
            for name, (operation, own) in _ACCOUNT_MUTATIONS.items():
                mutations[name] = _field(types, name, _arguments(types, _TENANT | own), getattr(service, operation))
    queries["leastCostRouting"] = _field(
        types,
        "[Carrier]",
        _arguments(
            types,
            _TENANT | {"carrier_tags": "[String]", "carrier_tags_override": "[String]", "destination": "String"},
        ),
        lambda tenant=None, carrier_tags=None, carrier_tags_override=None, destination=None: (
            service.least_cost_routing(tenant, carrier_tags, destination)
        ),
    )
    return GraphQLSchema(
        GraphQLObjectType("Query", queries),
        GraphQLObjectType("Mutations", mutations),
        directives=[directive for directive in specified_directives if directive.name in ("include", "skip")],
    )


def _field(
    types: TypeFactory, notation: str, arguments: dict[str, GraphQLArgument], work: Callable[..., Any]
) -> GraphQLField:
    return GraphQLField(types(notation), arguments, lambda _, __, **given: work(**given))


def _arguments(types: TypeFactory, described: dict[str, str]) -> dict[str, GraphQLArgument]:
    return {
        name: GraphQLArgument(types(type_), "default" if name == "tenant" else Undefined)
        for name, type_ in described.items()
    }


def _queries(types: TypeFactory, kind: Entity, service: Service) -> dict[str, GraphQLField]:
    listing = _arguments(types, _PAGING | {"filter": f"{kind.name}Filter"})
    return {
        kind.name: _field(types, kind.name, _identity(types, kind), partial(service.get, kind)),
        f"all{kind.plural}": _field(types, f"[{kind.name}]", listing, partial(service.page, kind)),
        f"_all{kind.plural}Meta": _field(types, "ListMetadata", listing, partial(service.count, kind)),
    }


def _mutations(types: TypeFactory, kind: Entity, service: Service) -> dict[str, GraphQLField]:
    arguments = {
        name: GraphQLArgument(
            types(field.argument or "String"),
            field.default if field.announced and field.default is not None else Undefined,
        )
        for name, field in sorted(kind.arguments.items())
    }
    writes = {
        f"{verb}{kind.name}": _field(types, kind.name, arguments, partial(service.upsert, kind))
        for verb in ("create", "update", "upsert")
    }
    delete = _field(types, kind.name, _identity(types, kind), partial(service.delete, kind))
    return writes | {f"delete{kind.name}": delete}


def _identity(types: TypeFactory, kind: Entity) -> dict[str, GraphQLArgument]:
    return _arguments(types, {"id": "ID", "tenant": "ID"} | dict.fromkeys(kind.key, "String"))


def _fields(types: TypeFactory, described: dict[str, str]) -> dict[str, GraphQLField]:
    return {name: GraphQLField(types(type_)) for name, type_ in described.items()}


def _input_fields(types: TypeFactory, described: dict[str, str]) -> dict[str, GraphQLInputField]:
    return {name: GraphQLInputField(types(type_)) for name, type_ in described.items()}


def _filter_fields(types: TypeFactory, kind: Entity) -> dict[str, GraphQLInputField]:
    common = {"q": "String", "id": "ID", "ids": "[ID]"}
    own = {filter_.name: filter_.type for filter_ in kind.filters}
    tenant = {"tenant": GraphQLInputField(types("ID"), "default")}
    return _input_fields(types, common) | tenant | _input_fields(types, own)


def _entity_fields(types: TypeFactory, kind: Entity, service: Service) -> dict[str, GraphQLField]:
    fields = _fields(types, kind.outputs)
    if kind.name == "Account":
        fields["destination_rate"] = _rate_field(types, "String!", service)
        fields["least_cost_routing"] = GraphQLField(
            types("[Carrier]"),
            {"destination": GraphQLArgument(types("String!"))},
            lambda account, _, destination: service.least_cost_routing(
                account["tenant"], account.get("carrier_tags"), destination
            ),
        )
    return fields


def _linked_fields(types: TypeFactory, service: Service) -> dict[str, GraphQLField]:
    outputs = {name: type_ for name, type_ in entity("Account").outputs.items() if name != "linked_accounts"}
    return _fields(types, outputs) | {"destination_rate": _rate_field(types, "String", service)}


def _rate_field(types: TypeFactory, destination: str, service: Service) -> GraphQLField:
    return GraphQLField(
        types("PricelistRate"),
        {"destination": GraphQLArgument(types(destination))},
        lambda account, _, destination=None: service.destination_rate(account, destination),
    )
