"""Whether a tree has the model's shape: pydantic's findings as mistakes that an author understands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from difflib import SequenceMatcher
from typing import TypeVar, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from rating_harness.scenario import introspection
from rating_harness.scenario.diagnostics import Mistakes, did_you_mean, listing, shown, way
from rating_harness.scenario.fields import Model
from rating_harness.scenario.nodes import (
    Mapping,
    Node,
    Scalar,
    Sequence,
    Span,
    ValuePath,
    child,
    find,
    plain,
    pruned,
    span_at,
)
from rating_harness.scenario.values import Unfit

__all__ = ["shaped"]

M = TypeVar("M", bound=Model)
_ROUNDS = 8
_LARGE = 2**31 - 1
"""Limits from here on are those of what stores a number; what a field takes doesn't name them."""


def shaped(root: Mapping, model: type[M], mistakes: Mistakes) -> tuple[M | None, Mapping]:
    """The model of a tree, and the tree it's of.

    Where the tree has mistakes, what is wrong is left out of both, so that the rest can be looked at too; the model
    is None when nothing useful is left.
    """
    tree = _without_nulls(root, model, mistakes)
    for round_ in range(_ROUNDS):
        try:
            return model.model_validate(plain(tree)), tree
        except ValidationError as error:
            details = [(_path(tree, detail), detail) for detail in error.errors(include_url=False)]
            details = [each for each in details if not _is_wrong_within(each, details)]
            wrong = {path for path, _ in details}
            meant = {_meant(model, path) for path, detail in details if detail["type"] == "extra_forbidden"}
            for path, detail in details:
                where = (*path, str(detail["loc"][-1]))
                missing_by_a_slip = detail["type"] == "missing" and where in meant
                if round_ == 0 and not mistakes.full and not missing_by_a_slip and find(root, where) is None:
                    _report(tree, model, path, detail, mistakes)
            if () in wrong:
                return None, tree
            tree = pruned(tree, _is_in(wrong))
    return None, tree


_OF_A_UNION = ("literal_error", "bool_type", "string_type", "tuple_type", "model_type", "model_attributes_type")
"""What pydantic says of the members of a union that a value is none of."""


def _is_wrong_within(
    detail: tuple[ValuePath, ErrorDetails], details: Iterable[tuple[ValuePath, ErrorDetails]]
) -> bool:
    """Whether a plain value is wanted where a mapping stands that might be right, but for what is wrong in it."""
    path, error = detail
    return error["type"] in _OF_A_UNION and any(
        other[: len(path)] == path and (other != path or each["type"] == "missing") for other, each in details
    )


def _is_in(wrong: set[ValuePath]) -> Callable[[ValuePath, Node, Span], bool]:
    return lambda path, value, span: path in wrong


def _is_free(path: ValuePath) -> bool:
    """Whether any JSON may stand there, null included."""
    return (
        path[:1] in (("variables",), ("matrix",))
        or (len(path) > 3 and path[0] == "faults" and path[2] == "set")
        or path[2:3] == ("payload",)
    )


def _without_nulls(root: Mapping, model: type[Model], mistakes: Mistakes) -> Mapping:
    """A key without a value is a mistake, wherever a value is wanted; an unknown key is one of another kind."""

    def is_null(path: ValuePath, value: Node, key_span: Span) -> bool:
        if not isinstance(value, Scalar) or value.value is not None or _is_free(path):
            return False
        if (
            isinstance(path[-1], str)
            and introspection.model_at(model, path[:-1])
            and not introspection.field_of(model, path)
        ):
            return False
        if isinstance(path[-1], int):
            mistakes.add(value.span, f"{way(path)} is empty", "give it a value, or delete the '-'")
        else:
            mistakes.add(key_span, f"{way(path)} has no value", "give it one, or delete the key")
        return True

    return pruned(root, is_null)


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


def _report(tree: Mapping, model: type[Model], path: ValuePath, detail: ErrorDetails, mistakes: Mistakes) -> None:
    key_span, value_span = span_at(tree, path, key=True), span_at(tree, path, key=False)
    if detail["loc"][-1] == "[key]":
        mistakes.add(key_span, f"{str(path[-1])[:60]!r} can't be a key of {way(path[:-1])}", _wanted_key(model, path))
        return
    match detail["type"]:
        case "extra_forbidden":
            mistakes.add(
                key_span, f"unknown key {str(path[-1])[:60]!r} in {way(path[:-1])}", _known_keys(model, path)
            )
        case "missing":
            missing = str(detail["loc"][-1])
            span = key_span if path else Span(value_span.path, value_span.line, 1, value_span.line, 2)
            mistakes.add(span, f"{way(path)} has no '{missing}'", _example(model, (*path, missing)))
        case "value_error" if isinstance(error := detail["ctx"]["error"], Unfit):
            node = find(tree, path)
            hint = error.hint or f"It takes: {_wanted(model, path)}."
            if not error.hint and isinstance(node, Scalar) and node.quoted and _spelled_otherwise(node.text):
                hint = f"take the quotes away: {node.text}"
            mistakes.add(value_span, f"{way(path)}: {error}", hint)
        case "less_than" | "less_than_equal" if (most := _most(detail)) >= _LARGE:
            message = f"{way(path)}: a number as large as this can't be stored"
            mistakes.add(value_span, message, f"{most} at most")
        case _:
            mistakes.add(value_span, *_wrong_value(tree, model, path))


def _most(detail: ErrorDetails) -> int:
    """The largest whole number that a field takes which one is too large for."""
    limits = detail.get("ctx", {})
    return int(limits["lt"]) - 1 if "lt" in limits else int(limits["le"])


def _meant(model: type[Model], path: ValuePath) -> ValuePath | None:
    """Where the value of an unknown key belongs, when the key is a slip of a known one."""
    parent = introspection.model_at(model, path[:-1])
    if parent is None:
        return None
    known = introspection.fields(parent)
    meaning = parent.meaning(str(path[-1]))
    named = re.search(r"'([a-z_]+)'", meaning) if meaning else None
    by_meaning = named[1] if named and named[1] in known else None
    close = by_meaning if meaning else did_you_mean(str(path[-1]), known)
    return (*path[:-1], close) if close else None


def _known_keys(model: type[Model], path: ValuePath) -> str:
    """What the author may have meant by an unknown key: a slip, a key that belongs elsewhere, or none."""
    key, parent = str(path[-1]), introspection.model_at(model, path[:-1])
    if parent is None:
        return ""
    if re.fullmatch(r"[0-9]+ *(?:ms|s|m|h|%)?", key):
        return "a decimal is written with a point; inside { } a comma begins the next key"
    before, colon, after = key.partition(":")
    if colon and before in introspection.fields(parent):
        return f"a ':' is followed by a space: {before}: {after}"
    meant = _meant(model, path)
    if meaning := parent.meaning(key):
        return f"{meaning}. It takes: {_wanted(model, meant)}." if meant else meaning
    elsewhere = introspection.homes(model).get(key)
    if elsewhere and (meant is None or not _is_slip(key, str(meant[-1]))):
        return f"its place is {' or '.join(elsewhere[:3])}"
    if meant is None and (meaning := _meaning_of_a_part(parent, key)):
        return meaning
    if meant is not None:
        return f"did you mean '{meant[-1]}'? It takes: {_wanted(model, meant)}."
    known = list(introspection.fields(parent))
    return listing([f"{way(path[:-1])} takes: {known[0]}", *known[1:]])


def _meaning_of_a_part(parent: type[Model], key: str) -> str | None:
    """What a word of a compound key means: ``forward`` of ``forward_on_busy``. One that negates has none."""
    parts = re.split(r"[_-]", key.lower())
    if len(parts) == 1 or parts[0] in ("no", "not", "without"):
        return None
    return next(filter(None, map(parent.meaning, parts)), None)


def _is_slip(key: str, meant: str) -> bool:
    """Whether two words differ by a slip of the finger or two, so that one that is right elsewhere isn't meant."""
    return SequenceMatcher(None, key, meant).ratio() > 0.8


def _example(model: type[Model], path: ValuePath) -> str:
    info = introspection.field_of(model, path)
    if info is None:
        return ""
    example = info.examples[0] if info.examples else None
    if isinstance(example, str | int | float) and not isinstance(example, bool):
        needs_quotes = isinstance(example, str) and not example[:1].isalpha()
        return f"{info.description} For example: {path[-1]}: " + (f'"{example}"' if needs_quotes else str(example))
    return info.description or ""


def _wanted_key(model: type[Model], path: ValuePath) -> str:
    """What the keys of a mapping of names are."""
    keys = [
        get_args(alternative)[0]
        for annotation in introspection.types_at(model, path[:-1])
        for alternative in introspection.alternatives(annotation)
        if get_origin(alternative) is dict
    ]
    return f"Each key is {' or '.join(map(introspection.takes, keys))}." if keys else ""


def _wanted(model: type[Model], path: ValuePath) -> str:
    return (
        " or ".join(dict.fromkeys(filter(None, map(introspection.takes, introspection.types_at(model, path)))))
        or "something else"
    )


def _wrong_value(tree: Mapping, model: type[Model], path: ValuePath) -> tuple[str, str]:
    """The message and the hint for a value of the wrong type, or out of its range."""
    node, place, wanted = find(tree, path) or tree, way(path), _wanted(model, path)
    takes = f"It takes: {wanted}."
    if not isinstance(node, Scalar):
        if isinstance(node, Mapping) and "a list" in wanted:
            takes = f"begin each item with '- '. {takes}"
        elif isinstance(node, Sequence) and "a list" not in wanted:
            takes = f"without '- '. {takes}"
        return f"{place} can't be {shown(plain(node))}", takes
    value = node.value
    mapping = introspection.model_at(model, path)
    if mapping is not None and (meaning := _meaning_of(mapping, value)):
        return f"{place} can't be {shown(value)}", f"{meaning}. {takes}"
    if wanted.startswith("a list"):
        is_item = not isinstance(value, bool) and not wanted.startswith("a list; each item is a mapping")
        return f"{place} can't be {shown(value)}", f"in brackets: [{node.text[:60]}]" if is_item else takes
    if isinstance(value, str):
        words = [
            choice
            for annotation in introspection.types_at(model, path)
            for choice in introspection.choices(annotation)
        ]
        meant = _MEANT_BY.get(value.lower())
        close = meant if meant in words else did_you_mean(value, words)
        if close is not None:
            return f"{place} can't be {shown(value)}", f"did you mean '{close}'? {takes}"
        if "never" in words and (instead := _moment_of_the_end(value)):
            return f"{place} can't be {shown(value)}", f"{instead}. {takes}"
        if wanted.startswith("a method") and value.isalpha() and not value.isupper():
            return f"{place} can't be {shown(value)}", f"did you mean '{value.upper()}'? {takes}"
        if node.quoted and _spelled_otherwise(value) and "the id of" not in wanted:
            return f"{place} takes {wanted}, and {shown(value)} in quotes is a text", f"take the quotes away: {value}"
        return (f"{place} can't be {shown(value)}" if value else f"{place} is empty"), takes
    if wanted in ("a text", "a text, or a list of them"):
        kind = "true or false" if isinstance(value, bool) else "a number"
        return (
            f"{place} takes a text, and {node.text[:40]} without quotes is {kind}",
            f'put it in quotes: "{node.text}"',
        )
    return f"{place} can't be {shown(value)}", takes


_MEANT_BY = {
    **dict.fromkeys(("carrier", "called", "uas", "phone", "gateway", "b"), "callee"),
    **dict.fromkeys(("calling", "uac", "a"), "caller"),
    **dict.fromkeys(("proxy", "server", "system", "limit"), "kamailio"),
    **dict.fromkeys(("nobody", "none"), "never"),
    **dict.fromkeys(("hold", "on_hold", "held"), "sendonly"),
    **dict.fromkeys(("alaw", "g711a"), "PCMA"),
    **dict.fromkeys(("ulaw", "g711u", "g711"), "PCMU"),
}
"""Words that stand for one of those that a place takes."""


def _moment_of_the_end(text: str) -> str | None:
    """What says when a call ends, where the side that ends it is said."""
    if re.search(r"\bring|\bcancel", text):
        return "a caller who gives up while it rings is 'cancel: while ringing'"
    return "how long it lasts is 'hold'" if re.search(r"[0-9]", text) else None


def _meaning_of(mapping: type[Model], value: object) -> str | None:
    """What a plain value means where a mapping is wanted: a status, or a word for one of its keys."""
    first, *_ = str(value).split() or [""]
    if not (first.isdigit() and len(first) == 3):
        return mapping.meaning(first)
    meaning = mapping.meaning("status")
    named = re.search(r"'([a-z_]+)'", meaning) if meaning else None
    return f"{meaning}: {{{named[1]}: {first}}}" if named else meaning


def _spelled_otherwise(text: str) -> bool:
    """Whether a text would be a number or a flag without its quotes."""
    return text in ("true", "false") or (re.fullmatch(r"-?(?:0|[1-9][0-9]{0,18})", text) is not None)
