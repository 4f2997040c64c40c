"""Captures, read back by the library that reads them."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from dpkt.ethernet import Ethernet
from dpkt.pcapng import EnhancedPacketBlockLE, Reader
from dpkt.tcp import TCP
from dpkt.udp import UDP
from dpkt.utils import inet_to_str

from rating_harness.evidence.model import CapturedMessage, Evidence
from rating_harness.report.events import ScenarioFinished, SessionFinished
from rating_harness.report.pcap import PcapFile, pcapng_of
from tests.builders import START, answered_call, evidence_of, exchange

KAMAILIO, CALLER = "198.18.0.12:5060", "198.18.0.14:5060"
OPTIONS = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP x\r\nCall-ID: a@b\r\nCSeq: 1 OPTIONS\r\n\r\n"


class Read(NamedTuple):
    at: float
    source: str
    target: str
    protocol: str
    payload: bytes
    comment: str
    checksums: bool
    sequence: int


def read(content: bytes) -> list[Read]:
    found = []
    comments = [block.opts[0].data.decode() for block in blocks(content) if isinstance(block, EnhancedPacketBlockLE)]
    for (at, frame), comment in zip(Reader(BytesIO(content)), comments, strict=True):
        packet = Ethernet(frame).data
        segment = packet.data
        assert isinstance(segment, UDP | TCP)
        ends = [
            f"{inet_to_str(address)}:{port}"
            for address, port in ((packet.src, segment.sport), (packet.dst, segment.dport))
        ]
        sums = (segment.sum, getattr(packet, "sum", None))
        segment.sum = packet.sum = 0
        again = Ethernet(bytes(Ethernet(data=packet, type=Ethernet(frame).type))).data
        is_right = sums == (again.data.sum, getattr(again, "sum", None))
        name, sequence = type(segment).__name__, getattr(segment, "seq", 0)
        found.append(Read(float(at), ends[0], ends[1], name, bytes(segment.data), comment, is_right, sequence))
    return found


def blocks(content: bytes) -> list[Any]:
    found: list[Any] = []
    position = 0
    while position < len(content):
        kind, size = (int.from_bytes(content[position + at : position + at + 4], "little") for at in (0, 4))
        block = content[position : position + size]
        found.append(EnhancedPacketBlockLE(block) if kind == 6 else kind)
        position += size
    return found


def message(at: float = 1.0, **changes: Any) -> CapturedMessage:
    one = CapturedMessage(START + at, "received", "udp", CALLER, KAMAILIO, "caller-ana", OPTIONS, None)
    return replace(one, **changes)


def capture(*messages: CapturedMessage) -> Evidence:
    return Evidence("s", START, START + 9, captured=messages)


def test_what_kamailio_received_and_sent_with_its_times_and_ends() -> None:
    sent = message(2.5, direction="sent", source=KAMAILIO, target=CALLER, text="SIP/2.0 200 OK\r\n\r\n", is_own=True)
    first, second = read(pcapng_of(capture(sent, message(1.25))))
    assert first[:5] == (START + 1.25, CALLER, KAMAILIO, "UDP", OPTIONS.encode())
    assert first.comment == "rating-harness: received by Kamailio"
    assert second.comment == "rating-harness: made and sent by Kamailio"
    assert second[:5] == (START + 2.5, KAMAILIO, CALLER, "UDP", b"SIP/2.0 200 OK\r\n\r\n")
    assert first.checksums
    assert second.checksums


def test_a_retransmission_is_there_as_often_as_it_passed() -> None:
    found = read(pcapng_of(capture(message(1.0, repeated=(START + 1.5, START + 2.5)))))
    assert [round(each.at - START, 3) for each in found] == [1.0, 1.5, 2.5]
    assert [each.comment.partition("; ")[2] for each in found] == ["", "retransmission 1", "retransmission 2"]


def test_what_is_no_utf8_is_written_as_it_was() -> None:
    (found,) = read(pcapng_of(capture(message(text=b"\xff\xfe".decode("utf-8", "surrogateescape")))))
    assert found.payload == b"\xff\xfe"


def test_ipv6() -> None:
    (found,) = read(pcapng_of(capture(message(source="[fd17::e]:5060", target="[fd17::c]:5060"))))
    assert (found.source, found.target) == ("fd17::e:5060", "fd17::c:5060")
    assert found.checksums


def test_a_stream_goes_on_where_it_was_each_way() -> None:
    there, back = {"transport": "tcp"}, {"transport": "tcp", "source": KAMAILIO, "target": CALLER}
    found = read(pcapng_of(capture(message(1, **there), message(2, **back), message(3, **there))))
    assert [each.protocol for each in found] == ["TCP"] * 3
    assert [each.sequence for each in found] == [1, 1, 1 + len(OPTIONS)]


def test_a_long_message_is_split_over_tcp() -> None:
    text = OPTIONS + "x" * 100_000
    found = read(pcapng_of(capture(message(transport="tcp", text=text))))
    assert b"".join(each.payload for each in found) == text.encode()
    assert [each.sequence for each in found] == [1, 1 + len(found[0].payload)]


def test_tls_is_written_deciphered_where_sip_is_looked_for() -> None:
    (found,) = read(
        pcapng_of(capture(message(transport="tls", target="198.18.0.12:5061", source="198.18.0.14:4001")))
    )
    assert (found.source, found.target, found.protocol) == ("198.18.0.14:4001", "198.18.0.12:5060", "TCP")
    assert "TLS, deciphered" in found.comment


def test_http_is_synthesised_and_says_so() -> None:
    evidence = replace(capture(message()), exchanges=(exchange(2.0, "authorization", answer={"authorized": True}),))
    _, request, answer = read(pcapng_of(evidence))
    assert request.payload.startswith(b"POST /v1/authorization HTTP/1.1\r\n")
    assert request.source.startswith("198.18.0.12:")
    assert (answer.source, answer.target) == (request.target, request.source)
    assert answer.payload.startswith(b"HTTP/1.1 200 OK\r\n")
    head, _, body = answer.payload.partition(b"\r\n\r\n")
    assert json.loads(body) == {"authorized": True}
    assert f"Content-Length: {len(body)}".encode() in head
    for each in (request, answer):
        assert b"X-Synthesised-By: rating-harness" in each.payload
        assert each.comment.startswith("rating-harness: HTTP synthesised from the recorded exchange")


def test_a_request_that_was_never_answered_has_no_answer() -> None:
    evidence = replace(capture(), exchanges=(replace(exchange(2.0, "authorization"), status=None, fault="reset"),))
    (request,) = read(pcapng_of(evidence))
    assert request.comment.endswith("; fault: reset")


def test_without_a_capture_it_is_what_the_ends_saw_and_says_so() -> None:
    evidence = evidence_of(messages=answered_call())
    found = read(pcapng_of(evidence))
    assert len(found) == len(evidence.messages)
    assert found[0].payload.startswith(b"INVITE sip:")
    assert {each.comment for each in found} <= {
        f"rating-harness: SIP as {host} {direction} it; addresses are made up"
        for host in ("caller-ana", "carrier")
        for direction in ("sent", "received")
    }


def test_one_file_for_all_scenarios(tmp_path: Path) -> None:
    file = PcapFile(tmp_path / "new/run.pcapng")
    for at in (1.0, 2.0):
        finished: Any = ScenarioFinished(START, 1.0, None, None, capture(message(at)), None, 1)  # type: ignore[arg-type]
        file.on_event(finished)
    file.on_event(SessionFinished(START, 2.0))
    assert [each.at - START for each in read((tmp_path / "new/run.pcapng").read_bytes())] == [1.0, 2.0]


@pytest.mark.parametrize("evidence", [capture(), Evidence("s", START, START)])
def test_nothing_is_an_empty_capture(evidence: Evidence) -> None:
    assert read(pcapng_of(evidence)) == []
