"""What a run does beside the loop that watches its calls: the loop goes on, and what fails there is raised in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

__all__ = ["Background"]

_THREADS = 8
"""A Docker engine on two cores starts no more containers at once than that in the same time."""

P = ParamSpec("P")
T = TypeVar("T")


class Background:
    """The threads of one run. Leaving it waits for all that was begun in it."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="run")
        self._line = ThreadPoolExecutor(1, thread_name_prefix="run-in-order")
        self._in_order: list[Future[Any]] = []
        self._pending: list[Future[Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown()
        self._line.shutdown()

    def submit(self, work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> Future[T]:
        """Begin it. Who has the future sees what it raises."""
        future = self._threads.submit(work, *arguments, **options)
        self._pending = [*(each for each in self._pending if not each.done()), future]
        return future

    def in_order(self, work: Callable[P, object], *arguments: P.args, **options: P.kwargs) -> None:
        """Begin it when all that was handed over in this way before is done; `check` raises what it raises."""
        self._in_order.append(self._line.submit(work, *arguments, **options))

    def check(self) -> None:
        """Raise what was raised by something that `in_order` was given and that is done."""
        while self._in_order and self._in_order[0].done():
            self._in_order.pop(0).result()

    def settle(self) -> None:
        """Wait until nothing is being done."""
        wait([*self._pending, *self._in_order])

    def all(self, works: Iterable[Callable[[], object]]) -> None:
        """Do them side by side, and wait for each; then raise what the first of them has raised."""
        futures = [self.submit(work) for work in works]
        wait(futures)
        for future in futures:
            future.result()
