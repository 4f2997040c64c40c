"""The commands ``rating-harness doctor`` and ``rating-harness clean``."""

from __future__ import annotations

import shutil
import time

import click

from rating_harness.errors import HarnessError, MissingTool

__all__ = ["clean", "doctor"]

_COLOURS = {"ok": "green", "absent": "yellow", "broken": "red"}


@click.command()
def doctor() -> None:
    """Tell what this machine has for a lab, and what it lacks.

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
        raise click.ClickException("no lab can be brought up on this machine")
    click.echo(f"Labs that can be brought up: {', '.join(labs)}.")


@click.command()
@click.option("--list", "only_list", is_flag=True, help="Only tell which local labs there are.")
@click.option("--cache", is_flag=True, help="Remove the cached root filesystems too.")
def clean(only_list: bool, cache: bool) -> None:
    """Remove the leftovers of killed runs, and labs that stand.

    What another run still uses is left alone.
    """
    try:
        lines = _labs() if only_list else [f"removed {name}" for name in _remove(cache=cache)]
    except HarnessError as error:
        raise click.ClickException(str(error)) from error
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


def _remove(*, cache: bool) -> list[str]:
    """What was removed, each by a name that tells what it was."""
    from rating_harness.lab import lease, rootfs

    removed = [f"local lab {lab_id}" for lab_id in lease.sweep(kept=True)]
    removed += [f"docker lab {lab_id}" for lab_id in _sweep_docker()]
    for path in rootfs.made_by_this_user() if cache else ():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        removed.append(str(path))
    return removed


def _sweep_docker() -> list[str]:
    from rating_harness.lab import docker

    try:
        return docker.sweep(kept=True)
    except MissingTool:
        # No engine answers, so that there is nothing of ours in it.
        return []
