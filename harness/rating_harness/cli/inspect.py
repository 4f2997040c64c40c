"""The command ``rating-harness inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rating_harness.cli.options import PASSED, WRONG, command

if TYPE_CHECKING:
    from rating_harness.kamailio_config.preparation import Change, Prepared
    from rating_harness.kamailio_config.tree import Configuration

__all__ = ["inspect"]

_RATED = ("route[RATING_AUTHORIZATION]", "route[RATING_BEGIN_TRANSACTION]", "route[RATING_END_TRANSACTION]")


@command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--define", metavar="NAME=VALUE", multiple=True, help="Kamailio's -A; repeatable.")
@click.option("--version", "kamailio", default="6.0.1", show_default=True, help="Kamailio's, for its conditions.")
@click.option(
    "--lab", type=click.Choice(["local", "docker"]), default="local", show_default=True, help="Which lab it's for."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(path: Path, define: tuple[str, ...], kamailio: str, lab: str, as_json: bool) -> None:
    """Say what is in a Kamailio configuration, and what a lab would change. Nothing is started.

    PATH is a directory with a kamailio.cfg, or a file. The exit status is 0; 2 when it can't be parsed, or when this
    lab could not ask such a Kamailio.
    """
    import json
    from dataclasses import asdict

    from rating_harness.kamailio_config.parser import load
    from rating_harness.kamailio_config.preparation import prepare
    from rating_harness.kamailio_config.preprocessor import version_defines

    given = {
        name: value if separator else None for name, separator, value in (each.partition("=") for each in define)
    }
    configuration = load(path, {**version_defines(kamailio), **given})
    prepared = prepare(configuration, needs_http=lab == "docker")
    if as_json:
        findings = asdict(prepared.findings)
        findings["modules"] = {name: str(where) for name, where in prepared.findings.modules.items()}
        findings |= {name: sorted(getattr(prepared.findings, name)) for name in ("tables", "defines")}
        changes = {"changes": prepared.changes, "obstacles": prepared.obstacles}
        shown = {name: [str(each) for each in found] for name, found in changes.items()}
        click.echo(json.dumps({**findings, **shown}, indent=2))
    else:
        _show(configuration, prepared)
    raise SystemExit(WRONG if prepared.obstacles else PASSED)


def _show(configuration: Configuration, prepared: Prepared) -> None:
    found = prepared.findings
    inactive = sum(len(lines) for lines in configuration.inactive.values())
    lines = sum(source.lines for source in configuration.sources.values())
    _print("files", [f"{name} ({source.lines} lines)" for name, source in configuration.sources.items()])
    click.echo(f"  {inactive} of {lines} lines are left out by these defines")
    _print("listens at", found.listeners, none="nothing of its own: the command line says it")
    _print("modules", [" ".join(found.modules)])
    _print("routes", found.routes)
    _print("asks", found.agents, none="no URL is in it")
    missing = [title for title in _RATED if title not in found.routes]
    if len(missing) < len(_RATED):
        _print("rating routes missing", missing, none="none")
    rpc = [name for name, there in (("HTTP", found.answers_http), ("datagrams", found.answers_datagrams)) if there]
    _print("JSON-RPC answers over", rpc, none="nothing")
    _print("tm's timers", [f"{name} {ms} ms" for name, ms in found.timers.items()] if "tm" in found.modules else [])
    _print("a lab changes", prepared.changes, none="nothing")
    if prepared.obstacles:
        _print("a lab can't be brought up", prepared.obstacles)


def _print(title: str, found: tuple[object, ...] | list[str] | tuple[Change, ...], *, none: str = "") -> None:
    click.echo(f"{title}:")
    for each in found or [none]:
        click.echo(f"  {each}")
