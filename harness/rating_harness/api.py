"""What Python users import: docs/python.md. Nothing else of the package is promised to stay.

The fixtures ``run_scenario``, ``rating_stack`` and ``rating_engine`` come with the pytest plugin.
"""

from __future__ import annotations

from rating_harness.canyan.tester import TesterFailed, run_tester
from rating_harness.checks.model import Finding, Verdict
from rating_harness.errors import HarnessError, Location, ScenarioError, UsageError
from rating_harness.evidence.calls import Call, calls_of
from rating_harness.evidence.model import Evidence
from rating_harness.evidence.store import read as read_evidence
from rating_harness.plugin import RunScenario, ScenarioFailed
from rating_harness.run.stack import Stack
from rating_harness.scenario.model import Scenario
from rating_harness.session.dialects import judge, load
from rating_harness.session.session import Outcome

__all__ = [
    "Call",
    "Evidence",
    "Finding",
    "HarnessError",
    "Location",
    "Outcome",
    "RunScenario",
    "Scenario",
    "ScenarioError",
    "ScenarioFailed",
    "Stack",
    "TesterFailed",
    "UsageError",
    "Verdict",
    "calls_of",
    "judge",
    "load",
    "read_evidence",
    "run_tester",
]
