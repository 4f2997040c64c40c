"""A scenario whose failure may be due to something of the harness's own that came too late is run again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rating_harness.errors import EndpointError
from rating_harness.evidence.model import Evidence
from rating_harness.report.failure import error_text
from rating_harness.report.presentation import run_facts
from rating_harness.run.options import Options
from rating_harness.session import dialects
from rating_harness.session.session import TRIES, Outcome, Session
from tests.builders import answered_call, evidence_of, exchange, records, scenario_of

CALL = 'calls: [{id: ana, from: "1000", to: "39040123456", start: 500ms, expect: {reply: %s}}]\n'


def run_of(at: float) -> Evidence:
    """A run whose call begins so many seconds after its moment; it's answered with 200."""
    messages = answered_call(at=0.5 + at)
    return evidence_of(messages, [exchange(0.5 + at, "authorization")], after=records(9.0, 8))


def outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: int, *lateness: float, again: bool = True
) -> tuple[Outcome, int]:
    """What becomes of runs, one after the other, and how many there were."""
    runs: Iterator[float] = iter(lateness)
    made = []

    def run(*_: Any, **__: Any) -> tuple[None, Evidence]:
        made.append(1)
        return None, run_of(next(runs))

    monkeypatch.setattr(dialects, "run", run)
    session = Session(Options(lab="local"), lambda plan, evidence, verdict: tmp_path, alone=True, again=again)
    session._own = SimpleNamespace(unmet=lambda scenario: None, probes=None)  # type: ignore[assignment]
    scenario = scenario_of(tmp_path / "s.yaml", CALL % expected + f"invariants: {{{ALL_OFF}}}\n")
    return session.run(scenario), len(made)


ALL_OFF = ", ".join(
    f"{name}: not a matter of this test"
    for name in ("begin_and_end", "record", "fee", "balances", "running", "dialogs", "carriers", "requests")
)


def test_a_run_that_passes_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, runs = outcome(tmp_path, monkeypatch, 200, 0.4)
    assert found.verdict is not None
    assert found.verdict.passed, found.verdict
    assert runs == 1


def test_a_failure_in_time_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, runs = outcome(tmp_path, monkeypatch, 486, 0.1)
    assert found.verdict is not None
    assert not found.verdict.passed
    assert runs == 1
    assert found.evidence is not None
    assert run_facts(found.evidence) == []


def test_a_failure_too_late_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, runs = outcome(tmp_path, monkeypatch, 486, 0.4, 0.6, 0.1)
    assert found.verdict is not None
    assert not found.verdict.passed
    assert runs == 3
    assert found.evidence is not None
    assert run_facts(found.evidence) == ["run 3, since call ana began 400ms late; call ana began 600ms late"]


def test_who_wants_no_repetition_gets_the_first_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, runs = outcome(tmp_path, monkeypatch, 486, 0.4, again=False)
    assert found.verdict is not None
    assert not found.verdict.passed
    assert runs == 1


def test_what_is_always_late_is_no_failure_of_kamailio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EndpointError) as refused:
        outcome(tmp_path, monkeypatch, 486, *[0.4] * TRIES)
    error = refused.value
    assert error.found == "call ana began 400ms late"
    assert "486" in (error.detail or "")
    assert error.folder == tmp_path
    assert error_text(error).startswith("NOT RUN  this machine was too busy, and nothing is said of Kamailio\n")
