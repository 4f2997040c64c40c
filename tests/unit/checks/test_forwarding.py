"""What one end sent and Kamailio has to pass on: that it rings, a session description, that the call is over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rating_harness.checks.forwarding import messages_are_passed_on
from rating_harness.checks.model import Case
from rating_harness.evidence.model import ServiceState, SipMessage
from tests.builders import CALLER, CARRIER, answered_call, evidence_of, scenario_of, sip

PLAIN = 'calls: [{id: ana, from: "1000", to: "39040123456"}]\n'
Messages = tuple[SipMessage, ...]
_INVITE = "INVITE sip:39040123456@sip.test"
_SDP = {"Content-Type": "application/sdp"}


def found(tmp_path: Path, messages: Messages, rest: str = PLAIN, restarts: int = 0) -> list[str]:
    service = ServiceState("kamailio", alive=True, restarts=restarts)
    run = evidence_of(messages, services=(service,))
    case = Case(scenario_of(tmp_path / "s.yaml", rest), replace(run, ended=run.ended + 2))
    return [f"{finding.message}: {finding.seen}" for finding in messages_are_passed_on(case)]


def _rings(seconds: float, *, heard: bool) -> Messages:
    """A call that rings so long, of which the caller hears, or not."""
    is_early = {m for m in answered_call() if m.method == "INVITE" and (m.is_request or (m.status or 0) < 200)}
    later = (m if m in is_early else replace(m, at=m.at + seconds) for m in answered_call())
    return tuple(m for m in later if heard or (m.host, m.status) != (CALLER, 180))


def _answered_at_once() -> Messages:
    """A call that is answered as it rings, of which the caller hears the answer alone, and late."""
    at_once = (CARRIER, 200, "INVITE")
    answer = next(m for m in answered_call() if (m.host, m.status, m.method) == at_once)
    later = _rings(2.0, heard=False)
    return tuple(answer if (m.host, m.status, m.method) == at_once else m for m in later)


def _described(*, arrives: bool, kind: str = "application/sdp") -> Messages:
    """An INVITE with a session description, that arrives or not."""
    body, headers = "v=0\r\n", {"Content-Type": kind}
    sent = sip(0.0, CALLER, "sent", _INVITE, body=body, headers=headers)
    got = sip(0.005, CARRIER, "received", _INVITE, body=body if arrives else "", headers=headers if arrives else {})
    return (sent, got, *(m for m in answered_call() if not (m.method == "INVITE" and m.is_request)))


def _given_up(*last: SipMessage) -> Messages:
    """A caller that gives up while the carrier rings, and what the carrier gets and says then."""
    return (
        sip(0.0, CALLER, "sent", _INVITE),
        sip(0.005, CARRIER, "received", _INVITE),
        sip(0.007, CARRIER, "sent", "180 Ringing", to_tag="b1"),
        sip(0.008, CALLER, "received", "180 Ringing", to_tag="b1"),
        sip(0.5, CALLER, "sent", _INVITE.replace("INVITE", "CANCEL")),
        sip(0.501, CALLER, "received", "487 Request Terminated", to_tag="k1"),
        *last,
    )


_CANCEL = sip(0.502, CARRIER, "received", "CANCEL sip:39@sip.test", branch="z9hG4bK-carrier-1-INVITE")
_BUSY = sip(0.3, CARRIER, "sent", "486 Busy Here", to_tag="b1")


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        (_rings(2.0, heard=False), ["call ana: the 180 Ringing of carrier: it never arrived"]),
        (_described(arrives=False), ["call ana: the session description of the INVITE: carrier got none"]),
        (_given_up(), ["call ana is over for its caller, and carrier rings on: none"]),
    ],
)
def test_what_is_lost_on_the_way_is_a_finding(tmp_path: Path, messages: Messages, said: list[str]) -> None:
    assert found(tmp_path, messages) == said


@pytest.mark.parametrize(
    "messages",
    [
        answered_call(),
        _rings(2.0, heard=True),
        _rings(0.2, heard=False),
        _answered_at_once(),
        _described(arrives=True),
        _described(arrives=False, kind="text/plain"),
        _given_up(_CANCEL),
        _given_up(_BUSY),
    ],
    ids=[
        "plain",
        "rings",
        "shortly",
        "answered at once",
        "described",
        "another body",
        "cancelled",
        "refused meanwhile",
    ],
)
def test_what_arrives_or_need_not_is_none(tmp_path: Path, messages: Messages) -> None:
    assert found(tmp_path, messages) == []


@pytest.mark.parametrize(
    "reason",
    [
        lambda path: found(path, _given_up(), restarts=1),
        lambda path: found(path, _given_up(), "carriers: {carrier: {loss: 10}}\n" + PLAIN),
        lambda path: found(
            path, _given_up(), PLAIN.replace("}]", ", vanish: {who: caller, at: while ringing}, hangup: never}]")
        ),
    ],
    ids=["Kamailio was restarted", "a carrier loses messages", "the caller vanishes"],
)
def test_nothing_is_wanted_where_messages_are_lost_on_purpose(
    tmp_path: Path, reason: Callable[[Path], list[str]]
) -> None:
    assert reason(tmp_path) == []


def test_of_several_invites_to_a_carrier_each_is_judged(tmp_path: Path) -> None:
    second = (
        sip(0.01, CARRIER, "received", _INVITE, branch="z9hG4bK-second"),
        sip(0.02, CARRIER, "sent", "180 Ringing", to_tag="b2", branch="z9hG4bK-second", headers=_SDP),
    )
    assert found(tmp_path, (*_given_up(_CANCEL), *second)) == [
        "call ana is over for its caller, and carrier rings on: none"
    ]


_WHOLE = "v=0\r\no=- 1 2 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 8\r\n"


@pytest.mark.parametrize(
    ("body", "headers", "said"),
    [
        (_WHOLE.replace("10.0.0.1", "192.0.2.9").replace("6000", "7000"), _SDP, None),
        (_WHOLE.replace("IP4 10", "IP4 9.10"), _SDP, "carrier got 'o=- 1 2 IN IP4 9.10.0.0.1'"),
        (_WHOLE, {"Content-Type": "text/plain"}, "carrier got Content-Type is text/plain"),
    ],
    ids=["a relay's", "spoilt", "another type"],
)
def test_a_session_description_arrives_as_one(
    tmp_path: Path, body: str, headers: dict[str, str], said: str | None
) -> None:
    sent = sip(0.0, CALLER, "sent", _INVITE, body=_WHOLE, headers=_SDP)
    got = sip(0.005, CARRIER, "received", _INVITE, body=body, headers=headers)
    messages = (sent, got, *(m for m in answered_call() if not (m.method == "INVITE" and m.is_request)))
    wanted = [f"call ana: the session description of the INVITE: {said}"] if said else []
    assert found(tmp_path, messages) == wanted


@pytest.mark.parametrize(
    ("status", "tag", "said"),
    [
        ("183 Session Progress", "b1", ["call ana: the 183 to INVITE that caller-ana got: 183 Session Progress"]),
        ("183 Session Progress", "kamailios", []),
        ("180 Ringing", "b1", []),
        ("408 Request Timeout", "b1", []),
    ],
)
def test_a_reply_in_an_ends_name_is_that_ends(tmp_path: Path, status: str, tag: str, said: list[str]) -> None:
    assert found(tmp_path, (*answered_call(), sip(0.05, CALLER, "received", status, to_tag=tag))) == said
