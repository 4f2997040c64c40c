"""Whether a lab's programs have done what they had to: what the kernel says of their threads."""

from __future__ import annotations

from collections.abc import Container, Iterator
from pathlib import Path

from rating_harness.deadline import Deadline, await_condition
from rating_harness.lab.proc_stat import PROC, children_by_parent, stat_fields

__all__ = ["LabThreads"]

_AT_WORK = "RD"
"""States of a thread that has something to do, now or when the disk is ready (proc_pid_stat(5))."""


class LabThreads:
    """The threads of a process and of all that it has started, directly or not.

    :param root: its PID, as ``/proc`` has it.
    :param proc: as proc(5) has ``/proc``.
    """

    def __init__(self, root: int, proc: Path = PROC) -> None:
        children = children_by_parent(proc)
        found = [root]
        for pid in found:
            found += children[pid]
        self._tasks = [proc / str(pid) / "task" for pid in found]

    def await_waits(self, times: int, deadline: Deadline) -> None:
        """Until each of them has been seen waiting, so many times over.

        Once is enough for what a thread does when it wakes up. Who is handed a message by it is at work from that
        moment on, so that the next time is his.

        :raises Timeout: one of them is always at work.
        """
        for _ in range(times):
            self._await_wait(deadline)

    def _await_wait(self, deadline: Deadline) -> None:
        waited: set[str] = set()
        at_work: list[str] = []

        def all_waited() -> bool:
            at_work.clear()
            for thread, state in self._states(waited):
                if state in _AT_WORK:
                    at_work.append(thread)
                else:
                    waited.add(thread)
            return not at_work

        await_condition(
            all_waited,
            deadline,
            "the lab's programs doing all they had to",
            interval=0.001,
            last_seen=lambda: f"threads {', '.join(at_work)} at work",
        )

    def _states(self, but: Container[str]) -> Iterator[tuple[str, str]]:
        for task in self._tasks:
            try:
                threads = list(task.iterdir())
            except OSError:
                continue
            for thread in threads:
                if thread.name not in but and (fields := stat_fields(thread)):
                    yield thread.name, fields[0]
