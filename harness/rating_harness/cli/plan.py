"""The commands ``plan`` and ``explain``: what a run would do, for a machine's eye and for a person's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rating_harness.cli.options import WRONG, command, lab_options

if TYPE_CHECKING:
    from rating_harness.lab.local.hosts import Hosts
    from rating_harness.lab.protocol import Host

__all__ = ["explain", "plan"]


@command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@lab_options("seed")
@click.option("--sipp", is_flag=True, help="Print SIPp's scenarios too.")
@click.pass_context
def plan(context: click.Context, paths: tuple[Path, ...], seed: int | None, sipp: bool) -> None:
    """Print what a run of PATHS would do, and do nothing.

    Addresses and Call-IDs are such as a lab would assign. Random choices are made from the seed, as in a run with it.
    Exits with 2 when a file has a mistake, or says what can't be done.
    """
    import secrets
    from functools import partial

    from rating_harness.errors import PlanError, ScenarioError, UsageError
    from rating_harness.lab.files import data_directory
    from rating_harness.lab.local.hosts import Hosts
    from rating_harness.plan.text import plan_text
    from rating_harness.rating.seed import seeding
    from rating_harness.scenario.loader import scenario_files
    from rating_harness.session import dialects

    seed = secrets.randbelow(1_000_000) if seed is None else seed
    failed = False
    files = scenario_files(paths)
    if not files:
        raise UsageError("there is no scenario", where=", ".join(map(str, paths)))
    for file in files:
        try:
            for scenario in dialects.load(file, configuration=data_directory("kamailio")):
                assigned = Hosts()
                made = dialects.plan(scenario, token="token", seed=seed, hosts=partial(_host, assigned))
                click.echo(plan_text(made, map(str, seeding(scenario.given.model_dump()))))
                if sipp:
                    agents = [call.agent for call in made.calls]
                    agents += [carrier.agent for carrier in made.carriers if carrier.agent is not None]
                    for agent in agents:
                        click.echo(f"\n{agent.scenario_file}\n{agent.scenario}")
                click.echo()
        except (ScenarioError, PlanError) as error:
            click.echo(f"{error}\n", err=True)
            failed = True
    if failed:
        context.exit(WRONG)


@command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.pass_context
def explain(context: click.Context, paths: tuple[Path, ...]) -> None:
    """Say in words what the scenarios in PATHS test.

    Who calls whom, what the carriers do, what goes wrong, and what is expected: a test case to be read, or to be
    discussed with those who read no YAML. Exits with 2 when a file has a mistake.

    \b
    rating-harness explain scenarios/dialog/balance-runs-out.yaml
    """
    from rating_harness.errors import ScenarioError, UsageError
    from rating_harness.lab.files import data_directory
    from rating_harness.scenario.explain import explanation
    from rating_harness.scenario.loader import scenario_files
    from rating_harness.session import dialects

    files = scenario_files(paths)
    if not files:
        raise UsageError("there is no scenario", where=", ".join(map(str, paths)))
    failed = False
    texts: list[str] = []
    for file in files:
        try:
            texts += map(explanation, dialects.load(file, configuration=data_directory("kamailio")))
        except ScenarioError as error:
            click.echo(f"{error}\n", err=True)
            failed = True
    if texts:
        click.echo("\n\n".join(texts))
    if failed:
        context.exit(WRONG)


def _host(assigned: Hosts, name: str) -> Host:
    return assigned.get(name)[0]
