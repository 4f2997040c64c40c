"""Variables and the matrix: one file, several scenarios."""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from dataclasses import dataclass, field, replace
from itertools import islice, product
from typing import NoReturn

from rating_harness.scenario.diagnostics import Mistakes, did_you_mean, shown, there
from rating_harness.scenario.nodes import Entry, Mapping, Node, Scalar, Sequence, Span, measured
from rating_harness.scenario.yaml_errors import DEEPEST

__all__ = ["NOT_INTERPOLATED", "Row", "check_used", "interpolate", "rows"]

NOT_INTERPOLATED = frozenset({"variables", "matrix", "use"})
NO_VARIABLES = frozenset({"id", "requires"})
"""Keys of a row that are its own, and can't be read as ``${name}``."""
_MOST_ROWS = 1000
_MOST_VALUES = 20_000
_LONGEST_TEXT = 64 * 1024
_LONGEST_CHAIN = 20
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REFERENCE = re.compile(r"\$(\$\{)|\$\{([^{}]*)(\})?")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the matrix: a readable id (empty without a matrix), its variables, and what it needs besides."""

    id: str
    variables: dict[str, Entry] = field(default_factory=dict)
    requires: Entry | None = None


def rows(root: Mapping, mistakes: Mistakes) -> list[Row]:
    """The rows of ``matrix``, or a single empty one."""
    entry = root.entries.get("matrix")
    if entry is None:
        return [Row("")]
    matrix = entry.value
    if isinstance(matrix, Sequence):
        found = [row for row in (_row(item, mistakes) for item in matrix.items) if row is not None]
    elif isinstance(matrix, Mapping):
        found = _combinations(matrix, mistakes)
    else:
        mistakes.add(matrix.span, "matrix takes a list of rows, or lists of values by name", "transport: [udp, tcp]")
        return []
    if not (matrix.items if isinstance(matrix, Sequence) else matrix.entries):
        mistakes.add(entry.key_span, "a matrix without rows makes no test", "add a row, or delete the matrix")
    return _distinct(found, matrix.span, mistakes)


def _row(item: Node, mistakes: Mistakes) -> Row | None:
    if not isinstance(item, Mapping) or not item.entries:
        mistakes.add(
            item.span,
            f"a row of the matrix takes variables, and this is {_kind(item)}",
            "{code: 486}; or for each of a list: {code: [486, 503]}",
        )
        return None
    _check_names(item, mistakes)
    given, requires = item.entries.get("id"), item.entries.get("requires")
    variables = {name: entry for name, entry in item.entries.items() if name not in NO_VARIABLES}
    if given is None:
        return Row(_id(entry.value for entry in variables.values()), variables, requires)
    if not isinstance(given.value, Scalar) or not isinstance(given.value.value, str | int | float):
        mistakes.add(given.value.span, "a row's id takes a text", 'id: "busy"')
    return Row(_id([given.value]), variables, requires)


def _combinations(matrix: Mapping, mistakes: Mistakes) -> list[Row]:
    _check_names(matrix, mistakes)
    axes: list[list[tuple[str, Entry]]] = []
    for name, entry in matrix.entries.items():
        if not isinstance(entry.value, Sequence) or not entry.value.items:
            mistakes.add(entry.value.span, f"matrix.{name} takes a list of values", f"{name}: [one, two]")
            continue
        axes.append([(name, Entry(entry.key_span, value)) for value in entry.value.items])
    combined = islice(product(*axes), _MOST_ROWS + 1) if axes else iter(())
    return [Row(_id(entry.value for _, entry in chosen), dict(chosen)) for chosen in combined]


def _distinct(found: list[Row], span: Span, mistakes: Mistakes) -> list[Row]:
    if len(found) > _MOST_ROWS:
        mistakes.add(span, f"a matrix of more than {_MOST_ROWS} rows", "divide it")
        return []
    seen: dict[str, int] = {}
    for row in found:
        seen[row.id] = seen.get(row.id, 0) + 1
    for name in (name for name, times in seen.items() if times > 1):
        mistakes.add(span, f"{seen[name]} rows of the matrix are called {name!r}", "give each row an 'id' of its own")
    return found


def _check_names(mapping: Mapping, mistakes: Mistakes) -> None:
    for name, entry in mapping.entries.items():
        if not _NAME.fullmatch(name):
            mistakes.add(
                entry.key_span, f"{shown(name)} is no name for a variable", "letters, digits and _, no digit first"
            )


def _id(values: Iterable[Node]) -> str:
    texts = (_short(value) for value in values)
    return re.sub(r"[^\w.+-]+", "_", "-".join(texts))[:80] or "row"


def _short(value: Node) -> str:
    """A value in the id of a row; of a mapping its ``id``, or its plain values."""
    if isinstance(value, Scalar):
        return value.text
    if isinstance(value, Mapping):
        named = value.entries.get("id")
        inner = [named.value] if named else [entry.value for entry in value.entries.values()]
        return "-".join(each.text for each in inner if isinstance(each, Scalar)) or "..."
    return "..."


def _kind(node: Node) -> str:
    if isinstance(node, Mapping):
        return "a mapping" if node.entries else "empty"
    return "a list" if isinstance(node, Sequence) else shown(node.value)


def interpolate(root: Mapping, row: Row, mistakes: Mistakes) -> tuple[Mapping | None, set[str]]:
    """The scenario of one row, each ``${name}`` replaced, and the variables that it used.

    A value that is nothing but ``${name}`` keeps the variable's type. There is no tree when the variables multiply
    each other, or when there are too many mistakes.
    """
    variables = dict(row.variables)
    own = root.entries.get("variables")
    if own is not None and isinstance(own.value, Mapping):
        _check_names(own.value, mistakes)
        variables = {**own.value.entries, **variables}
    replacement = _Interpolation(variables, mistakes)
    try:
        entries = {
            key: entry if key in NOT_INTERPOLATED else Entry(entry.key_span, replacement.node(entry.value))
            for key, entry in root.entries.items()
        }
        if row.requires is not None:
            needed = Entry(row.requires.key_span, replacement.node(row.requires.value))
            entries["requires"] = _with_row(entries.get("requires"), needed, mistakes)
    except _TooMuchError:
        return None, replacement.used
    return Mapping(entries, root.span), replacement.used


def _with_row(of_file: Entry | None, of_row: Entry, mistakes: Mistakes) -> Entry:
    """What the file requires, and the row: the row's value counts where both name a key."""
    if not isinstance(of_row.value, Mapping):
        message = f"a row's requires takes a mapping, and this is {_kind(of_row.value)}"
        mistakes.add(of_row.value.span, message, "requires: {tls: true}")
        return of_file or Entry(of_row.key_span, Mapping({}, of_row.value.span))
    if of_file is None or not isinstance(of_file.value, Mapping):
        return of_file or of_row
    return Entry(of_file.key_span, Mapping({**of_file.value.entries, **of_row.value.entries}, of_file.value.span))


def check_used(found: Iterable[Row], used: Set[str], mistakes: Mistakes) -> None:
    """A variable of the matrix that is never used makes rows that don't differ: a slip in its name, most likely."""
    unused = {name: entry for row in found for name, entry in row.variables.items() if name not in used}
    for name, entry in unused.items():
        hint = f"write ${{{name}}} where it belongs, or delete it"
        mistakes.add(entry.key_span, f"the variable {name!r} of the matrix is never used", hint)


class _TooMuchError(Exception):
    """Variables that multiply each other, or too many mistakes. Both are reported already."""


class _UnresolvedError(Exception):
    """A value for which a variable is missing. The mistake is reported already."""


class _Interpolation:
    """Replaces variables in a tree; a variable may refer to others, and is resolved once."""

    def __init__(self, variables: dict[str, Entry], mistakes: Mistakes) -> None:
        self._variables = variables
        self._mistakes = mistakes
        self._resolved: dict[str, tuple[Node, int, int]] = {}
        self._resolving: list[str] = []
        self._failed: set[str] = set()
        self._left = _MOST_VALUES
        self._depth = 0
        self.used: set[str] = set()

    def node(self, node: Node) -> Node:
        self._left -= 1
        self._depth += 1
        try:
            if self._depth > DEEPEST:
                self._fail_deep(node.span)
            return self._node(node)
        finally:
            self._depth -= 1

    def _node(self, node: Node) -> Node:
        if isinstance(node, Mapping):
            return Mapping({key: self._entry(key, entry) for key, entry in node.entries.items()}, node.span)
        if isinstance(node, Sequence):
            return Sequence(tuple(self.node(item) for item in node.items), node.span)
        if not isinstance(node.value, str) or "${" not in node.value:
            return node
        try:
            return self._replaced(node, node.value)
        except _UnresolvedError:
            self._mistakes.silence(node.span)
            self._failed.update(self._resolving)
            return node

    def _entry(self, key: str, entry: Entry) -> Entry:
        if "${" in key:
            self._mistakes.add(entry.key_span, "a variable can't stand in a key", "only in values")
        return Entry(entry.key_span, self.node(entry.value))

    def _replaced(self, node: Scalar, text: str) -> Node:
        if whole := re.fullmatch(r"\$\{([^{}]*)\}", text):
            return replace(self._value(whole[1].strip(), node.span), span=node.span)
        result = _REFERENCE.sub(lambda match: self._part(match, node.span), text)
        if len(result) > _LONGEST_TEXT:
            self._fail(node.span, "the variables make this text longer than 64 KiB", "do they repeat each other?")
        return Scalar(result, node.span, result, node.quoted)

    def _part(self, match: re.Match[str], span: Span) -> str:
        escaped, name, closed = match.groups()
        if escaped:
            return "${"
        if not closed:
            self._fail(span, "a '${' is never closed", "close it with '}', or write '$${' for the text itself")
        value = self._value(name.strip(), span)
        if not isinstance(value, Scalar):
            self._fail(span, f"${{{name}}} is {_kind(value)}: it can't be part of a text", "use it alone")
        return value.text

    def _value(self, name: str, span: Span) -> Node:
        self.used.add(name)
        if self._mistakes.full:
            raise _TooMuchError
        whole, dot, part = name.partition(".")
        if dot and whole in self._variables and name not in self._variables:
            return self._part_of(whole, part, span)
        if name not in self._variables:
            close = did_you_mean(name, self._variables)
            guess = f"did you mean '{close}'? " if close else ""
            known = there(self._variables) if self._variables else "'variables' and 'matrix' give them"
            self._fail(span, f"no variable {name[:40]!r}", guess + known)
        if name in self._resolving:
            circle = " -> ".join([*self._resolving[self._resolving.index(name) :], name])
            self._fail(span, f"variables in a circle: {circle}", "one of them needs a value of its own")
        if len(self._resolving) > _LONGEST_CHAIN:
            self._fail(span, f"more than {_LONGEST_CHAIN} variables in a chain", "give one of them its value")
        if name not in self._resolved:
            value = self._resolve(name)
            self._resolved[name] = (value, *measured(value))
        if name in self._failed:
            raise _UnresolvedError
        value, size, depth = self._resolved[name]
        self._left -= size
        if self._left < 0:
            message = f"the variables make more than {_MOST_VALUES} values"
            self._mistakes.add(span, message, "do they repeat each other?")
            raise _TooMuchError
        if self._depth + depth > DEEPEST:
            self._fail_deep(span)
        return value

    def _part_of(self, name: str, path: str, span: Span) -> Node:
        """``${destination.code}``: a value inside of a variable that is a mapping."""
        node = self._value(name, span)
        for step in path.split("."):
            inside = node.entries.get(step) if isinstance(node, Mapping) else None
            if inside is None:
                known = list(node.entries) if isinstance(node, Mapping) else []
                close = did_you_mean(step, known)
                guess = f"did you mean '{close}'? " if close else ""
                hint = guess + there(known) if known else f"${{{name}}} is {_kind(node)}"
                self._fail(span, f"the variable {name!r} has no {step[:40]!r}", hint)
            node = inside.value
        return node

    def _resolve(self, name: str) -> Node:
        self._resolving.append(name)
        try:
            return self.node(self._variables[name].value)
        except _UnresolvedError:
            self._failed.add(name)
            raise
        finally:
            self._resolving.pop()

    def _fail_deep(self, span: Span) -> NoReturn:
        self._fail(span, f"the variables make more than {DEEPEST} levels of nesting", "do they hold each other?")

    def _fail(self, span: Span, message: str, hint: str) -> NoReturn:
        self._mistakes.add(span, message, hint)
        raise _UnresolvedError
