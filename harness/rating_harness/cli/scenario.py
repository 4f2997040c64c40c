"""``rating-harness validate`` and ``rating-harness schema``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from rating_harness.errors import ScenarioError, UsageError

__all__ = ["schema", "validate"]


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
def validate(paths: tuple[Path, ...]) -> None:
    """Check scenario files without running anything.

    PATHS are files, or directories with files below them. Each mistake is shown with its place and what would be
    right. Exits with 0, or with 2 when there is a mistake.
    """
    from rating_harness.scenario.loader import load, scenario_files

    try:
        files = scenario_files(paths)
    except UsageError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
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
@click.option("--shared", is_flag=True, help="The schema of files that scenarios 'use'.")
@click.option("--markdown", is_flag=True, help="Every key as Markdown tables, for people.")
def schema(shared: bool, markdown: bool) -> None:
    """Print the JSON Schema with which an editor completes scenarios."""
    from rating_harness.scenario.includes import Shared
    from rating_harness.scenario.manual import reference
    from rating_harness.scenario.model import Scenario
    from rating_harness.scenario.schema import scenario_schema, shared_schema

    if markdown:
        click.echo(reference(Shared if shared else Scenario))
    else:
        click.echo(json.dumps(shared_schema() if shared else scenario_schema(), indent=2, ensure_ascii=False))
