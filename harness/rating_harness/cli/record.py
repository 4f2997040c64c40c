"""The command ``rating-harness record``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rating_harness.cli.options import FAILED, LAB_AND_ENGINE, command, lab_options, options_of

__all__ = ["record"]


@command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--output", "-o", metavar="FILE", type=click.Path(path_type=Path), help="Write there, not to the screen."
)
@lab_options(*LAB_AND_ENGINE, "seed", "persistent-lab")
@click.pass_context
def record(context: click.Context, /, file: Path, output: Path | None, **lab: Any) -> None:
    """Run the calls of FILE, and write what was seen as expected.

    The scenario is written out with what was observed as its expectations. It's for a person to trim: whatever was
    seen is expected, right or wrong. What always has to hold is checked, and what doesn't is printed. Exits with 1
    when it could not be run, and with 2 for a wrong file.
    """
    from rating_harness.checks.model import Case
    from rating_harness.errors import UsageError
    from rating_harness.scenario.loader import existing
    from rating_harness.scenario.model import CallExpectation, Expectations
    from rating_harness.session.dialects import is_native, load
    from rating_harness.session.infer import call_expectations, whole_expectations, with_expectations
    from rating_harness.session.session import Session

    scenario, *others = load(existing(file))
    if others or not is_native(scenario):
        raise UsageError(
            "this can't be recorded",
            expected="a file with one scenario",
            found="a matrix" if others else "a file of canyan-tester",
            where=str(file),
            hint="record one row of it, in a file of its own" if others else "`rating-harness convert` it first",
        )
    bare = scenario.model_copy(
        update={
            "calls": tuple(call.model_copy(update={"expect": CallExpectation()}) for call in scenario.calls),
            "expect": Expectations(),
        }
    )
    session = Session(options_of(lab), store=lambda *_: None)
    try:
        outcome = session.run(bare)
    finally:
        session.close()
    if outcome.evidence is None or outcome.verdict is None:
        click.echo(f"not run: {outcome.skipped}", err=True)
        context.exit(FAILED)
    for finding in outcome.verdict.findings:
        click.echo(f"{finding}\n", err=True)
    case = Case(bare, outcome.evidence)
    text = with_expectations(file.read_text(encoding="utf-8"), call_expectations(case), whole_expectations(case))
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
