"""Requests beside a call's own: each expectation is met by one run, and by another it isn't."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from rating_harness.checks import judge
from rating_harness.checks.model import Finding
from rating_harness.evidence.model import Octets, SipMessage, Unsent
from tests.builders import CALL_ID, CALLER, CARRIER, START, answered_call, evidence_of, scenario_of, sip

_URI = "sip:39040123456@sip.test"
STRANGER = "stranger-ana-0"


def findings(
    tmp_path: Path,
    requests: str,
    messages: Sequence[SipMessage] = (),
    *,
    unsent: tuple[Unsent, ...] = (),
    octets: tuple[Octets, ...] = (),
    rest: str = "",
) -> list[Finding]:
    """Those of the call's requests, and of the phones."""
    calls = f'calls: [{{id: ana, from: "1000", to: "39040123456", requests: [{requests}]}}]\n'
    scenario = scenario_of(tmp_path / "s.yaml", calls + rest)
    evidence = evidence_of((*answered_call(), *messages), unsent=unsent, octets=octets)
    found = judge(scenario, evidence).findings
    return [each for each in found if "requests[" in each.check or each.check.startswith("phones")]


def exchanged(
    host: str,
    status: str | None,
    *,
    cseq: str = "2 BYE",
    branch: str = "z9hG4bK-1f2e-ana-1-request-0-7",
    **headers: str,
) -> list[SipMessage]:
    """A request with that branch, and its reply."""
    method = cseq.split()[1]
    sent = sip(1.0, host, "sent", f"{method} {_URI}", cseq=cseq, to_tag="b1", branch=branch)
    if status is None:
        return [sent]
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return [sent, sip(1.1, host, "received", status, cseq=cseq, to_tag="b1", branch=branch, headers=more)]


@pytest.mark.parametrize(
    ("expect", "status", "difference"),
    [
        ("481", "481 Call/Transaction Does Not Exist", None),
        ("4xx", "404 Not Here", None),
        ("[404, absent]", None, None),
        ("absent", None, None),
        ("{code: 500, reason: /CSeq/}", "500 CSeq out of order", None),
        ("{code: 503, headers: {Retry-After: any}}", "503 Busy", None),
        ("481", "200 OK", ("another final reply", "481", "200 OK")),
        ("481", None, ("another final reply", "481", "no final reply")),
        ("absent", "404 Not Here", ("another final reply", "absent", "404 Not Here")),
        ("{code: 500, reason: /CSeq/}", "500 Oops", ("another reason phrase", "/CSeq/", "500 Oops")),
        ("{code: 503, headers: {X-Why: any}}", "503 Busy", ("header X-Why of the reply", "any", "nothing")),
    ],
)
def test_the_reply_to_a_request_of_the_callers(
    tmp_path: Path, expect: str, status: str | None, difference: tuple[str, str, str] | None
) -> None:
    messages = exchanged(CALLER, status, Retry_After="5")
    others = exchanged(CALLER, "200 OK", cseq="3 INFO", branch="z9hG4bK-1f2e-ana-1-request-10-8")
    found = findings(tmp_path, f"{{at: after 1s, method: BYE, expect: {expect}}}", [*others, *messages])
    seen = [(each.message, each.expected, each.seen) for each in found]
    assert seen == ([(f"call ana: the BYE by the caller: {difference[0]}", *difference[1:])] if difference else [])
    assert all(each.where.line == 6 and each.call_id == CALL_ID for each in found)


def test_a_request_of_the_callees_is_looked_for_at_the_callee(tmp_path: Path) -> None:
    request = "{by: callee, method: UPDATE, expect: 200}"
    there = exchanged(CARRIER, "200 OK", cseq="1 UPDATE", branch="z9hG4bK-carrier-3-request-0-1")
    assert findings(tmp_path, request, there) == []
    (found,) = findings(tmp_path, request, exchanged(CALLER, "200 OK", cseq="1 UPDATE"))
    assert found.seen == "no final reply"


def test_a_request_that_was_challenged_has_the_reply_to_the_signed_one(tmp_path: Path) -> None:
    request = "{method: MESSAGE, auth: {username: a, password: b}, expect: 202}"
    signed = sip(
        1.2,
        CALLER,
        "sent",
        f"MESSAGE {_URI}",
        cseq="3 MESSAGE",
        branch="z9hG4bK-x",
        headers={"Authorization": "Digest"},
    )
    messages = [
        *exchanged(CALLER, "401 Unauthorized", cseq="2 MESSAGE"),
        signed,
        sip(1.3, CALLER, "received", "202 Accepted", cseq="3 MESSAGE", branch="z9hG4bK-x"),
    ]
    assert findings(tmp_path, request, messages) == []
    (found,) = findings(tmp_path, request, messages[:2])
    assert found.seen == "401 Unauthorized"


def test_a_request_that_was_never_sent_is_a_failure_whatever_is_expected_of_it(tmp_path: Path) -> None:
    unsent = (Unsent("ana", 0, "its moment never came"), Unsent("bob", 1, "another"))
    (found,) = findings(tmp_path, "{at: after 1s, method: INFO}", unsent=unsent)
    assert (found.message, found.seen) == ("call ana: the INFO by the caller was never sent", "its moment never came")
    assert found.check == "calls[0].requests[0]"


RPC = r'{by: stranger, bytes: "POST /RPC HTTP/1.1\r\n\r\n{}", expect: %s}'


@pytest.mark.parametrize(
    ("data", "expect", "seen"),
    [
        (None, "absent", None),
        ("HTTP/1.1 200 OK\r\n\r\n{}", "200", None),
        ("HTTP/1.1 200 OK\r\n\r\n{}", "absent", "200 OK"),
        ("HTTP/1.0 404 Not Found\r\n\r\n", "4xx", None),
        ("\x00rubbish", "absent", "octets \x00rubbish"),
        (None, "403", "no final reply"),
    ],
)
def test_what_a_stranger_gets_may_be_no_sip(tmp_path: Path, data: str | None, expect: str, seen: str | None) -> None:
    sent = Octets(START + 1, STRANGER, "sent", "udp", "POST /RPC HTTP/1.1\r\n\r\n{}")
    got = (Octets(START + 1.1, STRANGER, "received", "udp", data),) if data else ()
    other = Octets(START + 1.1, "stranger-ana-1", "received", "udp", "HTTP/1.1 200 OK\r\n\r\n")
    found = findings(tmp_path, RPC % expect, octets=(sent, *got, other))
    assert [each.seen for each in found] == ([seen] if seen else [])


def test_a_stranger_gets_sip_as_well(tmp_path: Path) -> None:
    request = "{by: stranger, method: BYE, expect: 481}"
    assert findings(tmp_path, request, exchanged(STRANGER, "481 Gone", branch="z9hG4bK-any")) == []
    (found,) = findings(tmp_path, request, exchanged(STRANGER, "200 OK", branch="z9hG4bK-any"))
    assert (found.expected, found.seen) == ("481", "200 OK")


PHONES = 'phones:\n  desk: {user: "2000", registration: %s}\n'


@pytest.mark.parametrize(
    ("registration", "status", "seen"),
    [
        ("1h", "200 OK", None),
        ("1h", "403 Forbidden", "403 Forbidden"),
        ("1h", None, "no final reply"),
        ("{expect: 403}", "403 Forbidden", None),
        ("false", None, None),
    ],
)
def test_a_phone_registers_as_expected(
    tmp_path: Path, registration: str, status: str | None, seen: str | None
) -> None:
    messages = exchanged("desk", status, cseq="1 REGISTER", branch="z9hG4bK-r") if registration != "false" else []
    found = findings(tmp_path, "{method: INFO}", messages, rest=PHONES % registration)
    assert [each.seen for each in found] == ([seen] if seen else [])
    assert all(each.message == "phone desk: REGISTER: another final reply" for each in found)


@pytest.mark.parametrize(("expect", "is_met"), [("200", True), ("absent", False)])
def test_the_reply_to_a_cancel_which_has_the_branch_of_the_invite(tmp_path: Path, expect: str, is_met: bool) -> None:
    cancel = exchanged(CALLER, "200 OK", cseq="1 CANCEL", branch=f"z9hG4bK-{CALLER}-1-INVITE")
    found = findings(tmp_path, f"{{at: after 1s, method: CANCEL, expect: {expect}}}", cancel)
    assert [each.seen for each in found] == ([] if is_met else ["200 OK"])
