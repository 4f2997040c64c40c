"""The command ``rating-harness run``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["run"]


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--lab", type=click.Choice(["auto", "docker", "local"]), default="auto", help="Where services run.")
@click.option("--kamailio", metavar="WHERE", help="Kamailio's origin: trixie, sid, a directory, an image.")
@click.option("--kamailio-config", metavar="DIR", type=click.Path(path_type=Path), help="Your own configuration.")
@click.option("--define", metavar="NAME=VALUE", multiple=True, help="Kamailio's -A; repeatable.")
@click.option("--agent-url", metavar="URL", help="The agent of your own rating engine.")
@click.option("--api-url", metavar="URL", help="The API of your own rating engine.")
@click.option("--target", metavar="HOST:PORT", help="A Kamailio that runs already.")
@click.option("--seed", type=int, help="Seed of all that is drawn.")
@click.option("--evidence", metavar="DIR", type=click.Path(path_type=Path), help="Keep all evidence there.")
@click.option("--jobs", "-j", type=click.IntRange(1, 64), default=2, show_default=True, help="Labs side by side.")
@click.option("--html", metavar="FILE", type=click.Path(path_type=Path), help="Write a report, one file.")
@click.option("--jsonl", metavar="FILE", type=click.Path(path_type=Path), help="Write a line of JSON per event.")
def run(
    paths: tuple[Path, ...],
    lab: str,
    define: tuple[str, ...],
    seed: int | None,
    jobs: int,
    html: Path | None,
    jsonl: Path | None,
    evidence: Path | None,
    **where: object,
) -> None:
    """Run the scenarios in PATHS, files or directories of them.

    The exit status is 0 when all passed; 1 when one failed, or the lab did not start; 2 for a wrong file or option,
    or when there is no scenario.
    """
    import signal
    from contextlib import ExitStack

    from harness.crew import Crew
    from harness.errors import HarnessError, ScenarioError, UsageError
    from harness.keeping import keeper
    from harness.report.events import Reporter
    from harness.report.html import HtmlReport
    from harness.report.jsonl import JsonLines
    from harness.report.terminal import Terminal
    from harness.run.options import Options
    from harness.scenario.loader import load, scenario_files

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    scenarios, mistakes = [], []
    try:
        for file in scenario_files(paths):
            try:
                scenarios += load(file)
            except ScenarioError as error:
                mistakes.append(error)
        if mistakes:
            raise UsageError("\n".join(map(str, mistakes)))
        if not scenarios:
            raise UsageError("there is no scenario", where=", ".join(map(str, paths)))
        options = Options.of(defines=define, lab=lab, evidence=evidence, seed=seed, **where)
        reporters: list[Reporter] = [Terminal()]
        reporters += [HtmlReport(html)] if html else []
        with ExitStack() as files:
            if jsonl:
                reporters.append(JsonLines(files.enter_context(jsonl.open("w", encoding="utf-8"))))
            passed = Crew(options, keeper(evidence), reporters, jobs).run(scenarios)
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
