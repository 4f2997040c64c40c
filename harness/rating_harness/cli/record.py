"""The command ``rating-harness record``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

__all__ = ["record"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--output", "-o", metavar="FILE", type=click.Path(path_type=Path), help="Write there, not to the screen."
)
@click.option("--lab", type=click.Choice(["auto", "docker", "local"]), default="auto", help="Where services run.")
@click.option("--kamailio", metavar="WHERE", help="Kamailio's origin: trixie, sid, a directory, an image.")
@click.option("--kamailio-config", metavar="DIR", type=click.Path(path_type=Path), help="Your own configuration.")
@click.option("--define", metavar="NAME=VALUE", multiple=True, help="Kamailio's -A; repeatable.")
@click.option("--agent-url", metavar="URL", help="The agent of your own rating engine.")
@click.option("--api-url", metavar="URL", help="The API of your own rating engine.")
@click.option("--seed", type=int, help="Seed of all that is drawn.")
def record(file: Path, output: Path | None, define: tuple[str, ...], seed: int | None, **where: Any) -> None:
    """Run the calls of FILE, and write what was seen as expected.

    The scenario is written again, with what was observed as its expectations. It's for a person to trim: whatever was
    seen is expected, right or wrong. What always has to hold is checked, and what doesn't is told. Exits with 1 when
    it could not be run, and with 2 for a wrong file.
    """
    from rating_harness.canyan.model import CanyanScenario
    from rating_harness.checks.model import Case
    from rating_harness.errors import HarnessError, ScenarioError, UsageError
    from rating_harness.run.options import Options
    from rating_harness.scenario.loader import existing, load
    from rating_harness.scenario.model import CallExpectation, Expectations
    from rating_harness.session.infer import call_expectations, whole_expectations, with_expectations
    from rating_harness.session.session import Session

    try:
        scenario, *others = load(existing(file))
        if others or isinstance(scenario, CanyanScenario):
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
        session = Session(Options.of(defines=define, seed=seed, **where), keep=lambda *_: None)
        try:
            outcome = session.run(bare)
        finally:
            session.close()
    except (ScenarioError, UsageError) as error:
        click.echo(str(error), err=True)
        raise SystemExit(2) from None
    except HarnessError as error:
        click.echo(str(error), err=True)
        raise SystemExit(1) from None
    if outcome.evidence is None or outcome.verdict is None:
        click.echo(f"not run: {outcome.skipped}", err=True)
        raise SystemExit(1)
    for finding in outcome.verdict.findings:
        click.echo(f"{finding}\n", err=True)
    case = Case(bare, outcome.evidence)
    text = with_expectations(file.read_text(encoding="utf-8"), call_expectations(case), whole_expectations(case))
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
