"""A scenario stored beside its evidence, so that it can be loaded again when the author's files have changed.

It is ``scenario.yaml``; one that needs other files is stored with them below ``scenario/``, each where it was
relative to the others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel

from rating_harness.canyan.model import CanyanScenario, SippWorker
from rating_harness.errors import EvidenceError
from rating_harness.evidence.model import Evidence
from rating_harness.evidence.store import read
from rating_harness.report.events import ScenarioFinished
from rating_harness.scenario.behaviour import SippFile
from rating_harness.scenario.loader import existing, load
from rating_harness.scenario.model import Scenario
from rating_harness.session.dialects import judge

__all__ = ["files_of", "judge_again"]

_ALONE, _TREE = "scenario.yaml", "scenario"
_ID = re.compile(r"(?P<file>.*?\.ya?ml)(?:\[(?P<row>.*)\])?", re.DOTALL)


def files_of(scenario: Scenario) -> dict[str, bytes]:
    """The scenario's file and those that it needs, by their names in the folder of evidence.

    None for a scenario that was made in Python.

    :raises ScenarioError: the file has been changed since it was loaded, and has mistakes now.
    """
    main = _absolute(scenario.origin.file)
    if not main.is_file():
        return {}
    # Loading a file needs what any row of its matrix needs.
    rows = load(scenario.origin.file) if scenario.origin.row else [scenario]
    needed = {_absolute(path) for row in rows for path in _needed(row)}
    files = [main, *sorted(path for path in needed if path.is_file())]
    if files == [main]:
        return {_ALONE: main.read_bytes()}
    root = os.path.commonpath([path.parent for path in files])
    return {f"{_TREE}/{path.relative_to(root).as_posix()}": path.read_bytes() for path in files}


def _absolute(path: Path) -> Path:
    return Path(os.path.normpath(path.absolute()))


def _needed(scenario: Scenario) -> Iterator[Path]:
    beside = scenario.origin.file.parent
    names = [*scenario.use, *_sipp_files(scenario)]
    if scenario.kamailio.config is not None:
        names.append(scenario.kamailio.config)
    yield from (beside / name for name in names)
    if isinstance(scenario, CanyanScenario):
        workers = (worker for worker in scenario.canyan.workers if isinstance(worker, SippWorker))
        yield from (scenario.directory / worker.scenario for worker in workers if worker.scenario)


def _sipp_files(value: object) -> Iterator[str]:
    if isinstance(value, SippFile):
        yield value.file
    elif isinstance(value, BaseModel):
        yield from _sipp_files(tuple(inner for _, inner in value))
    elif isinstance(value, Mapping):
        yield from _sipp_files(tuple(value.values()))
    elif isinstance(value, tuple):
        for inner in value:
            yield from _sipp_files(inner)


def judge_again(folder: Path, file: Path | None = None, *, canyan_lenient: bool = False) -> ScenarioFinished:
    """Judge the evidence in ``folder`` as if it came from a run, by the scenario stored there or the one in ``file``.

    :param canyan_lenient: as for `load`.
    :raises EvidenceError: the evidence can't be read, or the scenario isn't there.
    :raises ScenarioError: the scenario was changed, and has mistakes now.
    :raises UsageError: there is no such file.
    """
    evidence = read(folder)
    file = existing(file) if file else _kept_file(folder, evidence)
    scenario = _of_evidence(load(file, canyan_lenient=canyan_lenient), evidence, file)
    return ScenarioFinished(
        at=evidence.ended,
        seconds=evidence.ended - evidence.started,
        scenario=scenario,
        verdict=judge(scenario, evidence),
        evidence=evidence,
        folder=folder,
        seed=int(evidence.lab.get("seed", 0)),
    )


def _of_evidence(scenarios: Sequence[Scenario], evidence: Evidence, file: Path) -> Scenario:
    """Of the scenarios in a file the one that was run: for a matrix, that of its row."""
    match = _ID.fullmatch(evidence.scenario)
    row = (match["row"] if match else None) or ""
    for scenario in scenarios:
        if scenario.origin.row == row:
            return scenario
    raise EvidenceError(
        "the scenario has no such row",
        expected=row or "a scenario without a matrix",
        found=", ".join(scenario.origin.row for scenario in scenarios),
        where=str(file),
    )


def _kept_file(folder: Path, evidence: Evidence) -> Path:
    match = _ID.fullmatch(evidence.scenario)
    parts = Path(os.path.normpath(match["file"])).parts if match else ()
    # The tree begins somewhere on the way to the file.
    for begin in range(len(parts)):
        path = folder.joinpath(_TREE, *(part for part in parts[begin:] if part != os.sep))
        if path.is_file():
            return path
    path = folder / _ALONE
    if not path.is_file():
        raise EvidenceError(
            "no scenario is stored beside the evidence",
            expected=str(path),
            hint="give the scenario's file with --scenario",
        )
    return path
