"""What the kernel says of a process, or of one of its threads: proc_pid_stat(5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

__all__ = ["PROC", "children_by_parent", "stat_fields"]

PROC = Path("/proc")


def stat_fields(directory: Path) -> list[str] | None:
    """State, parent and the rest: what comes after the name, which may hold anything. None: it's gone.

    :param directory: ``/proc/PID`` or ``/proc/PID/task/TID``.
    """
    try:
        with (directory / "stat").open("rb", buffering=0) as file:
            return file.read(4096).rpartition(b")")[2].decode().split()
    except OSError:
        return None


def children_by_parent(proc: Path = PROC) -> Mapping[int, list[int]]:
    """PID -> those of the processes that it has started, and that run now. Who has none has an empty list.

    :param proc: as proc(5) has ``/proc``.
    """
    children: dict[int, list[int]] = defaultdict(list)
    for stat in proc.glob("[0-9]*/stat"):
        if fields := stat_fields(stat.parent):
            children[int(fields[1])].append(int(stat.parent.name))
    return children
