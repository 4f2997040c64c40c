"""Which scenarios are run against a mutant, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from statistics import median

from rating_harness.mutation.answers import Sabotage
from rating_harness.mutation.mutants import Mutant

__all__ = ["Row", "Statements", "statement_key"]


@dataclass(frozen=True, slots=True)
class Row:
    """What a scenario does to the configuration as it is.

    :param statements: keys of those that it executes (`statement_key`).
    :param requests: what the agent is requested in it.
    :param expectations: how much it expects: who expects more notices more.
    :param is_current: whether that's of the configuration as it is now, and not of an older one.
    """

    scenario: str
    seconds: float
    statements: frozenset[str] = field(repr=False)
    requests: frozenset[str] = frozenset()
    expectations: int = 1
    is_current: bool = True

    @property
    def worth(self) -> float:
        """Expectations for a second."""
        return self.expectations / (1.0 + self.seconds)


def statement_key(route: str, text: str, number: int) -> str:
    """Names a statement wherever it stands: by its route, its first line, and which of those that are alike."""
    return f"{route}\0{' '.join(text.split())}\0{number}"


@dataclass(frozen=True)
class Statements:
    """:param keys: by file, line and column."""

    keys: Mapping[tuple[str, int, int], str]

    def rows_for(
        self, mutant: Mutant | Sabotage, rows: Sequence[Row], kills: Mapping[str, float], most: int
    ) -> tuple[Row, ...]:
        """At most ``most`` rows that reach what is changed: one for each distinct path through its route first.

        Rows that killed more come first, then those that expect more for the time that they take. Together they take
        as long as ``most`` ordinary rows do, or one row does.

        :param kills: of each scenario, weighed as the caller likes.
        """
        reaching = self._reaching(mutant, rows)
        if isinstance(mutant, Mutant) and mutant.column is not None:
            reaching = sorted(reaching, key=lambda row: (-row.worth, row.scenario))
        ordered = sorted(reaching, key=lambda row: -kills.get(row.scenario, 0))
        firsts: dict[frozenset[str], Row] = {}
        for row in ordered:
            firsts.setdefault(self._path(mutant, row), row)
        chosen = list(firsts.values())
        chosen += [row for row in ordered if row not in chosen]
        ordinary = median(row.seconds for row in rows) if rows else 0.0
        return tuple(islice(_within(chosen, most * ordinary), most))

    def _reaching(self, mutant: Mutant | Sabotage, rows: Sequence[Row]) -> Sequence[Row]:
        if isinstance(mutant, Sabotage):
            return _widest([row for row in rows if mutant.request in row.requests])
        if mutant.column is None:
            return _widest(rows)
        key = self.keys.get((mutant.file, mutant.line, mutant.column))
        found = [row for row in rows if key in row.statements]
        # Of a statement that has no probe of its own, or is new since rows were measured: who runs its route may do.
        candidates = [] if found else [row for row in rows if key is None or not row.is_current]
        return found or [row for row in candidates if any(_is_in(each, mutant.route) for each in row.statements)]

    def _path(self, mutant: Mutant | Sabotage, row: Row) -> frozenset[str]:
        """The way through the route."""
        if isinstance(mutant, Sabotage) or mutant.column is None:
            return frozenset({row.scenario})
        return frozenset(each for each in row.statements if _is_in(each, mutant.route))


def _is_in(statement: str, route: str) -> bool:
    return statement.startswith(f"{route}\0")


def _within(rows: Iterable[Row], seconds: float) -> Iterator[Row]:
    """Those that fit into that time, in their order; the very first in any case."""
    left = seconds
    for number, row in enumerate(rows):
        if number == 0 or row.seconds <= left:
            left -= row.seconds
            yield row


def _widest(rows: Iterable[Row]) -> Sequence[Row]:
    """For what isn't in one place: the rows that execute together most, in the least time."""
    left, seen, found = list(rows), set[str](), list[Row]()
    while left:
        best = max(left, key=lambda row: len(row.statements - seen) / (1.0 + row.seconds))
        if not best.statements - seen:
            break
        found.append(best)
        left.remove(best)
        seen |= best.statements
    return found or left
