"""The tap's exchanges as evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rating_harness.contract import refused_json
from rating_harness.evidence.model import Exchange
from rating_harness.evidence.redaction import redacted_headers
from rating_harness.tap.client import TapClient
from rating_harness.tap.exchange import Exchange as TapExchange
from rating_harness.tap.exchange import parse_json

if TYPE_CHECKING:
    from rating_harness.rating.engine_file import EngineFile

__all__ = ["ExchangeLog", "as_exchange"]

_MANY = 1000
"""Exchanges which the tap may hold as well."""


class ExchangeLog:
    """The exchanges since the tap was last cleared, taken over from it as they change: never all of them at once."""

    def __init__(self, tap: TapClient, engine: EngineFile | None = None) -> None:
        """:param engine: what translates them into the contract's words, for an engine that has words of its own."""
        self._tap = tap
        self._engine = engine
        self._cursor = 0
        self._seen: dict[int, Exchange] = {}
        self._pending: set[int] = set()

    def drain(self) -> None:
        """Take over what has changed."""
        news = self._tap.exchanges(self._cursor)
        if news.cursor == self._cursor:
            return
        self._cursor = news.cursor
        for each in news.exchanges:
            self._seen[each.number] = self._translated(as_exchange(each))
            if each.pending:
                self._pending.add(each.number)
            else:
                self._pending.discard(each.number)
        if len(self._seen) > _MANY:
            self._tap.forget(self._cursor)

    def _translated(self, exchange: Exchange) -> Exchange:
        if self._engine is None:
            return exchange
        from rating_harness.run.engine_words import exchange_in_words_of_contract

        return exchange_in_words_of_contract(self._engine, exchange)

    @property
    def unanswered(self) -> str | None:
        """The first request that was taken over and has no answer yet; None where all have."""
        return self._seen[min(self._pending)].path if self._pending else None

    @property
    def is_quiet(self) -> bool:
        """Whether every request that was taken over is answered."""
        return not self._pending

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        return tuple(self._seen[number] for number in sorted(self._seen))


def as_exchange(seen: TapExchange) -> Exchange:
    request = seen.json
    response = parse_json(seen.answer) if seen.answer and refused_json(seen.answer) is None else None
    return Exchange(
        number=seen.number,
        received=seen.received,
        answered=seen.answered,
        method=seen.method,
        path=seen.path,
        request=request if request is not None else seen.body,
        status=seen.status if seen.outcome != "pending" else None,
        response=response if response is not None else seen.answer,
        fault=seen.kind,
        query=seen.query,
        headers=redacted_headers(seen.headers),
    )
