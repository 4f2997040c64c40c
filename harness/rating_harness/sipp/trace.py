"""SIPp's traces, read back as SIP messages.

A record of the message trace (``-trace_msg``) is a line of dashes with a local time (the harness runs SIPp with
``TZ=UTC``), a line that says transport, direction and size, an empty line, and the message as it was on the wire.
What SIPp loses on purpose (``-lost``) stands before the dashes of the next record, on the same line.

The short trace (``-trace_shortmsg``) has a line for each message, its fields apart by tabs: date, time, Unix seconds,
``S`` or ``R``, Call-ID, ``CSeq:NUMBER METHOD``, and the message's first line.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

from rating_harness.evidence.model import Octets, SipMessage
from rating_harness.evidence.sip import parse_message
from rating_harness.sipp.agent import Agent

__all__ = ["is_cut", "parse_lines", "parse_octets", "parse_trace", "read_messages"]

_RECORD = re.compile(
    rb"(?:^|message [a-z() ]*lost \([a-z ]+\)\.)-{20,} "
    rb"(?P<date>\d{4}-\d\d-\d\d)[ \tT](?P<time>\d\d:\d\d:\d\d\.\d+)[^\n]*\n"
    rb"(?P<transport>\w+) message (?P<direction>sent|received) [\[(](?P<size>\d+)(?:\]| bytes\))[^\n]*\n\n",
    re.MULTILINE,
)

_LINE = re.compile(
    rb"^\S+\t\S+\t(?P<at>[\d.]+)\t(?P<way>[SR])\t(?P<call_id>[^\t\n]*)\tCSeq:(?P<cseq>\d+) (?P<method>\w+)\t"
    rb"(?:SIP/2\.0 (?P<status>\d{3}) ?(?P<reason>[^\r\n]*)|\w+ (?P<uri>\S+) )",
    re.MULTILINE,
)


def read_messages(agent: Agent, trace: bytes) -> Iterator[SipMessage]:
    """The messages of an agent's trace, in order, whether it keeps them whole or a line of each (`Agent.brief`)."""
    return parse_lines(trace, agent.host, agent.transport) if agent.brief else parse_trace(trace, agent.host)


def parse_trace(trace: bytes, host: str) -> Iterator[SipMessage]:
    """The messages of a trace, in order. A record that was cut off by the end of the trace is left out.

    :raises EvidenceError: a record that isn't a SIP message.
    """
    for record in parse_octets(trace, host):
        yield parse_message(
            record.data.encode("latin-1").decode("utf-8", "replace"),
            at=record.at,
            host=host,
            sent=record.direction == "sent",
            transport=record.transport,
        )


def is_cut(trace: bytes) -> bool:
    """Whether a trace ends within a message: its SIPp was killed, or had no room to write."""
    end = 0
    while match := _RECORD.search(trace, end):
        end = match.end() + int(match["size"])
    return end > len(trace)


def parse_octets(trace: bytes, host: str) -> Iterator[Octets]:
    """The records of a trace, whatever they hold, in order; one that was cut off by its end is left out."""
    end = 0
    while match := _RECORD.search(trace, end):
        # A message may hold what looks like a record, so the next one is looked for behind it.
        end = match.end() + int(match["size"])
        if end > len(trace):
            return
        at = datetime.fromisoformat(f"{match['date'].decode()}T{match['time'].decode()}").replace(tzinfo=UTC)
        yield Octets(
            at=at.timestamp(),
            host=host,
            direction="sent" if match["direction"] == b"sent" else "received",
            transport=match["transport"].decode().lower(),
            data=trace[match.end() : end].decode("latin-1"),
        )


def parse_lines(trace: bytes, host: str, transport: str) -> Iterator[SipMessage]:
    """The messages of a short trace that tell how a call went, with no headers but Call-ID and CSeq.

    Left out are ACKs, 100s, replies to BYE and CANCEL, and what is sent again.
    """
    seen: set[int] = set()
    for match in _LINE.finditer(trace):
        which = hash(match.group("way", "call_id", "cseq", "method", "status"))
        method, is_response = match["method"].decode(), match["status"] is not None
        if which in seen or method == "ACK" or (is_response and method in ("BYE", "CANCEL")):
            continue
        seen.add(which)
        if match["status"] == b"100":
            continue
        call_id = match["call_id"].decode("utf-8", "replace")
        yield SipMessage(
            at=float(match["at"]),
            host=host,
            direction="sent" if match["way"] == b"S" else "received",
            transport=transport,
            method=sys.intern(method),
            status=int(match["status"]) if is_response else None,
            reason=sys.intern((match["reason"] or b"").decode("utf-8", "replace")),
            uri=sys.intern((match["uri"] or b"").decode("utf-8", "replace")),
            call_id=call_id,
            cseq=int(match["cseq"]),
            headers=(("Call-ID", call_id), ("CSeq", sys.intern(f"{match['cseq'].decode()} {method}"))),
            body="",
        )
