"""A load shared out over generators: nothing is lost, nothing is made twice."""

from __future__ import annotations

import re
from itertools import count, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rating_harness.errors import PlanError
from rating_harness.lab.protocol import Host
from rating_harness.plan.generators import parts_of, share_out
from rating_harness.plan.model import Plan, PlannedCall
from rating_harness.plan.planner import plan_scenario
from rating_harness.sipp.agent import CONTROL_PORT, Agent, command_of
from tests.builders import scenario_of

CALLS = 'calls:\n  - {id: ana, from: ["1001", "1002", "1003"], to: "39040123456"}\n'


def planned(path: Path, rest: str) -> Plan:
    numbers = count(10)
    return plan_scenario(
        scenario_of(path / "scenario.yaml", rest),
        token="1f2e",
        seed=1,
        hosts=lambda name: Host(name, f"198.18.0.{next(numbers)}"),
    )


def agents(calls: tuple[PlannedCall, ...]) -> list[Agent]:
    return [call.agent for call in calls if isinstance(call.agent, Agent)]


@given(st.integers(0, 10_000), st.integers(1, 99))
def test_parts_are_whole_and_even(total: int, generators: int) -> None:
    parts = parts_of(total, generators)
    assert (sum(parts), len(parts)) == (total, generators)
    assert max(parts) - min(parts) <= 1
    assert all(before >= after for before, after in pairwise(parts))


@pytest.mark.parametrize(("rate", "seconds", "generators"), [(30, 10, 3), (7, 3, 2), (1, 2, 5), (201, 1, 99)])
def test_together_they_make_the_same_calls(tmp_path: Path, rate: int, seconds: int, generators: int) -> None:
    plan = planned(tmp_path, f"{CALLS}load: {{rate: {rate}, duration: {seconds}s}}\n")
    shared = share_out(plan, generators)
    total = rate * seconds
    ids = [each for call in shared.calls for each in call.call_ids]
    assert len(set(ids)) == len(ids) == total == sum(agent.calls for agent in agents(shared.calls))
    assert {call.generator for call in shared.calls} == set(range(1, min(generators, total) + 1))
    assert sum(agent.rate for agent in agents(shared.calls)) == pytest.approx(rate)
    assert shared.call_ids == {"ana": tuple(ids)}
    for call in shared.calls:
        # What SIPp makes of its option is what was planned.
        pattern = agents((call,))[0].call_id
        assert [pattern.replace("%u", str(number)) for number in range(1, len(call.call_ids) + 1)] == [*call.call_ids]


def test_the_carriers_know_each_call_and_its_number(tmp_path: Path) -> None:
    """They tell calls apart by the beginning of the Call-ID, and repetitions by its last digit."""
    plan = planned(tmp_path, f"{CALLS}load: {{rate: 100, duration: 3s}}\n")
    for call in share_out(plan, 12).calls:
        for number, call_id in enumerate(call.call_ids, start=1):
            assert re.fullmatch(rf"1f2e-ana-[0-9]*{number % 10}@sip\.test", call_id)


def test_who_calls_goes_by_the_number_among_all(tmp_path: Path) -> None:
    plan = planned(tmp_path, f"{CALLS}load: {{rate: 10, duration: 1s}}\n")
    callers = []
    for agent in agents(share_out(plan, 3).calls):
        lines = agent.files["users.csv"].decode().splitlines()[1:]
        callers += [lines[number % len(lines)].split(";")[0] for number in range(agent.calls)]
    assert callers == [f"100{1 + number % 3}" for number in range(10)]


def test_one_generator_makes_all(tmp_path: Path) -> None:
    plan = planned(tmp_path, f"{CALLS}load: {{rate: 10, duration: 3s}}\n")
    (call,) = share_out(plan, 1).calls
    (before,) = plan.calls
    assert (call.key, len(call.call_ids), call.late) == (before.id, 30, 0.0)
    assert call.agent.rate == before.agent.rate


def test_they_call_in_turn(tmp_path: Path) -> None:
    plan = planned(tmp_path, f"{CALLS}load: {{rate: 20, duration: 3s}}\n")
    assert [call.late for call in share_out(plan, 4).calls] == pytest.approx([0, 0.05, 0.1, 0.15])


def test_calls_at_once_and_a_stair_are_shared_too(tmp_path: Path) -> None:
    load = "load: {steps: [{rate: 30, duration: 2s}, {rate: 60, duration: 2s, ramp: 1s}], concurrency: 40}\n"
    plan = planned(tmp_path, CALLS + load)
    shared = agents(share_out(plan, 3).calls)
    assert [agent.limit for agent in shared] == [14, 13, 13]
    assert all(agent.changes for agent in shared)
    # The last rate is for calls that are late.
    for index in range(len(shared[0].changes) - 1):
        at, rate = plan.calls[0].agent.changes[index]  # type: ignore[union-attr]
        assert {agent.changes[index][0] for agent in shared} == {at}
        # Each has half of a call more in its rate, so that the last is made.
        assert sum(agent.changes[index][1] for agent in shared) == pytest.approx(rate, abs=1.5)


def test_a_ramp_is_shared(tmp_path: Path) -> None:
    plan = planned(tmp_path, f"{CALLS}load: {{rate: 60, duration: 9s, ramp: 4s}}\n")
    shared = agents(share_out(plan, 3).calls)
    whole = agents(plan.calls)[0]
    for option in ("rate_increase", "rate_max"):
        assert sum(agent.options[option] for agent in shared) == pytest.approx(whole.options[option], rel=0.01)


def test_the_calls_of_one_generator_have_ports_of_their_own(tmp_path: Path) -> None:
    two = 'calls:\n  - {id: ana, from: "1000", to: "391"}\n  - {id: bob, from: "1000", to: "392"}\n'
    shared = share_out(planned(tmp_path, f"{two}load: {{rate: 10, duration: 2s}}\n"), 2).calls
    assert [
        (call.key, agent.port, agent.control_port) for call, agent in zip(shared, agents(shared), strict=True)
    ] == [
        ("ana", 5060, CONTROL_PORT),
        ("ana/2", 5060, CONTROL_PORT),
        ("bob", 5061, CONTROL_PORT + 1),
        ("bob/2", 5061, CONTROL_PORT + 1),
    ]
    command = command_of(agents(shared)[2])
    assert command[command.index("-cp") + 1] == str(CONTROL_PORT + 1)


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ('calls: [{id: ana, from: "1000", to: "39040123456"}]\n', "only a load"),
        (
            'calls: [{id: ana, from: "1000", to: "39040123456", host: trunk}]\nload: {rate: 10, duration: 1s}\n',
            "own user agent",
        ),
    ],
)
def test_what_cant_be_shared_is_refused(tmp_path: Path, rest: str, said: str) -> None:
    with pytest.raises(PlanError) as raised:
        share_out(planned(tmp_path, rest), 3)
    assert said in str(raised.value)
    assert str(tmp_path) in str(raised.value.where)
