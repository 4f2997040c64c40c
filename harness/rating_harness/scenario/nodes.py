"""A YAML file as a tree in which each value, and each key, knows its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from rating_harness.errors import Location

__all__ = [
    "Entry",
    "Mapping",
    "Node",
    "Scalar",
    "Sequence",
    "Span",
    "ValuePath",
    "child",
    "find",
    "measured",
    "places",
    "plain",
    "pruned",
    "span_at",
]

ValuePath: TypeAlias = tuple[str | int, ...]
"""The way to a value: keys and indexes, ("calls", 0, "expect", "reply")."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a file. Lines and columns count from 1; the end is the place after the last character."""

    path: str
    line: int
    column: int
    end_line: int
    end_column: int

    @property
    def location(self) -> Location:
        return Location(self.path, self.line, self.column)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value. ``text`` is how the author spelled it, without its quotes."""

    value: str | int | float | bool | None
    span: Span
    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Node, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Entry:
    """A key with its value."""

    key_span: Span
    value: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    entries: dict[str, Entry]
    span: Span


Node: TypeAlias = Scalar | Sequence | Mapping


def plain(node: Node) -> Any:
    """The data alone, as ``yaml.safe_load`` would give it."""
    if isinstance(node, Mapping):
        return {key: plain(entry.value) for key, entry in node.entries.items()}
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return node.value


def child(node: Node, step: str | int) -> Node | None:
    """The value one step down, if it's there."""
    if isinstance(node, Mapping) and isinstance(step, str):
        entry = node.entries.get(step)
        return entry.value if entry else None
    if isinstance(node, Sequence) and isinstance(step, int) and 0 <= step < len(node.items):
        return node.items[step]
    return None


def find(node: Node, path: ValuePath) -> Node | None:
    """The value at ``path``, if it's there."""
    found: Node | None = node
    for step in path:
        if found is None:
            return None
        found = child(found, step)
    return found


def pruned(root: Mapping, drop: Callable[[ValuePath, Node, Span], bool]) -> Mapping:
    """The tree without the values that ``drop`` wants gone; it's given the way, the value, and its key's place."""
    return _pruned_mapping(root, drop, ())


def _pruned_mapping(node: Mapping, drop: Callable[[ValuePath, Node, Span], bool], path: ValuePath) -> Mapping:
    entries = {
        key: Entry(entry.key_span, _pruned(entry.value, drop, (*path, key)))
        for key, entry in node.entries.items()
        if not drop((*path, key), entry.value, entry.key_span)
    }
    return Mapping(entries, node.span)


def _pruned(node: Node, drop: Callable[[ValuePath, Node, Span], bool], path: ValuePath) -> Node:
    if isinstance(node, Mapping):
        return _pruned_mapping(node, drop, path)
    if isinstance(node, Sequence):
        kept = [(index, item) for index, item in enumerate(node.items) if not drop((*path, index), item, item.span)]
        return Sequence(tuple(_pruned(item, drop, (*path, index)) for index, item in kept), node.span)
    return node


def measured(node: Node) -> tuple[int, int]:
    """How many values a tree holds, and how deep it goes."""
    if isinstance(node, Scalar):
        return 1, 1
    below = node.items if isinstance(node, Sequence) else [entry.value for entry in node.entries.values()]
    sizes = [measured(inner) for inner in below]
    return 1 + sum(size for size, _ in sizes), 1 + max((depth for _, depth in sizes), default=0)


def span_at(root: Node, path: ValuePath, *, key: bool) -> Span:
    """The place of the value at ``path``, or of its key; of the nearest value around it when it isn't there."""
    parent = find(root, path[:-1]) if path else None
    if key and isinstance(parent, Mapping) and path[-1] in parent.entries:
        return parent.entries[str(path[-1])].key_span
    node = find(root, path)
    return node.span if node else span_at(root, path[:-1], key=key)


def places(node: Node) -> dict[ValuePath, Location]:
    """The place of each value: where its key stands, or where the item of a list begins."""
    return dict(_places(node, (), node.span))


def _places(node: Node, path: ValuePath, span: Span) -> Iterator[tuple[ValuePath, Location]]:
    yield path, span.location
    if isinstance(node, Mapping):
        for key, entry in node.entries.items():
            yield from _places(entry.value, (*path, key), entry.key_span)
    elif isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            yield from _places(item, (*path, index), item.span)
