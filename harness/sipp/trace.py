"""SIPp's message trace (``-trace_msg``), read back as SIP messages.

A record is a line of dashes with a local time (the harness runs SIPp with ``TZ=UTC``), a line that says transport,
direction and size, an empty line, and the message as it was on the wire.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from harness.evidence.model import SipMessage
from harness.evidence.sip import parse_message

__all__ = ["parse_trace"]

_RECORD = re.compile(
    rb"^-{20,} (?P<date>\d{4}-\d\d-\d\d)[ \tT](?P<time>\d\d:\d\d:\d\d\.\d+)[^\n]*\n"
    rb"(?P<transport>\w+) message (?P<direction>sent|received) [\[(](?P<size>\d+)(?:\]| bytes\))[^\n]*\n\n",
    re.MULTILINE,
)


def parse_trace(trace: bytes, host: str) -> Iterator[SipMessage]:
    """The messages of a trace, in order. A record that was cut off by the end of the trace is left out.

    :raises EvidenceError: a record that isn't a SIP message.
    """
    for match in _RECORD.finditer(trace):
        # SIPp cuts what it prints of a message at its first zero byte; the size is that of the wire.
        raw = trace[match.end() : match.end() + int(match["size"])]
        at = datetime.fromisoformat(f"{match['date'].decode()}T{match['time'].decode()}").replace(tzinfo=UTC)
        direction = "sent" if match["direction"] == b"sent" else "received"
        yield parse_message(
            raw.decode("utf-8", "replace"),
            at=at.timestamp(),
            host=host,
            sent=direction == "sent",
            transport=match["transport"].decode().lower(),
        )
