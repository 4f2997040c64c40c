"""Write the site's sources, and build it: ``python -m documentation``. What isn't right in a page fails it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from documentation.pages import CHECKOUT, CONFIGURATION, BrokenLink, site_files

BUILD = CHECKOUT / "build"


def build(directory: Path) -> int:
    """Build the site into ``directory``/site; returns the exit status."""
    sources = directory / "docs"
    shutil.rmtree(sources, ignore_errors=True)
    try:
        files = site_files()
    except BrokenLink as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for name, content in files.items():
        path = sources / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    shutil.copy(CONFIGURATION, directory / "zensical.toml")
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict", "--clean"]
    return subprocess.run([*command, "-f", str(directory / "zensical.toml")], check=False).returncode


if __name__ == "__main__":
    BUILD.mkdir(exist_ok=True)
    sys.exit(build(BUILD))
