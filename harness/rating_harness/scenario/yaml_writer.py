"""Values as YAML's flow style has them, for whatever writes scenarios: the converter, `record`, the manual.

What is written here is read back as the same value by the loader, and by programs that read YAML 1.1 or 1.2.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import yaml

from rating_harness.scenario.values import CALL_ID, DURATION, NUMBER, TOLERANCE

__all__ = ["flow"]

_PLAIN = re.compile(r"[A-Za-z][\w.@-]*(?: [A-Za-z0-9][\w./@-]*)*", re.ASCII)
_QUANTITY = re.compile(rf"(?:{DURATION}|{NUMBER}\s+{TOLERANCE}\s+{NUMBER}|{DURATION}\s+{TOLERANCE}\s+{DURATION})")
_MOMENT = re.compile(rf"(?:{DURATION} after )?{CALL_ID} (?:is|has) [a-z]+")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})
"""Words that aren't texts, to one program or another, when they stand without quotes."""

_YAML11 = yaml.resolver.Resolver()
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def flow(value: Any) -> str:
    """A value in one line. A text is in quotes wherever it could be read as anything else.

    :raises ValueError: a number that YAML can't hold (infinite, or none), or what is no JSON value.
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(str(key))}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        return value if _is_plain(value) else '"' + "".join(map(_escaped, value)) + '"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return _decimal(value)
    raise ValueError(f"YAML has no way to write {value!r}")


def _is_plain(text: str) -> bool:
    """Whether a text needs no quotes, inside brackets too."""
    if _QUANTITY.fullmatch(text) or _MOMENT.fullmatch(text):
        return True
    if not _PLAIN.fullmatch(text) or text.lower() in _WORDS:
        return False
    resolved: str = _YAML11.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return resolved == "tag:yaml.org,2002:str"


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def _decimal(value: float) -> str:
    """With a point, also before an exponent: ``1e+300`` is a text to YAML 1.1."""
    text = repr(value)
    mantissa, exponent, power = text.partition("e")
    return text if "." in mantissa else f"{mantissa}.0{exponent}{power}"
