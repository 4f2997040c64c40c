"""libyaml reads what PyYAML's own reader reads, to the same places; what it refuses, that one explains."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating_harness.scenario import yaml_parser
from rating_harness.scenario.diagnostics import Mistakes
from rating_harness.scenario.nodes import Node
from rating_harness.scenario.yaml_errors import DEEPEST

CHECKOUT = Path(__file__).parents[3]
FILES = sorted(
    path for folder in ("scenarios", "tests/unit/scenario", "compose") for path in (CHECKOUT / folder).rglob("*.yaml")
)


def read(text: str) -> tuple[Node | None, list[str]]:
    mistakes = Mistakes()
    root = yaml_parser.read(text, "x.yaml", mistakes)
    return root, [str(each) for each in mistakes._found.values()]


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    yaml_parser._composed.cache_clear()


def test_both_read_every_file_to_the_same_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    assert yaml_parser._QuickLoader is not None
    texts = {path: path.read_text("utf-8", "replace") for path in FILES}
    assert len(texts) > 200
    quick = {path: read(text) for path, text in texts.items()}
    monkeypatch.setattr(yaml_parser, "_QuickLoader", None)
    yaml_parser._composed.cache_clear()
    assert [path.name for path, text in texts.items() if read(text) != quick[path]] == []


@pytest.mark.parametrize("text", ["[" * 2_000, "- " * 2_000 + "a", "-\t" * 2_000 + "a", "? " * 2_000 + "a"])
def test_what_nests_too_deeply_for_libyaml_is_a_mistake(text: str) -> None:
    root, mistakes = read(text)
    assert root is None
    assert len(mistakes) == 1


def test_what_nests_one_level_too_deeply_is_a_mistake_and_the_level_before_it_none() -> None:
    fits, exceeds = ("".join(f"{' ' * level}k:\n" for level in range(count)) for count in (DEEPEST - 1, DEEPEST))
    assert read(fits)[1] == []
    assert "levels of nesting" in read(exceeds)[1][0]


@pytest.mark.parametrize("text", ["k:\n  - {id: , from: a}\n", "{a: ? b}\n", "{share? ? : 30%}\n", "[a? : 1, b: ]\n"])
def test_what_they_read_otherwise_is_read_by_one(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(text)
    monkeypatch.setattr(yaml_parser, "_QuickLoader", None)
    yaml_parser._composed.cache_clear()
    assert read(text) == found
