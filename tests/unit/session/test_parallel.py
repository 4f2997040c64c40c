"""Several sessions side by side."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from rating_harness.report import events
from rating_harness.run.options import Options
from rating_harness.session import parallel
from rating_harness.session.parallel import ParallelSessions
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
