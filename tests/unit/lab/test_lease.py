"""Leases: who owns a lab, and which labs may be removed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rating_harness.errors import LabError
from rating_harness.lab import lease as leasing
from rating_harness.lab.lease import MARK, Lease, ProcessIdentity, base_directory, leases, make_directory, sweep


@pytest.fixture(autouse=True)
def own_labs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    base = tmp_path / "labs"
    base.mkdir()
    monkeypatch.setattr(leasing, "base_directory", lambda: base)
    return base


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def identity(process: subprocess.Popen[bytes]) -> ProcessIdentity:
    found = ProcessIdentity.of(process.pid)
    assert found
    return found


def lab(**changes: object) -> Path:
    lab_id, directory = make_directory()
    replace(Lease.new(lab_id, "local", keep=False), **changes).write(directory)  # type: ignore[arg-type]
    return directory


def test_a_process_is_known_again() -> None:
    assert ProcessIdentity.own().pid == os.getpid()
    assert ProcessIdentity.own().alive


def test_another_process_with_the_same_pid_is_not_it() -> None:
    own = ProcessIdentity.own()
    assert not replace(own, started=own.started - 1).alive


def test_a_command_with_parentheses_and_spaces_in_its_name(tmp_path: Path) -> None:
    program = tmp_path / "a) R (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([program, "60"]) as process:
        assert identity(process).alive
        process.kill()


def test_a_zombie_is_dead() -> None:
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert ProcessIdentity.of(process.pid) is None
    process.wait()


def test_killing_ends_the_process_and_only_it(sleeper: subprocess.Popen[bytes]) -> None:
    known = identity(sleeper)
    assert replace(known, started=known.started - 1).kill(), "the one that was meant is gone already"
    assert sleeper.poll() is None
    assert known.kill()
    assert sleeper.wait(5) == -9


def test_a_lab_whose_owner_lives_is_left_alone() -> None:
    directory = lab()
    assert sweep() == []
    assert directory.exists()


def test_a_lab_whose_owner_is_dead_is_removed_with_its_holder(sleeper: subprocess.Popen[bytes]) -> None:
    dead = replace(ProcessIdentity.own(), started=0)
    directory = lab(owner=dead, holder=identity(sleeper))
    assert sweep() == [directory.name]
    assert sleeper.wait(5) == -9
    assert not directory.exists()


def test_a_lab_that_is_kept_outlives_its_owner_until_it_is_asked_for(sleeper: subprocess.Popen[bytes]) -> None:
    dead = replace(ProcessIdentity.own(), started=0)
    directory = lab(owner=dead, holder=identity(sleeper), keep=True)
    assert sweep() == []
    assert sleeper.poll() is None
    assert sweep(kept=True) == [directory.name]
    assert sleeper.wait(5) == -9


def test_a_kept_lab_whose_holder_is_dead_is_removed() -> None:
    dead = replace(ProcessIdentity.own(), started=0)
    directory = lab(holder=dead, keep=True)
    assert sweep() == [directory.name]


def test_a_kept_lab_whose_owner_died_while_opening_it_is_removed() -> None:
    dead = replace(ProcessIdentity.own(), started=0)
    directory = lab(owner=dead, keep=True)
    assert sweep() == [directory.name]


def test_a_lease_of_another_pid_namespace_is_not_judged() -> None:
    dead = replace(ProcessIdentity.own(), started=0)
    lab(owner=dead, pid_namespace=1)
    lab(owner=dead, pid_namespace=1, keep=True)
    assert sweep(kept=True) == []


def test_a_directory_without_a_lease_is_being_made_at_first_and_rubbish_later() -> None:
    _, directory = make_directory()
    assert sweep() == []
    os.utime(directory, (0, 0))
    assert sweep() == [directory.name]


def test_a_lease_that_cannot_be_read_is_none() -> None:
    _, directory = make_directory()
    (directory / "lease.json").write_text('{"id": "x"')
    assert list(leases()) == [(directory, None)]


def test_what_a_lab_without_namespaces_started_is_known_by_its_mark() -> None:
    dead = replace(ProcessIdentity.own(), started=0)
    directory = lab(owner=dead, holder=dead, contained=False)
    script = "import subprocess, sys; subprocess.Popen(['sleep', '60']); print(flush=True); sys.stdin.read()"
    marked = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, MARK: directory.name},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with marked:
        assert marked.stdout
        marked.stdout.readline()
        sweep()
        assert marked.wait(5) == -9
        # The grandchild holds the pipe's other end too, so that its end is that grandchild's.
        assert marked.stdout.read() == b""


def test_the_base_directory_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/tmp")
    monkeypatch.setattr(os, "geteuid", lambda: 12345678)
    Path("/tmp/rh-12345678").mkdir(exist_ok=True)
    try:
        with pytest.raises(LabError, match="isn't this user's alone"):
            base_directory()
    finally:
        Path("/tmp/rh-12345678").rmdir()
