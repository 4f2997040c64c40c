"""The command ``rating-harness``."""

from __future__ import annotations

import click

from rating_harness import __version__
from rating_harness.cli.check import check
from rating_harness.cli.convert import convert
from rating_harness.cli.coverage import coverage
from rating_harness.cli.engine import engine
from rating_harness.cli.lab import down, logs, prepare, up
from rating_harness.cli.lab_images import clean, doctor
from rating_harness.cli.plan import plan
from rating_harness.cli.record import record
from rating_harness.cli.run import run
from rating_harness.cli.scenario import schema, validate
from rating_harness.cli.tap import tap


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rating-harness")
def main() -> None:
    """Integration tests for Kamailio and a rating engine: real SIP calls from YAML scenarios."""


main.add_command(tap)
main.add_command(engine)
main.add_command(doctor)
main.add_command(clean)
main.add_command(validate)
main.add_command(schema)
main.add_command(convert)
main.add_command(check)
main.add_command(coverage)
main.add_command(plan)
main.add_command(record)
main.add_command(run)
main.add_command(up)
main.add_command(down)
main.add_command(logs)
main.add_command(prepare)
