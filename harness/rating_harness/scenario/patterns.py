"""How texts with a meaning are spelled, as regular expressions that JSON Schema (ECMA 262) shares with Python."""

from __future__ import annotations

__all__ = [
    "CALL_ID",
    "DURATION",
    "DURATION_MATCH",
    "MOMENT",
    "NUMBER",
    "NUMBER_MATCH",
    "OTHER_MOMENT",
    "TOLERANCE",
    "VARIABLE",
    "VERSION",
    "whole",
]

NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,6})?"
DURATION = rf"{NUMBER}\s*(?:ms|s|m|h)"
TOLERANCE = r"(?:±|\+-|\+/-)"
CALL_ID = r"[A-Za-z][A-Za-z0-9_-]{0,63}"
VERSION = r"(?:(?:at least|below) )?[0-9]+(?:\.[0-9]+){0,3}"
VARIABLE = r"\$\{[^{}]*\}"

_COMPARED = r"(?:(?:<=|>=|<|>)\s*|(?:at most|at least|below|above)\s+)"
_EVENT = r"(?:start(?:ed)?|invite|ring(?:ing)?|answer(?:ed)?|end(?:ed)?)"

NUMBER_MATCH = rf"(?:any|absent|-?{NUMBER}(?:\s*{TOLERANCE}\s*{NUMBER})?|{_COMPARED}-?{NUMBER})"
DURATION_MATCH = rf"(?:any|absent|{DURATION}(?:\s*{TOLERANCE}\s*{DURATION})?|{_COMPARED}{DURATION})"
MOMENT = rf"(?:at once|while\s+ringing|(?:after\s+)?{DURATION}|(?:{DURATION}\s+)?after\s+{_EVENT})"
OTHER_MOMENT = rf"(?:{DURATION}|(?:{DURATION}\s+after\s+)?{CALL_ID}(?:\s+is\s+|\.|\s+has\s+){_EVENT})"


def whole(pattern: str) -> str:
    """The pattern for JSON Schema, which else would find it anywhere in a text."""
    return rf"^\s*{pattern}\s*$"
