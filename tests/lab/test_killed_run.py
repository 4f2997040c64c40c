"""Whatever kills a run, nothing is left running, and the next one starts clean."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rating_harness.deadline import Deadline, await_condition
from rating_harness.lab import lease
from tests.builders import LONG_CALL

pytestmark = pytest.mark.lab


@pytest.fixture
def run(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A run whose call is up."""
    scenario = tmp_path / "long.yaml"
    scenario.write_text(LONG_CALL, encoding="utf-8")
    process = subprocess.Popen(
        # Whoever runs the tests in the background may have SIGINT ignored.
        [
            "env",
            "--default-signal=INT",
            sys.executable,
            "-m",
            "rating_harness",
            "run",
            str(scenario),
            "--lab",
            "local",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def call_is_up() -> bool:
        assert process.poll() is None, f"the run ended with {process.returncode}"
        return "sipp" in " ".join(commands_of(process.pid))

    await_condition(call_is_up, Deadline(120), "the run's call")
    yield process
    if process.poll() is None:
        process.kill()
    process.wait()


def lab_of(owner: int) -> str | None:
    """The id of the lab that a process owns."""
    return next((each.id for _, each in lease.leases() if each is not None and each.owner.pid == owner), None)


def commands_of(owner: int) -> list[str]:
    """Command lines of what runs in the lab of a process; they carry its id in their environment."""
    lab = lab_of(owner)
    return running_in(lab) if lab else []


def running_in(lab: str) -> list[str]:
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            if f"{lease.MARK}={lab}".encode() in (directory / "environ").read_bytes():
                found.append((directory / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_run_leaves_nothing(run: subprocess.Popen[bytes], how: signal.Signals) -> None:
    lab = lab_of(run.pid)
    assert lab is not None
    os.kill(run.pid, how)
    await_condition(lambda: run.poll() is not None, Deadline(30), "the end of the run")
    await_condition(lambda: not running_in(lab), Deadline(60), "the end of what ran in the lab")
    lease.sweep()  # what the next run does first
    assert all(each is None or each.id != lab for _, each in lease.leases())


@pytest.mark.parametrize(("how", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_run_says_so(run: subprocess.Popen[bytes], how: signal.Signals, status: int) -> None:
    run.send_signal(how)
    await_condition(lambda: run.poll() is not None, Deadline(15), "the end of the run")
    assert run.returncode == status
