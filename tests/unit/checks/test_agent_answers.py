"""Answers of the agent that Kamailio can't use: what is wrong with them, in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rating_harness.checks import judge
from rating_harness.checks.agent_answers import fault_of_answer
from tests.builders import answered_call, evidence_of, exchange, refused_call, scenario_of

YES = {"authorized": True, "max_available_units": 60, "carriers": ["UDP:carrier:5060"]}


@pytest.mark.parametrize(
    "answer",
    [
        YES,
        YES | {"authorized": 1},
        YES | {"max_available_units": 60.0},
        YES | {"max_available_units": "60"},
        YES | {"max_available_units": -1},
        YES | {"max_available_units": 99999999999},
        YES | {"carriers": ["udp:carrier"]},
        YES | {"carriers": ["tls:[fd17::1]:5061"]},
        YES | {"carriers": ["nonsense", "UDP:carrier:5060"]},
        YES | {"carriers": []},
        {"authorized": False, "unauthorized_reason": "NOT_FOUND"},
        {"authorized_destination": True},
        YES | {"more": {"a": 1}},
    ],
)
def test_an_answer_that_can_be_used(answer: Any) -> None:
    assert fault_of_answer(exchange(0, "authorization", answer=answer)) == ""


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("", "a body that is empty"),
        (None, "a body that is empty"),
        ("\ufeff{}", "a byte order mark before the JSON"),
        ("\\xff\\xfe{", "UTF-16"),
        ("\x1f\\x8b\x08", "gzip, which no Accept-Encoding names"),
        ("<?xml version='1.0'?><a/>", "XML or HTML"),
        ("OK", "what is no JSON: OK"),
        ("x\\x9c\\xabVJ,-", "deflate, which no Accept-Encoding names"),
        ("null", "JSON that is no object: null"),
        ('{"ok": true, "at": "caf\\xe9"}', "JSON that isn't UTF-8 (RFC 8259 section 8.1): it has \\xe9"),
        ('{"ok": true, "at": "\\xe9', 'what is no JSON: {"ok": true'),
        (
            '{"ok": true, "a": {"ok": true, "ok": false}}',
            "JSON that has the key 'ok' twice, which Kamailio doesn't take",
        ),
        ('{"authorized": NaN}', 'what is no JSON: {"authorized": NaN}'),
        ([1], "JSON that is no object: [1]"),
        ({}, "its answer to authorization has no 'authorized'"),
        ({"data": YES}, "has no 'authorized' but within 'data'"),
        (YES | {"authorized": "true"}, 'its authorized is "true", a text, and neither true nor false'),
        (YES | {"authorized": None}, "its authorized is null"),
        (YES | {"max_available_units": 2.9}, "its max_available_units is 2.9, and no whole number of seconds"),
        (YES | {"max_available_units": True}, "its max_available_units is true"),
        (YES | {"max_available_units": "1e3"}, 'its max_available_units is "1e3", a text'),
        ({"authorized": True, "carriers": []}, "its max_available_units is null"),
        (YES | {"carriers": None}, "its carriers is null, and no list"),
        (YES | {"carriers": ["sip:carrier:5060"]}, 'its carrier "sip:carrier:5060" is no PROTOCOL:HOST:PORT'),
        (YES | {"carriers": [{"host": "carrier"}]}, 'its carrier {"host": "carrier"} is no PROTOCOL:HOST:PORT'),
        (YES | {"transaction_tag": "other"}, "its answer to authorization is about another call, other"),
    ],
)
def test_an_answer_that_cant_be_used(answer: Any, said: str) -> None:
    assert said in fault_of_answer(exchange(0, "authorization", answer=answer if answer is not None else ""))


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (201, YES, "it answered authorization with 201, and the contract has 200"),
        (204, "", "with 204, and the contract has 200"),
        (307, "", "with 307, a redirect, which isn't followed"),
        (401, "", "with 401, and the contract has 200; it wants credentials"),
        (404, "", "with 404, and the contract has 200; it has nothing at this path"),
        (500, "", "with 500, and the contract has 200"),
        (502, {"error": "http://h:1: [Errno 111] refused"}, "it can't be reached: http://h:1: [Errno 111] refused"),
        (502, {"error": "https://h: [SSL: CERTIFICATE_VERIFY_FAILED]"}, "SSL_CERT_FILE=FILE"),
        (502, {"error": "https://h: [SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED]"}, "RATING_CLIENT_CERT=FILE"),
        (
            502,
            {"error": "http://h:1: Expected HTTP/, RTSP/ or ICE/: b'...'"},
            "http://h:1: what it answers is no HTTP/1.1",
        ),
        (502, {"error": "of its own"}, "with 502, and the contract has 200"),
    ],
)
def test_an_answer_of_another_status(status: int, answer: Any, said: str) -> None:
    assert said in fault_of_answer(exchange(0, "authorization", status=status, answer=answer))


def test_one_that_never_came_or_too_late() -> None:
    assert fault_of_answer(exchange(0, "authorization", took=None, status=None)) == "it never answered authorization"
    late = fault_of_answer(exchange(0, "authorization", took=3, status=None))
    assert late == "it had not answered authorization after 3s"


def test_answers_to_begin_and_end() -> None:
    assert fault_of_answer(exchange(0, "begin_transaction", answer={"ok": False})) == ""
    assert fault_of_answer(exchange(0, "end_transaction", answer={"okay": True})) == (
        "its answer to end_transaction has no 'ok'"
    )
    assert "neither true nor false" in fault_of_answer(exchange(0, "begin_transaction", answer={"ok": "yes"}))


def test_what_the_tap_did_is_nobodys_fault() -> None:
    assert fault_of_answer(exchange(0, "authorization", answer="<a/>", fault="broken")) == ""


def test_what_is_no_request_about_a_call_is_left_alone() -> None:
    assert fault_of_answer(replace(exchange(0, "authorization", answer="<a/>"), path="/v1/status")) == ""


CALL = 'calls:\n  - {{id: ana, from: "1000", to: "39040123456", expect: {{{0}}}}}\n'
FAULT = "faults:\n  - {on: agent, path: authorization, status: 500, nth: 2}\n"


@pytest.mark.parametrize("faults", ["", FAULT])
@pytest.mark.parametrize(
    ("expect", "message"),
    [("ended_by: kamailio", "call ana: who ended the call"), ("duration: 9s", "call ana: the call's length")],
)
def test_a_begin_that_went_wrong_is_why_a_call_ended_but_where_a_scenario_breaks_something(
    tmp_path: Path, expect: str, message: str, faults: str
) -> None:
    exchanges = (exchange(0, "authorization"), exchange(1, "begin_transaction", status=204, answer=""))
    scenario = scenario_of(tmp_path / "s.yaml", CALL.format(expect) + faults)
    findings = judge(scenario, evidence_of(answered_call(), exchanges)).findings
    told = "the agent is at fault, and not Kamailio: it answered begin_transaction with 204, and the contract has 200"
    (hint,) = (each.hint for each in findings if each.message == message)
    assert hint == ("" if faults else told)


@pytest.mark.parametrize(
    ("messages", "hint"),
    [
        (
            refused_call("480 Temporarily Unavailable"),
            "the agent is at fault, and not Kamailio: it answered authorization with XML or HTML",
        ),
        (answered_call(), ""),
    ],
)
def test_an_odd_answer_is_why_no_carrier_was_called(tmp_path: Path, messages: Any, hint: str) -> None:
    rest = CALL.format("reply: 486")
    evidence = evidence_of(messages, (exchange(0, "authorization", answer="<a/>"),))
    (finding,) = (
        each for each in judge(scenario_of(tmp_path / "s.yaml", rest), evidence).findings if "final" in each.message
    )
    assert finding.hint == hint


UNTRANSLATED = "engine.yaml:21: authorized is at 'allowed', and an answer has 'permitted'"


def test_a_request_that_the_engines_file_doesnt_recognise_is_told_with_its_path(tmp_path: Path) -> None:
    """Kamailio asks in Canyan's words yet, and the engine has none of its paths."""
    call = 'calls: [{id: ana, from: "1000", to: "39040123456", expect: {reply: 200}}]\n'
    known = "engine.yaml recognises POST /v2/authorise, POST /v2/start"
    asked = replace(exchange(0.002, "authorization", "no such thing", status=404), untranslated=known)
    refused = refused_call("500 Rating is not available")
    verdict = judge(scenario_of(tmp_path / "s.yaml", call), evidence_of(refused, [asked]))
    assert verdict.findings[0].hint == f"Kamailio sent POST /v1/authorization, and {known}"


@pytest.mark.parametrize("fault", [None, "authorization is changed"])
def test_an_answer_that_the_engines_file_doesnt_describe_is_told_as_the_files(
    tmp_path: Path, fault: str | None
) -> None:
    call = 'calls: [{id: ana, from: "1000", to: "39040123456", expect: {reply: 200}}]\n'
    file = scenario_of(tmp_path / "s.yaml", call)
    asked = replace(
        exchange(0.002, "authorization", {"permitted": True}, fault=fault),
        untranslated=UNTRANSLATED,
        is_translated=True,
    )
    verdict = judge(file, evidence_of(answered_call(), [asked]))
    hints = {finding.message: finding.hint for finding in verdict.findings}
    assert hints["what reached carrier"] == (UNTRANSLATED if fault is None else "")
    assert verdict.unchecked == ({} if fault else {"the engine's answers": UNTRANSLATED})
    refused = judge(file, evidence_of(refused_call("480 Temporarily Unavailable"), [asked]))
    assert refused.findings[0].hint == (UNTRANSLATED if fault is None else "")
