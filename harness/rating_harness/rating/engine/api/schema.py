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
    GraphQLResolveInfo,
    GraphQLSchema,
    Undefined,
    specified_directives,
)

from rating_harness.rating.engine.api.balances import Balances
from rating_harness.rating.engine.api.records import Records
from rating_harness.rating.engine.api.views import Document
from rating_harness.rating.engine.entities import ENTITIES, ENUMS, SHAPES, Entity, entity
from rating_harness.rating.engine.graphql_http import RowBudget
from rating_harness.rating.engine.quirks import Policy
from rating_harness.rating.engine.state import State
from rating_harness.rating.engine.types import TypeFactory

__all__ = ["api_schema"]

_PAGING = {"page": "Int", "perPage": "Int", "sortField": "String", "sortOrder": "String"}
_TENANT = {"tenant": "ID"}
_ONE_ACCOUNT = _TENANT | {"account_tag": "String"}
_ONE_CALL = _ONE_ACCOUNT | {"transaction_tag": "String"}
_BALANCE = _ONE_ACCOUNT | {"balance": "BigInt", "tags": "[String]"}


def api_schema(state: State, policy: Policy) -> GraphQLSchema:
    """The schema, with what answers it."""
    records = Records(state, policy)
    types = TypeFactory()
    for name, values in ENUMS.items():
        types.add(GraphQLEnumType(name, {value: value for value in values}))
    for shape in SHAPES:
        if shape.input:
            types.add(GraphQLInputObjectType(shape.name, partial(_input_fields, types, shape.fields)))
        else:
            types.add(GraphQLObjectType(shape.name, partial(_fields, types, shape.fields)))
    for kind in ENTITIES:
        types.add(GraphQLObjectType(kind.name, partial(_entity_fields, types, kind, records)))
        types.add(GraphQLInputObjectType(f"{kind.name}Filter", partial(_filter_fields, types, kind)))
    types.add(GraphQLObjectType("LinkedAccount", partial(_linked_fields, types, records)))
    balances = Balances(state, policy)
    queries = _operations(types, {"AccountTransaction": (_ONE_CALL, balances.running)})
    mutations = _operations(
        types,
        {
            "beginAccountTransaction": (_ONE_ACCOUNT | {"transaction": "InputAccountTransaction"}, balances.begin),
            "endAccountTransaction": (_ONE_CALL | {"timestamp_end": "DateTime"}, balances.end),
            "commitAccountTransaction": (_ONE_CALL | {"fee": "Int"}, balances.commit),
            "rollbackAccountTransaction": (_ONE_CALL, balances.rollback),
            "incrementAccountBalance": (_BALANCE, balances.increment),
            "setAccountBalance": (_BALANCE, balances.assign),
        },
    )
    for kind in ENTITIES:
        queries |= _queries(types, kind, records)
        mutations |= _mutations(types, kind, records, announce=not policy.strict)
    tags = {"carrier_tags": "[String]", "carrier_tags_override": "[String]"}
    routing = _arguments(types, _TENANT | tags | {"destination": "String"})
    queries["leastCostRouting"] = _field(types, "[Carrier]", routing, records.least_cost_routing)
    return GraphQLSchema(
        GraphQLObjectType("Query", queries),
        GraphQLObjectType("Mutations", mutations),
        directives=[directive for directive in specified_directives if directive.name in ("include", "skip")],
    )


def _operations(
    types: TypeFactory, described: dict[str, tuple[dict[str, str], Callable[..., Any]]]
) -> dict[str, GraphQLField]:
    """Fields that return the type of their own name."""
    return {name: _field(types, name, _arguments(types, own), work) for name, (own, work) in described.items()}


def _field(
    types: TypeFactory, notation: str, arguments: dict[str, GraphQLArgument], work: Callable[..., Any]
) -> GraphQLField:
    return GraphQLField(types(notation), arguments, lambda _, __, **given: work(**given))


def _arguments(types: TypeFactory, described: dict[str, str]) -> dict[str, GraphQLArgument]:
    return {
        name: GraphQLArgument(types(type_), "default" if name == "tenant" else Undefined)
        for name, type_ in described.items()
    }


def _queries(types: TypeFactory, kind: Entity, records: Records) -> dict[str, GraphQLField]:
    listing = _arguments(types, _PAGING | {"filter": f"{kind.name}Filter"})
    return {
        kind.name: _field(types, kind.name, _identity(types, kind), partial(records.get, kind)),
        f"all{kind.plural}": GraphQLField(types(f"[{kind.name}]"), listing, partial(_page, records, kind)),
        f"_all{kind.plural}Meta": _field(types, "ListMetadata", listing, partial(records.count, kind)),
    }


def _page(
    records: Records, kind: Entity, _: Any, info: GraphQLResolveInfo[RowBudget], /, **given: Any
) -> list[Document]:
    page = records.page(kind, **given)
    info.context.spend(len(page))
    return page


def _mutations(types: TypeFactory, kind: Entity, records: Records, *, announce: bool) -> dict[str, GraphQLField]:
    """``announce`` tells defaults in the schema: then an omitted argument and a given one are the same."""
    arguments = {
        name: GraphQLArgument(
            types(field.argument or "String"),
            field.default if announce and field.announced and field.default is not None else Undefined,
        )
        for name, field in sorted(kind.arguments.items())
    }
    writes = {
        f"{verb}{kind.name}": _field(types, kind.name, arguments, partial(records.upsert, kind))
        for verb in ("create", "update", "upsert")
    }
    delete = _field(types, kind.name, _identity(types, kind), partial(records.delete, kind))
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


def _entity_fields(types: TypeFactory, kind: Entity, records: Records) -> dict[str, GraphQLField]:
    fields = _fields(types, kind.outputs)
    if kind.name == "Account":
        fields["destination_rate"] = _rate_field(types, "String!", records)
        fields["least_cost_routing"] = GraphQLField(
            types("[Carrier]"),
            {"destination": GraphQLArgument(types("String!"))},
            lambda account, _, destination: records.least_cost_routing(
                account["tenant"], account.get("carrier_tags"), destination=destination
            ),
        )
    return fields


def _linked_fields(types: TypeFactory, records: Records) -> dict[str, GraphQLField]:
    outputs = {name: type_ for name, type_ in entity("Account").outputs.items() if name != "linked_accounts"}
    return _fields(types, outputs) | {"destination_rate": _rate_field(types, "String", records)}


def _rate_field(types: TypeFactory, destination: str, records: Records) -> GraphQLField:
    return GraphQLField(
        types("PricelistRate"),
        {"destination": GraphQLArgument(types(destination))},
        lambda account, _, destination=None: records.destination_rate(account, destination),
    )
