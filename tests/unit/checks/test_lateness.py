"""What our own ends did too late: it's told, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rating_harness.checks.lateness import late_deeds
from rating_harness.checks.model import Case
from rating_harness.evidence.model import Evidence, ServiceState, SipMessage, SippResult, Span
from tests.builders import CALL_ID, CALLER, CARRIER, START, answered_call, evidence_of, refused_call, scenario_of, sip

_URI = "sip:39040123456@sip.test"
ANA = '{id: ana, from: "1000", to: "39040123456"%s}'
THIRD = '{id: third, from: "1000", to: "39040123456", start: 700ms after ana is answered}'


def late(tmp_path: Path, evidence: Evidence, more: str = "", *others: str, rest: str = "") -> list[str]:
    text = f"calls: [{', '.join([ANA % more, *others])}]\n{rest}"
    return [str(deed) for deed in late_deeds(Case(scenario_of(tmp_path / "s.yaml", text), evidence))]


def third(at: float) -> Evidence:
    """A call that begins at its own moment, and another that begins then; the answer is seen after 101 ms."""
    other = (sip(at, "caller-third", "sent", f"INVITE {_URI}", call_id="third"),)
    return evidence_of([*answered_call(), *other])


@pytest.mark.parametrize(("at", "told"), [(0.81, []), (1.0, []), (1.12, ["call third began 300ms late"])])
def test_a_call_that_begins_after_anothers_event(tmp_path: Path, at: float, told: list[str]) -> None:
    assert late(tmp_path, third(at), "", THIRD) == told


def test_a_call_with_a_delay_of_its_own(tmp_path: Path) -> None:
    evidence = evidence_of(answered_call(at=1.5))
    assert late(tmp_path, evidence, ", start: 1500ms") == []
    assert late(tmp_path, evidence, ", start: 1s") == ["call ana began 500ms late"]


def test_a_call_at_once_is_late_only_where_another_counts_from_the_same_moment(tmp_path: Path) -> None:
    evidence = evidence_of([*answered_call(at=0.5), sip(1.0, "caller-b", "sent", f"INVITE {_URI}", call_id="b")])
    assert late(tmp_path, evidence, "", '{id: b, from: "1000", to: "39040123456"}') == []
    told = ["call ana began 500ms late"]
    assert late(tmp_path, evidence, "", '{id: b, from: "1000", to: "39040123456", start: 1s}') == told
    assert late(tmp_path, evidence, rest="faults: [{on: agent, delay: 1s, when: 300ms}]\n") == told
    assert late(tmp_path, evidence, rest="faults: [{on: agent, delay: 1s, until: ana is ended}]\n") == []


def test_a_call_whose_moment_never_came(tmp_path: Path) -> None:
    evidence = evidence_of([*refused_call(), sip(9.0, "caller-third", "sent", f"INVITE {_URI}", call_id="third")])
    assert late(tmp_path, evidence, "", THIRD) == []


@pytest.mark.parametrize("by", ["caller", "callee"])
def test_a_call_that_is_hung_up_late(tmp_path: Path, by: str) -> None:
    evidence = evidence_of(answered_call(hold=2.4, ended_by=by))  # type: ignore[arg-type]
    assert late(tmp_path, evidence, f", hold: 2s, hangup: {by}") == ["call ana was hung up 400ms late"]
    assert late(tmp_path, evidence, f", hold: 2300ms, hangup: {by}") == []
    assert late(tmp_path, evidence, f", hold: {{min: 1s, max: 3s}}, hangup: {by}") == []
    # Something that may take a while goes on in it.
    assert late(tmp_path, evidence, f", hold: 2s, hangup: {by}, reinvite: [after 1s]") == []


def test_a_call_that_kamailio_ends(tmp_path: Path) -> None:
    evidence = evidence_of(answered_call(hold=2.4, ended_by="kamailio"))
    assert late(tmp_path, evidence, ", hold: 1s") == []


def test_a_caller_that_gives_up_late(tmp_path: Path) -> None:
    ringing = answered_call()[:5]
    evidence = evidence_of([*ringing, sip(0.9, CALLER, "sent", f"CANCEL {_URI}")])
    assert late(tmp_path, evidence, ", cancel: after 500ms") == ["call ana was given up 400ms late"]
    assert late(tmp_path, evidence, ", cancel: 700ms after ringing") == []


def _info(at: float, number: int, by: str = CALLER) -> SipMessage:
    branch = f"z9hG4bK-{by}-request-{number}-1"
    return sip(at, by, "sent", f"INFO {_URI}", cseq=f"{20 + number} INFO", to_tag="b1", branch=branch)


def _infos(*times: float, by: str = CALLER) -> Evidence:
    infos = [_info(at, number, by) for number, at in enumerate(times)]
    return evidence_of([*answered_call(hold=4), *infos])


INFOS = ", hangup: never, requests: [{at: after 500ms, by: %s, method: INFO}, {at: after 1s, by: %s, method: INFO}]"


@pytest.mark.parametrize(("by", "host"), [("caller", CALLER), ("callee", CARRIER)])
def test_requests_of_a_calls_own_ends(tmp_path: Path, by: str, host: str) -> None:
    told = [f"the INFO of call ana's {by} was sent 400ms late"]
    assert late(tmp_path, _infos(0.61, 1.11, by=host), INFOS % (by, by)) == []
    assert late(tmp_path, _infos(0.61, 1.5, by=host), INFOS % (by, by)) == told
    assert late(tmp_path, _infos(1.0, 1.11, by=host), INFOS % (by, by)) == told
    # One of another branch is none of them.
    other = sip(1.9, host, "sent", f"INFO {_URI}", cseq="20 INFO", to_tag="b1")
    assert late(tmp_path, evidence_of([*answered_call(hold=4), other]), INFOS % (by, by)) == []


def test_a_request_that_is_sent_again_is_the_first(tmp_path: Path) -> None:
    again = _info(1.9, 1)
    evidence = _infos(0.61, 1.11)
    evidence = replace(evidence, messages=(*evidence.messages, again))
    assert late(tmp_path, evidence, INFOS % ("caller", "caller")) == []


def test_a_strangers_request(tmp_path: Path) -> None:
    def sent(at: float) -> Evidence:
        bye = sip(at, "stranger-ana-0", "sent", f"BYE {_URI}", cseq="9 BYE", to_tag="b1")
        evidence = evidence_of([*answered_call(hold=4), bye])
        return replace(evidence, sipp=(*evidence.sipp, SippResult("stranger-ana-0", "stranger", 0, 1, 1, 0)))

    request = ", hangup: never, requests: [{at: after 500ms, by: stranger, method: BYE}]"
    assert late(tmp_path, sent(0.7), request) == []
    assert late(tmp_path, sent(1.1), request) == ["request 0 of call ana was sent 500ms late"]


@pytest.mark.parametrize(
    ("span", "told"),
    [
        (Span("restart kamailio", START + 0.7, START + 1.6), []),
        (Span("kill kamailio", START + 0.7), []),
        (Span("restart kamailio", START + 0.2, START + 0.4), ["call third began 800ms late"]),
        (Span("restart kamailio", START + 1.7, START + 1.9), ["call third began 800ms late"]),
        (Span("call ana", START + 0.7, START + 1.6), ["call third began 800ms late"]),
    ],
)
def test_what_had_to_wait_for_a_service_isnt_late(tmp_path: Path, span: Span, told: list[str]) -> None:
    evidence = replace(third(1.6), spans=(span,), services=(ServiceState("kamailio", alive=True),))
    assert late(tmp_path, evidence, "", THIRD) == told


def test_neither_under_load_nor_with_a_clock_that_is_put_forward(tmp_path: Path) -> None:
    assert late(tmp_path, replace(third(2.0), skipped=60.0), "", THIRD) == []
    assert late(tmp_path, evidence_of(answered_call(at=3.0)), rest="load: {rate: 1, duration: 1s}\n") == []


def test_a_machine_that_stood_still(tmp_path: Path) -> None:
    assert late(tmp_path, replace(evidence_of(answered_call()), stalled=0.4)) == []
    told = ["the harness itself went on 700ms late"]
    assert late(tmp_path, replace(evidence_of(answered_call()), stalled=0.7)) == told


def test_the_latest_comes_first(tmp_path: Path) -> None:
    evidence = evidence_of(
        [*answered_call(at=1.0, hold=2.0), sip(2.8, "caller-third", "sent", f"INVITE {_URI}", call_id="third")]
    )
    told = late(tmp_path, evidence, ", start: 100ms, hold: 2s", THIRD)
    assert told == ["call third began 1s late", "call ana began 900ms late"]
    assert CALL_ID in {message.call_id for message in evidence.messages}
