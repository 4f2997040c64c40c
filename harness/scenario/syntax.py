"""What PyYAML complains of, in words for people who write scenarios."""

from __future__ import annotations

import re

import yaml

from harness.scenario.nodes import Span

__all__ = ["DEEPEST", "explain"]

DEEPEST = 40
"""Most levels of nesting in a file."""

_QUOTES = "put the text in quotes"
_PROBLEMS: tuple[tuple[str, str, str], ...] = (
    (r"too deep", f"more than {DEEPEST} levels of nesting", "a scenario needs seven at most"),
    (r"found character '\\t'", "a tab: YAML is indented with spaces", "replace the tab by spaces"),
    (
        r"expected chomping or indentation",
        "'>' and '|' begin a text of several lines here",
        "in quotes, or in words: at least 2, above 3s",
    ),
    (r"found character '>'", "a value can't begin with '>'", "in quotes, or in words: at least 2, above 3s"),
    (r"found character '([^'])'", "a value can't begin with {0!r}", _QUOTES),
    (
        r"mapping values are not allowed",
        "a second ': ' in the same line, or a key that is indented too far",
        f"{_QUOTES}, or align the key with those above it",
    ),
    (r"could not find expected ':'", "this line is neither 'key: value' nor an item '- value'", "is a ':' missing?"),
    (r"found unexpected end of stream", "a quote is opened and never closed", "close it on the same line"),
    (
        r"found unknown escape character '(.)'",
        "in double quotes a backslash begins an escape, and '\\{0}' is none",
        "use single quotes: '\\{0}...'",
    ),
    (r"expected ',' or '(.)', but got '<stream end>'", "a bracket is opened and never closed", "close it with {0!r}"),
    (
        r"expected ',' or '(.)', but got",
        "a ',' or a '{0}' is missing before this",
        'a variable inside {{ }} needs quotes: "${{name}}"; so does a text with [ ] {{ }} or a comma',
    ),
    (
        r"found undefined alias '?([^']*)'?",
        "the alias '*{0}' has no anchor '&{0}' before it",
        "to write a text that begins with '*', put it in quotes",
    ),
    (r"found duplicate anchor", "this anchor's name is taken", "give it another name"),
    (r"expected alphabetic or numeric character", "'*' and '&' begin an alias or an anchor", _QUOTES),
    (
        r"but found another document",
        "a second document ('---')",
        "one file holds one scenario; for variants there is 'matrix'",
    ),
    (
        r"expected <block end>, but found '-'",
        "a list's '-' is indented differently from those above it",
        "align it with them",
    ),
    (
        r"expected <block end>, but found '<block mapping start>'",
        "this key is indented too far",
        "align it with the keys above it",
    ),
    (
        r"expected <block end>, but found '<scalar>'",
        "something follows a value that had ended",
        "a text with quotes in its middle goes in quotes as a whole",
    ),
    (r"expected <block end>", "this is indented differently from what is above it", "align it"),
    (
        r"expected '<document start>'",
        "something follows the end of the document",
        "is the indentation of this line right?",
    ),
)


def explain(error: yaml.MarkedYAMLError, text: str, path: str) -> tuple[Span, str, str]:
    """The place, the message and the hint for what PyYAML says of ``text``."""
    problem = error.problem or "this is not YAML"
    mark = error.problem_mark or error.context_mark
    if mark is not None and mark.index >= len(text.rstrip()) and error.context_mark is not None:
        mark = error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    span = Span(path, line, column, line, column + 1)
    for pattern, message, hint in _PROBLEMS:
        match = re.search(pattern, problem)
        if match:
            return span, message.format(*match.groups()), hint.format(*match.groups())
    return span, problem, ""
