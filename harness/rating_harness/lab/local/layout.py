"""Where a process of the lab finds its files: in a root filesystem of its own, or on the machine's.

A process that has a root filesystem sees its files at the paths they were asked for. One that runs on the machine's
file system (the harness's own services, and everything where namespaces are refused) can't: its files lie below the
lab's directory, and wherever their paths are mentioned, in the command, in the environment or in the files
themselves, the actual ones stand instead.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

from rating_harness.errors import LabError

__all__ = ["ANOTHER_DIRECTORY", "LARGER_FILES", "PATH", "WORK", "Place", "rewrite", "skeleton"]

WORK = "/lab"
"""The working directory of a program, where it has a root filesystem of its own."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


ANOTHER_DIRECTORY = "TMPDIR names another directory for labs: one of 23 characters at most"

LARGER_FILES = "this session's files may be no larger (`ulimit -f`): allow it more"

IPV4_FIRST = "precedence ::ffff:0:0/96 100\n"
"""A gai.conf(5): a name's IPv4 address comes first. SIPp takes the first one, and is bound to IPv4 mostly."""


def skeleton(directory: Path) -> None:
    """What the lab mounts over, in a layer of its own, since a root filesystem may lack any of it."""
    for name in ("proc", "dev", "sys", "tmp", "run", WORK[1:], "etc"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    for name in ("hosts", "resolv.conf"):
        (directory / "etc" / name).touch()
    (directory / "etc/gai.conf").write_text(IPV4_FIRST, encoding="ascii")


def rewrite(text: str, paths: Mapping[str, str], directories: Mapping[str, str] = MappingProxyType({})) -> str:
    """``text`` with each of the paths replaced where it stands as a whole, not as the beginning of a longer one.

    :param directories: those that are replaced also where they're the beginning of a longer path.
    """
    actual = {**directories, **paths}
    if not actual:
        return text
    whole = [re.escape(path) + r"(?![\w-]|/[\w.*?-]|\.\w)" for path in sorted(paths, key=len, reverse=True)]
    below = [re.escape(path) + r"(?![\w-]|\.\w)" for path in sorted(directories, key=len, reverse=True)]
    pattern = r"(?<![\w./-])(" + "|".join([*whole, *below]) + ")"
    return re.sub(pattern, lambda match: actual[match[1]], text)


@dataclass(frozen=True, slots=True)
class Place:
    """A process's directory in the lab's, and its root filesystem (None: the machine's own).

    ``files`` is the uppermost layer of its root, ``run`` and ``tmp`` are what it may write to, ``work`` is the
    working directory of a program, and ``log`` takes what it prints.
    """

    directory: Path
    root: Path | None

    @property
    def files(self) -> Path:
        return self.directory / "files"

    @property
    def run(self) -> Path:
        return self.directory / "run"

    @property
    def tmp(self) -> Path:
        return self.directory / "tmp"

    @property
    def work(self) -> Path:
        return self.directory / "work"

    @property
    def log(self) -> Path:
        return self.directory / "log"

    def make(self) -> None:
        for path in (self.files, self.run / "kamailio", self.tmp, self.work):
            path.mkdir(parents=True, exist_ok=True)
        if self.root:
            self._below({"/tmp": self.tmp}, str(self.run)).mkdir(parents=True, exist_ok=True)

    def put_files(self, files: Mapping[str, bytes], directories: Mapping[str, str]) -> dict[str, str]:
        """Write a service's files, and return the paths to be rewritten: path asked for -> actual path.

        :param directories: further ones that are elsewhere than the files say, without a root filesystem.
        """
        moved = {} if self.root else {path: str(self._own(path)) for path in (*files, *_directories_of(files))}
        run = {} if self.root else dict.fromkeys(("/run/kamailio", "/var/run/kamailio"), str(self.run / "kamailio"))
        elsewhere = {**run, **directories}
        _write({self._own(path): _rewrite_bytes(content, moved, elsewhere) for path, content in files.items()})
        return moved

    def put_work(self, files: Mapping[str, bytes]) -> None:
        """Write a program's files, named relative to its working directory."""
        _write({self.work / name: content for name, content in files.items()})

    def find(self, path: str) -> Path:
        """The path on this machine of what the service calls ``path``."""
        own = self._own(path)
        return own if own.exists() else (self.root or Path("/")) / PurePosixPath(path).relative_to("/")

    def as_wanted(self, text: str) -> str:
        """What a process printed, with its files' paths as they were asked for, wherever the files are."""
        return text if self.root else text.replace(f"{self.files}/", "/")

    def _own(self, path: str) -> Path:
        shared = {"/run": self.run, "/tmp": self.tmp} if self.root else {}
        return self._below({str(self.run): self.run, **shared}, path)

    def _below(self, mounts: Mapping[str, Path], path: str) -> Path:
        """Where ``path`` is when these directories are mounted over ``files``."""
        wanted = PurePosixPath(path)
        for mount, actual in mounts.items():
            if wanted.is_relative_to(mount):
                return actual / wanted.relative_to(mount)
        return self.files / wanted.relative_to("/")

    def request(
        self, argv: Sequence[str], environment: Mapping[str, str], *, working: bool, shared: Path
    ) -> dict[str, Any]:
        """What the holder is asked to start.

        :param working: in the directory for a program's files (else in the one for a service's run).
        :param shared: the lab's directory, with ``skeleton``, ``hosts``, ``resolv.conf`` and ``root``.
        """
        request: dict[str, Any] = {
            "argv": list(argv),
            "environment": dict(environment),
            "log": str(self.log),
            "layers": [],
        }
        if self.root is None:
            return request | {"directory": str(self.work if working else self.run)}
        return request | {
            "directory": WORK if working else "/",
            "environment": {"PATH": PATH, "HOME": "/tmp", "LANG": "C.UTF-8", **environment},
            "layers": [str(self.files), str(shared / "skeleton"), str(self.root)],
            "mountpoint": str(shared / "root"),
            "binds": [
                ["/dev", "/dev"],
                [str(shared / "hosts"), "/etc/hosts"],
                [str(shared / "resolv.conf"), "/etc/resolv.conf"],
                [str(self.tmp), "/tmp"],
                [str(self.work), WORK],
                [str(self.run), "/run"],
                # Also where it is outside, so that the names of sockets mean the same on both sides.
                [str(self.run), str(self.run)],
            ],
        }


def _directories_of(files: Iterable[str]) -> set[str]:
    """Directories of configuration that hold them: /etc/kamailio/tls of authorities, say."""
    parents = {parent for path in files for parent in PurePosixPath(path).parents}
    return {str(each) for each in parents if each.is_relative_to("/etc") and len(each.parts) > len(("/", "etc"))}


def _write(files: Mapping[Path, bytes]) -> None:
    """:raises LabError: there is no room, or it may not be written there."""
    for path, content in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            raise LabError(
                "a file of the lab can't be written",
                where=str(path),
                found=error.strerror,
                hint=LARGER_FILES if error.errno == errno.EFBIG else ANOTHER_DIRECTORY,
            ) from error


def _rewrite_bytes(content: bytes, paths: Mapping[str, str], directories: Mapping[str, str]) -> bytes:
    if not paths and not directories:
        return content
    try:
        return rewrite(content.decode(), paths, directories).encode()
    except UnicodeDecodeError:
        return content
