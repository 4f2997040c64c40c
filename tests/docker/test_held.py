"""A program that is in its container before its moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence

import pytest

from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import LabError
from rating_harness.lab.docker import DockerLab, Engine, sweep
from rating_harness.lab.docker.held import HeldProgram, held_command
from rating_harness.lab.docker.process import ContainerProcess
from rating_harness.lab.protocol import Program
from tests.docker.test_lab import left

OWNER = """
import sys
from rating_harness.lab.docker import DockerLab
from rating_harness.lab.protocol import Program
lab = DockerLab.open()
prepared = lab.prepare(Program("waiting", "sipp", ("sleep", "600"), lab.host("waiting")))
print(lab.id, flush=True)
sys.stdin.read()
"""


def program(lab: DockerLab, *argv: str, role: str = "sipp") -> Program:
    return Program("waiting", "sipp" if role == "sipp" else "harness", argv, lab.host("waiting"))


def held(prepared: object) -> ContainerProcess:
    assert isinstance(prepared, HeldProgram)
    return prepared._process


def test_it_has_no_standard_input_and_nothing_of_its_gate(empty_lab: DockerLab) -> None:
    script = "cat; echo $#; export -p; readlink /proc/self/fd/0"
    process = empty_lab.prepare(program(empty_lab, "sh", "-c", script, "x", "a b")).start()
    assert process.wait(Deadline(60)) == 0
    lines = process.output().splitlines()
    assert (lines[0], lines[-1]) == ("1", "/dev/null")
    assert not any("content" in line for line in lines)
    assert process.list_files() == []


def test_a_module_is_imported_and_reads_its_files_at_its_moment(empty_lab: DockerLab) -> None:
    """What it says of a script that isn't one shows that it has read the one that it got last."""
    words = ("python", "-m", "rating_harness.useragent", "script.json")
    prepared = empty_lab.prepare(program(empty_lab, *words, role="harness"))
    assert held(prepared).list_files() == []
    process = prepared.start({"script.json": json.dumps({"": "Unheard"}).encode()})
    assert process.wait(Deadline(60)) == 255
    assert b"KeyError: 'Unheard'" in (process.read_file("errors.log") or b"")


def test_one_that_is_killed_while_it_waits_can_not_begin(empty_lab: DockerLab) -> None:
    prepared = empty_lab.prepare(program(empty_lab, "true"))
    held(prepared).signal(signal.SIGKILL)
    assert held(prepared).wait(Deadline(60)) == -signal.SIGKILL
    with pytest.raises(LabError, match="waiting ended before it was to begin") as caught:
        prepared.start()
    assert caught.value.found == "exit status -9"
    prepared.remove()
    with pytest.raises(LabError, match="ended before it was to begin"):
        prepared.start()


def test_a_command_that_is_not_in_the_image_ends_at_its_moment(empty_lab: DockerLab) -> None:
    process = empty_lab.prepare(program(empty_lab, "no-such-program")).start()
    assert process.wait(Deadline(60)) == 127
    assert "no-such-program" in process.output()


def test_a_module_that_can_not_be_imported_is_no_program(empty_lab: DockerLab) -> None:
    with pytest.raises(LabError, match="ended before it was to begin") as caught:
        empty_lab.prepare(program(empty_lab, "python", "-m", "rating_harness.nothing", role="harness"))
    assert "No module named" in str(caught.value)
    assert [name for name in left(empty_lab._engine, empty_lab.id) if "waiting" in name] == []


def test_what_is_said_before_the_gate_reads_is_not_lost(
    empty_lab: DockerLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(argv: Sequence[str]) -> tuple[str, ...]:
        shell, option, gate, *words = held_command(argv)
        return (shell, option, f"sleep 1\n{gate}", *words)

    monkeypatch.setattr("rating_harness.lab.docker.lab.held_command", slow)
    process = empty_lab._create_program(program(empty_lab, "sh", "-c", "cat late; exit 5"), is_held=True)
    process.open_input()
    process.start()
    process.write_input(b"late bGF0ZQo=\n\n")
    assert process.wait(Deadline(60)) == 5
    assert process.output() == "late\n"


@pytest.mark.parametrize("is_here", [True, False])
def test_it_is_sent_its_signals_from_here_or_by_the_engine(
    empty_lab: DockerLab, monkeypatch: pytest.MonkeyPatch, is_here: bool
) -> None:
    process = held(empty_lab.prepare(program(empty_lab, "sleep", "60")))
    assert process.poll() is None
    if not is_here:
        monkeypatch.setattr(process, "_pid", os.getpid())
    assert process._is_among_processes is is_here
    process.signal(signal.SIGTERM)
    assert process.wait(Deadline(60)) == process.poll() == -signal.SIGTERM


def test_one_that_waits_when_its_run_is_killed_ends_and_is_removed(engine: Engine) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        lab_id = process.stdout.readline().strip()
        (name,) = (name for name in left(engine, lab_id) if "waiting" in name)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        api = engine.client.api
        await_condition(lambda: not api.inspect_container(name)["State"]["Running"], Deadline(60), "the gate's end")
        sweep(engine)
    assert left(engine, lab_id) == []
