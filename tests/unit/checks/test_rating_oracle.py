"""Fees by the oracle alone: what was measured at the published engine, row by row."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rating_harness.checks.rating_oracle import Price, instant, payers, price_of, price_of_record, seconds_charged
from rating_harness.scenario.model import Account, Carrier, Given, Pricelist, Rate

BEGIN = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
NUMBER = "sip:39040123456@sip.test"


@pytest.mark.parametrize(
    ("price", "seconds", "fee"),
    [
        (Price(rate=3, increment=60, connect_fee=50), 60, 53),
        (Price(rate=3, increment=60, connect_fee=50), 61, 56),
        (Price(rate=4, increment=10, connect_fee=5, free=3), 65, 21),
        (Price(rate=4, increment=10, connect_fee=5, free=3), 30, 5),
        (Price(rate=4, increment=10, connect_fee=5, free=3), 31, 9),
        (Price(rate=4, increment=10, connect_fee=5, free=3), 15, 5),
        (Price(rate=1), 3, 3),
        (Price(), 3, 0),
        (Price(rate=1, connect_fee=5), 0, 0),
        (Price(rate=1, connect_fee=5), -1, 0),
        (Price(rate=1, connect_fee=5), 86_400, 5),
    ],
)
def test_fees_that_were_measured(price: Price, seconds: int, fee: int) -> None:
    assert price.fee(BEGIN, BEGIN + timedelta(seconds=seconds)) == fee


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (Price(rate=3), "3 for each 1 s"),
        (Price(rate=3, increment=60, connect_fee=50), "50 and 3 for each 60 s"),
        (Price(rate=3, increment=10, free=2), "3 for each 10 s, the first 2 free"),
    ],
)
def test_a_price_in_words(price: Price, text: str) -> None:
    assert str(price) == text


@pytest.mark.parametrize(
    ("length", "seconds"),
    [
        (timedelta(seconds=2), 2),
        (timedelta(seconds=2, microseconds=1), 3),
        (timedelta(days=1, seconds=10), 10),
        (timedelta(days=2, milliseconds=1), 1),
        (timedelta(0), 0),
        (timedelta(seconds=-5), 0),
    ],
)
def test_seconds_that_are_charged(length: timedelta, seconds: int) -> None:
    assert seconds_charged(BEGIN, BEGIN + length) == seconds


@pytest.mark.parametrize(
    "text", ["2026-03-01T12:00:00", "2026-03-01t12:00:00z", "2026-03-01T13:00:00+01:00", "2026-03-01 12:00:00+00:00"]
)
def test_a_timestamp_is_utc_where_it_names_no_zone(text: str) -> None:
    read = instant(text)
    assert read == BEGIN
    assert read.tzinfo is UTC


def test_a_timestamp_without_a_zone_is_utc_elsewhere_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        assert instant("2026-03-01T12:00:00") == BEGIN
    time.tzset()


@pytest.mark.parametrize("text", ["soon", "", None, 7, "0001-01-01T00:00:00+01:00"])
def test_what_is_no_timestamp(text: object) -> None:
    assert instant(text) is None


def account(tag: str = "1000", **other: Any) -> Account:
    return Account(account_tag=tag, type="POSTPAID", balance=0, **other)


def rate(prefix: str = "sip:39", price: int = 1, carrier: str = "first", **other: Any) -> Rate:
    return Rate(carrier_tag=carrier, prefix=prefix, rate=price, **other)


def world(pricelists: Mapping[str, tuple[Rate, ...]], *accounts: Account) -> Given:
    return Given(
        accounts=accounts or (account(),),
        carriers=tuple(Carrier(carrier_tag=tag, host=tag) for tag in ("first", "second")),
        pricelists=tuple(Pricelist(pricelist_tag=tag, rates=rates) for tag, rates in pricelists.items()),
    )


@pytest.mark.parametrize(
    ("prefixes", "destination", "expected"),
    [
        ({"sip:39": 1, "sip:3904": 2}, NUMBER, 2),
        ({"sip:3904": 2, "sip:39": 1}, NUMBER, 2),
        ({"sip:39": 1, "sip:39040": 2}, NUMBER, 2),
        ({"sip:39": 1, "sip:390401": 2}, NUMBER, 1),
        ({"sip:39": 1}, "sip:39", None),
        ({"sip:39": 1}, "sip:390", 1),
        ({"sip:49": 1}, NUMBER, None),
        ({"s": 1}, NUMBER, 1),
    ],
    ids=["longest", "longest first", "nine", "ten characters", "all of it", "all but one", "another", "one"],
)
def test_which_prefix_counts(prefixes: dict[str, int], destination: str, expected: int | None) -> None:
    given = world({"retail": tuple(rate(prefix, price) for prefix, price in prefixes.items())})
    price = price_of(given, "1000", destination)
    assert (price.rate if price else None) == expected


def test_of_equal_prefixes_the_pricelist_counts_then_the_place() -> None:
    pricelists = {"wholesale": (rate(price=1),), "azure": (rate(price=2), rate(price=3, carrier="second"))}
    assert price_of(world(pricelists), "1000", NUMBER) == Price(rate=2)
    assert price_of(world(dict(reversed(pricelists.items()))), "1000", NUMBER) == Price(rate=2)


def test_a_rate_that_is_given_twice_has_the_last_values_in_the_first_place() -> None:
    rates = (rate(price=1), rate(price=2, carrier="second"), rate(price=3))
    assert price_of(world({"retail": rates}), "1000", NUMBER) == Price(rate=3)


def test_a_rate_that_is_not_active_does_not_count() -> None:
    rates = (rate("sip:3904", 9, active=False), rate(price=1))
    assert price_of(world({"retail": rates}), "1000", NUMBER) == Price(rate=1)
    assert price_of(world({"retail": rates[:1]}), "1000", NUMBER) is None


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, 1),
        ({"pricelist_tags": ("retail",)}, 2),
        ({"pricelist_tags": ("retail", "azure")}, 1),
        ({"pricelist_tags": ("none",)}, None),
        ({"carrier_tags": ("second",)}, 3),
        ({"carrier_tags": ()}, 1),
        ({"carrier_tags": ("none",)}, None),
        ({"pricelist_tags": ("azure",), "carrier_tags": ("second",)}, None),
    ],
)
def test_an_account_has_its_pricelists_and_carriers(limits: dict[str, Any], expected: int | None) -> None:
    pricelists = {"azure": (rate(price=1),), "retail": (rate(price=2), rate(price=3, carrier="second"))}
    price = price_of(world(pricelists, account("other"), account(**limits)), "1000", NUMBER)
    assert (price.rate if price else None) == expected


def test_a_price_has_all_that_its_rate_says() -> None:
    rates = (rate(price=7, rate_increment=60, connect_fee=5, interval_start=2),)
    assert price_of(world({"retail": rates}), "1000", NUMBER) == Price(5, 7, 60, 2)
    assert price_of(world({"retail": (rate(price=7, rate_increment=0),)}), "1000", NUMBER) == Price(0, 7, 1, 0)


def test_an_account_that_is_not_there_pays_nothing() -> None:
    assert price_of(world({"retail": (rate(),)}), "2000", NUMBER) is None
    assert payers(world({}), "2000", "3000") == {}
    assert payers(world({}), None) == {}


def test_who_pays_for_a_call() -> None:
    linked = account(linked_accounts=("company", "nobody"))
    given = world({}, account("company"), linked, account("2000", linked_accounts=("company",)))
    assert payers(given, "1000") == {"1000": False, "company": False}
    assert payers(given, None, "2000") == {"2000": True, "company": True}
    assert payers(given, "1000", "2000") == {"1000": False, "company": True, "2000": True}


@pytest.mark.parametrize(
    ("record", "price"),
    [
        ({"connect_fee": 5, "rate": 7, "rate_increment": 60, "interval_start": 2}, Price(5, 7, 60, 2)),
        ({"rate": 7, "connect_fee": None, "rate_increment": 0}, Price(0, 7, 1, 0)),
        ({"rate": "7"}, None),
        ({"rate": 7, "rate_increment": 1.5}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_price_that_a_record_keeps(record: dict[str, Any] | None, price: Price | None) -> None:
    assert price_of_record(record) == price
