"""A scenario stored beside its evidence, so that it can be loaded again when the author's files have changed.

A scenario that needs other files is stored with them below ``scenario/``, each where it was relative to the others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel

from harness.errors import EvidenceError
from harness.evidence.model import Evidence
from harness.scenario.behaviour import SippFile
from harness.scenario.loader import load
from harness.scenario.model import Scenario

__all__ = ["companions", "kept_scenario"]

_TREE = "scenario"
_ID = re.compile(r"(?P<file>.*?\.ya?ml)(?:\[(?P<row>.*)\])?", re.DOTALL)


def companions(scenario: Scenario) -> dict[str, bytes]:
    """The scenario's file and those that it needs, by their names in the folder of evidence; none if it needs none.

    :raises ScenarioError: the file has been changed since it was loaded, and has mistakes now.
    """
    main = Path(os.path.normpath(scenario.origin.file.absolute()))
    # Loading a file needs what any row of its matrix needs.
    rows = load(scenario.origin.file) if scenario.origin.row else [scenario]
    needed = {Path(os.path.normpath(main.parent / name)) for row in rows for name in _names(row)}
    files = [path for path in sorted(needed) if path.is_file()]
    if not files:
        return {}
    root = os.path.commonpath([main.parent, *(path.parent for path in files)])
    return {f"{_TREE}/{path.relative_to(root).as_posix()}": path.read_bytes() for path in (main, *files)}


def _names(scenario: Scenario) -> Iterator[str]:
    yield from scenario.use
    if scenario.kamailio.config is not None:
        yield scenario.kamailio.config
    yield from _sipp_files(scenario)


def _sipp_files(value: object) -> Iterator[str]:
    if isinstance(value, SippFile):
        yield value.file
    elif isinstance(value, BaseModel):
        for _, inner in value:
            yield from _sipp_files(inner)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _sipp_files(inner)
    elif isinstance(value, tuple):
        for inner in value:
            yield from _sipp_files(inner)


def kept_scenario(folder: Path, evidence: Evidence) -> Scenario:
    """The scenario that the evidence in ``folder`` is of.

    :raises EvidenceError: it isn't there.
    :raises ScenarioError: it was changed, and has mistakes now.
    """
    return of_evidence(_kept_file(folder, evidence), evidence)


def of_evidence(file: Path, evidence: Evidence) -> Scenario:
    """Of the scenarios in ``file`` the one that was run: for a matrix, that of its row.

    :raises EvidenceError: there is no such row.
    """
    match = _ID.fullmatch(evidence.scenario)
    row = (match["row"] if match else None) or ""
    scenarios = load(file)
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
    path = folder / "scenario.yaml"
    if not path.is_file():
        raise EvidenceError(
            "no scenario is stored beside the evidence",
            expected=str(path),
            hint="give the scenario's file with --scenario",
        )
    return path
