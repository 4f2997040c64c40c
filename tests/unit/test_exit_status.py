"""One rule for exit codes: the table of docs/ci.md, to which every command and pytest are held."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rating_harness.checks import Verdict, judge
from rating_harness.cli.main import main
from rating_harness.coverage.points import Line, Probe
from rating_harness.errors import LabError
from rating_harness.run.stack import Stack
from rating_harness.scenario.model import Scenario
from rating_harness.session.session import Outcome, Session
from tests.builders import evidence_of

pytest_plugins = ["pytester"]

CHECKOUT = Path(__file__).parents[2]

TABLE = {
    what: (int(command), int(in_pytest))
    for what, command, in_pytest in re.findall(
        r"^\| (\S[^|]*?) \| (\d+) \| (\d+) \|$", (CHECKOUT / "docs" / "ci.md").read_text(), re.MULTILINE
    )
}

SCENARIO = """\
scenario: A call is made
tags: [{tag}]
given:
  accounts: [{{account_tag: "1000", type: PREPAID, balance: 10}}]
  carriers: [{{carrier_tag: carrier, host: carrier}}]
calls: [{{id: ana, from: "1000", to: "39040123456"}}]
"""


def run(session: Session, scenario: Scenario) -> Outcome:
    """In place of `Session.run`, with no call and no lab; its tag says what happens to a scenario."""
    evidence = evidence_of(())
    if session.options.coverage:
        session.coverage.lines["kamailio.cfg", 1, 1] = Line("kamailio.cfg", 1, 1, 1, "request_route", NEVER)
    match scenario.tags[0]:
        case "passes":
            verdict = Verdict(scenario.id, ())
        case "fails":
            verdict = judge(scenario, evidence)
        case "skipped":
            return Outcome(scenario, 0.0, skipped="requires tls: there is none")
        case "sigint" | "sigterm" as name:
            os.kill(os.getpid(), getattr(signal, name.upper()))
            signal.sigtimedwait([], 2.0)
            verdict = Verdict(scenario.id, ())
        case _:
            raise LabError("no lab today")
    return Outcome(scenario, 0.1, _Plan(), evidence, verdict, None)  # type: ignore[arg-type]


class _Plan:
    seed = 1


class _NoLab:
    description = {"driver": "none"}  # noqa: RUF012


NEVER = Probe("kamailio.cfg", 1, 1, "s")

CASES: dict[str, tuple[str | None, list[str]]] = {
    "all passed, or what was wanted was done": ("passes", []),
    "a scenario failed": ("fails", []),
    "a scenario could not be run, since the lab did not start, say": ("broken", []),
    "coverage is below what it has to be": ("passes", ["COVERAGE"]),
    "every scenario was skipped": ("skipped", []),
    "a wrong option": ("passes", ["SEED"]),
    "a path that isn't there": ("passes", ["elsewhere/nothing.yaml"]),
    "a mistake in a scenario file": ("passes\nnonsense: 1", []),
    "no scenario": (None, []),
    "Ctrl-C (SIGINT); the labs are removed": ("sigint", []),
    "SIGTERM; the labs are removed": ("sigterm", []),
}
"""What brings each row about: the tag of the only scenario, and arguments."""

COMMAND = {"SEED": ["--seed", "x"], "COVERAGE": ["--cov-kamailio", "cov", "--cov-fail-under", "50"]}
PYTEST = {"SEED": ["--rating-seed", "x"], "COVERAGE": ["--rating-cov", "cov", "--rating-cov-fail-under", "50"]}


def test_every_row_is_tried() -> None:
    assert set(TABLE) == set(CASES)


@pytest.fixture(autouse=True)
def interrupts_arrive() -> Iterator[None]:
    """Whoever runs the tests in the background, or in processes of their own, may have SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], Path]:
    def make(tag: str | None) -> Path:
        folder = pytester.path / "scenarios"
        folder.mkdir()
        if tag is not None:
            first, _, rest = tag.partition("\n")
            (folder / "one.yaml").write_text(SCENARIO.format(tag=first) + rest)
        return folder

    monkeypatch.setattr(Session, "run", run)
    monkeypatch.setattr(Session, "stack", property(lambda _: _NoLab()))
    return make


@pytest.mark.parametrize("what", TABLE)
def test_the_command(what: str, project: Callable[[str | None], Path]) -> None:
    tag, arguments = CASES[what]
    project(tag)
    words = [word for argument in arguments for word in COMMAND.get(argument, [argument])]
    result = CliRunner().invoke(main, ["run", "scenarios", *words])
    assert result.exit_code == TABLE[what][0], result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("what", TABLE)
def test_pytest(what: str, project: Callable[[str | None], Path], pytester: pytest.Pytester) -> None:
    tag, arguments = CASES[what]
    project(tag)
    pytester.makeconftest(
        "from rating_harness.session.session import Session\n"
        "from tests.unit.test_exit_status import run\n"
        "Session.run = run\n"
    )
    os.environ["PYTHONPATH"] = str(CHECKOUT)
    words = [word for argument in arguments for word in PYTEST.get(argument, [argument])]
    result = pytester.runpytest_subprocess("scenarios", *words)
    assert result.ret == TABLE[what][1], result.outlines


def commands() -> list[str]:
    return sorted(main.commands)


@pytest.mark.parametrize("name", commands())
def test_a_wrong_option_is_2_in_every_command(name: str) -> None:
    assert CliRunner().invoke(main, [name, "--no-such-option"]).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["engine", "--agent", "nowhere"],
        ["tap", "--listen", "nowhere", "--control", "127.0.0.1:0"],
        ["prepare", "--lab", "moon"],
        ["up", "--lab", "moon"],
        ["run", "--define", "=x", "."],
        ["record", "nothing.yaml"],
        ["plan", "nothing.yaml"],
        ["validate", "nothing.yaml"],
        ["convert", "nothing.yaml"],
        ["check", "nothing"],
        ["coverage", "nothing"],
        ["logs", "no-such-service"],
    ],
)
def test_what_is_wrong_with_the_command_line_is_2(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("name", commands())
def test_every_command_shows_errors_by_the_one_handler(name: str) -> None:
    command = main.commands[name]
    for each in command.commands.values() if isinstance(command, click.Group) else [command]:
        assert type(each) is not click.Command
        assert type(each).__name__ == "HarnessCommand"


def test_an_error_of_the_lab_is_1(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Stack:
        raise LabError("no lab today", hint="try tomorrow")

    monkeypatch.setattr("rating_harness.lab.open_lab", fail)
    result = CliRunner().invoke(main, ["prepare"])
    assert (result.exit_code, result.output) == (1, "no lab today\n  next:     try tomorrow\n")


def test_the_checkout_counts_its_workers_itself() -> None:
    """``make test-kamailio`` says ``-n auto``, and the answer is wanted before the session is configured."""
    scenario = "scenarios/dialog/balance-runs-out.yaml"
    command = [sys.executable, "-m", "pytest", scenario, "--co", "-q", "-n", "auto", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this machine has no /dev/full")
def test_what_cant_be_printed_is_a_failure_told_in_one_line() -> None:
    """A full disk behind a redirection is neither a pass nor a traceback."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "rating_harness", "list", str(CHECKOUT / "scenarios" / "dialog")],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr == "what is printed can't be written: No space left on device\n"
