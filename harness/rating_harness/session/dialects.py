"""What a file is written in: the scenario language of this project, or canyan-tester's."""

from __future__ import annotations

from rating_harness import checks
from rating_harness.canyan.checks import judge_canyan
from rating_harness.canyan.model import CanyanScenario
from rating_harness.checks.model import Verdict
from rating_harness.evidence.model import Evidence
from rating_harness.scenario.model import Scenario

__all__ = ["judge"]


def judge(scenario: Scenario, evidence: Evidence) -> Verdict:
    """Every finding: what the scenario expects first, then what must always hold."""
    if isinstance(scenario, CanyanScenario):
        return judge_canyan(scenario, evidence)
    return checks.judge(scenario, evidence)
