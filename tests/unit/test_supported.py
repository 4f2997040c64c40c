"""What `make test-floors` installs, and where what an end of the range takes can't be had."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests import supported
from tests.supported import PROJECT, ends, floors, least, prefix


def test_the_least_version_that_a_requirement_allows() -> None:
    assert least(["click>=8.1", "pysipp==0.1.0", "PyYAML>=6.0,<7"]) == {
        "click": "8.1",
        "pysipp": "0.1.0",
        "pyyaml": "6.0",
    }


@pytest.mark.parametrize("requirement", ["click", "click<9"])
def test_a_requirement_without_a_floor_is_a_mistake(requirement: str) -> None:
    with pytest.raises(ValueError, match=f"{requirement} has no floor"):
        least([requirement])


def test_all_that_runs_scenarios_has_a_floor() -> None:
    assert {Requirement(each).name for each in PROJECT["dependencies"]} <= floors().keys()


def test_the_ends_are_those_that_the_package_names() -> None:
    named = {each.rpartition(" ")[2] for each in PROJECT["classifiers"] if "Python :: 3." in each}
    newest = max(named, key=lambda version: int(version.partition(".")[2]))
    assert (ends()["floors"].python, ends()["newest"].python) == (PROJECT["requires-python"].strip(">="), newest)


def test_without_such_a_python_and_the_means_to_get_one_it_says_what_it_takes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("shutil.which", lambda *arguments, **options: None)
    monkeypatch.setattr(supported, "BUILD", tmp_path)
    with pytest.raises(SystemExit, match="Debian sid's Python is needed: this has to be root, with mmdebstrap"):
        prefix(ends()["newest"])
