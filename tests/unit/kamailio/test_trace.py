from __future__ import annotations

from rating_harness.evidence.model import LogLine
from rating_harness.kamailio.log import parse_log
from rating_harness.kamailio.trace import without_trace

_LOG = """\
 3(71) ERROR: {a@b} executed:dbg_cfg_trace(): request_route=[DEFAULT_ROUTE] c=[/etc/k.cfg] l=131 a=5 n=route
 3(71) ERROR: {a@b} executed:dbg_cfg_trace(): request_route=[SIPOUT] c=[/etc/kamailio/rating.cfg] l=7 a=16 n=if
 3(71) ERROR: {a@b} <script>: request_route=[MINE] is what a person wrote
 9(77) ERROR: executed:dbg_cfg_trace(): local_route=[dialog:end] c=[/etc/kamailio/rating.cfg] l=9 a=26 n=xlog
 9(77) ERROR: executed:dbg_cfg_trace(): local_route=[dialog:end] c=[/etc/kamailio/rating.cfg] l=10 a=26 n=route
"""


def test_the_trace_is_taken_out_of_the_log() -> None:
    lines, routes = without_trace(parse_log(_LOG))
    assert lines == (LogLine("kamailio", "{a@b} <script>: request_route=[MINE] is what a person wrote", "ERROR"),)
    assert routes == {"DEFAULT_ROUTE": 1, "SIPOUT": 1, "dialog:end": 2}
