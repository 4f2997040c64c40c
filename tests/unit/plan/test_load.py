"""The same calls in numbers, and what is sampled for each."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rating_harness.lab.protocol import Host
from rating_harness.plan.load import schedule
from rating_harness.plan.model import Plan
from rating_harness.plan.planner import plan_scenario
from rating_harness.plan.sampling import last_digit, values_of
from rating_harness.scenario.calls import Load, LoadStep
from rating_harness.scenario.values import SecondsRange
from rating_harness.sipp.agent import Agent
from rating_harness.useragent.agent import UserAgent
from rating_harness.useragent.script import CallerScript, from_json, to_json
from tests.builders import scenario_of

_CALLS = 'calls:\n  - {id: ana, from: "1000", to: "39040123456"}\n  - {id: bob, from: "1000", to: "39040123456"}\n'


def _plan(tmp_path: Path, rest: str, *, seed: int = 1) -> Plan:
    scenario = scenario_of(tmp_path / "scenario.yaml", rest)
    return plan_scenario(scenario, token="1f2e", seed=seed, hosts=lambda name: Host(name, "198.18.0.9"))


def test_calls_share_the_rate(tmp_path: Path) -> None:
    plan = _plan(tmp_path, _CALLS + "load: {rate: 50, duration: 9s}\n")
    assert [len(call.call_ids) for call in plan.calls] == [225, 225]
    agents = [call.agent for call in plan.calls if isinstance(call.agent, Agent)]
    assert [(agent.calls, agent.rate, agent.period) for agent in agents] == [(225, 25, 1)] * 2
    assert plan.calls[1].call_ids[-1] == "1f2e-bob-225@sip.test"
    assert plan.scenario.calls[0].repeat.high == 1


def test_a_ramp_makes_half_of_the_calls_in_its_time(tmp_path: Path) -> None:
    plan = _plan(tmp_path, _CALLS + "load: {rate: 50, duration: 9s, ramp: 4s}\n")
    assert sum(len(call.call_ids) for call in plan.calls) == 350
    agent = plan.calls[0].agent
    first = agent.rate / agent.period
    step, highest = (agent.options[name] / agent.period for name in ("rate_increase", "rate_max"))
    assert (first, step, highest) == (3.125, 6.25, 25)
    assert sum(first + second * step for second in range(4)) == 25 * 4 / 2


def test_calls_have_shares_or_a_rate_of_their_own(tmp_path: Path) -> None:
    calls = "".join(
        f'  - {{id: {name}, from: "1000", to: "39040123456"{more}}}\n'
        for name, more in (("a", ", share: 60%"), ("b", ", share: 0.5%"), ("c", ""), ("d", ""), ("e", ", rate: 1000"))
    )
    plan = _plan(tmp_path, f"calls:\n{calls}load: {{rate: 20, duration: 10s, ramp: 2s, concurrency: 100}}\n")
    assert [len(call.call_ids) for call in plan.calls] == [108, 1, 36, 36, 9000]
    limits = [call.agent.limit for call in plan.calls if isinstance(call.agent, Agent)]
    assert limits == [60, 1, 19, 19, None]
    (rate,) = {call.agent.options["rate_max"] / call.agent.period for call in plan.calls if call.id == "e"}
    assert rate == 1000


def test_load_decides_how_long_calls_last(tmp_path: Path) -> None:
    plan = _plan(tmp_path, _CALLS + "load: {rate: 50, duration: 9s, hold: 7s, concurrency: 10}\n")
    assert plan.calls[0].sampled.holds == (7.0,)
    assert isinstance(plan.calls[0].agent, Agent)
    assert plan.calls[0].agent.limit == 5
    assert plan.horizon > 16


@pytest.mark.parametrize(("duration", "brief"), [("4s", False), ("5s", True)])
def test_messages_of_thousands_of_calls_are_not_kept(tmp_path: Path, duration: str, brief: bool) -> None:
    plan = _plan(tmp_path, _CALLS + f"load: {{rate: 50, duration: {duration}}}\n")
    agents = [call.agent for call in plan.calls] + [carrier.agent for carrier in plan.carriers if carrier.agent]
    assert {agent.brief for agent in agents} == {brief}


def test_each_call_has_a_length_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # The scenario's path is part of what seeds the values: from one and the same they never change.
    monkeypatch.chdir(tmp_path)
    tmp_path = Path()
    calls = 'calls: [{id: ana, from: "1000", to: "39040123456", repeat: 25, hold: {min: 1s, max: 9s}}]\n'
    holds = _plan(tmp_path, calls).calls[0].sampled.holds
    assert len(set(holds)) == 10
    assert _plan(tmp_path, calls).calls[0].sampled.holds == holds
    assert _plan(tmp_path, calls, seed=2).calls[0].sampled.holds != holds
    xml = _plan(tmp_path, calls).calls[0].agent.scenario
    for index, hold in enumerate(holds):
        assert f'<label id="hold{last_digit(index)}"/>\n  <recv request="BYE" timeout="{round(hold * 1000)}"' in xml


def test_the_carrier_knows_how_long_each_call_rings(tmp_path: Path) -> None:
    calls = 'calls: [{id: ana, from: "1000", to: "39040123456", repeat: 201, ring: {min: 1s, max: 9s}}]\n'
    plan = _plan(tmp_path, calls)
    (carrier,) = plan.carriers
    assert carrier.agent is not None
    assert len(plan.calls[0].sampled.rings) == 10
    for index, ring in enumerate(plan.calls[0].sampled.rings):
        assert f'regexp="^ *1f2e-ana-[0-9]*{last_digit(index)}@"' in carrier.agent.scenario
        assert f'timeout="{round(ring * 1000)}"' in carrier.agent.scenario


def test_as_many_values_as_there_are_calls_and_digits() -> None:
    sampled = SecondsRange(1, 2)
    assert [len(values_of(sampled, calls, Random(1))) for calls in (1, 3, 10, 99)] == [1, 3, 10, 10]
    assert values_of(SecondsRange(2, 2), 99, Random(1)) == (2,)
    assert [last_digit(index) for index in (0, 8, 9)] == [1, 9, 0]


def test_callers_and_numbers_are_taken_one_after_another(tmp_path: Path) -> None:
    calls = 'calls: [{id: ana, from: ["1000", "1001"], to: ["39", "40", "41"]}]\n'
    (call,) = _plan(tmp_path, calls).calls
    assert len(call.call_ids) == 3
    assert isinstance(call.agent, Agent)
    lines = call.agent.files["users.csv"].decode().splitlines()
    assert lines == ["SEQUENTIAL", "1000;39", "1001;40", "1000;41", "1001;39", "1000;40", "1001;41"]
    assert "From: <sip:[field0]@" in call.agent.scenario
    assert "INVITE sip:[field1]@" in call.agent.scenario
    assert call.agent.options["info_file"] == "users.csv"


def test_a_user_agent_takes_them_one_after_another_too(tmp_path: Path) -> None:
    calls = 'calls: [{id: ana, from: ["1000", "1001"], to: "39", repeat: 3, display: Ana}]\n'
    (call,) = _plan(tmp_path, calls).calls
    assert isinstance(call.agent, UserAgent)
    assert isinstance(call.agent.script, CallerScript)
    read_back = from_json(to_json(call.agent.script))
    values = [read_back.of(number).from_value for number in (1, 2, 3)]
    assert values == [f'"Ana" <sip:{user}@sip.test>' for user in ("1000", "1001", "1000")]


def test_steps_make_their_calls_one_rate_after_another(tmp_path: Path) -> None:
    steps = "{rate: 10, duration: 2s, ramp: 1s}, {rate: 0, duration: 3s}, {rate: 40, duration: 10s, ramp: 2s}"
    plan = _plan(tmp_path, _CALLS + f"load: {{steps: [{steps}], concurrency: 10}}\n")
    assert [len(call.call_ids) for call in plan.calls] == [187, 188]
    agent = plan.calls[0].agent
    assert isinstance(agent, Agent)
    assert (agent.rate, agent.period, agent.limit) == (0, 0.05, 5)
    assert [at for at, _ in agent.changes] == [0, 1, 2, 5, 6, 7, 15]
    assert [round(rate, 3) for _, rate in agent.changes] == [2.5, 5.5, 0, 5.5, 15.5, 20.062, 20.062]
    assert plan.horizon >= 15 + 10


def test_a_call_with_a_rate_of_its_own_has_it_at_the_peak(tmp_path: Path) -> None:
    calls = _CALLS.replace('id: bob, from: "1000"', 'id: bob, from: "1000", rate: 300')
    plan = _plan(tmp_path, calls + "load: {steps: [{rate: 5, duration: 4s}, {rate: 10, duration: 2s}]}\n")
    assert [len(call.call_ids) for call in plan.calls] == [40, 1200]


@pytest.mark.parametrize(
    ("text", "peak", "seconds", "at_peak"),
    [
        ("rate: 50, duration: 9s, ramp: 4s", 50, 9, 7),
        ("steps: [{rate: 50, duration: 9s, ramp: 4s}]", 50, 9, 7),
        ("steps: [{rate: 10, duration: 2s}, {rate: 0, duration: 2s, ramp: 2s}]", 10, 4, 3),
        ("", 0, 0, 0),
    ],
)
def test_a_load_without_steps_is_one_step(text: str, peak: float, seconds: float, at_peak: float) -> None:
    load = Load.model_validate(yaml.safe_load(f"{{{text}}}"))
    assert (load.peak, load.seconds, load.seconds_at_peak) == (peak, seconds, at_peak)


_RATES = st.sampled_from([0.0, 0.5, 1.0, 3.0, 20.0, 333.3, 1000.0])
_STEPS = st.lists(
    st.builds(
        lambda rate, duration, share: LoadStep.model_construct(rate=rate, duration=duration, ramp=duration * share),
        _RATES,
        st.floats(0.1, 60),
        st.sampled_from([0.0, 0.25, 1.0]),
    ),
    min_size=1,
    max_size=6,
).filter(lambda steps: any(step.rate for step in steps))


def _due(steps: list[LoadStep], until: float) -> float:
    """Calls that are due at a moment: the area below the rate's line, summed in small slices."""
    total, start, before = 0.0, 0.0, 0.0
    for step in steps:
        ramp = step.ramp or 0.0
        in_ramp = min(max(until - start, 0.0), ramp)
        reached = before + (step.rate - before) * (in_ramp / ramp if ramp else 1.0)
        total += in_ramp * (before + reached) / 2
        total += step.rate * min(max(until - start - ramp, 0.0), step.duration - ramp)
        start, before = start + step.duration, step.rate
    return total


@given(_STEPS, st.integers(1, 20_000))
def test_any_steps_make_all_calls_when_they_are_due(steps: list[LoadStep], calls: int) -> None:
    changes = schedule(steps, calls)
    times = [at for at, _ in changes]
    assert times[0] == 0
    assert times == sorted(times)
    end = sum(step.duration for step in steps)
    assert times[-1] == pytest.approx(end)
    assert all(rate >= 0 for _, rate in changes)
    assert changes[-1][1] >= 1
    made, whole = 0, _due(steps, end)
    for (at, rate), (until, _) in pairwise(changes):
        # SIPp counts anew at each change, and rounds down: half a call to either side is what its clock may be late.
        made += int(rate * (until - at))
        assert rate * (until - at) - int(rate * (until - at)) == pytest.approx(0.5 if rate else 0, abs=1e-3)
        assert abs(made - calls * _due(steps, until) / whole) <= 0.5 + 1e-6 * calls
    assert made == calls
