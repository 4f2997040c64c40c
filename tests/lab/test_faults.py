"""Faults that are planned and never come, against those that do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rating_harness.run.options import Options
from rating_harness.scenario.loader import load
from rating_harness.session.session import Session

pytestmark = pytest.mark.lab

TEXT = """
scenario: A call, and what should go wrong meanwhile
given:
  accounts: [{account_tag: "1000", type: POSTPAID, balance: 0}]
  carriers: [{carrier_tag: carrier, host: carrier}]
  pricelists: [{pricelist_tag: retail, rates: [{carrier_tag: carrier, prefix: "sip:39", rate: 1}]}]
calls:
  - {id: ana, from: "1000", to: "39040123456", hold: 500ms}
faults:
  - {on: agent, path: begin, delay: 100ms}
  - {on: agent, path: begin, delay: 100ms}
  - {on: agent, path: authorization, delay: 100ms, nth: 2}
  - {on: agent, path: end, delay: 100ms, when: 300ms after ana is answered}
  - {on: carrier, pause: 100ms, when: 1s after ana is ended}
"""


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    session = Session(Options(lab="local", seed=1), lambda plan, evidence, verdict: None)
    yield session
    session.close()


def test_each_fault_that_was_never_applied_is_a_finding(session: Session, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(TEXT)
    (scenario,) = load(tmp_path / "s.yaml")
    outcome = session.run(scenario)
    assert outcome.verdict is not None
    assert [finding.check for finding in outcome.verdict.findings] == ["faults[1]", "faults[2]"]
