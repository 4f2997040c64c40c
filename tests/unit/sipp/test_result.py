"""SIPp's exit statuses and statistics."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rating_harness.errors import SippError
from rating_harness.evidence.model import SippResult
from rating_harness.sipp.result import check_status, merged, read_result, read_statistics

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


def result(host: str, **values: int | None) -> SippResult:
    counts = {"status": 0, "created": 0, "successful": 0, "failed": 0, **values}
    return SippResult(host, "caller", counts["status"], counts["created"], counts["successful"], counts["failed"])


def test_results_of_several_generators_are_added() -> None:
    one = replace(result("caller-ana", created=3, successful=3), errors="first")
    two = replace(
        result("caller-ana", status=1, created=4, successful=2, failed=2),
        failures={"FailedRegexp": 2},
        errors="second",
    )
    other = result("caller-bob", created=1)
    together = merged([one, other, replace(two, failures={"FailedRegexp": 1, "FailedTimeout": 1}), two])
    assert [each.host for each in together] == ["caller-ana", "caller-bob"]
    assert (together[0].status, together[0].created, together[0].successful, together[0].failed) == (1, 11, 7, 4)
    assert together[0].failures == {"FailedRegexp": 3, "FailedTimeout": 1}
    assert together[0].errors.splitlines() == ["first", "second", "second"]
    assert together[1] == other


def test_what_one_couldnt_count_leaves_the_sum_of_the_others() -> None:
    (together,) = merged([result("caller-ana", created=None), result("caller-ana", created=4, status=None)])
    assert (together.created, together.status) == (4, None)
