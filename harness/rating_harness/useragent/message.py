"""SIP messages as octets: read whatever way they are spelled, written as they are said.

Texts hold one character for each octet (ISO 8859-1), so that nothing is lost on the way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

__all__ = ["Message", "new_branch", "parameter", "split_values", "tag_of", "uri_of"]

_COMPACT = {
    "v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length", "c": "content-type",
    "e": "content-encoding", "k": "supported", "s": "subject", "r": "refer-to", "b": "referred-by", "o": "event",
    "u": "allow-events", "x": "session-expires",
}  # fmt: skip
"""Compact forms of header names (RFC 3261 section 7.3.3 and the IANA registry)."""

_FOLD = re.compile(r"\r?\n[ \t]+")
_LISTS = frozenset({"via", "route", "record-route", "contact", "require", "proxy-require", "supported", "allow"})
"""Headers whose values may stand in one line, apart by commas, and mean the same as several lines."""


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response.

    :param start: the first line.
    :param headers: names and values in order, as they were spelled; lines that were folded are joined.
    """

    start: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> Message:
        """:raises ValueError: it isn't SIP."""
        head, _, body = data.partition(b"\r\n\r\n")
        start, *lines = _FOLD.sub(" ", head.decode("latin-1")).replace("\r\n", "\n").split("\n")
        if not (start.startswith("SIP/2.0 ") or start.endswith(" SIP/2.0")):
            raise ValueError(f"{start[:80]!r} begins no SIP message")
        fields = (line.partition(":") for line in lines if ":" in line)
        return cls(start, tuple((name.strip(), value.strip()) for name, _, value in fields), body)

    def encode(self) -> bytes:
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers)]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + self.body

    @property
    def is_request(self) -> bool:
        return not self.start.startswith("SIP/2.0 ")

    @property
    def status(self) -> int:
        """Of a response; 0 of a request."""
        code = self.start[8:11]
        return 0 if self.is_request or not code.isdecimal() else int(code)

    @property
    def method(self) -> str:
        """Of a request; of a response that of its CSeq."""
        return self.start.partition(" ")[0] if self.is_request else self.cseq[1]

    @property
    def uri(self) -> str:
        """Request-URI."""
        return self.start.partition(" ")[2].rpartition(" ")[0]

    @property
    def cseq(self) -> tuple[int, str]:
        """Number and method; ``(-1, "")`` where they can't be read."""
        number, _, method = (self.header("CSeq") or "").partition(" ")
        return (int(number), method.strip()) if number.isascii() and number.isdecimal() else (-1, "")

    @property
    def call_id(self) -> str:
        return self.header("Call-ID") or ""

    @property
    def branch(self) -> str:
        """Of the topmost Via."""
        return parameter(next(iter(self.values("Via")), ""), "branch") or ""

    def header(self, name: str) -> str | None:
        """The first header of that name, whatever its case and in its compact form too."""
        return next(iter(self._lines(name)), None)

    def values(self, name: str) -> tuple[str, ...]:
        """All values of that name, in order, however they are spread over lines."""
        lines = self._lines(name)
        if name.lower() not in _LISTS:
            return tuple(lines)
        return tuple(value for line in lines for value in split_values(line))

    def _lines(self, name: str) -> list[str]:
        wanted = name.lower()
        return [value for key, value in self.headers if _COMPACT.get(key.lower(), key.lower()) == wanted]


def split_values(line: str) -> list[str]:
    """A header's values, apart by commas that stand neither in quotes nor in angle brackets."""
    values, start, quoted, depth, escaped = [], 0, False, 0, False
    for index, character in enumerate(line):
        if escaped:
            escaped = False
        elif quoted:
            escaped = character == "\\"
            quoted = character != '"'
        elif character == '"':
            quoted = True
        elif character == "<":
            depth += 1
        elif character == ">":
            depth = max(0, depth - 1)
        elif character == "," and not depth:
            values.append(line[start:index].strip())
            start = index + 1
    values.append(line[start:].strip())
    return [value for value in values if value]


def uri_of(value: str) -> str:
    """The URI of a From, To, Contact or Route value (RFC 3261 section 20.10)."""
    outside = _without_quotes(value)
    begin = outside.find("<")
    if begin >= 0:
        return value[begin + 1 : outside.find(">", begin) if ">" in outside[begin:] else len(value)]
    return value.partition(";")[0].strip()


def parameter(value: str, name: str) -> str | None:
    """A parameter of a header value: outside of quotes and angle brackets, whatever its case."""
    outside = _without_quotes(value)
    end = outside.rfind(">") + 1
    for part in value[end:].split(";")[0 if end else 1 :]:
        key, _, text = part.partition("=")
        if key.strip().lower() == name:
            return text.strip()
    return None


def tag_of(value: str) -> str | None:
    """The tag of a From or To value; None where there's none."""
    return parameter(value, "tag")


def _without_quotes(value: str) -> str:
    """Same length, with what is quoted replaced by blanks."""
    return re.sub(r'"(?:\\.|[^"\\])*"', lambda match: " " * len(match[0]), value)


_branches = count(1)


def new_branch(of: Iterable[object]) -> str:
    """A branch that no other transaction has (RFC 3261 section 8.1.1.7).

    :param of: what else is to be read from it.
    """
    return "-".join(["z9hG4bK", *map(str, of), str(next(_branches))])
