"""What Kamailio logs when it has no memory left: shared, in which calls are, or private, of one of its processes.

The texts are those of Kamailio 6.0 and 6.1: the core's own for all modules (``core/mem/shm.h``, ``core/mem/pkg.h``),
those of its allocators (``core/mem/q_malloc.c`` and its like), and what modules say in words of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["MORE_THAN_THERE_IS", "Shortage", "memory_shortages"]

Memory = Literal["shared", "private", "system", "any"]

_LACK = r"\b(?:no|not|no more|not more|no free|not enough|out of) +"
_FAILURE = r"\b(?:could ?n[o']?t|cannot|can't|failed to) +m?alloc(?:ate)?'? +"
_SHARED = r"(?:shm(?:em)?\b(?!-)|shared? mem(?:ory)?\b(?! segment))"
_PRIVATE = r"(?:pkg\b|private mem(?:ory)?\b)"
_ANY = r"(?:dynamic |clone )?mem(?:ory)?\b(?! block| from system)"

_TEXTS: dict[Memory, re.Pattern[str]] = {
    "shared": re.compile(
        rf"{_LACK}{_SHARED}|{_FAILURE}(?:reply )?{_SHARED}|shm memory allocation failure"
        r"|not enough memory for safe operation: shm|memory allocation failure.*shared memory",
        re.IGNORECASE,
    ),
    "private": re.compile(rf"{_LACK}{_PRIVATE}|{_FAILURE}{_PRIVATE}", re.IGNORECASE),
    "system": re.compile(rf"{_FAILURE}memory from system", re.IGNORECASE),
    "any": re.compile(
        rf"{_LACK}{_ANY}|{_FAILURE}{_ANY}|memory allocation failure|Free fragment not found", re.IGNORECASE
    ),
}
"""The most exact first."""

MORE_THAN_THERE_IS = "memory demanded: "
"""At its start, where the machine hasn't got what it is to have (``core/mem/q_malloc.c`` and its like)."""

_OWN_WORDS = "<script>: "
"""What a configuration itself logs (xlog): nothing that Kamailio says of its memory."""


_SHARED_MEGABYTES, _PRIVATE_MEGABYTES = 256, 16
"""What Kamailio has in a lab where nobody says (compose/lab.yaml)."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """:param memory: which; ``any`` where the log doesn't say.
    :param text: the first line that says so.
    """

    memory: Memory
    text: str

    @property
    def what(self) -> str:
        return "memory" if self.memory == "any" else f"{self.memory} memory"

    def remedy(self, memory: int | None = None, package_memory: int | None = None) -> str:
        """What to do.

        :param memory, package_memory: megabytes that it has; None for those of a lab.
        """
        shared, private = 2 * int(memory or _SHARED_MEGABYTES), 2 * int(package_memory or _PRIVATE_MEGABYTES)
        if self.memory == "shared":
            return f"give it more: `memory: {shared}m` under `kamailio`, its option `-m {shared}`; or load it less"
        if self.memory == "private":
            return f"give each process more: `package_memory: {private}m` under `kamailio`, its option `-M {private}`"
        if self.memory == "system":
            return "the machine has no memory left"
        return f"give it more: `memory: {shared}m`, `package_memory: {private}m` (its options `-m` and `-M`)"


def memory_shortages(lines: Iterable[str]) -> list[Shortage]:
    """The first line of each kind of memory that ran out; what may be either only where no line is more exact."""
    found: dict[Memory, Shortage] = {}
    for line in lines:
        memory = _memory_of(line)
        if memory is not None and memory not in found:
            found[memory] = Shortage(memory, line)
    return [found[memory] for memory in _TEXTS if memory in found and (memory != "any" or len(found) == 1)]


def _memory_of(line: str) -> Memory | None:
    if _OWN_WORDS in line:
        return None
    return next((memory for memory, pattern in _TEXTS.items() if pattern.search(line)), None)
