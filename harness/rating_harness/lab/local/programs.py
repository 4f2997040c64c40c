"""Where what runs in a lab comes from: the machine itself, or a root filesystem."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from rating_harness.lab import rootfs
from rating_harness.lab.binaries import borrowed, find_kamailio, find_sipp, holds
from rating_harness.lab.protocol import Role

__all__ = ["ProgramSource", "choose"]

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
        """The command as it is to be executed, whose program may not be where its name says.

        :raises MissingTool: there is no way to execute it here.
        """
        if role == "harness":
            return [*_OWN_COMMANDS.get(argv[0], argv[:1]), *argv[1:]]
        source = self._source(role)
        return list(argv) if source is None or self.enterable else borrowed(source, argv)

    def _source(self, role: Role) -> Path | None:
        return {"kamailio": self.kamailio, "sipp": self.sipp, "harness": None}[role]


def choose(release: str | Path | None, announce: Callable[[str], None] | None = None) -> ProgramSource:
    """What serves, made if need be.

    :param release, announce: see `rating_harness.lab.local.LocalLab.open`.
    :raises MissingTool: it can't be made, or the directory is of no use.
    :raises ImageError: it could not be made.
    """

    def sipp() -> Path | None:
        return None if find_sipp().good else rootfs.ensure(announce=announce)

    match release:
        case "trixie" | "sid":
            root = rootfs.ensure(release, announce=announce)
            return ProgramSource(root, root)
        case None:
            return ProgramSource(None if find_kamailio().good else rootfs.ensure(announce=announce), sipp())
        case _:
            root = rootfs.check(Path(release))
            return ProgramSource(root, root if holds(root, "sipp") else sipp())
