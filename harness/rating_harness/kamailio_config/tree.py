"""A parsed configuration, as a tree. Each node knows its file, its lines and its columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

from rating_harness.kamailio_config.positions import Node, Source, Span
from rating_harness.kamailio_config.tokens import Directive

__all__ = [
    "Assignment",
    "Attribute",
    "Binary",
    "Block",
    "Call",
    "CallStatement",
    "Case",
    "Configuration",
    "Directive",
    "Empty",
    "Expression",
    "Flags",
    "If",
    "Item",
    "Jump",
    "LoadModule",
    "ModParam",
    "Name",
    "Node",
    "Number",
    "Parenthesized",
    "Route",
    "RouteKind",
    "Setting",
    "Statement",
    "String",
    "Switch",
    "Unary",
    "Variable",
    "While",
    "Word",
    "walk",
]


@dataclass(frozen=True, slots=True)
class Word(Node):
    """A keyword, an operator or a name with its place.

    :param text: as Kamailio sees it: defines are expanded.
    """

    text: str


# --- expressions ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number(Node):
    """An integer, or a word that Kamailio takes for one (``yes``, ``off``, ``INET``)."""

    text: str


@dataclass(frozen=True, slots=True)
class String(Node):
    """A string in quotes of either kind; adjacent ones in double quotes are one.

    :param value: what it says, escapes resolved and substitutions made.
    """

    value: str


@dataclass(frozen=True, slots=True)
class Variable(Node):
    """A pseudo-variable with all that belongs to its name: ``$avp(account)``, ``$(var(x){s.len})``."""

    text: str


@dataclass(frozen=True, slots=True)
class Attribute(Node):
    """A select (``@to.uri``) or an attribute (``%f.name``) of SER."""

    text: str


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A bare word: ``method``, ``INVITE``, ``myself``, a host name, an address, a flag, a route's name."""

    text: str


@dataclass(frozen=True, slots=True)
class Call(Node):
    """``function(argument, ...)``; ``route(NAME)`` is one too."""

    function: Word
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """``!``, ``not``, ``~``, ``-``, ``defined``, ``(int)``, ``(str)`` and what they apply to."""

    operator: Word
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """Two operands, and the operator between them."""

    left: Expression
    operator: Word
    right: Expression


@dataclass(frozen=True, slots=True)
class Parenthesized(Node):
    """``( ... )`` around an expression, or around an assignment that is used as one."""

    inner: Expression | Assignment


@dataclass(frozen=True, slots=True)
class Block(Node):
    """``{ statements }``: the body of a route or of a branch, or an expression that is made of statements."""

    statements: tuple[Statement, ...]


Expression: TypeAlias = Number | String | Variable | Attribute | Name | Call | Unary | Binary | Parenthesized | Block

# --- statements -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallStatement(Node):
    """A function that is called; a core function without its parentheses has no arguments."""

    call: Call


@dataclass(frozen=True, slots=True)
class Assignment(Node):
    """``target = value``, with its semicolon where it is a statement."""

    target: Variable | Attribute
    value: Expression


@dataclass(frozen=True, slots=True)
class Jump(Node):
    """What ends a route, a loop or a script.

    :param value: what is returned; None for none.
    """

    kind: Word
    value: Expression | None

    @property
    def word(self) -> Literal["drop", "exit", "return", "break"]:
        return self.kind.text  # type: ignore[return-value]  # the grammar knows these four


@dataclass(frozen=True, slots=True)
class If(Node):
    """:param then, otherwise: a block, or one statement without braces."""

    condition: Expression
    then: Statement | Block
    otherwise: Statement | Block | None


@dataclass(frozen=True, slots=True)
class While(Node):
    condition: Expression
    body: Statement | Block


@dataclass(frozen=True, slots=True)
class Case(Node):
    """``case label:`` or ``default:`` with the statements up to the next one.

    :param label: None for ``default``.
    :param head: ``case label:`` alone.
    """

    label: Expression | None
    head: Span
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Switch(Node):
    value: Expression
    cases: tuple[Case, ...]
    closing: Span
    """Its closing brace."""


@dataclass(frozen=True, slots=True)
class Empty(Node):
    """A semicolon alone."""


Statement: TypeAlias = CallStatement | Assignment | Jump | If | While | Switch | Empty

# --- the top level --------------------------------------------------------------------------------------------------

RouteKind = Literal["request", "failure", "reply", "branch", "onsend", "event"]


@dataclass(frozen=True, slots=True)
class Route(Node):
    """A route with its body.

    :param kind: ``route[NAME]`` and ``request_route`` are both of kind ``request``.
    :param name: "" for the main one of its kind.
    """

    kind: RouteKind
    name: str
    keyword: Word
    body: Block

    @property
    def title(self) -> str:
        """As it stands in the file, without spaces: ``route[RELAY]``, ``event_route[dialog:end]``."""
        return f"{self.keyword.text}[{self.name}]" if self.name else self.keyword.text


@dataclass(frozen=True, slots=True)
class Setting(Node):
    """``name = value`` at the top level: a setting of the core, or of a group (``group.name``).

    :param value: the words of the value; of ``socket``, the settings between its braces.
    """

    name: Word
    value: tuple[Word | Setting, ...]

    @property
    def text(self) -> str:
        """The value as Kamailio sees it, one space between two words that have one."""
        words = [word for word in self.value if isinstance(word, Word)]
        parts: list[str] = []
        for index, word in enumerate(words):
            if index and word.span.start != words[index - 1].span.end:
                parts.append(" ")
            parts.append(word.text)
        return "".join(parts)


@dataclass(frozen=True, slots=True)
class LoadModule(Node):
    """:param path: as it stands there, such as ``tm.so`` or ``/usr/lib/x.so``."""

    path: String

    @property
    def module(self) -> str:
        """The module's name."""
        return self.path.value.rpartition("/")[2].removesuffix(".so")


@dataclass(frozen=True, slots=True)
class ModParam(Node):
    """``modparam("modules", "name", value)``.

    :param modules: one name, or a regular expression of several (``auth_db|usrloc``).
    """

    modules: String
    name: String
    value: Expression


@dataclass(frozen=True, slots=True)
class Flags(Node):
    """``flags NAME:number, ...`` or ``avpflags``."""

    names: tuple[Word, ...]


Item: TypeAlias = Route | Setting | LoadModule | ModParam | Flags | Empty


@dataclass(frozen=True)
class Configuration:
    """A whole configuration under one set of defines.

    :param main: the file that Kamailio is started with.
    :param items: what stands at the top level, in Kamailio's order: what is included stands where it is included.
    :param defines: those in force at the end; None for one without a value.
    :param inactive: of each file the lines that a false condition leaves out.
    """

    main: str
    items: tuple[Item, ...]
    directives: tuple[Directive, ...]
    defines: Mapping[str, str | None]
    sources: Mapping[str, Source]
    inactive: Mapping[str, frozenset[int]]

    @property
    def routes(self) -> tuple[Route, ...]:
        return tuple(item for item in self.items if isinstance(item, Route))

    @property
    def modules(self) -> tuple[LoadModule, ...]:
        return tuple(item for item in self.items if isinstance(item, LoadModule))

    @property
    def parameters(self) -> tuple[ModParam, ...]:
        return tuple(item for item in self.items if isinstance(item, ModParam))

    @property
    def settings(self) -> tuple[Setting, ...]:
        return tuple(item for item in self.items if isinstance(item, Setting))

    def active(self, file: str) -> frozenset[int]:
        """The lines of a file that these defines leave in."""
        lines = range(1, self.sources[file].lines + 1)
        return frozenset(lines) - self.inactive.get(file, frozenset())


def walk(node: Node | Configuration) -> Iterator[Node]:
    """A node and all below it, each before its children, in the order of the text."""
    waiting: list[Node] = [*reversed(node.items)] if isinstance(node, Configuration) else [node]
    while waiting:
        each = waiting.pop()
        yield each
        waiting += reversed(_children(each))


def _children(node: Node) -> list[Node]:
    found: list[Node] = []
    for name in _field_names(type(node)):
        value = getattr(node, name)
        if isinstance(value, Node):
            found.append(value)
        elif isinstance(value, tuple):
            found += [part for part in value if isinstance(part, Node)]
    return found


_FIELD_NAMES: dict[type[Node], tuple[str, ...]] = {}


def _field_names(kind: type[Node]) -> tuple[str, ...]:
    """Looked up once for each kind of node: a configuration has some ten thousand, which are walked often."""
    names = _FIELD_NAMES.get(kind)
    if names is None:
        names = _FIELD_NAMES[kind] = tuple(each.name for each in fields(kind))
    return names
