"""Coverage of a configuration of which every line's and every branch's execution is known agrees with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rating_harness.coverage.data import BETWEEN, Coverage
from rating_harness.run.options import Options
from rating_harness.scenario.loader import load
from rating_harness.session.session import Session

pytestmark = pytest.mark.lab

HERE = Path(__file__).parent / "coverage"
_SAID = re.compile(r"#= (?P<state>ran|never)(?P<ways>:.*)?$")


@pytest.fixture(scope="module", params=["trixie", "sid"])
def coverage(request: pytest.FixtureRequest) -> Coverage:
    options = Options.of(defines=(), seed=1, lab="local", kamailio=request.param, kamailio_config=HERE, coverage=True)
    session = Session(options, lambda plan, evidence, verdict: None)
    try:
        (scenario,) = load(HERE / "calls.yaml")
        outcome = session.run(scenario)
    finally:
        session.close()
    assert outcome.verdict is not None
    assert outcome.verdict.passed, [finding.message for finding in outcome.verdict.findings]
    return session.coverage


def shown(file: str) -> str:
    return Path(file).absolute().relative_to(HERE).as_posix()


def expected_lines() -> dict[tuple[str, int], bool]:
    """By file and line: whether it ran."""
    return {place: said["state"] == "ran" for place, said in _annotations().items()}


def expected_ways() -> dict[tuple[str, int], list[list[str]]]:
    """By file and line: which ways were taken, of each branching statement that begins there."""
    return {
        place: [[way.strip() for way in group.split(",") if way.strip()] for group in said["ways"][1:].split("|")]
        for place, said in _annotations().items()
        if said["ways"] is not None
    }


def _annotations() -> dict[tuple[str, int], re.Match[str]]:
    return {
        (path.relative_to(HERE).as_posix(), number): match
        for path in HERE.rglob("*.cfg")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if (match := _SAID.search(line))
    }


def test_each_line_that_ran_is_known_and_no_other(coverage: Coverage) -> None:
    seen = {(shown(file.file), line): hits > 0 for file in coverage.files() for line, hits in file.lines.items()}
    assert seen == expected_lines()


def test_each_way_that_was_taken_is_known_and_no_other(coverage: Coverage) -> None:
    taken: dict[tuple[str, int], dict[int, list[str]]] = {}
    for file in coverage.files():
        for branch, count in file.branches:
            ways = taken.setdefault((shown(file.file), branch.line), {}).setdefault(branch.column, [])
            ways += [branch.way] if count else []
    expected = expected_ways()
    reached = {place: [ways for _, ways in sorted(groups.items())] for place, groups in taken.items()}
    assert {place: ways for place, ways in reached.items() if any(ways) or place in expected} == expected


def test_nothing_is_left_out(coverage: Coverage) -> None:
    where = sorted(each.rpartition("/")[2] for each in coverage.unmeasured)
    assert where == ["requests.cfg:51:2", "requests.cfg:9:2"], "a loop with a break, the second statement of TWICE"


def test_who_ran_a_line(coverage: Coverage) -> None:
    who = {(shown(line.file), line.line, line.column): coverage.who(line.probe) for line in coverage.lines.values()}
    lines = (HERE / "kamailio.cfg").read_text().splitlines()
    init = next(number for number, line in enumerate(lines, 1) if "=>init" in line)
    started = next(number for number, line in enumerate(lines, 1) if "=>start" in line)
    assert who["kamailio.cfg", init, 2] == (BETWEEN,)
    (scenario,) = load(HERE / "calls.yaml")
    assert who["kamailio.cfg", started, 2] == (scenario.id,)
