"""Probes: where they are put, and that they change nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rating_harness.coverage.points import Instrumented, Probe, hits_of, instrument
from rating_harness.coverage.probe_log import without_probes
from rating_harness.kamailio_config.tree import Block, CallStatement, If, Route, Switch, While
from tests.unit.kamailio_config.builders import configuration, shape
from tests.unit.kamailio_config.test_round_trip import statements


def instrumented(body: str, defines: dict[str, str | None] | None = None) -> Instrumented:
    return instrument(configuration("request_route {\n" + body + "\n}\n", defines))


def text(body: str, defines: dict[str, str | None] | None = None) -> str:
    """The body with probes, which are written ``<number>`` here."""
    found = instrumented(body, defines).texts["kamailio.cfg"]
    for number in range(100):
        found = found.replace(f'log(0, "~ran {number}~\\n"); ', f"<{number}>")
    return found.removeprefix("request_route {\n").removesuffix("\n}\n")


@pytest.mark.parametrize(
    ("body", "with_probes"),
    [
        ("a();\nb();", "<0>a();\n<1>b();"),
        ("$var(x) = 1;\n$var(y) = $var(x) + 1;\nb();", "<0>$var(x) = 1;\n$var(y) = $var(x) + 1;\nb();"),
        ("$var(x) = f();\nb();", "<0>$var(x) = f();\n<1>b();"),
        ("if (a()) { b(); }", "<0>if (a()) { <1>b(); } else { <2>}"),
        ("if (a()) b();", "<0>if (a()) { <1>b(); } else { <2>}"),
        ("if (a()) b(); else c();", "<0>if (a()) { <1>b(); } else { <2>c(); }"),
        ("if (a()) if (b()) c();", "<0>if (a()) { <1>if (b()) { <2>c(); } else { <3>} } else { <4>}"),
        (
            "if (a()) if (b()) c(); else d();",
            "<0>if (a()) { <1>if (b()) { <2>c(); } else { <3>d(); } } else { <4>}",
        ),
        ("if (a()) ;", "<0>if (a()) { <1>; } else { <2>}"),
        ("while (a()) b();c();", "<0>while (a()) { <1>b(); } <2><3>c();"),
        ("while (a()) break;c();", "<0>while (a()) { <1>break; }<2>c();"),
        ("if (a()) while (b()) c();", "<0>if (a()) { <1>while (b()) { <2>c(); } } else { <3>}"),
        ("switch ($x) { case 1: a(); break; }", "<0>switch ($x) { case 1: <1>a(); <2>break; default: <3>}"),
        (
            "switch ($x) { case 1: case 2: a(); default: b(); }",
            "<0>switch ($x) { case 1: <1> case 2: <2>a(); <3> default: <4>b(); }",
        ),
        ("ALL c();", "<0>ALL <1>c();"),
        ("a(ONE);", "<0>a(ONE);"),
    ],
)
def test_where_probes_are(body: str, with_probes: str) -> None:
    assert text(body, {"ALL": "a(); b();", "ONE": "1"}) == with_probes


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("ALL c();", "it comes out of a define together with the one before"),
        ("if (a()) ALL c();", "it comes out of a define, without braces around it"),
        ("switch ($x) { case 1: a(); }", "no case fits: the last case doesn't end with a break"),
        ("switch ($x) { case 1: a(); default: }", "a case without statements at the end that another one falls into"),
    ],
)
def test_what_cannot_be_measured_is_said(body: str, reason: str) -> None:
    assert reason in [why for _, why in instrumented(body, {"ALL": "a(); b();"}).unmeasured]


def test_a_log_level_that_would_hide_the_probes() -> None:
    found = instrument(configuration("debug=-3\nlog_stderror=no\nroute { a(); }\n"))
    assert found.texts["kamailio.cfg"].startswith("debug=0 #-3\nlog_stderror=no\n")


def test_what_a_false_condition_leaves_out_has_no_probes() -> None:
    found = instrument(configuration("route {\n#!ifdef A\n\ta();\n#!else\n\tb();\n#!endif\n}\n"))
    assert [(line.line, line.route) for line in found.lines] == [(5, "route")]


LOG = """\
 3(71) WARNING: {a@b} <script>: ~ran 1~
 3(71) ERROR: {a@b} <script>: ~ran 2 in vain
 9(77) WARNING: <script>: ~ran 0~
 3(71) WARNING: {a@b} <script>: ~ran 1~
"""


def test_what_the_log_says() -> None:
    probes = [Probe("a.cfg", 1, 2, "s"), Probe("a.cfg", 3, 4, "f")]
    assert hits_of(LOG, probes) == {probes[0]: 1, probes[1]: 2}
    assert without_probes(LOG) == " 3(71) ERROR: {a@b} <script>: ~ran 2 in vain\n"
    assert Probe.of(str(probes[0])) == probes[0]


@given(st.lists(statements, min_size=1, max_size=4))
def test_probes_and_braces_are_all_that_is_added(written: list[str]) -> None:
    tree = configuration("route[X] {\n" + "\n".join(written) + "\n}\n")
    found = instrument(tree)
    after = found.texts["kamailio.cfg"]
    assert after.count("\n") == tree.sources["kamailio.cfg"].text.count("\n")
    again = configuration(after)
    assert bare(again.routes[0]) == bare(tree.routes[0])
    assert len({(line.line, line.column) for line in found.lines}) == len(found.lines)


def bare(route: Route) -> Any:
    """The shape of a route without probes and without braces around single statements."""
    return [_bare(statement) for statement in route.body.statements if not _is_probe(statement)]


def _is_probe(statement: Any) -> bool:
    return isinstance(statement, CallStatement) and statement.call.function.text == "log"


def _body(body: Any) -> Any:
    inner = body.statements if isinstance(body, Block) else () if body is None else (body,)
    return [_bare(each) for each in inner if not _is_probe(each)]


def _bare(statement: Any) -> Any:
    if isinstance(statement, If):
        return ("if", shape(statement.condition), _body(statement.then), _body(statement.otherwise))
    if isinstance(statement, While):
        return ("while", shape(statement.condition), _body(statement.body))
    if isinstance(statement, Switch):
        cases = [(shape(case.label), _body(Block(case.span, case.statements))) for case in statement.cases]
        return ("switch", shape(statement.value), [case for case in cases if case[0] is not None or case[1]])
    return shape(statement)
