"""Bad input of any kind: a documented status, at once, and an engine that goes on."""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import Any

import pytest
import schemathesis
from graphql import print_schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import nodes
from hypothesis_graphql import strategies as graphql
from schemathesis import GenerationMode

from rating_harness.rating.engine.agent.app import handlers
from rating_harness.rating.engine.agent.openapi import description
from rating_harness.rating.engine.agent.requests import MODELS
from rating_harness.rating.engine.agent.schema import agent_schema
from rating_harness.rating.engine.api.schema import api_schema
from rating_harness.rating.engine.entities import ENTITIES, Entity
from rating_harness.rating.engine.operations import Operations
from rating_harness.rating.engine.quirks import Policy
from rating_harness.rating.engine.state import State
from rating_harness.rating.engine.store import Store
from tests.unit.rating.engine.conftest import HTTP, Engine

SHORT = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
AGENT = schemathesis.openapi.from_dict(description())
SCALARS = {
    "BigInt": st.integers(-(2**70), 2**70).map(nodes.Int),
    "DateTime": (st.datetimes().map(lambda moment: moment.isoformat()) | st.text()).map(nodes.String),
    "Date": (st.dates().map(lambda day: day.isoformat()) | st.text()).map(nodes.String),
}


def alive(engine: Engine) -> bool:
    """The engine still decides on calls."""
    answer = engine.post("authorization", transaction_tag="alive", account_tag="alice", destination="3911")
    counted = engine.query("{ _allTransactionsMeta { count } }")["_allTransactionsMeta"]["count"]
    return answer.status_code == 200 and counted >= 1


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", sorted(MODELS))
def test_bodies_of_any_kind_are_answered_by_the_agent(strict: Engine, operation: str, mode: GenerationMode) -> None:
    """By the strict one: the other fails with 500 where the real one does."""

    @SHORT
    @given(case=AGENT[f"/v1/{operation}"]["POST"].as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case[Any]) -> None:
        answer = case.call(base_url=f"http://{strict.agent}", timeout=60)
        assert answer.status_code in (200, 400, 405, 422), answer.text

    ask()
    assert alive(strict)


parties = st.fixed_dictionaries(
    {"account_tag": st.sampled_from(["alice", "alice", "bob", "nobody", "", None])},
    optional={"destination_account_tag": st.sampled_from(["alice", "bob", "nobody", "", None])},
)
destinations = st.sampled_from(["3911", "3912", "39", "77", "", None])
instants = st.integers(1_588_334_400, 1_588_350_000) | st.sampled_from([None, -1, 2**63 - 1, "soon"])


def test_balances_are_their_start_less_the_fees_of_the_records(engine: Engine) -> None:
    """Whoever calls whom from when to when, and whatever fails."""
    calls = count()

    @settings(SHORT, max_examples=80)
    @given(
        parties=parties,
        destination=destinations,
        began=instants,
        ended=instants,
        extra=st.sampled_from(["authorization", "rollback_transaction", "begin_transaction"]),
    )
    def call(parties: dict[str, Any], destination: str | None, began: Any, ended: Any, extra: str) -> None:
        request = parties | {"transaction_tag": f"call-{next(calls)}", "destination": destination}
        for operation in ("begin_transaction", extra, "end_transaction"):
            body = request | {"timestamp_begin": began, "timestamp_end": ended}
            assert engine.post(operation, **body).status_code in (200, 422, 500)

    call()
    data = engine.query("{ allAccounts { account_tag balance } allTransactions(perPage: 0) { account_tag fee } }")
    fees = Counter({"alice": 0, "bob": 0})
    for record in data["allTransactions"]:
        fees[record["account_tag"]] += record["fee"] or 0
    assert fees["alice"] > 0
    assert {account["account_tag"]: account["balance"] for account in data["allAccounts"]} == {
        "alice": 1000 - fees["alice"],
        "bob": -fees["bob"],
    }
    assert alive(engine)


@pytest.mark.parametrize("service", ["api", "agent"])
@pytest.mark.parametrize("kind", ["queries", "mutations"])
def test_queries_of_any_kind_are_answered(engine: Engine, service: str, kind: str) -> None:
    store = Store()
    state = State(store)
    operations = Operations(state, Policy())
    schema = api_schema(state, Policy()) if service == "api" else agent_schema(handlers(operations))
    address = getattr(engine, service)

    @SHORT
    @given(query=getattr(graphql, kind)(print_schema(schema), custom_scalars=SCALARS))
    def ask(query: str) -> None:
        answer = HTTP.post(f"http://{address}/graphql", json={"query": query}, timeout=60)
        assert answer.status_code in (200, 400), answer.text
        assert "data" in answer.json()

    try:
        ask()
    finally:
        store.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'{"query": 5}',
        b'{"query": null}',
        b'{"query": "{ __typename }", "variables": 5}',
        b'{"query": "{ __typename }", "operationName": {}}',
        b'{"query": "' + b"{ a " * 5000 + b'"}',
        b'{"query": "{ __typename }", "variables": {"x": ' + b"[" * 900 + b"]" * 900 + b"}}",
        b"\xff\xfe",
    ],
    ids=range(10),
)
@pytest.mark.parametrize("service", ["api", "agent"])
def test_what_is_no_query_is_refused(engine: Engine, service: str, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = HTTP.post(f"http://{getattr(engine, service)}/graphql", content=body, headers=headers, timeout=60)
    assert answer.status_code in (200, 400, 500)
    assert HTTP.get(f"http://{getattr(engine, service)}/status").status_code == 204


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=2) | st.dictionaries(st.text(max_size=3), children, max_size=2),
    max_leaves=4,
)


def test_variables_of_any_kind_are_taken_or_refused(engine: Engine) -> None:
    query = """query ($a: String, $b: ID, $c: Int, $d: Boolean, $e: [ID], $f: AccountFilter) {
      Account(account_tag: $a, id: $b) { id } allCarriers(page: $c, filter: {q: $a, ids: $e}) { id }
      allAccounts(filter: $f) { id } x: __typename @include(if: $d) }"""

    @settings(SHORT, max_examples=60)
    @given(variables=st.dictionaries(st.sampled_from("abcdef"), VALUES))
    def ask(variables: dict[str, Any]) -> None:
        body = {"query": query, "variables": variables}
        answer = HTTP.post(f"http://{engine.api}/graphql", json=body, timeout=60)
        assert answer.status_code in (200, 400), answer.text

    ask()


@pytest.mark.parametrize("kind", ENTITIES, ids=lambda kind: kind.name)
def test_a_list_can_be_sorted_by_any_field(engine: Engine, kind: Entity) -> None:
    engine.query("""mutation {
      a: upsertInvoice(invoice_number: "1", invoice_date: "2020-01-01", rows: [{prefix: "39"}]) { id }
      b: upsertInvoice(invoice_number: "2", invoice_date: "2020-01-02") { id }
      c: upsertAccount(account_tag: "c", type: PREPAID, tags: ["a", "b"]) { id }
      d: upsertTransaction(transaction_tag: "d", account_tag: "c", tags: ["x"]) { id }
      e: upsertTransaction(transaction_tag: "e", account_tag: "c") { id } }""")
    engine.post("begin_transaction", transaction_tag="t", account_tag="alice", destination="3911")
    for field in kind.outputs:
        ordered = [
            engine.query(f'{{ list: all{kind.plural}(sortField: "{field}", sortOrder: "{order}") {{ id }} }}')["list"]
            for order in ("asc", "desc")
        ]
        first, second = ({record["id"] for record in records} for records in ordered)
        assert first == second
