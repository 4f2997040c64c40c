"""CONTRIBUTING.md answers what a newcomer asks, and each answer is found by the grep that it names."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).parents[2]
PACKAGE = CHECKOUT / "harness" / "rating_harness"
TEXT = (CHECKOUT / "CONTRIBUTING.md").read_text()
ANSWERS = re.findall(r"^\| (.*\?) \| `(\w+)`(?: in `\w+/`)? \| (.*) \|$", TEXT, re.MULTILINE)


def files_named(text: str) -> list[Path]:
    """The files of the project that a text names in backticks."""
    names = re.findall(r"`([\w./-]+\.(?:py|yaml|cfg|md))`", text)
    roots = (PACKAGE, CHECKOUT)
    found = [next((root / name for root in roots if (root / name).is_file()), Path(name)) for name in names]
    assert [path for path in found if not path.is_file() and "NAME" not in path.name] == []
    return [path for path in found if path.is_file()]


def test_there_are_answers() -> None:
    assert len(ANSWERS) > 10


@pytest.mark.parametrize(("question", "word", "answer"), ANSWERS, ids=[question for question, _, _ in ANSWERS])
def test_an_answer_is_found_by_its_grep(question: str, word: str, answer: str) -> None:
    files = files_named(answer)
    assert files
    assert [path for path in files if word.lower() not in path.read_text().lower()] == []


def test_every_file_and_name_in_the_text_is_there() -> None:
    assert len(files_named(TEXT)) > 20
    for module, name in re.findall(r"`([\w/]+\.py)`: `(\w+)`", TEXT):
        assert f"def {name}" in (PACKAGE / module).read_text()
    checks = (PACKAGE / "checks" / "invariants.py").read_text()
    assert "def call_limits" in checks
    assert "INVARIANT_CHECKS" in checks


def test_changelog_fragments_are_of_a_known_kind() -> None:
    towncrier = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["towncrier"]
    kinds = {kind["directory"] for kind in towncrier["type"]}
    for path in (CHECKOUT / "changes").iterdir():
        if path.name != "README.md":
            assert re.fullmatch(rf"[a-z0-9-]+\.({'|'.join(kinds)})\.md", path.name), path.name
            assert len(path.read_text().strip().splitlines()) == 1
    assert towncrier["start_string"] in (CHECKOUT / "CHANGELOG.md").read_text()


def test_the_hooks_are_those_of_make_lint() -> None:
    hooks = yaml.safe_load((CHECKOUT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    lint = (CHECKOUT / "Makefile").read_text().partition("lint: setup")[2].partition(".PHONY")[0]
    for program in re.findall(r"\$\(BIN\)/([\w-]+)", lint):
        assert any(f"/{program}" in hook["entry"] for hook in hooks), program
