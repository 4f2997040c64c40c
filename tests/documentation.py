"""What the documentation shows: fenced fragments and commands, with the page and line where each stands."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

__all__ = ["CHECKOUT", "PAGES", "PROGRAMS", "Command", "Fragment", "commands_of", "fragments_of", "words_of"]

CHECKOUT = Path(__file__).parents[1]

PAGES = tuple(
    sorted(path for pattern in ("*.md", "docs/**/*.md", "benchmarks/*.md") for path in CHECKOUT.glob(pattern))
)

PROGRAMS = frozenset(
    {
        *("rating-harness", "pytest", "make", "python", "python3", "ruff", "mypy", "mkdocs", "towncrier"),
        *("pip", "pipx", "uv", "git", "docker", "podman", "apt-get", "sudo", "curl", "cd", "eval", "journalctl"),
        *("kamailio", "kamcmd", "sipp", "tshark", "sngrep", "wrk"),
    }
)
"""Programs whose name at the beginning of a line, or of a text in backticks, makes it a command."""

SHELL = frozenset({"sh", "bash", "shell"})


@dataclass(frozen=True, slots=True)
class Fragment:
    """A fenced block: ``language`` is what stands behind the fence, empty for nothing."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Command:
    """A command line, without its prompt."""

    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line} {' '.join(self.text.partition(chr(10))[0].partition('  #')[0].split())[:70]}"


@cache  # each page is asked for its fragments and its commands, by several modules, in each worker
def _tokens_of(page: Path) -> tuple[tuple[int, Token], ...]:
    return tuple(_tokens(page.read_text(encoding="utf-8")))


def _tokens(text: str, first: int = 0) -> Iterator[tuple[int, Token]]:
    """Block tokens with their lines, those within indented blocks (tabs, admonitions) included."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        line = first + (token.map[0] if token.map else 0)
        if token.type == "code_block" and "```" in token.content:
            yield from _tokens(textwrap.dedent(token.content), line)
        else:
            yield line, token


def fragments_of(page: Path) -> tuple[Fragment, ...]:
    """All fenced blocks of a page."""
    name = str(page.relative_to(CHECKOUT))
    return tuple(
        Fragment(name, line + 1, (token.info.split() or [""])[0], token.content)
        for line, token in _tokens_of(page)
        if token.type == "fence"
    )


def commands_of(page: Path) -> tuple[Command, ...]:
    """All commands of a page: those in fenced blocks, and those in backticks that have an argument."""
    name = str(page.relative_to(CHECKOUT))
    found = [
        Command(name, fragment.line + 1 + offset, text)
        for fragment in fragments_of(page)
        for offset, text in _lines_of(fragment)
    ]
    for line, token in _tokens_of(page):
        for child in token.children or ():
            words = child.content.split()
            if child.type == "code_inline" and len(words) > 1 and words[0] in PROGRAMS:
                found.append(Command(name, line + 1, child.content))
    return tuple(found)


def _lines_of(fragment: Fragment) -> Iterator[tuple[int, str]]:
    """The commands of a block; all lines of one that is labelled as a shell's, or begins with a program."""
    lines = fragment.text.splitlines()
    if fragment.language == "console":
        prompted = [(number, line[2:]) for number, line in enumerate(lines) if line.startswith("$ ")]
        yield from prompted
    elif fragment.language in SHELL or (not fragment.language and _program(lines[0] if lines else "") in PROGRAMS):
        yield from _logical(lines)


def _program(line: str) -> str:
    words = [word for word in line.split() if not re.match(r"[A-Z_]+=", word)]
    return words[0] if words else ""


def _logical(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Lines joined where one ends within quotes or with a backslash; comments and empty ones are left out."""
    begun, text = 0, ""
    for number, line in enumerate(lines):
        begun = begun if text else number
        text = f"{text}\n{line}" if text else line
        if not text.endswith("\\") and not _is_open(text):
            if words_of(text):
                yield begun, text
            text = ""
    if text:
        yield begun, text


def _is_open(text: str) -> bool:
    try:
        words_of(text)
    except ValueError:  # no closing quotation
        return True
    return False


def words_of(text: str) -> list[str]:
    """The words of a command as a shell splits it, without comments."""
    return shlex.split(text, comments=True)
