"""The commands ``init`` and ``new``: files to begin with."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rating_harness.cli.options import call_options, command

__all__ = ["init", "new"]


@command()
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--requirement",
    metavar="REQUIREMENT",
    help="What pip installs for rating-harness: a version, a wheel, a URL. By default where this one came from.",
)
@click.option("--all-scenarios", is_flag=True, help="This package's own scenarios, too, below scenarios/rating.")
def init(directory: Path, requirement: str | None, all_scenarios: bool) -> None:
    """Make a project of scenarios in DIR.

    It has three scenarios, a Makefile whose `make test-kamailio` runs them, pipelines for GitLab and GitHub, and the
    editor's settings. Nothing that is there is written over. In a directory of a Git repository the pipelines are
    written for its root: GitHub's is put there.
    """
    from rating_harness.session.project_files import (
        own_requirement,
        place_in_repository,
        project_files,
        requirement_from,
        write_project,
    )

    requirement = requirement_from(requirement, directory) if requirement else own_requirement()
    below = place_in_repository(directory)
    files = project_files(requirement, below=below, all_scenarios=all_scenarios)
    packaged = [directory / "scenarios" / name for name in ("rating", "kamailio")]
    for path in write_project(directory, files):
        if not any(path.is_relative_to(each) for each in packaged):
            click.echo(f"wrote {path}")
    if all_scenarios:
        click.echo(f"wrote {directory / 'scenarios'}/rating and kamailio, this package's own scenarios")
    click.echo(f"`make -C {directory} test-kamailio` runs its scenarios.")
    if below:
        click.echo(f"GitLab reads its pipeline with this in the repository's .gitlab-ci.yml:\n{_include(below)}")
    if " @ file:" in requirement:
        click.echo(
            f"requirements.txt has {requirement.partition(' @ ')[2]}: in a pipeline, give a wheel or a URL\n"
            "that it can reach (--requirement)."
        )


def _include(below: str) -> str:
    return f"  include: [{{local: {below}/.gitlab-ci.yml}}]"


@command()
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@call_options
@click.option("--from", "caller", metavar="NUMBER", help="Who calls; also the account that pays.")
@click.option("--to", "callee", metavar="NUMBER", help="Who is called.")
def new(file: Path, caller: str | None, callee: str | None, kind: str | None, hold: str) -> None:
    """Write FILE, a scenario of one call that passes.

    What isn't given is asked for on a terminal: --from, --to, and what comes of the call.
    """
    from rating_harness.errors import UsageError
    from rating_harness.session.call_template import KINDS, CallTemplate

    if file.exists():
        raise UsageError("there is something already", where=str(file))
    if file.suffix not in (".yaml", ".yml"):
        raise UsageError("a scenario's file ends in .yaml", found=str(file), hint=f"{file}.yaml")
    if caller is None or callee is None:
        if not sys.stdin.isatty():
            raise UsageError("who calls whom?", expected="--from NUMBER and --to NUMBER")
        caller = caller or click.prompt("Who calls (its account's number)", default="1000")
        callee = callee or click.prompt("Who is called", default="39040123456")
        kind = kind or click.prompt("What comes of it", type=click.Choice(KINDS), default="answered")
    template = CallTemplate.of(caller, callee, kind or "answered", hold)  # type: ignore[arg-type]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(template.text(), encoding="utf-8")
    click.echo(f"wrote {file}; `rating-harness run {file}` runs it")
