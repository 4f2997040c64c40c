"""The command ``rating-harness``."""

from __future__ import annotations

import click

from harness import __version__
from harness.lab.commands import clean, doctor
from harness.plan_command import plan
from harness.rating.engine.command import engine
from harness.rating.tap.command import tap
from harness.record_command import record
from harness.report.commands import check
from harness.run_command import run
from harness.scenario.canyan.commands import convert
from harness.scenario.commands import schema, validate
from harness.standing_commands import down, logs, prepare, up


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
main.add_command(plan)
main.add_command(record)
main.add_command(run)
main.add_command(up)
main.add_command(down)
main.add_command(logs)
main.add_command(prepare)
