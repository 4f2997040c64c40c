"""What the model says about itself: which keys a place has, and what each takes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from rating_harness.scenario.fields import Model, Takes
from rating_harness.scenario.nodes import ValuePath

__all__ = ["alternatives", "choices", "field_of", "fields", "homes", "model_at", "takes", "types_at"]


def fields(model: type[Model]) -> dict[str, FieldInfo]:
    """The fields of a model by the name they have in YAML."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def alternatives(annotation: Any) -> list[Any]:
    """A type without None and without its annotations; of a union each member."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return alternatives(get_args(annotation)[0])
    if origin is Union or origin is UnionType:
        return [found for argument in get_args(annotation) for found in alternatives(argument)]
    return [] if annotation is type(None) else [annotation]


def _step(annotation: Any, step: str | int) -> Iterator[Any]:
    for alternative in alternatives(annotation):
        origin, arguments = get_origin(alternative), get_args(alternative)
        if isinstance(alternative, type) and issubclass(alternative, Model):
            info = fields(alternative).get(step) if isinstance(step, str) else None
            if info is not None:
                yield Annotated[info.annotation, info, *info.metadata]
        elif (origin is tuple and isinstance(step, int)) or (origin is dict and isinstance(step, str)):
            yield arguments[0 if origin is tuple else 1]


def types_at(model: type[Model], path: ValuePath) -> list[Any]:
    """The types that may stand at ``path``; none for a path that the model doesn't have."""
    found: list[Any] = [model]
    for step in path:
        found = [inner for annotation in found for inner in _step(annotation, step)]
    return found


def model_at(model: type[Model], path: ValuePath) -> type[Model] | None:
    """The model whose keys may stand at ``path``."""
    for annotation in types_at(model, path):
        for alternative in alternatives(annotation):
            if isinstance(alternative, type) and issubclass(alternative, Model):
                return alternative
    return None


def field_of(model: type[Model], path: ValuePath) -> FieldInfo | None:
    """The field at ``path``, when the last step is a key of a model."""
    if not path or not isinstance(path[-1], str):
        return None
    parent = model_at(model, path[:-1])
    return fields(parent).get(path[-1]) if parent else None


def choices(annotation: Any) -> list[str]:
    """The words of a Literal."""
    return [
        str(choice)
        for alternative in alternatives(annotation)
        if get_origin(alternative) is Literal
        for choice in get_args(alternative)
        if isinstance(choice, str)
    ]


def takes(annotation: Any) -> str:
    """What may stand there, in words: ``caller, callee, never``, ``a duration: 3s, 200ms, 1m``."""
    return ", or ".join(dict.fromkeys(_takes(annotation)))


def _takes(annotation: Any) -> Iterator[str]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        named = [item for item in arguments[1:] if isinstance(item, Takes)]
        if named:
            yield named[-1]
        else:
            yield from _takes(arguments[0])
    elif origin is Union or origin is UnionType:
        for argument in arguments:
            yield from _takes(argument)
    elif origin is Literal:
        yield ", ".join(map(str, arguments))
    elif origin is tuple:
        yield f"a list; each item is {takes(arguments[0])}"
    elif origin is dict:
        yield f"names with values; each value is {takes(arguments[1])}"
    elif isinstance(annotation, type) and issubclass(annotation, Model):
        if annotation.shorthand:
            info = annotation.model_fields[annotation.shorthand]
            yield from _takes(Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation)
        yield f"a mapping with {_keys(annotation)}"
    elif annotation is not type(None):
        yield "any value"


def _keys(model: type[Model]) -> str:
    """The keys that a model can't be without; the first few, where it can be without any."""
    known = fields(model)
    required = [name for name, info in known.items() if info.is_required()]
    named = required or list(known)[:5]
    return ", ".join(named) + (" and more" if len(named) < len(known) else "")


@cache
def homes(model: type[Model], prefix: str = "") -> dict[str, tuple[str, ...]]:
    """Where each key of the language is at home: ``{"ended_by": ("calls[].expect",), ...}``."""
    found: dict[str, tuple[str, ...]] = {}
    for name, info in fields(model).items():
        found[name] = (*found.get(name, ()), prefix or "the top of the file")
        below = f"{prefix}.{name}".lstrip(".")
        for alternative in alternatives(info.annotation):
            origin, arguments = get_origin(alternative), get_args(alternative)
            inner, way = alternative, below
            if origin is tuple:
                inner, way = arguments[0], f"{below}[]"
            elif origin is dict:
                inner, way = arguments[1], f"{below}.NAME"
            if isinstance(inner, type) and issubclass(inner, Model):
                for key, places in homes(inner, way).items():
                    found[key] = (*found.get(key, ()), *places)
    return found
