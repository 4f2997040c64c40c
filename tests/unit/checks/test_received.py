"""What arrived at the ends of a call: each expectation is met by one run, and by another it isn't."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from rating_harness.checks import judge
from rating_harness.checks.model import Finding
from rating_harness.evidence.model import SipMessage
from tests.builders import CALLER, CARRIER, answered_call, evidence_of, exchange, records, scenario_of, sip

_URI = "sip:39040123456@sip.test"
_SDP = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8 0\r\n{}"
_CALL = 'calls: [{{id: ana, from: "1000", to: "39040123456", expect: {{received: [{}]}}}}]\n'
_HEADERS = {"P-Asserted-Identity": '"A, B" <sip:1000@sip.test>, <tel:+391000>', "x-one": "1", "m": "<sip:a@b>"}


def messages(*more: SipMessage) -> tuple[SipMessage, ...]:
    """An answered call, with a re-INVITE that puts it on hold."""
    held = _SDP.format("a=sendonly\r\n")
    branch = "z9hG4bK-again"
    return (
        *answered_call(),
        sip(0.0, CALLER, "sent", f"INVITE {_URI}", body=_SDP.format("")),
        sip(0.005, CARRIER, "received", f"INVITE {_URI}", branch="z9hG4bK-1", headers=_HEADERS, body=_SDP.format("")),
        sip(0.505, CARRIER, "received", f"INVITE {_URI}", branch="z9hG4bK-1", headers=_HEADERS, body=_SDP.format("")),
        sip(0.09, CARRIER, "sent", "183 Session Progress", to_tag="b1", body=_SDP.format("")),
        sip(0.09, CALLER, "received", "183 Session Progress", to_tag="b1", body=_SDP.format("")),
        sip(1.0, CALLER, "sent", f"INVITE {_URI}", cseq="2 INVITE", to_tag="b1", branch=branch, body=held),
        sip(1.01, CARRIER, "received", f"INVITE {_URI}", cseq="2 INVITE", to_tag="b1", branch=branch, body=held),
        *more,
    )


def findings(
    tmp_path: Path, expected: str, seen: Sequence[SipMessage] | None = None, rest: str = _CALL
) -> list[Finding]:
    """Those of what is expected to be received."""
    scenario = scenario_of(tmp_path / "s.yaml", rest.format(expected))
    exchanges = [
        exchange(0.003, "authorization"),
        exchange(0.11, "begin_transaction"),
        exchange(2.2, "end_transaction"),
    ]
    evidence = evidence_of(messages() if seen is None else seen, exchanges, after=records(9.0, 10))
    return [found for found in judge(scenario, evidence).findings if "received" in found.check]


FIRST = "by: callee, nth: 2"
"""The INVITE with headers: that of the builder, which has none, comes first."""


@pytest.mark.parametrize(
    "expected",
    [
        "{method: INVITE}",
        "{by: carrier, method: BYE, count: 1}",
        "{by: callee, method: INVITE, count: 3}",
        "{by: callee, uri: /^sip:39/}",
        f'{{{FIRST}, headers: {{P-Asserted-Identity: [/sip:1000/, "<tel:+391000>"], X-One: "1", Contact: any}}}}',
        f"{{{FIRST}, headers: {{p-asserted-identity: /1000/, X-Two: absent, Route: []}}}}",
        f"{{{FIRST}, sdp: unchanged}}",
        f"{{{FIRST}, sdp: {{media: [audio], direction: sendrecv, codecs: [PCMA, /PCM./], port: 6000}}}}",
        f"{{{FIRST}, sdp: {{address: 10.0.0.1}}}}",
        f'{{{FIRST}, sdp: {{lines: ["t=0 0", /^m=/]}}, body: /m=audio/}}',
        "{nth: 3, sdp: {direction: sendonly}}",
        "{by: caller, reply: 183, reason: Session Progress, sdp: unchanged}",
        "{by: caller, reply: 200, sdp: absent, body: absent}",
        "{by: caller, reply: 4xx, absent: true}",
        "{by: caller, method: BYE, absent: true}",
        "{method: BYE, uri: /nobody/, absent: true}",
        "{by: caller, method: BYE, count: 0}",
    ],
)
def test_what_arrived_as_expected(tmp_path: Path, expected: str) -> None:
    assert findings(tmp_path, expected) == []


@pytest.mark.parametrize(
    ("expected", "message", "wanted", "seen"),
    [
        ("{method: MESSAGE}", "the MESSAGE at the callee did not arrive", "at least one", "none"),
        ("{nth: 4}", "the INVITE at the callee number 4 did not arrive", "at least one", "none"),
        (
            "{method: BYE, absent: true}",
            "the BYE at the callee should not have arrived",
            "none",
            f"BYE {_URI}",
        ),
        ("{method: INVITE, count: 1}", "how many times the INVITE at the callee arrived", "1", "3"),
        (f"{{{FIRST}, uri: /^sip:40/}}", "INVITE: Request-URI", "/^sip:40/", _URI),
        (
            f"{{{FIRST}, headers: {{P-Asserted-Identity: /tel:/}}}}",
            "INVITE: header P-Asserted-Identity",
            "/tel:/",
            '"A, B" <sip:1000@sip.test>, <tel:+391000>',
        ),
        (
            f"{{{FIRST}, headers: {{X-One: absent}}}}",
            "INVITE: header X-One",
            "absent",
            "1",
        ),
        (
            f"{{{FIRST}, headers: {{X-One: [any, any]}}}}",
            "INVITE: header X-One",
            "any, any",
            "1",
        ),
        (
            "{nth: 3, sdp: {direction: sendrecv}}",
            "INVITE: direction of the first medium",
            "sendrecv",
            "sendonly",
        ),
        (
            f"{{{FIRST}, sdp: {{codecs: [PCMA]}}}}",
            "INVITE: codecs of the first medium",
            "PCMA",
            "PCMA, PCMU",
        ),
        (
            f"{{{FIRST}, sdp: {{port: 0}}}}",
            "INVITE: port of the first medium",
            "0",
            "6000",
        ),
        (
            "{by: caller, reply: 200, sdp: any}",
            "the 200 to INVITE at the caller: session description",
            "any",
            "none",
        ),
        (
            "{by: caller, reply: 183, reason: Ringing}",
            "the 183 to INVITE at the caller: reason phrase",
            "Ringing",
            "Session Progress",
        ),
    ],
)
def test_what_did_not_arrive_as_expected(tmp_path: Path, expected: str, message: str, wanted: str, seen: str) -> None:
    (found,) = findings(tmp_path, expected)
    whole = message.replace("INVITE: ", "the INVITE at the callee: ")
    assert (found.message, found.expected, found.seen) == (f"call ana: {whole}", wanted, seen)
    assert found.where.line == 6


def test_a_session_description_that_was_changed_shows_the_line(tmp_path: Path) -> None:
    changed = _SDP.format("").replace("6000", "7000")
    more = sip(1.5, CARRIER, "received", f"INVITE {_URI}", cseq="2 INVITE", branch="z9hG4bK-x", body=changed)
    (found,) = findings(tmp_path, "{nth: 4, sdp: unchanged}", messages(more))
    assert found.message == "call ana: the INVITE at the callee: session description, not as the other end sent it"
    assert (found.expected, found.seen) == ("m=audio 6000 RTP/AVP 8 0", "m=audio 7000 RTP/AVP 8 0")


def test_a_message_that_the_other_end_never_sent_has_no_unchanged_description(tmp_path: Path) -> None:
    more = sip(1.5, CARRIER, "received", f"UPDATE {_URI}", cseq="7 UPDATE", body=_SDP.format(""))
    (found,) = findings(tmp_path, "{method: UPDATE, sdp: unchanged}", messages(more))
    assert (found.expected, found.seen) == ("as the other end sent it", "it sent no such message")


def test_messages_of_no_call_are_seen_by_the_whole_scenarios_expectation(tmp_path: Path) -> None:
    rest = 'calls: [{{id: ana, from: "1000", to: "39"}}]\nexpect: {{received: [{}]}}\n'
    more = sip(1.5, CARRIER, "received", f"MESSAGE {_URI}", call_id="nobody@x")
    absent = "{by: carrier, method: MESSAGE, absent: true}"
    assert findings(tmp_path, absent, messages(), rest) == []
    (found,) = findings(tmp_path, absent, messages(more), rest)
    assert found.message == "all calls: the MESSAGE at carrier should not have arrived"
    assert findings(tmp_path, "{by: carrier, call: ana, method: MESSAGE, absent: true}", messages(more), rest) == []


def test_a_header_of_the_final_reply_that_is_there_twice_is_judged_twice(tmp_path: Path) -> None:
    rest = 'calls: [{{id: ana, from: "1000", to: "39", expect: {{headers: {{Contact: {}}}}}}}]\n'
    two = sip(0.101, CALLER, "received", "200 OK", to_tag="b1", headers={"Contact": "<sip:a@b>", "m": "<sip:c@d>"})
    seen = tuple(two if m.status == 200 and m.method == "INVITE" and m.host == CALLER else m for m in answered_call())
    scenario = scenario_of(tmp_path / "s.yaml", rest.format("/a@b/"))
    (found,) = [f for f in judge(scenario, evidence_of(seen)).findings if "headers" in f.check]
    assert (found.expected, found.seen) == ("/a@b/", "<sip:a@b>, <sip:c@d>")
    scenario = scenario_of(tmp_path / "s.yaml", rest.format("[/a@b/, /c@d/]"))
    assert [f for f in judge(scenario, evidence_of(seen)).findings if "headers" in f.check] == []


@pytest.mark.parametrize(
    ("value", "hint"),
    [('"1"', "it's expected of each of 3 that arrived; 'nth: 2' is one that is so"), ('"2"', "")],
)
def test_what_only_some_messages_have_is_said_to_be_expected_of_each(value: str, hint: str, tmp_path: Path) -> None:
    found = findings(tmp_path, f"{{by: callee, headers: {{X-One: {value}}}}}")
    assert {finding.hint for finding in found} == {hint}
    assert len(found) == (2 if hint else 3)
