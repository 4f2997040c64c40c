"""The documentation's commands that make calls are run, in a lab, as they stand there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from rating_harness.cli.main import main
from tests.documentation import CHECKOUT, PAGES, commands_of, words_of

pytestmark = pytest.mark.lab

TOO_MANY = {
    "run scenarios": "make test-kamailio runs them all; what -k and --tag choose: tests/unit/session",
    "run suite": "tests/lab/test_canyan.py",
    "run FILE --generators": "on a swarm of Docker engines: tests/swarm",
    "run FILE --lab docker --generators": "the same",
    "run file.yaml": "canyan-tester's way, against what runs already: tests/lab/test_canyan_bare.py",
}
"""How commands begin that would run more than one file, or need a system of the reader's own, and who runs them."""

COMMANDS = {
    " ".join(words[1:]): words[1:]
    for page in PAGES
    for words in (words_of(command.text) for command in commands_of(page) if "[-" not in command.text)
    if words[0] == "rating-harness" and len(words) > 2 and words[1] in ("run", "call", "record")
}


def is_run(text: str) -> bool:
    return not any(f"{text} ".startswith(f"{each} ") or text.startswith(f"{each}/*") for each in TOO_MANY)


@pytest.mark.parametrize("words", [words for text, words in COMMANDS.items() if is_run(text)], ids=" ".join)
def test_a_command_does_what_its_page_says(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(CHECKOUT / "scenarios", tmp_path / "scenarios")
    shutil.copy(CHECKOUT / "scenarios/dialog/balance-runs-out.yaml", tmp_path / "scenarios")
    given = ["scenarios/balance-runs-out.yaml" if word == "FILE" else word for word in words]
    for name in ("scenarios/mine.yaml", "scenarios/first.yaml"):  # which the pages' readers have made with 'new'
        made = CliRunner().invoke(main, ["new", name, "--from", "1000", "--to", "39040123456"])
        assert made.exit_code == 0, made.output
    result = CliRunner().invoke(main, [*given, "--lab", "local", "--persistent-lab", "no"])
    assert result.exit_code == 0, result.output


def test_commands_are_found_and_none_is_listed_that_is_gone() -> None:
    assert sum(map(is_run, COMMANDS)) >= 4
    assert [each for each in TOO_MANY if not any(text.startswith(each) for text in COMMANDS)] == []
