"""Commands about labs in general, and about the persistent one: ``up``, ``status``, ``logs`` and ``down``."""

from __future__ import annotations

import shutil
import time
from typing import Any

import click

from rating_harness.cli.options import HELP, command, lab_options, options_of
from rating_harness.errors import LabError, MissingTool, UsageError

__all__ = ["clean", "doctor", "down", "lab_group", "logs", "prepare", "shell", "status", "up"]

_COLOURS = {"ok": "green", "absent": "yellow", "broken": "red"}


@command()
@lab_options("lab", "kamailio", "package")
def prepare(**values: Any) -> None:
    """Make what a lab needs once: images, or a root filesystem."""
    from rating_harness.lab import open_lab

    options = options_of(values)
    open_lab(options.lab, release=options.kamailio, packages=options.packages).stop()


@command()
def doctor() -> None:
    """Say what this machine has for a lab, and what it lacks.

    What is lacking comes with what installs it. The exit status is 0 when at least one kind of lab can be brought up.
    """
    from rating_harness.lab.doctor import diagnose, examine, usable_labs

    machine = examine()
    findings = diagnose(machine)
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        mark = click.style(f"{finding.state:6}", fg=_COLOURS[finding.state])
        click.echo(f"{mark}  {finding.subject:{width}}  {finding.what}")
        margin = " " * (10 + width)
        if finding.state != "ok":
            click.echo(f"{margin}for: {finding.purpose}")
        if finding.remedy:
            click.echo(f"{margin}try: {finding.remedy}")
    labs = usable_labs(machine)
    click.echo()
    if not labs:
        raise LabError("no lab can be brought up on this machine")
    click.echo(f"Labs that can be brought up: {', '.join(labs)}.")


# --- a persistent lab -----------------------------------------------------------------------------------------------


@command()
@lab_options("lab")
def up(lab: str) -> None:
    """Bring up a lab, and leave it there to play with.

    It has Kamailio and a rating engine, on loopback; where is printed.
    """
    from rating_harness.session import persistent_lab

    started = persistent_lab.start(options_of({"lab": lab}))
    if started.driver == "local" and lab == "auto":
        click.echo("No Docker engine answers: the lab runs on this machine itself, in its own network.")
    for what, address in started.addresses.items():
        click.echo(f"{what:6} {address if what == 'SIP' else f'http://{address}'}")
    click.echo("`rating-harness down` (or `make docker-stop`) removes it.")


@command()
def down() -> None:
    """Remove the lab of 'up'."""
    from rating_harness.session import persistent_lab

    stopped = persistent_lab.stop()
    click.echo(f"removed the {stopped.driver} lab {stopped.id}" if stopped else "there is no lab of 'up'")


@command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> None:
    """Say whether there is a lab of 'up', where it is, and whether runs use it.

    Exits with 1 when there is none; with --json it's null then.
    """
    import json

    from rating_harness.run.options import Options
    from rating_harness.session import persistent_lab

    lab = persistent_lab.find()
    if lab is None:
        if as_json:
            click.echo("null")
        raise LabError("there is no lab of 'up'", hint="`rating-harness up` brings one up")
    use = persistent_lab.intended_use(Options())
    if as_json:
        about = {"driver": lab.driver, "id": lab.id, "started": lab.started, "addresses": lab.addresses}
        click.echo(json.dumps({**about, "used_by_runs": use.lab is not None, "note": use.note}, indent=2))
        return
    click.echo(f"{lab.driver} lab {lab.id}, {lab.age / 60:.0f} min old")
    for what, address in lab.addresses.items():
        click.echo(f"{what:6} {address if what == 'SIP' else f'http://{address}'}")
    click.echo(use.note or ("runs use it" if use.lab else "runs bring up their own lab"))


@command()
@click.argument("service", required=False)
def logs(service: str | None) -> None:
    """Show what the lab of 'up' has logged.

    That of all its services, or of SERVICE: rating-engine, rating-agent, kamailio.
    """
    from rating_harness.run.options import Options
    from rating_harness.run.stack import AGENT, ENGINE, KAMAILIO, Stack
    from rating_harness.session import persistent_lab

    services = [ENGINE, AGENT, KAMAILIO]
    if service is not None and service not in services:
        raise UsageError(f"the lab has no service {service}", expected=", ".join(services))
    lab = persistent_lab.find()
    if lab is None:
        raise LabError("there is no lab of 'up'", hint="`rating-harness up` brings one up")
    stack = Stack.attach(lab.driver, lab.id, Options())
    for name in [service] if service else services:
        for line in stack.lab.service(name).output().splitlines():
            click.echo(line if service else f"{name:13}  {line}")


@command(allow_interspersed_args=False)
@click.option("--on-machine", is_flag=True, help="With this machine's files and programs, in the lab's network.")
@click.argument("words", metavar="[-- COMMAND ...]", nargs=-1, type=click.UNPROCESSED)
def shell(on_machine: bool, words: tuple[str, ...]) -> None:
    """Open a shell inside the lab of 'up', or run COMMAND there.

    It is beside Kamailio: with its files, in its network, where the lab's hosts have their names. A COMMAND that
    Kamailio's root filesystem lacks (psql, sngrep) is this machine's, in the lab's network; in Docker there is only
    what the container has. The exit status is COMMAND's.

    \b
    rating-harness lab shell
    rating-harness lab shell -- kamctl rpc dlg.list
    rating-harness lab shell -- sngrep -d lo
    """
    import os

    from rating_harness.run.options import Options
    from rating_harness.run.stack import Stack
    from rating_harness.session import persistent_lab

    lab = persistent_lab.find()
    if lab is None:
        raise LabError("there is no lab of 'up'", hint="`rating-harness up` brings one up")
    inside = Stack.attach(lab.driver, lab.id, Options()).lab.command_inside(words, on_machine=on_machine)
    if not words and os.isatty(0):
        click.echo(f"Inside the {lab.driver} lab {lab.id}; `exit` leaves it.", err=True)
    try:
        os.execvpe(inside.argv[0], inside.argv, dict(inside.environment))
    except OSError as error:
        raise UsageError(f"{inside.argv[0]} can't be run", found=error.strerror) from None


@click.group(name="lab", context_settings=HELP)
def lab_group() -> None:
    """The lab of 'up': a shell in it, and its other commands."""


for _each in (up, status, logs, shell, down):
    lab_group.add_command(_each)


# --- what is left over ----------------------------------------------------------------------------------------------


@command()
@click.option("--list", "only_list", is_flag=True, help="Only list the local labs there are.")
@click.option("--kept", is_flag=True, help="Remove the labs of 'up' of other checkouts too.")
@click.option(
    "--cache", is_flag=True, help="Remove the cached root filesystems, and copies of images' configurations, too."
)
def clean(only_list: bool, kept: bool, cache: bool) -> None:
    """Remove the leftovers of killed runs, and this checkout's lab of 'up'.

    What another run still uses is left alone, and so is what another checkout's 'up' has left running.
    """
    lines = _labs() if only_list else [f"removed {name}" for name in _remove(kept=kept, cache=cache)]
    for line in lines or ["no labs" if only_list else "nothing to remove"]:
        click.echo(line)


def _labs() -> list[str]:
    """A line for each local lab of this user: its id, what it is, and its age."""
    from rating_harness.lab import lease as leasing

    lines = []
    for directory, lease in leasing.leases():
        if lease is None:
            lines.append(f"{directory.name}  without a lease")
        else:
            state = "abandoned" if lease.abandoned else "kept" if lease.keep else f"of process {lease.owner.pid}"
            lines.append(f"{directory.name}  {state}, {(time.time() - lease.created) / 60:.0f} min old")
    return lines


def _remove(*, kept: bool, cache: bool) -> list[str]:
    """What was removed, each by a name that says what it was."""
    from rating_harness.lab import docker, lease, rootfs
    from rating_harness.session import persistent_lab

    stopped = persistent_lab.stop()
    removed = [f"{stopped.driver} lab {stopped.id}, of 'up'"] if stopped else []
    removed += [f"local lab {lab_id}" for lab_id in lease.sweep(kept=kept)]
    removed += [f"docker lab {lab_id}" for lab_id in _sweep_docker(kept=kept)]
    for path in [*rootfs.made_by_this_user(), *docker.copied_configurations()] if cache else ():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        removed.append(str(path))
    return removed


def _sweep_docker(*, kept: bool) -> list[str]:
    from rating_harness.lab import docker

    try:
        return docker.sweep(kept=kept)
    except MissingTool:
        # No engine answers, so that there is nothing of ours in it.
        return []
