"""Units and fees: the contract's examples, and what must hold for any numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rating_harness.rating.engine.arithmetic import (
    LONGEST_CALL,
    LONGEST_PREFIX,
    Incomplete,
    Tariff,
    available_units,
    candidate_prefixes,
    duration,
    fee,
)

DAY = 86_400_000
BEGIN = 1_588_334_400_000

amounts = st.integers(0, 10**9)
tariffs = st.builds(
    Tariff,
    connect_fee=amounts,
    rate=st.integers(1, 10**6),
    rate_increment=st.integers(0, 3600),
    interval_start=st.integers(0, 600),
)


@pytest.mark.parametrize(
    ("tariff", "seconds", "charged"),
    [
        (Tariff(50, 3, 60, 0), 61, 56),
        (Tariff(5, 4, 10, 3), 65, 21),
        (Tariff(5, 4, 10, 3), 15, 5),
        (Tariff(0, 7, 1, 0), 100, 700),
        (Tariff(0, 1, 0, 0), 10, 10),
        (Tariff(50, 3, 60, 0), 0, 0),
        (Tariff(50, 3, 60, 0), -3600, 0),
        (Tariff(0, 7, 1, 0), 86_410, 70),
        (Tariff(None, None, None, None), 10, 0),
        (None, 10, 0),
    ],
)
def test_recorded_fees(tariff: Tariff | None, seconds: int, charged: int) -> None:
    assert fee(tariff, BEGIN, BEGIN + seconds * 1000) == charged


@pytest.mark.parametrize(
    ("balance", "tariff", "units"),
    [
        (1000, Tariff(0, 7, 1, 0), 142),
        (1000, Tariff(7, 5, 60, 2), 11882),
        (1000, Tariff(50, 3, 60, 0), LONGEST_CALL),
        (1000, Tariff(5, 4, 10, 3), 2483),
        (9, Tariff(5, 4, 10, 3), 13),
        (3, Tariff(5, 4, 10, 3), 0),
        (3, Tariff(50, 3, 60, 0), 0),
        (9, Tariff(0, 10, 1, 0), 0),
        (0, Tariff(0, 0, 1, 0), LONGEST_CALL),
        (1000, Tariff(25, 0, 1, 0), LONGEST_CALL),
        (965, Tariff(0, -3, 1, 0), 0),
        (1000, Tariff(0, 1, 0, 0), 1000),
    ],
)
def test_recorded_units(balance: int, tariff: Tariff, units: int) -> None:
    assert available_units(balance, tariff) == units


@pytest.mark.parametrize(
    ("tariff", "missing"),
    [
        (Tariff(0, None, 1, 0), "rate"),
        (Tariff(None, 1, 1, 0), "connect_fee"),
        (Tariff(0, 1, 1, None), "interval_start"),
    ],
)
def test_units_need_the_values_they_depend_on(tariff: Tariff, missing: str) -> None:
    with pytest.raises(Incomplete, match=missing):
        available_units(1000, tariff)


def test_no_units_need_no_interval_start() -> None:
    assert available_units(0, Tariff(0, 1, 1, None)) == 0


@given(tariff=tariffs, first=st.integers(0, DAY - 1000), second=st.integers(0, DAY - 1000))
def test_a_fee_never_decreases_within_a_day(tariff: Tariff, first: int, second: int) -> None:
    shorter, longer = sorted((first, second))
    assert fee(tariff, BEGIN, BEGIN + shorter) <= fee(tariff, BEGIN, BEGIN + longer)


@given(tariff=tariffs, more=amounts)
def test_a_balance_pays_for_its_units(tariff: Tariff, more: int) -> None:
    assert tariff.connect_fee is not None
    balance = tariff.connect_fee + more
    units = available_units(balance, tariff)
    assert fee(tariff, BEGIN, BEGIN + units * 1000) <= balance


@given(tariff=tariffs, balance=st.integers(-(10**12), 10**12))
def test_units_stay_within_the_longest_call(tariff: Tariff, balance: int) -> None:
    assert 0 <= available_units(balance, tariff) <= LONGEST_CALL


@given(elapsed=st.integers(1, DAY - 1000))
def test_a_duration_is_rounded_up(elapsed: int) -> None:
    assert duration(BEGIN, BEGIN + elapsed) == -(-elapsed // 1000)


@given(destination=st.text(max_size=30))
def test_candidate_prefixes_are_proper_and_short(destination: str) -> None:
    prefixes = candidate_prefixes(destination)
    assert len(prefixes) == max(0, min(LONGEST_PREFIX, len(destination) - 1))
    assert all(destination.startswith(prefix) and prefix != destination for prefix in prefixes)
