"""How long a scenario takes, and what is known of a configuration before anything runs.

The least time that was ever seen counts, since a busy machine makes it longer.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rating_harness.kamailio_config.parser import load
from rating_harness.mutation.campaign import Campaign, Subject
from rating_harness.mutation.mutants import Mutant
from rating_harness.run.options import Options
from rating_harness.session import dialects
from rating_harness.session.session import Session

SCENARIO = Path(__file__).parents[3] / "scenarios" / "authorization" / "authorised.yaml"
MUTANT = Mutant("0000000001", "negate", "route[X]", "k.cfg", 1, 1, ())


class Takes:
    """A session in which each run takes so long, and passes or not."""

    def __init__(self, seconds: float, *, passes: bool = True) -> None:
        self.coverage = SimpleNamespace(contexts={}, lines={})
        self.outcome = SimpleNamespace(
            verdict=SimpleNamespace(passed=passes, findings=()),
            evidence=SimpleNamespace(exchanges=()),
            seconds=seconds,
        )

    def run(self, scenario: object) -> SimpleNamespace:
        return self.outcome


def session(seconds: float, *, passes: bool = True) -> Session:
    return cast("Session", Takes(seconds, passes=passes))


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    return Campaign(Options(lab="local"), dialects.load_paths([SCENARIO]), tmp_path, 1, 4, print)


def measured(campaign: Campaign, *sessions: Session) -> float:
    known: dict[str, Any] = {}
    for each in sessions:
        campaign._measure(each, campaign.scenarios[0], {}, "c", known)
    campaign._write_rows(known)
    return cast("float", known[campaign.scenarios[0].id]["seconds"])


def test_measured_anew_it_counts_with_the_least_time(campaign: Campaign) -> None:
    assert measured(campaign, session(5.0), session(2.0), session(9.0)) == 2.0


def test_what_failed_says_nothing_of_how_long_it_takes(campaign: Campaign) -> None:
    assert measured(campaign, session(0.1, passes=False), session(9.0)) == 9.0


def test_a_mutant_that_is_not_noticed_says_how_long_it_takes(campaign: Campaign) -> None:
    scenario = campaign.scenarios[0]
    measured(campaign, session(5.0))
    for each in (session(3.0), session(4.0), session(0.1, passes=False)):
        campaign._look(each, scenario, MUTANT)
    campaign._keep_least_seconds()
    rows = json.loads((campaign.home / "rows.json").read_text())
    assert rows[scenario.id]["seconds"] == 3.0
    assert rows[scenario.id]["passed"] is True


def test_a_condition_guards_what_runs_only_where_it_says_so(tmp_path: Path) -> None:
    path = tmp_path / "kamailio.cfg"
    path.write_text(
        "request_route {\n"
        '\tif ($ua =~ "a|b") {\n'
        "\t\texit;\n"
        '\t} else if ($rm != "INVITE") drop;\n'
        "\twhile ($var(i) > 0) $var(i) = $var(i) - 1;\n"
        "\treturn;\n"
        "}\n"
    )
    subject = Subject(tmp_path, path, (load(path, {}),), "6.0.1", is_own=False)
    statements = subject.statements
    found: dict[tuple[int, str], set[int]] = {}
    for each in subject.mutants:
        for place in statements.guarded.get((each.file, each.line, each.column or 0), ()):
            if place in statements.keys:
                found.setdefault((each.line, each.operator), set()).add(place[1])
    assert found[2, "regex"] == found[2, "negate"] == {3, 4}
    assert found[4, "negate"] == {4}
    assert found[5, "swap-comparison"] == {5}
    assert {line for line, _ in found} == {2, 4, 5}
