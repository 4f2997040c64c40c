"""Which rate is charged, and which carriers are offered in which order."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rating_harness.rating.engine.arithmetic import Incomplete, Tariff
from rating_harness.rating.engine.rates import Rate, RateIndex

rows = st.lists(
    st.tuples(
        st.text("0123", min_size=1, max_size=4),
        st.sampled_from(["p1", "p2"]),
        st.sampled_from(["c1", "c2", "c3"]),
        st.integers(0, 3),
    ),
    max_size=12,
    unique_by=lambda row: row[:3],
)
destinations = st.text("0123", min_size=2, max_size=7)


def index(*table: tuple[str, str, str, int | None]) -> RateIndex:
    made = RateIndex()
    for sequence, (prefix, pricelist, carrier, cost) in enumerate(table):
        made.add(Rate(sequence, "default", prefix, pricelist, carrier, None, Tariff(0, cost, 1, 0)))
    return made


@given(table=rows, destination=destinations)
def test_the_longest_prefix_is_charged(table: list[tuple[str, str, str, int]], destination: str) -> None:
    matching = [row[0] for row in table if destination.startswith(row[0]) and row[0] != destination]
    rate = index(*table).charged("default", destination, None, None)
    assert (rate.prefix if rate else "") == max(matching, key=len, default="")


@given(table=rows, destination=destinations, shuffled=st.randoms(use_true_random=False))
def test_the_order_of_seeding_decides_between_rates_of_one_prefix_and_pricelist_alone(
    table: list[tuple[str, str, str, int]], destination: str, shuffled: object
) -> None:
    reseeded = list(table)
    shuffled.shuffle(reseeded)  # type: ignore[attr-defined]
    before = index(*table).charged("default", destination, None, None)
    after = index(*reseeded).charged("default", destination, None, None)
    assert (before and (before.prefix, before.pricelist_tag)) == (after and (after.prefix, after.pricelist_tag))


@given(table=rows, destination=destinations)
def test_carriers_come_cheapest_first(table: list[tuple[str, str, str, int]], destination: str) -> None:
    offered = index(*table).by_cost("default", destination, None)
    assert len(offered) == sum(destination.startswith(row[0]) and row[0] != destination for row in table)
    for cheaper, dearer in pairwise(offered):
        assert cheaper.tariff.rate is not None
        assert dearer.tariff.rate is not None
        assert (cheaper.tariff.rate, cheaper.prefix, cheaper.position) < (
            dearer.tariff.rate,
            dearer.prefix,
            dearer.position,
        )


def test_the_first_of_a_prefix_is_charged_and_the_cheapest_offered() -> None:
    table = index(("44", "p1", "c1", 20), ("44", "p1", "c2", 10))
    charged = table.charged("default", "44200", None, None)
    assert charged is not None
    assert charged.carrier_tag == "c1"
    assert [rate.carrier_tag for rate in table.by_cost("default", "44200", None)] == ["c2", "c1"]


def test_tags_choose_among_rates() -> None:
    table = index(("44", "p1", "c1", 20), ("447", "p2", "c2", 10))
    assert table.charged("default", "44700", {"p1"}, None) == table.charged("default", "44700", None, {"c1"})
    assert table.charged("other", "44700", None, None) is None
    assert table.by_cost("default", "44700", frozenset()) == []


def test_a_withdrawn_rate_is_found_no_more() -> None:
    table = RateIndex()
    rate = Rate(1, "default", "44", "p1", "c1", None, Tariff(0, 1, 1, 0))
    table.add(rate)
    table.remove(rate)
    assert table.charged("default", "44700", None, None) is None


def test_routing_over_a_rate_without_a_price_fails() -> None:
    with pytest.raises(Incomplete):
        index(("44", "p1", "c1", None)).by_cost("default", "44700", None)
