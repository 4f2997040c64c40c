"""What isn't YAML is told in words of our own, where it is, with what to do; never in those of the parser."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating_harness.errors import ScenarioError
from rating_harness.scenario.loader import load

SCENARIO = 'scenario: s\ncalls:\n  - {id: ana, from: "1000", to: "39"}\n'


def told(tmp_path: Path, text: str) -> tuple[int, int, str, str]:
    path = tmp_path / "it.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ScenarioError) as caught:
        load(path)
    mistake = caught.value.mistakes[0]
    assert mistake.excerpt
    return mistake.where.line, mistake.where.column, mistake.message, mistake.hint


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("k: [", 4, "this bracket is never closed"),
        ("k: {", 4, "this bracket is never closed"),
        ("k: [a, {b: ", 8, "this bracket is never closed"),
        ("k: - a", 4, "an item ('- ') can't begin here"),
        ("k: [- a]", 5, "an item ('- ') can't begin here"),
        ("k: [a, , b]", 8, "a ',' and nothing before it"),
        ("k: {a: 1,, b: 2}", 10, "a ',' and nothing before it"),
        ("k: ]", 4, "a ']' where a value should be"),
        ("k: }", 4, "a '}' where a value should be"),
        ("k: [: a]", 5, "a ':' where a value should be"),
        ("k: ? a", 4, "'? ' begins a key, and none can be here"),
        ('k: "\\x"', 7, "in double quotes a backslash begins an escape, and this one takes 2 hexadecimal digits"),
        ('k: "a\n--- b"', 4, "a quote is opened and not closed before '---' or '...'"),
        ("k: | x", 6, "after '|' or '>' the text begins on the next line"),
        ("k: >0\n  x", 5, "after '|' or '>' the text begins on the next line"),
        ("k: !<x y", 7, "'!' begins a tag, and this is none"),
        ("k: !a!b c", 4, "'!' begins a tag, and this is none"),
        ("k: !%zz d", 6, "'!' begins a tag, and this is none"),
    ],
)
def test_a_line_that_cant_be_read(tmp_path: Path, line: str, column: int, message: str) -> None:
    at, where, said, hint = told(tmp_path, f"{SCENARIO}{line}\n")
    assert (at, where, said) == (4, column, message)
    assert hint


@pytest.mark.parametrize("directive", ["%YAML x", "%YAML 2.0", "%YAML 1.1\n%YAML 1.1", "%TAG x", "%"])
def test_a_directive_that_cant_be_read(tmp_path: Path, directive: str) -> None:
    _, _, message, hint = told(tmp_path, f"{directive}\n---\n{SCENARIO}")
    assert message.startswith("a line that begins with '%'")
    assert hint == "delete it; a text that begins with '%' goes in quotes"


def test_a_percent_sign_before_the_first_key(tmp_path: Path) -> None:
    assert told(tmp_path, f"%FOO\n{SCENARIO}")[2].startswith("a line that begins with '%'")


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("{{ account }}", 'a variable is written "${account}"; a text with [ ] or { } goes in quotes'),
        ("{{account}}", 'a variable is written "${account}"; a text with [ ] or { } goes in quotes'),
        ("{{a: b}: c}", "a text with [ ] or { } goes in quotes"),
        ("{[a]: b}", "a text with [ ] or { } goes in quotes"),
        ("{{}: b}", "a text with [ ] or { } goes in quotes"),
    ],
)
def test_a_variable_as_other_programs_write_it(tmp_path: Path, value: str, hint: str) -> None:
    path = tmp_path / "it.yaml"
    path.write_text(SCENARIO.replace('"1000"', value), "utf-8")
    with pytest.raises(ScenarioError) as caught:
        load(path)
    assert hint in [mistake.hint for mistake in caught.value.mistakes]


@pytest.mark.parametrize(
    "head",
    ['scenario: "A call"\t', "scenario: A call\t# which", "scenario:\tA call", "scenario: A call\n\t# which\n\t"],
)
def test_a_tab_that_means_a_blank_is_one(tmp_path: Path, head: str) -> None:
    (tmp_path / "it.yaml").write_text(f"{head}\ncalls: [{{id: ana,\tfrom: '1000'\t, to: \"39\"\t}}]\t", "utf-8")
    (scenario,) = load(tmp_path / "it.yaml")
    assert (scenario.scenario, scenario.calls[0].from_) == ("A call", "1000")


@pytest.mark.parametrize(
    "text", ["calls:\n\t- id: ana", "a: b\tc", "k:\n  -\ta: 1", "a: [1\t, 2]", "calls:\n  \tid: ana"]
)
def test_a_tab_that_indents_or_stands_in_a_text_is_none(tmp_path: Path, text: str) -> None:
    assert told(tmp_path, f"{SCENARIO}{text}\n")[2] == "a tab: YAML is indented with spaces"
