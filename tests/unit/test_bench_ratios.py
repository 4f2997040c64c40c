"""What makes a fall of a benchmark's ratio one that counts."""

from __future__ import annotations

import json

from benchmarks.ratios import BASELINE, LEAST_NOISE, Ratio, document, regressions, table


def ratio(*rounds: float, name: str = "engine") -> Ratio:
    return Ratio(name, "of a bare route", rounds)


def test_a_fall_counts_beyond_its_noise() -> None:
    baseline = document([ratio(0.78, 0.8, 0.82)], {})
    assert baseline["ratios"]["engine"]["noise"] == LEAST_NOISE
    assert regressions([ratio(0.69, 0.2, 0.9)], baseline) == [], "the median counts"
    (told,) = regressions([ratio(0.67, 0.66, 0.68)], baseline)
    assert told == "engine: 0.670 is below 0.680 (0.800 less its noise, 15%)"
    assert regressions([ratio(3.0)], baseline) == [], "faster is no fault"


def test_rounds_that_differ_are_noise() -> None:
    baseline = document([ratio(0.7, 0.8, 0.9)], {})
    assert baseline["ratios"]["engine"]["noise"] == 0.375
    assert regressions([ratio(0.51)], baseline) == []
    assert regressions([ratio(0.49)], baseline) != []


def test_no_noise_hides_a_fall_by_half() -> None:
    baseline = document([ratio(0.1, 0.8, 1.5)], {})
    assert baseline["ratios"]["engine"]["noise"] == 0.5
    assert regressions([ratio(0.39)], baseline) != []


def test_what_is_measured_no_more_is_told() -> None:
    baseline = document([ratio(0.8), ratio(0.5, name="tap")], {})
    assert regressions([ratio(0.8)], baseline) == ["tap: not measured"]


def test_the_table_has_a_row_for_each() -> None:
    rows = table([ratio(0.6, 0.8, 1.0), ratio(0.5, name="tap")]).splitlines()
    assert rows[2:] == [
        "| engine | 0.800 | 0.600 to 1.000 | 3 | of a bare route |",
        "| tap | 0.500 | 0.500 to 0.500 | 1 | of a bare route |",
    ]


def test_what_is_committed_says_where_and_when() -> None:
    committed = json.loads(BASELINE.read_text("utf-8"))
    assert set(committed["machine"]) == {"date", "cores", "load average", "python", "kamailio"}
    assert {"scenario", "rated", "engine", "tap, processor time"} <= set(committed["ratios"])
    for name, entry in committed["ratios"].items():
        assert entry["name"] == name
        assert entry["rounds"]
        assert entry["ratio"] > 0
        assert LEAST_NOISE <= entry["noise"] <= 0.5
