"""Verdicts: pure functions of what was expected and what was observed."""

from harness.checks.model import Finding, Verdict
from harness.checks.verdict import judge, records_settled

__all__ = ["Finding", "Verdict", "judge", "records_settled"]
