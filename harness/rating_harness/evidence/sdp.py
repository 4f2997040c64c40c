"""Session descriptions (RFC 8866), as far as an offer and an answer (RFC 3264) are judged by them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Media", "SessionDescription", "parse_sdp"]

_STATIC = {"0": "PCMU", "3": "GSM", "4": "G723", "8": "PCMA", "9": "G722", "15": "G728", "18": "G729", "26": "JPEG"}
"""Payload types that need no rtpmap (RFC 3551 section 6)."""

_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_RTPMAP = re.compile(r"a=rtpmap:(\d+) ([^/\s]+)")


@dataclass(frozen=True, slots=True)
class Media:
    """A medium (``m=``).

    :param kind: audio, video...
    :param codecs: by name, in order; a payload type that has none by its number.
    :param address: of its own ``c=`` or the session's; empty when neither is there.
    :param direction: its own, the session's, or ``sendrecv``, which is meant where nothing is said.
    """

    kind: str
    port: int
    codecs: tuple[str, ...]
    address: str
    direction: str


@dataclass(frozen=True, slots=True)
class SessionDescription:
    lines: tuple[str, ...]
    media: tuple[Media, ...]


def parse_sdp(body: str) -> SessionDescription | None:
    """None for what is no session description: it doesn't begin with ``v=``."""
    lines = tuple(line.rstrip() for line in body.splitlines() if line.strip())
    if not lines or not lines[0].startswith("v="):
        return None
    starts = [index for index, line in enumerate(lines) if line.startswith("m=")]
    session = lines[: starts[0] if starts else len(lines)]
    sections = [lines[start:end] for start, end in pairwise([*starts, len(lines)])]
    return SessionDescription(lines, tuple(_media(section, session) for section in sections))


def _media(section: tuple[str, ...], session: tuple[str, ...]) -> Media:
    words = section[0][2:].split()
    kind, port, payloads = words[0] if words else "", words[1] if len(words) > 1 else "0", words[3:]
    names = {match[1]: match[2] for match in map(_RTPMAP.match, section) if match}
    return Media(
        kind=kind,
        port=int(number) if (number := port.partition("/")[0]).isdecimal() else 0,
        codecs=tuple(names.get(payload) or _STATIC.get(payload, payload) for payload in payloads),
        address=_address(section) or _address(session),
        direction=_direction(section) or _direction(session) or "sendrecv",
    )


def _address(lines: tuple[str, ...]) -> str:
    line = next((line for line in lines if line.startswith("c=")), "")
    return line.split()[-1].partition("/")[0] if line.count(" ") == 2 else ""


def _direction(lines: tuple[str, ...]) -> str:
    return next((line[2:] for line in lines if line[:2] == "a=" and line[2:] in _DIRECTIONS), "")
