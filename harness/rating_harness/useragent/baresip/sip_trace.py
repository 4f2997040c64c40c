"""The SIP messages in what baresip prints with its option ``-s``.

Each is printed, as it is sent or received, between a line of ``#`` with one of transport and addresses, and a line
that ends the colour::

    ESC[36;1m#
    UDP 198.18.0.16:5060 -> 198.18.0.2:5060
    INVITE sip:39040123456@sip.test SIP/2.0
    ...
    ESC[;m
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["TraceReader", "Traced"]

_HEAD = re.compile(rb"\x1b\[36;1m#\n(?P<transport>[A-Z]+) (?P<source>\S+) -> (?P<target>\S+)\n")
_BEGIN = b"\x1b[36;1m#\n"
_END = b"\x1b[;m\n"
_LENGTH = re.compile(rb"^(?:content-length|l)[ \t]*:[ \t]*(\d+)[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Traced:
    """One message.

    :param transport: ``udp``, ``tcp`` or ``tls``.
    :param source, target: ``ADDRESS:PORT`` each.
    """

    transport: str
    source: str
    target: str
    data: bytes

    def is_sent_by(self, address: str, *, to: str) -> bool:
        """Whether the program with that address sent it: to ``to`` (``ADDRESS:PORT``) also from another address.

        A TCP connection that it opens isn't bound to its own: the system chooses one.
        """
        return self.source.rpartition(":")[0].strip("[]") == address or self.target == to


class TraceReader:
    """Takes what baresip prints as it comes, however it is cut; all that is no message is passed over."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, printed: bytes) -> Iterator[Traced]:
        """The messages that are complete with it, in order."""
        self._buffer += printed
        while True:
            begin = self._buffer.find(_BEGIN)
            if begin < 0:
                # What may be the beginning of a beginning is kept.
                self._buffer = self._buffer[-(len(_BEGIN) - 1) :]
                return
            self._buffer = self._buffer[begin:]
            head = _HEAD.match(self._buffer)
            if head is None:
                if self._buffer.count(b"\n") < 2:
                    return
                self._buffer = self._buffer[len(_BEGIN) :]
                continue
            end = _end_of(self._buffer, head.end())
            if end is None:
                return
            data, self._buffer = self._buffer[head.end() : end], self._buffer[end + len(_END) :]
            transport = head["transport"].decode().lower()
            yield Traced(transport, head["source"].decode("latin-1"), head["target"].decode("latin-1"), data)


def _end_of(buffer: bytes, start: int) -> int | None:
    """Where the message that begins at ``start`` ends; None: its end hasn't come yet.

    Its length says so where the end of the colour stands there: a body may have the same octets in it.
    """
    blank = buffer.find(b"\r\n\r\n", start)
    length = _LENGTH.search(buffer, start, blank + 2) if blank >= 0 else None
    if length is not None:
        end = blank + 4 + int(length[1])
        if len(buffer) < end + len(_END):
            return None
        if buffer.startswith(_END, end):
            return end
    end = buffer.find(_END, start)
    return end if end >= 0 else None
