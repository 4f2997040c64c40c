"""Kamailio's log as it writes it to standard error (``-E``)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rating_harness.coverage.probe_log import without_probes
from rating_harness.evidence.model import LEVELS, LogLine

__all__ = ["parse_log"]

_PROCESS = r"\d+\(\d+\)"
_LINE = re.compile(rf"^\s*{_PROCESS}\s+(?P<level>{'|'.join(LEVELS)}):\s?(?P<text>.*)$")
_FATAL = re.compile(r"^(?:\S+ )?(?P<level>CRITICAL|ERROR|ALERT|WARNING|NOTICE|INFO):\s?(?P<text>.*)$")
_BEGIN = re.compile(rf"(?: (?=\d\())?(?P<process>{_PROCESS})\s+(?:{'|'.join(LEVELS)}):\s")


def parse_log(text: str, service: str = "kamailio") -> Iterator[LogLine]:
    """A line of the log each; lines without a level (of what it starts, or continued ones) have ``level`` "".

    What coverage's probes logged is no part of it.
    """
    for line in _whole(without_probes(text).splitlines()):
        match = _LINE.match(line) or _FATAL.match(line)
        if match:
            yield LogLine(service, match["text"], match["level"])
        elif line.strip():
            yield LogLine(service, line)


def _whole(lines: list[str]) -> list[str]:
    """The lines, put together again where two processes wrote at once.

    The C library writes a long line in pieces (glibc from 2.37 on: of 128 bytes), so that another process's line may
    stand in the middle of one. Where a line begins within another is told by a process that begins others: whoever
    has a text logged doesn't know its number.
    """
    known = {match["process"] for line in lines if (match := _BEGIN.match(line.lstrip()))}
    whole: list[str] = []
    torn: list[int] = []
    """Places of lines whose rest is yet to come."""
    for line in lines:
        begins = [match for match in _BEGIN.finditer(line) if match["process"] in known]
        places = [match.start() for match in begins if match.start() > 0 and line[: match.start()].strip()]
        head, *others = (line[start:end] for start, end in zip([0, *places], [*places, None], strict=True))
        is_rest = bool(torn) and not _LINE.match(line)
        if is_rest:
            whole[torn[0]] += head
            place = torn.pop(0)
        else:
            place = len(whole)
            whole.append(head)
        for other in others:
            torn.append(place)
            place = len(whole)
            whole.append(other.removeprefix(" "))
    return whole
