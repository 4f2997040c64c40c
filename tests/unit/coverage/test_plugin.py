"""Coverage in pytest: options, the summary, reports, and the exit status; in one process and in several."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rating_harness.session.session import Outcome, Session
from tests.unit.coverage.test_reports import coverage
from tests.unit.test_plugin import run as run_without_lab
from tests.unit.test_plugin import write

pytest_plugins = ["pytester"]

PLACES = {"one": ("2:s", "3:s", "3:f"), "two": ("15:s",)}
CONFTEST = """
import tests.unit.coverage.test_plugin as stand_in
from rating_harness.session.session import Session
Session.run = stand_in.run
"""


def run(session: Session, scenario: object) -> Outcome:
    """In place of `Session.run`: what a scenario executes stands in its title."""
    outcome = run_without_lab(session, scenario)  # type: ignore[arg-type]
    if session.options.coverage:
        session.coverage.merge(coverage(*PLACES[outcome.scenario.scenario]))
    return outcome


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setattr(Session, "run", run)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    pytester.makeconftest(CONFTEST)
    for name in PLACES:
        write(pytester, f"scenarios/{name}.yaml", name)
    return pytester


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_the_summary_the_reports_and_the_exit_status(project: pytest.Pytester, workers: tuple[str, ...]) -> None:
    options = ("--rating-cov", "cov", "--rating-cov-fail-under")
    result = project.runpytest_subprocess(*workers, *options, "80")
    result.stdout.fnmatch_lines(["*coverage of Kamailio's configuration*", "Lines no scenario executes"])
    result.stdout.fnmatch_lines(["*statements 3 of 9 (33.3 %), branches 1 of 5 (20.0 %)", "reports in cov:*"])
    result.stdout.fnmatch_lines(["coverage 28.6 % is below 80 %"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert json.loads((project.path / "cov" / "coverage.json").read_text())["totals"]["percent"] == 28.57
    assert project.runpytest_subprocess(*workers, *options, "20").ret == pytest.ExitCode.OK


def test_without_the_option_nothing_is_measured(project: pytest.Pytester) -> None:
    result = project.runpytest()
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*overage*")


def test_a_limit_alone_is_a_usage_error(project: pytest.Pytester) -> None:
    result = project.runpytest("--rating-cov-fail-under", "20")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--rating-cov DIR is missing*"])
