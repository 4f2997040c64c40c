"""GitHub's step summary."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating_harness.checks import judge
from rating_harness.errors import LabError
from rating_harness.report import events
from rating_harness.report.step_summary import StepSummary
from rating_harness.session.report_files import report_files
from tests.unit.report import scenes


def test_counts_and_causes_as_markdown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scenario, evidence = scenes.refused(Path("refused.yaml"))
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    reporter = StepSummary(summary)
    for event in (
        events.SessionStarted(0.0, 3, 7, "local"),
        events.LabUp(0.5, 0.5, {"driver": "local", "kamailio": "6.0.1"}),
        events.ScenarioFinished(1.0, 1.5, scenario, judge(scenario, evidence), evidence, None, 7),
        events.ScenarioFailedToRun(2.0, 0.25, scenario, LabError("a | b <script> `c` _d_")),
        events.ScenarioSkipped(2.0, scenario, "no TLS"),
        events.SessionFinished(3.0, 12.4),
    ):
        reporter.on_event(event)
    lines = summary.read_text().splitlines()
    assert lines[:4] == [
        "before",
        "### Scenarios: 1 failed, 1 not run, 1 skipped",
        "",
        "driver local, kamailio 6.0.1, seed 7; 12 s",
    ]
    assert lines[7].startswith("| failed | A call is made | refused.yaml:1 | call ana: another final reply")
    assert lines[8] == r"| not run | A call is made | refused.yaml:1 | a \| b &lt;script&gt; \`c\` \_d\_ |"


def test_a_session_without_scenarios_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    (reporter,) = report_files({"html": None})
    reporter.on_event(events.SessionStarted(0.0, 0, 7, "local"))
    reporter.on_event(events.SessionFinished(1.0, 1.0))
    assert not (tmp_path / "summary.md").exists()
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    assert report_files({"html": None}) == []
