"""A fault that was never applied is a finding, and so is a clock that was never put forward."""

from __future__ import annotations

from pathlib import Path

from rating_harness.checks import judge
from rating_harness.evidence.model import Span
from tests.builders import answered_call, evidence_of, scenario_of

TEXT = """calls: [{id: ana, from: "1000", to: "39040123456"}]
faults:
  - {on: agent, path: begin, delay: 1s}
  - {on: agent, path: end, status: 500, nth: 9}
"""


def test_a_fault_that_was_never_applied_is_a_finding_with_its_line(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", TEXT)
    findings = [f for f in judge(scenario, evidence_of(answered_call(), idle=(1,))).findings if "fault" in f.check]
    (finding,) = findings
    assert finding.check == "faults[1]"
    assert finding.expected == "status, at least once"
    assert finding.where == scenario.where("faults", 1)


def test_a_fault_that_was_applied_is_none(tmp_path: Path) -> None:
    verdict = judge(scenario_of(tmp_path / "s.yaml", TEXT), evidence_of(answered_call()))
    assert not [finding for finding in verdict.findings if finding.check.startswith("faults")]


def test_a_clock_that_was_never_put_forward_is_a_finding_with_its_line(tmp_path: Path) -> None:
    text = """calls: [{id: ana, from: "1000", to: "39040123456", hold: 9s}]
clock: {skip: 5s, when: ana is answered}
"""
    scenario = scenario_of(tmp_path / "s.yaml", text)
    (finding,) = [f for f in judge(scenario, evidence_of(answered_call())).findings if f.check.startswith("clock")]
    assert (finding.expected, finding.seen) == (
        "5s skipped, ana is answered",
        "0s skipped: its moment didn't come",
    )
    assert finding.where == scenario.where("clock", "when")
    put = judge(scenario, evidence_of(answered_call(), skipped=5.0))
    assert not [finding for finding in put.findings if finding.check.startswith("clock")]


def test_of_several_skips_the_one_that_never_came_is_the_finding(tmp_path: Path) -> None:
    text = """calls: [{id: ana, from: "1000", to: "39040123456", hold: 9m}]
clock:
  - {skip: 5s, when: ana is answered}
  - {skip: 7s, when: 1m after ana is answered}
"""
    scenario = scenario_of(tmp_path / "s.yaml", text)
    run = evidence_of(answered_call(), skipped=5.0, spans=(Span("clock: 5s skipped", 1.0, 2.0),))
    (finding,) = [each for each in judge(scenario, run).findings if each.check.startswith("clock")]
    assert finding.where == scenario.where("clock", 1, "when")
    assert finding.seen == "5s skipped by the others: its moment didn't come"
