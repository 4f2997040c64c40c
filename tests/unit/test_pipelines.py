"""The repository's own pipelines, and the manual's: they call what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from rating_harness.run.lab_options import LAB_OPTIONS
from rating_harness.session.project_files import project_files

CHECKOUT = Path(__file__).parents[2]
TARGETS = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
MANUAL = re.findall(r"```yaml\n(.*?)```", (CHECKOUT / "docs/ci.md").read_text(), re.DOTALL)


@pytest.mark.parametrize(
    "text",
    [(CHECKOUT / ".github/workflows/ci.yml").read_text(), (CHECKOUT / ".gitlab-ci.yml").read_text(), *MANUAL],
    ids=["github", "gitlab", "manual-gitlab", "manual-github"],
)
def test_targets_and_options_are_there(text: str) -> None:
    assert isinstance(yaml.safe_load(text), dict)
    targets = re.findall(r"\bmake ([a-z-]+)", text)
    assert "test-kamailio" in targets
    assert set(targets) - {"git"} <= TARGETS
    assert set(re.findall(r"--rating-([a-z-]+)", text)) <= set(LAB_OPTIONS)


def test_the_manual_shows_what_init_writes() -> None:
    files = project_files("")
    assert [files[".gitlab-ci.yml"], files[".github/workflows/scenarios.yml"]] == MANUAL


def test_a_shard_is_one_of_as_many_as_there_are_jobs() -> None:
    gitlab, github = (yaml.safe_load(text) for text in MANUAL)
    (script,) = gitlab["scenarios"]["script"]
    assert gitlab["scenarios"]["parallel"] == 2
    assert "--rating-shard=$CI_NODE_INDEX/$CI_NODE_TOTAL " in script
    job = github["jobs"]["scenarios"]
    assert job["strategy"]["matrix"] == {"shard": [1, 2]}
    assert "--rating-shard=${{ matrix.shard }}/${{ strategy.job-total }} " in job["steps"][-2]["run"]
