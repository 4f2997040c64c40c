"""Debian's own kamailio.cfg: with docs/integration.md's patch it keeps the rating contract; without, it says why."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from rating_harness.lab import rootfs
from rating_harness.lab.files import data_directory
from rating_harness.report.failure import failure_text
from rating_harness.run.options import Options
from rating_harness.scenario.loader import load
from rating_harness.session.session import Outcome, Session

pytestmark = pytest.mark.lab

ROOT = Path(__file__).parents[2]
SCREEN = 50
"""Lines."""

CONTRACT = [
    "authorization/account-not-found.yaml",
    "agent/down.yaml",
    "routing/dead-carrier.yaml[503]",
    "unanswered/cancelled.yaml[while_ringing]",
    "dialog/glare.yaml",
    "dialog/balance-runs-out.yaml",
]


def patch_of_the_guide() -> str:
    (patch,) = re.findall(r"```diff\n(.*?)```", (ROOT / "docs/integration.md").read_text(), re.DOTALL)
    return str(patch)


def stock_configuration(directory: Path) -> Path:
    """Debian's, in a directory of its own."""
    shutil.copy(rootfs.ensure("trixie") / "etc/kamailio/kamailio.cfg", directory / "kamailio.cfg")
    return directory


def outcome_of(session: Session, name: str) -> Outcome:
    file, _, row = name.partition("[")
    rows = {each.origin.row: each for each in load(ROOT / "scenarios" / file)}
    return session.run(rows[row.rstrip("]")])


def session_with(configuration: Path, evidence: Path) -> Session:
    options = Options(
        lab="local", kamailio="trixie", kamailio_config=configuration, fast_timers=True, seed=1, evidence=evidence
    )
    return Session(options, lambda plan, evidence, verdict: None, alone=True)


@pytest.fixture(scope="module")
def guided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    directory = stock_configuration(tmp_path_factory.mktemp("guided"))
    subprocess.run(["git", "apply", "-"], cwd=directory, input=patch_of_the_guide(), text=True, check=True)
    for file in data_directory("kamailio").glob("rating*.cfg"):
        shutil.copy(file, directory)
    session = session_with(directory, tmp_path_factory.mktemp("evidence"))
    yield session
    session.close()


@pytest.mark.parametrize("scenario", CONTRACT)
def test_with_the_patch_of_the_guide_it_keeps_the_contract(guided: Session, scenario: str) -> None:
    outcome = outcome_of(guided, scenario)
    assert outcome.skipped is None
    assert outcome.verdict is not None
    assert outcome.evidence is not None
    assert outcome.verdict.passed, failure_text(outcome.scenario, outcome.evidence, outcome.verdict, None)


def test_what_is_no_part_of_the_contract_is_skipped_with_the_reason(guided: Session) -> None:
    outcome = outcome_of(guided, "agent/no-worker-waits.yaml")
    assert outcome.skipped == (
        "--profile contract: a policy of the project's own kamailio.cfg: OPTIONS is answered with 200"
    )


def test_what_was_changed_stands_in_the_verdict(guided: Session) -> None:
    evidence = outcome_of(guided, "authorization/account-not-found.yaml").evidence
    assert evidence is not None
    assert "tm's fr_timer is 2000 in place of 30000 ms" in evidence.lab["prepared"]
    assert "RATING_HTTP_TIMEOUT is 1000 in place of 2000 ms" in evidence.lab["prepared"]


def test_without_it_one_screen_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    session = session_with(stock_configuration(tmp_path / "theirs"), tmp_path / "evidence")
    try:
        outcome = outcome_of(session, "authorization/authorised.yaml")
    finally:
        session.close()
    assert outcome.verdict is not None
    assert outcome.evidence is not None
    text = failure_text(outcome.scenario, outcome.evidence, outcome.verdict, None)
    assert len(text.splitlines()) <= SCREEN
    assert "seen | 404 Not Found" in text
    module, *_, agent = outcome.evidence.lab["prepared"].splitlines()
    assert module.startswith(f"{tmp_path}/theirs/kamailio.cfg:1108: the module dialog isn't loaded")
    assert agent.startswith("it asks no rating agent")
    assert "\nprepared  " in text
