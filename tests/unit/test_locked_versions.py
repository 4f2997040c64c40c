"""requirements.txt and requirements-dev.txt: what `make setup` installs, by hash, with nothing else resolved."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).parents[2]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
LOCKS: Mapping[str, list[str]] = {
    "requirements.txt": PROJECT["dependencies"],
    "requirements-dev.txt": PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"],
}
PYTHONS = ("3.11.2", "3.11.7", "3.12.1", "3.13.0", "3.14.0")
"""The first is Debian 12's own."""


def locked(name: str) -> list[tuple[Requirement, list[str]]]:
    """The requirements of a file, each with its hashes."""
    entries = re.split(r"\n(?=\S)", (CHECKOUT / name).read_text("utf-8").replace("\\\n", ""))
    return [
        (Requirement(entry.partition(" --hash=")[0].strip()), re.findall(r"--hash=(\S+)", entry))
        for entry in entries
        if not entry.startswith("#")
    ]


def on(python: str, requirements: list[Requirement]) -> dict[str, str]:
    """What such a Python gets on Linux: versions by the packages' names."""
    environment = {
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "python_version": python.rpartition(".")[0],
        "python_full_version": python,
    }
    chosen = [each for each in requirements if each.marker is None or each.marker.evaluate(environment)]
    versions: dict[str, str] = {
        canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in chosen
    }
    assert len(versions) == len(chosen), f"two versions of one package on Python {python}"
    return versions


@pytest.mark.parametrize("name", LOCKS)
def test_each_package_has_one_version_and_its_hashes(name: str) -> None:
    for requirement, hashes in locked(name):
        assert [each.operator for each in requirement.specifier] == ["=="], requirement.name
        assert hashes, requirement.name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), requirement.name


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", LOCKS)
def test_the_versions_are_those_of_the_constraints(name: str, python: str) -> None:
    pinned = on(
        python, [Requirement(line) for line in (CHECKOUT / "constraints.txt").read_text("utf-8").splitlines()]
    )
    versions = on(python, [requirement for requirement, _ in locked(name)])
    assert versions.items() <= pinned.items(), "make lock writes the files"


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", LOCKS)
def test_what_the_project_depends_on_is_locked(name: str, python: str) -> None:
    versions = on(python, [requirement for requirement, _ in locked(name)])
    for wanted in map(Requirement, LOCKS[name]):
        version = versions.get(canonicalize_name(wanted.name))
        assert version is not None, f"{wanted.name} isn't in {name}: make lock"
        assert wanted.specifier.contains(version), f"{name} has {wanted.name} {version}, and {wanted} is needed"
