"""What the preprocessor makes of a configuration: tokens and directives; and what a word is by where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field

from rating_harness.kamailio_config.positions import Node, Source, Span

__all__ = ["Directive", "RawToken", "Tokens", "by_context"]


@dataclass(frozen=True, slots=True)
class RawToken:
    """:param kind: the terminal of the grammar.
    :param text: as Kamailio sees it; of a string, what it says.
    :param origin: which define it came out of: a number for each place where one is used; None for none.
    """

    kind: str
    text: str
    span: Span
    origin: int | None = None


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


@dataclass(slots=True)
class Tokens:
    """What the preprocessor made of a configuration."""

    tokens: list[RawToken] = field(default_factory=list)
    directives: list[Directive] = field(default_factory=list)
    defines: dict[str, str | None] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    inactive: dict[str, set[int]] = field(default_factory=dict)


def by_context(tokens: list[RawToken]) -> list[RawToken]:
    """Give words the kind that they have by where they stand.

    At the top level a statement has no end: the next one is known by its first word. Kamailio reserves all names of
    settings for that; here, a word before an equals sign is one.
    """
    found: list[RawToken] = []
    depth, in_socket = 0, False
    for index, token in enumerate(tokens):
        following = tokens[index + 1].kind if index + 1 < len(tokens) else "END"
        kind = token.kind
        if kind == "LBRACE":
            in_socket = depth == 0 and index >= 2 and tokens[index - 1].kind == "EQUAL"
            depth += 1
        elif kind == "RBRACE":
            depth -= 1
            in_socket = False
        elif depth == 0 or in_socket:
            kind = _at_top_level(tokens, index, following)
        elif (kind == "DEFAULT" and following != "COLON") or kind in ("FLAGS", "LOADPATH", "CFGENGINE"):
            kind = "NAME"
        found.append(token if kind == token.kind else RawToken(kind, token.text, token.span, token.origin))
    return found


_NAMES = ("NAME", "DEFAULT", "NUM_NAME")


def _at_top_level(tokens: list[RawToken], index: int, following: str) -> str:
    kind = tokens[index].kind
    if kind in ("LOADPATH", "CFGENGINE"):
        return kind
    if kind in _NAMES or kind in ("FLAGS", "MULTIPLICATION", "NUMBER"):
        if following == "EQUAL":
            dotted = (
                index >= 2 and tokens[index - 1].kind == "DOT" and tokens[index - 2].kind in (*_NAMES, "RBRACKET")
            )
            return "NAME" if dotted else "SETTING"
        rest = [token.kind for token in tokens[index + 1 : index + 7]]
        if kind in _NAMES and (
            (rest[:1] == ["DOT"] and rest[2:3] == ["EQUAL"])
            or (
                rest[:1] == ["LBRACKET"]
                and (
                    rest[2:4] == ["RBRACKET", "EQUAL"]
                    or (rest[2:4] == ["RBRACKET", "DOT"] and rest[5:6] == ["EQUAL"])
                )
            )
        ):
            return "GROUP"
    return "NAME" if kind == "DEFAULT" else kind
