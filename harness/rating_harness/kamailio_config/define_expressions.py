"""The expressions of ``#!ifexp``, ``#!defexp`` and ``#!defexps``.

Kamailio computes them with a small evaluator of its own (``core/utils/snexpr.h``), whose rules are not those of the
routing language: a define with a value is a *string*, whatever it looks like, one without a value is 1, an unknown
word is 0; and where the left operand is a string, both are compared as strings (``"900" >= "5000"`` is true).
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping

__all__ = ["evaluate"]

Value = float | str

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>\d[\d.]*)
      | (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
      | (?P<word>[$@A-Z\[\]\\_`a-z{}~][$#@A-Z\[\]\\_`a-z{}~0-9]*)
      | (?P<operator>\*\*|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%<>&|^!()])
    )""",
    re.VERBOSE,
)

_LEVELS: tuple[tuple[str, ...], ...] = (
    ("||",),
    ("&&",),
    ("^",),
    ("|",),
    ("&",),
    ("<", "<=", ">", ">=", "==", "!="),
    ("<<", ">>"),
    ("+", "-"),
    ("*", "/", "%", "**"),
)
"""Binary operators, those that bind loosest first."""


class _Unreadable(Exception):
    """Kamailio logs an error and goes on: the condition is false, the define has no value."""


def evaluate(text: str, defines: Mapping[str, str | None]) -> Value | None:
    """What an expression comes to; None where Kamailio can't compute it."""
    try:
        tokens = _tokens(text)
        parser = _Parser(tokens, defines)
        value = parser.binary(0)
        return value if parser.at_end else None
    except _Unreadable:
        return None


def _tokens(text: str) -> list[tuple[str, str]]:
    text = text.split("#", 1)[0] if not re.search(r"""['"]""", text) else text
    found: list[tuple[str, str]] = []
    at, text = 0, text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _Unreadable(text)
        kind = match.lastgroup
        assert kind is not None
        found.append((kind, match[kind]))
        at = match.end()
    return found


def _single(number: float) -> float:
    """As a C float, which is what Kamailio computes with."""
    try:
        return float(struct.unpack("f", struct.pack("f", number))[0])
    except OverflowError:
        return math.inf


def _as_text(value: Value) -> str:
    if isinstance(value, str):
        return value
    return str(int(value)) if value == int(value) else f"{value:g}"


def _as_number(value: Value) -> float:
    if isinstance(value, str):
        match = re.match(r"\s*[-+]?\d+(\.\d*)?", value)
        return float(match[0]) if match else 0.0
    return value


def _number(value: Value) -> float:
    """Arithmetic takes numbers alone, but for what stands right of a plus."""
    if isinstance(value, str):
        raise _Unreadable(value)
    return value


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]], defines: Mapping[str, str | None]) -> None:
        self._tokens = tokens
        self._defines = defines
        self._at = 0

    @property
    def at_end(self) -> bool:
        return self._at == len(self._tokens)

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if not self.at_end else ("end", "")

    def binary(self, level: int) -> Value:
        if level == len(_LEVELS):
            return self._unary()
        left = self.binary(level + 1)
        while self._peek()[0] == "operator" and self._peek()[1] in _LEVELS[level]:
            operator = self._peek()[1]
            self._at += 1
            left = _apply(operator, left, self.binary(level + 1))
        return left

    def _unary(self) -> Value:
        kind, text = self._peek()
        self._at += 1
        if (kind, text) == ("operator", "("):
            value = self.binary(0)
            if self._peek()[1] != ")":
                raise _Unreadable(text)
            self._at += 1
            return value
        if kind == "operator" and text in "-!^":
            operand = _number(self._unary())
            return {"-": -operand, "!": float(not operand), "^": float(~int(operand))}[text]
        if kind == "number":
            return _single(float(text))
        if kind == "string":
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        if kind == "word":
            return self._define(text)
        raise _Unreadable(text)

    def _define(self, name: str) -> Value:
        if name not in self._defines:
            return 0.0
        value = self._defines[name]
        if value is None:
            return 1.0
        quoted = len(value) >= 2 and value[0] in "\"'" and value[0] == value[-1]
        return value[1:-1] if quoted else value


_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
_COMPUTE: Mapping[str, Callable[[float, float], float]] = {
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b if b else math.inf,
    "%": lambda a, b: math.fmod(a, b) if b else math.nan,
    "**": lambda a, b: a**b,
    "<<": lambda a, b: float(int(a) << int(b)),
    ">>": lambda a, b: float(int(a) >> int(b)),
    "&": lambda a, b: float(int(a) & int(b)),
    "|": lambda a, b: float(int(a) | int(b)),
    "^": lambda a, b: float(int(a) ^ int(b)),
}


def _apply(operator: str, left: Value, right: Value) -> Value:
    if operator in _COMPARE:
        if isinstance(left, str):
            other = _as_text(right)
            order = (left > other) - (left < other)
            return float(_COMPARE[operator](order, 0))
        return float(_COMPARE[operator](left, _as_number(right)))
    if operator == "+":
        if isinstance(left, str):
            return left + _as_text(right)
        return _single(left + _as_number(right))
    if operator == "&&":
        return float(bool(_truth(left)) and bool(_truth(right)))
    if operator == "||":
        return float(bool(_truth(left)) or bool(_truth(right)))
    return _single(_COMPUTE[operator](_number(left), _number(right)))


def _truth(value: Value) -> bool:
    return bool(value)
