"""Texts of the report on a terminal: in colour where there is one, in ASCII where it can't show more."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.highlighter import RegexHighlighter
from rich.text import Text
from rich.theme import Theme

__all__ = ["console", "show", "styled", "to_ascii"]

_THEME = Theme(
    {
        "harness.bad": "bold red",
        "harness.good": "bold green",
        "harness.skipped": "yellow",
        "harness.what": "bold",
        "harness.expected": "green",
        "harness.seen": "red",
        "harness.line": "dim",
        "harness.broken": "red",
        "harness.grave": "red",
        "harness.warning": "yellow",
    }
)


class _Highlighter(RegexHighlighter):
    base_style = "harness."
    highlights = (
        r"(?m)^(?P<bad>FAILED|NOT RUN)",
        r"(?m)^(?P<good>PASSED)",
        r"(?m)^(?P<skipped>SKIPPED)",
        r"(?m)^(?P<what>\S.*)\n(?= +(?:line )?\S+ \| )",
        r"(?m)^ +expected \| (?P<expected>.*)$",
        r"(?m)^ +seen \| (?P<seen>.*)$",
        r"(?P<line>[│├┤])",
        r"(?P<broken>◀╌[^┤\n]*┤)",
        r"(?m)^  (?P<grave>ALERT|BUG|CRITICAL|ERROR)\b",
        r"(?m)^  (?P<warning>WARNING|NOTICE)\b",
    )


_PLAIN: dict[int, int | str] = {**str.maketrans("│─╌▶◀├┤…×⋮", "|-.><||~x:"), ord("±"): "+-"}


def console(file: TextIO | None = None) -> Console:
    """A console for the report's texts: it keeps their lines as they are, and respects NO_COLOR."""
    return Console(file=file, theme=_THEME, highlighter=_Highlighter(), soft_wrap=True, markup=False, emoji=False)


def show(text: str, on: Console) -> None:
    on.print(styled(text) if on.encoding.startswith("utf") else to_ascii(text))


def styled(text: str) -> Text:
    """The text with its styles; what it says is the same."""
    return _Highlighter()(text)


def to_ascii(text: str) -> str:
    """The same text for a terminal that knows no more than ASCII; a ladder keeps its columns."""
    return text.translate(_PLAIN).encode("ascii", "replace").decode()
