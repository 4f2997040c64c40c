"""A person's command inside of a lab: in Kamailio's own root filesystem, or on the machine's in the lab's network."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from rating_harness.errors import LabError, MissingTool
from rating_harness.lab.proc_stat import children_by_parent

__all__ = ["child_of", "entering", "program_in"]

_NAMESPACES = {"user": "--user", "mnt": "--mount", "net": "--net", "pid": "--pid", "ipc": "--ipc", "uts": "--uts"}


def entering(pid: int, *, root: bool, own: Path = Path("/proc/self/ns")) -> list[str]:
    """The words before a command that have it run beside a process (nsenter(1)).

    There are none where the process has no namespaces of its own.

    :param root: with its root directory too.
    :raises LabError: the process is gone.
    :raises MissingTool: there is no nsenter.
    """
    theirs = Path(f"/proc/{pid}/ns")
    try:
        apart = [option for name, option in _NAMESPACES.items() if _differs(own / name, theirs / name)]
    except OSError as error:
        raise LabError("the lab can't be entered", found=error.strerror) from None
    if not apart:
        return []
    nsenter = shutil.which("nsenter")
    if nsenter is None:
        raise MissingTool("there is no nsenter, which enters a lab", hint="apt install util-linux")
    return [nsenter, "--target", str(pid), *apart, *(["--root", "--wd"] if root else []), "--"]


def _differs(one: Path, other: Path) -> bool:
    return one.stat().st_ino != other.stat().st_ino


def child_of(parent: int, program: str) -> int:
    """PID of the child of a process that runs a program.

    :raises LabError: there is none.
    """
    for pid in children_by_parent()[parent]:
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if Path(os.fsdecode(words[0])).name == program:
            return pid
    raise LabError(f"{program} doesn't run in the lab", hint="`rating-harness logs` shows what it said last")


def program_in(root: Path, path: str, name: str) -> bool:
    """Whether a root filesystem has that program.

    :param path: where it's looked for, as PATH has it.
    """
    directories = [""] if "/" in name else path.split(os.pathsep)
    return any((root / each.lstrip("/") / name.lstrip("/")).is_file() for each in directories)
