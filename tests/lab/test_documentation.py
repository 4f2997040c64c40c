"""The documentation's commands that make calls are run, in a lab, as they stand there."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from rating_harness.cli.main import main
from rating_harness.deadline import Deadline, await_condition
from tests.documentation import CHECKOUT, PAGES, commands_of, fragments_of, words_of

pytestmark = pytest.mark.lab

TOO_MANY = {
    "run scenarios": "make test-kamailio runs them all; what -k and --tag choose: tests/unit/session",
    "run suite": "tests/lab/test_canyan.py",
    "run FILE --generators": "on a swarm of Docker engines: tests/swarm",
    "run FILE --lab docker --generators": "the same",
    "run call.yaml": "test_an_engine_of_ones_own_from_nothing_to_green",
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


def test_an_engine_of_ones_own_from_nothing_to_green(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page, port = CHECKOUT / "docs/engines.md", free_port()
    for fragment in fragments_of(page):
        if match := re.match(r"# ([\w-]+\.(?:py|yaml))", fragment.text):
            (tmp_path / match[1]).write_text(fragment.text.replace("8080", str(port)), "utf-8")
    shutil.copytree(CHECKOUT / "kamailio", tmp_path / "kamailio")  # a copy: sed follows a link
    monkeypatch.chdir(tmp_path)
    (block,) = (each.text for each in fragments_of(page) if "python3 my-engine.py &" in each.text)
    *before, call = [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]
    script = "\n".join([*(line for line in before if not line.startswith("python3")), f"echo {call}"]).replace(
        "8080", str(port)
    )
    done = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=True)
    _, *words = done.stdout.split()
    with own_engine(tmp_path / "my-engine.py", port):
        result = CliRunner().invoke(main, [*words, "--lab", "local", "--persistent-lab", "no"])
    assert result.exit_code == 0, result.output
    shown = next(line for line in block.splitlines() if line.startswith("PASSED"))
    assert shown.partition("(")[0] in result.output
    engine = (tmp_path / "my-engine.py").read_text("utf-8")
    assert '"cost": seconds' in engine
    (tmp_path / "my-engine.py").write_text(engine.replace('"cost": seconds', '"cost": seconds * 2'), "utf-8")
    with own_engine(tmp_path / "my-engine.py", port):
        result = CliRunner().invoke(main, [*words, "--lab", "local", "--persistent-lab", "no"])
    assert result.exit_code == 1, result.output
    assert "call ana: its fee on account 1000" in result.output


@contextmanager
def own_engine(program: Path, port: int) -> Iterator[None]:
    """The engine of the page, at that port in place of the one that it names."""
    with subprocess.Popen([sys.executable, str(program)], stderr=subprocess.DEVNULL) as process:
        try:
            await_condition(lambda: is_open(port), Deadline(10), "the engine's port")
            yield
        finally:
            process.terminate()


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def is_open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_commands_are_found_and_none_is_listed_that_is_gone() -> None:
    assert sum(map(is_run, COMMANDS)) >= 4
    assert [each for each in TOO_MANY if not any(text.startswith(each) for text in COMMANDS)] == []
