"""No private dialect: words that meant something here alone name nothing any more, and no message has them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rating_harness.cli.main import main
from rating_harness.run.lab_options import LAB_OPTIONS

PACKAGE = Path(__file__).parents[2] / "harness" / "rating_harness"

WORDS = frozenset(
    [
        "crew",
        "keeping",
        "manners",
        "supply",
        "cable",
        "again",
        "telling",
        "told",
        "doors",
        "offices",
        "directors",
        "befall",
        "drawn",
        "midcall",
        "wording",
        "standing",
        "opening",
        "asked",
        "asking",
    ]
)

IN_THEIR_COMMON_MEANING = (
    "tried again",
    "sent again",
    "plugged in again",
    "log in again",
    "install rating-harness again",
    "connected again",
    "found again",
    "start it again",
    "RUN AGAIN",
)
"""Of messages: what is done once more."""


def words_of(name: str) -> set[str]:
    """Of ``snake_case``, ``CamelCase`` and prose alike."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def strays(path: Path) -> Iterator[tuple[str, str]]:
    """Names and messages of a module that have one of the words."""
    where = path.relative_to(PACKAGE).as_posix()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    exported = _exported(tree)
    if WORDS & words_of(where):
        yield where, path.stem
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and WORDS & words_of(node.name):
            yield where, node.name
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            text = node.value
            for phrase in IN_THEIR_COMMON_MEANING:
                text = text.replace(phrase, "")
            if text in exported:
                continue
            if WORDS & words_of(text):
                yield where, node.value


def _exported(tree: ast.Module) -> set[str]:
    """Names in ``__all__``, which are those of classes and functions."""
    return {
        element.value
        for node in tree.body
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)
        for element in getattr(node.value, "elts", ())
    }


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_name_and_no_message_has_one_of_the_words(path: Path) -> None:
    assert set(strays(path)) == set()


def test_no_option_has_one_of_the_words() -> None:
    options = [name for command in main.commands.values() for option in command.params for name in option.opts]
    texts = [
        option.help or ""
        for command in main.commands.values()
        for option in command.params
        if hasattr(option, "help")
    ]
    assert "--kamailio-config" in options
    assert [name for name in (*options, *texts, *LAB_OPTIONS, *main.commands) if WORDS & words_of(name)] == []


def test_a_stray_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.unit.test_words.PACKAGE", tmp_path)
    module = tmp_path / "crew.py"
    module.write_text(
        '"""A crew."""\n\nclass StandingLab:\n    """It was told."""\n\n    def put_again(self):\n'
        '        raise ValueError(f"it befell {self}, and was asked; it is tried again")\n'
    )
    assert sorted(strays(module)) == [
        ("crew.py", ", and was asked; it is tried again"),
        ("crew.py", "StandingLab"),
        ("crew.py", "crew"),
        ("crew.py", "put_again"),
    ]
