"""Whether a tree has the model's shape: pydantic's findings as mistakes that an author understands."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from harness.scenario import keys
from harness.scenario.fields import Model
from harness.scenario.mistakes import Mistakes, did_you_mean, listing, shown, way
from harness.scenario.nodes import Entry, Mapping, Node, Scalar, Sequence, Span, ValuePath, child, find, plain

__all__ = ["shaped"]

M = TypeVar("M", bound=Model)
_ROUNDS = 8


def shaped(root: Mapping, model: type[M], mistakes: Mistakes) -> tuple[M | None, Mapping]:
    """The model of a tree, and the tree it's of.

    Where the tree has mistakes, what is wrong is left out of both, so that the rest can be looked at too; the model
    is None when nothing useful is left.
    """
    tree = _without_nulls(root, (), mistakes)
    for round_ in range(_ROUNDS):
        try:
            return model.model_validate(plain(tree)), tree
        except ValidationError as error:
            wrong: set[ValuePath] = set()
            for detail in error.errors(include_url=False):
                path = _path(tree, detail)
                wrong.add(path)
                if round_ == 0:
                    _report(tree, model, path, detail, mistakes)
            if () in wrong:
                return None, tree
            tree = _without(tree, (), wrong)
    return None, tree


def _is_free(path: ValuePath) -> bool:
    """Whether any JSON may stand there, null included."""
    return path[:1] in (("variables",), ("matrix",)) or (len(path) > 3 and path[0] == "faults" and path[2] == "set")


def _without_nulls(node: Mapping, path: ValuePath, mistakes: Mistakes) -> Mapping:
    """A key without a value is a mistake, wherever a value is wanted."""
    entries: dict[str, Entry] = {}
    for key, entry in node.entries.items():
        value = entry.value
        if isinstance(value, Scalar) and value.value is None and not _is_free((*path, key)):
            mistakes.add(entry.key_span, f"{way((*path, key))} has no value", "give it one, or delete the key")
        else:
            entries[key] = Entry(entry.key_span, _inner_without_nulls(value, (*path, key), mistakes))
    return Mapping(entries, node.span)


def _inner_without_nulls(node: Node, path: ValuePath, mistakes: Mistakes) -> Node:
    if isinstance(node, Mapping):
        return _without_nulls(node, path, mistakes)
    if isinstance(node, Sequence):
        items = []
        for index, item in enumerate(node.items):
            if isinstance(item, Scalar) and item.value is None and not _is_free((*path, index)):
                mistakes.add(item.span, f"{way((*path, index))} is empty", "give it a value, or delete the '-'")
            else:
                items.append(_inner_without_nulls(item, (*path, index), mistakes))
        return Sequence(tuple(items), node.span)
    return node


def _path(tree: Mapping, detail: ErrorDetails) -> ValuePath:
    """The part of pydantic's location that is in the file: without the names of union members and shorthands."""
    path: list[str | int] = []
    node: Node = tree
    for step in detail["loc"]:
        below = child(node, step)
        if below is not None:
            path.append(step)
            node = below
    return tuple(path)


def _without(node: Mapping, path: ValuePath, wrong: set[ValuePath]) -> Mapping:
    entries = {
        key: Entry(entry.key_span, _inner_without(entry.value, (*path, key), wrong))
        for key, entry in node.entries.items()
        if (*path, key) not in wrong
    }
    return Mapping(entries, node.span)


def _inner_without(node: Node, path: ValuePath, wrong: set[ValuePath]) -> Node:
    if isinstance(node, Mapping):
        return _without(node, path, wrong)
    if isinstance(node, Sequence):
        kept = ((index, item) for index, item in enumerate(node.items) if (*path, index) not in wrong)
        return Sequence(tuple(_inner_without(item, (*path, index), wrong) for index, item in kept), node.span)
    return node


def _spans(tree: Mapping, path: ValuePath) -> tuple[Span, Span]:
    """The key's place (the item's, in a list) and the value's."""
    node = find(tree, path) or tree
    parent = find(tree, path[:-1]) if path else None
    if isinstance(parent, Mapping) and isinstance(path[-1], str):
        return parent.entries[path[-1]].key_span, node.span
    return node.span, node.span


def _report(tree: Mapping, model: type[Model], path: ValuePath, detail: ErrorDetails, mistakes: Mistakes) -> None:
    key_span, value_span = _spans(tree, path)
    match detail["type"]:
        case "extra_forbidden":
            mistakes.add(
                key_span, f"unknown key {str(path[-1])[:60]!r} in {way(path[:-1])}", _known_keys(model, path)
            )
        case "missing":
            missing = str(detail["loc"][-1])
            span = key_span if path else Span(value_span.path, value_span.line, 1, value_span.line, 2)
            mistakes.add(span, f"{way(path)} has no '{missing}'", _example(model, (*path, missing)))
        case "value_error":
            message = str(detail["ctx"]["error"])
            mistakes.add(value_span, f"{way(path)}: {message}", "")
        case _:
            mistakes.add(value_span, *_wrong_value(tree, model, path, detail))


def _known_keys(model: type[Model], path: ValuePath) -> str:
    """What the author may have meant by an unknown key: a slip, a key that belongs elsewhere, or none."""
    key, parent = str(path[-1]), keys.model_at(model, path[:-1])
    if parent is None:
        return ""
    known = keys.fields(parent)
    close = did_you_mean(key, known)
    if close is not None:
        return f"did you mean '{close}'? It takes: {keys.takes(keys.types_at(parent, (close,))[0])}."
    elsewhere = keys.homes(model).get(key)
    if elsewhere:
        return f"'{key}' belongs in {' or '.join(elsewhere[:3])}"
    return listing([f"{way(path[:-1])} takes: {next(iter(known))}", *list(known)[1:]])


def _example(model: type[Model], path: ValuePath) -> str:
    info = keys.field_of(model, path)
    if info is None:
        return ""
    example = info.examples[0] if info.examples else None
    if isinstance(example, str | int | float) and not isinstance(example, bool):
        needs_quotes = isinstance(example, str) and not example[:1].isalpha()
        return f"{info.description} For example: {path[-1]}: " + (f'"{example}"' if needs_quotes else str(example))
    return info.description or ""


_KINDS: dict[type, str] = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a text",
    dict: "a mapping",
}


def _wrong_value(tree: Mapping, model: type[Model], path: ValuePath, detail: ErrorDetails) -> tuple[str, str]:
    node = find(tree, path) or tree
    types = keys.types_at(model, path)
    wanted = " or ".join(dict.fromkeys(filter(None, map(keys.takes, types)))) or "something else"
    value = detail["input"] if isinstance(node, Scalar) else plain(node)
    if isinstance(node, Scalar):
        value = node.value
    words = [choice for annotation in types for choice in keys.choices(annotation)]
    if words and isinstance(value, str):
        close = did_you_mean(value, words)
        takes = f"It takes: {wanted}."
        return f"{way(path)} can't be {shown(value)}", f"did you mean '{close}'? {takes}" if close else takes
    if isinstance(node, Scalar) and _is_number(value) and "a text" in wanted:
        return (
            f"{way(path)} takes a text, and {node.text} without quotes is a number",
            f'put it in quotes: "{node.text}"',
        )
    if isinstance(node, Scalar) and isinstance(value, bool) and "a text" in wanted:
        return f"{way(path)} takes a text, and {node.text} is true or false", f'put it in quotes: "{node.text}"'
    if isinstance(value, str) and value.strip().lstrip("-").isascii() and value.strip().lstrip("-").isdigit():
        return (
            f"{way(path)} takes {wanted}, and {shown(value)} in quotes is a text",
            f"take the quotes away: {value.strip()}",
        )
    if value == "":
        return f"{way(path)} is empty", f"It takes: {wanted}."
    return f"{way(path)} can't be {shown(value)}", f"It takes: {wanted}."


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
