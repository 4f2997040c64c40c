"""SIPp's message trace."""

from __future__ import annotations

from datetime import UTC, datetime

from harness.sipp.trace import parse_trace

INVITE = b"INVITE sip:39@sip.test SIP/2.0\r\nv: SIP/2.0/UDP h;branch=z\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n\r\nv=0\r\n"
REPLY = b"SIP/2.0 403 Forbidden -- insufficient balance\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n\r\n"


def record(at: str, what: str, message: bytes) -> bytes:
    return f"{'-' * 47} 2026-11-23 {at}\n{what}:\n\n".encode() + message + b"\n"


def test_messages_in_order() -> None:
    trace = record("08:16:12.204178", f"UDP message sent ({len(INVITE)} bytes)", INVITE) + record(
        "08:16:12.205343", f"UDP message received [{len(REPLY)}] bytes ", REPLY
    )
    invite, reply = parse_trace(trace, "caller-ana")
    assert (invite.direction, invite.method, invite.uri, invite.cseq) == ("sent", "INVITE", "sip:39@sip.test", 1)
    assert invite.header("via") == "SIP/2.0/UDP h;branch=z"
    assert invite.body == "v=0\n"
    assert invite.at == datetime(2026, 11, 23, 8, 16, 12, 204178, UTC).timestamp()
    assert (reply.status, reply.reason, reply.method) == (403, "Forbidden -- insufficient balance", "INVITE")
    assert reply.transport == "udp"


def test_a_record_cut_off_by_the_end_is_left_out() -> None:
    whole = record("08:16:12.204178", f"UDP message sent ({len(INVITE)} bytes)", INVITE)
    assert len(list(parse_trace(whole + whole[:60], "h"))) == 1
    assert list(parse_trace(whole[:-20], "h")) == []


def test_a_message_that_looks_like_a_record_is_its_own_body() -> None:
    body = INVITE + record("08:00:00.000000", "UDP message sent (5 bytes)", b"BYE x")
    trace = record("08:16:12.204178", f"UDP message sent ({len(body)} bytes)", body)
    assert len(list(parse_trace(trace, "h"))) == 1


def test_no_trace() -> None:
    assert list(parse_trace(b"", "h")) == []
