"""Which scenarios are run against a mutant, and in which order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
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
    :param defines: which set of defines it starts Kamailio with.
    :param defined: the names of all that it defines: their defaults count for nothing.
    :param expected: the words of what it expects: of a log line, a reason phrase, a header.
    :param is_current: whether that's of the configuration as it is now, and not of an older one.
    :param moves_clock: whether it puts the clock forward, and so sees what expires.
    :param reads_settings: whether it expects something of what Kamailio says by RPC of its own settings.
    """

    scenario: str
    seconds: float
    statements: frozenset[str] = field(repr=False)
    requests: frozenset[str] = frozenset()
    expectations: int = 1
    is_current: bool = True
    defines: int = 0
    defined: frozenset[str] = field(default=frozenset(), repr=False)
    expected: frozenset[str] = field(default=frozenset(), repr=False)
    moves_clock: bool = False
    reads_settings: bool = False

    @property
    def worth(self) -> float:
        """Expectations for a second."""
        return self.expectations / (1.0 + self.seconds)


def statement_key(route: str, text: str, number: int) -> str:
    """Names a statement wherever it stands: by its route, its first line, and which of those that are alike."""
    return f"{route}\0{' '.join(text.split())}\0{number}"


_WORD = re.compile(r"(?:var|avp|vn|dlg|dlg_var|xavp)\(\w+|(?<![$\w])[A-Za-z_]\w{2,}")
"""A pseudo-variable with its name, however it's written (``$var(rs)``, ``$(var(rs){s.len})``), or any other name."""

_DEFAULT = re.compile(r"#!trydef\s+(\w+)")
_TEXT = re.compile(r"[A-Za-z0-9_]+")
_SAID = 100.0
"""What it's worth that a row alone expects a word of the text that is changed."""

_COMMON = 40
"""Statements with a word, from which on it says nothing of what belongs together."""

_TURN_OF_GUARDED = 3
"""Each so many rows comes one that runs what a changed condition guards: it's likely to look at that condition."""

_NEAR = 8
"""Lines behind a preprocessor directive, of which it's likely that they stand there for its sake."""

_EVEN = 0.01
"""What a row is worth that executes nothing more: so that kills and expectations count then, too."""

_AGAIN = 0.3
"""What a statement is worth for each further row that executes it: rows of the same path expect different things."""

_OF_TIME = re.compile(r"\$shtex|expire|lifetime|time_?out|timer|interval|\$TV\(|\$Ts\b")
"""Of a statement that is noticed later, if at all."""

_LASTING = re.compile(r"\$shtex|expire|lifetime")
"""Of a statement by which its route says how long something stays."""

_CLEAN_UP = "drop-cleanup"
"""The operator that leaves something for ever, which is noticed once all that is kept for a while is gone."""

_TURN_OF_CLOCK = 4
"""Which of the rows is one that moves the clock, where the route says elsewhere how long something stays."""

_PART = 8
"""A row takes as much of a mutant's time as that part of it at most, however long it is: so that it leaves some."""

_SHORT = 3
"""So many times the rows that are wanted may be run at most, where each is short."""


@dataclass(frozen=True)
class Statements:
    """:param keys: by file, line and column.
    :param starts: what is read at the start, by file and line: the sets of defines that leave it in.
    :param guarded: by an ``if`` or a ``while``: what runs only where its condition says so.
    """

    keys: Mapping[tuple[str, int, int], str]
    starts: Mapping[tuple[str, int], frozenset[int]] = field(default_factory=dict)
    guarded: Mapping[tuple[str, int, int], frozenset[tuple[str, int, int]]] = field(default_factory=dict)

    def rows_for(
        self, mutant: Mutant | Sabotage, rows: Sequence[Row], kills: Mapping[str, float], most: int, words: str = ""
    ) -> tuple[Row, ...]:
        """The rows that what is changed is tried with, of those that reach it.

        Those come first that execute most of what belongs to it: its route, the routes that are called there, and
        statements that name what it names, a table say; what few rows execute counts more. Those that killed more,
        expect more and take less time count more too. Each second one takes another path than those before it: in its
        route, or, where no other is left there, in what belongs to it elsewhere. Each third one runs what a changed
        condition guards. What has to do with time meets those that move the clock. Together they take about as long
        as ``most`` ordinary rows do: where each is short, they are up to three times as many.

        :param kills: of each scenario, weighed as the caller likes.
        :param words: the text that is changed, before and after.
        """
        reaching = self.reaching(mutant, rows, words)
        if isinstance(mutant, Mutant):
            reaching = self._by_what_belongs(mutant, reaching, rows, kills, most, words)
        else:
            reaching = sorted(reaching, key=lambda row: -kills.get(row.scenario, 0))
        ordinary = median(row.seconds for row in rows) if rows else 0.0
        return tuple(islice(_within(reaching, most, ordinary), _SHORT * most))

    def _by_what_belongs(
        self,
        mutant: Mutant,
        reaching: Sequence[Row],
        rows: Sequence[Row],
        kills: Mapping[str, float],
        most: int,
        words: str,
    ) -> list[Row]:
        ran = Counter(statement for row in rows for statement in row.statements)
        weights = {key: weight / ran[key] for key, weight in self._belonging(mutant, words).items() if key in ran}
        readers = sorted((row for row in reaching if row.reads_settings and mutant.column is None), key=_seconds)
        if not weights:
            return [*readers, *(row for row in _widest(reaching) if row not in readers)]
        hits = {row.scenario: weights.keys() & row.statements for row in reaching}
        highest = max((kills.get(row.scenario, 0.0) for row in reaching), default=0.0) or 1.0
        texts = self._expecting(reaching, f"{words} {self._text(mutant)}")
        fresh = {row.scenario: (1 + texts[row.scenario]) * row.worth**0.75 for row in reaching}
        proven = {name: (1 + 9 * kills.get(name, 0.0) / highest) * value for name, value in fresh.items()}
        route = frozenset(self._of_route.get(mutant.route, ()))
        paths = {row.scenario: row.statements & route for row in reaching}
        farther = {row.scenario: paths[row.scenario] | hits[row.scenario] for row in reaching}
        places = self.guarded.get((mutant.file, mutant.line, mutant.column or 0), frozenset())
        guarded = frozenset(self.keys[place] for place in places if place in self.keys)
        clocks = self._turns_of_clock(mutant, words, _SHORT * most)
        left, chosen, taken = sorted(reaching, key=lambda row: row.scenario), readers, set[frozenset[str]]()
        left = [row for row in left if row not in readers]
        while left and len(chosen) < _SHORT * most:
            # By turns, so that a scenario which never killed yet has its chance.
            turn = len(chosen)
            favour = fresh if turn % 2 else proven
            wanted = [row for row in left if row.moves_clock] if turn in clocks else []
            if turn % _TURN_OF_GUARDED == 0 and not wanted:
                wanted = [row for row in left if row.statements & guarded]
            if turn % 2 and not wanted:
                wanted = [row for row in left if paths[row.scenario] not in taken]
                wanted = wanted or [row for row in left if farther[row.scenario] not in taken]
            best = max(wanted or left, key=lambda row: _gain(weights, hits[row.scenario]) * favour[row.scenario])
            left.remove(best)
            chosen.append(best)
            taken |= {paths[best.scenario], farther[best.scenario]}
            for each in hits[best.scenario]:
                weights[each] *= _AGAIN
        return chosen

    def _turns_of_clock(self, mutant: Mutant, words: str, most: int) -> frozenset[int]:
        """Which of the rows are to be such as move the clock: each third, one, or none in particular."""
        if mutant.operator == _CLEAN_UP or _OF_TIME.search(f"{words} {self._text(mutant)}"):
            return frozenset(range(0, most, 3))
        if any(_LASTING.search(key) for key in self._of_route.get(mutant.route, ())):
            return frozenset({_TURN_OF_CLOCK})
        return frozenset()

    @staticmethod
    def _expecting(rows: Sequence[Row], words: str) -> Mapping[str, float]:
        """How much each row expects of the text that is changed: a word that few rows expect says more."""
        named = {word for word in _TEXT.findall(words) if len(word) > 2}
        known = Counter(word for row in rows for word in row.expected & named)
        return {row.scenario: sum(_SAID / known[word] ** 2 for word in row.expected & named) for row in rows}

    def _text(self, mutant: Mutant) -> str:
        """The first line of its statement; nothing where that isn't known."""
        return self.keys.get((mutant.file, mutant.line, mutant.column or 0), "").partition("\0")[2]

    def _belonging(self, mutant: Mutant, words: str) -> Mapping[str, float]:
        """Statements that have to do with a mutant, and how much: what is rare says more."""
        weights: dict[str, float] = {}
        named = set(_WORD.findall(words)) | set(_WORD.findall(self._text(mutant)))
        for statement in self._of_route.get(mutant.route, ()):
            weights[statement] = 1.0
        for word in named:
            for title in self._titles.get(word, ()):
                for statement in self._of_route[title]:
                    weights[statement] = weights.get(statement, 0.0) + 1.0
            alike = self._of_word.get(word, ())
            if len(alike) <= _COMMON:
                for statement in alike:
                    weights[statement] = weights.get(statement, 0.0) + 2.0 / len(alike)
        if mutant.column is None:
            for (file, line, _), statement in self.keys.items():
                if file == mutant.file and 0 < line - mutant.line <= _NEAR:
                    weights[statement] = weights.get(statement, 0.0) + 2.0
        return weights

    @cached_property
    def _of_route(self) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for key in self.keys.values():
            found.setdefault(key.partition("\0")[0], []).append(key)
        return found

    def _callers(self, titles: Iterable[str]) -> set[str]:
        """The routes that name one of these, and call it so or leave it to Kamailio."""
        names = {title.partition("[")[2].rstrip("]") for title in titles}
        return {key.partition("\0")[0] for name in names for key in self._of_word.get(name, ())}

    @cached_property
    def _titles(self) -> Mapping[str, Sequence[str]]:
        """By name: ``RATING_REPLY`` of ``route[RATING_REPLY]``."""
        found: dict[str, list[str]] = {}
        for title in self._of_route:
            found.setdefault(title.partition("[")[2].rstrip("]"), []).append(title)
        return found

    @cached_property
    def _of_word(self) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for key in self.keys.values():
            for word in set(_WORD.findall(key.partition("\0")[2])):
                found.setdefault(word, []).append(key)
        return found

    def reaching(self, mutant: Mutant | Sabotage, rows: Sequence[Row], words: str = "") -> Sequence[Row]:
        """The rows that execute what is changed, or may do so."""
        if isinstance(mutant, Sabotage):
            return _widest([row for row in rows if mutant.request in row.requests])
        if mutant.column is None:
            sets = self.starts.get((mutant.file, mutant.line))
            default = _DEFAULT.match(words)
            return [
                row
                for row in rows
                if (sets is None or row.defines in sets) and not (default and default[1] in row.defined)
            ]
        key = self.keys.get((mutant.file, mutant.line, mutant.column))
        found = [row for row in rows if key in row.statements]
        # Of a statement that has no probe of its own, or is new since rows were measured: who runs its route may do.
        candidates = [] if found else [row for row in rows if key is None or not row.is_current]
        titles = {mutant.route}
        while candidates and not found and titles:
            found = [row for row in candidates if any(each.partition("\0")[0] in titles for each in row.statements)]
            titles = self._callers(titles) - titles  # a route that is new is run by those who run what calls it
        return found


def _seconds(row: Row) -> float:
    return row.seconds


def _gain(weights: Mapping[str, float], hits: Iterable[str]) -> float:
    return _EVEN + sum(weights[each] for each in hits)


def _within(rows: Iterable[Row], most: int, ordinary: float) -> Iterator[Row]:
    """Those that fit into the time of ``most`` ordinary rows, in their order; the very first in any case.

    :param ordinary: seconds; what takes long counts as a part of the whole, or as one of these.
    """
    left = most * ordinary
    longest = max(left / _PART, ordinary)
    for number, row in enumerate(rows):
        cost = min(row.seconds, longest)
        if number == 0 or cost <= left:
            left -= cost
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
