"""Kamailio's own view of its SIP messages: its module siptrace sends each to a listener in the lab, as HEP packets.

HEP (version 3) is a head and chunks, each with a vendor, a type and a length; the document is
https://github.com/sipcapture/HEP. Kamailio sends the types below, and the time is that of the message, not of the
packet.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

from rating_harness.contract import CONTRACT
from rating_harness.errors import EvidenceError
from rating_harness.evidence.model import CapturedMessage, SipMessage
from rating_harness.evidence.redaction import redacted_message
from rating_harness.evidence.sip import parse_message
from rating_harness.kamailio.hep_listener import HEAD
from rating_harness.lab.protocol import Service

__all__ = ["CAPTURE", "LISTENING", "Packet", "captured", "listener_service", "packets", "parse_packet", "tracing"]

CAPTURE = "sip-capture"
"""The listener's name in the lab."""

LISTENING = "listening"
"""What the listener says once it takes packets."""

PORT = 9060
"""HEP's usual one."""

FILE = "/srv/capture.hep"
"""Where the listener's packets are, in its own file system."""

_TLS_PORT = 5061
_UDP, _TCP = 17, 6


def tracing(address: str) -> str:
    """What a configuration ends with to have each message sent to the listener at that address.

    The module has to come after tm and sl, of which it wants to know what they send.
    """
    return f"""loadmodule "siptrace.so"
modparam("siptrace", "trace_on", 1)
modparam("siptrace", "trace_mode", 1)
modparam("siptrace", "trace_to_database", 0)
modparam("siptrace", "hep_mode_on", 1)
modparam("siptrace", "hep_version", 3)
modparam("siptrace", "duplicate_uri", "sip:{address}:{PORT}")
"""


def listener_service() -> Service:
    """The listener, as a service of a lab."""
    script = "/srv/hep_listener.py"
    return Service(
        CAPTURE,
        "harness",
        ("python3", "-I", "-S", script, "{address}", str(PORT), FILE),
        files={script: Path(__file__).with_name("hep_listener.py").read_bytes(), FILE: b""},
    )


@dataclass(frozen=True, slots=True)
class Packet:
    """A SIP message as Kamailio sent or received it.

    :param at: Unix seconds, when Kamailio had it.
    :param source, target: ``ADDRESS:PORT``, with an IPv6 address in brackets.
    """

    at: float
    transport: str
    source: str
    target: str
    payload: bytes


def packets(content: bytes) -> Iterator[Packet]:
    """Of the listener's file, in the order of their arrival. One that is only half written yet is left out."""
    position = 0
    while position + HEAD.size <= len(content):
        _, size = HEAD.unpack_from(content, position)
        position += HEAD.size + size
        if position <= len(content):
            packet = parse_packet(content[position - size : position])
            if packet is not None:
                yield packet


def parse_packet(packet: bytes) -> Packet | None:
    """A packet's message; None when it holds none (keep-alives are traced too).

    :raises EvidenceError: it's no HEP of version 3.
    """
    if packet[:4] != b"HEP3" or len(packet) < 6:
        raise EvidenceError("Kamailio sent a packet that isn't HEP of version 3", found=repr(packet[:24]))
    chunks: dict[int, bytes] = {}
    position, end = 6, min(len(packet), struct.unpack_from("!H", packet, 4)[0])
    while position + 6 <= end:
        vendor, kind, length = struct.unpack_from("!HHH", packet, position)
        if length < 6:
            raise EvidenceError("Kamailio sent a HEP packet with a chunk of no length", found=repr(packet[:24]))
        if vendor == 0:
            chunks[kind] = packet[position + 6 : position + length]
        position += length
    payload = chunks.get(15, b"")
    if not payload.strip(b"\r\n\0"):
        return None
    source = _endpoint(chunks.get(3) or chunks.get(5, b""), chunks.get(7, b"\0\0"))
    target = _endpoint(chunks.get(4) or chunks.get(6, b""), chunks.get(8, b"\0\0"))
    seconds, micros = (int.from_bytes(chunks.get(kind, b""), "big") for kind in (9, 10))
    return Packet(seconds + micros / 1e6, _transport(chunks.get(2, b""), source, target), source, target, payload)


def _endpoint(address: bytes, port: bytes) -> str:
    host = str(ip_address(address)) if len(address) in (4, 16) else "?"
    return f"[{host}]:{int.from_bytes(port, 'big')}" if ":" in host else f"{host}:{int.from_bytes(port, 'big')}"


def _transport(protocol: bytes, source: str, target: str) -> str:
    if int.from_bytes(protocol, "big") == _UDP:
        return "udp"
    # HEP has one number for TCP and TLS.
    return "tls" if any(end.endswith(f":{_TLS_PORT}") for end in (source, target)) else "tcp"


def captured(
    found: Iterable[Packet], own: Iterable[str], names: Mapping[str, str], since: float
) -> tuple[CapturedMessage, ...]:
    """Evidence of the packets, in the order of their times; retransmissions are folded into their first.

    :param own: Kamailio's addresses.
    :param names: address -> the host's name, of the lab's hosts.
    :param since: what is older is of the scenario before.
    """
    folded: dict[tuple[object, ...], CapturedMessage] = {}
    ours = set(own)
    for packet in sorted(found, key=lambda packet: packet.at):
        if packet.at < since:
            continue
        is_sent = _address(packet.source) in ours
        peer = packet.target if is_sent else packet.source
        text = redacted_message(packet.payload.decode("utf-8", "surrogateescape"))
        # A message that is looped back to itself is there twice: as sent, and as received.
        key = (is_sent, packet.source, packet.target, text)
        first = folded.get(key)
        if first is not None:
            folded[key] = replace(first, repeated=(*first.repeated, packet.at))
            continue
        try:
            message = parse_message(
                text, at=packet.at, host=CONTRACT.services.kamailio, sent=is_sent, transport=packet.transport
            )
        except EvidenceError:
            message = None
        folded[key] = CapturedMessage(
            at=packet.at,
            direction="sent" if is_sent else "received",
            transport=packet.transport,
            source=packet.source,
            target=packet.target,
            peer=names.get(_address(peer), peer),
            text=text,
            message=message,
        )
    received = [each.message for each in folded.values() if each.direction == "received" and each.message]
    forwarded = {(m.status, m.method, m.branches[1:2], m.to_tag) for m in received if not m.is_request}
    return tuple(
        replace(each, is_own=each.direction == "sent" and _is_own(each.message, forwarded))
        for each in folded.values()
    )


def _is_own(message: SipMessage | None, forwarded: Container[object]) -> bool:
    """Whether Kamailio made a message that it sent: a request has no Via but its own, and a reply isn't one that it
    received with a Via of its own on top (RFC 3261 sections 16.6 and 16.7).

    :param forwarded: status, method, second branch and To tag of the replies that it received.
    """
    if message is None:
        return False
    if message.is_request:
        return len(message.branches) == 1
    return (message.status, message.method, message.branches[:1], message.to_tag) not in forwarded


def _address(endpoint: str) -> str:
    return endpoint.rpartition(":")[0].strip("[]")
