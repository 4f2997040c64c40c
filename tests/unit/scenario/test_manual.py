"""The manual's tables are the model's, and what it shows of files and mistakes is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rating_harness.errors import ScenarioError
from rating_harness.scenario.loader import load
from rating_harness.scenario.manual import reference
from rating_harness.scenario.model import INVARIANTS, Scenario
from rating_harness.scenario.values import PLACEHOLDERS

PROJECT = Path(__file__).parents[3]
README = (PROJECT / "README.md").read_text("utf-8")
MANUAL = (PROJECT / "docs" / "scenarios.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```$", MANUAL, re.MULTILINE | re.DOTALL)


def test_the_tables_are_the_models() -> None:
    assert reference(Scenario).strip() in MANUAL
    for name, meaning in INVARIANTS.items():
        assert f"| `{name}` | {meaning} |" in MANUAL


def test_the_mistake_that_the_manual_shows_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("scenarios").mkdir()
    path = Path("scenarios/balance-runs-out.yaml")
    path.write_text(EXAMPLES[0].replace("hangup:", "hangups:"), "utf-8")
    with pytest.raises(ScenarioError) as caught:
        load(path)
    assert f"$ rating-harness validate scenarios\n{caught.value}\n```" in MANUAL


def test_the_readme_shows_the_file_that_it_names_and_a_mistake_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "scenarios/dialog/balance-runs-out.yaml"
    shown = (PROJECT / name).read_text("utf-8")
    assert f"`{name}`:\n\n```yaml\n{shown}```" in README
    monkeypatch.chdir(tmp_path)
    path = Path(name)
    path.parent.mkdir(parents=True)
    path.write_text(shown.replace("hangup:", "hangups:"), "utf-8")
    with pytest.raises(ScenarioError) as caught:
        load(path)
    assert f"```\n{caught.value}\n```" in README


def test_the_manual_lists_what_can_stand_in_braces() -> None:
    assert "".join(f"| `{{{name}}}` | {meaning} |\n" for name, meaning in PLACEHOLDERS.items()) in MANUAL
