"""A change of a configuration as a value: what it changes, where, and what it's called."""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rating_harness.kamailio_config.positions import Source, Span

__all__ = ["Edit", "Mutant", "applied", "as_diff", "identified"]

START = "(settings)"
"""In place of a route's title, of what is read at the start."""


@dataclass(frozen=True, slots=True)
class Edit:
    """``text`` in place of what stands at ``span``."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """:param id: the same for the same change of the same statement, whatever else moves in the file.
    :param operator: the kind of change.
    :param route: its title; `START` for settings, modules and defines.
    :param line, column: of the statement that is changed, as coverage has it; None for what is read at the start.
    :param words: whether only texts for people are changed: of log lines, and reason phrases.
    """

    id: str
    operator: str
    route: str
    file: str
    line: int
    column: int | None
    edits: tuple[Edit, ...]
    words: bool = False


def identified(mutants: Iterable[Mutant], sources: Mapping[str, Source]) -> tuple[Mutant, ...]:
    """Mutants with their ids; one that changes nothing, or the same as another one, is left out."""
    found: list[Mutant] = []
    texts: set[tuple[tuple[str, int, int, str], ...]] = set()
    counts: Counter[str] = Counter()
    for mutant in sorted(mutants, key=lambda each: (each.file, each.line, each.column or 0)):
        changes = tuple((e.span.file, e.span.start.offset, e.span.end.offset, e.text) for e in mutant.edits)
        if all(edit.span.text(sources) == edit.text for edit in mutant.edits) or changes in texts:
            continue
        texts.add(changes)
        name = mutant.edits[0].span.file.rpartition("/")[2]
        said = [f"{' '.join(e.span.text(sources).split())}\0{' '.join(e.text.split())}" for e in mutant.edits]
        content = "\0".join([name, mutant.route, mutant.operator, *said])
        counts[content] += 1
        digest = hashlib.sha256(f"{content}\0{counts[content]}".encode()).hexdigest()[:10]
        found.append(
            Mutant(
                digest,
                mutant.operator,
                mutant.route,
                mutant.file,
                mutant.line,
                mutant.column,
                mutant.edits,
                mutant.words,
            )
        )
    return tuple(found)


def applied(mutant: Mutant, sources: Mapping[str, Source]) -> dict[str, str]:
    """The texts of the files that it changes."""
    texts: dict[str, str] = {}
    for edit in sorted(mutant.edits, key=lambda each: each.span.start.offset, reverse=True):
        text = texts.get(edit.span.file, sources[edit.span.file].text)
        texts[edit.span.file] = text[: edit.span.start.offset] + edit.text + text[edit.span.end.offset :]
    return texts


def as_diff(mutant: Mutant, sources: Mapping[str, Source], *, context: int = 1) -> str:
    """As a unified diff, without its two header lines."""
    parts: list[str] = []
    for file, text in applied(mutant, sources).items():
        before, after = sources[file].text.splitlines(), text.splitlines()
        parts += list(difflib.unified_diff(before, after, lineterm="", n=context))[2:]
    return "\n".join(parts)
