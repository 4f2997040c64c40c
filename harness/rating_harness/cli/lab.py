"""The commands ``prepare``, and ``up``, ``down`` and ``logs``: a lab to play with."""

from __future__ import annotations

import click

__all__ = ["down", "logs", "prepare", "up"]


@click.command()
@click.option("--lab", type=click.Choice(["auto", "docker", "local"]), default="auto", help="Where services run.")
@click.option("--kamailio", metavar="WHERE", help="Kamailio's origin: trixie, sid, a directory, an image.")
def prepare(lab: str, kamailio: str | None) -> None:
    """Make what a lab needs once: images, or a root filesystem."""
    from rating_harness.errors import HarnessError
    from rating_harness.lab import open_lab

    try:
        open_lab(lab, release=kamailio).stop()  # type: ignore[arg-type]
    except HarnessError as error:
        raise click.ClickException(str(error)) from None


@click.command()
@click.option("--lab", type=click.Choice(["auto", "docker", "local"]), default="auto", help="Where services run.")
def up(lab: str) -> None:
    """Bring up a lab, and leave it there to play with.

    It has Kamailio and a rating engine, on loopback; where is printed.
    """
    from rating_harness.errors import HarnessError
    from rating_harness.run.options import Options
    from rating_harness.session import persistent_lab

    try:
        made = persistent_lab.put_up(Options.of(defines=(), seed=None, lab=lab))
    except HarnessError as error:
        raise click.ClickException(str(error)) from None
    if made.driver == "local" and lab == "auto":
        click.echo("No Docker engine answers: the lab runs on this machine itself, in its own network.")
    for what, address in made.addresses.items():
        click.echo(f"{what:6} {address if what == 'SIP' else f'http://{address}'}")
    click.echo("`rating-harness down` (or `make docker-stop`) takes it down.")


@click.command()
def down() -> None:
    """Take down the lab of 'up'."""
    from rating_harness.errors import HarnessError
    from rating_harness.session import persistent_lab

    try:
        taken = persistent_lab.take_down()
    except HarnessError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"the {taken.driver} lab {taken.id} is gone" if taken else "no lab stands")


@click.command()
@click.argument("service", required=False)
def logs(service: str | None) -> None:
    """Show what the lab of 'up' has logged.

    That of all its services, or of SERVICE: rating-engine, rating-agent, kamailio.
    """
    from rating_harness.errors import HarnessError
    from rating_harness.run.options import Options
    from rating_harness.run.stack import AGENT, ENGINE, KAMAILIO, Stack
    from rating_harness.session import persistent_lab

    stands = persistent_lab.find()
    if stands is None:
        raise click.ClickException("no lab stands; `rating-harness up` brings one up")
    try:
        stack = Stack.attach(stands.driver, stands.id, Options())
        services = [ENGINE, AGENT, KAMAILIO]
        for name in [service] if service else services:
            try:
                output = stack.lab.service(name).output()
            except KeyError:
                raise click.ClickException(f"the lab has no service {name}, but {', '.join(services)}") from None
            for line in output.splitlines():
                click.echo(line if service else f"{name:13}  {line}")
    except HarnessError as error:
        raise click.ClickException(str(error)) from None
