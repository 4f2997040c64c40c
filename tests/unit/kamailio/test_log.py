"""Kamailio's log: one line of it is one line, whatever other processes write meanwhile."""

from __future__ import annotations

import pytest

from rating_harness.kamailio.log import parse_log

SIX = "WARNING: {six} <script>: rating: end tried again in 1 s: call=six error=Failed to connect to rating-agent port"
FOUR = "WARNING: {four} <script>: rating: end tried again in 1 s: call=four error=Failed to connect"
BEFORE = " 7(51) INFO: seven\n 8(52) INFO: eight\n10(54) INFO: ten\n"


def read(text: str) -> list[tuple[str, str]]:
    return [(line.level, line.text) for line in parse_log(BEFORE + text)][3:]


def parts(line: str) -> tuple[str, str]:
    level, _, text = line.partition(": ")
    return level, text


@pytest.mark.parametrize("at", [12, 40, 128 - 7, len(SIX)])
def test_a_line_that_another_process_writes_into_is_put_together(at: int) -> None:
    torn = f" 7(51) {SIX[:at]} 8(52) {FOUR}\n{SIX[at:]}\n 8(52) ALERT: after\n"
    assert read(torn) == [parts(SIX), parts(FOUR), ("ALERT", "after")]


def test_a_line_that_two_write_into_is_put_together() -> None:
    torn = f" 7(51) {SIX[:60]} 8(52) {FOUR[:50]}10(54) ALERT: ten\n{SIX[60:]}\n{FOUR[50:]}\n"
    assert read(torn) == [parts(SIX), parts(FOUR), ("ALERT", "ten")]


def test_a_rest_that_is_written_into_is_put_together() -> None:
    torn = f" 7(51) {SIX[:60]} 8(52) {FOUR}\n{SIX[60:80]}10(54) ALERT: ten\n{SIX[80:]}\n"
    assert read(torn) == [parts(SIX), parts(FOUR), ("ALERT", "ten")]


def test_what_looks_like_a_process_that_is_none_begins_no_line() -> None:
    assert read(" 7(51) WARNING: carrier=x 9(99) ALERT: <script>: rating: end lost\n") == [
        ("WARNING", "carrier=x 9(99) ALERT: <script>: rating: end lost")
    ]


def test_lines_without_a_process_stay_as_they_are() -> None:
    assert read("0(1) ERROR: no room\nCRITICAL: out of memory\nanything\n\n") == [
        *(("ERROR", "no room"), ("CRITICAL", "out of memory"), ("", "anything")),
    ]
