"""What passes with canyan-tester, and fails here; and what canyan-tester would fail, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rating_harness.canyan.checks import accepted, difference
from rating_harness.canyan.loader import load_canyan
from rating_harness.canyan.model import CanyanScenario, Step
from rating_harness.evidence.model import Evidence, HttpStep, ServiceState, SippResult
from rating_harness.session.dialects import judge

GOOD = SippResult("worker-1", "caller", 0, created=2, successful=2, failed=0, planned=2)


@pytest.fixture
def scenario(tmp_path: Path) -> CanyanScenario:
    (tmp_path / "file.yaml").write_text("""
setup:
  - {uri: /graphql, payload: {query: "mutation {}"}}
workers:
  - {values: {call_duration: 1}, call_number: 2}
  - {type: kamailio_xhttp, uri: "http://kamailio/RPC"}
check:
  - {uri: /graphql, payload: {query: "{}"}, expected_response: '{"data": {"Account": {"balance": 1}}}'}
teardown:
  - {method: DELETE, uri: /accounts/1}
""")
    return load_canyan(tmp_path / "file.yaml")


def asked(section: str, response: Any, *, index: int = 0, status: int | None = 200, error: str = "") -> HttpStep:
    return HttpStep(section, index, 0.0, "POST", "http://api/graphql", {}, status, response, error)


def findings(scenario: CanyanScenario, *requests: HttpStep, runs: tuple[SippResult, ...] = (GOOD,)) -> list[str]:
    kamailio = ServiceState("kamailio", alive=True)
    evidence = Evidence(scenario.id, 0.0, 1.0, sipp=runs, http_steps=requests, services=(kamailio,))
    return [f"{f.check}: {f.expected} / {f.seen} @{f.where.line}" for f in judge(scenario, evidence).findings]


def lenient(scenario: CanyanScenario) -> CanyanScenario:
    return scenario.model_copy(update={"lenient": True})


def test_a_good_run_passes(scenario: CanyanScenario) -> None:
    assert (
        findings(scenario, asked("setup", {"data": {}}), asked("check", {"data": {"Account": {"balance": 1}}})) == []
    )


ERRORS = {"data": None, "errors": [{"message": "no such rate"}]}


def test_errors_of_graphql_in_a_good_status(scenario: CanyanScenario) -> None:
    assert findings(scenario, asked("setup", ERRORS)) == ["setup[0]: no errors / no such rate @3"]
    assert findings(lenient(scenario), asked("setup", ERRORS)) == []


def test_errors_that_are_expected(tmp_path: Path) -> None:
    step = Step(expected_response='{"data": null, "errors": [{"message": "no such rate"}]}')
    assert accepted(step, asked("check", ERRORS))


def test_after_a_failed_setup_nothing_else_counts(scenario: CanyanScenario) -> None:
    found = findings(scenario, asked("setup", "oops", status=500), asked("teardown", "", status=404), runs=())
    assert found == ["setup[0]: status 200 / status 500: oops @3"]


def test_an_answer_that_is_not_as_expected(scenario: CanyanScenario) -> None:
    found = findings(scenario, asked("check", {"data": {"Account": {"balance": 2}}}))
    assert found == ["check[0]: data.Account.balance: 1 / data.Account.balance: 2 @8"]


def test_an_answer_with_errors_instead(scenario: CanyanScenario) -> None:
    assert findings(scenario, asked("check", ERRORS)) == ["check[0]: no errors / no such rate @8"]


def test_no_answer(scenario: CanyanScenario) -> None:
    found = findings(scenario, asked("check", None, status=None, error="connection refused"))
    assert found == ["check[0]: an answer / connection refused @8"]


def test_an_error_of_kamailios_rpc(scenario: CanyanScenario) -> None:
    answer = asked("workers", {"error": {"code": 500}}, index=1)
    assert findings(scenario, answer) == ['workers[1]: no error / {"code": 500} @6']
    assert findings(lenient(scenario), answer) == []


def test_a_refused_request_to_kamailio_is_lost_with_canyan_tester(scenario: CanyanScenario) -> None:
    answer = asked("workers", "no", index=1, status=403)
    assert findings(scenario, answer) == ["workers[1]: status 200 / status 403: no @6"]
    assert findings(lenient(scenario), answer) == []


def result(status: int | None, created: int, successful: int, failed: int, *, stopped: bool = False) -> SippResult:
    return SippResult("worker-1", "caller", status, created, successful, failed, stopped=stopped, planned=2)


@pytest.mark.parametrize(
    ("run", "seen", "with_canyan_tester"),
    [
        (result(1, 2, 1, 1), "run 1: exit status 1", True),
        (result(0, 1, 1, 0), "run 1: exit status 0, but 1 of 2 calls made", False),
        (result(0, 2, 1, 1), "run 1: 1 of 2 calls failed (no reason given)", False),
        (result(-9, 1, 0, 0, stopped=True), "run 1: killed when its time was over", True),
        (result(None, 1, 0, 0), "run 1: it was not made", True),
    ],
)
def test_runs_that_failed(scenario: CanyanScenario, run: SippResult, seen: str, with_canyan_tester: bool) -> None:
    assert findings(scenario, runs=(run,)) == [f"workers[0]: 1 run / 0; {seen} @5"]
    assert bool(findings(lenient(scenario), runs=(run,))) is with_canyan_tester


def test_so_many_runs_may_fail(scenario: CanyanScenario) -> None:
    worker = scenario.canyan.workers[0].model_copy(update={"max_errors": 1})
    file = scenario.canyan.model_copy(update={"workers": (worker, *scenario.canyan.workers[1:])})
    forgiving = scenario.model_copy(update={"canyan": file})
    bad = result(1, 2, 1, 1)
    assert findings(forgiving, runs=(GOOD, bad)) == []
    assert findings(forgiving, runs=(GOOD, bad, bad)) == [
        "workers[0]: all 3 runs, of which 1 may fail (max_errors) / 1; run 2: exit status 1 @5"
    ]


def test_zero_calls_are_a_failure_whatever_else_is_allowed(scenario: CanyanScenario) -> None:
    nothing = SippResult("worker-1", "caller", 0, created=0, successful=0, failed=0, planned=0)
    assert findings(scenario, runs=(nothing,)) == ["always: calls: at least one call / none @4"]
    assert findings(lenient(scenario), runs=(nothing,)) == []


def test_kamailio_that_died(scenario: CanyanScenario) -> None:
    dead = ServiceState("kamailio", alive=False, exit_status=-11)
    evidence = Evidence(scenario.id, 0.0, 1.0, sipp=(GOOD,), services=(dead,))
    assert [finding.check for finding in judge(scenario, evidence).findings] == ["always: kamailio"]


@pytest.mark.parametrize(
    ("expected", "seen", "found"),
    [
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2}]}, None),
        ({"a": 1}, {"a": 1, "b": 2}, ("b", "nothing", "2")),
        ({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, ("a[1].b", "2", "3")),
        ({"a": 1}, {"a": True}, ("a", "1", "true")),
        ([1], [1, 2], ("the answer", "[1]", "[1, 2]")),
    ],
)
def test_the_first_difference(expected: Any, seen: Any, found: tuple[str, str, str] | None) -> None:
    assert difference(expected, seen) == found
