"""Mutants of a small configuration against a real scenario: killed, survived, refused, and gone on with."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from rating_harness.lab.files import data_directory
from rating_harness.mutation.answers import sabotages
from rating_harness.mutation.campaign import Campaign, Subject, Trial, changed_lines, installed_version
from rating_harness.mutation.mutants import Edit, Mutant
from rating_harness.mutation.results import Result, Store
from rating_harness.run.options import Options
from rating_harness.session import dialects

pytestmark = pytest.mark.lab

HERE = Path(__file__).parent / "coverage"
PATHS = [HERE / "calls.yaml"]
OPTIONS = Options.of(defines=(), seed=1, lab="local", kamailio_config=HERE)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mutation")


def campaign(home: Path) -> Campaign:
    return Campaign(OPTIONS, dialects.load_paths(PATHS), home, 1, 4, print)


@pytest.fixture(scope="module")
def subject(home: Path) -> Subject:
    return Subject.of(OPTIONS, dialects.load_paths(PATHS), installed_version(OPTIONS, home))


def mutant(subject: Subject, operator: str, before: str) -> Mutant:
    """The first one of this operator that changes something with this text."""
    return next(
        each
        for each in subject.mutants
        if each.operator == operator and before in each.edits[0].span.text(subject.sources)
    )


def test_what_becomes_of_mutants(home: Path, subject: Subject) -> None:
    code = mutant(subject, "code", '"404"')
    unknown = (Edit(code.edits[0].span, '"404" no_such_word'),)
    refused = Mutant("f" * 10, "text", code.route, code.file, code.line, code.column, unknown)
    trials: list[Trial] = [
        code,
        mutant(subject, "drop-statement", "$sht(seen=>start) = 1;"),
        mutant(subject, "code", '"480"'),
        mutant(subject, "drop-statement", 't_on_failure("SECOND")'),
        sabotages()[0],
        refused,
    ]
    seen: dict[str, Result] = {}
    run = campaign(home)
    run.measure(subject, reuse=False)
    run.run(subject, trials, lambda trial, result: seen.update({trial.id: result}))
    statuses = [seen[trial.id].status for trial in trials]
    assert statuses == ["killed", "survived", "unreached", "killed", "unreached", "invalid"], seen
    assert seen[code.id].check == "calls[1].expect.reply"
    assert seen[code.id].by.endswith("calls.yaml")
    assert sum(Store.open(home / "results.jsonl").kills().values()) == 2

    class Knows(Campaign):
        def _try(self, *arguments: object) -> Result:
            raise AssertionError("it is known already")

    again = Knows(OPTIONS, dialects.load_paths(PATHS), home, 1, 4, print)
    again.measure(subject, reuse=False)
    results = again.run(subject, trials, lambda trial, result: None)
    assert {result.id: result.status for result in results} == {key: value.status for key, value in seen.items()}


def test_a_scenario_that_fails_without_the_mutant_says_nothing_of_it(home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "kamailio"
    shutil.copytree(HERE, copy)
    options = Options.of(defines=(), seed=1, lab="local", kamailio_config=copy)
    scenarios, said = dialects.load_paths(PATHS), list[str]()
    version = installed_version(options, home)
    run = Campaign(options, scenarios, home, 1, 4, said.append)
    run.measure(Subject.of(options, scenarios, version), reuse=False)
    requests = copy / "routes" / "requests.cfg"
    requests.write_text(requests.read_text().replace('send_reply("404", "Not Found")', 'send_reply("405", "No")'))
    broken = Subject.of(options, scenarios, version)
    run = Campaign(options, scenarios, home, 1, 4, said.append)
    run.measure(broken, reuse=True)
    (result,) = run.run(broken, [mutant(broken, "code", '"405"')], lambda trial, result: None)
    assert result.status == "survived", result
    assert any("fails on the configuration as it is" in line for line in said), said


def test_lines_that_have_changed_since_a_revision(tmp_path: Path) -> None:
    shutil.copytree(data_directory("kamailio"), tmp_path / "kamailio")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.test"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True)
    file = tmp_path / "kamailio" / "rating.cfg"
    lines = file.read_text().splitlines(keepends=True)
    lines[9:10] = ["# one more\n", "# and another\n"]
    file.write_text("".join(lines))
    assert changed_lines(tmp_path / "kamailio", "HEAD") == {str(file): frozenset({10, 11})}
