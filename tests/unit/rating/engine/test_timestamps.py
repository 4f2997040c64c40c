"""Instants: what is read, and how they are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rating_harness.rating.engine import timestamps

NOON = 1_588_334_400_000


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2020-05-01T12:00:00Z", NOON),
        ("2020-05-01T12:00:00", NOON),
        ("2020-05-01 12:00", NOON),
        ("2020-05-01T14:00:00+02:00", NOON),
        ("2020-05-01T07:00:00-0500", NOON),
        ("2020-05-01T12:00:00.123456Z", NOON + 123),
        ("soon", None),
        ("2020-05-01", None),
        ("2020-13-01T12:00:00Z", None),
        ("2020-05-01T12:00:61Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("", None),
    ],
)
def test_iso_8601(text: str, instant: int | None) -> None:
    assert timestamps.from_text(text) == instant


@pytest.mark.parametrize(
    ("number", "instant"),
    [(NOON // 1000, NOON), (NOON, NOON), (NOON * 1000, NOON), (0, 0), (-1, -1000), (float("nan"), None)],
)
def test_unix_time_in_seconds_or_finer(number: float, instant: int | None) -> None:
    assert timestamps.from_number(number) == instant


@given(st.floats(allow_nan=False))
def test_any_number_is_some_instant(number: float) -> None:
    instant = timestamps.from_number(number)
    assert instant is not None
    assert timestamps.to_text(instant)


@given(st.datetimes(min_value=datetime(1000, 1, 1)))
def test_what_is_written_is_read_again(moment: datetime) -> None:
    instant = (moment - datetime(1970, 1, 1)) // timedelta(milliseconds=1)
    assert timestamps.from_text(timestamps.to_text(instant)) == instant


def test_a_fraction_is_written_when_there_is_one() -> None:
    assert timestamps.to_text(NOON) == "2020-05-01T12:00:00"
    assert timestamps.to_text(NOON + 123) == "2020-05-01T12:00:00.123000"
    assert timestamps.whole_seconds(NOON + 999) == NOON


def test_now_is_now() -> None:
    assert abs(timestamps.now() / 1000 - datetime.now(UTC).timestamp()) < 5
