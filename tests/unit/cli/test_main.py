"""The command's help and completion."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rating_harness.cli.main import COMMANDS, main

DOCS = Path(__file__).parents[3] / "docs"


def test_the_help_lists_each_command_once_below_what_it_is_for() -> None:
    output = CliRunner().invoke(main, ["--help"], terminal_width=120).output
    listed = re.findall(r"^  ([\w-]+)  +\S", output.partition("Begin:")[2], re.MULTILINE)
    assert sorted(listed) == sorted(main.commands)
    assert [title for title in COMMANDS if f"\n{title}:\n" not in output] == []


@pytest.mark.parametrize("name", sorted(main.commands))
def test_each_command_says_what_it_does_and_explains_each_option(name: str) -> None:
    command = main.commands[name]
    assert command.help
    assert CliRunner().invoke(main, [name, "-h"]).exit_code == 0
    options = [option for option in command.params if isinstance(option, click.Option)]
    unexplained = [option.opts for option in options if not option.help]
    assert unexplained == []


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_shells_that_the_manual_names_can_complete(shell: str) -> None:
    line = f"_RATING_HARNESS_COMPLETE={shell}_source rating-harness"
    assert line in (DOCS / "scenarios.md").read_text()
    result = CliRunner().invoke(main, prog_name="rating-harness", env={"_RATING_HARNESS_COMPLETE": f"{shell}_source"})
    assert result.exit_code == 0
    assert "rating-harness" in result.output


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["ru"], ["run"]),
        (["run", "--lab", ""], ["auto", "docker", "local"]),
        (["run", "--fa"], ["--failed", "--fast-timers"]),
    ],
)
def test_bash_completes_what_is_typed(words: list[str], completed: list[str]) -> None:
    line = 'eval "$(_RATING_HARNESS_COMPLETE=bash_source rating-harness)"'
    assert line in (DOCS / "scenarios.md").read_text()
    script = (
        f"{line}\n"
        'COMP_WORDS=(rating-harness "$@")\n'
        "COMP_CWORD=$#\n"
        "_rating_harness_completion rating-harness\n"
        "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ended = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", *words],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (sorted(ended.stdout.split()), ended.stderr) == (completed, "")


def test_values_are_completed() -> None:
    environment = {
        "_RATING_HARNESS_COMPLETE": "zsh_complete",
        "COMP_WORDS": "rating-harness run --lab ",
        "COMP_CWORD": "3",
    }
    result = CliRunner().invoke(main, prog_name="rating-harness", env=environment)
    assert "docker" in result.output


@pytest.mark.parametrize("stream", ["0<&-", "1>&-", "2>&-"])
def test_a_closed_stream_is_no_obstacle(stream: str) -> None:
    script = """\
import os, sys
from rating_harness.cli.main import main
main(["schema"], standalone_mode=False)
missing = [stream for stream in (sys.stdin, sys.stdout, sys.stderr) if stream is None]
sys.exit(f"{len(missing)} closed" if missing else min(map(os.fstat, range(3))) is None)
"""
    command = ["sh", "-c", f'exec "$0" -c "$1" {stream}', sys.executable, script]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["schema"]])
def test_a_full_disk_behind_what_is_printed_is_told_in_a_line(arguments: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "rating_harness", *arguments]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (1, "what is printed can't be written: No space left on device\n")


def test_ctrl_c_while_modules_are_imported_shows_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    script = (
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from rating_harness.__main__ import run\n"
        "run()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (-signal.SIGINT, "")
