"""All checks together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rating_harness.checks.agent_answers import untranslated
from rating_harness.checks.call_requests import check_call_requests
from rating_harness.checks.calls import check_calls
from rating_harness.checks.consequences import with_consequences
from rating_harness.checks.failures import check_failures
from rating_harness.checks.invariants import AWAITED, INVARIANT_CHECKS, Check, unmoved_clock, unused_faults
from rating_harness.checks.kamailio import check_dialogs, check_log, check_routes, check_rpc
from rating_harness.checks.load import check_fees, check_load
from rating_harness.checks.model import Case, Verdict
from rating_harness.checks.own_ends import check_own_ends
from rating_harness.checks.received import check_received
from rating_harness.checks.records import check_accounts, check_transactions
from rating_harness.checks.requests import check_requests
from rating_harness.checks.traffic import check_carriers, check_setup
from rating_harness.errors import EndpointError
from rating_harness.evidence.model import FIELDS_OF_RECORDS, Evidence
from rating_harness.scenario.calls import TRACED
from rating_harness.scenario.model import Scenario

__all__ = ["judge", "records_settled"]

_EXPECTATIONS = (
    unused_faults,
    unmoved_clock,
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
    check_rpc,
)
_RECORDS = (check_transactions, check_accounts, check_fees, check_requests, check_log)

_NEEDED: Mapping[Check, str] = {
    check_transactions: "records",
    check_accounts: "records",
    check_requests: "requests",
    check_dialogs: "dialogs",
}
"""What each expectation is judged by, where that can be out of sight."""

_NEEDED_BY_INVARIANT: Mapping[str, tuple[str, ...]] = {
    "record": ("records",),
    "fee": ("records",),
    "balances": ("records",),
    "running": ("records",),
    "begin_and_end": ("requests",),
    "carriers": ("requests",),
    "requests": ("requests",),
    "dialogs": ("dialogs",),
    "tables": ("tables", "dialogs"),
}
"""The same of what always holds."""


_BRIEF = f"of more than {TRACED} calls a line of each message is kept, and no headers"


def judge(scenario: Scenario, evidence: Evidence) -> Verdict:
    """Every finding: what the scenario expects first, then what must always hold.

    :raises EndpointError: an end of the harness's own is at fault, so that nothing can be said of Kamailio.
    """
    case = Case(scenario, evidence)
    check_own_ends(case)
    findings = list(check_failures(case) if case.counts_failures else check_calls(case))
    findings += [finding for check in _possible(_EXPECTATIONS, evidence) for finding in check(case)]
    counted = {"final_reply"} if case.counts_failures else set()
    unchecked = {}
    for name, check in INVARIANT_CHECKS.items():
        reason = _impossible(name, evidence)
        if reason:
            unchecked[name] = reason
        elif name not in scenario.invariants and name not in counted:
            findings += check(case)
    if "strict_peer" not in scenario.invariants and any(message.is_brief for message in evidence.messages):
        unchecked["strict_peer"] = _BRIEF
    unchecked |= {name: why for name, why in evidence.unobserved.items() if name.startswith("table ")}
    if FIELDS_OF_RECORDS in evidence.unobserved:
        unchecked[FIELDS_OF_RECORDS] = evidence.unobserved[FIELDS_OF_RECORDS]
    if why := untranslated(evidence.exchanges):
        unchecked["the engine's answers"] = why
    if "capture" in evidence.unobserved:
        unchecked["Kamailio's own view"] = evidence.unobserved["capture"]
    return Verdict(scenario.id, with_consequences(case, findings), unchecked)


def _possible(checks: Iterable[Check], evidence: Evidence) -> list[Check]:
    return [check for check in checks if _NEEDED.get(check) not in evidence.unobserved]


def _impossible(invariant: str, evidence: Evidence) -> str | None:
    """Why it can't be judged here; None when it can."""
    needed = _NEEDED_BY_INVARIANT.get(invariant, ())
    return next((evidence.unobserved[each] for each in needed if each in evidence.unobserved), None)


def records_settled(scenario: Scenario, evidence: Evidence) -> bool:
    """Whether what arrives in its own time is as expected, so that there's nothing to wait for any more."""
    case = Case(scenario, evidence)
    awaited = [name for name in AWAITED if name not in scenario.invariants and not _impossible(name, evidence)]
    checks = [*_possible(_RECORDS, evidence), *(INVARIANT_CHECKS[name] for name in awaited)]
    return not any(True for check in checks for _ in check(case)) or not _ends_are_believed(case)


def _ends_are_believed(case: Case) -> bool:
    """Whether there will be a verdict, for which records are worth waiting."""
    try:
        check_own_ends(case)
    except EndpointError:
        return False
    return True
