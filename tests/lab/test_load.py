"""A load in steps, as SIPp makes it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from rating_harness.run.options import Options
from rating_harness.scenario.loader import load
from rating_harness.session.find_limit import Bounds, find_limit, run_trial
from rating_harness.session.session import Session

pytestmark = pytest.mark.lab

SCENARIO = """
scenario: A load in steps
given:
  accounts: [{account_tag: "1000", type: POSTPAID, balance: 0, max_concurrent_transactions: 1000}]
  carriers: [{carrier_tag: carrier, host: carrier}]
  pricelists: [{pricelist_tag: retail, rates: [{carrier_tag: carrier, prefix: "sip:39", rate: 1}]}]
load: {steps: [{rate: 10, duration: 500ms}, {rate: 0, duration: 3s}, {rate: 20, duration: 500ms}], hold: 500ms}
calls: [{id: ana, from: "1000", to: "39040123456"}]
"""


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    session = Session(Options(lab="local", seed=1), lambda plan, evidence, verdict: None)
    yield session
    session.close()


def test_each_step_makes_its_calls(session: Session, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SCENARIO)
    outcome = session.run(load(tmp_path / "s.yaml")[0])
    assert outcome.verdict is not None
    assert outcome.evidence is not None
    assert outcome.verdict.findings == ()
    begun = sorted(
        message.at
        for message in outcome.evidence.messages
        if (message.host, message.method, message.direction, message.status) == ("caller-ana", "INVITE", "sent", None)
    )
    assert len(begun) == 15
    gaps = [later - earlier for earlier, later in pairwise(begun)]
    assert gaps.index(max(gaps)) == 4, "five calls, the pause, and ten calls"


LIMITED = """
scenario: As many calls as the account may have
given:
  accounts: [{account_tag: "1000", type: POSTPAID, balance: 0, max_concurrent_transactions: 7}]
  carriers: [{carrier_tag: carrier, host: carrier}]
  pricelists: [{pricelist_tag: retail, rates: [{carrier_tag: carrier, prefix: "sip:39", rate: 1}]}]
load: {rate: 10, duration: 500ms, hold: 4s}
calls: [{id: ana, from: "1000", to: "39040123456"}]
"""


def test_the_limit_of_a_load_is_found(session: Session, tmp_path: Path) -> None:
    """Ten calls a second make five calls that are up at once, twenty make ten, of which three are refused."""
    (tmp_path / "s.yaml").write_text(LIMITED)
    (scenario,) = load(tmp_path / "s.yaml")
    limit = find_limit(Bounds(10, 20, 0.5), lambda rate: run_trial(session, scenario, rate))
    assert (limit.rate, limit.too_high, limit.why) == (10, 20, "found")
    passed, failed = limit.trials
    assert (passed.calls, passed.reason) == (5, "")
    assert (failed.calls, failed.passed) == (10, False)
    assert "another final reply to the caller" in failed.reason
