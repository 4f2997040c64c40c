"""What other people's configurations meet in a lab: each starts, or its first obstacle is named, and after how long.

    python -m benchmarks.public_configurations DIR [--lab local] [--kamailio trixie]

Each directory below DIR that has a kamailio.cfg is a configuration, and so is each ``*.cfg`` right in DIR. None of
them is part of this project: bring your own, or fetch some.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from rating_harness.errors import HarnessError
from rating_harness.run.options import Options
from rating_harness.run.stack import Stack

LIMIT = 5.0
"""Seconds that an obstacle may take to be named on a machine that does nothing else."""


def configurations(directory: Path) -> Iterator[Path]:
    yield from sorted(path.parent for path in directory.rglob("kamailio.cfg") if path.parent != directory)
    yield from sorted(directory.glob("*.cfg"))


def first_obstacle(configuration: Path, lab: str, kamailio: str | None) -> str | None:
    """What keeps it from starting, in one line, with its place and what to do; None if it starts."""
    options = Options(lab=lab, kamailio=kamailio, kamailio_config=configuration, seed=1)  # type: ignore[arg-type]
    try:
        Stack.open(options).close()
    except HarnessError as error:
        where = f"{error.where}: " if error.where else ""
        cause = next((line for line in (error.detail or "").splitlines() if re.search("ERROR|CRITICAL", line)), "")
        return f"{where}{error.message}{f' ({cause.strip()})' if cause else ''}; {error.hint or 'no remedy is told'}"
    return None


@click.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--lab", default="local", show_default=True)
@click.option("--kamailio", metavar="WHERE", help="As of `rating-harness run`.")
def main(directory: Path, lab: str, kamailio: str | None) -> None:
    """Start a lab with each configuration below DIRECTORY."""
    found = list(configurations(directory))
    late = 0
    for configuration in found:
        started = time.monotonic()
        obstacle = first_obstacle(configuration, lab, kamailio)
        seconds = time.monotonic() - started
        late += obstacle is not None and seconds > LIMIT
        click.echo(f"{seconds:5.1f} s  {configuration.relative_to(directory)}: {obstacle or 'starts'}")
    click.echo(f"{len(found)} configurations, {late} obstacles named after more than {LIMIT:g} s")
    sys.exit(0 if found and not late else 1)


if __name__ == "__main__":
    main()
