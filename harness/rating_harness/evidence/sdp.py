"""Session descriptions (RFC 8866), as far as an offer and an answer (RFC 3264) are judged by them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Media", "SessionDescription", "fault_of_sdp", "parse_sdp"]

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


_LINE = re.compile(r"[a-z]=\S.*|[a-z]=")
_NUMBERS_AND_DOTS = re.compile(r"[0-9.]+|.*:.*")


def fault_of_sdp(body: str) -> str:
    """What RFC 8866 section 5 doesn't have so; empty where it's a session description."""
    lines = [line.rstrip("\r") for line in body.splitlines() if line.strip()]
    odd = next((line for line in lines if _LINE.fullmatch(line) is None), None)
    if odd is not None:
        return f"a line that is none: {odd[:40]!r}"
    kinds = [line[0] for line in lines]
    for number, kind in enumerate("vos"):
        if kinds[number : number + 1] != [kind]:
            return f"no {kind}= where it has to be"
    if "t" not in kinds:
        return "no t="
    for line in lines:
        wrong = _FAULTS[line[0]](line[2:].split()) if line[0] in _FAULTS else False
        if wrong:
            return f"{line[:40]!r}"
    return ""


def _is_no_address(words: list[str]) -> bool:
    if len(words) != 3:
        return True
    address = words[2].partition("/")[0]
    if _NUMBERS_AND_DOTS.fullmatch(address) is None:
        return False  # a name
    try:
        return ipaddress.ip_address(address).version != (6 if words[1] == "IP6" else 4)
    except ValueError:
        return True


def _is_no_medium(words: list[str]) -> bool:
    port = words[1].partition("/")[0] if len(words) > 1 else ""
    return len(words) < 4 or not port.isdecimal() or int(port) > 65535


_FAULTS = {
    "o": lambda words: len(words) != 6 or _is_no_address(words[3:]),
    "c": _is_no_address,
    "m": _is_no_medium,
}
