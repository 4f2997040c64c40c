"""The public API: what is pinned here changes only with a deprecation (CONTRIBUTING.md)."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

from rating_harness import api, plugin

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text()

NAMES = [
    "Call",
    "Evidence",
    "Finding",
    "HarnessError",
    "Location",
    "Outcome",
    "RunScenario",
    "Scenario",
    "ScenarioError",
    "ScenarioFailed",
    "Stack",
    "TesterFailed",
    "UsageError",
    "Verdict",
    "calls_of",
    "judge",
    "load",
    "read_evidence",
    "run_tester",
]

FIELDS = {
    api.Outcome: {"scenario", "seconds", "plan", "evidence", "verdict", "folder", "skipped"},
    api.Verdict: {"scenario", "findings"},
    api.Finding: {"check", "message", "expected", "seen", "where", "call_id", "hint", "consequences"},
    api.Evidence: {
        *("started", "ended", "call_ids", "messages", "captured", "exchanges", "dialogs", "before", "after"),
        *("log", "sipp", "services", "lab"),
    },
    api.Location: {"path", "line", "column"},
}
"""Of each value those fields that are promised; it may have more."""

CALL = {"invite", "replies", "final", "answered", "ended_by", "duration", "setup", "tried", "answered_by"}


def test_the_names() -> None:
    assert api.__all__ == NAMES
    assert plugin.__all__ == ["ScenarioFailed", "ScenarioFile", "ScenarioItem"]


@pytest.mark.parametrize("value", FIELDS, ids=lambda value: value.__name__)
def test_the_fields_of_values(value: type) -> None:
    names = {field.name for field in fields(value)}
    assert names >= FIELDS[value]
    assert value.__dataclass_params__.frozen  # type: ignore[attr-defined]


def test_a_call_and_a_verdict() -> None:
    assert {name for name in CALL if not hasattr(api.Call, name)} == set()
    assert isinstance(api.Verdict.passed, property)


def test_the_fixtures() -> None:
    for name in ("run_scenario", "rating_engine", "rating_stack"):
        assert hasattr(plugin, name)
        assert f"| `{name}" in PAGE
    signature = inspect.signature(api.RunScenario.__call__)
    assert list(signature.parameters) == ["self", "scenario", "check"]
    assert signature.parameters["check"].default is True


def test_a_failed_scenario_is_an_assertion_that_failed() -> None:
    assert issubclass(api.ScenarioFailed, AssertionError)
    assert issubclass(api.TesterFailed, RuntimeError)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("RunScenario", "Scenario", "Location")])
def test_the_page_names_it(name: str) -> None:
    assert re.search(rf"\b{name}\b", PAGE)


def test_the_pages_example_is_valid_and_uses_the_api() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    compile(example, "docs/python.md", "exec")
    (imported,) = re.findall(r"from rating_harness.api import (.*)", example)
    assert set(imported.split(", ")) <= set(NAMES)
