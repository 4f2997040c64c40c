"""SIPp's exit statuses and statistics."""

from __future__ import annotations

import pytest

from rating_harness.errors import SippError
from rating_harness.sipp.result import check_status, read_result, read_statistics

HEADER = "StartTime;TotalCallCreated;CurrentCall;SuccessfulCall(P);SuccessfulCall(C);FailedCall(P);FailedCall(C);" \
    "FailedUnexpectedMessage(P);FailedUnexpectedMessage(C);\n"  # fmt: skip
ROW = "2026-01-01;{0};0;0;{1};0;{2};0;{2};\n"


def test_the_last_complete_row_counts() -> None:
    text = HEADER + ROW.format(1, 0, 0) + ROW.format(3, 2, 1) + "2026-01-01;4;"
    assert read_statistics(text) == {
        "TotalCallCreated": 3,
        "SuccessfulCall": 2,
        "FailedCall": 1,
        "FailedUnexpectedMessage": 1,
    }


@pytest.mark.parametrize("text", ["", HEADER, HEADER + "2026"])
def test_no_row_is_nothing_and_not_zero(text: str) -> None:
    assert read_statistics(text) is None
    assert read_result("carrier", "carrier", 0, text.encode(), None).created is None


def test_a_result_says_why_calls_failed() -> None:
    result = read_result("caller-ana", "caller", 1, (HEADER + ROW.format(3, 2, 1)).encode(), b"Aborting call")
    assert (result.created, result.successful, result.failed) == (3, 2, 1)
    assert result.failures == {"FailedUnexpectedMessage": 1}
    assert result.errors == "Aborting call"


@pytest.mark.parametrize("status", [0, 1, 97, 99, None])
def test_failed_calls_are_no_errors(status: int | None) -> None:
    statistics = (HEADER + ROW.format(1, 0, 1)).encode()
    check_status(read_result("h", "caller", status, statistics, None), "")


@pytest.mark.parametrize(
    ("status", "said"), [(1, "never began"), (254, "already in use"), (255, "its scenario"), (-6, "signal 6")]
)
def test_a_sipp_that_could_not_work_is_one(status: int, said: str) -> None:
    with pytest.raises(SippError, match=said) as raised:
        check_status(read_result("h", "caller", status, None, b"the reason\n"), "its output")
    assert "the reason" in str(raised.value)


def test_one_that_was_told_to_stop_is_none() -> None:
    check_status(read_result("h", "carrier", -15, None, None, stopped=True), "")
