"""``rating-harness convert``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rating_harness.errors import ScenarioError, UsageError

__all__ = ["convert"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("output", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Write over files that are there.")
def convert(file: Path, output: Path | None, force: bool) -> None:
    """Write a canyan-tester FILE as a scenario of our own.

    It goes to OUTPUT, or to standard output. Plain calls are told in words; the SIPp scenarios of others are written
    beside OUTPUT. Comments say what had to be guessed, and what was left out.
    """
    from rating_harness.canyan.convert import convert as converted_from
    from rating_harness.canyan.loader import load_canyan
    from rating_harness.scenario.loader import existing

    try:
        converted = converted_from(load_canyan(existing(file)))
    except (ScenarioError, UsageError) as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    if output is None:
        if converted.files:
            raise click.UsageError(f"it needs SIPp scenarios beside it ({', '.join(converted.files)}): give OUTPUT")
        click.echo(converted.text, nl=False)
        return
    texts = {output: converted.text, **{output.parent / name: text for name, text in converted.files.items()}}
    there = [str(path) for path in texts if path.exists()]
    if there and not force:
        raise click.UsageError(f"there already: {', '.join(there)}; --force writes over it")
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
        click.echo(f"wrote {path}")
