"""The command ``rating-harness mutate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rating_harness.cli.options import FAILED, command, lab_options, options_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rating_harness.mutation.campaign import Subject, Trial

__all__ = ["mutate"]


@command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@lab_options("lab", "kamailio", "package", "services", "kamailio-config", "define")
@click.option("--op", metavar="NAME", multiple=True, help="Only this operator (drop-*, negate...); repeatable.")
@click.option("--route", metavar="TEXT", multiple=True, help="Only routes with this in their title; repeatable.")
@click.option("--answers", is_flag=True, help="Only sabotage of the agent's answers.")
@click.option("--id", "ids", metavar="ID", multiple=True, help="Only this mutant; repeatable.")
@click.option("--since", metavar="REV", help="Only what has changed since a revision of git.")
@click.option("--sample", metavar="N", type=click.IntRange(1), help="Only so many, chosen at random.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of that choice.")
@click.option("--budget", metavar="TIME", help="Begin no further mutant after this time, such as 15m.")
@click.option(
    "--rows", type=click.IntRange(1), default=20, show_default=True, help="Time for a mutant, in ordinary scenarios."
)
@click.option("--thorough", is_flag=True, help="Try survivors with all scenarios that reach them.")
@click.option(
    "--jobs", "-j", type=click.IntRange(1, 64), help="Labs side by side.  [default: four for each processor]"
)
@click.option("--accepted", metavar="FILE", type=click.Path(path_type=Path), help="Equivalent mutants, and rules.")
@click.option("--store", metavar="DIR", type=click.Path(path_type=Path), help="What is known already is kept there.")
@click.option("--output", "-o", metavar="DIR", type=click.Path(path_type=Path), help="Write JSON, HTML, Markdown.")
@click.option("--fail-under", metavar="N", type=click.FloatRange(0, 100), help="Fail below a score of N %.")
@click.option(
    "--fail-on",
    metavar="COST",
    type=click.Choice(["money", "security"]),
    multiple=True,
    help="Fail where one survived that costs that: money, security; repeatable.",
)
@click.option("--measure", is_flag=True, help="See anew what each scenario executes.")
@click.option("--list", "only_list", is_flag=True, help="Show the mutants, and run nothing.")
@click.pass_context
def mutate(
    context: click.Context,
    /,
    paths: tuple[Path, ...],
    op: tuple[str, ...],
    route: tuple[str, ...],
    answers: bool,
    ids: tuple[str, ...],
    since: str | None,
    sample: int | None,
    seed: int,
    budget: str | None,
    rows: int,
    thorough: bool,
    jobs: int | None,
    accepted: Path | None,
    store: Path | None,
    output: Path | None,
    fail_under: float | None,
    fail_on: tuple[str, ...],
    measure: bool,
    only_list: bool,
    **lab: Any,
) -> None:
    """Break Kamailio's configuration in one place at a time, and see whether the scenarios in PATHS notice.

    First each scenario runs once, to see what it executes; then each mutant meets the scenarios that reach it, those
    first that execute most of what belongs to it, until one fails. What is known is stored: an interrupted run goes
    on where it was, and a mutant of a configuration and of scenarios that haven't changed isn't run again.

    mutation.yaml beside the configuration holds mutants that are equivalent, each of a kind and with its reason, and
    rules for what costs money or security. PATHS are "scenarios", if none are given.

    The exit status is 0; 1 when the score is below --fail-under, one of --fail-on survived, or no lab could be had; 2
    for wrong options; 130 after Ctrl-C, 143 after SIGTERM: the same command goes on from there.
    """
    import time

    import platformdirs

    from rating_harness.errors import UsageError
    from rating_harness.mutation.accepted import read_accepted, stale
    from rating_harness.mutation.answers import sabotages
    from rating_harness.mutation.campaign import Campaign, Subject, chosen, installed_version, runs_subject
    from rating_harness.mutation.report import MutationReport
    from rating_harness.mutation.results import Store
    from rating_harness.session import dialects
    from rating_harness.session.pace import labs_side_by_side

    started = time.monotonic()
    scenarios = dialects.load_paths(paths or (Path("scenarios"),), canyan_lenient=False)
    until = started + _seconds(budget) if budget else None
    options = options_of({**lab, "seed": seed})
    scenarios = [each for each in scenarios if not each.skip and runs_subject(options, each)]
    if not scenarios:
        raise UsageError("there is no scenario", where=", ".join(map(str, paths)) or "scenarios")
    home = store or Path(platformdirs.user_cache_dir("rating-harness")) / "mutation"
    labs = jobs or labs_side_by_side()
    campaign = Campaign(options, scenarios, home, labs, rows, lambda text: click.echo(text, err=True), thorough)
    subject = Subject.of(options, scenarios, installed_version(options, home))
    known = read_accepted(accepted or subject.directory / "mutation.yaml")
    everything: list[Trial] = [*subject.mutants, *sabotages()]
    trials = _wanted(everything, op=op, route=route, answers=answers, ids=ids)
    trials = trials if since is None else _since(trials, subject, since)
    population = len(trials)
    trials = chosen(trials, sample=sample, seed=seed, shuffled=budget is not None)
    if only_list or not trials:
        _show(trials, subject)
        return
    campaign.measure(subject, reuse=not measure)
    ended: KeyboardInterrupt | None = None
    with _Progress(len(trials)) as progress:
        try:
            campaign.run(subject, trials, progress.on_result, until=until)
        except KeyboardInterrupt as error:
            ended = error
    found = Store.open(home / "results.jsonl")
    results = [result for trial in trials if (result := found.find(trial.id, subject.key(trial))) is not None]
    report = MutationReport(
        {trial.id: trial for trial in trials},
        results,
        subject.sources,
        known,
        stale(known, [each.id for each in everything]),
        population,
        campaign.names,
    )
    click.echo(report.text())
    if output is not None:
        report.write(output)
        click.echo(f"reports in {output}: mutation.json, mutation.html, mutation.md")
    click.echo(f"{len(results)} of {population} mutants in {time.monotonic() - started:.0f} s; known in {home}")
    if ended is not None:
        raise ended
    costly = report.survivors_that_cost(fail_on)
    if costly:
        click.echo(f"{len(costly)} survived that cost {' or '.join(fail_on)}: {', '.join(costly)}", err=True)
        context.exit(FAILED)
    percent = report.score().percent
    if fail_under is not None and percent < fail_under:
        click.echo(f"the mutation score {percent:.1f} % is below {fail_under:g} %", err=True)
        context.exit(FAILED)


def _seconds(text: str) -> float:
    from rating_harness.errors import UsageError
    from rating_harness.scenario.values import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--budget {text!r} is no duration", expected="such as 15m, 90s", found=str(error)) from None


def _wanted(
    trials: Sequence[Trial], *, op: tuple[str, ...], route: tuple[str, ...], answers: bool, ids: tuple[str, ...]
) -> list[Trial]:
    from fnmatch import fnmatchcase

    from rating_harness.errors import UsageError
    from rating_harness.mutation.answers import Sabotage

    if ids:
        found = [trial for trial in trials if trial.id in ids]
        missing = sorted(set(ids) - {trial.id for trial in found})
        if missing:
            raise UsageError(f"there is no mutant {', '.join(missing)}", hint="--list shows all of them")
        return found
    kept = [trial for trial in trials if isinstance(trial, Sabotage) == answers]
    operators = sorted({trial.operator for trial in kept})
    for name in op:
        if not any(fnmatchcase(each, name) for each in operators):
            raise UsageError(f"there is no operator {name!r}", expected=", ".join(operators))
    kept = [trial for trial in kept if not op or any(fnmatchcase(trial.operator, name) for name in op)]
    return [trial for trial in kept if not route or any(text in trial.route for text in route)]


def _since(trials: Sequence[Trial], subject: Subject, revision: str) -> list[Trial]:
    from rating_harness.mutation.campaign import changed_lines
    from rating_harness.mutation.mutants import Mutant

    lines = changed_lines(subject.directory, revision)
    return [
        trial
        for trial in trials
        if isinstance(trial, Mutant)
        and any(
            not lines.get(edit.span.file, frozenset()).isdisjoint(range(edit.span.start.line, edit.span.end.line + 1))
            for edit in trial.edits
        )
    ]


def _show(trials: Sequence[Trial], subject: Subject) -> None:
    from rating_harness.mutation.answers import Sabotage
    from rating_harness.mutation.mutants import as_diff

    sources = subject.sources
    for trial in trials:
        if isinstance(trial, Sabotage):
            click.echo(f"{trial.id}  {trial.operator}  {trial}")
            continue
        click.echo(f"{trial.id}  {trial.operator}  {trial.route}  {subject.name(trial.file)}:{trial.line}")
        click.echo("\n".join(f"    {line}" for line in as_diff(trial, sources, context=0).splitlines()[1:]))
    click.echo(f"{len(trials)} mutants")


class _Progress:
    """A bar with an estimate on a terminal; elsewhere a line for each mutant."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._killed = 0

    def __enter__(self) -> _Progress:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task("mutants", total=self._total)
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def on_result(self, trial: Any, result: Any) -> None:
        self._done += 1
        self._killed += result.status == "killed"
        self._bar.update(self._task, advance=1, description=f"{self._killed} killed")
        if self._bar.disable:
            said = f"  {result.by}: {result.said}" if result.by else f"  {result.said}"
            click.echo(
                f"{self._done}/{self._total} {result.status:<9} {result.id} {trial.operator} {trial.route} "
                f"{result.seconds:.1f} s{said[:140]}",
                err=True,
            )
