"""The command ``rating-harness run``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

__all__ = ["run"]


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--lab", type=click.Choice(["auto", "docker", "local"]), default="auto", help="Where services run.")
@click.option("--kamailio", metavar="WHERE", help="Kamailio's origin: trixie, sid, a directory, an image.")
@click.option("--kamailio-config", metavar="DIR", type=click.Path(path_type=Path), help="Your own configuration.")
@click.option("--define", metavar="NAME=VALUE", multiple=True, help="Kamailio's -A; repeatable.")
@click.option("--agent-url", metavar="URL", help="The agent of your own rating engine.")
@click.option("--api-url", "--apiurl", "-a", metavar="URL", help="The API of your own rating engine.")
@click.option("--target", "-t", metavar="HOST:PORT", help="A Kamailio that runs already.")
@click.option("--seed", "-s", type=int, help="Seed of all that is drawn.")
@click.option("--evidence", "-d", metavar="DIR", type=click.Path(path_type=Path), help="Keep all evidence there.")
@click.option("--jobs", "-j", type=click.IntRange(1, 64), default=2, show_default=True, help="Labs side by side.")
@click.option("--html", metavar="FILE", type=click.Path(path_type=Path), help="Write a report, one file.")
@click.option("--jsonl", metavar="FILE", type=click.Path(path_type=Path), help="Write a line of JSON per event.")
@click.option(
    "--cov-kamailio", metavar="DIR", type=click.Path(path_type=Path), help="Measure coverage; reports there."
)
@click.option("--cov-fail-under", metavar="N", type=click.FloatRange(0, 100), help="Fail below N % of coverage.")
@click.option("--executable", "-e", metavar="SIPP", help="canyan-tester's files, with --target: which SIPp.")
@click.option("--no-setup", is_flag=True, help="canyan-tester's files: leave the set-up out.")
@click.option("--no-teardown", is_flag=True, help="canyan-tester's files: leave the teardown out.")
@click.option("--verbose", is_flag=True, help="canyan-tester's files, with --target: show requests and answers.")
@click.option("--canyan-lenient", is_flag=True, help="canyan-tester's files: pass over what canyan-tester does.")
def run(
    paths: tuple[Path, ...],
    lab: str,
    define: tuple[str, ...],
    seed: int | None,
    jobs: int,
    html: Path | None,
    jsonl: Path | None,
    evidence: Path | None,
    cov_kamailio: Path | None,
    cov_fail_under: float | None,
    executable: str | None,
    no_setup: bool,
    no_teardown: bool,
    verbose: bool,
    canyan_lenient: bool,
    **where: Any,
) -> None:
    """Run the scenarios in PATHS, files or directories of them.

    Files of canyan-tester's are run in a lab as well. With --target and no --agent-url they are run as canyan-tester
    does it: SIPp calls the target, the API is at --api-url, and nothing else is started.

    With --cov-kamailio Kamailio runs a copy of its configuration with probes, and what no scenario executes is
    listed; DIR gets lcov.info, cobertura.xml and coverage.json.

    The exit status is 0 when all passed; 1 when one failed, the lab did not start, or coverage is below
    --cov-fail-under; 2 for a wrong file or option, or when there is no scenario.
    """
    import signal
    from contextlib import ExitStack

    from rating_harness.canyan.model import CanyanScenario
    from rating_harness.canyan.tester import run_bare
    from rating_harness.cli.coverage import report_coverage
    from rating_harness.errors import HarnessError, ScenarioError, UsageError
    from rating_harness.report.events import Reporter
    from rating_harness.report.html import HtmlReport
    from rating_harness.report.jsonl import JsonLines
    from rating_harness.report.terminal import Terminal
    from rating_harness.run.options import Options
    from rating_harness.scenario.loader import load, scenario_files
    from rating_harness.session.evidence_archive import keeper
    from rating_harness.session.parallel import Crew

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    scenarios, mistakes = [], []
    try:
        for file in scenario_files(paths):
            try:
                scenarios += load(file, canyan_lenient=canyan_lenient)
            except ScenarioError as error:
                mistakes.append(error)
        if mistakes:
            raise UsageError("\n".join(map(str, mistakes)))
        if not scenarios:
            raise UsageError("there is no scenario", where=", ".join(map(str, paths)))
        left_out = ["setup"] * no_setup + ["teardown"] * no_teardown
        scenarios = [each.without(*left_out) if isinstance(each, CanyanScenario) else each for each in scenarios]
        canyan = [each for each in scenarios if isinstance(each, CanyanScenario)]
        if cov_fail_under is not None and cov_kamailio is None:
            raise UsageError("--cov-fail-under has nothing to measure", expected="--cov-kamailio DIR beside it")
        measured = cov_kamailio is not None
        options = Options.of(defines=define, lab=lab, evidence=evidence, seed=seed, coverage=measured, **where)
        if options.target is not None and options.agent_url is None and len(canyan) == len(scenarios):
            failures = [
                run_bare(each, options, executable=executable, echo=click.echo if verbose else None)
                for each in canyan
            ]
            click.echo("\n\n".join(filter(None, failures)) or "passed")
            raise SystemExit(1 if any(failures) else 0)
        reporters: list[Reporter] = [Terminal()]
        reporters += [HtmlReport(html)] if html else []
        with ExitStack() as files:
            if jsonl:
                reporters.append(JsonLines(files.enter_context(jsonl.open("w", encoding="utf-8"))))
            crew = Crew(options, keeper(evidence), reporters, jobs)
            passed = crew.run(scenarios)
        if cov_kamailio is not None:
            passed = report_coverage(crew.coverage, cov_kamailio, fail_under=cov_fail_under) and passed
    except UsageError as error:
        click.echo(str(error), err=True)
        raise SystemExit(2) from None
    except HarnessError as error:
        click.echo(str(error), err=True)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        click.echo("interrupted; the labs are taken down", err=True)
        raise SystemExit(1) from None
    raise SystemExit(0 if passed else 1)
