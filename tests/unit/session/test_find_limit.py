"""The search for the highest rate of a load, with trials that are made up."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from rating_harness.checks.model import Finding, Verdict
from rating_harness.cli.main import main
from rating_harness.errors import Location, ServiceDied, UsageError
from rating_harness.scenario.model import Scenario
from rating_harness.session.find_limit import (
    CAP,
    Bounds,
    Limit,
    Trial,
    at_rate,
    bounds_for,
    find_limit,
    limit_text,
    run_trial,
    trial_text,
)
from rating_harness.session.session import Outcome
from tests.builders import answered_call, evidence_of, scenario_of

CALLS = 'calls: [{id: ana, from: "1000", to: "39"}]\n'


def search(bounds: Bounds, true_limit: float, seconds: float = 1.0) -> tuple[Limit, list[Trial]]:
    clock = [0.0]
    told: list[Trial] = []

    def trial(rate: float) -> Trial:
        clock[0] += seconds
        return Trial(rate, seconds, "" if rate <= true_limit else "too fast")

    return find_limit(bounds, trial, told.append, now=lambda: clock[0]), told


@given(
    st.floats(0.5, 500),
    st.floats(1, 4000),
    st.floats(0.1, 3000),
    st.floats(0.01, 0.5),
    st.integers(1, 30),
    st.floats(1, 100),
)
def test_the_limit_is_between_what_passed_and_what_failed(
    lowest: float, span: float, true_limit: float, resolution: float, most: int, time: float
) -> None:
    bounds = Bounds(lowest, lowest + span, resolution, most, time)
    limit, told = search(bounds, true_limit)
    assert list(limit.trials) == told
    assert 1 <= len(told) <= most
    assert len(told) <= max(1, time)
    rates = [trial.rate for trial in told]
    assert rates[0] == lowest
    assert max(rates) <= bounds.highest
    assert len(set(rates)) == len(rates)
    passed = [rate for rate in rates if rate <= true_limit]
    assert limit.rate == (max(passed) if passed else None)
    for number, rate in enumerate(rates[1:], 1):
        assert rate <= 2 * max(each for each in rates[:number] if each <= true_limit), "no leap"
    if limit.why == "found":
        assert limit.rate is not None
        assert limit.too_high is not None
        assert limit.rate <= true_limit < limit.too_high
        assert limit.too_high - limit.rate <= resolution * limit.too_high
    elif limit.why == "highest rate passes":
        assert limit.rate == bounds.highest <= true_limit
    elif limit.why == "lowest rate fails":
        assert (limit.rate, len(told)) == (None, 1)
        assert lowest > true_limit
    elif limit.why == "no trial left":
        assert len(told) == most
    else:
        assert len(told) + 1 > time


def test_the_rates_are_doubled_and_halved() -> None:
    limit, told = search(Bounds(20, 800, 0.1), 300)
    assert [trial.rate for trial in told] == [20, 40, 80, 160, 320, 240, 280, 300]
    assert (limit.rate, limit.too_high, limit.why) == (300, 320, "found")
    assert limit_text(limit) == "limit: 300 calls a second; 320 is too much"


def test_what_is_said_where_the_limit_is_not_found() -> None:
    lowest, _ = search(Bounds(20, 800), 1)
    assert limit_text(lowest) == "no limit: 20 calls a second, the lowest rate, is too much"
    highest, _ = search(Bounds(20, 100), 300)
    assert [trial.rate for trial in highest.trials] == [20, 40, 80, 100]
    assert limit_text(highest) == "limit: at least 100 calls a second, the highest rate that was to be tried"
    few, _ = search(Bounds(20, 800, trials=2), 300)
    assert limit_text(few) == "limit: at least 40 calls a second, no trial left"
    late, _ = search(Bounds(20, 800, seconds=7), 100, seconds=1.0)
    assert limit_text(late) == "limit: 100 calls a second; 110 is too much"
    late, _ = search(Bounds(20, 800, seconds=4), 100, seconds=1.0)
    assert limit_text(late) == "limit: 80 calls a second; 160 is too much, no time left"


def test_a_trial_is_told_in_a_line_and_as_json() -> None:
    fine = Trial(40, 12.34, "", 400, 39.96, 0.012, 0.2)
    assert trial_text(fine) == (
        "       40/s  passed  (400 calls, 40.0 a second made, set-up p50 12 ms, set-up p95 200 ms, 12.3 s)"
    )
    bad = Trial(80, 3, "Kamailio died")
    assert trial_text(bad) == "       80/s  FAILED: Kamailio died  (3.0 s)"
    found = json.loads(json.dumps(Limit(40, 80, "no time left", (fine, bad)).to_dict()))
    assert (found["limit"], found["too_high"], found["why"]) == (40, 80, "no time left")
    assert [(each["rate"], each["passed"], each["reason"]) for each in found["trials"]] == [
        (40, True, ""),
        (80, False, "Kamailio died"),
    ]


def test_the_bounds_follow_from_the_file_where_none_are_said(tmp_path: Path) -> None:
    load = scenario_of(tmp_path / "s.yaml", CALLS + "load: {rate: 50, duration: 2s}\n").load
    assert bounds_for(load, "") == Bounds(5, 200)
    assert bounds_for(load, "20-800.5", trials=3) == Bounds(20, 800.5, trials=3)
    fast = scenario_of(tmp_path / "s.yaml", CALLS + "load: {rate: 900, duration: 2s}\n").load
    assert bounds_for(fast, "").highest == CAP == 2000


@pytest.mark.parametrize("said", ["20", "20-", "-20", "a-b", "0-5", "30-20", "20-2001", "nan-5", "5-inf", "1-2-3"])
def test_what_is_no_bounds(tmp_path: Path, said: str) -> None:
    load = scenario_of(tmp_path / "s.yaml", CALLS + "load: {rate: 50, duration: 2s}\n").load
    with pytest.raises(UsageError, match="no bounds"):
        bounds_for(load, said)
    with pytest.raises(UsageError, match="needs a scenario with a 'load'"):
        bounds_for(None, said)


def test_a_rate_is_that_of_the_peak(tmp_path: Path) -> None:
    plain = scenario_of(tmp_path / "s.yaml", CALLS + "load: {rate: 50, duration: 2s, ramp: 1s, hold: 3s}\n")
    load = at_rate(plain, 200).load
    assert load is not None
    assert (load.peak, load.seconds_at_peak, load.hold) == (200, 1.5, plain.load and plain.load.hold)
    steps = "steps: [{rate: 10, duration: 2s}, {rate: 40, duration: 1s, ramp: 500ms}, {rate: 0, duration: 1s}]"
    load = at_rate(scenario_of(tmp_path / "s.yaml", CALLS + f"load: {{{steps}}}\n"), 20).load
    assert load is not None
    assert [step.rate for step in load.profile] == [5, 20, 0]
    assert load.seconds == 4


@dataclass
class FakeSession:
    outcome: Outcome | Exception
    renewed: int = 0
    ran: list[Scenario] = field(default_factory=list)

    def run(self, scenario: Scenario) -> Outcome:
        self.ran.append(scenario)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def renew(self) -> None:
        self.renewed += 1


def test_a_kamailio_that_dies_is_a_rate_too_high(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", CALLS + "load: {rate: 50, duration: 2s}\n")
    session = FakeSession(ServiceDied("Kamailio died in mid-scenario", service="kamailio", status=-6))
    trial = run_trial(session, scenario, 100)
    assert (trial.rate, trial.passed, trial.reason) == (100, False, "Kamailio died in mid-scenario")
    assert session.renewed == 1
    assert session.ran[0].load is not None
    assert session.ran[0].load.rate == 100


def test_a_scenario_that_is_skipped_has_no_limit(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", CALLS + "load: {rate: 50, duration: 2s}\n")
    with pytest.raises(UsageError, match="can't be run here") as raised:
        run_trial(FakeSession(Outcome(scenario, 0.0, skipped="requires TLS")), scenario, 100)
    assert raised.value.found == "requires TLS"


@pytest.mark.parametrize(
    ("load", "took", "is_slow"),
    [
        ("rate: 3, duration: 10s", 9.99, False),
        ("rate: 3, duration: 10s", 12.9, False),
        ("rate: 3, duration: 10s", 13.1, True),
        ("rate: 3, duration: 10s, concurrency: 5", 30, False),
    ],
)
def test_calls_that_are_made_too_slowly_measure_the_generator(
    tmp_path: Path, load: str, took: float, is_slow: bool
) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", CALLS + f"load: {{{load}}}\n")
    calls = [answered_call(at=took * number / 29, call_id=f"{number}@x") for number in range(30)]
    evidence = evidence_of(message for call in calls for message in call)
    outcome = Outcome(scenario, took, None, evidence, Verdict("", ()))
    session = FakeSession(outcome)
    trial = run_trial(session, scenario, 3)
    assert (trial.calls, session.renewed) == (30, int(is_slow))
    assert ("this machine makes no more" in trial.reason) == is_slow
    finding = Finding("calls", "a call is missing", "", "", Location("s.yaml", 1, 1))
    failed = run_trial(FakeSession(replace(outcome, verdict=Verdict("", (finding,)))), scenario, 3)
    assert failed.reason == (f"{trial.reason} (and 1 more)" if is_slow else "a call is missing")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--find-limit"], "--find-limit needs a scenario with a 'load'"),
        (["--limit-between", "1-2"], "say how a limit is looked for"),
        (["--find-limit", "--html", "x.html"], "--html is none of --find-limit's"),
    ],
)
def test_what_the_command_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    scenario_of(tmp_path / "s.yaml", CALLS)
    result = CliRunner().invoke(main, ["run", "s.yaml", *words])
    assert result.exit_code == 2
    assert told in result.output


def test_the_command_wants_one_scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("s.yaml", "t.yaml"):
        scenario_of(tmp_path / name, CALLS + "load: {rate: 50, duration: 2s}\n")
    result = CliRunner().invoke(main, ["run", "s.yaml", "t.yaml", "--find-limit"])
    assert result.exit_code == 2
    assert "--find-limit is for one scenario" in result.output
