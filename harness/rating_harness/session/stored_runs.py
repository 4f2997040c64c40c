"""Runs in folders of evidence: stored as they end, and judged from there at any later time."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel

from rating_harness.checks.model import Verdict
from rating_harness.errors import EndpointError, EvidenceError, HarnessError
from rating_harness.evidence.archive import Archive, matrix_row, scenario_tree, stored_scenario
from rating_harness.evidence.model import Evidence
from rating_harness.evidence.redaction import REDACTED, redacted_text
from rating_harness.evidence.store import read
from rating_harness.plan.model import Plan
from rating_harness.report.events import ScenarioFinished
from rating_harness.report.failure import error_text, failure_text
from rating_harness.report.pcap import pcapng_of
from rating_harness.scenario.loader import existing
from rating_harness.scenario.model import Scenario
from rating_harness.session import dialects

__all__ = ["RunStore", "Store", "StoreNotRun", "judge_stored", "scenario_files_of", "scenario_texts_of"]

Store = Callable[[Plan, Evidence, Verdict | EndpointError], Path | None]
"""Stores a run, and returns its folder; None when it isn't kept. An error says why it can't be judged."""


StoreNotRun = Callable[[Scenario, HarnessError, str], Path | None]
"""Stores why a scenario could not be run, with Kamailio's log of its last start, and returns the folder."""


class RunStore:
    """Stores runs: every one in ``directory``; without it those that failed, in the default one.

    What can't be written costs a warning, and never the verdict.

    :param warn: called with a sentence, once for each cause.
    """

    def __init__(self, directory: Path | None, warn: Callable[[str], object]) -> None:
        self._archive = Archive(directory)
        self._warn = warn
        self._warnings: set[str] = set()

    def store(self, plan: Plan, evidence: Evidence, verdict: Verdict | EndpointError) -> Path | None:
        """A `Store`."""
        if not self._archive.keeps(passed=isinstance(verdict, Verdict) and verdict.passed):
            return None
        folder = self._archive.folder(plan.scenario.scenario, plan.token)
        files = {
            **self._scenario_files(plan.scenario),
            "calls.pcapng": pcapng_of(evidence),
            **_said(plan.scenario, evidence, verdict, folder),
            **_sipp_scenarios(plan),
        }
        return self._written(folder, lambda: self._archive.store(folder, evidence, files))

    def store_not_run(self, scenario: Scenario, error: HarnessError, log: str) -> Path | None:
        """A `StoreNotRun`."""
        folder = self._archive.folder(scenario.scenario, secrets.token_hex(4))
        files = {
            **self._scenario_files(scenario),
            "not-run.txt": f"{error_text(error)}\n".encode(),
            "kamailio.log": log.encode("utf-8", "surrogateescape"),
            **_without(set(_passwords(scenario)), error.files),
        }
        error.files = {}
        return self._written(folder, lambda: self._archive.store_files(folder, files))

    def _written(self, folder: Path, write: Callable[[], object]) -> Path | None:
        try:
            write()
        except OSError as error:
            self._warn_once(f"evidence can't be written to {folder.parent}: {error.strerror or error}")
            return None
        return folder

    def _scenario_files(self, scenario: Scenario) -> Mapping[str, bytes]:
        try:
            return scenario_files_of(scenario)
        except (HarnessError, OSError) as error:
            self._warn_once(f"the scenario can't be stored beside its evidence: {error}")
            return {}

    def _warn_once(self, text: str) -> None:
        if text not in self._warnings:
            self._warnings.add(text)
            self._warn(text)


def _said(scenario: Scenario, evidence: Evidence, verdict: Verdict | EndpointError, folder: Path) -> dict[str, bytes]:
    if isinstance(verdict, EndpointError):
        return {"not-run.txt": f"{error_text(verdict)}\n".encode()}
    return {"verdict.txt": failure_text(scenario, evidence, verdict, folder).encode()}


def _sipp_scenarios(plan: Plan) -> dict[str, bytes]:
    agents = [call.agent for call in plan.calls] + [each.agent for each in plan.carriers if each.agent is not None]
    passwords = set(_passwords(plan.scenario))
    return {f"sipp/{agent.scenario_file}": redacted_text(agent.scenario, passwords).encode() for agent in agents}


def _passwords(value: object) -> Iterator[str]:
    """Every password that a scenario, or a part of one, has."""
    if isinstance(value, BaseModel):
        for name, inner in value:
            if name == "password" and isinstance(inner, str):
                yield inner
            else:
                yield from _passwords(inner)
    elif isinstance(value, Mapping):
        yield from _passwords(tuple(value.values()))
    elif isinstance(value, tuple):
        for inner in value:
            yield from _passwords(inner)


def _without(passwords: Iterable[str], files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Files of an end, whatever octets they have, without passwords."""
    texts = {name: content.decode("utf-8", "surrogateescape") for name, content in files.items()}
    return {name: redacted_text(text, passwords).encode("utf-8", "surrogateescape") for name, text in texts.items()}


def scenario_files_of(scenario: Scenario) -> dict[str, bytes]:
    """The scenario's file and those that it needs, by their names in the folder of evidence, without passwords.

    None for a scenario that was made in Python.

    :raises ScenarioError: the file has been changed since it was loaded, and has mistakes now.
    """
    file, rows, redact = _without_passwords(scenario)
    files = scenario_tree(file, [path for row in rows for path in dialects.companions(row)])
    return {name: redact(content) for name, content in files.items()}


def scenario_texts_of(scenario: Scenario) -> dict[str, str]:
    """The scenario's file and the YAML files that it uses, by their absolute paths, without passwords.

    Empty for a scenario that was made in Python, and for a file that has gone or has mistakes now.
    """
    try:
        file, rows, redact = _without_passwords(scenario)
        companions = {path.absolute() for row in rows for path in dialects.companions(row)}
        paths = [file.absolute(), *sorted(path for path in companions if path.suffix in (".yaml", ".yml"))]
        texts = {os.path.normpath(path): redact(path.read_bytes()) for path in paths if path.is_file()}
    except (HarnessError, OSError):
        return {}
    return {path: text.decode("utf-8", "replace") for path, text in texts.items()}


def _without_passwords(scenario: Scenario) -> tuple[Path, Sequence[Scenario], Callable[[bytes], bytes]]:
    """The scenario's file, the scenarios in it, and what takes their passwords out of a file."""
    file = scenario.origin.file
    # Loading a file needs what any row of its matrix needs.
    rows = dialects.load(file) if scenario.origin.row and file.is_file() else [scenario]
    passwords = {password for row in rows for password in _passwords(row)}
    users = {user: password for row in rows for user, password in row.kamailio.users.items()}
    return file, rows, lambda content: _redacted(content, passwords, users)


_SIGNED_BY_SIPP = re.compile(r"(\[authentication\b[^\]\n]*?\bpassword=)[^\]\s]+")
"""A password in SIPp's own words, which stand in its scenarios and CSV files."""


def _redacted(content: bytes, passwords: Iterable[str], users: Mapping[str, str]) -> bytes:
    try:
        text = _SIGNED_BY_SIPP.sub(rf"\g<1>{REDACTED}", content.decode())
        return redacted_text(redacted_text(text, passwords), users).encode()
    except UnicodeDecodeError:
        return content


def judge_stored(folder: Path, file: Path | None = None, *, canyan_lenient: bool = False) -> ScenarioFinished:
    """Judge the evidence in ``folder`` as if it came from a run, by the scenario stored there or the one in ``file``.

    :param canyan_lenient: as for `dialects.load`.
    :raises EvidenceError: the evidence can't be read, or the scenario isn't there.
    :raises ScenarioError: the scenario was changed, and has mistakes now.
    :raises UsageError: there is no such file.
    """
    evidence = read(folder)
    file = existing(file) if file else stored_scenario(folder, evidence)
    scenario = _of_row(dialects.load(file, canyan_lenient=canyan_lenient), matrix_row(evidence), file)
    return ScenarioFinished(
        at=evidence.ended,
        seconds=evidence.ended - evidence.started,
        scenario=scenario,
        verdict=dialects.judge(scenario, evidence),
        evidence=evidence,
        folder=folder,
        seed=int(evidence.lab.get("seed", 0)),
    )


def _of_row(scenarios: Sequence[Scenario], row: str, file: Path) -> Scenario:
    for scenario in scenarios:
        if scenario.origin.row == row:
            return scenario
    raise EvidenceError(
        "the scenario has no such row",
        expected=row or "a scenario without a matrix",
        found=", ".join(scenario.origin.row for scenario in scenarios),
        where=str(file),
    )
