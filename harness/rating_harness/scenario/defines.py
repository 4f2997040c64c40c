"""Defines (``kamailio -A NAME=VALUE``) against the configuration that is to know them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rating_harness.scenario.diagnostics import Finding, did_you_mean, there
from rating_harness.scenario.model import Routes, Scenario
from rating_harness.scenario.nodes import ValuePath

__all__ = ["Defines", "Switched", "read_defines", "unmet_defines", "wrong_defines", "wrong_routes"]

_DEFAULT = re.compile(r"^[ \t]*[#!]!(?:try|re)?def(?:ine)?[ \t]+(\w+)(?:[ \t]+(\S.*?))?[ \t]*$", re.MULTILINE)
_CONDITION = re.compile(r"^[ \t]*[#!]!(?:ifdef|ifndef|ifexp|elif)\b(.*)$", re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/|(?:^|(?<=\s))(?:#(?!!)|//)[^\n]*", re.DOTALL | re.MULTILINE)
_INCLUDE = re.compile(r'(?:include_file|import_file)[ \t]+"([^"\n]+)"')
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"-?[0-9]+")
_TEXT = re.compile(r'"(?:\\.|[^"\\\n])*"')
"""Of a text over several lines the words count: a quote without its other half would take all of them along."""

_IN_TEXT = re.compile(r"\$defn?v?\((\w+)\)")
_LARGEST = 4 * 1024 * 1024
_DIRECTIVE = re.compile(r"^[ \t]*[#!]!(\w+)[ \t]*(\w*)")
_TABLE = re.compile(r"""modparam\s*\(\s*["']htable["']\s*,\s*["']htable["']\s*,\s*["'](\w+)=>""")
_ROUTE = re.compile(r"""^[ \t]*\w*route[ \t]*\[[ \t]*["']?([^\]"'\n]+?)["']?[ \t]*\]""", re.MULTILINE)
_ROUTE_WITHOUT_NAME = "DEFAULT_ROUTE"
"""What Kamailio calls request_route, and other routes without a name, in its trace."""

_REGISTRAR = "WITH_REGISTRAR"


@dataclass(frozen=True, slots=True)
class Switched:
    """Something that a configuration has.

    :param without: defines that each have to be set for it (``#!ifdef``); what else it depends on isn't known.
    """

    name: str
    without: frozenset[str]


@dataclass(frozen=True, slots=True)
class Defines:
    """What a configuration knows of defines.

    :param names: those that it gives a default, or asks for.
    :param texts: those whose default is a text in quotes.
    :param numbers: those whose default is a whole number.
    :param words: every word of it outside of texts: a define may be used without being asked for.
    :param tables: its htables.
    :param routes: names of its routes.
    :param implied: the defines that it sets itself.
    """

    names: frozenset[str]
    texts: frozenset[str]
    numbers: frozenset[str]
    words: frozenset[str]
    tables: tuple[Switched, ...] = ()
    routes: frozenset[str] = frozenset()
    implied: tuple[Switched, ...] = ()

    def missing(self, table: str, defines: Iterable[str]) -> frozenset[str] | None:
        """What has to be set besides ``defines`` for an htable to be there; None: the configuration has none."""
        known = self._completed(defines)
        lacking = [each.without - known for each in self.tables if each.name == table]
        return min(lacking, key=len, default=None)

    def lacks(self, define: str, defines: Iterable[str]) -> bool:
        """Whether the configuration asks for a define that isn't set."""
        return define in self.names and define not in self._completed(defines)

    def _completed(self, defines: Iterable[str]) -> frozenset[str]:
        known = frozenset(defines)
        while more := {each.name for each in self.implied if each.without <= known} - known:
            known |= more
        return known


def read_defines(configurations: Sequence[Path]) -> Defines | None:
    """Those of configurations: each is a file or a directory, its .cfg files and what they include.

    None where there is no configuration that can be read; that is another mistake, or nobody's.
    """
    try:
        return _read(tuple(text for configuration in configurations for text in _texts(configuration)))
    except OSError:
        return None


@lru_cache(maxsize=16)  # scenarios by the hundred have the same configuration
def _read(texts: tuple[str, ...]) -> Defines | None:
    text = "\n".join(texts)
    if not text:
        return None
    switched = [each for one in texts for each in _switched(one)]
    defaults = dict(_DEFAULT.findall(text))
    conditions = {word for line in _CONDITION.findall(text) for word in _WORD.findall(line)}
    return Defines(
        names=frozenset({*defaults, *conditions}),
        texts=frozenset(name for name, value in defaults.items() if value.startswith('"')),
        numbers=frozenset(name for name, value in defaults.items() if _NUMBER.fullmatch(value)),
        words=frozenset(_WORD.findall(_TEXT.sub('""', text))) | frozenset(_IN_TEXT.findall(text)),
        tables=tuple(each for is_table, each in switched if is_table),
        routes=frozenset({*_ROUTE.findall(text), _ROUTE_WITHOUT_NAME}),
        implied=tuple(each for is_table, each in switched if not is_table),
    )


def _switched(text: str) -> Iterator[tuple[bool, Switched]]:
    """``(whether it's an htable, or else a define)``, and what it's switched on by."""
    conditions: list[str] = []
    for line in text.splitlines():
        directive = _DIRECTIVE.match(line)
        word, name = directive.groups() if directive else ("", "")
        if word in ("ifdef", "ifndef", "ifexp"):
            conditions.append(name if word == "ifdef" else "")
        elif word in ("else", "elif") and conditions:
            conditions[-1] = ""
        elif word == "endif" and conditions:
            conditions.pop()
        without = frozenset(filter(None, conditions))
        if word in ("define", "def", "trydef", "trydefine"):
            yield False, Switched(name, without)
        for table in _TABLE.findall(line):
            yield True, Switched(table, without)


def _texts(configuration: Path) -> Iterator[str]:
    """What is in the files, without comments."""
    is_directory = configuration.is_dir()
    directory = configuration if is_directory else configuration.parent
    waiting = sorted(directory.rglob("*.cfg") if is_directory else directory.glob("*.cfg"))
    seen = set(waiting)
    while waiting:
        file = waiting.pop(0)
        if not file.is_file() or file.stat().st_size > _LARGEST:
            continue
        text = _without_comments(file.read_text("utf-8", "replace"))
        yield text
        included = {file.parent / name for name in _INCLUDE.findall(text)} - seen
        seen |= included
        waiting += sorted(included)


@lru_cache(maxsize=64)
def _without_comments(text: str) -> str:
    return _COMMENT.sub("", text)


def wrong_defines(defines: Mapping[str, str | int], known: Defines | None) -> Iterator[Finding]:
    """Defines that the configuration doesn't know, texts without the quotes that it needs around them, and texts
    where it has numbers."""
    for name, value in defines.items() if known is not None else ():
        assert known is not None
        path, shown = ("kamailio", "defines", name), str(value)[:40]
        if name not in known.words | known.names:
            close = did_you_mean(name, sorted(known.names)) or did_you_mean(name.upper(), sorted(known.names))
            hint = f"did you mean '{close}'?" if close else there(sorted(known.names))
            yield Finding(path, f"the configuration knows no define {name[:60]!r}", hint, at_key=True)
        elif name in known.texts and isinstance(value, int):
            message = f"{name} is a text to Kamailio, and {value} is a number"
            yield Finding(path, message, f"with quotes inside of quotes: '\"{value}\"'")
        elif name in known.texts and isinstance(value, str) and not _is_quoted(value):
            inner = shown.strip("\"'")
            message = f"{name} is a text to Kamailio, and {shown!r} lacks the quotes around it"
            yield Finding(path, message, f"with quotes inside of quotes: '\"{inner}\"'")
        elif name in known.numbers and not _NUMBER.fullmatch(str(value)) and value not in known.names:
            yield Finding(path, f"{name} is a number to Kamailio, and {shown!r} is none", "a number alone: 5000")


def wrong_routes(routes: Routes | None, known: Defines | None) -> Iterator[Finding]:
    """Routes that the configuration doesn't have: one that isn't to run would hold whatever happens."""
    if routes is None or known is None:
        return
    for key, names in (("run", routes.run), ("not_run", routes.not_run)):
        for index, name in enumerate(names):
            path: ValuePath = ("expect", "routes", key, index)
            if name not in known.routes:
                inner = re.sub(r"^\w*route\s*[\[(]\s*[\"']?|[\"']?\s*[\])]$", "", name)
                close = inner if inner in known.routes else did_you_mean(inner, sorted(known.routes))
                hint = f"did you mean '{close}'?" if close else there(sorted(known.routes))
                yield Finding(path, f"the configuration has no route {name[:60]!r}", hint)
            elif key == "not_run" and name in routes.run:
                yield Finding(path, f"{name!r} is in 'run' too", "delete one of the two")


def unmet_defines(scenario: Scenario, known: Defines | None, own: Defines | None) -> Iterator[Finding]:
    """What the scenario fills or does that the configuration has for a define only that it doesn't set.

    :param known: of all configurations whose defines may be set.
    :param own: of the one that is run.
    """
    if known is None:
        return
    kamailio = scenario.kamailio
    wanted: list[tuple[ValuePath, str]] = [(("kamailio", "users"), "subscriber")] if kamailio.users else []
    wanted += [(("kamailio", "tables", table), table) for table in kamailio.tables]
    for path, table in wanted:
        missing = known.missing(table, kamailio.defines)
        if missing is None:
            names = sorted({each.name for each in known.tables})
            close = did_you_mean(table, names)
            hint = f"did you mean '{close}'?" if close else there(names)
            yield Finding(path, f"the configuration has no htable {table[:60]!r}", hint, at_key=True)
        elif missing:
            message = f"without {' and '.join(sorted(missing))} the configuration has no htable {table!r}"
            yield Finding(path, message, _defines(missing), at_key=True)
    registering = [host for host, phone in scenario.phones.items() if _is_registered(phone.registration)]
    if registering and own is not None and own.lacks(_REGISTRAR, kamailio.defines):
        message = f"without {_REGISTRAR} the configuration takes no REGISTER"
        yield Finding(("phones", registering[0]), message, _defines([_REGISTRAR]), at_key=True)


def _defines(names: Iterable[str]) -> str:
    return f"kamailio: {{defines: {{{', '.join(f'{name}: 1' for name in sorted(names))}}}}}"


def _is_registered(registration: object) -> bool:
    """Whether a phone registers, and isn't to be refused."""
    expect = getattr(registration, "expect", None)
    return registration is not False and (expect is None or expect.code.matches(200))


def _is_quoted(value: str) -> bool:
    """Whether it begins and ends with the same quotes; what is behind them is Kamailio's to refuse."""
    return len(value) > 1 and value[0] in "\"'" and value[-1] == value[0]
