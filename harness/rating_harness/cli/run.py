"""The command ``rating-harness run``."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rating_harness.cli.coverage import report_coverage
from rating_harness.cli.options import FAILED, PASSED, as_warning, command, lab_options, options_of, tag_option

if TYPE_CHECKING:
    from rating_harness.coverage.data import Coverage
    from rating_harness.report.events import Reporter
    from rating_harness.run.options import Options
    from rating_harness.scenario.model import Scenario

__all__ = ["run"]


@command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@lab_options(
    "lab",
    "kamailio",
    "package",
    "services",
    "kamailio-config",
    "image-config",
    "profile",
    "fast-timers",
    "ends",
    "define",
    "agent-url",
    "api-url",
    "engine",
    "generators",
    "target",
    "seed",
    "evidence",
    "persistent-lab",
)
@click.option("-k", "words", metavar="WORDS", default="", help="Only scenarios with all of these words.")
@tag_option
@click.option("--failed", is_flag=True, help="Only scenarios that failed the last time.")
@lab_options("shard", "durations")
@click.option(
    "--jobs", "-j", type=click.IntRange(1, 64), help="Labs side by side.  [default: four for each processor]"
)
@lab_options("html", "junit", "jsonl", "pcap")
@click.option(
    "--cov-kamailio", metavar="DIR", type=click.Path(path_type=Path), help="Measure coverage; reports there."
)
@click.option("--cov-fail-under", metavar="N", type=click.FloatRange(0, 100), help="Fail below N % of coverage.")
@click.option(
    "--find-limit", is_flag=True, help="Look for the highest rate at which this one scenario's load passes."
)
@click.option(
    "--limit-between",
    metavar="LOW-HIGH",
    help="With --find-limit: calls per second, 2000 at most; from a tenth of the file's rate to four times that when"
    " not given.",
)
@click.option(
    "--limit-resolution",
    type=click.FloatRange(1, 50),
    default=10,
    show_default=True,
    help="With --find-limit: how near to know it, in percent.",
)
@click.option(
    "--limit-trials",
    type=click.IntRange(1, 50),
    default=12,
    show_default=True,
    help="With --find-limit: most runs.",
)
@click.option(
    "--limit-time",
    type=click.FloatRange(1, 1440),
    default=10,
    show_default=True,
    help="With --find-limit: most minutes.",
)
@click.option(
    "--limit-json", metavar="FILE", type=click.Path(path_type=Path), help="With --find-limit: the trials, as JSON."
)
@click.option("--executable", "-e", metavar="SIPP", help="canyan-tester's files, with --target: which SIPp.")
@click.option("--no-setup", is_flag=True, help="canyan-tester's files: leave the set-up out.")
@click.option("--no-teardown", is_flag=True, help="canyan-tester's files: leave the teardown out.")
@click.option("--verbose", "-v", is_flag=True, help="Show the ladder of every failing call, and each step's answer.")
@lab_options("canyan-lenient")
@click.pass_context
def run(
    context: click.Context,
    /,
    paths: tuple[Path, ...],
    words: str,
    tags: tuple[str, ...],
    failed: bool,
    shard: str | None,
    durations: Path | None,
    jobs: int | None,
    cov_kamailio: Path | None,
    cov_fail_under: float | None,
    find_limit: bool,
    limit_between: str | None,
    limit_resolution: float,
    limit_trials: int,
    limit_time: float,
    limit_json: Path | None,
    executable: str | None,
    no_setup: bool,
    no_teardown: bool,
    verbose: bool,
    canyan_lenient: bool,
    **others: Any,
) -> None:
    """Run the scenarios in PATHS, files or directories of them.

    Files of canyan-tester's are run in a lab as well. With --target and no --agent-url they are run as canyan-tester
    does it: SIPp calls the target, the API is at --api-url, and nothing else is started.

    With --cov-kamailio Kamailio runs a copy of its configuration with probes, and what no scenario executes is
    listed; DIR gets lcov.info, cobertura.xml and coverage.json.

    With --find-limit one scenario is run at one rate after another, each trial a line: at the lowest, at twice that
    and so on until it fails, and then at the rate in the middle. All that the scenario expects has to hold, and all
    invariants. The status is 1 where it fails at the lowest.

    The exit status is 0 when all passed; 1 when one failed, the lab did not start, or coverage is below
    --cov-fail-under; 2 for a wrong file or option, or when there is no scenario; 130 after Ctrl-C, 143 after SIGTERM.
    """
    from rating_harness.errors import UsageError
    from rating_harness.lab.files import data_directory
    from rating_harness.session import dialects
    from rating_harness.session.report_files import report_files
    from rating_harness.session.selection import LastResults, parse_shard, read_durations, select
    from rating_harness.session.selection import shard as split

    files = {name: others.pop(name) for name in ("html", "junit", "jsonl", "pcap")}
    options = options_of({**others, "coverage": cov_kamailio is not None})
    loaded = dialects.load_paths(
        paths,
        canyan_lenient=canyan_lenient,
        configuration=options.kamailio_config,
        besides=data_directory("kamailio"),
        warn=lambda warning: click.echo(f"{as_warning(warning)}\n", err=True),
    )
    loaded = select(loaded, words=words, tags=tags, failed=failed)
    if shard is not None:
        number, count = parse_shard(shard)
        loaded = split(loaded, number, count, key=lambda each: each.id, durations=read_durations(durations))
    left_out = ["setup"] * no_setup + ["teardown"] * no_teardown
    scenarios = dialects.without_sections(loaded, *left_out)
    if cov_fail_under is not None and cov_kamailio is None:
        raise UsageError("--cov-fail-under has nothing to measure", expected="--cov-kamailio DIR beside it")
    if find_limit:
        unfit = [f"--{name}" for name, value in {**files, "cov-kamailio": cov_kamailio}.items() if value is not None]
        if unfit:
            raise UsageError(f"{unfit[0]} is none of --find-limit's", hint="--limit-json FILE has the trials")
        bounds = {"resolution": limit_resolution / 100, "trials": limit_trials, "seconds": limit_time * 60}
        passed = _find_limit(scenarios, options, limit_between or "", bounds, limit_json)
        context.exit(PASSED if passed else FAILED)
    if limit_between is not None or limit_json is not None:
        raise UsageError("--limit-between and --limit-json say how a limit is looked for", expected="--find-limit")
    echo = click.echo if verbose else None
    failures = dialects.run_without_lab(scenarios, options, executable=executable, echo=echo)
    if failures is not None:
        click.echo("\n\n".join(filter(None, failures)) or "passed")
        passed = not any(failures)
    else:
        reporters = [_terminal(verbose=verbose), LastResults(), *report_files({**files, "durations": durations})]
        passed, coverage = _run_in_labs(scenarios, options, jobs, reporters, read_durations(durations))
        if cov_kamailio is not None:
            passed = report_coverage(coverage, cov_kamailio, fail_under=cov_fail_under) and passed
    context.exit(PASSED if passed else FAILED)


def _terminal(*, verbose: bool) -> Reporter:
    from rating_harness.report.failure import LADDERS
    from rating_harness.report.terminal import Terminal

    return Terminal(ladders=None if verbose else LADDERS)


def _run_in_labs(
    scenarios: Sequence[Scenario],
    options: Options,
    jobs: int | None,
    reporters: Sequence[Reporter],
    durations: Mapping[str, float],
) -> tuple[bool, Coverage]:
    """Whether all passed, and what ran of Kamailio's configuration."""
    from rating_harness.session.pace import labs_side_by_side
    from rating_harness.session.parallel import ParallelSessions
    from rating_harness.session.persistent_lab import intended_use
    from rating_harness.session.stored_runs import RunStore

    note = intended_use(options).note
    if note:
        click.echo(note)
    store = RunStore(options.evidence, lambda text: click.echo(f"WARNING  {text}", err=True))
    if options.target is not None:
        jobs = 1  # there is one Kamailio, and one port where it asks the agent
    sessions = ParallelSessions(
        options,
        store.store,
        reporters,
        jobs or labs_side_by_side(),
        store.store_not_run,
        watch_loads=sys.stdout.isatty(),
        durations=durations,
    )
    return sessions.run(scenarios), sessions.coverage


def _find_limit(
    scenarios: Sequence[Scenario], options: Options, between: str, bounds: dict[str, Any], json_file: Path | None
) -> bool:
    """Look for the limit of the one scenario, and say it. Whether it passed at any rate."""
    import json

    from rating_harness.errors import UsageError
    from rating_harness.session.find_limit import bounds_for, find_limit, limit_text, run_trial, trial_text
    from rating_harness.session.session import Session
    from rating_harness.session.stored_runs import RunStore

    if len(scenarios) != 1:
        raise UsageError("--find-limit is for one scenario", found=f"{len(scenarios)}", hint="-k WORDS chooses one")
    (scenario,) = scenarios
    wanted = bounds_for(getattr(scenario, "load", None), between, **bounds)
    store = RunStore(options.evidence, lambda text: click.echo(f"WARNING  {text}", err=True))
    click.echo(f"between {wanted.lowest:g} and {wanted.highest:g} calls a second: {scenario.scenario}")
    session = Session(options, store.store, alone=True, store_not_run=store.store_not_run)
    try:
        limit = find_limit(
            wanted, lambda rate: run_trial(session, scenario, rate), lambda trial: click.echo(trial_text(trial))
        )
    finally:
        session.close()
    if json_file is not None:
        json_file.write_text(json.dumps(limit.to_dict(), indent=2) + "\n", "utf-8")
    click.echo(limit_text(limit))
    return limit.rate is not None
