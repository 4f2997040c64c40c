"""The oracle of fees and the embedded engine are two implementations that must agree, the strict engine's too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rating_harness.checks.rating_oracle import payers, price_of, seconds_charged
from rating_harness.lab.protocol import Endpoint
from rating_harness.rating.client import EngineClient
from rating_harness.scenario.model import Account, Carrier, Given, Pricelist, Rate
from tests.unit.rating.engine.conftest import Engine

BEGIN = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


TAGS = ("wholesale", "retail", "azure")
CARRIERS = ("first", "second")
PREFIXES = ("sip:3", "sip:39", "sip:390", "sip:39040", "s", "sip:49", "sip:390401")
DESTINATIONS = ("sip:39040123456@sip.test", "sip:3904@x", "sip:39", "sip:4912@sip.test")

rates = st.builds(
    Rate,
    carrier_tag=st.sampled_from(CARRIERS),
    prefix=st.sampled_from(PREFIXES),
    rate=st.integers(0, 50),
    rate_increment=st.sampled_from([0, 1, 2, 7, 10, 60]),
    connect_fee=st.integers(0, 20),
    interval_start=st.integers(0, 4),
    active=st.sampled_from([True, True, True, False]),
)
subsets = st.lists(st.sampled_from(TAGS), unique=True).map(tuple)
accounts = st.tuples(
    st.none() | st.lists(st.sampled_from(CARRIERS), unique=True).map(tuple),
    subsets,
    st.sampled_from([(), ("company",)]),
).map(
    lambda values: Account(
        account_tag="1000",
        type="POSTPAID",
        balance=0,
        carrier_tags=values[0],
        pricelist_tags=values[1],
        linked_accounts=values[2],
    )
)


@st.composite
def worlds(draw: st.DrawFn) -> Given:
    company = Account(account_tag="company", type="POSTPAID", balance=0, pricelist_tags=draw(subsets))
    called = Account(account_tag="2000", type="POSTPAID", balance=0)
    return Given(
        accounts=(company, draw(accounts), called),
        carriers=tuple(Carrier(carrier_tag=tag, host=tag) for tag in CARRIERS),
        pricelists=tuple(
            Pricelist(pricelist_tag=tag, rates=tuple(draw(st.lists(rates, max_size=4))))
            for tag in draw(st.permutations(TAGS))
        ),
    )


def _recorded(
    engine: Engine,
    client: EngineClient,
    world: Given,
    called: str | None,
    destination: str,
    begin: datetime,
    end: datetime,
) -> dict[str, tuple[int, int]]:
    """What the engine records of a call of account 1000 in a world of its own: account -> duration and fee."""
    client.reset()
    client.seed(world.model_dump())
    request = {
        "transaction_tag": "a call",
        "account_tag": "1000",
        "destination_account_tag": called,
        "destination": destination,
    }
    for operation, key, at in (("begin", "timestamp_begin", begin), ("end", "timestamp_end", end)):
        answer = engine.post(f"{operation}_transaction", **request, **{key: at.isoformat()})
        assert answer.json()["ok"] is True
    records = engine.query("{ allTransactions(perPage: 0) { account_tag duration fee } }")["allTransactions"]
    return {record["account_tag"]: (record["duration"], record["fee"]) for record in records}


@pytest.mark.parametrize("is_strict", [False, True], ids=["as published", "strict"])
def test_the_engine_and_the_oracle_agree(is_strict: bool, engine: Engine, strict: Engine) -> None:
    used = strict if is_strict else engine

    @settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(
        world=worlds(),
        destination=st.sampled_from(DESTINATIONS),
        called=st.sampled_from([None, "2000"]),
        length=st.integers(-3, 200) | st.integers(86_390, 86_500),
    )
    def agree(world: Given, destination: str, called: str | None, length: int) -> None:
        if is_strict:
            assume(all(len(rate.prefix) < 10 for each in world.pricelists for rate in each.rates))
        begin, end = BEGIN, BEGIN + timedelta(seconds=length)
        recorded = _recorded(used, client, world, called, destination, begin, end)
        wanted = payers(world, "1000", called)
        assert recorded.keys() == wanted.keys()
        for account, (duration, fee) in recorded.items():
            price = None if wanted[account] else price_of(world, account, destination)
            seconds = seconds_charged(begin, end)
            assert (duration, fee) == (seconds, price.fee(begin, end) if price else 0), account

    with EngineClient(Endpoint(f"http://{used.api}")) as client:
        agree()
