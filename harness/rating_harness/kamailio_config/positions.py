"""Where something stands in a configuration: files, lines, columns and offsets."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Node", "Position", "Source", "Span"]


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place between two characters. Lines and columns count from 1, offsets from 0; all count characters."""

    offset: int
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a file, its end excluded.

    :param expanded: whether some of it came out of a define, or from a file that is included in it: then the text of
        the file is not the text that Kamailio parses.
    """

    file: str
    start: Position
    end: Position
    expanded: bool = False

    def __str__(self) -> str:
        return f"{self.file}:{self.start.line}:{self.start.column}"

    def text(self, sources: Mapping[str, Source]) -> str:
        """What stands there."""
        return sources[self.file].text[self.start.offset : self.end.offset]


@dataclass(frozen=True, slots=True)
class Node:
    """Whatever stands in a configuration."""

    span: Span


@dataclass(frozen=True)
class Source:
    """A file, as it was read.

    :param file: its name, as messages and spans have it.
    """

    file: str
    text: str
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = [0, *(index + 1 for index, character in enumerate(self.text) if character == "\n")]
        object.__setattr__(self, "_starts", tuple(starts))

    def position(self, offset: int) -> Position:
        line = bisect_right(self._starts, offset)
        return Position(offset, line, offset - self._starts[line - 1] + 1)

    def span(self, start: int, end: int, *, expanded: bool = False) -> Span:
        return Span(self.file, self.position(start), self.position(end), expanded)

    def line(self, number: int) -> str:
        """A line's text, without its end. Lines count from 1."""
        following = self._starts[number] if number < len(self._starts) else len(self.text)
        return self.text[self._starts[number - 1] : following].rstrip("\r\n")

    @property
    def lines(self) -> int:
        """How many lines there are; a last one without a newline counts."""
        return len(self._starts) - (self._starts[-1] == len(self.text) and len(self._starts) > 1)
