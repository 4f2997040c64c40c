"""A part of the tests at an end of what's supported: ``supported.py floors|newest [WORKERS]``.

``floors`` is Python 3.11 with each package that pyproject.toml names at the least version that it allows, pytest's
included. ``newest`` is Python 3.14 with what is locked. A Python that the machine hasn't is Debian's, in a root
filesystem that is entered for it, which takes root and mmdebstrap. All is made once, in the cache, since whoever
makes a wheel walks through the checkout; and an environment anew where what it's made of has changed. Warnings are
errors.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import platformdirs
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
CACHE = Path("/var/cache/rating-harness") if os.geteuid() == 0 else platformdirs.user_cache_path("rating-harness")
BUILD = CACHE / "supported"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

# schemathesis asks for later versions of click, PyYAML and rich than the project: with it the floors would be its.
TOOLS = ("hypothesis", "jsonschema", "markdown-it-py", "pytest-cov", "pytest-html")
"""Of the extra ``dev``, what the tests below import or use."""

_MODULES = ("plugin", "python_api", "locked_versions")
_OF_ROOMS = ("session", "scenario/test_schema.py", "scenario/test_explain.py", "report/test_reporters.py")
_SCENARIOS = (
    *("dialog/balance-runs-out", "dialog/callee-hangs-up", "transports/callers", "messages/digest"),
    *("agent/https", "routing/two-dead-carriers", "restart/limit", "clock/begun-minutes"),
)
TESTS = (
    *(f"tests/unit/test_{name}.py" for name in _MODULES),
    "tests/unit/test_other_environments.py::test_beside_pytest_cov_and_pytest_html",
    *(f"tests/unit/{name}" for name in _OF_ROOMS),
    *(f"scenarios/{name}.yaml" for name in _SCENARIOS),
)

_FROZEN = 'Acquire::Check-Valid-Until "false"'
"""sid's Release file expires within days; a mirror that is a frozen copy still serves it."""

_TAKEN_OUT = ("PYTEST_ADDOPTS", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "VIRTUAL_ENV")
"""What a make, or another environment, leaves to the processes that it starts; and all that begins with PYTHON."""

ENTER = """\
set -e
root=$1 scratch=$2 checkout=$3; shift 3
mount -t tmpfs tmpfs "$scratch"
mkdir "$scratch/new" "$scratch/written" "$scratch/work"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$scratch/written,workdir=$scratch/work" "$scratch/new"
cd "$scratch/new"
for each in /proc /dev /sys /var/cache/rating-harness /etc/ssl; do
	[ -d "$each" ] || continue
	mkdir -p ".$each"
	mount --rbind "$each" ".$each"
done
mkdir -p ".$checkout" before
mount --bind "$checkout" ".$checkout"
cp /etc/resolv.conf /etc/hosts etc/
pivot_root . before
exec chroot . sh -c 'umount -l /before && cd "$0" && exec "$@"' "$checkout" "$@"
"""
"""Makes a root filesystem this process's own. Unlike chroot(2) alone, that leaves to a lab namespaces and mounts of
its own; what is written there, but for the checkout, is gone with the process.
"""


@dataclass(frozen=True, slots=True)
class End:
    """An end of what's supported.

    :param debian: the release whose ``python3`` it is.
    :param packages: what pip is asked to install, one request after the other.
    """

    name: str
    python: str
    debian: str
    packages: Sequence[Sequence[str]]


def least(requirements: Iterable[str]) -> dict[str, str]:
    """The least version that each requirement allows: versions by the packages' names.

    :raises ValueError: a requirement has none.
    """
    found: dict[str, str] = {}
    for requirement in map(Requirement, requirements):
        versions = [each.version for each in requirement.specifier if each.operator in (">=", "==")]
        if len(versions) != 1:
            raise ValueError(f"{requirement} has no floor")
        found[canonicalize_name(requirement.name)] = versions[0]
    return found


def floors() -> dict[str, str]:
    """Of all that runs scenarios, and of the tests' tools."""
    tools = least(PROJECT["optional-dependencies"]["dev"])
    return {**least(PROJECT["dependencies"]), **{name: tools[name] for name in TOOLS}}


def ends() -> dict[str, End]:
    at_their_floors = [f"{name}=={version}" for name, version in floors().items()]
    locked = ["--no-deps", "--require-hashes", "-r", "requirements.txt"]
    of_the_tests = ["-c", "constraints.txt", "packaging", *TOOLS]
    # The project comes first where it has its say about the versions, and last where it takes what is there.
    return {
        "floors": End("floors", "3.11", "bookworm", [["-e", ".", "packaging", *at_their_floors]]),
        "newest": End("newest", "3.14", "sid", [locked, of_the_tests, ["--no-deps", "-e", "."]]),
    }


def run(command: Sequence[str | Path], **environment: str) -> None:
    """:raises SystemExit: it failed; its status is this one's."""
    kept = {
        name: text for name, text in os.environ.items() if name not in _TAKEN_OUT and not name.startswith("PYTHON")
    }
    status = subprocess.run(list(map(str, command)), cwd=ROOT, env={**kept, **environment}).returncode
    if status:
        raise SystemExit(status)


def debian(release: str) -> Path:
    """A root filesystem of that release with a Python, made if need be.

    :raises SystemExit: it can't be made.
    """
    root, new = BUILD / release, BUILD / f"{release}.new"
    if not root.is_dir():
        if os.geteuid() or shutil.which("mmdebstrap") is None:
            raise SystemExit(f"Debian {release}'s Python is needed: this has to be root, with mmdebstrap installed")
        click.echo(f"making a root filesystem of Debian {release} with Python, once")
        shutil.rmtree(new, ignore_errors=True)
        options = ("--variant=minbase", "--include=python3-venv", f"--aptopt={_FROZEN}", "--quiet")
        run(["mmdebstrap", *options, release, new])
        new.rename(root)
    return root


def prefix(end: End) -> list[str]:
    """What a command begins with that is to find that end's Python.

    :raises SystemExit: there is none.
    """
    own = shutil.which(f"python{end.python}")
    if own and subprocess.run([own, "-c", "import ensurepip"], stderr=subprocess.DEVNULL).returncode == 0:
        return []
    scratch = BUILD / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    into = ("unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "sh")
    return [*into, str(debian(end.debian)), str(scratch), str(ROOT)]


def environment_of(end: End, inside: Sequence[str]) -> Path:
    """That end's environment, made if need be."""
    files = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "requirements.txt", "constraints.txt")]
    recipe = hashlib.sha256(b"".join([*files, repr((end, inside)).encode()])).hexdigest()
    environment = BUILD / f"{end.name}-{hashlib.sha256(bytes(ROOT)).hexdigest()[:8]}"
    stamp = environment / "recipe"
    if not stamp.is_file() or stamp.read_text() != recipe:
        run([*inside, f"python{end.python}", "-m", "venv", "--clear", environment])
        pip: list[str | Path] = [*inside, environment / "bin/pip", "install", "-q", "--disable-pip-version-check"]
        for request in end.packages:
            run([*pip, *request])
        stamp.write_text(recipe)
    return environment


def try_it(end: End, workers: str) -> None:
    """:raises SystemExit: something failed."""
    started = time.monotonic()
    inside = prefix(end)
    environment = environment_of(end, inside)
    click.echo(f"an environment of Python {end.python}, {end.name}: {time.monotonic() - started:.0f} s")
    options = ("-q", "-n", workers, "--rating-lab", "local", "-p", "no:cacheprovider")
    run([*inside, environment / "bin/pytest", *TESTS, *options], PYTHONPYCACHEPREFIX=str(environment / "pycache"))
    click.echo(f"{end.name}: {time.monotonic() - started:.0f} s in all")


if __name__ == "__main__":
    try_it(ends()[sys.argv[1]], sys.argv[2] if len(sys.argv) > 2 else "2")
