"""The two kinds of placeholders: ``{name.path}`` in requests and values, ``%(name)s`` in SIPp scenarios."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from rating_harness.scenario.values import Unfit

__all__ = ["ALWAYS_STORED", "BUILT_IN", "built_in", "filled", "names_in", "references_in", "resolved"]

ALWAYS_STORED = ("random", "ipaddr")
"""``{random.uuid4}`` is new with each request, ``{ipaddr.ip}`` is where calls come from."""

BUILT_IN = "builtin.xml"

_REFERENCE = re.compile(r"\{([A-Za-z_][\w-]*)\.([\w.-]+)\}")
_PLACEHOLDER = re.compile(r"%(?:%|\((?P<name>[^)]*)\)(?P<form>[#0\- +]*\d*(?:\.\d+)?[diouxXeEfFgGcrs]))")


@cache
def built_in() -> str:
    """The SIPp scenario of a worker that names none: a call with digest, from an ``-inf`` file with the fields user,
    domain, ``[authentication ...]`` and number; it lasts ``call_duration`` milliseconds.
    """
    return (files(__package__) / BUILT_IN).read_text(encoding="utf-8")


def names_in(template: str) -> list[str]:
    """The names for which a SIPp scenario wants values."""
    return list(
        dict.fromkeys(match["name"] for match in _PLACEHOLDER.finditer(template) if match["name"] is not None)
    )


def filled(template: str, values: Mapping[str, str | int]) -> str:
    """The SIPp scenario with its values. ``%%`` is a percent sign, and so is one that begins no placeholder.

    :raises Unfit: a text where the scenario wants a number.
    :raises KeyError: there's no such value.
    """

    def fill(match: re.Match[str]) -> str:
        if match["name"] is None:
            return "%"
        value = values[match["name"]]
        try:
            return str(f"%{match['form']}" % (value,))
        except TypeError:
            message = f"the SIPp scenario wants a number for {match['name']!r}, and this is {value!r}"
            raise Unfit(message, "take the quotes away") from None

    return _PLACEHOLDER.sub(fill, template)


def references_in(value: Any) -> Iterator[tuple[str, str]]:
    """``(name, path)`` of each reference in a text, or in the texts of a list or a mapping."""
    if isinstance(value, str):
        yield from ((match[1], match[2]) for match in _REFERENCE.finditer(value))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from references_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from references_in(inner)


def resolved(value: Any, stored: Mapping[str, Any]) -> Any:
    """The same value with what its references refer to in their place.

    :raises Unfit: the stored answer has no such path.
    """
    if isinstance(value, str):
        return _REFERENCE.sub(lambda match: str(_at(stored, match[1], match[2])), value)
    if isinstance(value, Mapping):
        return {key: resolved(inner, stored) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [resolved(inner, stored) for inner in value]
    return value


def _at(stored: Mapping[str, Any], name: str, path: str) -> Any:
    found: Any = stored.get(name)
    for step in path.split("."):
        if isinstance(found, Mapping) and step in found:
            found = found[step]
        elif isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        else:
            raise Unfit(f"{{{name}.{path}}} refers to nothing", f"the answer stored as {name!r} has no {step!r}")
    return found
