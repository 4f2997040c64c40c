"""A generator that was lost in mid-run: no verdict, every call counted, and Kamailio isn't accused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rating_harness.checks import judge, records_settled
from rating_harness.errors import EndpointError
from rating_harness.evidence.model import GeneratorResult
from rating_harness.evidence.store import read, write
from tests.builders import scenario_of
from tests.unit.checks.test_invariants import PLAIN, sound

WHOLE = GeneratorResult(1, "machine-1", "198.18.0.129", 0.001, 0.0001, planned=40, made=40, over=40, setup={460: 40})
LOST = replace(WHOLE, number=2, node="machine-2", made=21, over=18, lost="no word from it for 8 s")
GONE = replace(LOST, number=3, node="machine-3", made=0, over=0, setup={})


def test_without_a_loss_there_is_a_verdict(tmp_path: Path) -> None:
    assert judge(scenario_of(tmp_path / "s.yaml", PLAIN), replace(sound(), generators=(WHOLE,))).passed


def test_each_call_of_it_is_counted(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", PLAIN)
    evidence = replace(sound(), generators=(WHOLE, LOST, GONE))
    with pytest.raises(EndpointError) as raised:
        judge(scenario, evidence)
    error = raised.value
    assert error.message == "2 of 3 generators were lost in mid-run"
    assert error.found == (
        "generator 2 on machine-2: of 40 calls 18 were over, 3 begun, 19 not made; "
        "generator 3 on machine-3: of 40 calls 0 were over, 0 begun, 40 not made"
    )
    assert error.detail is not None
    assert error.detail.splitlines() == [
        "generator 2: no word from it for 8 s",
        "generator 3: no word from it for 8 s",
        "the others made 40 of 40 calls, set-up p95 10ms",
    ]
    assert "says nothing of Kamailio" in str(error.hint)
    # There's nothing to wait for.
    assert records_settled(scenario, evidence)


def test_stored_evidence_says_the_same(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", PLAIN)
    write(tmp_path / "run", replace(sound(), generators=(WHOLE, LOST)))
    stored = read(tmp_path / "run")
    assert stored.generators == (WHOLE, LOST)
    with pytest.raises(EndpointError, match="1 of 2 generators was lost"):
        judge(scenario, stored)
