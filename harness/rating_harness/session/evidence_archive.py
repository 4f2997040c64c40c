"""Which evidence is kept, and where: that of scenarios that failed, and all of it where a directory is given."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import platformdirs

from rating_harness.checks import Verdict
from rating_harness.evidence.model import Evidence
from rating_harness.evidence.store import write
from rating_harness.plan.model import Plan
from rating_harness.report.failure import failure_text
from rating_harness.session.stored_run import files_of

__all__ = ["Keep", "default_directory", "keeper"]

Keep = Callable[[Plan, Evidence, Verdict], Path | None]
"""Stores evidence, and tells where; None when it isn't kept."""

_KEPT = 200
"""Runs of which evidence is kept where nobody asked for it; older ones make room."""


def default_directory() -> Path:
    """Where the evidence of failed scenarios goes when no directory was given."""
    return Path(platformdirs.user_state_dir("rating-harness")) / "evidence"


def keeper(directory: Path | None) -> Keep:
    """What stores evidence: in ``directory`` of every scenario, without one of those that failed."""

    def keep(plan: Plan, evidence: Evidence, verdict: Verdict) -> Path | None:
        if directory is None and verdict.passed:
            return None
        home = (directory or default_directory()).absolute()
        folder = home / f"{_slug(plan.scenario.scenario)}-{plan.token}"
        home.mkdir(parents=True, exist_ok=True)
        if directory is None:
            _make_room(home)
        write(
            folder,
            evidence,
            extra={
                **files_of(plan.scenario),
                "verdict.txt": failure_text(plan.scenario, evidence, verdict, folder).encode(),
                **_sipp_files(plan),
            },
        )
        return folder

    return keep


def _sipp_files(plan: Plan) -> dict[str, bytes]:
    agents = [call.agent for call in plan.calls] + [each.agent for each in plan.carriers if each.agent is not None]
    return {f"sipp/{agent.scenario_file}": agent.scenario.encode() for agent in agents}


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60]


def _make_room(home: Path) -> None:
    folders = sorted((path for path in home.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for folder in folders[: max(0, len(folders) - _KEPT)]:
        shutil.rmtree(folder, ignore_errors=True)
