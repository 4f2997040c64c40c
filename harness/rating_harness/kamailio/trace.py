"""Which routes ran, from the trace that the debugger module writes into the log.

Source: the module's documentation (``cfgtrace``). A line for each action that is executed, such as
``request_route=[RATING_POST] c=[/etc/kamailio/rating.cfg] l=401 a=25 n=http_async_query``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from rating_harness.evidence.model import LogLine

__all__ = ["TRACING", "without_trace"]

TRACING = """loadmodule "debugger.so"
modparam("debugger", "cfgtrace", 1)
# Errors are logged whatever the level.
modparam("debugger", "log_level", -1)
modparam("debugger", "log_prefix", "executed:")
"""
"""What a configuration begins with to be traced."""

_EXECUTED = re.compile(r"executed:(?:\S+ )?\w+=\[(?P<route>[^\]]*)\] c=\[[^\]]*\] l=\d+ ")


def without_trace(lines: Iterable[LogLine]) -> tuple[tuple[LogLine, ...], Mapping[str, int]]:
    """The lines that aren't of the trace, and how many actions ran of each route, by its name."""
    said: list[LogLine] = []
    routes: Counter[str] = Counter()
    for line in lines:
        match = _EXECUTED.search(line.text)
        if match:
            routes[match["route"]] += 1
        else:
            said.append(line)
    return tuple(said), dict(routes)
