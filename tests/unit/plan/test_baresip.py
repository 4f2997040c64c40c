"""What of a scenario a baresip plays, and what it refuses, by the field's name."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from rating_harness.lab.protocol import Host
from rating_harness.plan.baresip import beyond_baresip
from rating_harness.plan.planner import plan_scenario
from rating_harness.scenario.loader import load
from rating_harness.useragent.agent import OtherStack, UserAgent
from rating_harness.useragent.script import CalleeScript, CallerScript
from tests.builders import scenario_of

CALL = 'calls: [{id: ana, from: "1000", to: "39040123456"%s}]\n'
TWO = 'calls: [{id: ana, from: "1000", to: "39"%s}, {id: bob, from: "1000", to: "39"%s}]\n'


@pytest.mark.parametrize(
    "rest",
    [
        CALL % "",
        CALL % ", transport: tcp, hangup: callee, hold: 2s, ring: 1s",
        CALL % ", cancel: while ringing",
        CALL % ", cancel: after 200ms",
        CALL % ", hangup: never, expect: {reply: 200, ended_by: kamailio}",
        CALL % ", repeat: 10, rate: 5, concurrency: 3",
        CALL % ', auth: {username: "1000", password: secret}',
        CALL % ", hold: 3s, reinvite: [{at: after 1s, sdp: {direction: sendonly}}, {at: after 2s, sdp: {}}]",
        CALL % ", reinvite: [{at: after 500ms, by: callee}], expect: {received: [{by: caller, sdp: unchanged}]}",
        CALL % ', expect: {reply: {code: 403, reason: "/insufficient/"}}',
        CALL % "" + "carriers: {carrier: {refuse: 486, ring: 1s}}\n",
        CALL % "" + "carriers: {carrier: {refuse: 480}}\n",
        CALL % "" + "carriers: {carrier: {absent: true}}\n",
        CALL % "" + "carriers: {carrier: {attempts: [{refuse: 486}, {}]}}\n",
        CALL % "" + "faults: [{on: agent, path: begin, status: 500}]\n",
        TWO % ("", ""),
        TWO % (", hold: 2s", ", hold: 1s"),
    ],
)
def test_what_it_can_do(tmp_path: Path, rest: str) -> None:
    assert beyond_baresip(scenario_of(tmp_path / "s.yaml", rest)) is None


@pytest.mark.parametrize(
    ("rest", "field"),
    [
        (CALL % ", headers: {X-Own: a}", "calls[0].headers"),
        (CALL % ", method: OPTIONS", "calls[0].method"),
        (CALL % ", sdp: false", "calls[0].sdp"),
        (CALL % ', uri: "tel:+39"', "calls[0].uri"),
        (CALL % ", no_ack: true", "calls[0].no_ack"),
        (CALL % ", retransmit: [BYE]", "calls[0].retransmit"),
        (CALL % ", bye: wrong_tag", "calls[0].bye"),
        (CALL % ", loss: 10", "calls[0].loss"),
        (CALL % ", vanish: {who: callee}", "calls[0].vanish"),
        (CALL % ", ipv6: true", "calls[0].ipv6"),
        (CALL % ", transport: tls", "calls[0].transport"),
        (CALL % ", requests: [{at: after 500ms, method: INFO}]", "calls[0].requests"),
        (CALL % ", repeat: 201", "calls[0].repeat"),
        (CALL % ", repeat: 2, ring: {min: 1s, max: 2s}", "calls[0].ring"),
        (CALL % ", repeat: 2, hangup: callee, hold: {min: 1s, max: 2s}", "calls[0].hold"),
        (CALL % ', auth: {username: "1000", password: "a;b"}', "calls[0].auth"),
        (CALL % ", reinvite: [{at: after 500ms, method: UPDATE}]", "calls[0].reinvite[0].method"),
        (CALL % ", reinvite: [{at: after 500ms, sdp: {direction: inactive}}]", "calls[0].reinvite[0].sdp"),
        (
            CALL % ", repeat: 2, reinvite: [{at: after 500ms, sdp: {direction: sendonly}}]",
            "calls[0].reinvite",
        ),
        (CALL % ", expect: {reply: {code: 200, reason: OK}}", "calls[0].expect.reply.reason"),
        (
            CALL % ", expect: {received: [{by: callee, sdp: {codecs: [PCMA]}}]}",
            "calls[0].expect.received[0].sdp.codecs",
        ),
        (
            CALL % ', expect: {received: [{by: callee, method: BYE, headers: {CSeq: "2 BYE"}}]}',
            "calls[0].expect.received[0].headers.CSeq",
        ),
        ('calls: [{id: ana, from: ["1000", "1001"], to: "39"}]\n', "calls[0].from"),
        ('calls: [{id: ana, from: "a!b", to: "39"}]\n', "calls[0].from"),
        (CALL % "" + "carriers: {carrier: {refuse: 503}}\n", "carriers.carrier.refuse"),
        (CALL % "" + "carriers: {carrier: {refuse: {code: 486, reason: Gone}}}\n", "carriers.carrier.refuse.reason"),
        (CALL % "" + "carriers: {carrier: {silent: true}}\n", "carriers.carrier.silent"),
        (CALL % "" + "carriers: {carrier: {provisional: [183]}}\n", "carriers.carrier.provisional"),
        (CALL % "" + "carriers: {carrier: {answer_after: 1s}}\n", "carriers.carrier.answer_after"),
        (CALL % "" + "carriers: {carrier: {refuse: 480, ring: 1s}}\n", "carriers.carrier.ring"),
        (CALL % "" + "carriers: {carrier: {attempts: [{refuse: 480}]}}\n", "carriers.carrier.refuse"),
        (CALL % "" + "carriers: {carrier: {attempts: [{silent: true}]}}\n", "carriers.carrier.attempts[0].silent"),
        (CALL % "" + "carriers: {carrier: {calls: {ana: {refuse: 603}}}}\n", "carriers.carrier.calls.ana.refuse"),
        (CALL % "" + 'phones: {desk: {user: "2000"}}\n', "phones"),
        (CALL % "" + "load: {rate: 5, duration: 2s}\n", "load"),
        (CALL % ", hold: 10m" + "clock: {skip: 5s, when: ana is answered}\n", "clock"),
        (CALL % "" + "faults: [{on: agent, call: ana, status: 500}]\n", "faults[0].call"),
        (CALL % "" + r"expect: {log: [{line: '/call=\S+-ana-/'}]}" + "\n", "expect.log[0]"),
        (CALL % "" + "expect: {transactions: [{transaction_tag: '/-ana-1@/'}]}\n", "expect.transactions[0]"),
        (TWO % ("", ", ring: 1s"), "calls[1].to"),
        (TWO % ("", "") + "carriers: {carrier: {calls: {bob: {refuse: 486}}}}\n", "calls[1].to"),
        (
            CALL % ", transport: tcp" + 'kamailio: {tables: {source: {"{ana}": " 1000 "}}}\n',
            "calls[0].transport",
        ),
    ],
)
def test_what_it_can_not_do_is_refused_by_the_fields_name(tmp_path: Path, rest: str, field: str) -> None:
    reason = beyond_baresip(scenario_of(tmp_path / "s.yaml", rest))
    assert reason is not None
    assert reason.startswith(f"--ends baresip: {field}: ")


@pytest.mark.parametrize(
    ("carriers", "field"),
    [
        ("[{carrier_tag: a, host: a, protocol: TLS}]", "given.carriers[0].protocol"),
        ("[{carrier_tag: a, host: a}, {carrier_tag: b, host: a, port: 5070}]", "given.carriers[1]"),
    ],
)
def test_a_carrier_that_it_can_not_be_is_refused(tmp_path: Path, carriers: str, field: str) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(f"scenario: A call\ngiven: {{carriers: {carriers}}}\n{CALL % ''}", encoding="utf-8")
    assert (beyond_baresip(load(file)[0]) or "").startswith(f"--ends baresip: {field}: ")


def test_no_end_of_a_plan_is_anything_else(tmp_path: Path) -> None:
    numbers = count(10)
    rest = CALL % ", ring: 1s, hangup: callee" + "carriers: {carrier: {}}\n"
    scenario = scenario_of(tmp_path / "s.yaml", rest)
    made = [
        plan_scenario(
            scenario,
            token="1f2e",
            seed=1,
            hosts=lambda name: Host(name, f"198.18.0.{next(numbers)}"),
            stack=stack,
        )
        for stack in (OtherStack("baresip", Path("/root")), None)
    ]
    plan, own = made
    ends = [plan.calls[0].agent, plan.carriers[0].agent]
    for end in ends:
        assert isinstance(end, UserAgent)
        assert end.command == ("python", "-m", "rating_harness.useragent.baresip", end.scenario_file, "/root")
    caller, callee = (end.script for end in ends if isinstance(end, UserAgent))
    assert isinstance(caller, CallerScript)
    assert not caller.hangup
    assert isinstance(callee, CalleeScript)
    assert callee.calls[0].users == (("1000", "39040123456"),)
    assert not plan.knows_call_ids
    assert own.knows_call_ids
