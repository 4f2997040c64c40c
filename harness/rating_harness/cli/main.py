"""The command ``rating-harness``."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from rating_harness import __version__
from rating_harness.cli.call import call, watch
from rating_harness.cli.check import check
from rating_harness.cli.coverage import coverage
from rating_harness.cli.inspect import inspect
from rating_harness.cli.lab import clean, doctor, down, lab_group, logs, prepare, status, up
from rating_harness.cli.lost_ends import lost_ends
from rating_harness.cli.mutate import mutate
from rating_harness.cli.options import HELP
from rating_harness.cli.plan import explain, plan
from rating_harness.cli.project import init, new
from rating_harness.cli.record import record
from rating_harness.cli.run import run
from rating_harness.cli.scenario import convert, list_scenarios, schema, validate
from rating_harness.cli.services import engine, tap

__all__ = ["COMMANDS", "main"]


class _Group(click.Group):
    """Lists its commands by what they are for."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, self.commands))
        for title, commands in COMMANDS.items():
            with formatter.section(title):
                rows = [
                    (each.name or "", each.get_short_help_str(limit=formatter.width - width - 6)) for each in commands
                ]
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


COMMANDS: Mapping[str, Sequence[click.Command]] = {
    "Begin": (init, new, call),
    "Run": (run, watch, plan, record, check),
    "Files": (validate, list_scenarios, explain, convert, schema),
    "What the scenarios prove": (coverage, mutate),
    "Labs": (doctor, prepare, inspect, up, status, logs, lab_group, down, clean),
    "Services by themselves": (engine, tap),
    "Production": (lost_ends,),
}
"""All commands, by what they are for."""

for _each in (command for commands in COMMANDS.values() for command in commands):
    main.add_command(_each)


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
