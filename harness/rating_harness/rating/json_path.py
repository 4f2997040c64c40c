"""Places in a JSON document, as dotted paths: ``params.0.Event``, numbers for places in lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["MISSING", "value_at", "with_value", "without"]

MISSING: Final = object()
"""What `value_at` finds where nothing stands; null is a value."""


def value_at(document: Any, where: str) -> Any:
    """What stands there, or `MISSING`. An empty path is the whole document."""
    for name in where.split(".") if where else ():
        if isinstance(document, Mapping) and name in document:
            document = document[name]
        elif isinstance(document, list) and name.isdecimal() and int(name) < len(document):
            document = document[int(name)]
        else:
            return MISSING
    return document


def with_value(document: Any, where: str, value: Any) -> Any:
    """The document with that value there; objects on the way are made where there are none."""
    name, _, rest = where.partition(".")
    if isinstance(document, list) and name.isdecimal() and int(name) < len(document):
        place = int(name)
        inner = with_value(document[place], rest, value) if rest else value
        return [*document[:place], inner, *document[place + 1 :]]
    fields = dict(document) if isinstance(document, Mapping) else {}
    return fields | {name: with_value(fields.get(name), rest, value) if rest else value}


def without(document: Any, where: str) -> Any:
    """The document without what stands there."""
    name, _, rest = where.partition(".")
    if isinstance(document, list) and name.isdecimal() and int(name) < len(document):
        place = int(name)
        inner = [without(document[place], rest)] if rest else []
        return [*document[:place], *inner, *document[place + 1 :]]
    if not isinstance(document, Mapping) or name not in document:
        return document
    if rest:
        return {**document, name: without(document[name], rest)}
    return {key: value for key, value in document.items() if key != name}
