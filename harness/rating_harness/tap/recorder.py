"""The recorder: every exchange from its first moment on, and who waits for news of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass

from rating_harness.tap.exchange import Exchange, Outcome, UpstreamAnswer
from rating_harness.tap.faults import Fault
from rating_harness.tap.messages import Request, parse_text

__all__ = ["Recorder", "Result"]


@dataclass(frozen=True, slots=True)
class Result:
    """How an exchange ended."""

    outcome: Outcome
    status: int | None = None
    answer: bytes = b""


class _Record:
    """What is known of an exchange so far: made into one when somebody reads it, not each time something is added."""

    __slots__ = ("answered", "client_gone", "error", "fault", "nth", "number", "request", "result", "upstream")

    def __init__(self, number: int, nth: int, request: Request, fault: Fault | None) -> None:
        self.number = number
        self.nth = nth
        self.request = request
        self.fault = fault
        self.error = request.error
        self.upstream: tuple[UpstreamAnswer, ...] = ()
        self.result: Result | None = None
        self.answered: float | None = None
        self.client_gone = False

    @property
    def exchange(self) -> Exchange:
        request, fault, result = self.request, self.fault, self.result
        return Exchange(
            number=self.number,
            nth=self.nth,
            connection=request.connection,
            received=request.received,
            method=request.method,
            path=request.path,
            query=request.query,
            headers=request.headers,
            body=parse_text(request.body),
            upstream=self.upstream,
            outcome="pending" if result is None else result.outcome,
            status=None if result is None else result.status,
            answer="" if result is None else parse_text(result.answer),
            answered=self.answered,
            fault=fault.id if fault else None,
            kind=fault.kind if fault else None,
            client_gone=self.client_gone,
            tls=request.tls,
            client_certificate=request.client_certificate,
            error=self.error,
        )


class Recorder:
    """All exchanges since the last `clear`, in memory.

    Each exchange changes twice: when its request is received and when it ends. Changes are counted, and the count is
    the cursor from which a reader goes on: so an exchange that ends late is seen by one who has read past its number.
    """

    def __init__(self) -> None:
        self._records: dict[int, _Record] = {}
        self._changes: list[int] = []
        self._forgotten = 0
        self._number = 0
        self._per_path: Counter[str] = Counter()
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def cursor(self) -> int:
        """The number of changes so far; `clear` doesn't set it back."""
        return self._forgotten + len(self._changes)

    def received(self, request: Request, fault: Fault | None) -> int:
        """Record a request and the fault it meets. Returns the number of its exchange."""
        self._number += 1
        path = request.path
        self._per_path[path] += 1
        self._records[self._number] = _Record(self._number, self._per_path[path], request, fault)
        self._changed(self._number)
        return self._number

    def upstream_answered(self, number: int, answer: UpstreamAnswer) -> None:
        """Add an upstream answer to an exchange."""
        if record := self._records.get(number):
            record.upstream = (*record.upstream, answer)

    def failed(self, number: int, error: str) -> None:
        """Note what kept the tap from doing its work on an exchange."""
        if record := self._records.get(number):
            record.error = error

    def ended(self, number: int, result: Result, *, client_gone: bool) -> None:
        """Record how an exchange ended. One that was cleared meanwhile stays forgotten."""
        if record := self._records.get(number):
            record.result, record.answered, record.client_gone = result, time.time(), client_gone
            self._changed(number)

    def since(self, cursor: int, limit: int) -> tuple[int, list[Exchange]]:
        """The exchanges that changed after ``cursor``, at most ``limit`` changes on, and the cursor to go on from."""
        start = max(0, cursor - self._forgotten)
        numbers = self._changes[start : start + limit]
        return self._forgotten + start + len(numbers), [
            self._records[number].exchange for number in dict.fromkeys(numbers)
        ]

    async def changed(self, cursor: int, seconds: float) -> None:
        """Wait until there is a change after ``cursor``, at most so many seconds."""
        if self.cursor > cursor:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await asyncio.wait((future,), timeout=seconds)
        finally:
            self._waiting.discard(future)

    def clear(self) -> None:
        """Forget all exchanges, the pending ones too, and count the requests of each path from 1 again."""
        self._forgotten = self.cursor
        self._changes.clear()
        self._records.clear()
        self._per_path.clear()

    def forget(self, cursor: int) -> None:
        """Forget the exchanges that had ended at ``cursor``; a reader who goes on from there misses nothing."""
        count = max(0, cursor - self._forgotten)
        read, self._changes = self._changes[:count], self._changes[count:]
        self._forgotten += len(read)
        changing = set(self._changes)
        for number in dict.fromkeys(read):
            if number not in changing and self._records[number].result is not None:
                del self._records[number]

    def _changed(self, number: int) -> None:
        self._changes.append(number)
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
