"""Folders of evidence: which runs keep theirs, where, for how long (retention), and the scenario's files in them.

A scenario is stored beside its evidence, so that it can be judged when the author's files have changed. It is
``scenario.yaml``; one that needs other files is stored with them below ``scenario/``, each where it was relative to
the others.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import platformdirs

from rating_harness.errors import EvidenceError
from rating_harness.evidence.model import Evidence
from rating_harness.evidence.store import write, write_files

__all__ = ["RETAINED_RUNS", "Archive", "default_directory", "matrix_row", "scenario_tree", "stored_scenario"]

RETAINED_RUNS = 200
"""Failed runs whose evidence is kept in the default directory; older ones are removed when a new one is stored."""

_ALONE, _TREE = "scenario.yaml", "scenario"
_ID = re.compile(r"(?P<file>.*?\.ya?ml)(?:\[(?P<row>.*)\])?", re.DOTALL)


def default_directory() -> Path:
    """Where the evidence of failed scenarios is kept when no directory is given."""
    return Path(platformdirs.user_state_dir("rating-harness")) / "evidence"


class Archive:
    """Stores runs.

    :param directory: where the evidence of every run is kept, for good; None: that of failed ones is, in
        `default_directory`, of the last `RETAINED_RUNS`.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def keeps(self, *, passed: bool) -> bool:
        """Whether a run with that verdict is stored."""
        return self._directory is not None or not passed

    def folder(self, title: str, token: str) -> Path:
        """The folder of a run: its absolute path, whether or not it's there already."""
        slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60]
        return (self._directory or default_directory()).absolute() / f"{slug}-{token}"

    def store(self, folder: Path, evidence: Evidence, files: Mapping[str, bytes]) -> None:
        """Write a run into its folder.

        :param files: what else belongs to it, by names relative to the folder.
        """
        self._make_room(folder)
        write(folder, evidence, extra=files)

    def store_files(self, folder: Path, files: Mapping[str, bytes]) -> None:
        """Write what there is of a run without evidence into its folder.

        :param files: by names relative to the folder.
        """
        self._make_room(folder)
        write_files(folder, files)

    def _make_room(self, folder: Path) -> None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if self._directory is None:
            _remove_oldest(folder.parent)


def _remove_oldest(home: Path) -> None:
    folders = sorted((path for path in home.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for folder in folders[: max(0, len(folders) - RETAINED_RUNS)]:
        shutil.rmtree(folder, ignore_errors=True)


# --- the scenario's files -------------------------------------------------------------------------------------------


def scenario_tree(file: Path, companions: Iterable[Path]) -> dict[str, bytes]:
    """A scenario's file and those that it needs, by their names in the folder; those that aren't there are left out.

    Empty where the scenario has no file, since it was made in Python.
    """
    main = _absolute(file)
    if not main.is_file():
        return {}
    needed = {_absolute(path) for path in companions}
    files = [main, *sorted(path for path in needed if path.is_file())]
    if files == [main]:
        return {_ALONE: main.read_bytes()}
    root = os.path.commonpath([path.parent for path in files])
    return {f"{_TREE}/{path.relative_to(root).as_posix()}": path.read_bytes() for path in files}


def _absolute(path: Path) -> Path:
    return Path(os.path.normpath(path.absolute()))


def stored_scenario(folder: Path, evidence: Evidence) -> Path:
    """The scenario's file in a folder.

    :raises EvidenceError: there's none.
    """
    match = _ID.fullmatch(evidence.scenario)
    parts = Path(os.path.normpath(match["file"])).parts if match else ()
    # The tree begins somewhere on the way to the file.
    for begin in range(len(parts)):
        path = folder.joinpath(_TREE, *(part for part in parts[begin:] if part != os.sep))
        if path.is_file():
            return path
    # Or above the directory that the file was named from, where it needs one from elsewhere.
    for path in sorted((folder / _TREE).rglob("*")) if parts else ():
        if path.parts[-len(parts) :] == parts and path.is_file():
            return path
    path = folder / _ALONE
    if not path.is_file():
        raise EvidenceError(
            "no scenario is stored beside the evidence",
            expected=str(path),
            hint="give the scenario's file with --scenario",
        )
    return path


def matrix_row(evidence: Evidence) -> str:
    """The row of the scenario's matrix that was run; empty where it has no matrix."""
    match = _ID.fullmatch(evidence.scenario)
    return (match["row"] if match else None) or ""
