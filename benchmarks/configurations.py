"""How many configurations of other people the parser reads, and what it says of the others.

    python -m benchmarks.configurations DIR [--version 6.0.1]

Each ``*.cfg`` below DIR is parsed, but for those in folders called ``obsolete``. Kamailio's own source package has
more than a hundred: README.md says how to get it, and what came of it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from rating_harness.errors import ConfigurationError
from rating_harness.kamailio_config.parser import load
from rating_harness.kamailio_config.preprocessor import version_defines


@click.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--version", default="6.0.1", show_default=True, help="The Kamailio that conditions ask for.")
def main(directory: Path, version: str) -> None:
    """Parse each configuration below DIRECTORY."""
    files = [path for path in sorted(directory.rglob("*.cfg")) if "obsolete" not in path.parts]
    refused = 0
    for path in files:
        try:
            load(path, version_defines(version))
        except ConfigurationError as error:
            refused += 1
            click.echo(f"{error.where}: {error.message}{f', found {error.found}' if error.found else ''}")
    click.echo(f"{len(files) - refused} of {len(files)} parsed")
    sys.exit(0 if files else 1)


if __name__ == "__main__":
    main()
