from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rating_harness.checks.kamailio import check_routes
from rating_harness.checks.model import Case, Finding
from tests.builders import answered_call, evidence_of, scenario_of


def _found(tmp_path: Path, routes: Mapping[str, int] | None) -> list[Finding]:
    scenario = scenario_of(
        tmp_path / "scenario.yaml",
        'calls: [{id: ana, from: "1000", to: "39"}]\nexpect: {routes: {run: [SIPOUT], not_run: [HANG_UP]}}\n',
    )
    return list(check_routes(Case(scenario, evidence_of(answered_call(), routes=routes))))


def test_routes_as_expected(tmp_path: Path) -> None:
    assert _found(tmp_path, {"SIPOUT": 3, "OTHER": 1}) == []


def test_a_route_that_did_not_run_and_one_that_did(tmp_path: Path) -> None:
    missing, other = _found(tmp_path, {"SIP_OUT": 3, "HANG_UP": 1})
    assert (missing.check, missing.expected, missing.seen) == ("expect.routes.run[0]", "run", "not run")
    assert missing.hint == "did you mean 'SIP_OUT'?"
    assert (other.check, other.expected, other.seen) == ("expect.routes.not_run[0]", "not run", "run")


def test_without_a_trace_nothing_is_known(tmp_path: Path) -> None:
    assert [finding.seen for finding in _found(tmp_path, None)] == ["Kamailio was not traced"] * 2
