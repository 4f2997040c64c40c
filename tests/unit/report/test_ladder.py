"""The ladder of a call: complete, in order, within its lines and columns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rating_harness.checks import judge
from rating_harness.checks.model import Case
from rating_harness.evidence.model import Evidence
from rating_harness.report.ladder import AGENT, KAMAILIO, Arrow, Ladder, Mark, ladder_of
from rating_harness.report.ladder_svg import picture_of
from rating_harness.report.ladder_text import ladder_text
from rating_harness.report.presentation import causes_first, shown_of
from tests.builders import CALL_ID, answered_call, evidence_of, exchange, refused_call, scenario_of, sip
from tests.unit.report import scenes
from tests.unit.report.conftest import Golden


def drawn(evidence: Evidence, call_id: str = CALL_ID) -> Ladder:
    ladder = ladder_of(evidence, call_id)
    assert ladder is not None
    return ladder


def arrows(evidence: Evidence) -> list[tuple[str, str, str]]:
    return [(row.source, row.target, row.label) for row in drawn(evidence).rows if isinstance(row, Arrow)]


def test_a_call_whose_begin_failed(golden: Golden, tmp_path: Path) -> None:
    _, evidence = scenes.begin_failed(tmp_path / "scenario.yaml")
    golden("ladder-begin_failed", ladder_text(drawn(evidence)))


def test_a_call_that_tried_two_carriers(golden: Golden, tmp_path: Path) -> None:
    _, evidence = scenes.failover(tmp_path / "scenario.yaml")
    golden("ladder-failover", ladder_text(drawn(evidence)))


def test_the_middle_of_a_long_one_is_folded(golden: Golden) -> None:
    golden("ladder-folded", ladder_text(drawn(scenes.retransmitted(20)), lines=16))


ASKED = [exchange(0.1, "authorization"), exchange(0.2, "begin_transaction", status=500, answer={}, number=2)]
NAMED = 'calls: [{id: ana, from: "1000", to: "39040123456"}]\nexpect:\n  requests:\n    - '


@pytest.mark.parametrize(
    ("expected", "arrow", "text"),
    [
        ("{call: ana, path: authorization, fields: {account_tag: x}}", (KAMAILIO, "authorization of 1000"), "POST"),
        ("{call: ana, path: begin, status: 200}", (AGENT, "500"), "status 500"),
        ("{call: ana, path: begin, absent: true}", (KAMAILIO, "begin_transaction of 1000"), "POST"),
        ("{call: ana, order: [authorization]}", (KAMAILIO, "begin_transaction of 1000"), "POST"),
    ],
)
def test_the_request_or_the_answer_that_a_finding_is_on_is_marked_and_opens(
    expected: str, arrow: tuple[str, str], text: str, tmp_path: Path
) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", f"{NAMED}{expected}\n")
    # A stored run's exchanges are others that are equal.
    evidence, stored = (evidence_of(refused_call(), [replace(each) for each in ASKED]) for _ in range(2))
    findings = [each for each in judge(scenario, evidence).findings if each.check.startswith("expect.requests")]
    assert len(causes_first(Case(scenario, evidence), findings)) == 1
    ladder = ladder_of(stored, CALL_ID, shown_of(findings, CALL_ID))
    assert ladder is not None
    assert [(row.source, row.label) for row in ladder.rows if isinstance(row, Arrow) and row.marked] == [arrow]
    (found,) = (row for row in picture_of(ladder, "")["rows"] if row.found)
    assert found.text.startswith(text)
    assert shown_of(findings, "other@sip.test") == []


def test_the_request_stands_for_an_answer_that_never_came(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", f"{NAMED}{{call: ana, path: begin, status: 200}}\n")
    evidence = evidence_of(refused_call(), [exchange(0.2, "begin_transaction", status=None, took=None)])
    findings = [each for each in judge(scenario, evidence).findings if each.check.startswith("expect.requests")]
    ladder = ladder_of(evidence, CALL_ID, shown_of(findings, CALL_ID))
    assert ladder is not None
    marked = [row.label for row in ladder.rows if isinstance(row, Arrow) and row.marked]
    assert marked == ["begin_transaction of 1000, never answered"]


def test_what_an_endpoint_sends_goes_to_kamailio_and_what_it_receives_comes_from_there() -> None:
    assert arrows(evidence_of(refused_call())) == [
        ("caller-ana", KAMAILIO, "INVITE sip:39040123456@sip.test"),
        (KAMAILIO, "caller-ana", "100 Trying"),
        (KAMAILIO, "caller-ana", "403 Forbidden"),
        ("caller-ana", KAMAILIO, "ACK sip:39040123456@sip.test"),
    ]


def test_messages_of_other_calls_are_left_out() -> None:
    other = answered_call(call_id="other@sip.test", caller="caller-bob")
    both = evidence_of([*refused_call(), *other], [exchange(0.1, "authorization", call_id="other@sip.test")])
    alone = evidence_of(refused_call())
    assert arrows(both) == arrows(alone)
    assert drawn(both).columns == ("caller-ana", KAMAILIO)


def test_a_call_of_which_nothing_was_seen_has_none() -> None:
    assert ladder_of(evidence_of([]), CALL_ID) is None


def test_requests_about_a_call_that_nobody_made_are_shown() -> None:
    """Kamailio's own mistake, say: no SIP message has that Call-ID."""
    ladder = drawn(evidence_of([], [exchange(0.5, "end_transaction", call_id="lost@sip.test")]), "lost@sip.test")
    assert ladder.columns == (KAMAILIO, AGENT)
    assert [row.at for row in ladder.rows] == [0.0, pytest.approx(0.002, abs=1e-6)]


def test_only_what_is_the_same_is_a_retransmission() -> None:
    first = sip(0.0, "carrier", "received", "INVITE sip:1@h", branch="z9hG4bK-1")
    same, failover = (
        replace(first, at=first.at + 0.5),
        sip(1.0, "carrier", "received", "INVITE sip:1@h", branch="z9-2"),
    )
    ringing = [sip(1.1, "caller-ana", "received", "180 Ringing", to_tag=tag) for tag in ("one", "two")]
    rows = drawn(evidence_of([first, same, failover, *ringing])).rows
    assert [row.times for row in rows if isinstance(row, Arrow)] == [2, 1, 1, 1]


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ({"authorized": True, "max_available_units": None, "carriers": ["UDP:a:5060", "UDP:b:5060"]},
         "200 authorized true, max_available_units null, UDP:a:5060 UDP:b:5060"),
        ({"authorized": False, "unauthorized_reason": "UNREACHABLE_DESTINATION", "max_available_units": 0},
         "200 authorized false, UNREACHABLE_DESTINATION"),
        ({"ok": False, "error": "no such transaction"}, "200 ok false, no such transaction"),
        ('{"authorized": tr', "200 '{\"authorized\": tr'"),
        ({}, "200"),
    ],
)  # fmt: skip
def test_an_answer_tells_what_becomes_of_the_call(answer: object, label: str) -> None:
    evidence = evidence_of(refused_call(), [exchange(0.002, "authorization", answer)])
    assert (AGENT, KAMAILIO, label) in arrows(evidence)


def test_what_never_came_and_what_was_injected() -> None:
    reset = exchange(0.002, "authorization", "", status=None, fault="reset")
    silent = exchange(0.1, "begin_transaction", "", status=None, took=None, account=None)
    rows = [row for row in drawn(evidence_of(refused_call(), [reset, silent])).rows if AGENT in str(row)]
    assert [(row.label, row.broken) for row in rows if isinstance(row, Arrow)] == [
        ("authorization of 1000", False),
        ("no answer [fault: reset]", True),
        ("begin_transaction, never answered", False),
    ]


def test_what_the_run_did_meanwhile_is_marked(tmp_path: Path) -> None:
    """An outage is, a fault long after the call isn't, nor is the call's own start."""
    _, evidence = scenes.begin_failed(tmp_path / "scenario.yaml")
    marks = [row for row in drawn(evidence).rows if isinstance(row, Mark)]
    assert marks == [Mark(1.0, "unplug carrier"), Mark(1.5, "end of unplug carrier")]


@pytest.mark.parametrize("lines", [4, 12, 30, 300])
@pytest.mark.parametrize("carriers", [1, 2, 6])
def test_it_keeps_to_its_room(lines: int, carriers: int) -> None:
    tried = [sip(1 + n, f"a-long-name-{n}", "received", "INVITE sip:39040123456@sip.test") for n in range(carriers)]
    text = ladder_text(drawn(evidence_of([*scenes.retransmitted(40).messages, *tried])), lines=lines).splitlines()
    assert len(text) <= lines
    assert max(map(len, text)) <= 116
    assert not any(line != line.rstrip() for line in text)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"authorized": True, "max_available_units": 60}, "200 authorized true, max_available_units 60"),
        ({"authorized": "true", "max_available_units": "60"}, '200 authorized "true", max_available_units "60"'),
        ({"authorized": True, "max_available_units": [60]}, "200 authorized true, max_available_units [60]"),
        ({"authorized": "", "max_available_units": 60}, '200 authorized ""'),
    ],
)
def test_an_answer_that_only_spells_what_is_wanted_has_its_quotes(answer: dict[str, object], said: str) -> None:
    call = evidence_of(refused_call(), exchanges=(exchange(0.01, "authorization", answer),))
    assert (AGENT, KAMAILIO, said) in arrows(call)
