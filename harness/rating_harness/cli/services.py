"""The commands ``engine`` and ``tap``: services of a lab, run by themselves until they are stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from rating_harness.cli.options import command

__all__ = ["engine", "tap"]


@command()
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

    It runs until SIGTERM or SIGINT. One line on standard output says that it answers, and where.
    """
    from rating_harness.rating.address import Address
    from rating_harness.rating.engine.server import run

    run(
        [Address.parse(text) for text in agent],
        [Address.parse(text) for text in api],
        database=database,
        strict=strict,
        origins=origins,
        log=None if log is None else _log(log),
        ready=click.echo,
    )


def _log(name: str) -> Callable[[bytes], int | None]:
    from rating_harness.errors import UsageError

    try:
        return open(2 if name == "-" else name, "ab", buffering=0, closefd=name != "-").write
    except OSError as error:
        raise UsageError("the log can't be written", found=str(error), where=name) from error


@command()
@click.option("--listen", multiple=True, required=True, metavar="ADDRESS", help="Where the agent's clients connect.")
@click.option("--tls-listen", multiple=True, metavar="ADDRESS", help="Where they connect with TLS.")
@click.option("--certificate", type=click.Path(path_type=Path), help="PEM; a lab's own by default.")
@click.option("--key", type=click.Path(path_type=Path), help="PEM; a lab's own by default.")
@click.option("--control", multiple=True, required=True, metavar="ADDRESS", help="Where the control API is.")
@click.option("--upstream", metavar="URL", help="The agent. Without one, only faults answer.")
def tap(
    listen: Sequence[str],
    tls_listen: Sequence[str],
    certificate: Path | None,
    key: Path | None,
    control: Sequence[str],
    upstream: str | None,
) -> None:
    """Stand in front of an agent: record its exchanges, inject faults.

    An ADDRESS is HOST:PORT (port 0: any free one) or unix:PATH; there can be several of each kind. It runs until
    SIGTERM or SIGINT.
    """
    import asyncio
    import signal

    import uvloop

    from rating_harness.lab.files import data_directory
    from rating_harness.rating.address import Address
    from rating_harness.tap.server import Identity, serve

    def ready(listeners: Sequence[Address], control_listeners: Sequence[Address]) -> None:
        click.echo(
            f"tap ready at {' '.join(map(str, listeners))}, control at {' '.join(map(str, control_listeners))}"
        )

    identity = None
    if tls_listen:
        lab = data_directory("compose") / "tls"
        identity = Identity(certificate or lab / "certificate.pem", key or lab / "key.pem")

    async def run() -> None:
        stop = asyncio.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(signum, stop.set)
        await serve(
            [Address.parse(text) for text in listen],
            [Address.parse(text) for text in control],
            upstream,
            tls_listen=[Address.parse(text) for text in tls_listen],
            identity=identity,
            ready=ready,
            stop=stop,
        )

    uvloop.run(run())
