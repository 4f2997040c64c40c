"""Where what runs in a lab comes from: the machine itself, or a root filesystem."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from rating_harness.errors import LabError
from rating_harness.lab import rootfs
from rating_harness.lab.binaries import directories_of, find_kamailio, find_sipp, holds, library_compiler, wrapper
from rating_harness.lab.protocol import Role

__all__ = ["BIN", "ProgramSource", "choose", "write_wrappers"]

BIN = "bin"
"""Of a lab's directory: where the programs are that come from a root filesystem which can't be entered."""

_NAMES = Path(rootfs.__file__).with_name("names.c")
_COMPILE = 20.0
"""Seconds that compiling it may take; it takes some 10 ms."""

_OWN_COMMANDS = {"python": (sys.executable,), "rating-harness": (sys.executable, "-m", "rating_harness")}


@dataclass(frozen=True, slots=True)
class ProgramSource:
    """The root filesystems of Kamailio and of SIPp; None: the machine's own programs are used.

    :param enterable: a root filesystem can be entered. Otherwise its programs are run on the machine's file system.
    """

    kamailio: Path | None
    sipp: Path | None
    enterable: bool = True

    @property
    def roots(self) -> Collection[Path]:
        return {root for root in (self.kamailio, self.sipp) if root}

    def root(self, role: Role) -> Path | None:
        """What a process of that role has for its root directory; None: the machine's."""
        return self._source(role) if self.enterable else None

    def command(self, role: Role, argv: Sequence[str]) -> list[str]:
        """The command as it is to be executed: the harness's own programs are those of this Python."""
        return [*_OWN_COMMANDS.get(argv[0], argv[:1]), *argv[1:]] if role == "harness" else list(argv)

    def directories(self, role: Role) -> dict[str, str]:
        """Directories that are elsewhere than a file for that role says, since its root filesystem isn't entered."""
        source = self._source(role)
        return {} if source is None or self.enterable else directories_of(source)

    @property
    def has_compilers(self) -> bool:
        """Where nothing can be mounted, there is what compiles the libraries that Kamailio and SIPp are started with:
        the one that finds the lab's names, and the clock that can be moved.
        """
        return all(self.compiler(root) for root in (self.kamailio, self.sipp))

    def compiler(self, root: Path | None) -> list[str] | None:
        """The command of the compiler for these libraries; None where there is none.

        What one of them makes can be loaded by the programs of each: the machine's needn't have a compiler.
        """
        cached = rootfs.cached("trixie")
        roots = (root, *sorted(self.roots), *([cached] if cached else []))
        return next(filter(None, map(library_compiler, roots)), None)

    def _source(self, role: Role) -> Path | None:
        return {"kamailio": self.kamailio, "sipp": self.sipp, "harness": None}[role]


def write_wrappers(directory: Path, source: ProgramSource) -> None:
    """A directory of programs to be found before the machine's: those whose root filesystem can't be entered, as
    shell scripts, and beside them the library with which they find the lab's names.

    :raises MissingTool: a root filesystem hasn't all that its programs take.
    :raises LabError: that library could not be compiled.
    """
    directory.mkdir(exist_ok=True)
    if source.enterable:
        return
    compiler = source.compiler(source.kamailio)
    if compiler:
        # By the name under which the lab's clock is compiled where a root filesystem is entered.
        _write_program(directory / "tcc", f'#!/bin/sh\nexec {shlex.join(compiler)} "$@"\n')
    names = _compiled_names(compiler, directory / "names.so")
    roots = {"kamailio": source.kamailio, "sipp": source.sipp, **({"ldd": source.sipp} if source.sipp else {})}
    for name, root in roots.items():
        _write_program(directory / name, wrapper(root, name, directory.parent / "hosts", names))


def _write_program(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def _compiled_names(command: list[str] | None, library: Path) -> Path | None:
    """The library of names, by that compiler; None where there is none."""
    if command is None:
        return None
    try:
        done = subprocess.run(
            [*command, "-o", str(library), str(_NAMES)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_COMPILE,
        )
        said = "" if done.returncode == 0 else " ".join(done.stdout.split()) or f"status {done.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        said = str(error)
    if said:
        raise LabError(
            "the library with which Kamailio and SIPp find the lab's names could not be compiled",
            found=said,
            where=str(_NAMES),
            hint=f"`{command[0]}` is the compiler; allow user namespaces, or use the docker driver, to do without",
        )
    return library


def choose(
    release: str | Path | None, announce: Callable[[str], None] | None = None, packages: Sequence[str] = ()
) -> ProgramSource:
    """What serves, made if need be.

    :param release, announce, packages: see `rating_harness.lab.local.LocalLab.open`.
    :raises MissingTool: it can't be made, or the directory is of no use.
    :raises ImageError: it could not be made.
    """

    def sipp() -> Path | None:
        return None if find_sipp().good else rootfs.ensure(announce=announce)

    match release:
        case "trixie" | "sid":
            root = rootfs.ensure(release, packages=packages, announce=announce)
            return ProgramSource(root, root)
        case None if packages:  # they aren't installed on the machine itself
            root = rootfs.ensure(packages=packages, announce=announce)
            return ProgramSource(root, root)
        case None:
            return ProgramSource(None if find_kamailio().good else rootfs.ensure(announce=announce), sipp())
        case _:
            root = rootfs.check(Path(release))
            return ProgramSource(root, root if holds(root, "sipp") else sipp())
