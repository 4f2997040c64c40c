"""Text to a tree with places. Whatever is in the file, this ends in a tree or in mistakes.

Plain words are read as YAML 1.2 does (as editors do), with the words on which YAML 1.1 and 1.2 differ refused: ``no``
is false to some programs and a text to others, and ``0390`` is 390, 248 or a text.
"""

from __future__ import annotations

import math
import re
import stat
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import yaml
from yaml.composer import ComposerError
from yaml.scanner import ScannerError

from rating_harness.scenario.diagnostics import Mistakes
from rating_harness.scenario.nodes import Entry, Mapping, Node, Scalar, Sequence, Span
from rating_harness.scenario.yaml_errors import DEEPEST, explain

__all__ = ["LARGEST_FILE", "decode", "is_file", "read", "read_file"]

LARGEST_FILE = 256 * 1024
_MOST_VALUES = 20_000
_CAPTURES = (b"\x0a\x0d\x0d\x0a", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d")
"""How pcapng begins, and pcap in either byte order, in microseconds and in nanoseconds."""

_NULL = re.compile(r"(?:~|null|Null|NULL|)")
_BOOL = re.compile(r"(?:true|True|TRUE|false|False|FALSE)")
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,99})")
_FLOAT = re.compile(
    r"[-+]?(?:(?:0|[1-9][0-9]{0,18})?\.[0-9]{1,20}|(?:0|[1-9][0-9]{0,18})\.?)(?:[eE][-+]?[0-9]{1,3})?"
)
_WORD_BOOL = re.compile(r"(?:yes|no|on|off)", re.IGNORECASE)
_ODD_SPACE = re.compile("(?:^[ -]*|:)([\u00a0\u2000-\u200b\u202f\u3000\ufeff])", re.MULTILINE)
_TYPOGRAPHIC = re.compile("[\u201c\u201d\u201e\u2018\u2019].*")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
_SIXTIES = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_OTHER_NUMBER = re.compile(
    r"[-+]?(?:[0-9][0-9_]*_[0-9_]*(?:\.[0-9_]*)?|0x[0-9a-fA-F_]+|0o[0-7]+|0b[01_]+|\.(?:inf|Inf|INF))|\.(?:nan|NaN|NAN)"
)
_OCTAL = re.compile(r"[-+]?0[0-7_]+")


def _minutes(text: str) -> str:
    """What ``1:30`` or ``1:02:03`` is as a duration; nothing where it's none."""
    parts = text.split(":")
    if not all(each.isdecimal() for each in parts) or len(parts) > 3:
        return ""
    units = ("h", "m", "s")[-len(parts) :]
    return "".join(f"{int(each)}{unit}" for each, unit in zip(parts, units, strict=True) if int(each)) or "0s"


class _Tag:
    """Tags of our own, so that any other one was written by the author."""

    TEXT, NULL, BOOL, INT, FLOAT = ".text", ".null", ".bool", ".int", ".float"
    WORD_BOOL, LEADING_ZERO, SEQUENCE, MAPPING = ".word-bool", ".leading-zero", ".sequence", ".mapping"
    SIXTIES, OTHER_NUMBER = ".sixties", ".other-number"


_PLAIN = (
    (_NULL, _Tag.NULL),
    (_BOOL, _Tag.BOOL),
    (_INT, _Tag.INT),
    (_FLOAT, _Tag.FLOAT),
    (_WORD_BOOL, _Tag.WORD_BOOL),
    (_LEADING_ZERO, _Tag.LEADING_ZERO),
    (_SIXTIES, _Tag.SIXTIES),
    (_OTHER_NUMBER, _Tag.OTHER_NUMBER),
)


class _Loader(yaml.SafeLoader):
    """PyYAML up to its nodes: bounded in depth, with our reading of plain words."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ComposerError(None, None, "too deep", self.peek_event().start_mark)  # type: ignore[no-untyped-call]
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        if kind is yaml.SequenceNode:
            return _Tag.SEQUENCE
        if kind is yaml.MappingNode:
            return _Tag.MAPPING
        if implicit[0]:
            for pattern, tag in _PLAIN:
                if pattern.fullmatch(value):
                    return tag
        return _Tag.TEXT


_QuickLoader: type[_Loader] | None = None
"""The same by libyaml, in a tenth of the time; None where PyYAML is without it."""

if yaml.__with_libyaml__:

    class _LibyamlLoader(yaml.CSafeLoader):
        resolve = _Loader.resolve

    _QuickLoader = cast("type[_Loader]", _LibyamlLoader)

_READ_OTHERWISE = re.compile("[^\n -~\u00a1-\ufefe]|[\u2028\u2029]|[^\n]\\Z|[?] |: +[],}]")
"""Tabs, odd characters and question marks, which libyaml takes where PyYAML doesn't; a last line that isn't ended and
a value that isn't there, of which it has other places."""

_DEEP = 500
"""Levels of nesting that libyaml's composer, which calls itself for each, is given at most."""


@lru_cache(maxsize=8)
def _composed(text: str) -> yaml.Node | None:
    """The nodes of a text; of a shared file once for all that use it.

    What libyaml refuses is read again by PyYAML's own, which says why and where, in words of its own.

    :raises yaml.YAMLError: it isn't YAML, or nests too deeply.
    """
    if _QuickLoader is not None and not _READ_OTHERWISE.search(text) and _levels(text) < _DEEP:
        with suppress(yaml.YAMLError):
            root = _QuickLoader(text).get_single_node()
            if root is None or _depth(root) <= DEEPEST:
                return root
    for _ in range(_MOST_TABS):
        try:
            return _Loader(text).get_single_node()
        except ScannerError as error:
            tabs = _blanks_at(text, error)
            if tabs is None:
                raise
            text = text[: tabs.start()] + " " * len(tabs[0]) + text[tabs.end() :]
    return _Loader(text).get_single_node()


_MOST_TABS = 100
"""Places with tabs in a file that are read as blanks."""

_BLANKS = re.compile(r"[ \t]+")
_AFTER_A_VALUE = re.compile(r"[\n#]|\Z")


def _blanks_at(text: str, error: ScannerError) -> re.Match[str] | None:
    """The tab that PyYAML complains of, with the blanks after it, where it means the same as a blank.

    That's so at the end of a line, before a comment, after what begins a value, and around quotes. It doesn't indent,
    and within a text it's a part of that.
    """
    blanks = _BLANKS.match(text, error.problem_mark.index) if error.problem_mark is not None else None
    if blanks is None:
        return None
    before = text[text.rfind("\n", 0, blanks.start()) + 1 : blanks.start()].rstrip(" ")[-1:]
    if _AFTER_A_VALUE.match(text, blanks.end()) or before in tuple(":,[{"):
        return blanks
    return blanks if before in tuple("\"']}") and text[blanks.end()] in ":,]}" else None


def _levels(text: str) -> int:
    """How deep a text may nest, at most."""
    widest = max(len(line) - len(line.lstrip(" ")) + line.count("-") + line.count("?") for line in text.split("\n"))
    return widest + text.count("[") + text.count("{")


def _depth(root: yaml.Node) -> int:
    """How deep the nodes nest. An alias is no level of its own."""
    deepest, seen, left = 0, set[int](), [(root, 1)]
    while left:
        node, depth = left.pop()
        deepest = max(deepest, depth)
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(id(node))
        for item in node.value:
            left += [(each, depth + 1) for each in (item if isinstance(item, tuple) else (item,))]
    return deepest


class _TooMuchError(Exception):
    """More values than any scenario has: an alias of aliases, most likely."""


def is_file(path: Path) -> bool:
    """Whether there is such a file; no for a name that no file can have."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def read_file(path: Path, mistakes: Mistakes, *, yaml11: bool = False) -> Mapping | None:
    """The tree of a file, or None when it holds no mapping. Mistakes are added, both ways.

    :param yaml11: words are read as YAML 1.1 does; only where that misreads a number is it a mistake.
    """
    name, start = path.as_posix(), Span(path.as_posix(), 1, 1, 1, 2)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            evidence = (path / "evidence.json").is_file()
            mistakes.add(
                start,
                "the file can't be read: not a regular file",
                "`rating-harness check` takes a folder of evidence" if evidence else "a scenario is a file",
            )
            return None
        with path.open("rb") as stream:
            raw = stream.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        mistakes.add(start, f"the file can't be read: {reason}", "is its name right, and may you read it?")
        return None
    text = decode(raw, name, mistakes)
    root = read(text, name, mistakes, yaml11=yaml11) if text is not None else None
    if root is None or isinstance(root, Mapping):
        return root
    mistakes.add(root.span, "a scenario is a mapping (key: value)", "it begins with 'scenario: what it proves'")
    return None


def decode(raw: bytes, path: str, mistakes: Mistakes) -> str | None:
    """The text of a file: UTF-8, with or without a byte order mark, no larger than it may be."""
    if raw.startswith(_CAPTURES):
        mistakes.add(
            Span(path, 1, 1, 1, 2),
            "the file is a capture of packets, and no scenario",
            "a scenario is YAML and says who calls whom: `rating-harness new FILE.yaml` writes one",
        )
        return None
    if len(raw) > LARGEST_FILE:
        mistakes.add(Span(path, 1, 1, 1, 2), f"the file is larger than {LARGEST_FILE // 1024} KiB", "divide it")
        return None
    if raw.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        mistakes.add(Span(path, 1, 1, 1, 2), "the file is UTF-32", "save it as UTF-8")
        return None
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        mistakes.add(Span(path, 1, 1, 1, 2), "the file is UTF-16", "save it as UTF-8")
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig", "replace")
        mistakes.add_source(path, raw.decode("utf-8", "replace"))
        mistakes.add(
            _at(before, len(before), path),
            f"the byte 0x{raw[error.start]:02x} is not UTF-8",
            "save the file as UTF-8",
        )
        return None


def _at(text: str, index: int, path: str) -> Span:
    """The place of a single character."""
    line, column = text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)
    return Span(path, line, column, line, column + 1)


def read(text: str, path: str, mistakes: Mistakes, *, yaml11: bool = False) -> Node | None:
    """The tree of ``text``, or None when it isn't YAML at all. Mistakes are added, both ways."""
    mistakes.add_source(path, text)
    try:
        root = _composed(text)
    except yaml.MarkedYAMLError as error:
        odd = _ODD_SPACE.search(text)
        if odd is not None:
            mistakes.add(_at(text, odd.start(1), path), "this only looks like a space", "delete it, and type a space")
        else:
            mistakes.add(*explain(error, path, text))
        return None
    except yaml.reader.ReaderError as error:
        mistakes.add(
            _at(text, error.position, path),
            f"the character U+{ord(text[error.position]):04X} can't be in a YAML file",
            "is this a text file? Delete the character",
        )
        return None
    if root is None or (isinstance(root, yaml.ScalarNode) and root.tag == _Tag.NULL and not root.value):
        mistakes.add(Span(path, 1, 1, 1, 2), "the file is empty", "a scenario has at least: scenario, calls")
        return None
    try:
        return _Converter(path, mistakes, yaml11).node(root)
    except _TooMuchError:
        mistakes.add(
            Span(path, 1, 1, 1, 2),
            f"the file holds more than {_MOST_VALUES} values",
            "do its anchors and aliases multiply each other?",
        )
        return None


class _Converter:
    """PyYAML's nodes to ours: keys are texts, merges are done, aliases are expanded within bounds."""

    def __init__(self, path: str, mistakes: Mistakes, yaml11: bool) -> None:
        self._path = path
        self._yaml11 = yaml11
        self._mistakes = mistakes
        self._left = _MOST_VALUES
        self._open: set[int] = set()

    def node(self, node: yaml.Node) -> Node:
        self._left -= 1
        if self._left < 0 or len(self._open) > 4 * DEEPEST:
            raise _TooMuchError
        if id(node) in self._open:
            self._mistakes.add(self._span(node), "an anchor that holds an alias of itself", "write the value out")
            return Scalar(None, self._span(node), "")
        self._open.add(id(node))
        try:
            return self._convert(node)
        finally:
            self._open.discard(id(node))

    def _convert(self, node: yaml.Node) -> Node:
        if not node.tag.startswith("."):
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self._mistakes.add(
                self._span(node), f"the tag {tag[:40]!r} has no meaning here", "delete it; quotes make a text"
            )
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node)
        if isinstance(node, yaml.SequenceNode):
            return Sequence(tuple(self.node(item) for item in node.value), self._span(node))
        return self._scalar(cast("yaml.ScalarNode", node))

    def _scalar(self, node: yaml.ScalarNode) -> Scalar:
        text: str = node.value
        span = self._span(node)
        match node.tag:
            case _Tag.NULL:
                return Scalar(None, span, text)
            case _Tag.BOOL:
                return Scalar(text.lower() == "true", span, text)
            case _Tag.INT:
                return Scalar(int(text), span, text)
            case _Tag.FLOAT if math.isfinite(float(text)):
                return Scalar(float(text), span, text)
            case _Tag.WORD_BOOL if self._yaml11:
                return Scalar(text.lower() in ("yes", "on"), span, text)
            case _Tag.LEADING_ZERO if self._yaml11 and not _OCTAL.fullmatch(text):
                return Scalar(text, span, text)
            case _Tag.WORD_BOOL:
                flag = "true" if text.lower() in ("yes", "on") else "false"
                self._mistakes.add(
                    span,
                    f"{text!r} is {flag} to some programs and a text to others",
                    f'write {flag}, or "{text}" in quotes when the text is meant',
                )
            case _Tag.LEADING_ZERO:
                number = text.replace("_", "").lstrip("+-0") or "0"
                sign = "-" if text.startswith("-") else ""
                self._mistakes.add(
                    span,
                    f"{text} begins with 0: some programs read another number",
                    f'put it in quotes when it is a name: "{text}"; as a number it is {sign}{number}',
                )
            case _Tag.SIXTIES | _Tag.OTHER_NUMBER if not self._yaml11:
                duration = _minutes(text) if node.tag == _Tag.SIXTIES else ""
                other = f"a duration has units: {duration}" if duration else "a number has decimal digits alone"
                self._mistakes.add(
                    span,
                    f"{text} is a number to some programs and a text to others",
                    f'put it in quotes when it is a text: "{text}"; {other}',
                )
        if not node.style and _TYPOGRAPHIC.fullmatch(text):
            self._mistakes.add(span, "typographic quotes are part of the text", """type " or ' instead""")
        return Scalar(text, span, text, quoted=bool(node.style))

    def _mapping(self, node: yaml.MappingNode) -> Mapping:
        entries: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            span = self._span(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                hint = "a text with [ ] or { } goes in quotes"
                inner = key_node.value[0] if isinstance(key_node, yaml.MappingNode) and key_node.value else ()
                if inner and isinstance(inner[0], yaml.ScalarNode) and inner[1].tag == _Tag.NULL:
                    hint = f'a variable is written "${{{inner[0].value}}}"; {hint}'
                self._mistakes.add(span, "a key is a single word, not a list or a mapping", hint)
                continue
            key = key_node.value
            if key == "<<" and not key_node.style:
                self._merge(value_node, merged)
                continue
            if key in entries:
                first = entries[key].key_span
                self._mistakes.add(
                    span, f"the key {key[:60]!r} is here twice", f"it is on line {first.line} already: keep one"
                )
                continue
            entries[key] = Entry(span, self.node(value_node))
        return Mapping({**merged, **entries}, self._span(node))

    def _merge(self, node: yaml.Node, merged: dict[str, Entry]) -> None:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            converted = self.node(source)
            if isinstance(converted, Mapping):
                merged.update({key: entry for key, entry in converted.entries.items() if key not in merged})
            else:
                self._mistakes.add(
                    converted.span,
                    "'<<' takes a mapping, or a list of them",
                    "<<: *base, where &base stands before a mapping above",
                )

    def _span(self, node: yaml.Node) -> Span:
        begin, end = node.start_mark, node.end_mark
        if begin is None or end is None:
            return Span(self._path, 1, 1, 1, 2)
        return Span(self._path, begin.line + 1, begin.column + 1, end.line + 1, end.column + 1)
