"""What a killed run leaves, and who removes it."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import LabError
from rating_harness.lab.docker import DockerLab, Engine, cleanup, sweep
from rating_harness.lab.docker.labels import LAB, LEASE
from tests.builders import LONG_CALL
from tests.docker.test_lab import left

OWNER = """
import sys
from rating_harness.deadline import Deadline
from rating_harness.lab.docker import DockerLab
from rating_harness.lab.protocol import Program
lab = DockerLab.open(keep=sys.argv[1] == "keep")
lab.run(Program("sleeper", "sipp", ("sleep", "600"), lab.host("sleeper")))
print(lab.id, flush=True)
sys.stdin.read()
"""


@contextmanager
def owner(mode: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process that has a lab, and the lab's id."""
    command = [sys.executable, "-c", OWNER, mode]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_a_lab_whose_owner_was_killed_is_swept_and_no_other_is(engine: Engine, empty_lab: DockerLab) -> None:
    with owner("own") as (process, lab_id):
        assert len(left(engine, lab_id)) == 3
        assert lab_id not in sweep(engine)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
        sweep(engine)
    assert left(engine, lab_id) == []
    assert left(engine, empty_lab.id)


def test_the_next_lab_sweeps(engine: Engine) -> None:
    with owner("own") as (process, lab_id):
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
    with DockerLab.open():
        assert left(engine, lab_id) == []


def test_what_the_engine_does_not_remove_is_told_and_stops_nobody(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = cleanup.remove_lab

    def refuse(engine: Engine, lab_id: str) -> None:
        if lab_id in stuck:
            raise LabError("the network has active endpoints")
        remove(engine, lab_id)

    with owner("own") as (first, stays), owner("own") as (second, goes):
        stuck = {stays}
        monkeypatch.setattr(cleanup, "remove_lab", refuse)
        for process in (first, second):
            os.kill(process.pid, signal.SIGKILL)
            process.wait(10)
        with pytest.raises(LabError, match="active endpoints"):
            sweep(engine)
        assert left(engine, goes) == []
        DockerLab.open().stop()
    remove(engine, stays)


def test_a_kept_lab_outlives_its_owner_until_asked(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with owner("keep") as (process, lab_id):
        os.kill(process.pid, signal.SIGKILL)
        process.wait(10)
    assert lab_id not in sweep(engine)
    assert len(left(engine, lab_id)) == 3
    lab = DockerLab.attach(lab_id)
    lab.pause("sleeper")
    # Other labs may be kept here, and are somebody's.
    leases = cleanup.leases
    monkeypatch.setattr(cleanup, "leases", lambda engine: {lab_id: leases(engine)[lab_id]})
    assert sweep(engine, kept=True) == [lab_id]
    assert left(engine, lab_id) == []


@pytest.mark.parametrize("nonsense", ["", "{}", "[]", "no json"])
def test_a_lease_that_can_not_be_read_is_nobody_s_to_judge(engine: Engine, nonsense: str) -> None:
    lab_id = secrets.token_hex(4)
    name = f"rating-harness-{lab_id}"
    network = engine.client.networks.create(name, labels={LAB: lab_id, LEASE: nonsense})
    try:
        assert lab_id not in cleanup.leases(engine)
        assert lab_id not in sweep(engine)
        assert left(engine, lab_id) == [name]
    finally:
        network.remove()


def calling(engine: Engine, controller: int) -> list[str]:
    """Ids of the labs of a controller's workers in which a call is up."""
    parents = f"/proc/{controller}/task/{controller}/children"
    workers = [int(pid) for pid in Path(parents).read_text().split()]
    labs = [lab_id for lab_id, lease in cleanup.leases(engine).items() if lease.owner.pid in workers]
    return [lab_id for lab_id in labs if any("sipp-caller-ana" in name for name in left(engine, lab_id))]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_with_workers_leaves_nothing(engine: Engine, tmp_path: Path, how: signal.Signals) -> None:
    for name in ("one.yaml", "two.yaml"):
        (tmp_path / name).write_text(LONG_CALL, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "one.yaml", "two.yaml", "-n", "2", "--rating-lab", "docker"]
    with (
        (tmp_path / "output").open("w+") as output,
        subprocess.Popen(command, cwd=tmp_path, stdout=output, stderr=output) as run,
    ):
        try:
            await_condition(lambda: len(calling(engine, run.pid)) == 2, Deadline(120), "both workers' calls")
            labs = calling(engine, run.pid)
            run.send_signal(how)
            run.wait(30)
        finally:
            run.kill()
    await_condition(
        lambda: not any(left(engine, lab_id) for lab_id in labs), Deadline(90), "the end of what the labs had"
    )
