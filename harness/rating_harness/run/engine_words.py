"""Between the contract's words and those of an engine that a file describes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rating_harness.contract import CONTRACT
from rating_harness.evidence.model import Exchange
from rating_harness.rating.engine_file import Answer, EngineFile
from rating_harness.tap.faults import Edit, Fault

__all__ = ["exchange_in_words_of_contract", "fault_in_words_of_engine"]


def exchange_in_words_of_contract(engine: EngineFile, exchange: Exchange) -> Exchange:
    """As every check reads it; one that the engine's file doesn't recognise is left as it is, and says so."""
    translated = engine.translate(
        exchange.method,
        exchange.path,
        exchange.request,
        exchange.status,
        exchange.response,
        exchange.query,
        exchange.headers,
    )
    if translated is None:
        return replace(exchange, untranslated=engine.known)
    return replace(
        exchange,
        method=CONTRACT.paths.method,
        path=translated.path,
        query="",
        request=translated.request,
        status=translated.status,
        response=translated.response,
        untranslated=translated.untranslated,
        is_translated=True,
    )


def fault_in_words_of_engine(engine: EngineFile, fault: Fault) -> Fault:
    """As this engine's requests and answers meet it."""
    word = CONTRACT.paths.words.get(fault.path or "")
    shape = next((shape for each, shape in engine.requests.items() if each == word), None)
    places = {**engine.request_fields, **(shape.fields if shape else {})}
    action = fault.action
    if isinstance(action, Edit):
        action = Edit(
            {_place(engine.answer, name): _value(engine.answer, name, value) for name, value in action.set.items()},
            tuple(_place(engine.answer, name) for name in action.remove),
        )
    return replace(
        fault,
        action=action,
        path=shape.path if shape else fault.path,
        match={places.get(name, name): value for name, value in fault.match.items()}
        | dict(shape.when if shape else {}),
    )


def _place(answer: Answer, name: str) -> str:
    """Where a field of the contract's answers is; its own name, if the engine's file doesn't say."""
    return getattr(answer, name, None) or name


def _value(answer: Answer, name: str, value: Any) -> Any:
    if name in (CONTRACT.fields.ok, CONTRACT.fields.authorized) and value is True and answer.accepts:
        return answer.accepts[0]
    if name == CONTRACT.fields.units and isinstance(value, int | float) and not isinstance(value, bool):
        return int(value * answer.units_per_second)
    if name == CONTRACT.fields.reason:
        return next((own for own, reason in answer.reasons.items() if reason == value), value)
    return value
