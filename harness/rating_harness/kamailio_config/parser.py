"""From tokens to the tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal, cast

from lark import Lark, Token, Transformer, Tree, UnexpectedEOF, UnexpectedInput, UnexpectedToken, v_args
from lark.exceptions import VisitError
from lark.lexer import Lexer
from lark.tree import Meta

from rating_harness.errors import ConfigurationError, Location
from rating_harness.kamailio_config.positions import Span
from rating_harness.kamailio_config.preprocessor import Reader, main_file, tokenize
from rating_harness.kamailio_config.tokens import RawToken
from rating_harness.kamailio_config.tree import (
    Assignment,
    Attribute,
    Binary,
    Block,
    Call,
    CallStatement,
    Case,
    Configuration,
    Empty,
    Expression,
    Flags,
    If,
    Item,
    Jump,
    LoadModule,
    ModParam,
    Name,
    Node,
    Number,
    Parenthesized,
    Route,
    RouteKind,
    Setting,
    Statement,
    String,
    Switch,
    Unary,
    Variable,
    While,
    Word,
)

__all__ = ["load", "parse", "parse_expression", "parse_files", "parse_statement"]

Start = Literal["configuration", "statement", "expression", "item"]


def load(
    path: Path,
    defines: Mapping[str, str | None] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    installed: str = "/etc/kamailio",
) -> Configuration:
    """Parse a configuration and what it includes, from the disk.

    :param path: a file, or a directory with a ``kamailio.cfg``. Spans have names below the path's directory.
    :param defines: those of the command line; None is the value of one without a value.
    :param installed: the directory that absolute includes mean where they name nothing on this machine: what a
        configuration includes from there lies beside it.
    :raises ConfigurationError: Kamailio would refuse it, or there is none.
    """
    main = main_file(path)

    def read(name: str, within: str | None) -> tuple[str, str] | None:
        wanted = Path(name)
        if within is None:
            candidates = [main]
        elif wanted.is_absolute():
            moved = [main.parent / wanted.relative_to(installed)] if wanted.is_relative_to(installed) else []
            candidates = [wanted, *moved]
        else:
            candidates = [main.parent / wanted, Path(within).parent / wanted]
        for candidate in candidates:
            if candidate.is_file():
                return str(candidate), candidate.read_text(encoding="utf-8", errors="surrogateescape")
        return None

    return parse(str(main), read, defines, environment=environment)


def parse_files(
    files: Mapping[str, bytes],
    main: str,
    defines: Mapping[str, str | None],
    *,
    shown: Mapping[str, str] | None = None,
    tolerant: bool = False,
) -> Configuration:
    """Parse a configuration that is in memory, and what it includes of the same files.

    :param files: by their absolute paths where Kamailio finds them.
    :param shown: the name of each in messages and spans; its path, if left out.
    :param tolerant: what can't be parsed at the top level is left out; of a setting all is kept that stands in its
        line. Left out are also routes in another language (KEMI), and files that are included and aren't there.
    :raises ConfigurationError: Kamailio would refuse it; if tolerant, only what can't even be read as words.
    """
    names = {path: (shown or {}).get(path, path) for path in files}
    path_of = {name: path for path, name in names.items()}

    def read(name: str, within: str | None) -> tuple[str, str] | None:
        directory = PurePosixPath(path_of[within]).parent if within else PurePosixPath(main).parent
        for path in (str(directory / name), str(PurePosixPath(main).parent / name)):
            if path in files:
                return names[path], files[path].decode("utf-8", "surrogateescape")
        return None

    return parse(main, read, defines, tolerant=tolerant)


def parse(
    main: str,
    read: Reader,
    defines: Mapping[str, str | None] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    tolerant: bool = False,
) -> Configuration:
    """Parse a configuration whose files ``read`` knows.

    :param tolerant: as of `parse_files`.
    :raises ConfigurationError: Kamailio would refuse it; or it is no routing language but a script of KEMI's.
    """
    before: list[RawToken] = []
    try:
        tokens = tokenize(main, read, defines or {}, environment, tolerant=tolerant, before=before)
    except ConfigurationError:
        if not tolerant:
            _refuse_sooner(before, main)
        raise
    if main not in tokens.sources and not tokens.sources:
        raise ConfigurationError("there is no such configuration", where=main)
    if tolerant:
        items = tuple(_readable(tokens.tokens, main))
    else:
        items = cast("tuple[Item, ...]", _tree("configuration", tokens.tokens, main))
    return Configuration(
        main=next(iter(tokens.sources)),
        items=items,
        directives=tuple(tokens.directives),
        defines=dict(tokens.defines),
        sources=dict(tokens.sources),
        inactive={file: frozenset(lines) for file, lines in tokens.inactive.items()},
    )


_CONTEXT = 8
"""Tokens that can make one in front of them another kind."""


def _refuse_sooner(tokens: Sequence[RawToken], main: str) -> None:
    """Where a quote is missing, the rest of the file is read the wrong way round: what can't be read is far below.

    :param tokens: those in front of it.
    :raises ConfigurationError: one of them is out of place, as Kamailio would say first.
    """
    try:
        _tree("configuration", tokens, main)
    except ConfigurationError as error:
        sure = [token.span for token in tokens[:-_CONTEXT]]
        if any(error.where == Location(each.file, each.start.line, each.start.column) for each in sure):
            raise error from None


def parse_statement(text: str, defines: Mapping[str, str | None] | None = None) -> Statement:
    """One statement alone; :raises ConfigurationError: it is none, or more than one."""
    return cast("Statement", _part("statement", text, defines))


def parse_expression(text: str, defines: Mapping[str, str | None] | None = None) -> Expression:
    """One expression alone; :raises ConfigurationError: it is none."""
    return cast("Expression", _part("expression", text, defines))


def _part(start: Start, text: str, defines: Mapping[str, str | None] | None) -> Node:
    # Within a block words have the kind that they have there.
    before, after = tokenize("text", lambda name, within: ("text", "{" + text + "}"), defines or {}).tokens, 1
    return cast("Node", _tree(start, before[1:-after], "text"))


# --- lark -----------------------------------------------------------------------------------------------------------


class _Given(Lexer):
    """The tokens are there already."""

    __future_interface__ = 1

    def __init__(self, lexer_conf: Any) -> None:
        pass

    def lex(self, lexer_state: Any, parser_state: Any) -> Iterator[Token]:
        for index, token in enumerate(lexer_state.text.tokens):
            start = token.span.start
            yield Token(
                token.kind,
                token.text,
                start_pos=index,
                line=start.line,
                column=start.column,
                end_line=start.line,
                end_column=start.column,
                end_pos=index + 1,
            )


@cache
def _parser() -> Lark:
    return Lark(
        (Path(__file__).parent / "grammar.lark").read_text(encoding="utf-8"),
        parser="lalr",
        lexer=_Given,
        start=["configuration", "statement", "expression", "item"],
        propagate_positions=True,
        maybe_placeholders=False,
    )


class _Input:
    """What lark takes for a text."""

    def __init__(self, tokens: Sequence[RawToken]) -> None:
        self.tokens = tokens


def _tree(start: Start, tokens: Sequence[RawToken], main: str) -> object:
    try:
        tree = _parser().parse(cast("str", _Input(tokens)), start=start)
    except UnexpectedToken as error:
        raise _unexpected(error, tokens, main) from None
    except (UnexpectedEOF, UnexpectedInput):
        raise ConfigurationError("the configuration ends too early", where=main) from None
    try:
        return _Builder(tokens).transform(cast("Tree[Any]", tree))
    except VisitError as error:
        if isinstance(error.orig_exc, ConfigurationError):
            raise error.orig_exc from None
        raise


_ITEMS = frozenset(
    (
        "SETTING",
        "GROUP",
        "LOADMODULE",
        "LOADPATH",
        "CFGENGINE",
        "MODPARAM",
        "FLAGS",
        "ROUTE",
        "ROUTE_KIND",
        "EVENT_ROUTE",
    )
)
"""What an item begins with. A word that Kamailio doesn't know (NAME) begins a line that is wrong."""


def _readable(tokens: Sequence[RawToken], main: str) -> Iterator[Item]:
    """The items that can be parsed each by itself, and what is left of a setting that can't be."""
    for item in _by_line(tokens):
        try:
            yield from cast("tuple[Item, ...]", _tree("configuration", item, main))
        except ConfigurationError:
            if item[0].kind in ("SETTING", "LOADPATH"):
                yield _unparsed(item)


def _by_line(tokens: Sequence[RawToken]) -> Iterator[Sequence[RawToken]]:
    """The tokens of each item that begins a line outside of all braces."""
    first, depth = 0, 0
    for index, token in enumerate(tokens):
        begins_line = index == 0 or _line_of(token) != _line_of(tokens[index - 1])
        if depth == 0 and index > first and begins_line and token.kind in _ITEMS | {"NAME"}:
            yield tokens[first:index]
            first = index
        depth = max(0, depth + (token.kind == "LBRACE") - (token.kind == "RBRACE"))
    if tokens:
        yield tokens[first:]


def _line_of(token: RawToken) -> tuple[str, int]:
    return token.span.file, token.span.start.line


def _unparsed(item: Sequence[RawToken]) -> Setting:
    inside = [token for token in item if _line_of(token) == _line_of(item[0])]
    words = tuple(Word(token.span, token.text) for token in inside[2:])
    first, last = inside[0].span, inside[-1].span
    expanded = any(token.span.expanded for token in inside)
    return Setting(Span(first.file, first.start, last.end, expanded), Word(first, inside[0].text), words)


_SHOWN = {
    "SEMICOLON": ";",
    "RBRACE": "}",
    "RPAR": ")",
    "LBRACE": "{",
    "LPAR": "(",
    "COMMA": ",",
    "EQUAL": "=",
    "COLON": ":",
    "RBRACKET": "]",
    "STRING": "a string",
    "NUMBER": "a number",
}


def _unexpected(error: UnexpectedToken, tokens: Sequence[RawToken], main: str) -> ConfigurationError:
    expected = [shown for kind, shown in _SHOWN.items() if kind in error.expected]
    others = {"expected": " or ".join(expected)} if 0 < len(expected) <= 4 else {}
    if error.token.type == "$END":
        last = tokens[-1].span if tokens else None
        where = Location(last.file, last.end.line, last.end.column) if last else main
        return ConfigurationError("the configuration ends too early", where=where, **others)
    index = error.token.start_pos
    assert index is not None
    span = tokens[index].span
    where = Location(span.file, span.start.line, span.start.column)
    found, newline, _ = str(error.token.value).partition("\n")
    if newline and tokens[index].kind == "STRING":
        others["hint"] = "in this line a quote is missing, or is one too many"
    return ConfigurationError("syntax error", where=where, found=found, **others)


# --- lark's tree to ours --------------------------------------------------------------------------------------------

_KINDS: dict[str, RouteKind] = {
    "route": "request",
    "request_route": "request",
    "failure_route": "failure",
    "reply_route": "reply",
    "onreply_route": "reply",
    "branch_route": "branch",
    "onsend_route": "onsend",
    "event_route": "event",
}


@v_args(meta=True)
class _Builder(Transformer[Token, object]):
    """Called bottom up for each rule of the grammar, by its name. Positions in ``meta`` are numbers of tokens."""

    def __init__(self, tokens: Sequence[RawToken]) -> None:
        super().__init__()
        self._tokens = tokens

    def _span(self, meta: Meta) -> Span:
        return self._between(meta.start_pos, meta.end_pos - 1)

    def _between(self, first: int, last: int) -> Span:
        begin, end = self._tokens[first], self._tokens[last]
        one_file = begin.span.file == end.span.file
        inside = self._tokens[first : last + 1]
        expanded = not one_file or any(each.span.expanded or each.span.file != begin.span.file for each in inside)
        # Where all of it came out of one define, the define's name stands in its place.
        return Span(begin.span.file, begin.span.start, (end if one_file else begin).span.end, expanded)

    def _word(self, token: Token) -> Word:
        assert token.start_pos is not None
        return Word(self._tokens[token.start_pos].span, str(token))

    @staticmethod
    def _nodes(children: list[Any]) -> list[Any]:
        return [child for child in children if isinstance(child, Node)]

    # --- the top level ---

    def configuration(self, meta: Meta, children: list[Any]) -> tuple[Item, ...]:
        return tuple(child for child in children if not isinstance(child, Empty))

    def nothing(self, meta: Meta, children: list[Any]) -> Empty:
        return Empty(self._span(meta))

    def value_word(self, meta: Meta, children: list[Any]) -> Word:
        return self._word(children[0])

    def setting(self, meta: Meta, children: list[Any]) -> Setting:
        return Setting(self._span(meta), self._word(children[0]), tuple(self._nodes(children)))

    def socket(self, meta: Meta, children: list[Any]) -> Setting:
        inner = tuple(child for child in children if isinstance(child, Setting))
        return Setting(self._span(meta), self._word(children[0]), inner)

    def group(self, meta: Meta, children: list[Any]) -> Setting:
        head = [child for child in children if isinstance(child, Token)]
        name = "".join(str(token) for token in head if token.type != "EQUAL")
        first, last = head[0].start_pos, head[-2].start_pos
        assert first is not None
        assert last is not None
        return Setting(self._span(meta), Word(self._between(first, last), name), tuple(self._nodes(children)))

    def loadmodule(self, meta: Meta, children: list[Any]) -> LoadModule:
        return LoadModule(self._span(meta), self._nodes(children)[0])

    def loadpath(self, meta: Meta, children: list[Any]) -> Setting:
        path: String = self._nodes(children)[0]
        return Setting(self._span(meta), self._word(children[0]), (Word(path.span, path.value),))

    def cfgengine(self, meta: Meta, children: list[Any]) -> Setting:
        engine: String = self._nodes(children)[0]
        if engine.value not in ("native", "default"):
            start = engine.span.start
            raise ConfigurationError(
                "the routes are no routes of Kamailio's own language",
                where=Location(engine.span.file, start.line, start.column),
                expected='cfgengine "native", or none',
                found=f"a script in {engine.value} (KEMI)",
                hint="coverage, mutation and inspection know Kamailio's own language; scenarios run all the same",
            )
        return Setting(self._span(meta), self._word(children[0]), (Word(engine.span, engine.value),))

    def modparam(self, meta: Meta, children: list[Any]) -> ModParam:
        modules, name, value = self._nodes(children)
        return ModParam(self._span(meta), modules, name, value)

    def negative(self, meta: Meta, children: list[Any]) -> Unary:
        return Unary(self._span(meta), self._word(children[0]), children[1])

    def flags(self, meta: Meta, children: list[Any]) -> Flags:
        return Flags(self._span(meta), tuple(self._nodes(children)))

    def flag(self, meta: Meta, children: list[Any]) -> Word:
        return self._word(children[0])

    def route_name(self, meta: Meta, children: list[Any]) -> str:
        return str(children[0])

    def route(self, meta: Meta, children: list[Any]) -> Route:
        keyword = self._word(children[0])
        name = next((child for child in children if isinstance(child, str) and not isinstance(child, Token)), "")
        return Route(self._span(meta), _KINDS[keyword.text], name, keyword, children[-1])

    def event_route(self, meta: Meta, children: list[Any]) -> Route:
        return Route(self._span(meta), "event", str(children[2]), self._word(children[0]), children[-1])

    # --- statements ---

    def block(self, meta: Meta, children: list[Any]) -> Block:
        return Block(self._span(meta), tuple(self._nodes(children)))

    def empty(self, meta: Meta, children: list[Any]) -> Empty:
        return Empty(self._span(meta))

    def call_statement(self, meta: Meta, children: list[Any]) -> CallStatement:
        return CallStatement(self._span(meta), children[0])

    def word_statement(self, meta: Meta, children: list[Any]) -> CallStatement:
        name: Name = children[0]
        return CallStatement(self._span(meta), Call(name.span, Word(name.span, name.text), ()))

    def assignment_statement(self, meta: Meta, children: list[Any]) -> Assignment:
        inner: Assignment = children[0]
        return Assignment(self._span(meta), inner.target, inner.value)

    def jump_statement(self, meta: Meta, children: list[Any]) -> Jump:
        inner: Jump = children[0]
        return Jump(self._span(meta), inner.kind, inner.value)

    def jump(self, meta: Meta, children: list[Any]) -> Jump:
        nodes = self._nodes(children)
        return Jump(self._span(meta), self._word(children[0]), nodes[0] if nodes else None)

    def assignment(self, meta: Meta, children: list[Any]) -> Assignment:
        target, value = self._nodes(children)
        return Assignment(self._span(meta), target, value)

    def if_statement(self, meta: Meta, children: list[Any]) -> If:
        condition, then, *otherwise = self._nodes(children)
        return If(self._span(meta), condition, then, otherwise[0] if otherwise else None)

    def while_loop(self, meta: Meta, children: list[Any]) -> While:
        condition, body = self._nodes(children)
        return While(self._span(meta), condition, body)

    def switch(self, meta: Meta, children: list[Any]) -> Switch:
        value, *cases = self._nodes(children)
        return Switch(self._span(meta), value, tuple(cases), self._word(children[-1]).span)

    def case_head(self, meta: Meta, children: list[Any]) -> Case:
        nodes = self._nodes(children)
        return Case(self._span(meta), nodes[0] if nodes else None, self._span(meta), ())

    def case(self, meta: Meta, children: list[Any]) -> Case:
        head, *statements = self._nodes(children)
        return Case(self._span(meta), head.label, head.span, tuple(statements))

    # --- expressions ---

    def binary(self, meta: Meta, children: list[Any]) -> Binary:
        left, operator, right = children
        return Binary(self._span(meta), left, self._word(operator), right)

    def unary(self, meta: Meta, children: list[Any]) -> Unary:
        return Unary(self._span(meta), self._word(children[0]), children[1])

    def parenthesized(self, meta: Meta, children: list[Any]) -> Parenthesized:
        return Parenthesized(self._span(meta), self._nodes(children)[0])

    def call(self, meta: Meta, children: list[Any]) -> Call:
        return Call(self._span(meta), self._word(children[0]), tuple(self._nodes(children)))

    def address(self, meta: Meta, children: list[Any]) -> Name:
        return Name(self._span(meta), self._joined(meta))

    def dotted(self, meta: Meta, children: list[Any]) -> Name:
        return Name(self._span(meta), self._joined(meta))

    def word(self, meta: Meta, children: list[Any]) -> Name:
        return Name(self._span(meta), self._joined(meta))

    def _joined(self, meta: Meta) -> str:
        return "".join(token.text for token in self._tokens[meta.start_pos : meta.end_pos])

    def number(self, meta: Meta, children: list[Any]) -> Number:
        return Number(self._span(meta), str(children[0]))

    def string(self, meta: Meta, children: list[Any]) -> String:
        return String(self._span(meta), str(children[0]))

    def variable(self, meta: Meta, children: list[Any]) -> Variable:
        return Variable(self._span(meta), str(children[0]))

    def attribute(self, meta: Meta, children: list[Any]) -> Attribute:
        return Attribute(self._span(meta), str(children[0]))
