"""A load in steps, as SIPp makes it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from rating_harness.run.options import Options
from rating_harness.scenario.loader import load
from rating_harness.session.session import Session

pytestmark = pytest.mark.lab

SCENARIO = """
scenario: A load in steps
given:
  accounts: [{account_tag: "1000", type: POSTPAID, balance: 0, max_concurrent_transactions: 1000}]
  carriers: [{carrier_tag: carrier, host: carrier}]
  pricelists: [{pricelist_tag: retail, rates: [{carrier_tag: carrier, prefix: "sip:39", rate: 1}]}]
load: {steps: [{rate: 10, duration: 500ms}, {rate: 0, duration: 1500ms}, {rate: 20, duration: 500ms}], hold: 500ms}
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
