"""Calls as a capture that Wireshark and sngrep open (pcapng, https://ietf-opsawg-wg.github.io/draft-ietf-opsawg-pcap/).

SIP is what Kamailio itself sent and received; where that wasn't captured, what the ends did. TLS is written as if it
were TCP on port 5060, since it was captured deciphered. HTTP between Kamailio and the agent is synthesised from the
recorded exchanges. Each packet has a comment that says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from io import BytesIO
from ipaddress import ip_address
from pathlib import Path
from typing import BinaryIO

from dpkt.ethernet import ETH_TYPE_IP, ETH_TYPE_IP6, Ethernet
from dpkt.ip import IP, IP_PROTO_TCP, IP_PROTO_UDP
from dpkt.ip6 import IP6
from dpkt.pcapng import (
    PCAPNG_OPT_COMMENT,
    EnhancedPacketBlockLE,
    InterfaceDescriptionBlockLE,
    PcapngOptionLE,
    SectionHeaderBlockLE,
)
from dpkt.tcp import TCP, TH_ACK, TH_PUSH
from dpkt.udp import UDP

from rating_harness.contract import CONTRACT
from rating_harness.evidence.model import CapturedMessage, Evidence, Exchange, SipMessage
from rating_harness.report import events
from rating_harness.report.presentation import json_text

__all__ = ["PcapFile", "pcapng_of"]

_AGENT = "192.0.2.80:80"
"""The agent's address in synthesised HTTP: one set aside for documentation (RFC 5737), and HTTP's own port."""

_KAMAILIO = "192.0.2.1:5060"
"""Kamailio's, where nothing was captured that has it."""

_SYNTHESISED = "rating-harness: HTTP synthesised from the recorded exchange; addresses and headers are made up"
_MADE_UP = "rating-harness: SIP as {host} {direction} it; addresses are made up"
_TLS = "; TLS, deciphered, written as TCP on port 5060"
_LARGEST = 65_000
"""Bytes of a message that fit in an IP packet with its heads; longer ones are split, over TCP."""


@dataclass(frozen=True, slots=True)
class _Passed:
    """Something that passed. Ends are ``ADDRESS:PORT``."""

    at: float
    source: str
    target: str
    is_udp: bool
    payload: bytes
    comment: str


def pcapng_of(evidence: Evidence) -> bytes:
    """The capture of a run."""
    file = BytesIO()
    writer = _Writer(file)
    writer.add(evidence)
    return file.getvalue()


class PcapFile:
    """One capture of all scenarios, written as they end."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")
        self._writer = _Writer(self._file)

    def on_event(self, event: events.Event) -> None:
        match event:
            case events.ScenarioFinished(evidence=evidence):
                self._writer.add(evidence)
                self._file.flush()
            case events.SessionFinished():
                self._file.close()
            case _:
                pass


class _Writer:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        file.write(bytes(SectionHeaderBlockLE()) + bytes(InterfaceDescriptionBlockLE(snaplen=0)))
        self._next: dict[tuple[str, str], int] = {}

    def add(self, evidence: Evidence) -> None:
        for passed in sorted(_passed(evidence), key=lambda each: each.at):
            for frame in self._frames(passed):
                micros = round(passed.at * 1e6)
                block = EnhancedPacketBlockLE(
                    ts_high=micros >> 32,
                    ts_low=micros & 0xFFFFFFFF,
                    pkt_data=frame,
                    opts=[PcapngOptionLE(code=PCAPNG_OPT_COMMENT, data=passed.comment.encode()), PcapngOptionLE()],
                )
                self._file.write(bytes(block))

    def _frames(self, passed: _Passed) -> Iterator[bytes]:
        (source, source_port), (target, target_port) = _end(passed.source), _end(passed.target)
        if passed.is_udp:
            datagram = UDP(sport=source_port, dport=target_port, data=passed.payload[:_LARGEST])
            datagram.ulen = len(datagram)
            yield _frame(source, target, IP_PROTO_UDP, datagram)
            return
        there, back = (passed.source, passed.target), (passed.target, passed.source)
        for begin in range(0, len(passed.payload), _LARGEST):
            part = passed.payload[begin : begin + _LARGEST]
            sequence, acknowledged = self._next.get(there, 1), self._next.get(back, 1)
            self._next[there] = (sequence + len(part)) % 2**32
            segment = TCP(
                sport=source_port,
                dport=target_port,
                seq=sequence,
                ack=acknowledged,
                flags=TH_PUSH | TH_ACK,
                data=part,
            )
            yield _frame(source, target, IP_PROTO_TCP, segment)


def _frame(source: str, target: str, protocol: int, data: UDP | TCP) -> bytes:
    here, there = ip_address(source).packed, ip_address(target).packed
    macs = {"src": b"\x02\0" + here[-4:], "dst": b"\x02\0" + there[-4:]}
    if len(here) == len(there) == 4:
        packet = IP(src=here, dst=there, p=protocol, data=data)
        packet.len = len(packet)
        return bytes(Ethernet(**macs, type=ETH_TYPE_IP, data=packet))
    packet6 = IP6(src=_six(here), dst=_six(there), nxt=protocol, hlim=64, plen=len(data), data=data)
    packet6.extension_hdrs = {}
    return bytes(Ethernet(**macs, type=ETH_TYPE_IP6, data=packet6))


def _six(packed: bytes) -> bytes:
    return packed if len(packed) == 16 else b"\0" * 10 + b"\xff\xff" + packed


def _end(end: str) -> tuple[str, int]:
    address, _, port = end.rpartition(":")
    return address.strip("[]"), int(port)


# --- what passed ----------------------------------------------------------------------------------------------------


def _passed(evidence: Evidence) -> Iterator[_Passed]:
    kamailio = _KAMAILIO
    if evidence.captured is not None:
        yield from (each for captured in evidence.captured for each in _captured(captured))
        own = (each.source if each.direction == "sent" else each.target for each in evidence.captured)
        kamailio = next(own, _KAMAILIO)
    else:
        yield from _at_the_ends(evidence.messages)
    for exchange in evidence.exchanges:
        yield from _http(exchange, _end(kamailio)[0])


def _captured(captured: CapturedMessage) -> Iterator[_Passed]:
    comment = f"rating-harness: {'made and sent' if captured.is_own else captured.direction} by Kamailio"
    source, target = captured.source, captured.target
    if captured.transport == "tls":
        comment += _TLS
        source, target = (
            f"{end.removesuffix(':5061')}:5060" if end.endswith(":5061") else end for end in (source, target)
        )
    payload = captured.text.encode("utf-8", "surrogateescape")
    for index, at in enumerate((captured.at, *captured.repeated)):
        repeated = f"; retransmission {index}" if index else ""
        yield _Passed(at, source, target, captured.transport == "udp", payload, comment + repeated)


def _at_the_ends(messages: Iterable[SipMessage]) -> Iterator[_Passed]:
    ends: dict[str, str] = {}
    for message in messages:
        if message.header("Via") is None:
            # Under load a line of each message is kept, and not the message.
            continue
        end = ends.setdefault(message.host, f"192.0.2.{2 + len(ends) % 70}:5060")
        source, target = (end, _KAMAILIO) if message.direction == "sent" else (_KAMAILIO, end)
        comment = _MADE_UP.format(host=message.host, direction=message.direction)
        yield _Passed(message.at, source, target, message.transport == "udp", _text(message), comment)


def _text(message: SipMessage) -> bytes:
    first = message.first_line
    lines = [f"{first} SIP/2.0" if message.is_request else f"SIP/2.0 {first}"]
    lines += [f"{name}: {value}" for name, value in message.headers]
    return ("\r\n".join(lines) + f"\r\n\r\n{message.body}").encode("utf-8", "surrogatepass")


def _http(exchange: Exchange, kamailio: str) -> Iterator[_Passed]:
    fault = f"; fault: {exchange.fault}" if exchange.fault else ""
    source = f"{_bracketed(kamailio)}:{20_000 + exchange.number % 40_000}"
    target = _AGENT if ":" not in kamailio else "[2001:db8::80]:80"
    head = f"{exchange.method} {exchange.path} HTTP/1.1"
    request = _with_body(head, exchange.request, {"Host": CONTRACT.services.agent})
    yield _Passed(exchange.received, source, target, False, request, _SYNTHESISED + fault)
    if exchange.answered is not None and exchange.status is not None:
        head = f"HTTP/1.1 {exchange.status} {_reason(exchange.status)}"
        answer = _with_body(head, exchange.response, {})
        yield _Passed(exchange.answered, target, source, False, answer, _SYNTHESISED + fault)


def _with_body(head: str, body: object, headers: Mapping[str, str]) -> bytes:
    content = b"" if body is None else json_text(body).encode("utf-8", "surrogatepass")
    kind = "text/plain" if isinstance(body, str) else "application/json"
    said = {**headers, "Content-Type": kind, "X-Synthesised-By": "rating-harness", "Content-Length": len(content)}
    lines = [head, *(f"{name}: {value}" for name, value in said.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
