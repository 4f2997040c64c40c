"""The command ``rating-harness coverage``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from rating_harness.cli.main import main
from rating_harness.coverage.data import Coverage
from rating_harness.coverage.reports import write_reports
from tests.unit.coverage.test_reports import coverage


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    write_reports(coverage("2:s", "3:s", "3:f"), tmp_path / "a", at=0)
    write_reports(coverage("15:s"), tmp_path / "b", at=0)
    return tmp_path


def test_several_runs_are_put_together(reports: Path) -> None:
    arguments = ["coverage", str(reports / "a"), str(reports / "b"), "--output", str(reports / "all")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "statements 3 of 9 (33.3 %)" in result.output
    assert (reports / "all" / "lcov.info").is_file()


def test_too_little(reports: Path) -> None:
    result = CliRunner().invoke(main, ["coverage", str(reports / "a"), "--fail-under", "50"])
    assert result.exit_code == 1
    assert "is below 50 %" in result.output


def test_nothing_that_was_measured_is_too_little(tmp_path: Path) -> None:
    write_reports(Coverage(), tmp_path / "a", at=0)
    result = CliRunner().invoke(main, ["coverage", str(tmp_path / "a"), "--fail-under", "0"])
    assert result.exit_code == 1
    assert "no statement of a configuration was measured" in result.output


@pytest.mark.parametrize(
    ("line", "status", "said"), [(3, 0, "one"), (15, 1, "nobody"), (99, 2, "no statement begins")]
)
def test_who_ran_a_line(reports: Path, line: int, status: int, said: str) -> None:
    result = CliRunner().invoke(main, ["coverage", str(reports / "a"), "--line", f"kamailio.cfg:{line}"])
    assert (result.exit_code, said in result.output) == (status, True)


def test_nothing_to_read(tmp_path: Path) -> None:
    assert CliRunner().invoke(main, ["coverage", str(tmp_path)]).exit_code == 2
    result = CliRunner().invoke(main, ["run", str(tmp_path), "--cov-fail-under", "5"])
    assert result.exit_code == 2
