"""The bodies that the agent takes, checked and converted as pydantic 1 does it there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from rating_harness.rating.engine import timestamps
from rating_harness.rating.engine.calls import CallRequest

__all__ = ["MODELS", "Invalid", "Malformed", "Model", "invalid", "read"]

Errors = list[dict[str, Any]]
Check = Callable[[Any, tuple[str | int, ...], Errors], Any]

_TRUE = frozenset({1, "1", "on", "t", "true", "y", "yes"})
_FALSE = frozenset({0, "0", "off", "f", "false", "n", "no"})


class Malformed(Exception):
    """The body is no JSON."""


class Invalid(Exception):
    """The body isn't what the endpoint takes. ``errors`` are what FastAPI lists as ``detail``."""

    def __init__(self, errors: Errors) -> None:
        super().__init__(str(errors))
        self.errors = errors


def invalid(field: str, message: str, kind: str) -> Invalid:
    """One mistake in one field."""
    return Invalid([_error(("body", "request", field), message, kind)])


def _error(where: tuple[str | int, ...], message: str, kind: str) -> dict[str, Any]:
    return {"loc": list(where), "msg": message, "type": kind}


def _string(value: Any, where: tuple[str | int, ...], errors: Errors) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    if value is None:
        errors.append(_error(where, "none is not an allowed value", "type_error.none.not_allowed"))
    else:
        errors.append(_error(where, "str type expected", "type_error.str"))
    return None


def _strings(value: Any, where: tuple[str | int, ...], errors: Errors) -> list[str | None] | None:
    if not isinstance(value, list):
        errors.append(_error(where, "value is not a valid list", "type_error.list"))
        return None
    return [_string(item, (*where, position), errors) for position, item in enumerate(value)]


def _instant(value: Any, where: tuple[str | int, ...], errors: Errors) -> int | None:
    """Whole seconds: fractions never reach the engine."""
    instant = None
    if isinstance(value, int | float):
        instant = timestamps.from_number(value)
    elif isinstance(value, str):
        instant = timestamps.from_text(value)
        if instant is None:
            instant = _unix_time(value)
    else:
        kind = "invalid type; expected datetime, string, bytes, int or float"
        errors.append(_error(where, kind, "type_error"))
        return None
    if instant is None:
        errors.append(_error(where, "invalid datetime format", "value_error.datetime"))
        return None
    return timestamps.whole_seconds(instant)


def _unix_time(text: str) -> int | None:
    try:
        return timestamps.from_number(float(text))
    except ValueError:
        return None


def _boolean(value: Any, where: tuple[str | int, ...], errors: Errors) -> bool | None:
    if not isinstance(value, list | dict):
        known = value.lower() if isinstance(value, str) else value
        if known in _TRUE:
            return True
        if known in _FALSE:
            return False
    errors.append(_error(where, "value could not be parsed to a boolean", "type_error.bool"))
    return None


@dataclass(frozen=True, slots=True)
class Model:
    """What one endpoint takes: its fields in the order in which their errors are listed.

    ``kept`` are those that the engine looks at; the others are checked and dropped.
    """

    name: str
    fields: tuple[tuple[str, Check], ...]
    kept: frozenset[str]


_PARTIES: tuple[tuple[str, Check], ...] = (
    ("tenant", _string),
    ("transaction_tag", _string),
    ("account_tag", _string),
    ("destination_account_tag", _string),
)
_ADDRESSES: tuple[tuple[str, Check], ...] = (
    ("source", _string),
    ("source_ip", _string),
    ("destination", _string),
    ("carrier_ip", _string),
    ("tags", _strings),
)
_NOT_NULL = frozenset({"tenant", "transaction_tag"})
_NEVER_KEPT = frozenset({"authorized", "unauthorized_reason"})


def _model(name: str, *fields: tuple[str, Check]) -> Model:
    return Model(name, (*_PARTIES, *fields), frozenset(field for field, _ in (*_PARTIES, *fields)) - _NEVER_KEPT)


MODELS = {
    "authorization": _model("AuthorizationRequest", *_ADDRESSES, ("timestamp_auth", _instant)),
    "begin_transaction": _model("BeginTransactionRequest", *_ADDRESSES, ("timestamp_begin", _instant)),
    "end_transaction": _model("EndTransactionRequest", ("timestamp_end", _instant)),
    "rollback_transaction": _model("RollbackTransactionRequest"),
    "record_transaction": _model(
        "RecordTransactionRequest",
        *_ADDRESSES,
        ("authorized", _boolean),
        ("unauthorized_reason", _string),
        ("timestamp_auth", _instant),
        ("timestamp_begin", _instant),
        ("timestamp_end", _instant),
    ),
}
"""By the last part of the endpoint's path."""


def read(model: Model, body: bytes) -> CallRequest:
    """The request in a body.

    :raises Malformed: it is no JSON.
    :raises Invalid: it isn't what the model says.
    """
    try:
        content = orjson.loads(body) if body else None
    except orjson.JSONDecodeError as error:
        raise Malformed from error
    if content is None:
        raise Invalid([_error(("body", "request"), "field required", "value_error.missing")])
    if not isinstance(content, dict):
        try:
            content = dict(content)
        except (TypeError, ValueError) as error:
            raise Invalid([_error(("body", "request"), "value is not a valid dict", "type_error.dict")]) from error
    values: dict[str, Any] = {}
    errors: Errors = []
    for name, check in model.fields:
        value = content.get(name)
        if value is None:
            if name == "transaction_tag" and name not in content:
                errors.append(_error(("body", "request", name), "field required", "value_error.missing"))
            elif name in _NOT_NULL and name in content:
                check(value, ("body", "request", name), errors)
        elif type(value) is str and check is _string:
            values[name] = value
        else:
            values[name] = check(value, ("body", "request", name), errors)
    if errors:
        raise Invalid(errors)
    return CallRequest(**{name: value for name, value in values.items() if name in model.kept})
