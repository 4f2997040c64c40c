"""SIP messages from their text (RFC 3261 section 7)."""

from __future__ import annotations

import re

from rating_harness.errors import EvidenceError
from rating_harness.evidence.model import SipMessage
from rating_harness.evidence.redaction import redacted_header

__all__ = ["header_key", "parse_message"]

_COMPACT = {
    "v": "Via", "f": "From", "t": "To", "i": "Call-ID", "m": "Contact", "l": "Content-Length", "c": "Content-Type",
    "e": "Content-Encoding", "k": "Supported", "s": "Subject", "r": "Refer-To", "b": "Referred-By", "o": "Event",
    "u": "Allow-Events", "x": "Session-Expires",
}  # fmt: skip
"""Compact forms of header names (RFC 3261 section 7.3.3 and the IANA registry)."""

_LINE_END = re.compile("\r+\n")


def header_key(name: str) -> str:
    """A header's name in the form in which equal ones are equal: in full, in small letters."""
    return _COMPACT.get(name.lower(), name).lower()


def parse_message(text: str, *, at: float, host: str, sent: bool, transport: str) -> SipMessage:
    """One SIP message (RFC 3261 section 7). Header lines that were folded are joined, digests are redacted.

    :raises EvidenceError: the first line is neither that of a request nor that of a response.
    """
    head, _, body = _LINE_END.sub("\n", text).partition("\n\n")
    first, *lines = head.split("\n")
    headers: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (" ", "\t") and headers:
            headers[-1] = (headers[-1][0], f"{headers[-1][1]} {line.strip()}".strip())
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip()
            name = _COMPACT.get(name.lower(), name)
            headers.append((name, redacted_header(name, value.strip())))
    fields = {name.lower(): value for name, value in reversed(headers)}
    number, _, cseq_method = fields.get("cseq", "").partition(" ")
    status: int | None = None
    if first.startswith("SIP/"):
        _, _, rest = first.partition(" ")
        code, _, reason = rest.partition(" ")
        if not code.isdecimal():
            raise EvidenceError(f"the trace of {host} holds a response without a status", found=first[:120])
        status, uri, method = int(code), "", cseq_method.strip()
    else:
        method, _, rest = first.partition(" ")
        uri, reason = rest.rpartition(" ")[0], ""
        if not method.isupper():
            raise EvidenceError(f"the trace of {host} holds something that isn't SIP", found=first[:120])
    return SipMessage(
        at=at,
        host=host,
        direction="sent" if sent else "received",
        transport=transport,
        method=method,
        status=status,
        reason=reason.strip(),
        uri=uri,
        call_id=fields.get("call-id", ""),
        cseq=int(number) if number.isdecimal() else 0,
        headers=tuple(headers),
        body=body,
    )
