"""The command ``rating-harness``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from rating_harness import __version__
from rating_harness.cli.options import FAILED, HELP, tell_full_output

__all__ = ["COMMANDS", "main"]

COMMANDS: Mapping[str, Sequence[str]] = {
    "Begin": ("init", "new", "call"),
    "Run": ("run", "watch", "plan", "record", "check"),
    "Files": ("validate", "list", "explain", "convert", "schema"),
    "What the scenarios prove": ("coverage", "mutate"),
    "Labs": ("doctor", "prepare", "inspect", "up", "status", "logs", "lab", "down", "clean"),
    "Services by themselves": ("engine", "tap"),
    "Production": ("lost-ends",),
}
"""The names of all commands, by what they are for."""

_MODULES = {
    **dict.fromkeys(("init", "new"), "project"),
    **dict.fromkeys(("call", "watch"), "call"),
    **dict.fromkeys(("plan", "explain"), "plan"),
    **dict.fromkeys(("validate", "list", "convert", "schema"), "scenario"),
    **dict.fromkeys(("doctor", "prepare", "up", "status", "logs", "lab", "down", "clean"), "lab"),
    **dict.fromkeys(("engine", "tap"), "services"),
}
"""Where a command is that isn't in a module of its own name."""

_FUNCTIONS = {"list": "list_scenarios", "lab": "lab_group"}
"""What a command is called in its module, where that isn't its name."""


class _Commands(MutableMapping[str, click.Command]):
    """Each command's module is imported when the command is wanted: a lab starts this program several times."""

    def __init__(self) -> None:
        self._names = tuple(name for names in COMMANDS.values() for name in names)
        self._loaded: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._loaded:
            if name not in self._names:
                raise KeyError(name)
            identifier = name.replace("-", "_")
            module = import_module(f"rating_harness.cli.{_MODULES.get(name, identifier)}")
            self._loaded[name] = getattr(module, _FUNCTIONS.get(name, identifier))
        return self._loaded[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        raise TypeError("COMMANDS names all of them")

    def __delitem__(self, name: str) -> None:
        raise TypeError("COMMANDS names all of them")

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class _Group(click.Group):
    """Lists its commands by what they are for."""

    def main(self, *arguments: Any, **settings: Any) -> Any:
        try:
            return super().main(*arguments, **settings)
        except OSError as error:
            if not tell_full_output(error):
                raise
            sys.exit(FAILED)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.commands))
        for title, names in COMMANDS.items():
            with formatter.section(title):
                limit = formatter.width - width - 6
                rows = [(name, self.commands[name].get_short_help_str(limit=limit)) for name in names]
                formatter.write_dl(rows, col_max=width + 2)


@click.group(
    cls=_Group,
    context_settings=HELP,
    epilog="Completion in the shell: docs/scenarios.md. Exit codes: docs/ci.md.",
)
@click.version_option(__version__, prog_name="rating-harness")
def main() -> None:
    """Integration tests for Kamailio and a rating engine: real SIP calls from YAML scenarios.

    \b
    rating-harness call 1000 39040123456 --hold 2s
    rating-harness new scenarios/first.yaml
    rating-harness run scenarios --tag prepaid -v
    """
    _open_closed_streams()


main.commands = _Commands()


def _open_closed_streams() -> None:
    """A stream that was closed (``>&-``) reads and writes nothing. Else its number would become a lab's socket."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, which is this one.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open until the end
