"""From the text of a configuration to tokens, with includes, defines and conditions carried out.

It follows Kamailio's own scanner (``core/cfg.lex``, 6.0): a define is text that takes the place of a word, so a token
may begin in a define and end behind it; a directive counts wherever it stands in a line, even in a comment that a
false condition leaves out; adjacent strings in double quotes are one. Each token knows its place in which file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from rating_harness.errors import ConfigurationError, Location
from rating_harness.kamailio_config.define_expressions import evaluate
from rating_harness.kamailio_config.lexemes import (
    BLANK,
    CAST,
    COLON_WORD,
    CONDITION,
    DIRECTIVE,
    DIRECTIVES,
    ESCAPE,
    ESCAPED,
    EVENT_NAME,
    FAMILIES,
    IDENTIFIER,
    IPV6,
    KEYWORDS,
    MODE,
    NUMBER,
    NUMBER_WORDS,
    OPERATOR,
    OPERATORS,
    RETCODE,
    SELECT,
    SER_ATTRIBUTE,
    SKIP,
    VARIABLE,
    WORD,
)
from rating_harness.kamailio_config.positions import Source, Span
from rating_harness.kamailio_config.substitutions import Substitutions
from rating_harness.kamailio_config.tokens import Directive, RawToken, Tokens, by_context

__all__ = ["Reader", "main_file", "tokenize", "version_defines"]

Reader = Callable[[str, str | None], "tuple[str, str] | None"]
"""Called with the name of a file as it is included, and the file that includes it (None for the main one): its name
for messages, and its text; None where it isn't there."""

_INCLUDES = 10
"""Kamailio's ``MAX_INCLUDE_DEPTH``."""
_EXPANSIONS = 1000
"""A define that stands for itself would be expanded for ever; Kamailio's memory ends it."""


def main_file(configuration: Path) -> Path:
    """The file that Kamailio is started with.

    :param configuration: that file itself, or a directory with a ``kamailio.cfg``.
    :raises ConfigurationError: there is none that can be read.
    """
    main = configuration / "kamailio.cfg" if configuration.is_dir() else configuration
    if main.is_symlink() and not main.exists():
        raise ConfigurationError(
            "this configuration of Kamailio is a link to what isn't there",
            where=str(main),
            found=f"a link to {main.readlink()}",
            hint=f"name the file that it means, beside it perhaps: {main.parent / main.readlink().name}",
        )
    if not main.exists() or main.is_dir():
        found = sorted(path.name for path in configuration.glob("*.cfg"))
        raise ConfigurationError(
            "there is no such configuration of Kamailio",
            where=str(configuration),
            expected="a directory with a kamailio.cfg in it, or a file",
            found=f"a directory with {', '.join(found[:8]) or 'no .cfg file'}" if configuration.is_dir() else None,
            hint=f"name the one that Kamailio is started with: {configuration / found[0]}" if found else None,
        )
    if not os.access(main, os.R_OK):
        raise ConfigurationError("this configuration of Kamailio may not be read", where=str(main))
    return main


def version_defines(version: str) -> dict[str, str | None]:
    """What a Kamailio defines by itself.

    :param version: such as ``6.0.1``.
    """
    major, minor, patch = ([int(part) for part in re.findall(r"\d+", version)] + [0, 0, 0])[:3]
    return {
        f"KAMAILIO_{major}": None,
        f"KAMAILIO_{major}_{minor}": None,
        f"KAMAILIO_{major}_{minor}_{patch}": None,
        "KAMAILIO_VERSION": str(major * 1_000_000 + minor * 1000 + patch),
        "OS_NAME": '"linux"',
    }


def tokenize(
    main: str,
    read: Reader,
    defines: Mapping[str, str | None],
    environment: Mapping[str, str] | None = None,
    *,
    tolerant: bool = False,
    before: list[RawToken] | None = None,
) -> Tokens:
    """Read a configuration.

    :param defines: those of the command line (``-A``), and Kamailio's own (`version_defines`).
    :param environment: for ``#!defenv``; this process's, if None.
    :param tolerant: an included file that isn't there is passed over.
    :param before: is given the tokens in front of what can't be read.
    :raises ConfigurationError: Kamailio would refuse it.
    """
    scanner = _Scanner(read, defines, os.environ if environment is None else environment, tolerant=tolerant)
    try:
        scanner.file(main, None)
    except ConfigurationError:
        if before is not None:
            before += by_context(scanner.result.tokens)
        raise
    scanner.finish(main)
    return scanner.result


class _Scanner:
    """Kamailio's scanner. One for a whole configuration: defines and conditions go from file to file."""

    def __init__(
        self, read: Reader, defines: Mapping[str, str | None], environment: Mapping[str, str], *, tolerant: bool
    ) -> None:
        self.result = Tokens(defines=dict(defines))
        self.tolerant = tolerant
        self._read = read
        self._environment = environment
        self._conditions: list[tuple[bool, Span]] = []
        self.substitutions = Substitutions()
        self._mode = ""
        self._depth = 0
        self._origins = 0

    def finish(self, main: str) -> None:
        if self._conditions:
            span = self._conditions[-1][1]
            raise ConfigurationError(
                "a condition without its #!endif",
                where=_location(span),
                found="the end of the file",
                hint="behind #!endif its line must end: no comment, and a newline even at the end of the file",
            )
        self.result.tokens = by_context(self.result.tokens)

    def file(self, name: str, within: str | None, span: Span | None = None) -> bool:
        """Scan a file; False where it isn't there."""
        found = self._read(name, within)
        if found is None:
            return False
        if self._depth == _INCLUDES + 1:
            raise ConfigurationError("too many includes in one another", where=_location(span) if span else name)
        shown, text = found
        self.result.sources.setdefault(shown, Source(shown, text))
        self.result.inactive.setdefault(shown, set())
        self._depth += 1
        _File(self, self.result.sources[shown], text).scan()
        self._depth -= 1
        return True

    # --- what files have in common ----------------------------------------------------------------------------------

    @property
    def active(self) -> bool:
        return all(state for state, _ in self._conditions)

    def define(self, name: str, value: str | None, kind: str, span: Span) -> None:
        defines = self.result.defines
        if name in defines and kind == "trydef":
            return
        if name in defines and kind != "redef":
            raise ConfigurationError(
                f"{name} is defined already",
                where=_location(span),
                hint="#!trydef keeps the first value, #!redef takes the new one",
            )
        defines[name] = value

    def origin(self) -> int:
        self._origins += 1
        return self._origins

    def push_condition(self, state: bool, span: Span) -> None:
        self._conditions.append((state, span))

    def turn_condition(self) -> None:
        if self._conditions:  # Kamailio warns of an else that belongs to nothing, and goes on
            state, begun = self._conditions[-1]
            self._conditions[-1] = (not state, begun)

    def pop_condition(self, span: Span) -> None:
        if not self._conditions:
            raise ConfigurationError("there is no #!ifdef that this #!endif ends", where=_location(span))
        self._conditions.pop()

    @property
    def mode(self) -> str:
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        self._mode = mode

    @property
    def environment(self) -> Mapping[str, str]:
        return self._environment


class _File:
    """One file while it's scanned. Defines are put into ``_text`` where they are used, as Kamailio does it."""

    def __init__(self, scanner: _Scanner, source: Source, text: str) -> None:
        self._scanner = scanner
        self._source = source
        self._text = text
        self._at = 0
        self._shift = 0
        """What is to be added to a place in ``_text`` behind the last expansion, for that in the file."""
        self._expansion_end = -1
        """Where in ``_text`` the last expansion ends."""
        self._site = (0, 0)
        """Where in the file the define is used that is being read."""
        self._origin = 0
        self._expansions = 0

    # --- places -----------------------------------------------------------------------------------------------------

    def _source_start(self, at: int) -> tuple[int, bool]:
        return (self._site[0], True) if at < self._expansion_end else (at + self._shift, False)

    def _source_end(self, at: int) -> tuple[int, bool]:
        return (self._site[1], True) if at <= self._expansion_end else (at + self._shift, False)

    def _span(self, start: int, end: int) -> Span:
        first, expanded = self._source_start(start)
        last, ends_expanded = self._source_end(end) if end > start else (first, expanded)
        return self._source.span(first, last, expanded=expanded or ends_expanded)

    def _fail(self, message: str, start: int, **others: str) -> NoReturn:
        raise ConfigurationError(message, where=_location(self._span(start, start + 1)), **others)

    def _token(self, kind: str, text: str, start: int, end: int) -> None:
        span = self._span(start, end)
        origin = self._origin if span.expanded else None
        tokens = self._scanner.result.tokens
        tokens.append(RawToken(kind, text, span, origin))
        self._at = end
        if kind == "STRING" and [each.kind for each in tokens[-3:-1] if each.kind != "LPAR"][-1:] == ["LOADMODULE"]:
            module = text.rpartition("/")[2].removesuffix(".so")
            self._scanner.result.defines.setdefault(f"MOD_{module}", None)

    # --- the text ---------------------------------------------------------------------------------------------------

    def scan(self) -> None:
        while self._at < len(self._text):
            if self._scanner.active:
                self._step()
            else:
                self._skip()

    def _step(self) -> None:
        text, at = self._text, self._at
        blank = SKIP.match(text, at)
        if blank:
            self._at = blank.end()
            return
        character = text[at]
        if text.startswith("/*", at):
            self._comment()
        elif character == "#" or text.startswith(("//", "!!"), at):
            self._hash()
        elif character == '"':
            self._double_quoted()
        elif character == "'":
            end = text.find("'", at + 1)
            if end < 0:
                self._fail("a string without its end", at, expected="'")
            self._token("STRING", self._scanner.substitutions.apply(text[at + 1 : end]), at, end + 1)
        elif character == "$":
            self._variable()
        elif character == "@":
            self._pattern(SELECT, "SELECT", "a select")
        elif character == "%":
            self._pattern(SER_ATTRIBUTE, "ATTRIBUTE", "an attribute")
        else:
            self._word_or_operator()

    def _word_or_operator(self) -> None:
        text, at = self._text, self._at
        word, address = WORD.match(text, at), IPV6.match(text, at)
        if address and address.end() > (word.end() if word else at):
            self._token("IPV6", address[0], at, address.end())
            return
        if word:
            special = COLON_WORD.match(text, at)
            if special:
                self._token("NAME", special[0], at, special.end())
            else:
                self._word(word[0], word.end())
            return
        cast = CAST.match(text, at)
        if cast:
            self._token("CAST", cast[0], at, cast.end())
            return
        operator = OPERATOR.match(text, at)
        if operator is None:
            self._fail(f"Kamailio knows no {text[at]!r} here", at)
        self._token(OPERATORS[operator[0]], operator[0], at, operator.end())

    def _word(self, word: str, end: int) -> None:
        start = self._at
        number = NUMBER.fullmatch(word)
        if number or word in NUMBER_WORDS or word in FAMILIES:
            self._token("NUMBER", word, start, end)
        elif word in ("include_file", "import_file"):
            self._include(word, start, end)
        elif word in KEYWORDS:
            self._token(KEYWORDS[word], word, start, end)
            if word == "event_route":
                self._event_name()
        elif word[0].isdigit():
            self._token("NUM_NAME", word, start, end)
        elif word in self._scanner.result.defines:
            # One without a value stands for nothing.
            self._expand(word, self._scanner.result.defines[word] or "", start, end)
        else:
            self._token("NAME", word, start, end)

    def _expand(self, word: str, value: str, start: int, end: int) -> None:
        """Put a define's value where the word stands, and read on from there."""
        if start < self._expansion_end:  # in the value of another one, whose place remains the place
            self._expansions += 1
            if self._expansions > _EXPANSIONS:
                self._fail(f"the define {word} stands for itself", start)
            self._expansion_end += len(value) - (end - start)
        else:
            self._expansions = 0
            self._site = (start + self._shift, end + self._shift)
            self._origin = self._scanner.origin()
            self._expansion_end = start + len(value)
        self._text = self._text[:start] + value + self._text[end:]
        self._shift = self._site[1] - self._expansion_end

    def _event_name(self) -> None:
        bracket = re.compile(r"[ \t\b\r\n]*\[").match(self._text, self._at)
        if bracket is None:
            return
        self._token("LBRACKET", "[", bracket.end() - 1, bracket.end())
        blank = SKIP.match(self._text, self._at)
        start = blank.end() if blank else self._at
        name = EVENT_NAME.match(self._text, start)
        if name is None:
            self._fail("no name of an event", start, expected="such as dialog:start")
        self._token("EVENT_NAME", name[0], start, name.end())

    def _pattern(self, pattern: re.Pattern[str], kind: str, what: str) -> None:
        match = pattern.match(self._text, self._at)
        if match is None:
            if kind == "ATTRIBUTE":
                self._fail("Kamailio knows no '%' here", self._at, hint="the remainder of a division is: a mod b")
            self._fail(f"no name of {what}", self._at)
        self._token(kind, match[0], self._at, match.end())

    def _variable(self) -> None:
        text, at = self._text, self._at
        retcode = RETCODE.match(text, at)
        if retcode:
            self._token("VARIABLE", retcode[0], at, retcode.end())
            return
        if self._scanner.mode not in ("KAMAILIO", "OPENSER"):
            attribute = SER_ATTRIBUTE.match(text, at)
            is_old = attribute is not None and (
                self._scanner.mode == "SER" or attribute[0][-1] == "]" or "." in attribute[0]
            )
            if attribute is not None and is_old and text[attribute.end() : attribute.end() + 1] != "(":
                self._token("ATTRIBUTE", attribute[0], at, attribute.end())
                return
        name = VARIABLE.match(text, at)
        end = name.end() if name else at + 1
        if text[end : end + 1] == "(":
            end = self._closing(end)
        elif name is None:
            self._fail("no name of a pseudo-variable", at, expected="such as $ru, $var(name), $(var(name){s.len})")
        self._token("VARIABLE", self._scanner.substitutions.apply(text[at:end]), at, end)

    def _closing(self, start: int) -> int:
        """Behind the bracket that closes the one at ``start``, in the same line."""
        depth, at = 0, start
        while True:
            if self._text[at : at + 1] in ("", "\n"):
                self._fail("a pseudo-variable without its closing bracket", self._at)
            depth += {"(": 1, ")": -1}.get(self._text[at], 0)
            at += 1
            if depth == 0:
                return at

    # --- strings and comments ---------------------------------------------------------------------------------------

    def _double_quoted(self) -> None:
        start, at, parts = self._at, self._at, []
        while True:
            end = self._string_end(at)
            parts.append(ESCAPE.sub(_escaped, self._text[at + 1 : end - 1]))
            following = re.compile(r"[ \t\b\r\n]*\"").match(self._text, end)
            if following is None:
                break
            at = following.end() - 1
        self._token("STRING", self._scanner.substitutions.apply("".join(parts)), start, end)

    def _string_end(self, start: int) -> int:
        at = start + 1
        while self._text[at : at + 1] != '"':
            if at >= len(self._text):
                self._fail("a string without its end", start, expected='"')
            at += 2 if self._text[at] == "\\" else 1
        return at + 1

    def _comment(self) -> None:
        depth, at = 0, self._at
        for match in re.compile(r"/\*|\*/").finditer(self._text, self._at):
            depth += 1 if match[0] == "/*" else -1
            at = match.end()
            if depth == 0:
                self._at = at
                return
        self._at = len(self._text)  # one without its end takes the rest of the file

    def _line_end(self, at: int) -> int:
        end = self._text.find("\n", at)
        return len(self._text) if end < 0 else end

    def _hash(self) -> None:
        """A directive, a comment, or the operator ``!`` twice."""
        text, at = self._text, self._at
        mode = MODE.match(text, at)
        if mode:
            self._scanner.mode = mode[1]
            self._at = mode.end()
            return
        directive = DIRECTIVE.match(text, at)
        if directive and self._directive(directive):
            return
        if text[at] == "!":
            self._token("NOT", "!", at, at + 1)
        else:
            self._at = self._line_end(at)

    # --- directives -------------------------------------------------------------------------------------------------

    def _directive(self, match: re.Match[str]) -> bool:
        """Carry a directive out; False where Kamailio takes it for a comment."""
        word = match[1]
        if word in ("include_file", "import_file"):
            self._include(word, match.start(), match.end())
            return True
        kind = DIRECTIVES.get(word)
        if kind is None:
            return False
        end = match.end()
        if kind in ("else", "endif"):
            rest = self._line_end(end)
            if self._text[end:rest].strip(BLANK) or rest == len(self._text):
                return False  # Kamailio wants the end of the line right after it, even at the end of the file
            self._condition(kind, match.start(), end)
        elif kind in ("subst", "substdef", "substdefs"):
            self._substitution(kind, match.start(), end)
        elif self._text[end : end + 1] not in tuple(BLANK):
            return False
        elif kind in ("ifdef", "ifndef", "ifexp"):
            self._condition(kind, match.start(), end)
        elif "env" in kind:
            self._define_environment(kind, match.start(), end)
        else:
            self._define(kind, match.start(), end)
        return True

    def _note(self, kind: str, name: str, value: str | None, start: int, end: int, result: bool = True) -> Span:
        span = self._span(start, end)
        self._scanner.result.directives.append(Directive(span, kind, name, value, result))
        return span

    def _define(self, kind: str, start: int, at: int) -> None:
        blank = re.compile(r"[ \t\b\r]+").match(self._text, at)
        assert blank is not None
        name = IDENTIFIER.match(self._text, blank.end())
        if name is None or self._text[name.end() : name.end() + 1] == "-":
            self._fail("no name of a define", blank.end(), expected="letters, digits and underscores")
        end = name.end()
        while True:  # a backslash at the end of a line goes on in the next
            end = self._line_end(end)
            if self._text[end - 1] != "\\" or end == len(self._text):
                break
            end += 1
        raw = self._text[name.end() : end].replace("\\\n", "").lstrip(BLANK)
        value: str | None = raw or None
        if value is not None and kind in ("defexp", "defexps"):
            computed = evaluate(value, self._scanner.result.defines)
            shown = str(int(computed)) if isinstance(computed, float) else computed
            value = shown if kind == "defexp" or shown is None else f'"{shown}"'
        span = self._note(kind, name[0], raw or None, start, end)
        self._scanner.define(name[0], value, kind, span)
        self._at = end

    def _define_environment(self, kind: str, start: int, at: int) -> None:
        word = re.compile(r"[ \t]*([^ \t\r\n]+)").match(self._text, at)
        if word is None:
            self._fail("no name of an environment variable", at)
        name, _, variable = word[1].partition("=")
        value = self._scanner.environment.get(variable or name)
        span = self._note(kind, name, variable or name, start, word.end(), value is not None)
        if value is not None:
            self._scanner.define(name, f'"{value}"' if kind.endswith("envs") else value, "define", span)
        elif not kind.startswith("try"):
            raise ConfigurationError(
                f"the environment variable {variable or name} isn't set",
                where=_location(span),
                hint="#!trydefenv does without it",
            )
        self._at = word.end()

    def _substitution(self, kind: str, start: int, at: int) -> None:
        blank = SKIP.match(self._text, at)
        self._at = blank.end() if blank else at
        if self._text[self._at : self._at + 1] not in ('"', "'"):
            self._fail("no substitution", self._at, expected="a string")
        before = len(self._scanner.result.tokens)
        self._step()
        rule = self._scanner.result.tokens[before].text
        del self._scanner.result.tokens[before:]
        span = self._span(start, self._at)
        name, value = self._scanner.substitutions.add(rule, _location(span))
        if kind != "subst":
            quoted = f'"{value}"' if kind == "substdefs" else value
            self._scanner.define(name, quoted or None, "define", span)
        self._note(kind, name, value, start, self._at)

    def _include(self, kind: str, start: int, at: int) -> None:
        word = re.compile(r"[ \t]*([^ \t\r\n]+)").match(self._text, at)
        if word is None:
            self._fail("no name of a file", at, expected='a name in double quotes: "rating.cfg"')
        name = self._scanner.substitutions.apply(word[1])
        if len(name) < 3 or name[0] != '"' or name[-1] != '"':
            self._fail("no name of a file", word.start(1), expected="a name in double quotes, without spaces")
        self._at = word.end()
        path = re.sub(r"\\(.)", r"\1", name[1:-1])
        directives = self._scanner.result.directives
        index = len(directives)
        span = self._note(kind, path, None, start, word.end())
        found = self._scanner.file(path, self._source.file, span)
        if not found:
            directives[index] = Directive(span, kind, path, None, False)
            if kind == "include_file" and not self._scanner.tolerant:
                raise ConfigurationError(
                    f"there is no file {path}",
                    where=_location(span),
                    expected=f"{path}, beside {self._source.file}",
                    hint="import_file does without it",
                )

    def _condition(self, kind: str, start: int, at: int) -> None:
        end = self._line_end(at)
        name, value = "", None
        if kind in ("ifdef", "ifndef"):
            match = IDENTIFIER.search(self._text, at, end)
            if match is None or self._text[match.end() : match.end() + 1] == "-":
                self._fail("no name of a define", at, expected="letters, digits and underscores")
            name = match[0]
            state = (name in self._scanner.result.defines) == (kind == "ifdef")
        elif kind == "ifexp":
            value = self._text[at:end].strip()
            state = bool(evaluate(value, self._scanner.result.defines))
        span = self._span(start, end)
        if kind == "else":
            self._scanner.turn_condition()
        elif kind == "endif":
            self._scanner.pop_condition(span)
        else:
            self._scanner.push_condition(state, span)
        self._note(kind, name, value, start, end, self._scanner.active)
        self._at = end

    def _skip(self) -> None:
        """Pass over what a false condition leaves out, up to the next directive of conditions, and carry that out."""
        text, at = self._text, self._at
        match = CONDITION.search(text, at)
        end = match.start() if match else len(text)
        inactive = self._scanner.result.inactive[self._source.file]
        begins = at + 1 if text[at : at + 1] == "\n" else at  # what leaves out ends with its own line
        last = self._line_of(end)
        inactive.update(range(self._line_of(begins), last))
        if text[text.rfind("\n", 0, end) + 1 : end].strip():
            inactive.add(last)
        self._at = end
        if match is not None:
            self._condition(match[1] or match[2], match.start(), match.end())
            if not self._scanner.active:
                inactive.add(last)

    def _line_of(self, at: int) -> int:
        return self._source.position(self._source_start(at)[0]).line


def _location(span: Span) -> Location:
    return Location(span.file, span.start.line, span.start.column)


def _escaped(match: re.Match[str]) -> str:
    plain, hexadecimal, octal, _ = match.groups()
    if plain:
        return ESCAPED[plain]
    if hexadecimal:
        return chr(int(hexadecimal, 16))
    return chr(int(octal, 8) & 0xFF) if octal else ""
