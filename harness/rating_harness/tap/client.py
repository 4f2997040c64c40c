"""The client of a tap's control API: sets faults, reads recorded exchanges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Self
from urllib.parse import quote

import orjson
from pydantic import TypeAdapter

from rating_harness.deadline import Deadline
from rating_harness.errors import LabError, Timeout
from rating_harness.lab.protocol import Endpoint
from rating_harness.rating.http import NoAnswer, http_client
from rating_harness.tap.exchange import Exchange
from rating_harness.tap.faults import Fault, FaultState

__all__ = ["Exchanges", "TapClient"]

_POLL = 5.0


@dataclass(frozen=True, slots=True)
class Exchanges:
    """Exchanges that changed, pending ones included, and the cursor to ask for what changes next."""

    cursor: int
    exchanges: tuple[Exchange, ...]
    more: bool = False


@cache
def _exchanges() -> TypeAdapter[Exchanges]:
    return TypeAdapter(Exchanges)


@cache
def _states() -> TypeAdapter[tuple[FaultState, ...]]:
    return TypeAdapter(tuple[FaultState, ...])


class TapClient:
    """The control API of a tap (`rating_harness.tap.control`) as typed methods. Threads may share it.

    Each method raises `LabError` when the tap can't be reached or refuses.
    """

    def __init__(self, endpoint: Endpoint, *, timeout: float = 5.0) -> None:
        self._timeout = timeout
        self._http = http_client(endpoint, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def check(self) -> None:
        """Do nothing, if the tap is there."""
        self._request("GET", "/status")

    def exchanges(self, after: int = 0, wait: float = 0.0) -> Exchanges:
        """The exchanges that changed after that cursor, in the order of their numbers.

        With ``wait``, seconds, the tap answers as soon as there is a change, or with nothing when they have passed.
        An exchange changes when its request is received and when it ends.
        """
        found: dict[int, Exchange] = {}
        while True:
            page = _exchanges().validate_json(
                self._request("GET", "/exchanges", params={"after": after, "wait": wait}, wait=wait)
            )
            found |= {exchange.number: exchange for exchange in page.exchanges}
            after, wait = page.cursor, 0.0
            if not page.more:
                return Exchanges(page.cursor, tuple(found[number] for number in sorted(found)))

    def wait_for(self, wanted: Callable[[Exchange], bool], deadline: Deadline, what: str) -> Exchange:
        """The first exchange, by number, that is as wanted; pending ones are looked at too.

        :raises Timeout: none was there at the deadline.
        """
        cursor, seen = 0, 0
        while True:
            news = self.exchanges(cursor, wait=0.0 if cursor == 0 else min(_POLL, deadline.remaining))
            for exchange in news.exchanges:
                if wanted(exchange):
                    return exchange
            seen, cursor = max([seen, *(exchange.number for exchange in news.exchanges)]), news.cursor
            if deadline.expired:
                raise Timeout(f"{what} did not happen within {deadline.seconds:g} s", found=f"{seen} requests in all")

    def clear(self) -> None:
        """Forget all exchanges, the pending ones too."""
        self._request("DELETE", "/exchanges")

    def forget(self, cursor: int) -> None:
        """Forget the exchanges that had ended at that cursor: what changes later is still returned."""
        self._request("DELETE", "/exchanges", params={"until": cursor})

    def faults(self) -> tuple[FaultState, ...]:
        """The faults, with how often each was applied."""
        answer = self._request("GET", "/faults")
        return () if answer == b"[]" else _states().validate_json(answer)

    def set_faults(self, *faults: Fault) -> tuple[str, ...]:
        """Have these faults and no others. Returns their ids."""
        return tuple(orjson.loads(self._request("PUT", "/faults", json=faults)))

    def add_faults(self, *faults: Fault) -> tuple[str, ...]:
        """Put these behind those there are. Returns their ids."""
        return tuple(orjson.loads(self._request("POST", "/faults", json=faults)))

    def remove_fault(self, fault_id: str) -> None:
        self._request("DELETE", f"/faults/{_quote(fault_id)}")

    def remove_faults(self) -> None:
        self._request("DELETE", "/faults")

    def arm(self, fault_id: str, armed: bool = True) -> None:
        """Put a fault in force, or out of it. Its counts stay."""
        self._request("PUT", f"/faults/{_quote(fault_id)}/armed", json=armed)

    def upstream(self) -> str | None:
        """The URL of the agent; None when there is none."""
        url: str | None = orjson.loads(self._request("GET", "/upstream"))
        return url

    def set_upstream(self, url: str | None) -> None:
        self._request("PUT", "/upstream", json=url)

    def _request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        params: dict[str, float] | None = None,
        wait: float = 0.0,
    ) -> bytes:
        content = orjson.dumps(json) if method in ("PUT", "POST") else None
        try:
            response = self._http.request(method, path, content=content, params=params, timeout=self._timeout + wait)
        except NoAnswer as error:
            raise LabError(f"the tap does not answer to {method} {path}: {error}") from None
        if response.is_error:
            raise LabError(f"the tap refused {method} {path}", detail=orjson.loads(response.content).get("error"))
        return response.content


def _quote(fault_id: str) -> str:
    return quote(fault_id, safe="")
