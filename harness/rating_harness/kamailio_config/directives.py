"""Lines of the preprocessor. They stand apart from the rest of a configuration's tree: tokens need no more of it."""

from __future__ import annotations

from dataclasses import dataclass

from rating_harness.kamailio_config.positions import Span

__all__ = ["Directive", "Node"]


@dataclass(frozen=True, slots=True)
class Node:
    """Whatever stands in a configuration."""

    span: Span


@dataclass(frozen=True, slots=True)
class Directive(Node):
    """A line of the preprocessor, or an include.

    :param kind: without its ``#!``, abbreviations written out: ``define``, ``ifdef``, ``include_file``, ``substdef``.
    :param name: what is defined, tested, included; "" for none.
    :param value: the rest of its line; None for none.
    :param result: of ``ifdef``, ``ifndef``, ``ifexp``: whether what follows counts. Of ``import_file``: whether the
        file is there. True of all others.
    """

    kind: str
    name: str
    value: str | None
    result: bool
