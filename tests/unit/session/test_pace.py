"""Which scenario is next where several labs run side by side, and when there is room for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rating_harness.scenario.model import Scenario
from rating_harness.session.pace import Processors, foreseen_seconds, in_pairs, labs_side_by_side, longest_first
from tests.builders import scenario_of

CALL = 'calls: [{id: ana, from: "1000", to: "39040123456"%s}]\n'


def scenario(tmp_path: Path, rest: str, name: str = "s.yaml") -> Scenario:
    return scenario_of(tmp_path / name, rest)


def test_what_holds_waits_or_moves_the_clock_is_foreseen_to_take_longer(tmp_path: Path) -> None:
    short = scenario(tmp_path, CALL % "")
    held = scenario(tmp_path, CALL % ", hold: 8s")
    late = scenario(tmp_path, CALL % ", hold: 8s" + "expect: {within: 20s}\n")
    moved = scenario(tmp_path, CALL % ", hold: 9s" + "clock: {skip: 5s, when: ana is answered}\n")
    assert [foreseen_seconds(each) for each in (short, held, late)] == [0.0, 8.0, 28.0]
    assert foreseen_seconds(late) < foreseen_seconds(moved) < 60.0


def test_the_longest_go_first_and_what_is_known_counts_more_than_a_guess(tmp_path: Path) -> None:
    short, held, other = (
        scenario(tmp_path, CALL % hold, name)
        for name, hold in (("a.yaml", ""), ("b.yaml", ", hold: 8s"), ("c.yaml", ""))
    )
    assert longest_first([short, held, other], lambda each: each, {}) == [held, short, other]
    assert longest_first([short, held, other], lambda each: each, {other.id: 9.0}) == [other, held, short]


def test_each_worker_is_given_a_long_one_and_a_short_one_to_begin_with() -> None:
    assert in_pairs([9, 8, 7, 6, 5, 4, 3, 2], 3) == [9, 2, 8, 3, 7, 4, 6, 5]
    assert in_pairs([9, 8, 7], 2) == [9, 8, 7]
    assert sorted(in_pairs(list(range(20)), 10)) == list(range(20))


def test_there_are_more_labs_than_processors_but_not_any_number() -> None:
    assert [labs_side_by_side(each) for each in (1, 2, 128)] == [4, 8, 32]


class Machine:
    """/proc/stat of one whose processors are busy to these shares, one after another."""

    def __init__(self, file: Path, shares: Iterator[float]) -> None:
        self.file, self.shares = file, shares
        self.busy = self.idle = 0
        self.slept = 0.0
        self.write()

    def write(self) -> None:
        self.file.write_text(f"cpu  {self.busy} 0 0 {self.idle} 0 0 0 0 0 0\ncpu0 1 2 3 4\n")

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        share = next(self.shares)
        self.busy += round(100 * share)
        self.idle += round(100 * (1 - share))
        self.write()


def test_a_machine_with_room_is_looked_at_once(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "stat", iter([0.79]))
    processors = Processors(machine.file, sleep=machine.sleep)
    processors.await_room()
    assert machine.slept == processors.window


def test_a_busy_machine_is_waited_for(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "stat", iter([1.0, 1.0, 0.9, 0.9, 0.1]))
    Processors(machine.file, sleep=machine.sleep).await_room()
    with pytest.raises(StopIteration):
        next(machine.shares)


def test_a_machine_that_never_rests_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "stat", iter([1.0] * 1000))
    processors = Processors(machine.file, sleep=machine.sleep)
    processors.await_room()
    assert processors.patience <= machine.slept < processors.patience + 1


@pytest.mark.parametrize("text", ["", "intr 1 2 3\n", "cpu  1 2 many\n", "cpu  1 2 3 4\n", None])
def test_where_nothing_can_be_read_there_is_room(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "stat"
    if text is not None:
        file.write_text(text)
    slept: list[float] = []
    Processors(file, sleep=slept.append).await_room()
    assert len(slept) == 1
