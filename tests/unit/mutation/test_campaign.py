"""How long a scenario takes, and what is known of a configuration before anything runs.

The least time that was ever seen counts, since a busy machine makes it longer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from rating_harness.kamailio_config.parser import load
from rating_harness.mutation.campaign import Campaign, Subject
from rating_harness.mutation.mutants import Mutant
from rating_harness.mutation.results import Result, Store
from rating_harness.mutation.selection import Row
from rating_harness.run.options import Options
from rating_harness.scenario.model import Scenario
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


# --- survivors, and all the scenarios that reach them ---------------------------------------------------------------

CONFIGURATION = (
    'request_route {\n\tif (is_method("INVITE")\n\t\t\t&& $fU != "rating_callee"\n\t\t\t&& $tU != "b") exit;\n}\n'
)
NAMES = ("account-not-active", "account-not-found", "authorised", "balance-insufficient")


class Notices:
    """A session in which some scenarios fail, and which notes what ran."""

    def __init__(self, *who: str) -> None:
        self.who = who
        self.ran: list[str] = []
        self.stack = SimpleNamespace(programs=SimpleNamespace(refuses=lambda files, defines: None))
        self.after: Callable[[], object] = lambda: None

    def change(self, files: object) -> None:
        pass

    def run(self, scenario: Scenario) -> SimpleNamespace:
        name = Path(scenario.id).stem
        self.ran.append(name)
        self.after()
        findings = (SimpleNamespace(check="record", message="m", expected="e", seen="s"),) if name in self.who else ()
        verdict = SimpleNamespace(passed=not findings, findings=findings)
        return SimpleNamespace(verdict=verdict, evidence=SimpleNamespace(exchanges=()), seconds=1.0)


@dataclass
class Tried:
    """A campaign of four scenarios, all of which run the one statement of a configuration."""

    campaign: Campaign
    subject: Subject
    store: Store
    mutant: Mutant

    def again(self, session: Notices, *, until: float | None = None) -> Result:
        store, subject, statements = self.store, self.subject, self.subject.statements
        known = self.campaign._known(store, subject, self.mutant, statements)
        if known is not None:
            return known
        before = store.find(self.mutant.id, subject.key(self.mutant))
        found = self.campaign._try(cast("Session", session), subject, self.mutant, statements, before, until)
        store.add(found)
        return found


@pytest.fixture
def tried(tmp_path: Path) -> Tried:
    path = tmp_path / "kamailio.cfg"
    path.write_text(CONFIGURATION)
    subject = Subject(tmp_path, path, (load(path, {}),), "6.0.1", is_own=False)
    scenarios = dialects.load_paths([SCENARIO.with_name(f"{name}.yaml") for name in NAMES])
    campaign = Campaign(Options(lab="local"), scenarios, tmp_path, 1, 1, print, thorough=True)
    statements = frozenset(subject.statements.keys.values())
    for number, each in enumerate(scenarios):
        # Only one of them fits into the time of an ordinary one.
        campaign._rows[each.id] = Row(each.id, 1.0 + 5 * number, statements)
    mutant = next(each for each in subject.mutants if each.operator == "negate")
    return Tried(campaign, subject, Store.open(tmp_path / "results.jsonl"), mutant)


def test_a_survivor_meets_all_that_reach_it(tried: Tried) -> None:
    tried.campaign.thorough = False
    some = Notices()
    assert tried.again(some).status == "survived"
    assert 0 < len(some.ran) < len(NAMES)
    tried.campaign.thorough = True
    others = Notices()
    result = tried.again(others)
    assert sorted(some.ran + others.ran) == sorted(NAMES)
    assert (result.status, len(result.rows)) == ("survived", len(NAMES))
    once_more = Notices()
    assert tried.again(once_more) == result
    assert once_more.ran == []


def test_what_only_another_scenario_notices_is_killed(tried: Tried) -> None:
    first = Notices()
    tried.campaign.thorough = False
    tried.again(first)
    last = next(name for name in reversed(NAMES) if name not in first.ran)
    tried.campaign.thorough = True
    assert Path(tried.again(Notices(last)).by).stem == last


@pytest.mark.parametrize("how", ["budget", "interrupt"])
def test_a_survivor_is_gone_on_with(tried: Tried, how: str) -> None:
    """What the budget or Ctrl-C leaves over is what the next run begins with."""
    first = Notices()
    if how == "interrupt":
        first.after = tried.campaign._stop.set
        result = tried.again(first)
    else:
        result = tried.again(first, until=0.0)
    assert result.status == "survived"
    assert len(result.rows) == len(first.ran) < len(NAMES)
    tried.campaign._stop.clear()
    rest = Notices()
    assert len(tried.again(rest).rows) == len(NAMES)
    assert not set(first.ran) & set(rest.ran)
    assert len(first.ran) + len(rest.ran) == len(NAMES)


def test_of_a_long_statement_the_line_says_what_it_is_about(tried: Tried) -> None:
    about = {each.edits[0].span.start.line: tried.subject.words(each) for each in tried.subject.mutants}
    assert "rating_callee" in about[3]
    assert "rating_callee" not in about[4]
