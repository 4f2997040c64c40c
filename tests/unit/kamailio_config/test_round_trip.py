"""Positions are right: what stands at a node's place means the node again, whatever the configuration."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rating_harness.kamailio_config.parser import load, parse_expression, parse_statement
from rating_harness.kamailio_config.tree import (
    Assignment,
    Attribute,
    Binary,
    Call,
    CallStatement,
    Configuration,
    Empty,
    If,
    Jump,
    Name,
    Number,
    Parenthesized,
    String,
    Switch,
    Unary,
    Variable,
    While,
    walk,
)
from rating_harness.lab.files import data_directory
from tests.unit.kamailio_config.builders import configuration, shape

STATEMENTS = (CallStatement, Jump, If, While, Switch, Empty)
EXPRESSIONS = (Number, String, Variable, Attribute, Name, Call, Unary, Binary, Parenthesized)

blanks = st.sampled_from([" ", "\n", "\t", " /* x */ ", " # x\n", "\n\t\t"])
names = st.sampled_from(["a", "t_relay", "f_1", "is_method", "INVITE", "myself"])
WORDS = ["1", "0x1F", "017", "yes", "$ru", "$var(x)", "$(var(x){s.len})", "$sht(t=>$ci)", "$?", "@to.uri", "method"]
STRINGS = ['"text"', "'it'", '"a" "b"', r'"\"x\\"', "10.0.0.1", "::1"]
OPERATORS = ["==", "!=", "=~", "<", ">", "<=", ">=", "&&", "and", "||", "or", "+", "-", "*", "/", "mod"]
OPERATORS += ["&", "|", "^", "<<", ">>", "eq", "ne", "ieq", "ine"]
PREFIXES = ["!", "not", "~", "-", "(int)", "(str)", "defined"]
atoms = st.sampled_from(WORDS + STRINGS)


def calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(lambda name, values: f"{name}({', '.join(values)})", names, st.lists(inner, max_size=3))


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operators = st.sampled_from(OPERATORS)
    return st.one_of(
        st.builds(lambda a, op, b, s: f"{a}{s}{op}{s}{b}", inner, operators, inner, blanks),
        st.builds(lambda op, a: f"{op} {a}", st.sampled_from(PREFIXES), inner),
        st.builds("({})".format, inner),
        calls(inner),
    )


expressions = st.recursive(atoms, larger, max_leaves=6)
simple = st.one_of(
    st.builds("{};".format, calls(expressions)),
    st.builds("$var(x){}={}{};".format, blanks, blanks, expressions),
    st.sampled_from(["exit;", "return;", "return -1;", "drop();", "break;", ";", "force_rport;"]),
)


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    blocks = st.builds(
        lambda each, s: "{" + s + s.join(each) + s + "}", st.lists(inner, min_size=1, max_size=3), blanks
    )
    bodies = st.one_of(inner, blocks)
    cases = st.builds(
        lambda label, each: f"case {label}: {' '.join(each)}",
        st.sampled_from(["1", '"a"']),
        st.lists(inner, max_size=2),
    )
    return st.one_of(
        st.builds("if ({}){}{}".format, expressions, blanks, bodies),
        st.builds("if ({}) {} else {}".format, expressions, blocks, bodies),
        st.builds("while ({}) {}".format, expressions, bodies),
        st.builds("switch ({}) {{ {} default: ; }}".format, expressions, st.lists(cases, max_size=2).map(" ".join)),
    )


statements = st.recursive(simple, compound, max_leaves=5)


def check(tree: Configuration) -> int:
    """Parse what stands at the place of each node; how many there were."""
    count = 0
    for node in walk(tree):
        if node.span.expanded:
            continue
        text = node.span.text(tree.sources)
        if isinstance(node, STATEMENTS) or (isinstance(node, Assignment) and text.endswith(";")):
            assert shape(parse_statement(text, tree.defines)) == shape(node), text
        elif isinstance(node, Call) and "(" not in text:
            continue  # a core function without its parentheses is a statement alone
        elif isinstance(node, EXPRESSIONS):
            assert shape(parse_expression(text, tree.defines)) == shape(node), text
        else:
            continue
        assert tree.sources[node.span.file].position(node.span.start.offset) == node.span.start
        count += 1
    return count


@given(st.lists(statements, min_size=1, max_size=4), blanks)
def test_the_text_at_a_nodes_place_is_the_node(written: list[str], blank: str) -> None:
    assert check(configuration("a=1\nroute[X]" + blank + "{\n" + blank.join(written) + "\n}\n")) > 0


@given(st.lists(statements, min_size=1, max_size=3), st.sampled_from(["", "f();", "1", "x(1); y(2);"]))
def test_defines_move_nothing_that_stands_behind_them(written: list[str], value: str) -> None:
    text = "route[X] {\n" + "\nDEF\n;".join(written) + "\n}\n"
    tree = configuration(text.replace("DEF", "" if value == "1" else "DEF"), {"DEF": value or None})
    check(tree)


@pytest.mark.parametrize("switches", [(), ("WITH_AUTH", "WITH_TLS", "WITH_DIALOG_DB")])
def test_the_projects_own_configuration(switches: tuple[str, ...]) -> None:
    assert check(load(data_directory("kamailio"), dict.fromkeys(switches))) > 1000
