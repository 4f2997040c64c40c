"""pytest in environments that have something by a name of ours: folders, packages, plugins, options."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]

SCENARIO = """\
scenario: A call is made
given:
  accounts: [{account_tag: "1000", type: PREPAID, balance: 10}]
  carriers: [{carrier_tag: carrier, host: carrier}]
calls: [{id: ana, from: "1000", to: "39040123456"}]
"""

NO_LAB = """\
from rating_harness.checks import Verdict
from rating_harness.session.session import Outcome, Session
from tests.builders import evidence_of

def without_a_lab(session, scenario):
    return Outcome(scenario, 0.1, None, evidence_of(()), Verdict(scenario.id, ()), None)

Session.run = without_a_lab
"""
"""Runs no call: which pytest starts with which options is the question here."""

OPTIONS = ("--seed", "--lab", "--target", "--define", "--evidence", "--kamailio", "--agent-url", "--api-url")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of somebody's: a test of theirs, and a scenario."""
    folder = tmp_path / "project"
    (folder / "scenarios").mkdir(parents=True)
    (folder / "scenarios" / "call.yaml").write_text(SCENARIO)
    (folder / "test_theirs.py").write_text("def test_theirs():\n    assert True\n")
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (folder / "conftest.py").write_text(NO_LAB)
    return folder


def run_pytest(
    project: Path, *arguments: str, path: tuple[Path, ...] = (CHECKOUT,)
) -> subprocess.CompletedProcess[str]:
    """``python -m pytest`` in the project, whose folder is then the first of ``sys.path``."""
    environment: Mapping[str, str] = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def assert_two_passed(result: subprocess.CompletedProcess[str]) -> None:
    assert result.returncode == 0, result.stdout + result.stderr
    assert "2 passed" in result.stdout


def test_a_folder_and_a_package_named_harness(project: Path) -> None:
    for module in ("harness/__init__.py", "harness/plugin.py", "harness/calls/__init__.py"):
        (project / module).parent.mkdir(parents=True, exist_ok=True)
        (project / module).write_text("NAME = 'theirs'\n")
    (project / "test_theirs.py").write_text(
        "import harness.plugin\n\ndef test_theirs():\n    assert harness.plugin.NAME == 'theirs'\n"
    )
    assert_two_passed(run_pytest(project))


def test_a_folder_named_compose_among_the_installed_packages(project: Path, tmp_path: Path) -> None:
    site = tmp_path / "environment" / "site-packages"
    shutil.copytree(CHECKOUT / "harness" / "rating_harness", site / "rating_harness")
    for name in ("compose", "kamailio"):
        shutil.copytree(CHECKOUT / name, site / "rating_harness" / "_data" / name)
        for foreign in (site / name, site.parent / name):
            foreign.mkdir()
            (foreign / "__init__.py").touch()
    (project / "test_theirs.py").write_text(
        "from pathlib import Path\n"
        "from rating_harness.lab import compose\n"
        "from rating_harness.lab.files import data_directory\n"
        "def test_theirs():\n"
        "    assert 'site-packages' in compose.__file__\n"
        "    assert compose.load(data_directory('compose') / 'lab.yaml').services\n"
        "    assert (data_directory('kamailio') / 'rating.cfg').is_file()\n"
    )
    assert_two_passed(run_pytest(project, path=(site, CHECKOUT)))


def test_beside_pytest_cov_and_pytest_html(project: Path) -> None:
    result = run_pytest(project, "--cov=project", "--html=report.html", "--self-contained-html")
    assert_two_passed(result)
    assert (project / "report.html").is_file()


def test_a_conftest_with_options_of_the_same_names(project: Path) -> None:
    (project / "conftest.py").write_text(
        f"{NO_LAB}\ndef pytest_addoption(parser):\n"
        f"    for name in {OPTIONS}:\n"
        "        parser.addoption(name, default='theirs')\n"
        "    parser.addini('scenario_paths', 'theirs')\n"
    )
    (project / "test_theirs.py").write_text(
        "def test_theirs(request):\n"
        "    assert request.config.getoption('--seed') == 'text'\n"
        "    assert request.config.getoption('--lab') == 'theirs'\n"
        "    assert request.config.getoption('--rating-seed') == 7\n"
    )
    assert_two_passed(run_pytest(project, "--seed", "text", "--rating-seed", "7"))


def test_every_option_of_the_plugin_begins_with_rating() -> None:
    from rating_harness.plugin import pytest_addoption

    parser = pytest.Parser(_ispytest=True)
    pytest_addoption(parser)
    options = [name for group in parser._groups for option in group.options for name in option.names()]
    assert "--rating-seed" in options
    assert [name for name in (*options, *parser._inidict) if not name.lstrip("-").startswith("rating")] == []


HEAVY = ("pydantic", "jinja2", "httpx", "docker", "rich", "dpkt")


def test_other_peoples_pytest_imports_next_to_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project / "summary.md"))
    shutil.rmtree(project / "scenarios")
    (project / "conftest.py").unlink()
    (project / "test_theirs.py").write_text(
        f"import sys\n\ndef test_theirs():\n    assert [name for name in {HEAVY} if name in sys.modules] == []\n"
    )
    result = run_pytest(project, "-p", "no:schemathesis", "-p", "no:hypothesispytest", "-p", "no:html")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 passed" in result.stdout
    assert not (project / "summary.md").exists()


def test_a_step_summary_where_there_are_scenarios(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project / "summary.md"))
    assert_two_passed(run_pytest(project, "-n", "2"))
    assert (project / "summary.md").read_text().startswith("### Scenarios: 1 passed\n")
