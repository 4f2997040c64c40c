"""The commands ``validate``, ``schema`` and ``convert``: scenario files, without a run."""

from __future__ import annotations

import json
from pathlib import Path

import click

from rating_harness.cli.options import WRONG, as_warning, command, lab_options

__all__ = ["convert", "schema", "validate"]


@command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Take what is most likely a mistake for one.")
@lab_options("kamailio-config")
@click.pass_context
def validate(context: click.Context, paths: tuple[Path, ...], strict: bool, kamailio_config: Path | None) -> None:
    """Check scenario files without running anything.

    PATHS are files, or directories with files below them. Each mistake is shown with its place and what would be
    right; so is what is most likely a mistake, as a warning. Exits with 0, or with 2 when there is a mistake or no
    scenario.
    """
    from rating_harness.errors import ScenarioError
    from rating_harness.lab.files import data_directory
    from rating_harness.scenario.loader import scenario_files
    from rating_harness.session.dialects import load_with_warnings

    files = scenario_files(paths)
    scenarios = mistakes = warnings = 0
    for file in files:
        try:
            found, warned = load_with_warnings(file, configuration=kamailio_config or data_directory("kamailio"))
        except ScenarioError as error:
            click.echo(f"{error}\n", err=True)
            mistakes += len(error.mistakes)
            continue
        scenarios += len(found)
        warnings += len(warned)
        for warning in warned:
            click.echo(f"{warning if strict else as_warning(warning)}\n", err=True)
    if strict:
        mistakes, warnings = mistakes + warnings, 0
    parts = [_count(len(files), "file"), _count(scenarios, "scenario"), _count(mistakes, "mistake")]
    parts += [_count(warnings, "warning")] if warnings else []
    click.echo(", ".join(parts), err=mistakes > 0)
    if mistakes or not scenarios:
        context.exit(WRONG)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


@command()
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


@command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("output", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Write over files that are there.")
def convert(file: Path, output: Path | None, force: bool) -> None:
    """Write a canyan-tester FILE as a scenario of our own.

    It goes to OUTPUT, or to standard output. Plain calls become calls of the scenario; the SIPp scenarios of others
    are written beside OUTPUT. Comments say what had to be guessed, and what was left out.
    """
    from rating_harness.canyan.convert import convert as converted_from
    from rating_harness.canyan.loader import load_canyan
    from rating_harness.scenario.loader import existing

    converted = converted_from(load_canyan(existing(file)))
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
