"""Histograms of several generators: they are added, and say what one of all would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rating_harness.evidence.statistics import Histogram, percentile

TIMES = st.lists(st.floats(0.0001, 100), max_size=40)
SHARES = st.sampled_from([0.5, 0.9, 0.95, 0.99, 1.0])


@given(st.lists(TIMES, max_size=5), SHARES)
def test_the_sum_is_the_histogram_of_all(parts: list[list[float]], share: float) -> None:
    total = sum((Histogram.of(part) for part in parts), Histogram())
    whole = Histogram.of(time for part in parts for time in part)
    assert dict(total.counts) == dict(whole.counts)
    assert total.percentile(share) == whole.percentile(share)


@given(TIMES, SHARES)
def test_a_percentile_is_right_within_one_percent(times: list[float], share: float) -> None:
    exact, found = percentile(sorted(times), share), Histogram.of(times).percentile(share)
    if exact is None:
        assert found is None
    else:
        assert found is not None
        assert exact * 0.9999 <= found <= exact * 1.0101


def test_an_average_of_percentiles_would_be_wrong() -> None:
    fast, slow = Histogram.of([0.01] * 98), Histogram.of([1.0] * 2)
    assert (fast + slow).percentile(0.5) == pytest.approx(0.01, rel=0.011)
    assert (fast + slow).percentile(0.99) == pytest.approx(1.0, rel=0.011)
    assert (fast + slow).total == 100


def test_what_took_no_time_is_counted() -> None:
    assert Histogram.of([0.0, -0.001]).total == 2
