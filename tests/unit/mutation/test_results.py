"""The store, the score, the accepted ones, and which scenarios are run."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from rating_harness.errors import UsageError
from rating_harness.kamailio_config.parser import load
from rating_harness.lab.files import data_directory
from rating_harness.mutation.accepted import Accepted, read_accepted, stale
from rating_harness.mutation.answers import Sabotage, sabotages
from rating_harness.mutation.campaign import chosen as sampled
from rating_harness.mutation.mutants import START, Mutant
from rating_harness.mutation.operators import mutants_of
from rating_harness.mutation.report import MutationReport
from rating_harness.mutation.results import Result, Score, Store, wilson
from rating_harness.mutation.selection import Row, Statements, statement_key
from rating_harness.scenario.faults import Fault
from tests.unit.kamailio_config.builders import configuration

KILLED = Result(
    "0000000001", "k", "killed", ("r1", "r2"), "one.yaml", "r1", "calls[0].expect.reply", "reply: ...", 1.0
)
SURVIVED = Result("0000000002", "k", "survived", ("r1", "r2"))


def test_the_store_goes_on_where_it_was(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "deep" / "results.jsonl")
    store.add(KILLED)
    store.add(SURVIVED)
    with store.path.open("a") as file:
        file.write('{"id": "0000000003", "key"')
    again = Store.open(store.path)
    assert again.find(KILLED.id, "k") == KILLED
    assert again.find(KILLED.id, "another configuration") is None
    assert again.find("0000000003", "k") is None
    assert again.kills() == {"one.yaml": 1}


@pytest.mark.parametrize(
    ("result", "rows", "holds"),
    [
        (KILLED, ("r1",), True),
        (KILLED, ("r2",), False),
        (SURVIVED, ("r2",), True),
        (SURVIVED, ("r2", "r3"), False),
        (replace(SURVIVED, status="invalid", rows=()), ("r9",), True),
    ],
)
def test_a_result_holds_as_long_as_its_scenarios_do(result: Result, rows: tuple[str, ...], holds: bool) -> None:
    assert result.holds(rows) is holds


def test_the_score_counts_valid_ones_without_equivalents() -> None:
    results = [
        KILLED,
        SURVIVED,
        replace(SURVIVED, id="3", status="invalid"),
        replace(SURVIVED, id="4", status="unreached"),
    ]
    assert Score.of(results) == Score(1, 3)
    assert Score.of(results, frozenset({SURVIVED.id})) == Score(1, 2)
    assert Score.of(results, frozenset({KILLED.id})) == Score(1, 3), "what is killed isn't equivalent"
    assert Score(0, 0).percent == 100.0


def test_the_interval_of_a_sample() -> None:
    low, high = wilson(50, 100, 10_000)
    assert (round(low), round(high)) == (40, 60)
    assert wilson(50, 100, 100) == (50.0, 50.0)
    assert wilson(0, 0, 10) == (0.0, 100.0)


# --- accepted -------------------------------------------------------------------------------------------------------

FILE = """
equivalent:
  - {id: 0000000002, kind: same-meaning, reason: "it is set again before it is read"}
costs:
  - {cost: money, routes: ["route[[]BEGIN*"], operators: [drop-*, negate]}
"""


def test_accepted_mutants_and_rules(tmp_path: Path) -> None:
    (tmp_path / "mutation.yaml").write_text(FILE.replace("0000000002", '"0000000002"'))
    accepted = read_accepted(tmp_path / "mutation.yaml")
    assert accepted.of(SURVIVED.id) is not None
    assert accepted.cost("route[BEGIN_X]", "drop-exit") == "money"
    assert accepted.cost("route[BEGIN_X]", "number") is None
    assert accepted.cost("route[END]", "negate") is None
    assert [each.id for each in stale(accepted, ["0000000001"])] == [SURVIVED.id]
    assert stale(accepted, [SURVIVED.id]) == ()
    assert read_accepted(tmp_path / "none.yaml") == Accepted()


@pytest.mark.parametrize(
    "text",
    ["equivalent: [{id: x, kind: same-meaning, reason: long enough}]", "equivalent: 3", "unknown: 1", "a: [",
     'equivalent: [{id: "0000000002", kind: because, reason: long enough}]',
     'equivalent: [{id: "0000000002", kind: size, reason: short}]'],
)  # fmt: skip
def test_a_file_that_is_wrong(tmp_path: Path, text: str) -> None:
    (tmp_path / "mutation.yaml").write_text(text)
    with pytest.raises(UsageError):
        read_accepted(tmp_path / "mutation.yaml")


# --- selection ------------------------------------------------------------------------------------------------------

A, B, C = (statement_key("route[X]", text, 0) for text in ("a();", "b();", "c();"))
PLACES = Statements({("k.cfg", 1, 1): A, ("k.cfg", 2, 1): B, ("k.cfg", 3, 1): C})
ROWS = [
    Row("slow", 9.0, frozenset({A, B}), frozenset({"begin"})),
    Row("fast", 1.0, frozenset({A, B})),
    Row("other", 5.0, frozenset({A, C})),
    Row("elsewhere", 0.1, frozenset({statement_key("route[Y]", "d();", 0)})),
]


def mutant(line: int, column: int | None = 1, route: str = "route[X]") -> Mutant:
    return Mutant("id", "negate", route, "k.cfg", line, column, ())


def chosen(trial: Mutant, kills: dict[str, float] | None = None, most: int = 9) -> list[str]:
    return [row.scenario for row in PLACES.rows_for(trial, ROWS, kills or {}, most)]


def test_one_row_for_each_path_first_then_the_others() -> None:
    assert chosen(mutant(1)) == ["fast", "other", "slow"]
    assert chosen(mutant(1), most=1) == ["fast"]
    assert chosen(mutant(2)) == ["fast", "slow"]
    assert chosen(mutant(3)) == ["other"]


def test_all_of_it_within_the_time_of_ordinary_rows() -> None:
    """The median of these rows is 3 s."""
    assert chosen(mutant(1), most=2) == ["fast", "other"]
    rows = [Row(f"row {n}", 1.0 + n / 10, frozenset({A})) for n in range(9)]
    assert len(PLACES.rows_for(mutant(1), rows, {}, 3)) == 3, "as many as are wanted"
    short = [Row(f"short {n}", 0.2, frozenset({A})) for n in range(30)]
    ordinary = [Row(f"elsewhere {n}", 2.0, frozenset({C})) for n in range(40)]
    assert len(PLACES.rows_for(mutant(1), [*short, *ordinary], {}, 3)) == 9, "three times as many short ones"
    long = [Row(f"long {n}", 20.0, frozenset({A})) for n in range(7)]
    found = [row.scenario for row in PLACES.rows_for(mutant(1), [*rows, *long], {"long 1": 9, "long 2": 8}, 9)]
    assert found[0] == "long 1"
    assert len(found) > 6, "each takes an eighth of the time"
    assert sum(name.startswith("row") for name in found) > 2, "what takes long leaves some time for others"
    lone = Row("long", 40.0, frozenset({C}))
    assert [row.scenario for row in PLACES.rows_for(mutant(3), [lone], {}, 8)] == ["long"]


def test_who_expects_more_goes_first() -> None:
    rows = [Row("little", 1.0, frozenset({A})), Row("much", 1.5, frozenset({A}), frozenset(), 9)]
    assert [row.scenario for row in PLACES.rows_for(mutant(1), rows, {}, 8)] == ["much", "little"]


def test_rows_come_first_that_execute_what_is_called_and_what_is_named() -> None:
    here = statement_key("route[X]", "route(CALLED);", 0)
    called = statement_key("route[CALLED]", "d();", 0)
    named = statement_key("route[Z]", "$var(x) = $sht(calls=>$ci);", 0)
    other = statement_key("route[Z]", "$var(y) = 1;", 0)
    places = Statements({("k.cfg", line, 1): key for line, key in enumerate((here, called, named, other), 1)})
    rows = [Row("plain", 1.0, frozenset({here})), Row("alike", 1.0, frozenset({here, other}))]
    rows += [Row("names", 2.0, frozenset({here, named})), Row("calls", 2.0, frozenset({here, called}))]
    first = [row.scenario for row in places.rows_for(mutant(1), rows, {}, 9, "$sht(calls=>$ci) = 1;")][:2]
    assert sorted(first) == ["calls", "names"]
    assert places.rows_for(mutant(1), rows, {}, 1)[0].scenario == "calls"


def test_a_changed_condition_meets_those_first_that_run_what_it_guards() -> None:
    """All of them have the route and its rare statements; one has the ``if``'s own."""
    test, guarded, *others = (statement_key("route[X]", f"{name}();", 0) for name in ("if", "guarded", "b", "c", "d"))
    keys = {("k.cfg", line, 1): key for line, key in enumerate((test, guarded, *others), 1)}
    rows = [Row("guarded", 2.0, frozenset({test, guarded}))]
    rows += [Row(f"other {n}", 1.0, frozenset({test, each})) for n, each in enumerate(others)]
    bodies = {("k.cfg", 1, 1): frozenset({("k.cfg", 2, 1), ("k.cfg", 9, 9)})}
    assert Statements(keys, {}, bodies).rows_for(mutant(1), rows, {}, 1)[0].scenario == "guarded"
    assert Statements(keys).rows_for(mutant(1), rows, {}, 1)[0].scenario != "guarded"
    assert Statements(keys, {}, bodies).rows_for(mutant(3), rows, {}, 1)[0].scenario == "other 0", "of another place"


def test_what_is_read_at_the_start_meets_those_whose_defines_leave_it_in() -> None:
    places = Statements({}, {("k.cfg", 7): frozenset({1})})
    rows = [Row("without", 1.0, frozenset({A})), Row("with", 1.0, frozenset({A, B}), defines=1)]
    assert [row.scenario for row in places.rows_for(mutant(7, None, START), rows, {}, 9)] == ["with"]
    assert [row.scenario for row in places.rows_for(mutant(8, None, START), rows, {}, 9)] == ["with"], "the widest"


def test_settings_meet_those_first_that_read_them() -> None:
    reads = replace(Row("reads", 9.0, frozenset({A})), reads_settings=True)
    rows = [Row("wide", 1.0, frozenset({A, B})), reads]
    words = 'modparam("htable", "htable", "calls=>size=4;")'
    assert next(row.scenario for row in PLACES.rows_for(mutant(9, None, START), rows, {}, 9, words)) == "reads"
    assert [row.scenario for row in PLACES.rows_for(mutant(1), rows, {"wide": 1}, 1)] == ["wide"]


def test_a_default_meets_those_who_do_not_define_it() -> None:
    rows = [Row("defines", 1.0, frozenset({A}), defined=frozenset({"WAIT"})), Row("takes it", 1.0, frozenset({A}))]
    found = PLACES.rows_for(mutant(9, None, START), rows, {}, 9, "#!trydef WAIT 5 #!trydef WAIT 50")
    assert [row.scenario for row in found] == ["takes it"]


def test_rows_come_first_that_expect_the_text_which_is_changed() -> None:
    rows = [Row(f"plain {n}", 1.0, frozenset({A}), expected=frozenset({"end"})) for n in range(5)]
    kills = {row.scenario: 9.0 for row in rows}
    rows.append(Row("lost", 2.0, frozenset({A}), expected=frozenset({"end", "lost"})))
    first = PLACES.rows_for(mutant(1), rows, kills, 3, 'xlog("L_WARN", "x: end lost") L_DBG')[0]
    assert first.scenario == "lost"


def test_a_row_that_never_killed_has_its_turn() -> None:
    rows = [Row(f"old {n}", 1.0, frozenset({A})) for n in range(9)]
    kills = {row.scenario: 9.0 for row in rows}
    rows.append(Row("new", 1.0, frozenset({A}), expectations=2))
    assert [row.scenario for row in PLACES.rows_for(mutant(1), rows, kills, 4)][1] == "new"


def test_what_has_to_do_with_time_meets_those_that_move_the_clock() -> None:
    here = statement_key("route[X]", "$shtex(calls=>$ci) = 30;", 0)
    beside = statement_key("route[X]", "$var(x) = 1;", 0)
    apart = statement_key("route[Y]", "$var(x) = 1;", 0)
    places = Statements({("k.cfg", line, 1): key for line, key in enumerate((here, beside, apart), 1)})
    ran = frozenset({here, beside, apart})
    rows = [Row(f"plain {n}", 1.0, ran, expectations=9) for n in range(9)]
    rows.append(Row("later", 9.0, ran, moves_clock=True))
    turns = [
        [row.scenario for row in places.rows_for(mutant(line, route=route), rows, {}, 9)]
        for line, route in ((1, "route[X]"), (2, "route[X]"), (3, "route[Y]"))
    ]
    assert turns[0][0] == "later"
    assert turns[1].index("later") == 4, "the route says how long something stays"
    assert "later" not in turns[2]
    left = Mutant("id", "drop-cleanup", "route[Y]", "k.cfg", 3, 1, ())
    assert places.rows_for(left, rows, {}, 9)[0].scenario == "later"


def test_rows_come_first_that_execute_what_names_the_same_variable() -> None:
    here = statement_key("route[X]", '$var(rs) = "";', 0)
    other = statement_key("route[Z]", "$du = $(var(rs){s.select,0,,});", 0)
    places = Statements({("k.cfg", line, 1): key for line, key in enumerate((here, other), 1)})
    rows = [Row("plain", 1.0, frozenset({here})), Row("reads it", 1.1, frozenset({here, other}))]
    assert places.rows_for(mutant(1), rows, {}, 1)[0].scenario == "reads it"


def test_each_second_row_takes_another_path_through_the_route() -> None:
    rows = [Row(f"same {n}", 1.0, frozenset({A, B}), expectations=90) for n in range(9)]
    rows.append(Row("another", 2.0, frozenset({A})))
    assert [row.scenario for row in PLACES.rows_for(mutant(1), rows, {}, 9)][1] == "another"


def test_rows_that_killed_before_come_first() -> None:
    assert chosen(mutant(1), {"slow": 3, "other": 1}) == ["slow", "other", "fast"]


def test_a_place_without_a_probe_and_what_is_read_at_the_start() -> None:
    assert chosen(mutant(7)) == ["fast", "other", "slow"]
    assert chosen(mutant(7, route="route[Z]")) == []
    assert sorted(chosen(mutant(7, None, START))) == ["elsewhere", "fast", "other"], "the widest"


def test_a_statement_that_is_new_since_rows_were_measured() -> None:
    new = Statements({("k.cfg", 1, 1): statement_key("route[X]", "new();", 0)})
    old = [replace(row, is_current=False) for row in ROWS]
    assert {row.scenario for row in new.rows_for(mutant(1), old, {}, 9)} >= {"fast", "other"}
    assert new.rows_for(mutant(1), ROWS, {}, 9) == (), "of rows that are current it's known that none reaches it"


def test_a_route_that_is_new_meets_those_who_run_what_calls_it() -> None:
    call, own = statement_key("route[X]", "route(FRESH);", 0), statement_key("route[FRESH]", "e();", 0)
    places = Statements({("k.cfg", 1, 1): A, ("k.cfg", 2, 1): call, ("k.cfg", 9, 1): own})
    old = [replace(row, is_current=False) for row in ROWS]
    found = places.rows_for(mutant(9, route="route[FRESH]"), old, {}, 9)
    assert {row.scenario for row in found} == {"fast", "other"}, "the slow one takes too long"
    assert places.rows_for(mutant(9, route="route[FRESH]"), ROWS, {}, 9) == ()


def test_sabotage_goes_to_scenarios_that_make_the_request() -> None:
    assert [row.scenario for row in PLACES.rows_for(sabotages_of("begin")[0], ROWS, {}, 9)] == ["slow"]


# --- answers --------------------------------------------------------------------------------------------------------


def sabotages_of(request: str) -> list[Sabotage]:
    return [each for each in sabotages() if each.request == request]


def test_each_sabotage_is_a_fault_that_a_scenario_may_have() -> None:
    every = sabotages()
    assert len({each.id for each in every}) == len(every)
    for each in every:
        assert Fault.model_validate(each.whole).path == each.request


# --- the report -----------------------------------------------------------------------------------------------------


def report() -> MutationReport:
    tree = configuration('route[X] {\n\ta();\n\tif (b()) xlog("L_WARN", "c");\n}\n')
    trials = {each.id: each for each in mutants_of(tree)}
    drop, log = (
        next(identity for identity, each in trials.items() if each.operator == name)
        for name in ("drop-block", "log-text")
    )
    others = [identity for identity in trials if identity not in (drop, log)]
    results = [
        Result(drop, "k", "survived", ("r1",), reaching=7),
        Result(log, "k", "unreached"),
        Result(others[0], "k", "killed", ("r1",), "one.yaml", "r1", "calls[0].expect.reply", "reply: other"),
        Result(others[1], "k", "killed", ("r1",), "one.yaml", "r1", "calls[1].expect.reply", "reply: other"),
        Result(others[2], "k", "invalid", ("r1",)),
    ]
    accepted = Accepted.model_validate({"costs": [{"cost": "money", "operators": ["drop-*"]}]})
    return MutationReport(trials, results, tree.sources, accepted, (), len(trials), {"r1": "one.yaml"})


def test_what_survived_and_costs() -> None:
    (dropped,) = report().survivors_that_cost(["money"])
    assert report().trials[dropped].operator == "drop-block"
    assert report().survivors_that_cost(["security"]) == report().survivors_that_cost([]) == []


def test_the_text() -> None:
    text = report().text()
    assert text.startswith("SURVIVED ")
    assert '    -\tif (b()) xlog("L_WARN", "c");' in text
    assert "    ran: 1 of 7 that execute it: one.yaml" in text
    assert "No scenario executes 1 places of 1 mutants:" in text
    assert "       2  calls.expect.reply" in text
    assert "Mutation score: 2 of 4 (50.0 %) killed; of all" in text
    assert "  without texts for people: 2 of 3 (66.7 %)" in text
    assert "  that cost money: " in text
    assert "  not counted: 1 that Kamailio refuses, 0 equivalent" in text


def test_the_files(tmp_path: Path) -> None:
    report().write(tmp_path)
    value = json.loads((tmp_path / "mutation.json").read_text())
    assert value["score"] == {"killed": 2, "total": 4, "percent": 50.0}
    assert {each["status"] for each in value["mutants"]} == {"killed", "survived", "invalid", "unreached"}
    page = (tmp_path / "mutation.html").read_text()
    assert page.index('class="survived"') < page.index('class="killed"')
    assert "survived 1 of 7 that execute it<" in page
    assert {each["reaching"] for each in value["mutants"] if each["status"] == "survived"} == {7}
    summary = (tmp_path / "mutation.md").read_text()
    assert "```diff" in summary
    assert ": survived 1 of 7 that execute it\n" in summary


def test_what_the_project_accepts_of_its_own_configuration() -> None:
    accepted = read_accepted(data_directory("kamailio") / "mutation.yaml")
    switches: dict[str, str | None] = {"RATING_ONE_CALL": '"all"', "RATING_SLICE": "4", "WITH_DIALOG_DB": "1"}
    switches["WITH_REGISTRAR"] = "1"
    mutants = mutants_of(*(load(data_directory("kamailio"), defines) for defines in ({}, switches)))
    known = [*(each.id for each in mutants), *(each.id for each in sabotages())]
    assert stale(accepted, known) == ()
    texts = [file.read_text() for file in data_directory("kamailio").glob("*.cfg")]
    titles = {title for text in texts for title in re.findall(r"^(\w*route(?:\[[^\]]+\])?) \{", text, re.MULTILINE)}
    for rule in accepted.costs:
        for pattern in rule.routes:
            assert any(fnmatchcase(title, pattern) for title in titles), f"no route fits {pattern}"


def test_a_sample_is_the_same_whichever_others_there_are() -> None:
    every = [replace(mutant(1), id=f"m{number}") for number in range(200)]
    fewer = every[:50] + every[60:]
    whole = [each.id for each in sampled(every, sample=None, seed=7, shuffled=True)]
    assert sorted(whole) == sorted(each.id for each in every)
    assert [each.id for each in sampled(every, sample=20, seed=7, shuffled=False)] == whole[:20]
    removed = {each.id for each in every[50:60]}
    left = [each for each in whole if each not in removed]
    assert [each.id for each in sampled(fewer, sample=20, seed=7, shuffled=False)] == left[:20]
    assert whole != [each.id for each in sampled(every, sample=None, seed=8, shuffled=True)]
    assert list(sampled(every, sample=None, seed=7, shuffled=False)) == every
