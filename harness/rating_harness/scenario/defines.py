"""Defines (``kamailio -A NAME=VALUE``) against the configuration that is to know them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rating_harness.scenario.diagnostics import Finding, did_you_mean, there

__all__ = ["Defines", "read_defines", "wrong_defines"]

_DEFAULT = re.compile(r"^[ \t]*[#!]!(?:try|re)?def(?:ine)?[ \t]+(\w+)(?:[ \t]+(\S.*?))?[ \t]*$", re.MULTILINE)
_CONDITION = re.compile(r"^[ \t]*[#!]!(?:ifdef|ifndef|ifexp|elif)\b(.*)$", re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/|(?:^|(?<=\s))(?:#(?!!)|//)[^\n]*", re.DOTALL | re.MULTILINE)
_INCLUDE = re.compile(r'(?:include_file|import_file)[ \t]+"([^"\n]+)"')
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"-?[0-9]+")
_TEXT = re.compile(r'"(?:\\.|[^"\\])*"')
_IN_TEXT = re.compile(r"\$defn?v?\((\w+)\)")
_LARGEST = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Defines:
    """What a configuration knows of defines.

    :param names: those that it gives a default, or asks for.
    :param texts: those whose default is a text in quotes.
    :param numbers: those whose default is a whole number.
    :param words: every word of it outside of texts: a define may be used without being asked for.
    """

    names: frozenset[str]
    texts: frozenset[str]
    numbers: frozenset[str]
    words: frozenset[str]


def read_defines(configurations: Sequence[Path]) -> Defines | None:
    """Those of configurations: each is a file or a directory, its .cfg files and what they include.

    None where there is no configuration that can be read; that is another mistake, or nobody's.
    """
    try:
        text = "\n".join(text for configuration in configurations for text in _texts(configuration))
    except OSError:
        return None
    if not text:
        return None
    defaults = dict(_DEFAULT.findall(text))
    conditions = {word for line in _CONDITION.findall(text) for word in _WORD.findall(line)}
    return Defines(
        names=frozenset({*defaults, *conditions}),
        texts=frozenset(name for name, value in defaults.items() if value.startswith('"')),
        numbers=frozenset(name for name, value in defaults.items() if _NUMBER.fullmatch(value)),
        words=frozenset(_WORD.findall(_TEXT.sub('""', text))) | frozenset(_IN_TEXT.findall(text)),
    )


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
        text = _COMMENT.sub("", file.read_text("utf-8", "replace"))
        yield text
        included = {file.parent / name for name in _INCLUDE.findall(text)} - seen
        seen |= included
        waiting += sorted(included)


def wrong_defines(defines: Mapping[str, str | int], known: Defines | None) -> Iterator[Finding]:
    """Defines that the configuration doesn't know, texts without the quotes that it needs around them, and texts
    where it has numbers."""
    for name, value in defines.items() if known is not None else ():
        assert known is not None
        path, shown = ("kamailio", "defines", name), str(value)[:40]
        if name not in known.words:
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


def _is_quoted(value: str) -> bool:
    """Whether it begins and ends with the same quotes; what is behind them is Kamailio's to refuse."""
    return len(value) > 1 and value[0] in "\"'" and value[-1] == value[0]
