"""Kamailio's log as it writes it to standard error (``-E``)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rating_harness.coverage.probe_log import without_probes
from rating_harness.evidence.model import LEVELS, LogLine

__all__ = ["parse_log"]

_LINE = re.compile(rf"^\s*\d+\(\d+\)\s+(?P<level>{'|'.join(LEVELS)}):\s?(?P<text>.*)$")
_FATAL = re.compile(r"^(?:\S+ )?(?P<level>CRITICAL|ERROR|ALERT|WARNING|NOTICE|INFO):\s?(?P<text>.*)$")


def parse_log(text: str, service: str = "kamailio") -> Iterator[LogLine]:
    """A line of the log each; lines without a level (of what it starts, or continued ones) have ``level`` "".

    What coverage's probes logged is no part of it.
    """
    for line in without_probes(text).splitlines():
        match = _LINE.match(line) or _FATAL.match(line)
        if match:
            yield LogLine(service, match["text"], match["level"])
        elif line.strip():
            yield LogLine(service, line)
