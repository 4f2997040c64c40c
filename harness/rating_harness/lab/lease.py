"""Whose a lab is, so that a later run can remove what a killed one left, and never what another run still uses.

Each local lab has a directory ``BASE/ID`` with a ``lease.json``. A process is known by its pid *and* the time it
started, since pids are used again; and a lease is judged only within the PID namespace it was written in, since
elsewhere its pids mean nothing.
"""

from __future__ import annotations

import json
import os
import secrets
import select
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from rating_harness.errors import LabError
from rating_harness.lab.proc_stat import PROC, stat_fields

__all__ = ["MARK", "Lease", "ProcessIdentity", "base_directory", "leases", "make_directory", "remove", "sweep"]

MARK = "RATING_HARNESS_LAB"
"""The environment variable by which a process of a lab is known; its value is the lab's id."""

_LEASE = "lease.json"
_GRACE = 60.0
"""Seconds for which a directory without a lease is taken for one that is just being made."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process that can't be mistaken for another one with the same pid.

    :param started: its start time in clock ticks since boot (proc_pid_stat(5), field 22).
    """

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """The process with that pid; None when there is none, or a zombie only."""
        fields = stat_fields(PROC / str(pid))
        return None if fields is None or fields[0] in "ZX" else cls(pid, int(fields[19]))

    @classmethod
    def own(cls) -> ProcessIdentity:
        identity = cls.of(os.getpid())
        if identity is None:
            raise LabError("/proc doesn't show this process", hint="mount /proc")
        return identity

    @property
    def alive(self) -> bool:
        return ProcessIdentity.of(self.pid) == self

    def kill(self, seconds: float = 5.0) -> bool:
        """End it with SIGKILL. True once it is gone; False when it isn't within ``seconds``, or may not be killed."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except OSError:
            return True
        try:
            if not self.alive:
                return True
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            return bool(select.select([descriptor], [], [], seconds)[0])
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Lease:
    """What is known of a lab from its directory alone.

    :param owner: the process that opened it; its death ends the lab, unless ``keep``.
    :param holder: the process that holds its namespaces.
    :param contained: the kernel ends everything in the lab when the holder dies.
    :param pid_namespace: the inode of the PID namespace in which those pids are valid.
    """

    id: str
    driver: str
    owner: ProcessIdentity
    holder: ProcessIdentity | None
    keep: bool
    created: float
    pid_namespace: int
    contained: bool = False

    @classmethod
    def new(cls, lab_id: str, driver: str, *, keep: bool) -> Lease:
        """This process's, on a lab that doesn't run yet."""
        return cls(lab_id, driver, ProcessIdentity.own(), None, keep, time.time(), _pid_namespace())

    @classmethod
    def read(cls, directory: Path) -> Lease | None:
        """The lease in that directory; None when there is none, or none that can be read."""
        try:
            facts = json.loads((directory / _LEASE).read_bytes())
            owner, holder = facts.pop("owner"), facts.pop("holder")
            return cls(owner=ProcessIdentity(**owner), holder=ProcessIdentity(**holder) if holder else None, **facts)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, directory: Path) -> None:
        """Put it in place in one step, so that nobody reads half of it."""
        temporary = directory / f".{_LEASE}"
        temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")
        temporary.replace(directory / _LEASE)

    @property
    def abandoned(self) -> bool:
        """Nobody will end this lab any more: its owner is dead, and it isn't one that is kept."""
        if not self.judgeable:
            return False
        responsible = self.holder if self.keep and self.holder else self.owner
        return not responsible.alive

    @property
    def judgeable(self) -> bool:
        """Its pids mean the same here as where it was written."""
        return self.pid_namespace == _pid_namespace()


def _pid_namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino


def base_directory() -> Path:
    """Where this user's labs are. The path is short, because a Unix socket's may have 107 bytes at most.

    :raises LabError: when somebody else owns it, or can write to it.
    """
    temporary = tempfile.gettempdir()
    base = Path(temporary if len(temporary) < 24 else "/tmp") / f"rh-{os.geteuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    status = base.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise LabError(f"{base} isn't this user's alone", hint=f"remove {base}, or set TMPDIR to another directory")
    return base


def make_directory() -> tuple[str, Path]:
    """A new lab's id and its directory."""
    while True:
        lab_id = secrets.token_hex(4)
        directory = base_directory() / lab_id
        with suppress(FileExistsError):
            directory.mkdir()
            return lab_id, directory


def leases() -> Iterator[tuple[Path, Lease | None]]:
    """Each lab directory of this user, with its lease."""
    for directory in sorted(base_directory().iterdir()):
        yield directory, Lease.read(directory)


def remove(directory: Path, lease: Lease | None) -> bool:
    """End the lab and remove its directory. False when it could not be ended."""
    if lease and lease.holder and lease.holder.alive and not lease.holder.kill():
        return False
    if lease and not lease.contained:
        _kill_marked(lease.id)
    shutil.rmtree(directory, ignore_errors=True)
    return True


def sweep(*, kept: bool = False) -> list[str]:
    """Remove the labs that nobody will end any more. Their ids.

    :param kept: also those that were opened to outlive their owner.
    """
    swept = []
    for directory, lease in leases():
        if lease is None:
            doomed = _age(directory) > _GRACE
        else:
            doomed = lease.abandoned or (kept and lease.keep and lease.judgeable)
        if doomed and remove(directory, lease):
            swept.append(directory.name)
    return swept


def _kill_marked(lab_id: str) -> None:
    """Kill what was started in the lab, and what that has started, until there is no more of it."""
    mark = f"{MARK}={lab_id}".encode()
    while True:
        marked = [process for process in _own_processes() if mark in _environment(process.pid)]
        if not sum(process.kill() for process in marked):
            return


def _own_processes() -> Iterator[ProcessIdentity]:
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if directory.stat().st_uid == os.geteuid():
                identity = ProcessIdentity.of(int(directory.name))
                if identity:
                    yield identity


def _environment(pid: int) -> list[bytes]:
    with suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return []


def _age(directory: Path) -> float:
    with suppress(OSError):
        return time.time() - directory.stat().st_mtime
    return 0.0
