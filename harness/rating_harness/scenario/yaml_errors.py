"""What PyYAML complains of, in words for people who write scenarios."""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

from rating_harness.scenario.nodes import Span

__all__ = ["DEEPEST", "explain"]

DEEPEST = 40
"""Most levels of nesting in a file."""

_QUOTES = "put the text in quotes"
_IN_WORDS = "write it in words (at least 2, above 3s), or in quotes"


@dataclass(frozen=True, slots=True)
class _Problem:
    """A pattern for PyYAML's words, and ours. ``at_context``: the mistake is where the broken thing began."""

    pattern: str
    message: str
    hint: str
    at_context: bool = False


_PROBLEMS = (
    _Problem(r"too deep", f"more than {DEEPEST} levels of nesting", "a scenario needs seven at most"),
    _Problem(r"found character '\\t'", "a tab: YAML is indented with spaces", "replace the tab by spaces"),
    _Problem(r"expected chomping or indentation", "a value can't begin with '>' or '|'", _IN_WORDS),
    _Problem(r"found character '>'", "a value can't begin with '>'", _IN_WORDS),
    _Problem(r"found character '([^'])'", "a value can't begin with '{0}'", _QUOTES),
    _Problem(
        r"mapping values are not allowed",
        "a second ':' in one value, or a key that isn't aligned",
        f"{_QUOTES}; or align the key with those above it;\n"
        "or does the line above lack its ': ' or '- ', each with a space?",
    ),
    _Problem(
        r"could not find expected ':'",
        "neither 'key: value' nor an item '- value'",
        "is a ': ' missing, with its space?",
        at_context=True,
    ),
    _Problem(r"found unexpected end of stream", "a quote is opened and never closed", "close it", at_context=True),
    _Problem(
        r"found unknown escape character '(.)'",
        "in double quotes a backslash begins an escape, and '\\{0}' is none",
        "use single quotes: '\\{0}...'",
    ),
    _Problem(
        r"expected ',' or '(.)', but got '(?!\{)",
        "this bracket isn't closed, or a ',' is missing after it",
        "close it with '{0}'; a text with a comma or a bracket in it goes in quotes",
        at_context=True,
    ),
    _Problem(
        r"expected ',' or '(.)', but got '\{'",
        "a second '{{' where a ',' or a '{0}' should be",
        'a variable inside {{ }} or [ ] goes in quotes: "${{name}}"',
    ),
    _Problem(
        r"found undefined alias '?([^']*)'?",
        "the alias '*{0}' has no anchor '&{0}' before it",
        "a text that begins with '*' goes in quotes",
    ),
    _Problem(r"second occurrence", "this anchor's name is taken", "give it another name"),
    _Problem(r"alphabetic or numeric character", "'*' and '&' begin an alias or an anchor", _QUOTES),
    _Problem(
        r"but found another document",
        "a second document ('---')",
        "one file holds one scenario; for variants there is 'matrix'",
    ),
    _Problem(
        r"expected <block end>, but found '<block mapping start>'",
        "this key isn't aligned with those above it",
        "align it with the keys that belong to the same thing",
    ),
    _Problem(
        r"expected <block end>, but found '(?:<scalar>|,|\]|\})'",
        "this follows a value that had ended",
        f"{_QUOTES} as a whole; or is a quote missing on the line above?",
    ),
    _Problem(
        r"expected <block end>",
        "this isn't aligned with what is above it",
        "begin it in the same column as the first of those it belongs to, or look for a slip in the lines above",
    ),
    _Problem(
        r"bracket is never closed",
        "this bracket is never closed",
        "close it; a text with a bracket in it goes in quotes",
    ),
    _Problem(
        r"expected the node content, but found ','",
        "a ',' and nothing before it",
        "delete it, or write the value that is missing",
    ),
    _Problem(
        r"expected the node content, but found '-'|sequence entries are not allowed here",
        "an item ('- ') can't begin here",
        "a list begins on the next line, or is in brackets: [a, b]; a text that begins with '- ' goes in quotes",
    ),
    _Problem(
        r"expected the node content, but found '(\]|\}|:)'",
        "a '{0}' where a value should be",
        "is the value missing, or the bracket that it closes? A text goes in quotes",
    ),
    _Problem(r"mapping keys are not allowed here", "'? ' begins a key, and none can be here", _QUOTES),
    _Problem(
        r"expected escape sequence of (\d) hexadecimal numbers",
        "in double quotes a backslash begins an escape, and this one takes {0} hexadecimal digits",
        "use single quotes where a backslash is meant",
    ),
    _Problem(
        r"found unexpected document separator",
        "a quote is opened and not closed before '---' or '...'",
        "close it",
        at_context=True,
    ),
    _Problem(
        r"expected indentation indicator|expected a comment or a line break",
        "after '|' or '>' the text begins on the next line",
        "a text that begins with one of them goes in quotes",
    ),
    _Problem(
        r"YAML directive|YAML document",
        "a line that begins with '%' says something to programs, and this one can't be read",
        "delete it; a text that begins with '%' goes in quotes",
        at_context=True,
    ),
    _Problem(
        r"tag handle|expected '[!>]', but found|expected URI|non-specific tag",
        "'!' begins a tag, and this is none",
        "a text that begins with '!' goes in quotes",
    ),
    _Problem(
        r"document has ended",
        "this comes after the document's end ('...')",
        "delete the '...': one file holds one scenario",
    ),
    _Problem(
        r"expected '<document start>'",
        "this isn't aligned with the first line",
        "begin it in the same column as the file's first key",
    ),
)


_ENDED = re.compile(r"^\.\.\.\s*$", re.MULTILINE)


_ENDS_EARLY = re.compile(r"expected the node content, but found '<(?:stream|document|block) ")


def _unclosed_bracket(text: str) -> yaml.Mark | None:
    """Where the innermost bracket is opened that is still open at the text's end; None: nowhere."""
    opened: list[yaml.Mark] = []
    try:
        for token in yaml.scan(text):
            if isinstance(token, yaml.FlowSequenceStartToken | yaml.FlowMappingStartToken):
                opened.append(token.start_mark)
            elif isinstance(token, yaml.FlowSequenceEndToken | yaml.FlowMappingEndToken) and opened:
                opened.pop()
    except yaml.MarkedYAMLError:
        pass
    return opened[-1] if opened else None


def _unclosed_quote(text: str, at: int) -> yaml.Mark | None:
    """Where a quote is opened that ends right before an index, at what was to begin another text; None: nowhere.

    Such a text has swallowed keys or lines: "1000, to: "39...
    """
    if text[at - 1 : at] not in ("'", '"'):
        return None  # without a scan, which takes minutes for a hundred thousand brackets
    try:
        for token in yaml.scan(text):
            if isinstance(token, yaml.ScalarToken) and token.style in ('"', "'") and token.end_mark.index == at:
                inside = text[token.start_mark.index : token.end_mark.index]
                return token.start_mark if re.search(r":\s|\n", inside) else None
    except yaml.MarkedYAMLError:
        return None
    return None


def _swallowed(text: str) -> tuple[int, int] | None:
    """Line and column of the last comment that follows something on its line; None: there is none."""
    found = None
    for number, line in enumerate(text.splitlines(), 1):
        if match := re.search(r"\S.*?\s(#)", line):
            found = (number, match.start(1) + 1)
    return found


def explain(error: yaml.MarkedYAMLError, path: str, text: str) -> tuple[Span, str, str]:
    """The place, the message and the hint."""
    quote = _unclosed_quote(text, error.problem_mark.index) if error.problem_mark is not None else None
    if quote is not None:
        span = Span(path, quote.line + 1, quote.column + 1, quote.line + 1, quote.column + 2)
        return span, "this quote isn't closed: the text goes on to the next quote", "close it where the text ends"
    problem = error.problem or "this is not YAML"
    is_late = "'<document start>'" in problem and error.problem_mark is not None
    if is_late and error.problem_mark is not None and _ENDED.search(text, 0, error.problem_mark.index):
        problem = "document has ended"
    elif error.context == "while scanning a directive" or (is_late and text.lstrip().startswith("%")):
        problem = "YAML directive"
    comment = _swallowed(text) if problem.startswith("expected the node content") else None
    if comment is not None:
        message = "a '#' after a space begins a comment, and a bracket before it isn't closed"
        return Span(path, *comment, comment[0], comment[1] + 1), message, "a text that begins with '#' goes in quotes"
    bracket = _unclosed_bracket(text) if _ENDS_EARLY.search(problem) else None
    if bracket is not None:
        error = yaml.MarkedYAMLError(problem=(problem := "bracket is never closed"), problem_mark=bracket)
    ours = _Problem(
        "", problem.replace("{", "{{").replace("}", "}}"), "is this YAML? A text of any kind goes in quotes"
    )
    words: tuple[str, ...] = ()
    for candidate in _PROBLEMS:
        if match := re.search(candidate.pattern, problem):
            ours, words = candidate, match.groups()
            break
    marks = [error.problem_mark, error.context_mark]
    mark = next((mark for mark in (reversed(marks) if ours.at_context else marks) if mark is not None), None)
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Span(path, line, column, line, column + 1), ours.message.format(*words), ours.hint.format(*words)
