"""Every key of the language as Markdown tables, made from the model: the last part of the authors' manual."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

from pydantic.fields import FieldInfo

from rating_harness.scenario import introspection
from rating_harness.scenario.fields import Model
from rating_harness.scenario.yaml_writer import flow

__all__ = ["reference"]


def reference(model: type[Model]) -> str:
    """One table for each kind of mapping, in the order in which a file has them."""
    return "\n".join(line for name, part in _models(model, "the file") for line in _table(name, part))


def _models(model: type[Model], name: str) -> Iterator[tuple[str, type[Model]]]:
    """The models below ``model``, each once, by the place where it is first met."""
    seen = {model}
    waiting = [(name, model)]
    while waiting:
        name, model = waiting.pop(0)
        yield name, model
        found: list[tuple[str, type[Model]]] = []
        for key, info in introspection.fields(model).items():
            place = key if name == "the file" else f"{name}.{key}"
            for inner, suffix in _inner(info.annotation):
                if inner not in seen:
                    seen.add(inner)
                    found.append((place + suffix, inner))
        waiting = found + waiting


def _inner(annotation: Any) -> Iterator[tuple[type[Model], str]]:
    for alternative in introspection.alternatives(annotation):
        origin, arguments = get_origin(alternative), get_args(alternative)
        candidate, suffix = alternative, ""
        if origin is tuple:
            candidate, suffix = arguments[0], "[]"
        elif origin is dict:
            candidate, suffix = arguments[1], ".NAME"
        if isinstance(candidate, type) and issubclass(candidate, Model):
            yield candidate, suffix


def _table(name: str, model: type[Model]) -> Iterator[str]:
    yield f"### {name}\n"
    short = f" A plain value means `{model.shorthand}`." if model.shorthand else ""
    yield f"{inspect.cleandoc(model.__doc__ or '')}{short}\n"
    yield "| key | takes | meaning | example |\n| --- | --- | --- | --- |"
    for key, info in introspection.fields(model).items():
        takes = introspection.takes(Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation)
        cells = (
            f"`{key}`{' (required)' if info.is_required() else ''}",
            takes,
            info.description or "",
            _example(info),
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _example(info: FieldInfo) -> str:
    return f"`{flow(info.examples[0])}`" if info.examples else ""
