"""A person's way into a local lab."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from rating_harness.errors import LabError
from rating_harness.lab.local.shell import child_of, entering, program_in


def test_nothing_is_to_be_entered_where_all_is_the_same() -> None:
    assert entering(os.getpid(), root=True) == []


def test_what_differs_is_entered(tmp_path: Path) -> None:
    for name in ("user", "mnt", "net", "pid", "ipc", "uts"):
        (tmp_path / name).symlink_to(f"/proc/self/ns/{name}")
    (tmp_path / "net").unlink()
    (tmp_path / "net").touch()
    nsenter, *words = entering(os.getpid(), root=False, own=tmp_path)
    assert nsenter.endswith("nsenter")
    assert words == ["--target", str(os.getpid()), "--net", "--"]


def test_a_process_that_is_gone_is_an_error() -> None:
    with pytest.raises(LabError, match="can't be entered"):
        entering(2**22 + 1, root=False)


def test_a_child_is_found_by_its_program() -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        assert child_of(os.getpid(), "sleep") == sleeper.pid
        sleeper.kill()
    with pytest.raises(LabError, match="no-such-program doesn't run in the lab"):
        child_of(os.getpid(), "no-such-program")


def test_a_program_is_where_path_finds_it(tmp_path: Path) -> None:
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "usr/bin/kamctl").touch()
    assert program_in(tmp_path, "/bin:/usr/bin", "kamctl")
    assert program_in(tmp_path, "/bin", "/usr/bin/kamctl")
    assert not program_in(tmp_path, "/bin", "kamctl")
