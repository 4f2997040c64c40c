"""What the kernel says of a lab's threads: whether they have done what they had to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rating_harness.deadline import Deadline
from rating_harness.errors import Timeout
from rating_harness.lab.local.threads import LabThreads


def thread(proc: Path, pid: int, parent: int, state: str, tid: int | None = None) -> Path:
    """A thread as /proc has it, with a name that tries to be one of the fields."""
    stat = f"{tid or pid} (x) R 7 (y) {state} {parent} 1 1 0"
    for file in (proc / f"{pid}/stat", proc / f"{pid}/task/{tid or pid}/stat"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(stat)
    return file


def test_all_that_a_process_started_is_looked_at_and_nothing_else(tmp_path: Path) -> None:
    thread(tmp_path, 10, 1, "S")
    thread(tmp_path, 11, 10, "S")
    grandchild = thread(tmp_path, 12, 11, "S")
    thread(tmp_path, 13, 1, "R")
    threads = LabThreads(10, tmp_path)
    threads.await_waits(3, Deadline(0.2))
    grandchild.write_text("12 (x) R 11")
    with pytest.raises(Timeout, match="threads 12 at work"):
        threads.await_waits(1, Deadline(0.02))


@pytest.mark.parametrize(
    ("state", "is_at_work"), [("R", True), ("D", True), ("S", False), ("Z", False), ("T", False)]
)
def test_who_waits_for_the_disk_is_at_work(tmp_path: Path, state: str, is_at_work: bool) -> None:
    thread(tmp_path, 10, 1, state)
    threads = LabThreads(10, tmp_path)
    if is_at_work:
        with pytest.raises(Timeout):
            threads.await_waits(1, Deadline(0.01))
    else:
        threads.await_waits(1, Deadline(0.01))


def test_a_thread_that_is_not_the_first_counts(tmp_path: Path) -> None:
    thread(tmp_path, 10, 1, "S")
    thread(tmp_path, 10, 1, "R", tid=17)
    with pytest.raises(Timeout, match="threads 17 at"):
        LabThreads(10, tmp_path).await_waits(1, Deadline(0.01))


def test_threads_need_not_wait_at_the_same_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states = iter([[("1", "R"), ("2", "S")], [("1", "S"), ("2", "R")], [("1", "S"), ("2", "S")]])
    threads = LabThreads(10, tmp_path)
    monkeypatch.setattr(threads, "_states", lambda but: [each for each in next(states) if each[0] not in but])
    threads.await_waits(2, Deadline(1))
    assert next(states, None) is None, "twice: the second time begins anew"


def test_what_has_ended_is_not_waited_for(tmp_path: Path) -> None:
    LabThreads(10, tmp_path).await_waits(1, Deadline(0.01))


def test_a_real_process_is_at_work_until_it_waits() -> None:
    loop = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]
    with subprocess.Popen(loop, stdout=subprocess.PIPE) as busy, subprocess.Popen(["sleep", "60"]) as idle:
        assert busy.stdout is not None
        busy.stdout.readline()
        try:
            LabThreads(idle.pid).await_waits(3, Deadline(5))
            with pytest.raises(Timeout, match=f"threads {busy.pid} at work"):
                LabThreads(busy.pid).await_waits(1, Deadline(0.1))
            assert str(idle.pid) in {thread for thread, _ in LabThreads(os.getpid())._states(())}
        finally:
            busy.kill()
            idle.kill()
