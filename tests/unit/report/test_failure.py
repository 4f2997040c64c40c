"""The failure's screen: the cause first, nothing missing, nothing too long."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rating_harness.checks.model import Case, Finding, Verdict
from rating_harness.errors import HarnessError, Location, PlanError, ScenarioError, ServiceDied
from rating_harness.evidence.model import Evidence, HttpStep, LogLine, SippResult
from rating_harness.report.failure import error_text, failure_text
from rating_harness.report.presentation import causes_first
from rating_harness.scenario.model import Scenario
from tests.builders import CALL_ID, START, answered_call, evidence_of, exchange, refused_call, scenario_of
from tests.unit.report import scenes
from tests.unit.report.conftest import Golden

SCENARIO = Path("scenario.yaml")
FOLDER = Path("evidence/run-1f2e")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def finding(check: str, line: int = 7, **more: Any) -> Finding:
    where = Location(SCENARIO.as_posix(), line, 1)
    return Finding(check=check, message=f"about {check}", expected="this", seen="that", where=where, **more)


def text_of(*findings: Finding, log: tuple[LogLine, ...] = ()) -> str:
    scenario, evidence = scenes.refused(SCENARIO)
    return failure_text(scenario, replace(evidence, log=log), Verdict(scenario.id, findings), FOLDER)


def test_a_call_that_was_refused(golden: Golden) -> None:
    scenario, evidence = scenes.refused(SCENARIO)
    golden("failure-refused", failure_text(scenario, evidence, scenes.verdict_of(scenario, evidence), FOLDER))


def test_a_begin_that_failed(golden: Golden) -> None:
    scenario, evidence = scenes.begin_failed(SCENARIO)
    golden("failure-begin_failed", failure_text(scenario, evidence, scenes.verdict_of(scenario, evidence), FOLDER))


def test_the_same_of_a_call_that_passed() -> None:
    text = text_of()
    assert text.startswith("PASSED  A call is made\n        scenario.yaml:1\n\nCall ana  ")
    assert "FAILED" not in text


def test_causes_come_before_what_follows_from_them() -> None:
    checks = ["expect.accounts[0].balance", "always: begin_and_end", "calls[0].expect.duration",
              "calls[0].expect.reply", "always: kamailio"]  # fmt: skip
    case = Case(scenario_of(SCENARIO, 'calls: [{id: ana, from: "1", to: "2"}]\n'), evidence_of(refused_call()))
    in_order = causes_first(case, [finding(check) for check in checks])
    assert [told.finding.check for told in in_order] == checks[::-1]


@pytest.mark.parametrize(("made", "first"), [(True, "calls[0].expect.reply"), (False, "always: calls")])
def test_calls_that_were_never_made_explain_everything_else(made: bool, first: str) -> None:
    case = Case(
        scenario_of(SCENARIO, 'calls: [{id: ana, from: "1", to: "2"}]\n'),
        evidence_of(refused_call() if made else ()),
    )
    in_order = causes_first(case, [finding("always: calls"), finding("calls[0].expect.reply")])
    assert in_order[0].finding.check == first


def test_repetitions_of_a_call_share_a_finding() -> None:
    one = finding("calls[0].expect.reply")
    text = text_of(*(replace(one, message=f"call ana {n}: no reply", call_id=f"{n}@sip.test") for n in range(1, 13)))
    assert text.count("no reply") == 1
    assert "call ana 1: no reply (and 11 more like it)\n" in text


def test_different_findings_of_one_line_are_all_told() -> None:
    one = finding("always: begin_and_end")
    begin, end = (replace(one, message=f"call ana: {word} is missing", call_id=CALL_ID) for word in ("begin", "end"))
    accounts = [replace(finding("always: balances"), message=f"balance of account {n}") for n in (1000, 1001)]
    text = text_of(begin, end, *accounts)
    assert "more like it" not in text
    for each in (begin, end, *accounts):
        assert each.message in text


def test_of_many_findings_the_first_are_whole_and_none_is_forgotten() -> None:
    text = text_of(*(finding(f"expect.requests[{n}]", line=n) for n in range(1, 10)))
    assert text.count("expected | this") == 3
    assert "about expect.requests[5]: expected this, seen that (line 5)\nand 4 more\n" in text


def test_it_is_one_screen() -> None:
    log = tuple(LogLine("kamailio", f"{CALL_ID} {'long ' * 60}", "ERROR") for _ in range(20))
    scenario, _ = scenes.refused(SCENARIO)
    evidence = replace(scenes.retransmitted(60), log=log)
    findings = tuple(finding(f"expect.requests[{n}]", line=n, hint="do this") for n in range(1, 10))
    lines = failure_text(scenario, evidence, Verdict(scenario.id, findings), FOLDER).splitlines()
    assert len(lines) <= 50
    assert max(map(len, lines)) <= 118
    assert "  and 14 more" in lines


def test_the_line_is_that_of_the_file_which_asked() -> None:
    shared = Path("_shared.yaml")
    shared.write_text("carriers:\n  carrier: {refuse: 486}\n")
    where = Location(shared.as_posix(), 2, 3)
    assert "  _shared.yaml:2 | carrier: {refuse: 486}\n" in text_of(replace(finding("calls[0]"), where=where))


@pytest.mark.parametrize("where", [Location("gone.yaml", 1, 1), Location("scenario.yaml", 999, 1)])
def test_a_file_that_has_changed_or_gone(where: Location) -> None:
    assert "expected | this" in text_of(replace(finding("calls[0]"), where=where))


def test_the_ladder_is_of_the_call_that_the_first_finding_is_on() -> None:
    scenario = scenario_of(SCENARIO, 'calls: [{id: ana, from: "1", to: "2"}, {id: bob, from: "1", to: "2"}]\n')
    bob = answered_call(call_id="bob@sip.test", caller="caller-bob")
    evidence = evidence_of([*refused_call(), *bob])
    of_bob = Verdict(scenario.id, (finding("expect.accounts[0]"), finding("calls[1].x", call_id="bob@sip.test")))
    of_nobody = Verdict(scenario.id, (finding("expect.accounts[0]"),))
    assert "\nCall bob  bob@sip.test\n" in failure_text(scenario, evidence, of_bob, None)
    assert f"\nCall ana  {CALL_ID}\n" in failure_text(scenario, evidence, of_nobody, None)


def failing_calls(count: int) -> tuple[Scenario, Evidence, Verdict]:
    """As many calls, all refused, with a finding on each of their replies."""
    names = [f"c{number}" for number in range(count)]
    calls = ", ".join(f'{{id: {name}, from: "1", to: "2"}}' for name in names)
    scenario = scenario_of(SCENARIO, f"calls: [{calls}]\n")
    messages = [m for name in names for m in refused_call(call_id=f"{name}@sip.test", caller=f"caller-{name}")]
    findings = tuple(
        finding(f"calls[{index}].expect.reply", call_id=f"{name}@sip.test", shown_by=messages[4 * index + 2])
        for index, name in enumerate(names)
    )
    return scenario, evidence_of(messages), Verdict(scenario.id, findings)


@pytest.mark.parametrize(
    ("count", "shown", "left_out"),
    [(1, 1, ""), (3, 3, ""), (4, 3, "and 1 more call with"), (9, 3, "and 6 more calls with")],
)
def test_each_failing_call_has_its_ladder_up_to_three(count: int, shown: int, left_out: str) -> None:
    text = failure_text(*failing_calls(count), None)
    assert [f"Call c{number}  c{number}@sip.test" in text for number in range(count)].count(True) == shown
    assert ("more call" in text) == bool(left_out)
    assert left_out in text
    everything = failure_text(*failing_calls(count), None, ladders=None)
    assert all(f"Call c{number}  c{number}@sip.test" in everything for number in range(count))
    assert "more call" not in everything


def test_the_failing_message_is_marked_in_its_calls_ladder() -> None:
    text = failure_text(*failing_calls(2), None)
    marked = [line for line in text.splitlines() if line.startswith(">")]
    assert len(marked) == 2
    assert all("403 Forbidden" in line for line in marked)


def test_calls_of_a_hand_written_sipp_scenario_have_call_ids_that_nobody_planned() -> None:
    scenario = scenario_of(SCENARIO, 'calls: [{id: ana, from: "1", to: "2"}]\n')
    evidence = replace(evidence_of(refused_call(caller="worker-1")), call_ids={})
    text = failure_text(scenario, evidence, Verdict(scenario.id, (finding("workers[0]"),)), None)
    assert f"\nCall at worker-1  {CALL_ID}\n" in text
    assert "403 Forbidden" in text


def test_a_run_without_any_message() -> None:
    scenario = scenario_of(SCENARIO, 'calls: [{id: ana, from: "1", to: "2"}]\n')
    evidence = replace(evidence_of([]), call_ids={})
    text = failure_text(scenario, evidence, Verdict(scenario.id, (finding("workers[0]"),)), None)
    assert "Call " not in text
    assert "expected | this" in text


def test_a_call_that_was_never_made_is_said_to_be_unseen() -> None:
    scenario = scenario_of(SCENARIO, 'calls: [{id: ana, from: "1", to: "2"}]\n')
    evidence = evidence_of([], sipp=(SippResult("caller-ana", "caller", 255, 0, 0, 0, errors="can't bind"),))
    verdict = Verdict(scenario.id, (replace(finding("always: calls"), call_id=CALL_ID),))
    assert f"Call ana: no message of it was seen ({CALL_ID})" in failure_text(scenario, evidence, verdict, None)


def test_requests_about_calls_that_nobody_made() -> None:
    scenario, evidence = scenes.refused(SCENARIO)
    stray = exchange(1.0, "end_transaction", call_id="lost@sip.test")
    text = failure_text(scenario, replace(evidence, exchanges=(stray,)), Verdict(scenario.id, ()), None)
    assert "Requests to the agent about other calls\n    +1.000  end_transaction of 1000 -> 200 ok true\n" in text


def test_what_a_torture_message_holds_moves_no_cursor() -> None:
    scenario = scenario_of(SCENARIO, 'calls: [{id: ana, from: "1", to: "2"}]\n')
    evidence = evidence_of(
        refused_call("486 Busy\x1b[2J\x0bHere"), log=(LogLine("k", f"{CALL_ID} \x1b[2J", "ALERT"),)
    )
    text = failure_text(scenario, evidence, Verdict(scenario.id, (finding("calls[0]"),)), None)
    assert "486 Busy\ufffd[2J\ufffdHere─┤" in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_without_a_folder_there_is_nothing_to_check_again() -> None:
    scenario, evidence = scenes.refused(SCENARIO)
    text = failure_text(scenario, evidence, Verdict(scenario.id, ()), None)
    assert text.endswith("\ndriver local  kamailio 6.0.1  seed 42")


def test_a_long_folder_can_be_copied() -> None:
    scenario, evidence = scenes.refused(SCENARIO)
    folder = Path("/" + "deep/" * 40 + "and dark")
    assert f"rating-harness check '{folder}'" in failure_text(scenario, evidence, Verdict(scenario.id, ()), folder)


@pytest.mark.parametrize("level", ["ALERT", "BUG", "CRITICAL", "ERROR", "WARNING", "NOTICE"])
def test_grave_lines_of_the_call_are_told(level: str) -> None:
    line = LogLine("kamailio", f"{{{CALL_ID}}} <script>: told of {CALL_ID}", level, START)
    assert f"\nKamailio's log of this call\n  {level:8}  told of {CALL_ID}\n" in text_of(log=(line,))


@pytest.mark.parametrize(
    "line",
    [LogLine("kamailio", CALL_ID, "INFO"), LogLine("kamailio", CALL_ID), LogLine("kamailio", "other", "ALERT")],
)
def test_other_lines_are_not(line: LogLine) -> None:
    assert "Kamailio's log" not in text_of(log=(line,))


@pytest.mark.parametrize(
    ("error", "begins"),
    [
        (ServiceDied("Kamailio died", service="kamailio", status=1), "NOT RUN  the lab could not be brought up, or"),
        (PlanError("no TLS"), "NOT RUN  the scenario can't be carried out here\nno TLS"),
        (HarnessError("odd"), "NOT RUN  error\nodd"),
        (ScenarioError([]), ""),
    ],
)
def test_an_error_says_that_nothing_was_tested(error: HarnessError, begins: str) -> None:
    assert error_text(error).startswith(begins)
    assert str(error) in error_text(error)


def test_the_step_that_a_finding_is_on_shows_what_was_asked_and_answered() -> None:
    scenario, evidence = scenes.refused(SCENARIO)
    steps = tuple(
        HttpStep(section, 0, START + 2, "POST", "http://api/graphql", "{\n  balance\n}", 200, {"data": 7})
        for section in ("setup", "check")
    )
    found = Verdict(scenario.id, (finding("check[0]"),))
    text = failure_text(scenario, replace(evidence, http_steps=steps), found, FOLDER)
    assert '     2.000  check[0] { balance }\n            -> 200 {"data": 7}\n' in text
    assert "setup[0]" not in text
