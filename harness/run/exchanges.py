"""The tap's exchanges as evidence."""

from __future__ import annotations

from harness.evidence.model import Exchange
from harness.rating.tap.exchange import Exchange as TapExchange
from harness.rating.tap.exchange import parse_json

__all__ = ["as_exchange"]


def as_exchange(seen: TapExchange) -> Exchange:
    request = seen.json
    response = parse_json(seen.answer) if seen.answer else None
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
    )
