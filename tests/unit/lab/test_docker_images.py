from __future__ import annotations

import re
from pathlib import Path

import pytest

import rating_harness
from rating_harness.lab import rootfs
from rating_harness.lab.docker import images
from rating_harness.lab.docker.images import PACKAGE_FILES, _context, _hash
from rating_harness.lab.files import data_directory

NEEDED = {*PACKAGE_FILES, "compose/harness.Dockerfile", "compose/lab.yaml", "kamailio/kamailio.cfg"}


def test_the_harness_image_is_built_from_the_source_tree() -> None:
    context = _context("harness")
    package = "harness/rating_harness"
    assert NEEDED | {f"{package}/cli/main.py", f"{package}/lab/docker/images.py"} <= set(context)
    assert not [name for name in context if "__pycache__" in name]


def test_the_harness_image_is_built_from_an_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "harness"
    for name in NEEDED:
        (package / "_data" / name).parent.mkdir(parents=True, exist_ok=True)
        (package / "_data" / name).write_text(name)
    (package / "__init__.py").touch()
    monkeypatch.setattr(rating_harness, "__file__", str(package / "__init__.py"))
    monkeypatch.setattr(images, "data_directory", lambda name: package / "_data" / name)
    assert set(_context("harness")) == {
        *NEEDED,
        "harness/rating_harness/__init__.py",
        "docs/README",
        "scenarios/README",
    }


def test_the_other_images_need_their_recipe_alone() -> None:
    assert set(_context("sipp")) == {"compose/sipp.Dockerfile"}


def test_what_goes_into_an_image_is_in_its_name() -> None:
    parts = {"a": b"1", "b": b"2"}
    assert _hash(parts) == _hash(dict(reversed(parts.items())))
    others = [{"a": b"1"}, {"a": b"12", "b": b""}, {"a": b"2", "b": b"1"}, {"a": b"1", "c": b"2"}]
    assert len({_hash(each) for each in (parts, *others)}) == 5


def _installed(dockerfile: str) -> set[str]:
    """The packages that its runs of apt-get install."""
    text = (data_directory("compose") / dockerfile).read_text().replace("\\\n", " ")
    found = re.findall(r"apt-get install -y --no-install-recommends ([^&\n]+)", text)
    return {name for names in found for name in names.split()}


def test_the_runner_image_has_what_a_local_lab_takes() -> None:
    python = {"python3", "python3-venv"}
    assert _installed("harness.Dockerfile") == {"ca-certificates", *python}
    assert _installed("runner.Dockerfile") == {*rootfs.PACKAGES, *python}


def test_the_runner_image_shares_the_layers_of_the_harness_image() -> None:
    """An engine that has made the one makes the other in half the time."""

    def instructions(dockerfile: str) -> list[str]:
        text = (data_directory("compose") / dockerfile).read_text()
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        return lines[: next(at for at, line in enumerate(lines) if "pip install -c constraints.txt" in line) + 1]

    assert instructions("runner.Dockerfile") == instructions("harness.Dockerfile")
