"""Promises of the Kamailio configuration, broken on purpose: a scenario notices each, and says what is wrong.

Every mutation is an exact change of the configuration, or of what the agent answers; the scenario that it names
passes without it. docs/promises.md tells the same to people.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field

from rating_harness.checks import Finding
from rating_harness.lab.files import data_directory
from rating_harness.plugin import RunScenario
from rating_harness.run.kamailio import LAB_DEFINES
from rating_harness.scenario.foreseen import takes
from rating_harness.scenario.loader import load
from rating_harness.scenario.model import Fault, Scenario

pytestmark = pytest.mark.lab

SCENARIOS = Path(__file__).parents[2] / "scenarios"

PATIENCE, RECORDS = 12.0, 2.0
"""Seconds that a scenario may take, and those for which its records are awaited, unless it says otherwise: a broken
call may never end by itself, and its records may never come."""


class Change(BaseModel):
    """One place of one file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str = "rating.cfg"
    old: Annotated[str, Field(min_length=1)]
    new: str

    def apply(self, directory: Path) -> None:
        text = (directory / self.file).read_text()
        assert text.count(self.old) == 1, f"{self.old!r} stands {text.count(self.old)} times in {self.file}, not once"
        (directory / self.file).write_text(text.replace(self.old, self.new))


class Mutation(BaseModel):
    """What is broken, which scenario has to notice, and what it then says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    promise: str
    scenario: str
    changes: tuple[Change, ...] = ()
    faults: tuple[Fault, ...] = ()
    finds: Annotated[str, Field(min_length=1)]
    finds_unreachable: str = ""
    """What is said instead where a network tells at once that an address is nowhere (the local lab's)."""
    runs: Annotated[int, Field(ge=1)] = 1
    """In how many runs it must be noticed once: what breaks is a race that isn't lost each time."""

    def is_in(self, finding: str) -> bool:
        return any(words and words in finding for words in (self.finds, self.finds_unreachable))

    def applied(self, directory: Path) -> Scenario:
        """The scenario, on a configuration with the changes, made in ``directory``, and with the faults."""
        file, _, row = self.scenario.partition("[")
        scenario = next(each for each in load(SCENARIOS / file) if each.origin.row == row.rstrip("]"))
        configuration = directory / "kamailio"
        own = scenario.kamailio.config
        shutil.copytree(SCENARIOS / Path(file).parent / own if own else data_directory("kamailio"), configuration)
        for change in self.changes:
            change.apply(configuration)
        defines = {**LAB_DEFINES, **scenario.kamailio.defines}
        kamailio = scenario.kamailio.model_copy(update={"defines": defines, "config": str(configuration)})
        expect = scenario.expect
        if "within" not in expect.model_fields_set:
            expect = expect.model_copy(update={"within": RECORDS})
        timeout = scenario.timeout or max(PATIENCE, takes(scenario) + PATIENCE / 2)
        changes = {
            "kamailio": kamailio,
            "faults": scenario.faults + self.faults,
            "timeout": timeout,
            "expect": expect,
        }
        return scenario.model_copy(update=changes)


MUTATIONS = [
    Mutation.model_validate(each)
    for file in sorted((Path(__file__).parent / "mutations").glob("*.yaml"))
    for each in yaml.load(file.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
]


def said(finding: Finding) -> str:
    return f"{finding.message}: expected {finding.expected}, seen {finding.seen}"


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[each.name for each in MUTATIONS])
def test_a_broken_promise_is_noticed(mutation: Mutation, tmp_path: Path, run_scenario: RunScenario) -> None:
    seen: list[str] = []
    for number in range(mutation.runs):
        directory = tmp_path / str(number)
        directory.mkdir()
        verdict = run_scenario(mutation.applied(directory), check=False).verdict
        assert verdict is not None
        findings = [said(each) for finding in verdict.findings for each in (finding, *finding.consequences)]
        if any(map(mutation.is_in, findings)):
            return
        seen += findings
    pytest.fail("\n".join(seen) or "nothing was noticed")
