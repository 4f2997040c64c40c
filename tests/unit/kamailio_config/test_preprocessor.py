"""Includes, defines, conditions and substitutions, as Kamailio's scanner carries them out."""

from __future__ import annotations

import pytest

from rating_harness.errors import ConfigurationError, Location
from rating_harness.kamailio_config.preprocessor import version_defines
from rating_harness.kamailio_config.tree import Assignment, CallStatement, String, walk
from tests.unit.kamailio_config.builders import body, configuration

Files = dict[str, str] | None


def names(text: str, defines: dict[str, str | None] | None = None, files: Files = None) -> list[str]:
    """The settings that are in force."""
    return [setting.name.text for setting in configuration(text, defines, files).settings]


def strings(text: str, defines: dict[str, str | None] | None = None, files: Files = None) -> list[str]:
    tree = configuration(text, defines, files)
    return [node.value for node in walk(tree) if isinstance(node, String)]


# --- conditions -----------------------------------------------------------------------------------------------------


def test_ifdef_and_else() -> None:
    text = "#!ifdef A\na=1\n#!else\nb=1\n#!endif\nc=1\n"
    assert names(text) == ["b", "c"]
    assert names(text, {"A": None}) == ["a", "c"]
    assert names(text.replace("ifdef", "ifndef")) == ["a", "c"]


def test_conditions_in_conditions() -> None:
    text = "#!ifdef A\n#!ifdef B\nab=1\n#!else\na=1\n#!endif\n#!else\nnone=1\n#!endif\n"
    assert names(text) == ["none"]
    assert names(text, {"A": None}) == ["a"]
    assert names(text, {"A": None, "B": None}) == ["ab"]
    assert names(text, {"B": None}) == ["none"]


def test_the_lines_that_are_left_out() -> None:
    text = "a=1\n#!ifdef A\nb=1\n# a comment\n#!ifdef B\nc=1\n#!endif\n#!else\nd=1\n#!endif\ne=1\n"
    tree = configuration(text)
    assert tree.inactive["kamailio.cfg"] == {3, 4, 5, 6, 7}
    assert tree.active("kamailio.cfg") == {1, 2, 8, 9, 10, 11}
    assert configuration(text, {"A": None}).inactive["kamailio.cfg"] == {6, 9}


def test_a_directive_counts_in_what_is_left_out_even_in_a_comment() -> None:
    assert names("#!ifdef A\n# see #!ifdef B\na=1\n#!endif\n#!endif\nc=1\n") == ["c"]


def test_a_condition_may_begin_in_a_file_and_end_in_another() -> None:
    assert names('include_file "one.cfg"\nb=1\n#!endif\nc=1\n', None, {"one.cfg": "a=1\n#!ifdef X\nx=1\n"}) == [
        "a",
        "c",
    ]


def test_ifexp() -> None:
    text = '#!ifexp MODE == "fast"\na=1\n#!endif\n'
    assert names(text, {"MODE": '"fast"'}) == ["a"]
    assert names(text, {"MODE": '"slow"'}) == []


def test_a_module_that_is_loaded_is_defined() -> None:
    assert names('loadmodule "dir/tm.so"\n#!ifdef MOD_tm\na=1\n#!endif\n') == ["a"]
    assert names('loadmodule("sl", "g")\n#!ifdef MOD_sl\na=1\n#!endif\n') == ["a"]


def test_the_version_is_defined() -> None:
    text = "#!ifdef KAMAILIO_6_1\na=1\n#!endif\n#!ifdef KAMAILIO_6\nb=1\n#!endif\n"
    assert names(text, version_defines("6.0.1")) == ["b"]
    assert names(text, version_defines("6.1.5")) == ["a", "b"]
    assert version_defines("6.1.5")["KAMAILIO_VERSION"] == "6001005"


@pytest.mark.parametrize("ending", ["", "#!endif", "#!endif # of A\n"])
def test_a_condition_without_its_end(ending: str) -> None:
    with pytest.raises(ConfigurationError, match="without its #!endif") as caught:
        configuration(f"a=1\n#!ifdef A\nb=1\n{ending}")
    assert caught.value.where == Location("kamailio.cfg", 2, 1)


def test_an_endif_too_many() -> None:
    with pytest.raises(ConfigurationError, match="there is no #!ifdef") as caught:
        configuration("a=1\n#!endif\nb=1\n")
    assert caught.value.where == Location("kamailio.cfg", 2, 1)
    assert names("a=1\n#!else\nb=1\n") == ["a", "b"], "of an else Kamailio warns, and goes on"


# --- defines --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("directive", ["define", "def", "trydef", "trydefine", "redef", "redefine"])
@pytest.mark.parametrize("start", ["#!", "!!"])
def test_a_define_stands_for_its_value(directive: str, start: str) -> None:
    (call,) = body("xlog(TEXT);", {"TEXT": '"hello"'})
    assert isinstance(call, CallStatement)
    assert strings(f'{start}{directive} TEXT "hello"\nrequest_route {{ xlog(TEXT); }}\n') == ["hello"]


def test_which_value_counts() -> None:
    assert strings('#!define A "1"\n#!trydef A "2"\nx=A\nmodparam("m", "n", A)\n')[-1] == "1"
    assert strings('#!define A "1"\n#!redef A "2"\nmodparam("m", "n", A)\n')[-1] == "2"
    assert strings('#!trydef A "1"\nmodparam("m", "n", A)\n', {"A": '"given"'})[-1] == "given"
    with pytest.raises(ConfigurationError, match="A is defined already"):
        configuration("#!define A 1\n#!define A 2\n")


def test_a_value_goes_on_behind_a_backslash() -> None:
    assert configuration("#!define A one \\\ntwo\nx=1\n").defines["A"] == "one two"


def test_a_define_in_a_define() -> None:
    assert strings('#!define B "deep"\n#!define A B\nmodparam("m", "n", A)\n')[-1] == "deep"


def test_a_define_that_stands_for_itself() -> None:
    with pytest.raises(ConfigurationError, match="stands for itself"):
        configuration("#!define A A\nx=A\n")


def test_a_value_may_hold_several_statements_or_none() -> None:
    assert len(body("STOP x();", {"STOP": "a(); b();"})) == 3
    assert len(body("NOTHING x();", {"NOTHING": None})) == 1


def test_what_comes_out_of_a_define_stands_where_the_define_is_used() -> None:
    tree = configuration("request_route {\n\tOFTEN x(1);\n\ty(VALUE);\n}\n", {"OFTEN": "a(2); b(3);", "VALUE": "4"})
    first, second, third, fourth = tree.routes[0].body.statements
    assert first.span.text(tree.sources) == "OFTEN"
    assert second.span.start == first.span.start
    assert first.span.expanded
    assert third.span.text(tree.sources) == "x(1);"
    assert not third.span.expanded
    assert fourth.span.text(tree.sources) == "y(VALUE);"
    assert fourth.span.expanded
    assert (fourth.span.start.line, fourth.span.start.column) == (3, 2)


def test_a_comment_in_a_value_takes_the_rest_of_the_line() -> None:
    assert strings('#!define A "x" # why\nmodparam("m", "n", A)\n)\n') == ["m", "n", "x"]


def test_defexp_and_defexps() -> None:
    text = '#!define DIR "/var"\n#!defexps FILE DIR + "/x"\n#!defexp N 2 * 3\nmodparam("m", FILE, N)\n'
    tree = configuration(text)
    assert tree.defines["FILE"] == '"/var/x"'
    assert tree.defines["N"] == "6"
    assert strings(text)[-1] == "/var/x"


def test_defines_from_the_environment() -> None:
    tree = configuration("#!defenv A=HOME\n#!defenvs B=HOME\n#!trydefenv C\n", environment={"HOME": "/root"})
    assert (tree.defines["A"], tree.defines["B"]) == ("/root", '"/root"')
    assert "C" not in tree.defines
    with pytest.raises(ConfigurationError, match="C isn't set"):
        configuration("#!defenv C\n")


def test_a_keyword_is_no_define() -> None:
    (statement,) = body("drop;", {"drop": "exit"})
    assert shown(statement) == "drop"


def shown(statement: object) -> str:
    return getattr(statement, "word", "")


def test_words_in_strings_are_no_defines() -> None:
    (call,) = body('xlog("A");', {"A": "b"})
    assert isinstance(call, CallStatement)
    (argument,) = call.call.arguments
    assert isinstance(argument, String)
    assert argument.value == "A"


# --- substitutions --------------------------------------------------------------------------------------------------


def test_subst_changes_strings_and_variables() -> None:
    text = "#!subst \"/alice/bob/\"\nrequest_route { xlog('alice alice'); $var(alice) = 1; }\n"
    tree = configuration(text)
    assert strings(text) == ["bob alice"]
    second = tree.routes[0].body.statements[1]
    assert isinstance(second, Assignment)
    assert getattr(second.target, "text", "") == "$var(bob)"


def test_substdef_defines_too() -> None:
    text = '#!substdef "!DBURL!mysql://x!g"\n#!substdefs "!HOSTS!a!g"\nmodparam("m", "DBURL DBURL", HOSTS)\n'
    assert strings(text) == ["m", "mysql://x mysql://x", "a"]
    assert configuration(text).defines == {"DBURL": "mysql://x", "HOSTS": '"a"'}


def test_a_substitution_that_is_none() -> None:
    with pytest.raises(ConfigurationError, match="no substitution"):
        configuration('#!subst "/only/"\n')


# --- includes -------------------------------------------------------------------------------------------------------


def test_an_include_stands_where_it_is_included() -> None:
    tree = configuration('a=1\ninclude_file "inc.cfg"\nc=1\n', None, {"inc.cfg": "b=1\n"})
    assert [(each.span.file, each.span.start.line) for each in tree.settings] == [
        ("kamailio.cfg", 1),
        ("inc.cfg", 1),
        ("kamailio.cfg", 3),
    ]
    assert names('a=1\n#!include_file "inc.cfg"\nc=1\n', None, {"inc.cfg": "b=1"}) == ["a", "b", "c"]


def test_an_import_may_be_missing() -> None:
    tree = configuration('import_file "gone.cfg"\nimport_file "inc.cfg"\n', None, {"inc.cfg": "b=1\n"})
    assert [each.name.text for each in tree.settings] == ["b"]
    assert [(each.name, each.result) for each in tree.directives] == [("gone.cfg", False), ("inc.cfg", True)]
    with pytest.raises(ConfigurationError, match=r"there is no file gone\.cfg") as caught:
        configuration('a=1\ninclude_file "gone.cfg"\n')
    assert caught.value.where == Location("kamailio.cfg", 2, 1)


def test_an_include_in_a_route() -> None:
    tree = configuration(
        'request_route {\n\ta();\ninclude_file "inc.cfg"\n\tc();\n}\n', None, {"inc.cfg": "\tb();\n"}
    )
    first, second, third = tree.routes[0].body.statements
    assert (first.span.file, second.span.file, third.span.file) == ("kamailio.cfg", "inc.cfg", "kamailio.cfg")
    assert not second.span.expanded
    assert tree.routes[0].span.expanded


def test_a_file_that_includes_itself() -> None:
    with pytest.raises(ConfigurationError, match="too many includes"):
        configuration('include_file "kamailio.cfg"\n')


def test_the_name_of_an_include_wants_double_quotes() -> None:
    with pytest.raises(ConfigurationError, match="no name of a file"):
        configuration("include_file 'inc.cfg'\n", None, {"inc.cfg": ""})


# --- strings, comments, variables -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"a\tb\n"', "a\tb\n"),
        (r'"say \"x\" \\"', 'say "x" \\'),
        (r'"\x41\101"', "AA"),
        (r'"\.\d"', r"\.\d"),
        (r"'a\tb'", r"a\tb"),
        ('"one"  "two"\n\t"three"', "onetwothree"),
        ('"over\ntwo lines"', "over\ntwo lines"),
        ('"in # it"', "in # it"),
        ('"in /* it"', "in /* it"),
    ],
)
def test_strings(text: str, value: str) -> None:
    (call,) = body(f"xlog({text});")
    assert isinstance(call, CallStatement)
    (argument,) = call.call.arguments
    assert isinstance(argument, String)
    assert argument.value == value


@pytest.mark.parametrize(
    "comment", ["# x() {", "// x() {", "/* x() { */", "/* /* nested */ { */", "#!defined X", "##!ifdef X"]
)
def test_comments(comment: str) -> None:
    assert len(body(f"a(); {comment}\nb();")) == 2


@pytest.mark.parametrize("text", ['xlog("a', "xlog('a", "$(var(a"])
def test_what_has_no_end(text: str) -> None:
    with pytest.raises(ConfigurationError, match="without its"):
        body(text)


@pytest.mark.parametrize(
    "variable",
    ["$ru", "$var(x)", "$(var(x){s.len})", "$sht(a=>$ci)", "$(hdr(X)[-1])", "$?", "$rc", "$retcode", "$avp(i:1)"],
)
def test_variables(variable: str) -> None:
    (assignment,) = body(f"$var(a) = {variable};")
    assert isinstance(assignment, Assignment)
    assert getattr(assignment.value, "text", "") == variable


def test_a_comment_without_its_end_takes_the_rest() -> None:
    assert names("a=1\n/* /* */\nb=1\n") == ["a"]


@pytest.mark.parametrize("mode", ["", "#!MAXCOMPAT\n"])
def test_attributes_of_ser_where_the_file_says_nothing_else(mode: str) -> None:
    tree = configuration(mode + "route { $t.a = $foo[1]; $var(a) = $rU; }\n")
    first, second = tree.routes[0].body.statements
    assert isinstance(first, Assignment)
    assert isinstance(second, Assignment)
    assert getattr(first.target, "text", "") == "$t.a"
    assert getattr(first.value, "text", "") == "$foo[1]"
    assert getattr(second.value, "text", "") == "$rU"
    with pytest.raises(ConfigurationError):
        configuration("#!KAMAILIO\nroute { $t.a = 1; }\n")


def test_attributes_where_the_file_is_written_for_ser() -> None:
    tree = configuration("#!SER\nroute { $f.name = $foo; $u[1] = @to.uri.user; }\n")
    first, second = tree.routes[0].body.statements
    assert isinstance(first, Assignment)
    assert isinstance(second, Assignment)
    assert getattr(first.target, "text", "") == "$f.name"
