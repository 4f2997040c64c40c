"""The command ``rating-harness check``."""

from __future__ import annotations

from pathlib import Path

import click

from rating_harness.cli.options import FAILED, PASSED, command, exit_status, lab_options

__all__ = ["check"]


@command()
@click.argument("folders", metavar="FOLDER...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--scenario",
    "file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Judge by this scenario file, and not by the one stored beside the evidence.",
)
@click.option("--html", metavar="FILE", type=click.Path(path_type=Path), help="Write a report, one file.")
@lab_options("canyan-lenient")
@click.pass_context
def check(
    context: click.Context, folders: tuple[Path, ...], file: Path | None, html: Path | None, canyan_lenient: bool
) -> None:
    """Judge stored evidence.

    Each FOLDER is where a run left the evidence of a scenario. The exit status is 0 when all passed, 1 when one
    failed, 2 when a folder can't be used.
    """
    from rating_harness.errors import HarnessError
    from rating_harness.report.failure import failure_text
    from rating_harness.report.html import html_page
    from rating_harness.report.presentation import title_of
    from rating_harness.report.terminal import console, show
    from rating_harness.session.stored_runs import judge_stored, scenario_texts_of

    terminal, judged, status = console(), [], PASSED
    for folder in folders:
        try:
            result = judge_stored(folder, file, canyan_lenient=canyan_lenient)
        except HarnessError as error:
            click.echo(str(error), err=True)
            status = max(status, exit_status(error))
            continue
        judged.append(result)
        if result.verdict.passed:
            show(f"PASSED  {title_of(result.scenario)}", terminal)
        else:
            show(failure_text(result.scenario, result.evidence, result.verdict, folder), terminal)
            status = max(status, FAILED)
    if html:
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(html_page(judged, texts=scenario_texts_of), encoding="utf-8")
    context.exit(status)
