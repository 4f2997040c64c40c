"""All checks together."""

from __future__ import annotations

from rating_harness.checks.call_requests import check_call_requests
from rating_harness.checks.calls import check_calls
from rating_harness.checks.failures import check_failures
from rating_harness.checks.invariants import AWAITED, INVARIANT_CHECKS, unused_faults
from rating_harness.checks.kamailio import check_dialogs, check_log, check_routes
from rating_harness.checks.load import check_fees, check_load
from rating_harness.checks.model import Case, Verdict
from rating_harness.checks.own_ends import check_own_ends
from rating_harness.checks.received import check_received
from rating_harness.checks.records import check_accounts, check_transactions
from rating_harness.checks.requests import check_requests
from rating_harness.checks.traffic import check_carriers, check_setup
from rating_harness.evidence.model import Evidence
from rating_harness.scenario.model import Scenario

__all__ = ["judge", "records_settled"]

_EXPECTATIONS = (
    unused_faults,
    check_dialogs,
    check_requests,
    check_transactions,
    check_accounts,
    check_carriers,
    check_received,
    check_load,
    check_fees,
    check_call_requests,
    check_log,
    check_setup,
    check_routes,
)
_RECORDS = (check_transactions, check_accounts, check_fees, check_requests, check_log)


def judge(scenario: Scenario, evidence: Evidence) -> Verdict:
    """Every finding: what the scenario expects first, then what must always hold.

    :raises EndpointError: an end of the harness's own is at fault, so that nothing can be said of Kamailio.
    """
    case = Case(scenario, evidence)
    check_own_ends(case)
    findings = list(check_failures(case) if case.counts_failures else check_calls(case))
    findings += [finding for check in _EXPECTATIONS for finding in check(case)]
    counted = {"final_reply"} if case.counts_failures else set()
    for name, check in INVARIANT_CHECKS.items():
        if name not in scenario.invariants and name not in counted:
            findings += check(case)
    return Verdict(scenario.id, tuple(findings))


def records_settled(scenario: Scenario, evidence: Evidence) -> bool:
    """Whether what arrives in its own time is as expected, so that there's nothing to wait for any more."""
    case = Case(scenario, evidence)
    checks = [*_RECORDS, *(INVARIANT_CHECKS[name] for name in AWAITED if name not in scenario.invariants)]
    return not any(True for check in checks for _ in check(case))
