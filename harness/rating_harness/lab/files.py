"""Where the files are that aren't Python: in a checkout at its top level, in an installed package inside of it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rating_harness.errors import UsageError

__all__ = ["data_directory"]


def data_directory(name: Literal["compose", "kamailio", "scenarios"]) -> Path:
    """The directory of the compose files, of Kamailio's configuration, or of the scenarios.

    :raises UsageError: the package was taken apart.
    """
    package = Path(__file__).resolve().parent.parent
    checkout = package.parent.parent
    for candidate in (package / "_data" / name, checkout / name):
        if candidate.is_dir():
            return candidate
    raise UsageError(f"the directory {name!r} of the package is gone", hint="install rating-harness again")
