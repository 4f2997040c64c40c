"""The command ``rating-harness inspect``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rating_harness.cli.options import PASSED, WRONG, command

if TYPE_CHECKING:
    from rating_harness.kamailio_config.preparation import Change, Findings, Prepared
    from rating_harness.kamailio_config.tree import Configuration

__all__ = ["inspect"]

_ASKS_NOBODY = "no URL is in it: docs/integration.md says how its calls are rated ('In a configuration of your own')"
_RATED = ("route[RATING_AUTHORIZATION]", "route[RATING_BEGIN_TRANSACTION]", "route[RATING_END_TRANSACTION]")


@command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--define", metavar="NAME=VALUE", multiple=True, help="Kamailio's -A; repeatable.")
@click.option("--version", "kamailio", default="6.0.1", show_default=True, help="Kamailio's, for its conditions.")
@click.option(
    "--lab", type=click.Choice(["local", "docker"]), default="local", show_default=True, help="Which lab it's for."
)
@click.option("--fast-timers", is_flag=True, help="As of `rating-harness run`.")
@click.option(
    "--scenarios",
    metavar="PATH",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Say which of these scenarios apply; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(
    path: Path,
    define: tuple[str, ...],
    kamailio: str,
    lab: str,
    fast_timers: bool,
    scenarios: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Say what is in a Kamailio configuration, and what a lab would change. Nothing is started.

    PATH is a directory with a kamailio.cfg, or a file. The exit status is 0; 2 when it can't be parsed, or when this
    lab could not ask such a Kamailio.
    """
    import json
    from dataclasses import asdict

    from rating_harness.errors import ConfigurationError, Location
    from rating_harness.kamailio_config.parser import load
    from rating_harness.kamailio_config.preparation import prepare
    from rating_harness.kamailio_config.preprocessor import version_defines
    from rating_harness.run.start_failure import remedy

    given = {
        name: value if separator else None for name, separator, value in (each.partition("=") for each in define)
    }
    try:
        configuration = load(path, {**version_defines(kamailio), **given})
    except ConfigurationError as error:
        # What is to be filled in is no mistake in Kamailio's language, whatever it looks like.
        error.hint = (remedy("", error.where) if isinstance(error.where, Location) else None) or error.hint
        raise
    prepared = prepare(configuration, needs_http=lab == "docker", fast_timers=fast_timers)
    left_out = _left_out(path, prepared.findings, list(given), scenarios) if scenarios else {}
    if as_json:
        findings = asdict(prepared.findings)
        findings["modules"] = {name: str(where) for name, where in prepared.findings.modules.items()}
        findings |= {name: sorted(getattr(prepared.findings, name)) for name in ("tables", "defines", "variables")}
        changes = {"changes": prepared.changes, "obstacles": prepared.obstacles}
        shown = {name: [str(each) for each in found] for name, found in changes.items()}
        shown["lacking"] = _lacking(prepared.findings)
        click.echo(json.dumps({**findings, **shown, "left_out": left_out}, indent=2))
    else:
        _show(configuration, prepared)
        if scenarios:
            _show_left_out(left_out)
    raise SystemExit(WRONG if prepared.obstacles else PASSED)


def _left_out(path: Path, found: Findings, defines: list[str], scenarios: tuple[Path, ...]) -> dict[str, str | None]:
    """By the name of each scenario: why it's left out with this configuration; None where it isn't."""
    from rating_harness.lab.files import data_directory
    from rating_harness.run.options import Options
    from rating_harness.run.requirements import beyond_contract
    from rating_harness.session.dialects import load_paths

    is_own = path.resolve() in (data_directory("kamailio"), data_directory("kamailio") / "kamailio.cfg")
    options = Options(kamailio_config=None if is_own else path, defines=dict.fromkeys(defines, ""))
    return {each.id: beyond_contract(each, options, found) for each in load_paths(scenarios)}


def _show_left_out(left_out: Mapping[str, str | None]) -> None:
    """How many scenarios apply, and the reasons for which others don't, the most frequent first."""
    reasons = Counter(reason for reason in left_out.values() if reason is not None)
    click.echo(f"scenarios: {len(left_out) - reasons.total()} of {len(left_out)} apply")
    for reason, number in reasons.most_common():
        click.echo(f"  {number} left out: {reason}")


def _show(configuration: Configuration, prepared: Prepared) -> None:
    found = prepared.findings
    inactive = sum(len(lines) for lines in configuration.inactive.values())
    lines = sum(source.lines for source in configuration.sources.values())
    _print("files", [f"{name} ({source.lines} lines)" for name, source in configuration.sources.items()])
    click.echo(f"  {inactive} of {lines} lines are left out by these defines")
    _print("listens at", found.listeners, none="nothing of its own: the command line says it")
    _print("modules", [" ".join(found.modules)] if found.modules else [], none="none")
    _print("routes", found.routes, none="none")
    _print("asks", found.agents, none=_ASKS_NOBODY)
    missing = [title for title in _RATED if title not in found.routes]
    if len(missing) < len(_RATED):
        _print("rating routes missing", missing, none="none")
    rpc = [name for name, there in (("HTTP", found.answers_http), ("datagrams", found.answers_datagrams)) if there]
    _print("JSON-RPC answers over", rpc, none="nothing")
    _print("tm's timers", [f"{name} {ms} ms" for name, ms in found.timers.items()] if "tm" in found.modules else [])
    _print("a lab changes", prepared.changes, none="nothing")
    if lacking := _lacking(found):
        _print("a lab lacks modules", lacking)
    if prepared.obstacles:
        _print("a lab can't be brought up", prepared.obstacles)


def _lacking(found: Findings) -> list[str]:
    """The modules that a lab doesn't install, each with its place and what to do."""
    from rating_harness.kamailio.debian_packages import not_in_a_lab

    remedies = ((where, not_in_a_lab(module)) for module, where in found.modules.items())
    return [f"{where.path}:{where.line}: {remedy}" for where, remedy in remedies if remedy is not None]


def _print(title: str, found: tuple[object, ...] | list[str] | tuple[Change, ...], *, none: str = "") -> None:
    click.echo(f"{title}:")
    for each in found or [none]:
        click.echo(f"  {each}")
