"""Several sessions side by side."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rating_harness.deadline import Deadline, await_condition
from rating_harness.report import events
from rating_harness.run.options import Options
from rating_harness.scenario.model import Scenario
from rating_harness.session import parallel
from rating_harness.session.parallel import ParallelSessions
from rating_harness.session.session import Outcome, Session
from tests.builders import scenario_of


class _Told:
    def __init__(self) -> None:
        self.events: list[events.Event] = []

    def on_event(self, event: events.Event) -> None:
        self.events.append(event)


def test_an_interrupted_run_tells_its_end_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: threading.Thread) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "is_alive", interrupted)
    monkeypatch.setattr(ParallelSessions, "_work", lambda *_: None)
    told = _Told()
    scenario = scenario_of(tmp_path / "s.yaml", 'calls: [{id: ana, from: "1000", to: "39"}]\n')
    with pytest.raises(KeyboardInterrupt):
        ParallelSessions(Options(seed=1), lambda *_: None, [told], 1).run([scenario])
    last = told.events[-1]
    assert isinstance(last, events.SessionFinished)
    assert last.interrupted


def test_an_interrupted_run_does_not_wait_for_a_scenario_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.11 takes a thread whose `join` was interrupted for one that has ended, and 3.13 doesn't."""
    goes_on, begun, ended = threading.Event(), threading.Event(), threading.Event()

    def work(self: ParallelSessions, *_: object) -> None:
        begun.set()
        goes_on.wait(30)
        self._report(events.SessionStarted(0.0, 1, 1, "local"))
        ended.set()

    def interrupted(self: threading.Thread) -> bool:
        begun.wait(30)
        raise KeyboardInterrupt

    told = _Told()
    scenario = scenario_of(tmp_path / "s.yaml", 'calls: [{id: ana, from: "1000", to: "39"}]\n')
    monkeypatch.setattr(parallel, "_LEAVING", 0.05)
    monkeypatch.setattr(ParallelSessions, "_work", work)
    monkeypatch.setattr(threading.Thread, "is_alive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ParallelSessions(Options(seed=1), lambda *_: None, [told], 1).run([scenario])
    assert not ended.is_set()
    goes_on.set()
    assert ended.wait(30)
    assert isinstance(told.events[-1], events.SessionFinished), "nothing is told after the end"


def test_scenarios_under_way_are_left_and_their_labs_taken_down_when_a_run_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way, told = threading.Semaphore(0), _Told()
    closed: list[bool] = []

    class EndlessSession(Session):
        def run(self, scenario: Scenario) -> Outcome:
            under_way.release()
            await_condition(self.is_interrupted, Deadline(30), "the interruption")
            raise KeyboardInterrupt

        def close(self) -> None:
            closed.append(True)

    def interrupted(self: threading.Thread) -> bool:
        assert under_way.acquire(timeout=30)
        assert under_way.acquire(timeout=30)
        raise KeyboardInterrupt

    monkeypatch.setattr(parallel, "Session", EndlessSession)
    monkeypatch.setattr(parallel, "room_for", lambda jobs: lambda: None)
    monkeypatch.setattr(ParallelSessions, "_report_lab", lambda *_: None)
    monkeypatch.setattr(threading.Thread, "is_alive", interrupted)
    scenario = scenario_of(tmp_path / "s.yaml", 'calls: [{id: ana, from: "1000", to: "39"}]\n')
    with pytest.raises(KeyboardInterrupt):
        ParallelSessions(Options(seed=1), lambda *_: None, [told], 2).run([scenario] * 3)
    assert closed == [True, True]
    assert [type(each) for each in told.events] == [
        events.SessionStarted,
        events.ScenarioStarted,
        events.ScenarioStarted,
        events.SessionFinished,
    ]
