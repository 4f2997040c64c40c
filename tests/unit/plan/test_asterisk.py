"""What of a scenario an Asterisk plays as the carrier, and what it refuses, by the field's name."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from rating_harness.lab.protocol import Host
from rating_harness.plan.asterisk import beyond_asterisk
from rating_harness.plan.planner import plan_scenario
from rating_harness.sipp.agent import Agent
from rating_harness.useragent.agent import OtherStack, UserAgent
from tests.builders import scenario_of

CALL = 'calls: [{id: ana, from: "1000", to: "39040123456"%s}]\n'


@pytest.mark.parametrize(
    "rest",
    [
        CALL % "",
        CALL % ", headers: {X-Own: a}, ipv6: true, transport: tls",
        CALL % ", hangup: callee, hold: 2s, ring: {min: 1s, max: 2s}, repeat: 20",
        CALL % ", retransmit: [BYE]",
        CALL % ", reinvite: [{at: after 500ms, method: UPDATE}]",
        CALL % ", requests: [{at: after 500ms, by: stranger, method: BYE}]",
        CALL % ", expect: {reply: {code: 200, reason: OK}, received: [{by: caller, reply: 200, sdp: unchanged}]}",
        CALL % "" + "carriers: {carrier: {refuse: 503, ring: 1s}}\n",
        CALL % "" + "carriers: {carrier: {attempts: [{refuse: 404}, {hang_up_after: 1s}]}}\n",
        CALL % "" + "faults: [{on: agent, call: ana, status: 500}]\n",
    ],
)
def test_what_it_can_do(tmp_path: Path, rest: str) -> None:
    assert beyond_asterisk(scenario_of(tmp_path / "s.yaml", rest)) is None


@pytest.mark.parametrize(
    ("rest", "field"),
    [
        (CALL % ", sdp: false", "calls[0].sdp"),
        (CALL % ", bye: both", "calls[0].bye"),
        (CALL % ", vanish: {who: callee}", "calls[0].vanish.who"),
        (CALL % ", hangup: callee, hold: 300ms", "calls[0].hold"),
        (CALL % ", reinvite: [{at: after 500ms, by: callee}]", "calls[0].reinvite[0].by"),
        (CALL % ", reinvite: [{at: while ringing, method: UPDATE}]", "calls[0].reinvite[0].at"),
        (CALL % ", requests: [{at: after 500ms, method: INFO}]", "calls[0].requests"),
        (CALL % ", repeat: 201", "calls"),
        (
            CALL % ", expect: {received: [{by: callee, sdp: {codecs: [PCMA]}}]}",
            "calls[0].expect.received[0].sdp.codecs",
        ),
        ('calls: [{id: ana, from: "1000", to: "3"}]\n', "calls[0].to"),
        (CALL % "" + "carriers: {carrier: {refuse: 603}}\n", "carriers.carrier.refuse"),
        (CALL % "" + "carriers: {carrier: {refuse: {code: 486, reason: Gone}}}\n", "carriers.carrier.refuse.reason"),
        (CALL % "" + "carriers: {carrier: {silent: true}}\n", "carriers.carrier.silent"),
        (CALL % "" + "carriers: {carrier: {provisional: [183]}}\n", "carriers.carrier.provisional"),
        (CALL % "" + "carriers: {carrier: {hang_up_after: 300ms}}\n", "carriers.carrier.hang_up_after"),
        (CALL % "" + "carriers: {carrier: {attempts: [{silent: true}]}}\n", "carriers.carrier.attempts[0].silent"),
        (CALL % "" + "carriers: {carrier: {calls: {ana: {refuse: 603}}}}\n", "carriers.carrier.calls.ana.refuse"),
        (CALL % "" + 'phones: {desk: {user: "2000"}}\n', "phones"),
        (CALL % "" + "load: {rate: 5, duration: 2s}\n", "load"),
    ],
)
def test_what_it_can_not_do_is_refused_by_the_fields_name(tmp_path: Path, rest: str, field: str) -> None:
    reason = beyond_asterisk(scenario_of(tmp_path / "s.yaml", rest))
    assert reason is not None
    assert reason.startswith(f"--ends asterisk: {field}: ")


def test_it_is_called_and_does_not_call(tmp_path: Path) -> None:
    numbers = count(10)
    plan = plan_scenario(
        scenario_of(tmp_path / "s.yaml", CALL % ""),
        token="1f2e",
        seed=1,
        hosts=lambda name: Host(name, f"198.18.0.{next(numbers)}"),
        stack=OtherStack("asterisk", Path("/root")),
    )
    assert isinstance(plan.calls[0].agent, Agent)
    assert plan.knows_call_ids
    (carrier,) = plan.carriers
    assert isinstance(carrier.agent, UserAgent)
    assert carrier.agent.command[1:] == ("-m", "rating_harness.useragent.asterisk", "carrier.json", "/root")
