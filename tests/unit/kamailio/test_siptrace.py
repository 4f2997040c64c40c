"""HEP packets, and what they say of Kamailio's messages."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest

from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import EvidenceError
from rating_harness.kamailio import hep_listener
from rating_harness.kamailio.hep_listener import HEAD
from rating_harness.kamailio.siptrace import Packet, captured, listener_service, packets, parse_packet, tracing

KAMAILIO, CALLER, CARRIER = "198.18.0.12:5060", "198.18.0.14:5060", "198.18.0.15:5060"
OPTIONS = "OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nCall-ID: a@b\r\nCSeq: 1 OPTIONS\r\n\r\n"
OK = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nCall-ID: a@b\r\nCSeq: 1 OPTIONS\r\n\r\n"


def chunk(kind: int, content: bytes, vendor: int = 0) -> bytes:
    return struct.pack("!HHH", vendor, kind, 6 + len(content)) + content


def hep(source: str, target: str, payload: bytes, at: float = 1000.25, protocol: int = 17) -> bytes:
    """As Kamailio's siptrace writes it: the document's types 1 to 4 or 6, 7 to 12 and 15."""
    (here, _, port), (there, _, to_port) = source.rpartition(":"), target.rpartition(":")
    ends = [ip_address(address.strip("[]")) for address in (here, there)]
    kinds = (3, 4) if ends[0].version == 4 else (5, 6)
    body = chunk(1, b"\x02" if ends[0].version == 4 else b"\x0a") + chunk(2, bytes([protocol]))
    body += b"".join(chunk(kind, end.packed) for kind, end in zip(kinds, ends, strict=True))
    body += chunk(7, struct.pack("!H", int(port))) + chunk(8, struct.pack("!H", int(to_port)))
    body += chunk(9, struct.pack("!I", int(at))) + chunk(10, struct.pack("!I", round(at % 1 * 1e6)))
    body += chunk(11, b"\x01") + chunk(12, struct.pack("!I", 0)) + chunk(15, payload)
    return b"HEP3" + struct.pack("!H", 6 + len(body)) + body


def stored(*contents: bytes) -> bytes:
    return b"".join(HEAD.pack(1000.0, len(content)) + content for content in contents)


def test_a_packet() -> None:
    assert parse_packet(hep(CALLER, KAMAILIO, b"x")) == Packet(1000.25, "udp", CALLER, KAMAILIO, b"x")


@pytest.mark.parametrize(
    ("source", "target", "protocol", "transport"),
    [
        ("[fd17::e]:5060", "[fd17::c]:5060", 17, "udp"),
        ("198.18.0.14:40001", KAMAILIO, 6, "tcp"),
        ("198.18.0.14:40001", "198.18.0.12:5061", 6, "tls"),
        ("198.18.0.12:5061", "198.18.0.14:40001", 6, "tls"),
    ],
)
def test_addresses_and_transports(source: str, target: str, protocol: int, transport: str) -> None:
    packet = parse_packet(hep(source, target, b"x", protocol=protocol))
    assert packet is not None
    assert (packet.source, packet.target, packet.transport) == (source, target, transport)


def test_chunks_of_other_vendors_are_passed_over() -> None:
    packet = hep(CALLER, KAMAILIO, b"x") + chunk(15, b"theirs", vendor=1)
    packet = b"HEP3" + struct.pack("!H", len(packet)) + packet[6:]
    parsed = parse_packet(packet)
    assert parsed is not None
    assert parsed.payload == b"x"


@pytest.mark.parametrize("payload", [b"", b"\r\n\r\n", b"\r\n", b"\0\0\0\0"])
def test_a_keep_alive_is_no_message(payload: bytes) -> None:
    assert parse_packet(hep(CALLER, KAMAILIO, payload)) is None


@pytest.mark.parametrize(
    "packet", [b"", b"HEP2\0\x20", b"HEP3", b"HEP3\0\x10" + struct.pack("!HHH", 0, 1, 2) + b"1234"]
)
def test_what_is_no_packet_is_said_to_be_none(packet: bytes) -> None:
    with pytest.raises(EvidenceError, match="Kamailio sent a"):
        parse_packet(packet)


def test_a_file_whose_last_packet_is_not_written_to_its_end() -> None:
    first, second = hep(CALLER, KAMAILIO, b"1"), hep(KAMAILIO, CALLER, b"2")
    content = stored(first, second)
    for cut in range(len(stored(first)), len(content)):
        assert [packet.payload for packet in packets(content[:cut])] == [b"1"]
    assert [packet.payload for packet in packets(content)] == [b"1", b"2"]


def test_evidence_has_direction_peer_and_time_in_the_order_of_the_times() -> None:
    found = [
        Packet(1002.0, "udp", KAMAILIO, CALLER, OK.encode()),
        Packet(1001.0, "udp", CALLER, KAMAILIO, OPTIONS.encode()),
        Packet(1003.0, "udp", KAMAILIO, "203.0.113.9:5060", OPTIONS.encode()),
    ]
    first, second, third = captured(found, ["198.18.0.12"], {"198.18.0.14": "caller-ana"}, 0)
    assert (first.direction, first.peer, first.at) == ("received", "caller-ana", 1001.0)
    assert (second.direction, second.peer, second.at) == ("sent", "caller-ana", 1002.0)
    assert third.peer == "203.0.113.9:5060", "none of the lab's hosts"
    assert second.message is not None
    assert (second.message.status, second.message.host, second.message.direction) == (200, "kamailio", "sent")


def test_what_is_sent_again_is_folded_into_its_first_and_another_message_is_not() -> None:
    found = [
        Packet(1001.0, "udp", CALLER, KAMAILIO, OPTIONS.encode()),
        Packet(1001.5, "udp", CALLER, KAMAILIO, OPTIONS.encode()),
        Packet(1001.6, "udp", CALLER, KAMAILIO, OPTIONS.replace("z9hG4bK1", "z9hG4bK2").encode()),
        Packet(1001.7, "udp", CARRIER, KAMAILIO, OPTIONS.encode()),
        Packet(1002.5, "udp", CALLER, KAMAILIO, OPTIONS.encode()),
    ]
    assert [each.repeated for each in captured(found, ["198.18.0.12"], {}, 0)] == [(1001.5, 1002.5), (), ()]


def test_what_is_older_is_of_the_scenario_before() -> None:
    found = [Packet(at, "udp", CALLER, KAMAILIO, f"{OPTIONS}{at}".encode()) for at in (999.9, 1000.0)]
    assert [each.at for each in captured(found, ["198.18.0.12"], {}, 1000.0)] == [1000.0]


def text(first: str, *branches: str, tag: str = "") -> bytes:
    vias = "".join(f"Via: SIP/2.0/UDP h;branch={branch}\r\n" for branch in branches)
    return f"{first}\r\n{vias}To: <sip:b@h>{f';tag={tag}' if tag else ''}\r\nCSeq: 1 INVITE\r\n\r\n".encode()


def test_what_kamailio_made_itself_is_told_from_what_it_forwarded() -> None:
    found = [
        Packet(1, "udp", CALLER, KAMAILIO, text("INVITE sip:b@h SIP/2.0", "in")),
        Packet(2, "udp", KAMAILIO, CALLER, text("SIP/2.0 100 Trying", "in")),
        Packet(3, "udp", KAMAILIO, CARRIER, text("INVITE sip:b@h SIP/2.0", "out", "in")),
        Packet(4, "udp", CARRIER, KAMAILIO, text("SIP/2.0 200 OK", "out", "in", tag="b")),
        Packet(5, "udp", KAMAILIO, CALLER, text("SIP/2.0 200 OK", "in", tag="b")),
        Packet(6, "udp", KAMAILIO, CALLER, text("SIP/2.0 200 OK", "in", tag="another")),
        Packet(7, "udp", KAMAILIO, CARRIER, text("BYE sip:b@h SIP/2.0", "own")),
        Packet(8, "udp", KAMAILIO, CARRIER, b"no SIP"),
    ]
    own = [each.is_own for each in captured(found, ["198.18.0.12"], {}, 0)]
    assert own == [False, True, False, False, False, True, True, False]


@pytest.mark.parametrize("payload", [b"\xff\xfe", b"hello x\n", b"SIP/2.0 x", b"\0\x01"])
def test_what_is_no_sip_is_kept_as_it_was(payload: bytes) -> None:
    (each,) = captured([Packet(1.0, "udp", CALLER, KAMAILIO, payload)], ["198.18.0.12"], {}, 0)
    assert each.message is None
    assert each.text.encode("utf-8", "surrogateescape") == payload


def test_the_configuration_sends_to_the_listener() -> None:
    command = listener_service().command
    assert f"sip:198.18.0.13:{command[5]}" in tracing("198.18.0.13")


def test_the_listener_keeps_what_comes_and_is_emptied(tmp_path: Path) -> None:
    file = tmp_path / "capture.hep"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-I", "-S", hep_listener.__file__, "127.0.0.1", str(port), str(file)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, env={}) as listener,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        try:
            assert listener.stdout is not None
            assert listener.stdout.readline() == b"listening\n"
            for number in (b"1", b"2"):
                sender.sendto(hep(CALLER, KAMAILIO, number), ("127.0.0.1", port))
            await_condition(lambda: len([*packets(file.read_bytes())]) == 2, Deadline(30), "two packets")
            os.kill(listener.pid, signal.SIGUSR1)
            await_condition(lambda: not file.read_bytes(), Deadline(30), "an empty file")
            sender.sendto(hep(CALLER, KAMAILIO, b"3"), ("127.0.0.1", port))
            third = await_condition(lambda: [*packets(file.read_bytes())], Deadline(30), "the third packet")
            assert [packet.payload for packet in third] == [b"3"]
        finally:
            listener.kill()
