"""The command ``rating-harness check``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["check"]


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--scenario",
    "file",
    type=click.Path(path_type=Path),
    help="Judge by this scenario file, and not by the one stored beside the evidence.",
)
@click.pass_context
def check(context: click.Context, folder: Path, file: Path | None) -> None:
    """Judge stored evidence again.

    FOLDER is where a run left its evidence. The exit status is 0 when the scenario passed, 1 when it failed, 2 when
    the folder can't be used.
    """
    from harness.checks import judge
    from harness.errors import HarnessError
    from harness.evidence.store import read
    from harness.report.again import kept_scenario, of_evidence
    from harness.report.console import console, show
    from harness.report.failure import failure_text

    try:
        evidence = read(folder)
        scenario = of_evidence(file, evidence) if file else kept_scenario(folder, evidence)
    except HarnessError as error:
        click.echo(str(error), err=True)
        context.exit(2)
    verdict = judge(scenario, evidence)
    text = f"PASSED  {scenario.scenario}" if verdict.passed else failure_text(scenario, evidence, verdict, folder)
    show(text, console())
    context.exit(0 if verdict.passed else 1)
