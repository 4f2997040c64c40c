"""What a stranger does: build and check the package, install it in an empty environment, init, `make test-kamailio`.

``installed_wheel.py [LAB]`` prints the seconds of each step; it exits with 1 and what a step printed where one fails.
The source distribution is built first and the wheel from it, so that what it lacks is noticed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "constraints.txt"
TAKEN_OUT = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PYTEST_ADDOPTS", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")


def environment() -> dict[str, str]:
    """This process's, without what a checkout or an environment of the project's own left in it."""
    kept = {name: value for name, value in os.environ.items() if name not in TAKEN_OUT}
    return {**kept, "PIP_CONSTRAINT": str(CONSTRAINTS), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def step(title: str, *command: str | Path, cwd: Path) -> str:
    """What the command printed.

    :raises SystemExit: it failed.
    """
    started = time.monotonic()
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    click.echo(f"{title}: {time.monotonic() - started:.1f} s")
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def try_it(work: Path, lab: str) -> None:
    """:param work: an empty directory."""
    python = Path(sys.executable)
    tools, empty, project = work / "tools", work / "empty", work / "project"
    step("an environment with build and twine", python, "-m", "venv", tools, cwd=work)
    step("  installed", tools / "bin/pip", "install", "-q", "build", "twine", cwd=work)
    step("source distribution and wheel", tools / "bin/python", "-m", "build", "-o", work / "dist", ROOT, cwd=work)
    found = sorted((work / "dist").iterdir())
    step("twine check", tools / "bin/twine", "check", "--strict", *found, cwd=work)
    (wheel,) = (path for path in found if path.suffix == ".whl")

    step("an empty environment", python, "-m", "venv", empty, cwd=work)
    step("  the wheel installed", empty / "bin/pip", "install", "-q", wheel, cwd=work)
    for name in ("docs/integration.md", "kamailio/rating.cfg"):  # as the project's README.md says
        if not list(empty.glob(f"lib/python3*/site-packages/rating_harness/_data/{name}")):
            raise SystemExit(f"the wheel lacks {name}")
    command = empty / "bin/rating-harness"
    step("init", command, "init", project, "--requirement", str(wheel), cwd=work)
    make = ("make", "-C", project, "test-kamailio", f"LAB={lab}", f"PYTHON={python}")
    for title in ("make test-kamailio, the first time", "make test-kamailio, once more"):
        printed = step(title, *make, cwd=work)
        if not re.search(r"^=+ 3 passed in", printed, re.MULTILINE):
            raise SystemExit(f"three scenarios had to pass:\n{printed}")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="rating-wheel-") as directory:
        try_it(Path(directory), sys.argv[1] if len(sys.argv) > 1 else "local")
