"""Mistakes as an author sees them: the place, the line with carets, what is wrong, what would be right."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import islice

from rating_harness.errors import Location, Mistake
from rating_harness.scenario.nodes import Span, ValuePath

__all__ = ["MOST", "Finding", "Mistakes", "did_you_mean", "listing", "shown", "there", "way"]

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_WIDEST = 100
_MOST_COMPARED = 500
_MOST_NAMED = 20

MOST = 100
"""Most mistakes that are reported of one file: nobody reads more."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake at a value, before it is known where in the file that is.

    :param at_key: whether it's the key that is wrong, not its value.
    """

    path: ValuePath
    message: str
    hint: str = ""
    at_key: bool = False


class Mistakes:
    """Collects the mistakes of a file, and of those it uses; at each place only the first counts.

    After :data:`MOST` of them it is ``full``: whoever looks for more may stop.
    """

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}
        self._found: dict[Location, Mistake] = {}
        self._warnings: dict[Location, Mistake] = {}
        self._silent: set[Location] = set()

    def add_source(self, path: str, text: str) -> None:
        """Excerpts of ``path`` are taken from ``text``."""
        self._lines[path] = _BREAK.split(text)

    def add(self, span: Span, message: str, hint: str = "") -> None:
        where = span.location
        if where not in self._found and where not in self._silent and not self.full:
            self._found[where] = Mistake(where, message, self._excerpt(span), hint)

    def warn(self, span: Span, message: str, hint: str) -> None:
        """Something that is most likely a mistake."""
        if len(self._warnings) < MOST:
            where = span.location
            self._warnings.setdefault(where, Mistake(where, message, self._excerpt(span), hint))

    @property
    def full(self) -> bool:
        return len(self._found) >= MOST

    def silence(self, span: Span) -> None:
        """What is wrong at this place is said elsewhere."""
        self._silent.add(span.location)

    def within(self, span: Span) -> bool:
        """Whether there is one in this stretch."""
        begin, end = (span.line, span.column), (span.end_line, span.end_column)
        return any(place.path == span.path and begin <= (place.line, place.column) < end for place in self._found)

    def fork(self) -> Mistakes:
        """Mistakes of the same files, counted apart: those of one row of a matrix."""
        fork = Mistakes()
        fork._lines = self._lines
        return fork

    def join(self, rows: Sequence[tuple[str, Mistakes]]) -> None:
        """Take in the mistakes of all rows; one that isn't in each of them says in which it is."""
        _join(self._found, [(name, row._found) for name, row in rows])
        _join(self._warnings, [(name, row._warnings) for name, row in rows])

    @property
    def warnings(self) -> list[Mistake]:
        """What is most likely a mistake, in the order of the file; nothing where something certainly is one."""
        return [] if self._found else sorted(self._warnings.values(), key=lambda warning: warning.where)

    def all(self) -> list[Mistake]:
        """The mistakes, in the order in which they were found."""
        found = list(self._found.values())
        if self.full:
            found.append(
                Mistake(
                    max(self._found), f"there may be more mistakes than these {len(found)}", hint="mend these first"
                )
            )
        return found

    def _excerpt(self, span: Span) -> str:
        lines = self._lines.get(span.path, [])
        if not 1 <= span.line <= len(lines) or not lines[span.line - 1].strip():
            return ""
        return excerpt(lines[span.line - 1], span)


def _join(found: dict[Location, Mistake], rows: Sequence[tuple[str, dict[Location, Mistake]]]) -> None:
    times = Counter(mistake for _, of_row in rows for mistake in of_row.values())
    for name, of_row in rows:
        for place, mistake in of_row.items():
            of_some = replace(mistake, message=f"{mistake.message} (row {name!r} of the matrix)")
            found.setdefault(place, mistake if times[mistake] == len(rows) else of_some)


def excerpt(line: str, span: Span) -> str:
    """The line with its number, and carets below the part that ``span`` is about; a long line is cut around it."""
    begin = min(span.column - 1, len(line))
    end = span.end_column - 1 if span.end_line == span.line else len(line.rstrip())
    end = max(begin + 1, min(end, len(line)))
    cut = max(0, begin - _WIDEST // 2) if len(line) > _WIDEST else 0
    visible = [_printable(character) for character in line[cut : cut + _WIDEST]]
    before = sum(_width(character) for character in visible[: begin - cut])
    below = sum(_width(character) for character in visible[begin - cut : end - cut]) or 1
    number = str(span.line)
    text = f"{number} | {''.join(visible).rstrip()}".rstrip()
    return f"{text}\n{' ' * len(number)} | {' ' * before}{'^' * below}"


def _printable(character: str) -> str:
    if character == "\t":
        return " "
    return character if character.isprintable() else "\ufffd"


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def way(path: ValuePath) -> str:
    """``calls[0].expect.reply``; ``the file`` for the empty way."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.lstrip(".") or "the file"


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """The known word that ``word`` is a slip of."""
    candidates = list(islice(known, _MOST_COMPARED))
    if word.lower() in (lowered := {candidate.lower(): candidate for candidate in candidates}):
        return lowered[word.lower()]
    close = get_close_matches(word[:100], candidates, n=1, cutoff=0.6)
    return close[0] if close else None


def listing(words: Iterable[str], width: int = 100) -> str:
    """``a, b, c``, wrapped."""
    lines, line = [], ""
    for word in words:
        added = f"{line}, {word}" if line else word
        if len(added) > width:
            lines.append(line + ",")
            added = word
        line = added
    return "\n".join([*lines, line])


def there(names: Iterable[str]) -> str:
    """``There are: a, b, c.``; of many the first."""
    named = list(islice(names, _MOST_NAMED + 1))
    if not named:
        return "There is none."
    more = " and more" if len(named) > _MOST_NAMED else ""
    return f"There {'is' if len(named) == 1 else 'are'}: {listing(named[:_MOST_NAMED])}{more}."


def shown(value: object) -> str:
    """A value as YAML has it, short."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping (key: value)"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, str):
        printable = "".join(map(_printable, value.splitlines()[0] if value.strip() else value[:1]))
        return repr(printable if len(printable) <= 40 else printable[:37] + "...")
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "..."
