"""The kinds of changes, each on a text of which all its mutants are written down."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rating_harness.kamailio_config.parser import load
from rating_harness.lab.files import data_directory
from rating_harness.mutation.mutants import START, Mutant, applied, as_diff
from rating_harness.mutation.operators import OPERATORS, mutants_of
from tests.unit.kamailio_config.builders import configuration
from tests.unit.kamailio_config.test_round_trip import statements

HEAD, TAIL = "route[X] {\n", "\n}\n"


def bodies(body: str, operator: str, around: str = "") -> list[str]:
    """What the operator makes of a route's body."""
    tree = configuration(HEAD + body + TAIL + around)
    made = [each for each in mutants_of(tree) if each.operator == operator and each.route == "route[X]"]
    texts = [applied(each, tree.sources)["kamailio.cfg"] for each in made]
    return [text.removeprefix(HEAD).removesuffix(TAIL + around) for text in texts]


def starts(text: str, operator: str, defines: dict[str, str | None] | None = None) -> list[str]:
    tree = configuration(text, defines)
    made = [each for each in mutants_of(tree) if each.operator == operator and each.route == START]
    return [applied(each, tree.sources)["kamailio.cfg"] for each in made]


@pytest.mark.parametrize(
    ("operator", "body", "expected"),
    [
        ("drop-statement", "a(); $x = 1;", ["; $x = 1;", "a(); ;"]),
        ("drop-cleanup", "$x = $null;", [";"]),
        ("drop-exit", "exit; a();", ["; a();"]),
        ("drop-exit", "return -1; a();", ["; a();"]),
        ("drop-block", "if (a()) b();", [";"]),
        ("drop-block", "while (a()) b();", [";"]),
        ("drop-else", "if (a()) b(); else c();", ["if (a()) b();"]),
        ("drop-case", "switch ($x) { case 1: a(); b(); case 2: }", ["switch ($x) { case 1: break; case 2: }"]),
        ("drop-lock", 'sht_lock("a"); b(); sht_unlock("a");', ["; b(); ;"]),
        ("drop-lock", 'lock("a"); b(); unlock("c");', []),
        ("drop-operand", "if ($a && $b) c();", ["if (($a)) c();", "if (($b)) c();"]),
        ("negate", "if ($a == 1) b();", ["if (!($a == 1)) b();"]),
        ("negate", "if (!a()) b();", ["if ((a())) b();"]),
        ("always", "if (a()) b();", ["if (1) b();"]),
        ("always", "if (a()) b(); else c();", ["if (1) b(); else c();", "if (0) b(); else c();"]),
        ("swap-logic", "if ($a || $b) c();", ["if ($a && $b) c();"]),
        ("swap-comparison", "if ($a < 3) c();", ["if ($a <= 3) c();", "if ($a > 3) c();"]),
        ("swap-arithmetic", "$x = $a + 1;", ["$x = $a - 1;"]),
        ("swap-arithmetic", '$x = "a" + $b;', []),
        ("swap-statements", "a();\n\tb();\n\tc();", ["b();\n\ta();\n\tc();", "a();\n\tc();\n\tb();"]),
        ("swap-variable", "a($fU);", ["a($tU);"]),
        ("swap-variable", "$var(a) = $var(b);", ["$var(b) = $var(b);", "$var(a) = $var(a);"]),
        ("swap-jump", "drop;", ["exit;"]),
        ("swap-comparison", "if ($a == 3) c();", []),
        ("swap-comparison", "if ($a == 3 && $b) c();", ["if ($a != 3 && $b) c();"]),
        ("repeat", "t_relay();", ["t_relay(); t_relay();"]),
        ("number", "$x = 3;", ["$x = 4;", "$x = 2;", "$x = 0;"]),
        ("number", "$x = 0;", ["$x = 1;", "$x = -1;"]),
        ("number", 'usleep("1000");', ['usleep("1001");', 'usleep("999");', 'usleep("0");']),
        ("code", 'send_reply("403", "No");', ['send_reply("404", "No");', 'send_reply("500", "No");']),
        ("phrase", 'send_reply("403", "No");', ['send_reply("403", "Other");']),
        ("log-level", 'xlog("L_WARN", "x $ci\\n");', ['xlog("L_DBG", "x $ci\\n");']),
        ("log-text", 'xlog("L_WARN", "a $ci\\n");', ['xlog("L_WARN", "a ?\\n");', 'xlog("L_WARN", "x\\n");']),
        ("text", '$x = "path";', ['$x = "";']),
        ("key", 'f("/v1/begin");', ['f("/v1/beginx");']),
        ("key", 'f("$var(name)");', []),
        ("flag", "f(yes);", ["f(no);"]),
    ],
)  # fmt: skip
def test_what_an_operator_makes(operator: str, body: str, expected: list[str]) -> None:
    assert bodies(body, operator) == expected


@pytest.mark.parametrize(
    ("body", "operator", "expected"),
    [
        ("if ($x > 30) $x = 30;", "number", ["if ($x > 31) $x = 30;", "if ($x > 0) $x = 30;"]),
        ("if ($x < 5) { $x = 5; }", "number", ["if ($x < 4) { $x = 5; }", "if ($x < 0) { $x = 5; }"]),
        (
            "if ($x > 30) $x = 29;",
            "number",
            ["if ($x > 31) $x = 29;", "if ($x > 29) $x = 29;", "if ($x > 0) $x = 29;"],
        ),
        (
            "if ($x > 30) $y = 30;",
            "number",
            ["if ($x > 31) $y = 30;", "if ($x > 29) $y = 30;", "if ($x > 0) $y = 30;"],
        ),
        ("if ($x > $y) $x = $y;", "swap-comparison", ["if ($x < $y) $x = $y;"]),
        ("if ($x > $y) $x = $z;", "swap-comparison", ["if ($x >= $y) $x = $z;", "if ($x < $y) $x = $z;"]),
    ],
)
def test_at_its_bound_a_clamp_is_the_same_either_way(body: str, operator: str, expected: list[str]) -> None:
    made = [each for each in bodies(body, operator) if each.partition(")")[0] != body.partition(")")[0]]
    assert sorted(made) == sorted(expected)


def test_regular_expressions() -> None:
    assert bodies('if ($ua =~ "^(a|b)$") c();', "regex") == [
        'if ($ua =~ "(a|b)$") c();',
        'if ($ua =~ "^(a|b)") c();',
        'if ($ua =~ "^(b)$") c();',
        'if ($ua =~ "^(a)$") c();',
        'if ($ua =~ ".*") c();',
    ]
    assert bodies('t_check_status("408|5..");', "regex") == [
        't_check_status("5..");',
        't_check_status("408");',
        't_check_status(".*");',
    ]


def test_states() -> None:
    around = 'route[Y] { if ($sht(s=>$ci) == "b") x(); $sht(s=>$ci) = "c"; }\n'
    assert bodies('$sht(s=>$var(x)) = "a";', "swap-state", around) == [
        '$sht(s=>$var(x)) = "b";',
        '$sht(s=>$var(x)) = "c";',
    ]


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("$var(a) = 1; $var(b) = 2;", 0),
        ("$var(a) = 1; $var(b) = $var(a);", 1),
        ("$var(a) = $var(b); $var(b) = 2;", 1),
        ("$sht(t=>1) = 1; $sht(t=>2) = 2;", 1),
        ("$sht(t=>1) = 1; $sht(u=>2) = 2;", 0),
        ("$sht(t=>1) = 1; $sht(t_more=>1) = 2;", 0),
        ("$sht(t=>1) = 1; $shtex(t=>1) = 2;", 1),
        ("$var(a) = f(); $var(b) = 2;", 1),
        ("f(); $var(b) = 2;", 1),
        ('xlog("L_WARN", "x $var(a)\n"); $var(b) = 2;', 0),
        ('xlog("L_WARN", "x $var(a)\n"); $var(a) = 2;', 1),
        ('$var(a) = f(); xlog("L_WARN", "x\n");', 1),
        ('xlog("L_WARN", "x\n"); send_reply("403", "No");', 0),
        ('xlog("L_WARN", "x\n"); t_relay();', 1),
        ('t_on_reply("A"); t_on_failure("B");', 0),
        ('t_on_reply("A"); t_on_reply("B");', 1),
        ('jansson_get("a", $http_rb, "$vn(x)"); jansson_get("b", $http_rb, "$vn(y)");', 0),
        ('jansson_get("a", $http_rb, "$vn(x)"); jansson_get("b", $http_rb, "$vn(x)");', 1),
        ('jansson_get("a", $http_rb, "$vn(x)"); jansson_get("$vn(x)", $http_rb, "$vn(y)");', 1),
        ('jansson_get("a", $http_rb, "$vn(x)"); jansson_set("string", "b", "1", "$var(y)");', 1),
        ('sht_iterator_end("a"); sht_iterator_start("b", "t");', 0),
        ('sht_iterator_end("a"); sht_iterator_start("a", "t");', 1),
        ('sht_iterator_end("a"); $var(rows) = "";', 0),
        ('$var(was) = ""; sht_lock("t=>$ci");', 0),
        ('$var(was) = ""; sht_lock("t=>$var(was)");', 1),
        ('$var(was) = $sht(t=>$ci); sht_lock("t=>$ci");', 1),
        ('$sht(t=>$ci) = 1; sht_lock("t=>$ci");', 1),
        ('$http_req(suspend) = 0; sht_lock("lock");', 0),
        ('$var(was) = f(); sht_lock("t=>$ci");', 1),
    ],
)
def test_what_may_change_places_without_a_difference_is_left_where_it_is(body: str, count: int) -> None:
    assert len(bodies(body, "swap-statements")) == count


CALLED = "route { route(X); z(); }\n"
JUDGED = "route { if (route(X)) z(); }\n"
NAMED_LATER = 'route { route("$var(x)"); }\n'


@pytest.mark.parametrize(
    ("operator", "body", "around", "expected"),
    [
        ("drop-exit", "a(); exit;", "", []),
        ("drop-exit", "a(); exit;", CALLED, ["a(); ;"]),
        ("drop-exit", "a(); exit;", NAMED_LATER, ["a(); ;"]),
        ("drop-exit", "a(); return;", CALLED, []),
        ("drop-exit", "a(); return;", JUDGED, ["a(); ;"]),
        ("drop-exit", "if (a()) { exit; }", "", []),
        ("drop-exit", "if (a()) { exit; } b();", "", ["if (a()) { ; } b();"]),
        ("drop-exit", "if ($a) { exit; } b();", "", []),  # as without the if, which is dropped
        ("swap-jump", "exit;", "", []),
        ("swap-jump", "exit;", CALLED, ["return;"]),
        ("swap-jump", "return;", CALLED, ["exit;"]),
        ("swap-jump", "return;", JUDGED, ["exit;", "return -1;"]),
        ("swap-jump", "return 1;", JUDGED, ["exit 1;", "return -1;"]),
        ("swap-jump", "return 1;", CALLED + "route[Z] { $var(a) = $rc; }\n", ["exit 1;"]),
        ("swap-jump", "return 1;", "route { route(X); if ($rc > 0) z(); }\n", ["exit 1;", "return -1;"]),
        ("drop-statement", "if ($a) b();", "", []),
        ("drop-statement", "if (a()) b();", "", ["if (a()) ;"]),
        ("drop-statement", "if ($a) { b(); c(); }", "", ["if ($a) { ; c(); }", "if ($a) { b(); ; }"]),
    ],
)
def test_what_means_the_same_is_left_out(operator: str, body: str, around: str, expected: list[str]) -> None:
    assert bodies(body, operator, around) == expected


def test_tables() -> None:
    tables = 'modparam("htable", "htable", "one=>size=4;")\nmodparam("htable", "htable", "two=>size=4;")\n'
    assert bodies("$sht(one=>$ci) = 1;", "swap-variable", tables) == ["$sht(two=>$ci) = 1;"]


@pytest.mark.parametrize(
    ("operator", "text", "expected"),
    [
        ("number", "children=2\n", ["children=0\n", "children=20\n"]),
        ("number", "tcp_x=1\n", ["tcp_x=0\n"]),
        ("flag", "use_dns_cache=off\n", ["use_dns_cache=on\n"]),
        ("drop-setting", "children=2\n", ["\n"]),
        (
            "drop-setting",
            'modparam("htable", "htable", "a=>size=4;autoexpire=9;")\n',
            ["\n", 'modparam("htable", "htable", "a=>size=4;")\n'],
        ),
        ("number", "#!trydef N 5\n", ["#!trydef N 0\n", "#!trydef N 50\n"]),
        ("text", '#!define A "x|y"\n', ['#!define A "y"\n', '#!define A "x"\n']),
        ("ifdef", "#!ifdef A\nb=1\n#!endif\n", ["#!ifndef A\nb=1\n#!endif\n"]),
        ("ifdef", "#!ifexp 1 > 2\nb=1\n#!endif\n", ["#!ifexp 0\nb=1\n#!endif\n", "#!ifexp 1\nb=1\n#!endif\n"]),
    ],
)
def test_what_is_read_at_the_start(operator: str, text: str, expected: list[str]) -> None:
    assert starts(text, operator) == expected


def test_what_comes_out_of_a_define_is_not_changed_where_it_is_used() -> None:
    tree = configuration("route[X] { a(NUMBER); }\n", {"NUMBER": "3"})
    assert [each.operator for each in mutants_of(tree)] == []


def test_ids_stay_when_lines_move_and_are_unique() -> None:
    before = configuration("route[X] {\n\ta();\n\ta();\n\tif (b()) c();\n}\n")
    after = configuration("# one more\n\nroute[X] {\n\n\ta();\n\ta();\n\tif (b()) c();\n}\nroute[Y] { a(); }\n")
    ids = [mutant.id for mutant in mutants_of(before)]
    assert len(set(ids)) == len(ids)
    assert set(ids) <= {mutant.id for mutant in mutants_of(after)}


def test_several_sets_of_defines() -> None:
    text = "route[X] {\n#!ifdef A\n\ta();\n#!else\n\tb();\n#!endif\n}\n"
    both = mutants_of(configuration(text), configuration(text, {"A": None}))
    assert {mutant.line for mutant in both if mutant.operator == "drop-statement"} == {3, 5}
    assert len({mutant.id for mutant in both}) == len(both)


def test_a_diff() -> None:
    tree = configuration("route[X] {\n\ta();\n}\n")
    (mutant,) = [each for each in mutants_of(tree) if each.operator == "drop-statement"]
    assert as_diff(mutant, tree.sources, context=0).splitlines() == ["@@ -2 +2 @@", "-\ta();", "+\t;"]


def test_every_operator_is_described_and_used() -> None:
    made: tuple[Mutant, ...] = mutants_of(load(data_directory("kamailio")))
    assert {mutant.operator for mutant in made} <= set(OPERATORS)
    assert len(made) > 1000


@settings(max_examples=30)  # each has some dozens of mutants
@given(st.lists(statements, min_size=1, max_size=3))
def test_mutants_are_configurations_again(written: list[str]) -> None:
    tree = configuration("route[X] {\n" + "\n".join(written) + "\n}\n")
    for mutant in mutants_of(tree):
        text = applied(mutant, tree.sources)["kamailio.cfg"]
        assert text != tree.sources["kamailio.cfg"].text
        assert configuration(text).routes
