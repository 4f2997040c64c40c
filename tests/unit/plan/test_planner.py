"""Plans: everything decided, nothing started."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from itertools import count
from pathlib import Path

import pytest

from rating_harness.errors import PlanError, ScenarioError
from rating_harness.lab.protocol import Host
from rating_harness.plan.model import Plan
from rating_harness.plan.planner import breaks_services, plan_scenario
from rating_harness.scenario.given import Carrier
from rating_harness.sipp.agent import Agent
from rating_harness.useragent.agent import UserAgent
from rating_harness.useragent.script import CalleeScript, CallerScript
from tests.builders import scenario_of

PLAIN = 'calls: [{id: ana, from: "1000", to: "39040123456"%s}]\n'
MANY = 'calls: [{id: ana, from: "1000", to: "39040123456", repeat: 201%s}]\n'
"""So many that SIPp plays both ends."""


def planned(tmp_path: Path, rest: str, *, seed: int = 1, ipv6: bool = True) -> Plan:
    numbers = count(10)
    known: dict[str, Host] = {}

    def hosts(name: str) -> Host:
        if name not in known:
            number = next(numbers)
            known[name] = Host(name, f"198.18.0.{number}", f"fd17::{number}" if ipv6 else None)
        return known[name]

    return plan_scenario(scenario_of(tmp_path / "s.yaml", rest), token="1f2e", seed=seed, hosts=hosts)


def sends(xml: str) -> list[str]:
    """First words of what a SIPp scenario sends, in order."""
    return [(send.text or "").split()[0] for send in ET.fromstring(xml.encode()).iter("send")]


def test_call_ids_are_decided(tmp_path: Path) -> None:
    plan = planned(tmp_path, PLAIN % ", repeat: 2")
    assert plan.call_ids == {"ana": ("1f2e-ana-1@sip.test", "1f2e-ana-2@sip.test")}
    agent = plan.calls[0].agent
    assert isinstance(agent, Agent)
    assert (agent.call_id, agent.calls) == ("1f2e-ana-%u@sip.test", 2)


def test_the_pauses_of_an_authors_file_are_waited_for(tmp_path: Path) -> None:
    message = "<send><![CDATA[ INVITE sip:x SIP/2.0 ]]></send>"
    (tmp_path / "uac.xml").write_text(f'<scenario>{message}<pause milliseconds="90000"/></scenario>')
    (tmp_path / "uas.xml").write_text('<scenario><recv request="INVITE"/><pause milliseconds="50000"/></scenario>')
    assert planned(tmp_path, PLAIN % ", sipp: uac.xml").horizon == pytest.approx(100.0, abs=1.0)
    plain = planned(tmp_path, PLAIN % "").horizon
    carrier = "carriers: {carrier: {sipp: uas.xml}}\n"
    assert planned(tmp_path, carrier + PLAIN % "").horizon == plain + 50.0


def test_a_caller_of_sipps_answers_what_kamailio_asks_by_itself(tmp_path: Path) -> None:
    """What an author's own SIPp scenario answers is its author's."""
    ours = planned(tmp_path, PLAIN % "").calls[0].agent
    (tmp_path / "own.xml").write_text("<scenario><send><![CDATA[ INVITE sip:x SIP/2.0 ]]></send></scenario>")
    theirs = planned(tmp_path, PLAIN % ", sipp: own.xml").calls[0].agent
    assert ours.options.get("auto_answer") is True
    assert "auto_answer" not in theirs.options


def test_the_same_seed_draws_the_same(tmp_path: Path) -> None:
    rest = PLAIN % ", repeat: {min: 1, max: 1000}"
    draws = [len(planned(tmp_path, rest, seed=seed).call_ids["ana"]) for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.parametrize(
    "said",
    [
        "",
        ", hangup: callee",
        ", hangup: never",
        ", cancel: while ringing",
        ", cancel: at once",
        ", no_ack: true",
        ", vanish: {who: caller, at: after 1s}, hangup: never",
        ", vanish: {who: callee, at: after 1s}, hold: 2s",
        ", reinvite: [after 500ms, {at: after 1s, method: UPDATE}], hold: 2s",
        ", reinvite: [{at: after 500ms, by: callee}, {at: after 1s, by: callee, method: UPDATE}], hold: 2s",
        ", reinvite: [after 500ms, {at: after 1s, by: callee}], hangup: callee, hold: 2s",
        ", auth: {username: '1000', password: secret}",
        ", headers: {X-Test: 'a & b < c'}",
        ", transport: tcp",
        ", ipv6: true",
        ", retransmit: [INVITE, ACK, BYE]",
        ", bye: wrong_cseq",
        ", method: OPTIONS",
    ],
)
def test_every_flow_is_well_formed(tmp_path: Path, said: str) -> None:
    plan = planned(tmp_path, MANY % said)
    assert sends(plan.calls[0].agent.scenario)[0] == ("OPTIONS" if "OPTIONS" in said else "INVITE")
    assert plan.carriers[0].agent is not None
    for agent in (plan.calls[0].agent, plan.carriers[0].agent):
        labels = ET.fromstring(agent.scenario.encode())
        known = [label.get("id") for label in labels.iter("label")]
        wanted = {node.get(key) for node in labels for key in ("next", "ontimeout") if node.get(key)}
        assert wanted <= set(known)
        assert len(set(known)) == len(known)


RENEWED_BY_BOTH = ", reinvite: [after 500ms, {at: after 500ms, by: callee}]"
REFUSED_RENEWAL = ", reinvite: [{at: after 500ms, by: callee, refuse: 488}]"
SIGNED_REGISTER = ", method: REGISTER, auth: {username: '1000', password: secret}"


@pytest.mark.parametrize("said", [RENEWED_BY_BOTH, REFUSED_RENEWAL, SIGNED_REGISTER])
def test_what_sipp_has_no_means_for_a_user_agent_does(tmp_path: Path, said: str) -> None:
    assert isinstance(planned(tmp_path, PLAIN % said).calls[0].agent, UserAgent)


@pytest.mark.parametrize("said", [REFUSED_RENEWAL, SIGNED_REGISTER])
def test_what_sipp_has_no_means_for_many_calls_cant_be(tmp_path: Path, said: str) -> None:
    with pytest.raises(ScenarioError, match="can't be said of 201 calls"):
        planned(tmp_path, MANY % said)


def test_a_scenario_waits_for_calls_that_start_late(tmp_path: Path) -> None:
    calls = """
calls:
  - {id: ana, from: "1000", to: "39040123456", hold: 5s}
  - {id: bob, from: "1000", to: "39040123456", start: 2s after cara has ended}
  - {id: cara, from: "1000", to: "39040123456", start: 30s, ring: 3s, hold: 4s}
"""
    assert planned(tmp_path, calls).horizon == 20 + 30 + 7 + 2 + 1


@pytest.mark.parametrize(
    ("contact", "is_ours"),
    [
        ('Contact: "a; <b>, c" <sip:[local_ip]>', True),
        ('m:"a \\" <b" <sip:[local_ip]>', True),
        ('Contact: "ana" <sip:[local_ip]>;x="<y>"', False),
        ("Contact: <sip:[local_ip]>", False),
    ],
)
def test_a_caller_of_a_carrier_whose_contact_sipp_would_misread(tmp_path: Path, contact: str, is_ours: bool) -> None:
    answer = f"<send><![CDATA[\nSIP/2.0 200 OK\n{contact}\n]]></send>"
    (tmp_path / "uas.xml").write_text(f'<scenario><recv request="INVITE"/>{answer}</scenario>', "utf-8")
    plan = planned(tmp_path, "carriers: {carrier: {sipp: uas.xml}}\n" + PLAIN % "")
    assert isinstance(plan.calls[0].agent, UserAgent) is is_ours
    if contact.startswith("Contact: "):
        headers = json.dumps({"Contact": contact.removeprefix("Contact: ").replace("[local_ip]", "x.test")})
        plan = planned(tmp_path, f"carriers: {{carrier: {{headers: {headers}}}}}\n" + PLAIN % "")
        assert isinstance(plan.calls[0].agent, UserAgent) is is_ours


def waits(xml: str, request: str) -> list[int]:
    """For how many milliseconds such a request is awaited, where that is limited, in order."""
    found = (node for node in ET.fromstring(xml.encode()).iter("recv") if node.get("request") == request)
    return [int(node.get("timeout", 0)) for node in found if node.get("timeout")]


def test_a_callee_renews_the_session_and_the_caller_answers(tmp_path: Path) -> None:
    plan = planned(tmp_path, MANY % ", reinvite: [{at: after 500ms, by: callee, method: UPDATE}], hold: 2s")
    (carrier,) = plan.carriers
    assert carrier.agent is not None
    assert "UPDATE" in sends(carrier.agent.scenario)
    assert "UPDATE" not in sends(plan.calls[0].agent.scenario)
    assert waits(plan.calls[0].agent.scenario, "UPDATE")
    assert 500 in waits(carrier.agent.scenario, "BYE")


def test_what_happens_in_mid_call_takes_no_time_from_it(tmp_path: Path) -> None:
    """The one who hangs up counts from the last request, whoever sent it."""
    of_both = ", reinvite: [after 500ms, {at: after 1200ms, by: callee}], hold: 2s, hangup: %s"
    caller = planned(tmp_path, MANY % of_both % "caller").calls[0].agent
    assert 800 in waits(caller.scenario, "BYE")
    assert re.findall(r"CSeq: (\d+ (?!ACK)\w+)", caller.scenario) == ["1 INVITE", "2 INVITE", "3 BYE"]
    carrier = planned(tmp_path, MANY % of_both % "callee").carriers[0].agent
    assert carrier is not None
    assert {700, 800} <= set(waits(carrier.scenario, "BYE"))
    assert re.findall(r"CSeq: (\d+ (?!ACK)\w+)", carrier.scenario) == ["1 INVITE", "2 BYE"]


def test_who_has_vanished_renews_nothing(tmp_path: Path) -> None:
    said = ", vanish: {who: callee, at: after 1s}, reinvite: [{at: after 2s, by: callee}], hold: 3s"
    carrier = planned(tmp_path, MANY % said).carriers[0].agent
    assert carrier is not None
    assert "INVITE" not in sends(carrier.scenario)


def test_a_cancel_has_the_branch_of_its_invite(tmp_path: Path) -> None:
    text = planned(tmp_path, MANY % ", cancel: after 100ms").calls[0].agent.scenario
    branches = re.findall(r"(INVITE|CANCEL) sip:\S+ SIP/2.0\s+Via: \S+ \S+?;rport;branch=(\S+)", text)
    assert [method for method, _ in branches] == ["INVITE", "CANCEL"]
    assert branches[0][1] == branches[1][1]


def test_carriers_do_what_was_planned_for_each_call_and_attempt(tmp_path: Path) -> None:
    rest = (
        'calls: [{id: ana, from: "1000", to: "39", repeat: 201}, {id: ben, from: "1000", to: "39"}]\n'
        "carriers: {carrier: {refuse: 486, attempts: [{refuse: 503}], calls: {ben: {ring: 1s}}}}\n"
    )
    (carrier,) = planned(tmp_path, rest).carriers
    assert carrier.agent is not None
    xml = carrier.agent.scenario
    assert all(status in xml for status in ("503 Service Unavailable", "486 Busy Here", "200 OK"))
    assert "1f2e-ana-" in xml
    assert "1f2e-ben-" in xml


def test_an_absent_carrier_has_an_address_and_nobody_there(tmp_path: Path) -> None:
    (carrier,) = planned(tmp_path, PLAIN % "" + "carriers: {carrier: {absent: true}}\n").carriers
    assert (carrier.host, carrier.agent) == ("carrier", None)


def test_without_ipv6_a_call_over_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no IPv6"):
        planned(tmp_path, PLAIN % ", ipv6: true", ipv6=False)


@pytest.mark.parametrize(
    ("rest", "breaks"),
    [
        (PLAIN % "", False),
        (PLAIN % "" + 'faults: [{"on": agent, status: 500}]\n', False),
        (PLAIN % "" + 'faults: [{"on": kamailio, kill: 1s}]\n', True),
        (PLAIN % "" + "kamailio: {defines: {FR_TIMER: 1000}}\n", True),
        (PLAIN % ", transport: tls", True),
    ],
)
def test_what_breaks_services_needs_a_lab_of_its_own(tmp_path: Path, rest: str, breaks: bool) -> None:
    assert breaks_services(scenario_of(tmp_path / "s.yaml", rest)) is breaks


@pytest.mark.parametrize(
    "said",
    [
        ", cancel: while ringing",
        ", contact: '<sip:1000@10.99.99.99:5066>'",
        ", cseq: 2147483647",
        ", uri: 'tel:+39'",
        ", display: Ana",
        ", host: carrier",
        ", headers: {From: '<sip:1000@sip.test;user=phone>'}",
        ", requests: [{method: BYE, at: after 500ms}]",
        f", hold: 9s, reinvite: [{', '.join(f'after {n}00ms' for n in range(1, 9))}]",
    ],
)
def test_what_sipp_has_no_means_for_is_played_by_the_harness(tmp_path: Path, said: str) -> None:
    assert isinstance(planned(tmp_path, PLAIN % said).calls[0].agent, UserAgent)


@pytest.mark.parametrize("said", [", headers: {X-Test: a}", ", hangup: callee", ", auth: {username: a, password: b}"])
def test_sipp_plays_all_other_callers(tmp_path: Path, said: str) -> None:
    assert isinstance(planned(tmp_path, PLAIN % said).calls[0].agent, Agent)


def script_of(plan: Plan) -> CallerScript:
    agent = plan.calls[0].agent
    assert isinstance(agent, UserAgent)
    assert isinstance(agent.script, CallerScript)
    return agent.script


def test_a_caller_says_what_its_call_says(tmp_path: Path) -> None:
    said = (
        ", uri: 'tel:+39040', display: 'A \"B\"', contact: absent, cseq: 7, transport: tcp"
        ", headers: {X-A: ['1', '2'], Max-Forwards: absent, To: '<sip:x@y;user=phone>'}"
    )
    script = script_of(planned(tmp_path, PLAIN % said))
    assert script.invite.uri == "tel:+39040"
    assert script.from_value == '"A \\"B\\"" <sip:1000@sip.test>'
    assert script.to_value == "<sip:x@y;user=phone>"
    assert (script.invite.contact, script.invite.cseq.number) == ("", 7)
    assert script.invite.headers == {"X-A": ("1", "2"), "Max-Forwards": ()}
    assert script.socket.transport == "tcp"
    assert script.call_ids == ("1f2e-ana-1@sip.test",)


def test_requests_go_to_who_sends_them(tmp_path: Path) -> None:
    said = (
        ", requests: [{method: INFO, at: while ringing}, {by: callee, method: BYE}, {by: stranger, method: BYE}, "
        "{method: INFO, at: bob is answered}]"
    )
    bob = PLAIN.replace("]\n", ", {id: bob, from: '1000', to: '39'}]\n")
    plan = planned(tmp_path, bob % said)
    assert [(each.index, each.at.event) for each in script_of(plan).requests] == [(0, "ringing"), (3, None)]
    agent = plan.carriers[0].agent
    assert isinstance(agent, UserAgent)
    assert isinstance(agent.script, CalleeScript)
    assert [each.index for each in agent.script.calls[0].requests] == [1]
    watched = [(each.by, each.index, str(each.when)) for each in plan.sip_requests]
    assert watched == [("stranger", 2, "ana is answered"), ("caller", 3, "bob is answered")]


@pytest.mark.parametrize(
    ("call", "carrier", "ring"),
    [
        (", cancel: while ringing", "", 21.0),
        (", cancel: while ringing, ring: 2s", "", 2.0),
        (", cancel: while ringing", "ring: 3s", 3.0),
        (", cancel: while ringing", "refuse: 486", 0.0),
        ("", "", 0.0),
    ],
)
def test_who_is_to_be_cancelled_rings_until_then(tmp_path: Path, call: str, carrier: str, ring: float) -> None:
    plan = planned(tmp_path, PLAIN % call + f"carriers: {{carrier: {{{carrier}}}}}\n")
    agent = plan.carriers[0].agent
    assert isinstance(agent, UserAgent)
    assert isinstance(agent.script, CalleeScript)
    assert agent.script.calls[0].then.ring == ring


def test_a_phone_registers(tmp_path: Path) -> None:
    phones = "phones: {desk: {user: '2000', registration: 1m, auth: {username: '2000', password: secret}}}\n"
    plan = planned(tmp_path, PLAIN % "" + phones)
    agent = plan.carriers[-1].agent
    assert isinstance(agent, UserAgent)
    assert isinstance(agent.script, CalleeScript)
    registration = agent.script.registration
    assert registration is not None
    assert (registration.address_of_record, registration.expires) == ("<sip:2000@sip.test>", 60)
    assert registration.request.username == "2000"
    assert registration.request.contact == f"<sip:2000@{agent.address}:5060;transport=udp>"


@pytest.mark.parametrize(
    ("carrier", "status"),
    [
        ("refuse: 456", 456),
        ("provisional: [150]", 150),
        ("attempts: [{refuse: 699}]", 699),
        ("ring: 1s, forks: [{provisional: [180]}, {provisional: [101]}]", 101),
    ],
)
def test_sipp_takes_the_statuses_that_a_scenario_says(tmp_path: Path, carrier: str, status: int) -> None:
    for rest, is_known in ((f"carriers: {{carrier: {{{carrier}}}}}\n", True), ("", False)):
        agent = planned(tmp_path, PLAIN % "" + rest).calls[0].agent
        assert (f'<recv response="{status}"' in agent.scenario) is is_known


@pytest.mark.parametrize(
    "to",
    [
        "<sip:39040123456@sip.test>",
        "<sip:39040123456;phone-context=+39@sip.test>",
        "<sip:39040123456@sip.test;user=phone>",
        '"a; b" <sip:39040123456@sip.test>;x=y',
    ],
)
def test_the_carriers_of_a_load_repeat_the_whole_to(tmp_path: Path, to: str) -> None:
    agent = planned(tmp_path, MANY % "").carriers[0].agent
    assert isinstance(agent, Agent)
    (pattern,) = re.findall(r'<ereg regexp="([^"]*)" search_in="hdr" header="To:"', agent.scenario)
    found = re.search(pattern, to)
    assert found is not None
    assert found[0] == to


def test_later_requests_have_the_tag_of_the_invites_answer(tmp_path: Path) -> None:
    """Not that of the reply that came last, which may be one to a CANCEL."""
    for said in (MANY % "", MANY % ", cancel: while ringing"):
        text = planned(tmp_path, said).calls[0].agent.scenario
        assert "[peer_tag_param]" not in text
        assert '<assignstr assign_to="callee" value="[last_To:]"/>' in text
        assert len(re.findall(r"BYE \[next_url\][^]]*?\]\s[^<]*<[^\n]*\n\s*\[\$callee\]", text)) == 1


def test_what_isnt_ascii_is_sent_as_utf_8(tmp_path: Path) -> None:
    said = ", display: Jürgen, headers: {Subject: 'für €'}, requests: [{method: MESSAGE, body: ü}]"
    refused = "carriers: {carrier: {refuse: {code: 486, reason: Straße}}}\n"
    plan = planned(tmp_path, PLAIN % said + refused)
    script = script_of(plan)
    assert '"Jürgen"'.encode() in script.from_value.encode("latin-1")
    assert script.invite.headers["Subject"][0].encode("latin-1") == "für €".encode()
    assert script.requests[0].request.body.encode("latin-1") == "ü".encode()
    agent = plan.carriers[0].agent
    assert isinstance(agent, UserAgent)
    assert isinstance(agent.script, CalleeScript)
    assert agent.script.calls[0].then.refuse.encode("latin-1") == "486 Straße".encode()


def test_callers_at_one_host_have_ports_of_their_own(tmp_path: Path) -> None:
    """Where its carriers listen nobody else can."""
    rest = (
        'carriers: {carrier: {}}\ncalls:\n  - {id: ana, host: second, from: "1", to: "39"}\n'
        '  - {id: bob, host: carrier, from: "1", to: "39"}\n  - {id: cara, host: second, from: "1", to: "39"}\n'
    )
    scenario = scenario_of(tmp_path / "s.yaml", rest)
    carriers = (*scenario.given.carriers, Carrier(carrier_tag="b", host="second", port=5071))
    given = scenario.given.model_copy(update={"carriers": carriers})
    hosts = {name: Host(name, f"198.18.0.{n}", None) for n, name in enumerate(("kamailio", "carrier", "second"), 1)}
    plan = plan_scenario(
        scenario.model_copy(update={"given": given}), token="1f2e", seed=1, hosts=lambda name: hosts[name]
    )
    assert {call.id: call.agent.port for call in plan.calls} == {"ana": 5070, "bob": 5070, "cara": 5072}
