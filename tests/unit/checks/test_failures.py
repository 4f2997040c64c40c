"""Calls that go wrong are counted, and judged by their number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rating_harness.checks.failures import check_failures
from rating_harness.checks.model import Case, Finding
from rating_harness.evidence.model import Evidence
from rating_harness.scenario.model import Scenario
from tests.builders import answered_call, evidence_of, refused_call, scenario_of

_CALLS = 'calls: [{{id: ana, from: "1000", to: "39040123456", repeat: 3{more}}}]\nexpect: {{failures: {failures}}}\n'
_IDS = tuple(f"1f2e-ana-{number}@sip.test" for number in (1, 2, 3))


def _scenario(tmp_path: Path, failures: str = "0", more: str = "") -> Scenario:
    return scenario_of(tmp_path / "scenario.yaml", _CALLS.format(failures=failures, more=more))


def _two_of_three(reply: str = "503 Service Unavailable") -> Evidence:
    first, second, third = _IDS
    return evidence_of(
        [
            *answered_call(call_id=first),
            *refused_call(reply, call_id=second),
            *answered_call(call_id=third, ended_by="callee"),
        ]
    )


def _found(scenario: Scenario, evidence: Evidence) -> list[Finding]:
    return list(check_failures(Case(scenario, evidence)))


def test_calls_that_differ_are_counted_with_their_reasons(tmp_path: Path) -> None:
    (finding,) = _found(_scenario(tmp_path), _two_of_three())
    assert finding.check == "expect.failures"
    assert finding.expected == "0"
    assert finding.seen == "2 of 3: 503 Service Unavailable (1), ended by callee (1)"
    assert finding.call_id == _IDS[1]
    assert finding.where.line == 7


@pytest.mark.parametrize(("failures", "passes"), [("2", True), ("at most 2", True), ("any", True), ("1", False)])
def test_as_many_as_expected(tmp_path: Path, failures: str, passes: bool) -> None:
    assert (_found(_scenario(tmp_path, failures), _two_of_three()) == []) == passes


def test_too_few_failures_are_told(tmp_path: Path) -> None:
    (finding,) = _found(_scenario(tmp_path, "3"), _two_of_three())
    assert finding.seen.startswith("2 of 3: ")


def test_a_reply_that_is_expected_is_no_failure(tmp_path: Path) -> None:
    evidence = evidence_of(
        [message for call_id in _IDS for message in refused_call("486 Busy Here", call_id=call_id)]
    )
    assert _found(_scenario(tmp_path, more=", expect: {reply: 486}"), evidence) == []
    (finding,) = _found(_scenario(tmp_path), evidence)
    assert finding.seen == "3 of 3: 486 Busy Here (3)"


def test_what_sipp_had_no_place_for_is_counted(tmp_path: Path) -> None:
    evidence = evidence_of([message for call_id in _IDS for message in answered_call(call_id=call_id)])
    assert _found(_scenario(tmp_path), evidence) == []
    caller, *others = evidence.sipp
    evidence = replace(evidence, sipp=(replace(caller, failed=2), *others))
    (finding,) = _found(_scenario(tmp_path), evidence)
    assert finding.seen == "2 of 3: unexpected SIP message, or none (2)"


def test_under_load_each_expectation_that_is_not_met_is_named_with_its_line_and_counts(tmp_path: Path) -> None:
    scenario = scenario_of(
        tmp_path / "scenario.yaml",
        "load: {rate: 3, duration: 1s}\n"
        'calls:\n  - {id: ana, from: "1000", to: "39040123456", expect: {reply: 200}}\n',
    )
    found = _found(scenario, _two_of_three())
    assert [(f.check, f.message, f.expected, f.seen, f.where.line) for f in found] == [
        ("calls[0].expect.reply", "call ana: another final reply to the caller, in 1 of 3 calls",
         "200", "503 Service Unavailable (1)", 8),
        ("calls[0].expect.ended_by", "call ana: who ended the call, in 1 of 3 calls", "caller", "callee (1)", 8),
    ]  # fmt: skip
    assert [finding.call_id for finding in found] == [_IDS[1], _IDS[2]]


def test_under_load_a_call_may_fail_in_several_ways(tmp_path: Path) -> None:
    scenario = scenario_of(
        tmp_path / "scenario.yaml",
        "load: {rate: 3, duration: 1s}\n"
        'calls: [{id: ana, from: "1000", to: "39040123456", expect: {ended_by: callee, duration: 9s ± 1s}}]\n',
    )
    run = evidence_of([message for call_id in _IDS for message in answered_call(call_id=call_id)])
    assert [(finding.check, finding.seen) for finding in _found(scenario, run)] == [
        ("calls[0].expect.ended_by", "caller (3)"),
        ("calls[0].expect.duration", "1.999s (3)"),
    ]


def test_what_sipp_gave_up_under_load_is_told_with_what_it_says(tmp_path: Path) -> None:
    scenario = scenario_of(
        tmp_path / "scenario.yaml",
        'load: {rate: 3, duration: 1s}\ncalls: [{id: ana, from: "1000", to: "39040123456"}]\n',
    )
    run = evidence_of([message for call_id in _IDS for message in answered_call(call_id=call_id)])
    caller, *others = run.sipp
    errors = "2027-01-15 08:00:00: Aborting call on unexpected message: 199 Early Dialog Terminated"
    (finding,) = _found(scenario, replace(run, sipp=(replace(caller, failed=2, errors=errors), *others)))
    assert (finding.check, finding.seen) == ("always: calls", "2 given up")
    assert "199 Early Dialog Terminated" in finding.hint


def test_a_call_that_may_be_refused_is_hung_up_by_nobody_where_it_was(tmp_path: Path) -> None:
    (finding,) = _found(_scenario(tmp_path, more=", expect: {reply: [200, 503]}"), _two_of_three())
    assert finding.seen == "1 of 3: ended by callee (1)"
