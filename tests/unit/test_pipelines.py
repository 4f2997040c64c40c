"""The repository's own pipelines, and the manual's: they call what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from rating_harness.run.lab_options import LAB_OPTIONS

CHECKOUT = Path(__file__).parents[2]
TARGETS = set(re.findall(r"^([a-z-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))
MANUAL = re.findall(r"```yaml\n(.*?)```", (CHECKOUT / "docs/ci.md").read_text(), re.DOTALL)


@pytest.mark.parametrize(
    "text",
    [(CHECKOUT / ".github/workflows/ci.yml").read_text(), (CHECKOUT / ".gitlab-ci.yml").read_text(), *MANUAL],
    ids=["github", "gitlab", "manual"],
)
def test_targets_and_options_are_there(text: str) -> None:
    assert isinstance(yaml.safe_load(text), dict)
    targets = re.findall(r"\bmake ([a-z-]+)", text)
    assert "test-kamailio" in targets
    assert set(targets) - {"git"} <= TARGETS
    assert set(re.findall(r"--rating-([a-z-]+)", text)) <= set(LAB_OPTIONS)
