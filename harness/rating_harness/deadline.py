"""A point in time until which something may take, and the one way in which the harness waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from rating_harness.errors import Timeout

__all__ = ["Deadline", "await_condition"]

T = TypeVar("T")


class Deadline:
    """So many seconds from now, on the monotonic clock. It is passed down, so that nested waits share it."""

    __slots__ = ("_end", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - time.monotonic())

    @property
    def expired(self) -> bool:
        return self.remaining == 0.0

    def at_most(self, seconds: float) -> Deadline:
        """The earlier of this deadline and ``seconds`` from now."""
        return Deadline(min(seconds, self.remaining))

    def __repr__(self) -> str:
        return f"<Deadline {self.remaining:.3f} of {self.seconds:g} s left>"


def await_condition(
    probe: Callable[[], T | None],
    deadline: Deadline,
    what: str,
    *,
    interval: float = 0.02,
    last_seen: Callable[[], str] | None = None,
    hint: str | None = None,
) -> T:
    """Call ``probe`` until it returns something true, and return that.

    ``probe`` may raise to end the wait at once (a service that died, say).

    :raises Timeout: at the deadline, with ``what`` was awaited and what was seen last.
    """
    while True:
        value = probe()
        if value:
            return value
        if deadline.expired:
            raise Timeout(
                f"{what} did not happen within {deadline.seconds:g} s",
                found=last_seen() if last_seen else None,
                hint=hint,
            )
        time.sleep(min(interval, deadline.remaining))
