"""What is drawn, and what is brought along."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from rating_harness.canyan.loader import load_canyan
from rating_harness.canyan.plan import LONGEST, CanyanPlan, plan_canyan
from rating_harness.errors import PlanError
from rating_harness.lab.protocol import Host

XML = "<scenario><!-- %(who)s %(target)s %(basedir)s/numbers.csv --></scenario>"
HOST = Host("worker-1", "198.18.0.9")


def planned(tmp_path: Path, workers: str, *, seed: int = 1, carrier: Host | None = None) -> CanyanPlan:
    (tmp_path / "call.xml").write_text(XML)
    (tmp_path / "numbers.csv").write_text("SEQUENTIAL\n")
    (tmp_path / "file.yaml").write_text(f"workers:\n{workers}")
    return plan_canyan(load_canyan(tmp_path / "file.yaml"), token="abcd", seed=seed, carrier=carrier)


def test_numbers_are_drawn_in_canyan_testers_order(tmp_path: Path) -> None:
    workers = """
  - {scenario: call.xml, number: 2, repeat: {min: 1, max: 9}, delay: {min: 0, max: 5000},
     call_number: {min: 1, max: 99}, values: {who: {min: 100, max: 999}}}
"""
    plan = planned(tmp_path, workers, seed=7)

    drawn = Random(7)
    drawn.randint(2, 2)
    expected = []
    for _ in range(2):
        delay, who, calls = drawn.randint(0, 5000), drawn.randint(100, 999), drawn.randint(1, 99)
        expected.append((delay / 1000, who, calls))
    assert [(w.delay, w.values["who"], w.calls) for w in plan.workers] == expected
    assert [w.repeat for w in plan.workers] == [drawn.randint(1, 9), drawn.randint(1, 9)]


def test_workers_side_by_side_take_turns_at_a_list(tmp_path: Path) -> None:
    plan = planned(tmp_path, "  - {scenario: call.xml, number: 3, values: {who: [ana, 7]}}")
    assert [worker.values["who"] for worker in plan.workers] == ["ana", 7, "ana"]
    assert [worker.name for worker in plan.workers] == ["worker-1-1", "worker-1-2", "worker-1-3"]


def test_the_scenario_is_filled_in_when_the_answers_are_known(tmp_path: Path) -> None:
    (worker,) = planned(
        tmp_path, '  - {scenario: call.xml, values: {who: "t{tenant.id}"}}'.replace("{tenant.id}", "x")
    ).workers
    agent = worker.agent(HOST, 5070, ("198.18.0.2", 5060), {})
    assert agent.scenario == "<scenario><!-- tx 198.18.0.2:5060 ./numbers.csv --></scenario>"
    assert agent.all_files["numbers.csv"] == b"SEQUENTIAL\n"
    assert (agent.address, agent.port, agent.remote) == ("198.18.0.9", 5070, ("198.18.0.2", 5060))
    assert "abcd" in agent.call_id


def test_files_that_options_name_are_brought_along(tmp_path: Path) -> None:
    csv = tmp_path / "numbers.csv"
    (worker,) = planned(
        tmp_path, f"  - {{scenario: call.xml, values: {{who: x}}, extra_args: [-inf, {csv}, -s, 7]}}"
    ).workers
    assert worker.options == ("-inf", "numbers.csv", "-s", "7")
    assert worker.files["numbers.csv"] == b"SEQUENTIAL\n"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"file\.yaml:2:.*-inf gone\.csv"):
        planned(tmp_path, "  - {scenario: call.xml, values: {who: x}, extra_args: -inf gone.csv}")


def test_a_number_of_calls_in_extra_args_counts(tmp_path: Path) -> None:
    (worker,) = planned(
        tmp_path, "  - {scenario: call.xml, call_number: 2, values: {who: x}, extra_args: -m 5}"
    ).workers
    assert worker.calls == 5


def test_a_run_without_a_timeout_ends_some_time(tmp_path: Path) -> None:
    (worker,) = planned(tmp_path, "  - {scenario: call.xml, values: {who: x}}").workers
    assert worker.timeout == LONGEST


def test_a_lab_has_a_carrier_that_answers_and_one_that_is_dead(tmp_path: Path) -> None:
    plan = planned(tmp_path, "  - {scenario: call.xml, values: {who: x}}", carrier=Host("carrier", "198.18.0.3"))
    answering, dead = plan.carriers
    assert answering.agent is not None
    assert "[last_Record-Route:]" in answering.agent.scenario
    assert (dead.host, dead.agent) == ("dead-carrier", None)
