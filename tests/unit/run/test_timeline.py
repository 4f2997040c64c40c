"""Faults and outages at their moments."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating_harness.errors import PlanError
from rating_harness.lab.protocol import Capabilities
from rating_harness.run.timeline import Timeline, check_outages
from rating_harness.run.watch import EventWatch
from tests.unit.plan.test_planner import planned
from tests.unit.run.fake_lab import FakeLab, FakeTap, fake_stack

CALL = 'calls: [{id: ana, from: "1000", to: "39040123456"}]\n'
START = 1000.0


def timeline_of(tmp_path: Path, faults: str, lab: FakeLab | None = None) -> tuple[Timeline, FakeLab, EventWatch]:
    lab = lab or FakeLab()
    plan = planned(tmp_path, CALL + f"faults: [{faults}]\n")
    events = EventWatch(START, plan.moments)
    return Timeline(fake_stack(lab), plan, events), lab, events


def test_a_service_is_down_for_as_long_as_it_is_said(tmp_path: Path) -> None:
    timeline, lab, _ = timeline_of(tmp_path, '{"on": engine, kill: 2s, when: 1s}')
    timeline.advance(START)
    assert lab.done == []
    assert timeline.is_ahead
    timeline.advance(START + 1)
    assert lab.done == ["stop rating-engine"]
    assert timeline.is_down("rating-engine")
    began = timeline.outages[0].started
    assert began is not None
    timeline.advance(began + 1.9)
    assert timeline.is_down("rating-engine")
    timeline.advance(began + 2)
    assert lab.done == ["stop rating-engine", "restart rating-engine"]
    assert not timeline.is_down("rating-engine")
    assert not timeline.is_ahead
    assert timeline.restarts("rating-engine") == 1


def test_what_is_down_for_good_is_mended_at_the_end(tmp_path: Path) -> None:
    timeline, lab, _ = timeline_of(tmp_path, '{"on": carrier, unplug: true}')
    timeline.advance(START)
    assert not timeline.is_ahead, "nobody knows when it ends"
    timeline.finish()
    assert lab.done == ["disconnect carrier", "reconnect carrier"]
    assert [span.what for span in timeline.spans] == ["unplug carrier"]


def test_a_moment_that_never_comes_begins_nothing(tmp_path: Path) -> None:
    timeline, lab, _ = timeline_of(tmp_path, '{"on": engine, restart: true, when: ana is answered}')
    timeline.advance(START + 60)
    timeline.finish()
    assert lab.done == []
    assert timeline.never_begun([]) == {0}


def test_a_fault_of_the_agent_is_armed_and_disarmed(tmp_path: Path) -> None:
    faults = '{"on": agent, status: 500, when: 1s, until: ana has ended}'
    lab = FakeLab()
    plan = planned(tmp_path, CALL + f"faults: [{faults}]\n")
    events = EventWatch(START, plan.moments)
    stack = fake_stack(lab)
    timeline = Timeline(stack, plan, events)
    timeline.advance(START)
    assert timeline.never_begun(plan.agent_faults) == {0}
    timeline.advance(START + 1)
    events.over("ana")
    timeline.advance(START * 10**9)
    assert isinstance(stack.tap, FakeTap)
    assert stack.tap.armed == [("s0", True), ("s0", False)]
    (span,) = timeline.spans
    assert span.ended is not None
    assert timeline.never_begun(plan.agent_faults) == set()


def test_an_outage_that_the_lab_cannot_make_is_refused_with_its_reason(tmp_path: Path) -> None:
    lab = FakeLab(capabilities=Capabilities(unplug=False, why={"unplug": "the network isn't the lab's"}))
    timeline, _, _ = timeline_of(tmp_path, '{"on": carrier, unplug: 1s}', lab)
    with pytest.raises(PlanError, match="can't unplug carrier") as raised:
        check_outages(fake_stack(lab), [run.outage for run in timeline.outages])
    assert raised.value.found == "the network isn't the lab's"
