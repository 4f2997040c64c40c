"""Verdicts: pure functions of what was expected and what was observed."""

from rating_harness.checks.model import Finding, Verdict
from rating_harness.checks.verdict import judge, records_settled

__all__ = ["Finding", "Verdict", "judge", "records_settled"]
