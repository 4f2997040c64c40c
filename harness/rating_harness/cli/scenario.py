"""The commands ``validate``, ``list``, ``schema`` and ``convert``: scenario files, without a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rating_harness.cli.options import WRONG, as_warning, command, lab_options, tag_option

if TYPE_CHECKING:
    from rating_harness.errors import Mistake

__all__ = ["convert", "list_scenarios", "schema", "validate"]


@command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Take what is most likely a mistake for one.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@lab_options("kamailio-config")
@click.pass_context
def validate(
    context: click.Context, paths: tuple[Path, ...], strict: bool, as_json: bool, kamailio_config: Path | None
) -> None:
    """Check scenario files without running anything.

    PATHS are files, or directories with files below them. Each mistake is shown with its place and what would be
    right; so is what is most likely a mistake, as a warning. Exits with 0, or with 2 when there is a mistake or no
    scenario.

    \b
    rating-harness validate scenarios --json
    """
    from rating_harness.errors import ScenarioError
    from rating_harness.lab.files import data_directory
    from rating_harness.scenario.loader import scenario_files
    from rating_harness.session.dialects import load_with_warnings

    files = scenario_files(paths)
    scenarios = mistakes = warnings = 0
    told: list[dict[str, object]] = []
    for file in files:
        try:
            found, warned = load_with_warnings(file, configuration=kamailio_config or data_directory("kamailio"))
        except ScenarioError as error:
            told += [_as_json(mistake, "mistake") for mistake in error.mistakes]
            if not as_json:
                click.echo(f"{error}\n", err=True)
            mistakes += len(error.mistakes)
            continue
        scenarios += len(found)
        warnings += len(warned)
        told += [_as_json(warning, "mistake" if strict else "warning") for warning in warned]
        for warning in warned if not as_json else ():
            click.echo(f"{warning if strict else as_warning(warning)}\n", err=True)
    if strict:
        mistakes, warnings = mistakes + warnings, 0
    parts = [_count(len(files), "file"), _count(scenarios, "scenario"), _count(mistakes, "mistake")]
    parts += [_count(warnings, "warning")] if warnings else []
    if as_json:
        click.echo(
            json.dumps({"files": len(files), "scenarios": scenarios, "found": told}, ensure_ascii=False, indent=2)
        )
    else:
        click.echo(", ".join(parts), err=mistakes > 0)
    if mistakes or not scenarios:
        context.exit(WRONG)


def _as_json(mistake: Mistake, severity: str) -> dict[str, object]:
    where = mistake.where
    place = {"file": where.path, "line": where.line, "column": where.column}
    return {"severity": severity, **place, "message": mistake.message, "hint": mistake.hint}


@command("list")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-k", "words", metavar="WORDS", default="", help="Only scenarios with all of these words.")
@tag_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_scenarios(paths: tuple[Path, ...], words: str, tags: tuple[str, ...], as_json: bool) -> None:
    """List the scenarios in PATHS, as `run` would choose them.

    \b
    rating-harness list scenarios --tag prepaid
    """
    from rating_harness.lab.files import data_directory
    from rating_harness.report.presentation import title_of
    from rating_harness.scenario.explain import needs
    from rating_harness.session import dialects
    from rating_harness.session.selection import select

    loaded = dialects.load_paths(paths, configuration=data_directory("kamailio"))
    chosen = select(loaded, words=words, tags=tags, failed=False)
    if as_json:
        found = [
            {"id": each.id, "title": each.scenario, "file": each.origin.file.as_posix(), "row": each.origin.row}
            | {"tags": each.tags, "calls": [call.id for call in each.calls]}
            | {"requires": each.requires.model_dump(exclude_unset=True)}
            for each in chosen
        ]
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for each in chosen:
        needed = f"  (requires {', '.join(needs(each.requires))})" if needs(each.requires) else ""
        click.echo(
            f"{title_of(each)}  ({', '.join(each.tags) or 'no tags'})\n  {each.origin.file.as_posix()}{needed}"
        )
    click.echo(_count(len(chosen), "scenario"))


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
