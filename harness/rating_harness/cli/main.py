"""The command ``rating-harness``."""

from __future__ import annotations

import click

from rating_harness import __version__
from rating_harness.cli.call import call, watch
from rating_harness.cli.check import check
from rating_harness.cli.coverage import coverage
from rating_harness.cli.inspect import inspect
from rating_harness.cli.lab import clean, doctor, down, logs, prepare, up
from rating_harness.cli.mutate import mutate
from rating_harness.cli.plan import plan
from rating_harness.cli.project import init, new
from rating_harness.cli.record import record
from rating_harness.cli.run import run
from rating_harness.cli.scenario import convert, schema, validate
from rating_harness.cli.services import engine, tap

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rating-harness")
def main() -> None:
    """Integration tests for Kamailio and a rating engine: real SIP calls from YAML scenarios."""


for _each in (
    *(init, new, call, watch, run, validate, plan, record, check, coverage, mutate, convert, schema),
    *(inspect, doctor, prepare, up, down, logs, clean),
    *(engine, tap),
):
    main.add_command(_each)
