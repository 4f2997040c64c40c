"""GraphQL as graphql-core 2 spoke it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from graphql import GraphQLSchema
from starlette.applications import Starlette

from rating_harness.rating.engine.api.app import api_app
from rating_harness.rating.engine.api.balances import Balances
from rating_harness.rating.engine.api.schema import api_schema
from rating_harness.rating.engine.graphql_http import GraphQLEndpoint
from rating_harness.rating.engine.metrics import Metrics
from rating_harness.rating.engine.quirks import Policy
from rating_harness.rating.engine.state import State
from rating_harness.rating.engine.store import Store


@pytest.fixture
def endpoint() -> Iterator[GraphQLEndpoint]:
    with closing(Store()) as store:
        schema: GraphQLSchema = api_schema(State(store), Policy())
        yield GraphQLEndpoint(schema, store, page="")


@pytest.mark.parametrize(
    ("value", "refused"),
    [
        ("5", False),
        (5.9, False),
        (True, False),
        (None, False),
        ("x", True),
        ([], True),
        (2**40, True),
        ("inf", True),
    ],
)
def test_variables_are_converted_as_far_as_they_can_be(endpoint: GraphQLEndpoint, value: Any, refused: bool) -> None:
    result = endpoint.execute("query ($page: Int) { allCarriers(page: $page) { id } }", {"page": value})
    assert bool(result.errors) == refused


@pytest.mark.parametrize(
    ("filter_", "refused"),
    [
        ({"q": 5, "ids": "one", "active": "yes"}, False),
        ({"q": True, "ids": [1, None], "tenant": None}, False),
        ({"shoe_size": 5}, True),
        ({"ids": [{}]}, True),
        ("x", True),
        ({"type": "FREE"}, True),
    ],
)
def test_filters_are_converted_inside(endpoint: GraphQLEndpoint, filter_: Any, refused: bool) -> None:
    result = endpoint.execute("query ($f: AccountFilter) { allAccounts(filter: $f) { id } }", {"f": filter_})
    assert bool(result.errors) == refused


@pytest.mark.parametrize("number", ["7", 7, 7.9, True])
def test_a_big_int_may_come_as_text(endpoint: GraphQLEndpoint, number: Any) -> None:
    query = "mutation ($b: BigInt) { setAccountBalance(balance: $b) { ok } }"
    assert endpoint.execute(query, {"b": number}).data == {"setAccountBalance": {"ok": False}}


@pytest.mark.parametrize("number", [2**63, "x", float("inf"), []])
def test_a_big_int_has_64_bits(endpoint: GraphQLEndpoint, number: Any) -> None:
    query = "mutation ($b: BigInt) { setAccountBalance(balance: $b) { ok } }"
    assert endpoint.execute(query, {"b": number}).errors


def test_null_is_no_literal(endpoint: GraphQLEndpoint) -> None:
    result = endpoint.execute("{ allCarriers(page: null) { id } }")
    assert result.data is None
    assert result.errors
    assert "null" in result.errors[0].message


def ask(app: Starlette, query: str) -> int:
    """The status of the answer to a query."""

    async def asked() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
            return (await client.post("http://engine/graphql", json={"query": query})).status_code

    return asyncio.run(asked())


def test_an_unexpected_error_is_shown_where_the_engine_runs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("unexpected")

    monkeypatch.setattr(Balances, "running", fail)
    with closing(Store()) as store, caplog.at_level(logging.ERROR):
        app = api_app(State(store), Policy(), Metrics())
        assert ask(app, "{ Account { id } }") == 400
        assert ask(app, 'mutation { upsertCarrier(id: "x") { carrier_tag } }') == 400
        assert not caplog.records
        assert ask(app, "{ AccountTransaction { transaction_tag } }") == 400
    assert "unexpected" in caplog.text
