"""What the kernel says of a process."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from rating_harness.lab.proc_stat import PROC, children_by_parent, stat_fields


def test_a_name_may_hold_anything(tmp_path: Path) -> None:
    (tmp_path / "stat").write_bytes(b"17 (a) R 1 (\xff) b) S 7 1 0\n")
    assert stat_fields(tmp_path) == ["S", "7", "1", "0"]


def test_nothing_is_known_of_who_is_gone(tmp_path: Path) -> None:
    assert stat_fields(tmp_path) is None


def test_children_are_found_and_who_has_none_has_none() -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        assert sleeper.pid in children_by_parent()[os.getpid()]
        assert children_by_parent()[sleeper.pid] == []
        assert stat_fields(PROC / str(sleeper.pid)) is not None
        sleeper.kill()
    assert sleeper.pid not in children_by_parent()[os.getpid()]
