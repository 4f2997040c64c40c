"""``rating-harness tap``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

__all__ = ["tap"]


@click.command()
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

    An ADDRESS is HOST:PORT (port 0: any free one) or unix:PATH; there can be several of each kind.
    """
    import asyncio
    import signal

    import uvloop

    from rating_harness.errors import HarnessError
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

    try:
        uvloop.run(run())
    except HarnessError as error:
        raise click.ClickException(str(error)) from None
