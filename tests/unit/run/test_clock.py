"""The clock of a lab, put forward at its moment, and what refuses that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rating_harness.deadline import Deadline
from rating_harness.errors import LabError, PlanError, Timeout
from rating_harness.run import clock as clocks
from rating_harness.run.clock import ClockRun, step_of, unanswered
from rating_harness.run.watch import EventWatch
from rating_harness.scenario.model import Clock
from tests.builders import answered_call
from tests.unit.plan.test_planner import planned
from tests.unit.run.fake_lab import FakeKamailio, FakeLab, fake_stack

START = 1000.0
CALL = 'calls: [{id: ana, from: "1000", to: "39040123456", hold: 2h}]\n'


class FakeClock:
    """A clock that Kamailio's timer follows, or doesn't."""

    def __init__(self, *, followed: bool = True) -> None:
        self.ahead = 0.0
        self.ticks = 0
        self.is_followed = followed
        self.steps: list[float] = []
        self.looks: list[float] = []
        self.waits: list[tuple[float, int]] = []
        self.is_restless = False

    def move(self, seconds: float) -> None:
        self.steps.append(seconds)
        self.ahead += seconds

    def look_every(self, seconds: float) -> None:
        self.looks.append(seconds)

    def threads(self) -> FakeClock:
        return self

    def await_waits(self, times: int, deadline: Deadline) -> None:
        self.waits.append((self.ahead, times))
        if self.is_restless:
            raise Timeout("doing all they had to did not happen", found="threads 12 at work")


class DialogKamailio(FakeKamailio):
    """Lists one dialog that is cut at ``end``, by a timer that follows the clock unless it's ``lost``."""

    def __init__(self, call_id: str, end: float, clock: FakeClock, *, lost: bool = False, state: int = 4) -> None:
        self._call_id, self._end, self._clock, self._lost, self._state = call_id, end, clock, lost, state

    def dialogs(self) -> list[Any]:
        late = self._clock.ahead if self._lost else 0.0
        return [
            {"call-id": self._call_id, "state": self._state, "timeout": int(self._end + late)},
            {"call-id": "another", "state": 4, "timeout": 1},
        ]


def run_of(
    tmp_path: Path,
    skip: float | list[dict[str, str]] | None,
    clock: FakeClock | None,
    rest: str = "",
    waits: str | None = None,
    **dialog: Any,
) -> ClockRun:
    """A skip one second from the start, whatever the scenario tells of what is due."""
    plan = planned(tmp_path, CALL + rest)
    moved: Clock | tuple[Clock, ...] | None = None
    if isinstance(skip, list):
        moved = tuple(map(Clock.model_validate, skip))
    elif skip is not None:
        moved = Clock.model_validate({"skip": f"{skip}s", "when": "1s"})
    plan = replace(plan, scenario=plan.scenario.model_copy(update={"clock": moved}).located(plan.scenario.origin))
    stack: Any = fake_stack(FakeLab())
    stack.clock = clock
    stack.now = lambda: START + 1 + (clock.ahead if clock else 0.0)
    if dialog and clock is not None:
        stack.kamailio = DialogKamailio(plan.calls[0].call_ids[0], clock=clock, **dialog)
    return ClockRun(stack, plan, EventWatch(START, plan.moments, stack.now), lambda: waits)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clocks, "_QUIET", 0.0)
    monkeypatch.setattr(clocks, "_PATIENCE", 0.05)


def test_it_is_put_forward_second_by_second_for_as_long_as_it_says(tmp_path: Path) -> None:
    clock = FakeClock()
    run = run_of(tmp_path, 10.5, clock, end=START + 600)
    run.advance(START + 0.9)
    assert (clock.ahead, run.remaining, run.skipped, run.is_ahead) == (0.0, 10.5, 0.0, True)
    run.advance(START + 1)
    assert clock.steps == [1.0] * 10 + [0.5]
    assert (run.remaining, run.skipped, run.is_ahead) == (0.0, 10.5, False)
    (span,) = run.spans
    assert (span.what, span.started, span.ended) == ("clock: 10.5s skipped", START + 1, START + 11.5)
    assert clock.looks[0] < clock.looks[-1], "programs look often while it moves only"
    run.advance(START + 30)
    assert clock.ahead == 10.5, "once"


def test_several_skips_come_one_after_the_other_and_are_added_up(tmp_path: Path) -> None:
    clock, passed = FakeClock(), 1.0
    skips = [{"skip": "10s", "when": "1s"}, {"skip": "20s", "when": "15s"}, {"skip": "5s", "when": "1m"}]
    run = run_of(tmp_path, skips, clock, end=START + 600)
    run._stack.now = lambda: START + passed + clock.ahead  # type: ignore[method-assign]
    run.advance(START + 1)
    assert (clock.ahead, run.remaining, run.skipped, run.is_ahead) == (10.0, 25.0, 10.0, True)
    run.advance(START + 14.9)
    assert clock.ahead == 10.0
    passed = 5.0
    run.advance(START + 15)
    assert run.skipped == 30.0
    passed = 30.0
    run.advance(START + 60)
    assert (run.remaining, run.skipped, run.is_ahead) == (0.0, 35.0, False)
    assert [span.what for span in run.spans] == [f"clock: {each} skipped" for each in ("10s", "20s", "5s")]


def test_a_skip_is_not_skipped_over_by_another(tmp_path: Path) -> None:
    clock = FakeClock()
    run = run_of(tmp_path, [{"skip": "10s", "when": "1s"}, {"skip": "20s", "when": "9s"}], clock)
    with pytest.raises(PlanError, match="skip over what is due") as caught:
        run.advance(START + 1)
    assert "found: 9s" in str(caught.value) or "9s, in 8s" in str(caught.value)
    assert clock.ahead == 0.0


def test_a_skip_whose_moment_came_while_another_one_went_on_is_refused(tmp_path: Path) -> None:
    clock = FakeClock()
    run = run_of(tmp_path, [{"skip": "10s", "when": "1s"}, {"skip": "20s", "when": "ana is answered"}], clock)
    run.advance(START + 1)
    run._events._events["ana", "answered"] = START + 5
    with pytest.raises(PlanError, match="begins within another one"):
        run.advance(START + 11.5)
    assert clock.ahead == 10.0


def test_a_scenario_without_a_clock_moves_none(tmp_path: Path) -> None:
    run = run_of(tmp_path, None, None)
    run.advance(START + 1)
    assert (run.spans, run.remaining, run.skipped, run.is_ahead) == ([], 0.0, 0.0, False)


def test_a_lab_without_such_a_clock_is_an_error(tmp_path: Path) -> None:
    run = run_of(tmp_path, 10.0, None)
    with pytest.raises(LabError, match="no clock that can be moved"):
        run.advance(START + 1)


@pytest.mark.parametrize("end", [START + 2, START + 11])
def test_what_kamailio_limits_is_not_skipped_over(tmp_path: Path, end: float) -> None:
    clock = FakeClock()
    run = run_of(tmp_path, 10.0, clock, end=end)
    with pytest.raises(PlanError, match="skip over what is due") as caught:
        run.advance(START + 1)
    assert f"the limit of ana, in {end - START - 1:g}s" in str(caught.value)
    assert clock.ahead == 0.0


def test_what_comes_soon_after_is_not_skipped_over(tmp_path: Path) -> None:
    clock = FakeClock()
    run = run_of(tmp_path, 10.0, clock, end=START + 13)
    run.advance(START + 1)
    assert clock.ahead == 10.0


def test_a_limit_of_sixty_eight_years_is_far_ahead_though_kamailio_says_it_in_31_bits(tmp_path: Path) -> None:
    clock = FakeClock()
    run = run_of(tmp_path, 10.0, clock, end=START + 2**31 - 1 - 2**32)
    run.advance(START + 1)
    assert clock.ahead == 10.0


def test_what_the_scenario_waits_for_is_not_skipped_over(tmp_path: Path) -> None:
    clock = FakeClock()
    faults = 'faults: [{"on": engine, stop: 1s, when: 1m}]\n'
    run_of(tmp_path, 55.0, clock, faults).advance(START + 1)
    assert clock.ahead == 55.0
    with pytest.raises(PlanError, match="skip over what is due"):
        run_of(tmp_path, 58.5, FakeClock(), faults).advance(START + 1)


def test_a_dialog_that_is_over_is_due_no_more(tmp_path: Path) -> None:
    clock = FakeClock()
    run_of(tmp_path, 10.0, clock, end=START + 5, state=5).advance(START + 1)
    assert clock.ahead == pytest.approx(10.0)


def test_it_stands_still_while_a_request_is_unanswered(tmp_path: Path) -> None:
    clock = FakeClock()
    run = run_of(tmp_path, 10.0, clock, waits="INVITE sip:39040123456@sip.test")
    with pytest.raises(PlanError, match="unanswered") as caught:
        run.advance(START + 1)
    assert "INVITE sip:39040123456@sip.test" in str(caught.value)
    assert "s.yaml" in str(caught.value)
    assert clock.ahead == 0.0


def test_a_timer_that_does_not_follow_is_an_error(tmp_path: Path) -> None:
    run = run_of(tmp_path, 10.0, FakeClock(followed=False))
    with pytest.raises(LabError, match="timer doesn't follow"):
        run.advance(START + 1)


def test_a_dialog_whose_end_has_moved_with_the_clock_is_an_error(tmp_path: Path) -> None:
    run = run_of(tmp_path, 10.0, FakeClock(), end=START + 600, lost=True)
    with pytest.raises(LabError, match="timers didn't follow") as caught:
        run.advance(START + 1)
    assert "+10 s" in str(caught.value)


@pytest.mark.parametrize(
    ("skipped", "remaining", "step"),
    [(600, 600, 1), (600, 0.4, 0.4), (1200, 1200, 1), (14400, 14400, 10), (14400, 300, 1), (86400, 80000, 60)],
)
def test_steps_are_small_where_it_matters(skipped: float, remaining: float, step: float) -> None:
    assert step_of(skipped, remaining) == step


def test_a_long_step_is_over_when_the_programs_have_done_what_they_had_to(tmp_path: Path) -> None:
    clock = FakeClock()
    run_of(tmp_path, 1600, clock, end=START + 7200).advance(START + 1)
    assert clock.waits == [(10.0 * number, 3) for number in range(1, 131)], "none in the last five minutes"
    assert len(clock.steps) == 130 + 300


def test_programs_that_never_rest_fail_the_skip(tmp_path: Path) -> None:
    clock = FakeClock()
    clock.is_restless = True
    with pytest.raises(LabError, match="don't come to rest") as caught:
        run_of(tmp_path, 1600, clock, end=START + 7200).advance(START + 1)
    assert str(caught.value.found) == "threads 12 at work"


def test_a_request_is_unanswered_until_its_final_reply() -> None:
    messages = answered_call()
    invite = next(message for message in messages if message.is_request and message.method == "INVITE")
    assert unanswered(messages) is None
    assert unanswered([invite]) == invite.first_line
    assert unanswered([message for message in messages if not message.is_final]) == invite.first_line
