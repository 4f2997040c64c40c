"""A ladder as text: a column for each host, a line for each arrow.

``▶`` is a message that arrived, ``▷`` one of which that is inferred, since nobody looked where it went, and ``×`` one
that was lost; ``╌`` is a failure that was injected. One that begins at ``╞`` or ``╡`` was made by Kamailio itself.
``>`` before the time marks a message that a finding is on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from rating_harness.report.ladder import Arrow, Ladder, Mark
from rating_harness.report.presentation import printable

__all__ = ["ladder_text"]

_WIDTH = 116
_WIDEST_GAP = 46
_MARGIN = 10
"""Columns left of the first line: a mark, and a time."""

_HEADS = {"seen": ("▶", "◀"), "inferred": ("▷", "◁"), "lost": ("×", "×")}
"""What an arrow ends with, to the right and to the left."""


def ladder_text(ladder: Ladder, *, lines: int = 30, width: int = _WIDTH) -> str:
    """The ladder in at most ``lines`` lines of at most ``width`` columns.

    What doesn't fit is folded, from the middle on; the rows that are marked never are, and may take more lines.
    """
    gaps = max(1, len(ladder.columns) - 1)
    gap = min(_WIDEST_GAP, (width - _MARGIN - 8) // gaps)
    places = {name: _MARGIN + index * gap for index, name in enumerate(ladder.columns)}
    shown = _unfolded(ladder.rows, max(3, lines - 1))
    rows: list[str] = []
    last = -1
    for index in [*sorted(shown), len(ladder.rows)]:
        if index > last + 1:
            rows.append(_over(f"⋮ {index - last - 1} more".rjust(_MARGIN - 1), places))
        if index < len(ladder.rows):
            rows.append(_row(ladder.rows[index], places))
        last = index
    return "\n".join(line.rstrip() for line in [_heads(places, gap), *rows])


def _unfolded(rows: Sequence[Arrow | Mark], room: int) -> set[int]:
    """Which rows are shown in so many lines: the marked ones, and of the others two from the start for each from the
    end, with a line for each gap that is left.
    """
    shown = {index for index, row in enumerate(rows) if isinstance(row, Arrow) and row.marked}
    for index in _from_both_ends(len(rows)):
        if _lines(shown | {index}, len(rows)) <= room:
            shown.add(index)
    return shown


def _from_both_ends(count: int) -> Iterator[int]:
    first, last = 0, count - 1
    while first <= last:
        for _ in range(2):
            if first <= last:
                yield first
                first += 1
        if first <= last:
            yield last
            last -= 1


def _lines(shown: set[int], count: int) -> int:
    edges = [-1, *sorted(shown), count]
    return len(shown) + sum(right > left + 1 for left, right in pairwise(edges))


def _heads(places: dict[str, int], gap: int) -> str:
    line = " " * (_MARGIN - 1)
    for name, place in places.items():
        short = _cut(name, gap - 2)
        # The first starts at the left edge of its line, the others are centred above theirs.
        line = line.ljust(place - (0 if place == _MARGIN else len(short) // 2)) + short
    return line


def _row(row: Arrow | Mark, places: dict[str, int]) -> str:
    time = f"{row.at:8.3f}"
    if isinstance(row, Mark):
        return _over(f"{time}  ── {row.label} ", places, "─")
    canvas = list(_columns(places))
    canvas[: len(time)] = f">{time[1:]}" if row.marked else time
    begin, end = sorted((places[row.source], places[row.target]))
    is_right = places[row.source] < places[row.target]
    shaft = "╌" if row.broken or row.arrival == "lost" else "─"
    to_right, to_left = _HEADS[row.arrival]
    times = f" ×{row.times}" if row.times > 1 else ""
    room = end - begin - 4
    label = _cut(row.label, room - len(times)) + times
    rest = shaft * (room - len(label))
    canvas[begin + 1 : end] = (
        f"{shaft}{label}{rest}{shaft}{to_right}" if is_right else f"{to_left}{shaft}{rest}{label}{shaft}"
    )
    tail = ("╞", "╡") if row.is_own else ("├", "┤")
    canvas[begin if is_right else end] = tail[0] if is_right else tail[1]
    return "".join(canvas)


def _columns(places: dict[str, int]) -> str:
    line = ""
    for place in places.values():
        line = line.ljust(place) + "│"
    return line


def _over(text: str, places: dict[str, int], fill: str = "") -> str:
    """``text`` in front of the lines; the rest of it filled up to the last of them."""
    if fill:
        return text.ljust(max(places.values()) + 1, fill)
    return text + _columns(places)[len(text) :]


def _cut(text: str, room: int) -> str:
    text = printable(text)
    return text if len(text) <= room else text[: max(0, room - 1)] + "…"
