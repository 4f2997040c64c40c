"""Configurations that are written down in a test, and trees that can be compared wherever they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from rating_harness.kamailio_config.parser import parse
from rating_harness.kamailio_config.tree import Configuration, Node, Route, Statement


def configuration(
    text: str,
    defines: Mapping[str, str | None] | None = None,
    files: Mapping[str, str] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
) -> Configuration:
    """Parse ``kamailio.cfg`` with this text; ``files`` are what it may include, by name."""
    texts = {"kamailio.cfg": text, **(files or {})}

    def read(name: str, within: str | None) -> tuple[str, str] | None:
        return (name, texts[name]) if name in texts else None

    return parse("kamailio.cfg", read, defines, environment=environment or {})


def body(statements: str, defines: Mapping[str, str | None] | None = None) -> tuple[Statement, ...]:
    """The statements of a route with this body."""
    (route,) = configuration("request_route {\n" + statements + "\n}\n", defines).routes
    assert isinstance(route, Route)
    return route.body.statements


def shape(value: Any) -> Any:
    """A node without its places: equal for what means the same."""
    if isinstance(value, Node):
        parts = [shape(getattr(value, each.name)) for each in fields(value) if each.name != "span"]
        return (type(value).__name__, *parts)
    if isinstance(value, tuple):
        return tuple(shape(each) for each in value)
    if type(value).__name__ == "Span":
        return "span"
    return value
