"""The SIP messages in Asterisk's log, as its module res_pjsip_logger writes them::

[2026-11-26 10:18:42.160631] VERBOSE[13315] res_pjsip_logger.c: <--- Received SIP request (832 bytes) from UDP:198.18.0.12:5060 --->
INVITE sip:39040123456@sip.test SIP/2.0
...
"""  # noqa: E501

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Logged", "messages_of"]

_HEAD = re.compile(
    rb"^\[(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6})\] VERBOSE\[[^\n]*?<--- (?P<way>Received|Transmitting) SIP "
    rb"(?:request|response) \((?P<size>\d+) bytes\) (?:from|to) (?P<transport>[A-Z]+):(?P<peer>\S+) --->\n",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Logged:
    """One message.

    :param at: ``2026-11-26 10:18:42.160631``, in the log's time zone.
    :param transport: ``udp``, ``tcp`` or ``tls``.
    :param peer: ``ADDRESS:PORT`` of the other side.
    """

    at: str
    is_sent: bool
    transport: str
    peer: str
    data: bytes


def messages_of(log: bytes) -> Iterator[Logged]:
    """The messages of a log, in order. One that is cut off by its end is left out."""
    place = 0
    while head := _HEAD.search(log, place):
        place = head.end() + int(head["size"])
        if place > len(log):
            return
        yield Logged(
            at=head["at"].decode(),
            is_sent=head["way"] == b"Transmitting",
            transport=head["transport"].decode().lower(),
            peer=head["peer"].decode("latin-1"),
            data=log[head.end() : place],
        )
