"""SIPp's message trace."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rating_harness.sipp.trace import parse_lines, parse_octets, parse_trace

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


@pytest.mark.parametrize(
    "lost",
    [
        b"UDP message voluntary lost (while sending).",
        b"UDP message lost (recv).UDP message voluntary lost (while sending).",
        b"UDP message (retrans) lost (recv).",
    ],
)
def test_what_is_lost_on_purpose_hides_nothing_that_follows(lost: bytes) -> None:
    reply = record("08:16:12.205343", f"UDP message received [{len(REPLY)}] bytes ", REPLY)
    assert [message.status for message in parse_trace(reply + lost + reply, "caller-ana")] == [403, 403]


def test_no_trace() -> None:
    assert list(parse_trace(b"", "h")) == []


_LINES = b"""\
2026-11-23\t09:18:13.807646\t1795425493.807646\tS\ta-1@b\tCSeq:1 INVITE\tINVITE sip:39@b SIP/2.0
2026-11-23\t09:18:14.307646\t1795425494.307646\tS\ta-1@b\tCSeq:1 INVITE\tINVITE sip:39@b SIP/2.0
2026-11-23\t09:18:14.307700\t1795425494.307700\tR\ta-1@b\tCSeq:1 INVITE\tSIP/2.0 100 Trying
2026-11-23\t09:18:14.308000\t1795425494.308000\tR\ta-1@b\tCSeq:1 INVITE\tSIP/2.0 200 OK
2026-11-23\t09:18:14.308100\t1795425494.308100\tS\ta-1@b\tCSeq:1 ACK\tACK sip:39@c SIP/2.0
2026-11-23\t09:18:15.308100\t1795425495.308100\tR\ta-1@b\tCSeq:7 BYE\tBYE sip:1000@b SIP/2.0
2026-11-23\t09:18:15.308200\t1795425495.308200\tS\ta-1@b\tCSeq:7 BYE\tSIP/2.0 200 OK
2026-11-23\t09:18:16.308200\t179542"""


def test_a_short_trace_tells_how_a_call_went() -> None:
    messages = list(parse_lines(_LINES, "caller-ana", "udp"))
    assert [(m.direction, m.first_line, m.cseq, m.call_id) for m in messages] == [
        ("sent", "INVITE sip:39@b", 1, "a-1@b"),
        ("received", "200 OK", 1, "a-1@b"),
        ("received", "BYE sip:1000@b", 7, "a-1@b"),
    ]
    assert messages[1].method == "INVITE"
    assert messages[0].at == 1795425493.807646


def test_octets_are_read_back_as_they_were() -> None:
    record = b"%s 2026-11-26 00:00:00.1\nUDP message sent (9 bytes):\n\n" % (b"-" * 47)
    data = b"\x00\xffPOST /RPC HTTP/1.1\r\n\r\n" + record
    trace = b""
    for way in (b"sent (%d bytes):", b"received [%d] bytes :"):
        head = b"%s 2026-11-26 00:00:01.500000\nUDP message %s\n\n" % (b"-" * 47, way % len(data))
        trace += head + data + b"\n\n"
    sent, received = parse_octets(
        trace + b"-" * 47 + b" 2026-11-26 00:00:02.0\nUDP message sent (9 bytes):\n\nx", "h"
    )
    assert (sent.direction, received.direction) == ("sent", "received")
    assert sent.data == received.data == data.decode("latin-1")
    assert (sent.host, sent.transport, sent.at) == ("h", "udp", 1795651201.5)
