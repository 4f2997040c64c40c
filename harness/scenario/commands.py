"""``rating-harness validate`` and ``rating-harness schema``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from harness.errors import ScenarioError

__all__ = ["schema", "validate"]


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def validate(paths: tuple[Path, ...]) -> None:
    """Check scenario files, and those below directories, without running anything.

    Each mistake is shown with its place and what would be right. Exits with 0, or with 2 when there is a mistake.
    """
    from harness.scenario.loader import load, scenario_files

    files = scenario_files(paths)
    scenarios = mistakes = 0
    for file in files:
        try:
            scenarios += len(load(file))
        except ScenarioError as error:
            click.echo(f"{error}\n", err=True)
            mistakes += len(error.mistakes)
    summary = f"{_count(len(files), 'file')}, {_count(scenarios, 'scenario')}, {_count(mistakes, 'mistake')}"
    click.echo(summary, err=mistakes > 0)
    if mistakes or not scenarios:
        sys.exit(2)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


@click.command()
@click.option("--shared", is_flag=True, help="The schema of files that scenarios `use`.")
def schema(shared: bool) -> None:
    """Print the JSON Schema with which an editor completes scenarios."""
    from harness.scenario.schema import scenario_schema, shared_schema

    made = shared_schema() if shared else scenario_schema()
    click.echo(json.dumps(made, indent=2, ensure_ascii=False))
