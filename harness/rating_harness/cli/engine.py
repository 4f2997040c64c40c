"""The command ``rating-harness engine``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

__all__ = ["engine"]


@click.command()
@click.option(
    "--agent",
    multiple=True,
    metavar="ADDRESS",
    default=["127.0.0.1:8080"],
    show_default=True,
    help="Where the agent listens: HOST:PORT (port 0 takes a free one) or unix:PATH. May be repeated.",
)
@click.option(
    "--api",
    multiple=True,
    metavar="ADDRESS",
    default=["127.0.0.1:8000"],
    show_default=True,
    help="Where the API listens. May be repeated.",
)
@click.option(
    "--database",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep the records in this SQLite file; without it they are gone when the engine ends.",
)
@click.option(
    "--allow-origin",
    "origins",
    multiple=True,
    metavar="ORIGIN",
    help="Web pages of this origin may change something (http://HOST:PORT; * for any). May be repeated.",
)
@click.option("--strict", is_flag=True, help="Refuse what the real engine accepts by mistake.")
@click.option("--log", metavar="FILE|-", help="Log requests to a file, or to standard error.")
def engine(
    agent: tuple[str, ...],
    api: tuple[str, ...],
    database: Path | None,
    origins: tuple[str, ...],
    strict: bool,
    log: str | None,
) -> None:
    """Run the embedded rating engine.

    It runs until it's told to end (SIGTERM or SIGINT). One line on standard output says that it answers, and where.
    """
    from rating_harness.errors import HarnessError
    from rating_harness.rating.address import Address
    from rating_harness.rating.engine.server import run

    try:
        run(
            [Address.parse(text) for text in agent],
            [Address.parse(text) for text in api],
            database=database,
            strict=strict,
            origins=origins,
            log=None if log is None else _log(log),
            ready=click.echo,
        )
    except HarnessError as error:
        raise click.ClickException(str(error)) from error


def _log(name: str) -> Callable[[bytes], int | None]:
    from rating_harness.errors import UsageError

    try:
        return open(2 if name == "-" else name, "ab", buffering=0, closefd=name != "-").write
    except OSError as error:
        raise UsageError("the log can't be written", found=str(error), where=name) from error
