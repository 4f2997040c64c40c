"""A clock that can be moved, for all that runs in a lab; the harness itself stays on the machine's.

What runs in the lab is started with a library (``moved_clock.c``) that maps one page, a file which the harness
writes. The library is compiled by a program of the lab itself, where Kamailio comes from.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from pathlib import Path

from rating_harness.deadline import Deadline
from rating_harness.errors import LabError
from rating_harness.lab.protocol import Lab, Program, Threads

__all__ = ["FINE", "ClockPage", "compiled"]

_AHEAD, _SLICE, _FOLLOWED, _TICKS = (offset * 8 for offset in range(4))
"""Where the page's fields are, of 64 bits each."""

_SECOND = 1_000_000_000

COARSE, FINE = 0.02, 0.002
"""Seconds that a program of the lab waits at most until it looks at the clock: usually, and while it is moved."""

_COMPILE = 20.0
"""Seconds that compiling may take; it takes some 20 ms."""


class ClockPage:
    """What says how far the lab's clock is ahead of the machine's: a file that is mapped here and in the lab.

    :param threads: finds those of the lab's programs.
    """

    def __init__(self, path: Path, threads: Callable[[], Threads]) -> None:
        """Begin with a clock that isn't ahead."""
        self.threads = threads
        path.write_bytes(bytes(mmap.PAGESIZE))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.look_every(COARSE)

    def _read(self, offset: int) -> int:
        value: int = struct.unpack_from("=q", self._map, offset)[0]
        return value

    @property
    def ahead(self) -> float:
        """Seconds that the lab's clock is ahead."""
        return self._read(_AHEAD) / _SECOND

    @property
    def ticks(self) -> int:
        """How many ticks Kamailio's timer has got from it."""
        return self._read(_TICKS)

    @property
    def is_followed(self) -> bool:
        """Whether Kamailio's timer has had every tick of the time that was skipped."""
        return self._read(_FOLLOWED) >= self._read(_AHEAD)

    def move(self, seconds: float) -> None:
        """Put the lab's clock forward."""
        struct.pack_into("=q", self._map, _AHEAD, self._read(_AHEAD) + round(seconds * _SECOND))

    def look_every(self, seconds: float) -> None:
        """How long a program of the lab waits at most until it looks at the clock."""
        struct.pack_into("=q", self._map, _SLICE, round(seconds * _SECOND))

    def close(self) -> None:
        self._map.close()


def compiled(lab: Lab) -> bytes:
    """The library, compiled in the lab by the tcc that came with Kamailio (or what is there by that name).

    :raises LabError: it can't be; with the reason.
    """
    name = "clock-compiler"
    source = Path(__file__).with_name("moved_clock.c").read_bytes()
    command = ("tcc", "-shared", "-o", "clock.so", "moved_clock.c")
    process = lab.run(Program(name, "kamailio", command, lab.host(name), {"moved_clock.c": source}))
    try:
        status = process.wait(Deadline(_COMPILE))
        library = process.read_file("clock.so")
        if status or library is None:
            said = " ".join(process.output().split())
            raise LabError("the clock's library could not be compiled", found=said or f"status {status}")
        return library
    finally:
        process.remove()
        lab.release(name)
