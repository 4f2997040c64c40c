"""Nothing is left when all calls are over: no end waits to be tried again, no table holds more than is documented."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from rating_harness.checks.health import nothing_left_waiting
from rating_harness.checks.model import Case
from rating_harness.checks.requests import requests_are_as_agreed
from rating_harness.evidence.model import Evidence, Exchange
from rating_harness.kamailio.rpc import KamailioClient, Transport
from tests.builders import CALL_ID, CARRIER, START, answered_call, evidence_of, exchange, scenario_of

PLAIN = 'calls: [{id: ana, from: "1000", to: "39040123456"}]\n'
Tables = Mapping[str, Mapping[str, str]] | None


def left(tmp_path: Path, tables: Tables, **evidence: Any) -> list[str]:
    run: Evidence = evidence_of(answered_call(), tables=tables, **evidence)
    return [finding.message for finding in nothing_left_waiting(Case(scenario_of(tmp_path / "s.yaml", PLAIN), run))]


def test_a_scenario_that_breaks_an_end_is_told_how_long_it_is_tried(tmp_path: Path) -> None:
    run: Evidence = evidence_of(answered_call(), tables={"rating_later": {CALL_ID: "1"}})
    broken = PLAIN + "faults: [{on: agent, path: end, status: 500}]\n"
    for rest, is_told in ((broken, True), (PLAIN, False)):
        [finding] = nothing_left_waiting(Case(scenario_of(tmp_path / "s.yaml", rest), run))
        assert ("RATING_END_PATIENCE" in finding.hint) is is_told


@pytest.mark.parametrize(
    ("table", "after", "is_right"),
    [
        ("rating_state", 50, True),
        ("rating_state", 60, False),
        ("rating_declined", 60, True),
        ("rating_declined", 90, False),
    ],
)
def test_what_may_stay_is_gone_after_its_time(tmp_path: Path, table: str, after: float, is_right: bool) -> None:
    call = answered_call()
    over = max(message.at for message in call)
    key = f"{CALL_ID} carrier-1" if table == "rating_declined" else CALL_ID
    tables = {"rating_state": {CALL_ID: "ended"}, table: {key: "ended"}}
    run: Evidence = replace(evidence_of(call, tables=tables), ended=over + after)
    found = [entry.message for entry in nothing_left_waiting(Case(scenario_of(tmp_path / "s.yaml", PLAIN), run))]
    assert any(f"in the table {table}" in message for message in found) != is_right


@pytest.mark.parametrize(
    "tables",
    [
        {},
        {"rating_state": {CALL_ID: "ended"}, "rating_cseq": {CALL_ID: "1"}},
        {"rating_state": {CALL_ID: "failed"}, "rating_byes": {CALL_ID: "2"}},
        {"rating_cseq": {CALL_ID: "1"}},  # a configuration that has no table of states
    ],
)
def test_what_is_documented_may_stay(tmp_path: Path, tables: Tables) -> None:
    assert left(tmp_path, tables) == []


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"rating_later": {CALL_ID: "1"}}, "waits to be hung up, or for its end to be tried again"),
        ({"rating_later": {CALL_ID: "1"}, "rating_end": {CALL_ID: "{}"}, "rating_state": {CALL_ID: "ending"}},
         "waits to be hung up, or for its end to be tried again"),
        ({"rating_overdue": {CALL_ID: "1"}}, "waits for the agent's answer"),
        ({"rating_end": {CALL_ID: "{}"}, "rating_state": {CALL_ID: "ended"}},
         "has an end that the agent hasn't taken"),
        ({"rating_request": {"77": CALL_ID}}, "has a request under way"),
        ({"rating_state": {CALL_ID: "ended"}, "rating_answer": {CALL_ID: "b1"}}, "is in the table rating_answer: b1"),
        ({"rating_state": {CALL_ID: "begun"}}, "is in the table rating_state: begun"),
        ({"rating_state": {}, "rating_mine": {CALL_ID: "x"}}, "is in the table rating_mine: x"),
        ({"rating_state": {CALL_ID: "asked"}, "rating_cseq": {CALL_ID: "1"}}, "is in the table rating_state: asked"),
        ({"rating_state": {"other": "ended"}, "rating_cseq": {CALL_ID: "1"}}, "is in the table rating_cseq: 1"),
        ({"rating_mine": {f"caller:{CALL_ID}": "x"}}, "is in the table rating_mine: x"),
        ({"rating_mine": {f"callee:{CALL_ID}": "x"}}, "is in the table rating_mine: x"),
        ({"rating_mine": {f"{CALL_ID}::2": "x"}}, "is in the table rating_mine: x"),
        ({"rating_mine": {f"{CALL_ID} tag": "x"}}, "is in the table rating_mine: x"),
    ],
)  # fmt: skip
def test_what_waits_or_stays_is_told_once(tmp_path: Path, tables: Tables, said: str) -> None:
    assert left(tmp_path, tables) == [f"call ana is over, and still {said}"]


def test_a_bye_to_an_end_that_has_vanished_may_wait_for_its_answer(tmp_path: Path) -> None:
    tables = {"rating_bye": {f"callee:{CALL_ID}": "x"}, "rating_state": {CALL_ID: "ended"}}
    unheard = tuple(m for m in answered_call() if not (m.host == CARRIER and m.method == "BYE"))
    run: Evidence = evidence_of(unheard, tables=tables)
    (finding,) = nothing_left_waiting(Case(scenario_of(tmp_path / "s.yaml", PLAIN), run))
    assert "nobody has answered" in finding.message
    assert left(tmp_path, tables) == [], "both had hung up before"
    rest = PLAIN.replace("}]", ", vanish: {who: callee, at: after answer}}]")
    assert list(nothing_left_waiting(Case(scenario_of(tmp_path / "s.yaml", rest), run))) == []
    run = evidence_of(unheard, tables={**tables, "rating_end": {CALL_ID: "{}"}})
    assert len(list(nothing_left_waiting(Case(scenario_of(tmp_path / "s.yaml", rest), run)))) == 1


def test_tables_that_could_not_be_read(tmp_path: Path) -> None:
    assert left(tmp_path, None) == ["Kamailio's tables of calls"]
    assert left(tmp_path, None, dialogs_left=None) == [], "the check of the dialogs says that Kamailio doesn't answer"


class _Answers:
    """JSON-RPC as htable answers: an array of slots, each with its entries."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = sizes
        self.dumped: list[str] = []

    def call(self, method: str, *parameters: str | int) -> Any:
        if method == "htable.stats":
            return [{"name": name, "slots": 4096, "all": size} for name, size in self.sizes.items()]
        self.dumped.append(str(parameters[0]))
        entries = [{"name": f"key-{n}", "value": n, "type": "int"} for n in range(2)]
        return [{"entry": 7, "size": 2, "slot": entries}]


def test_tables_are_read_of_those_that_hold_anything_and_not_too_much() -> None:
    answers = _Answers({"rating_state": 2, "rating_end": 0, "rating_dialog": 9_000, "subscriber": 5})
    client = KamailioClient(cast("Transport", None))
    client.call = answers.call  # type: ignore[method-assign]
    assert client.tables("rating_") == {"rating_state": {"key-0": "0", "key-1": "1"}}
    assert answers.dumped == ["rating_state"]
    assert client.unread_tables == {"rating_dialog": 9_000}


# --- requests -------------------------------------------------------------------------------------------------------


def disagreements(tmp_path: Path, **changed: Any) -> list[tuple[str, str]]:
    plain = exchange(0.002, "authorization")
    fields = {name: getattr(plain, name) for name in Exchange.__dataclass_fields__}
    run = evidence_of(answered_call(), [Exchange(**{**fields, **changed})])
    case = Case(scenario_of(tmp_path / "s.yaml", PLAIN), run)
    return [(finding.message, finding.seen) for finding in requests_are_as_agreed(case)]


@pytest.mark.parametrize(
    ("changed", "what", "seen"),
    [
        ({"method": "PUT"}, "method", "PUT"),
        ({"path": "/authorization"}, "path", "/authorization"),
        ({"query": "a=1"}, "path", "/v1/authorization?a=1"),
        ({"headers": (("Content-Type", "text/plain"),)}, "Content-Type", "text/plain"),
        ({"headers": ()}, "Content-Type", "none"),
        ({"request": "{"}, "body", "{"),
    ],
)
def test_a_request_that_is_not_as_agreed(tmp_path: Path, changed: dict[str, Any], what: str, seen: str) -> None:
    assert disagreements(tmp_path, **changed) == [(f"{what} of authorization", seen)]


def test_a_request_of_another_engine_is_one_that_its_file_recognises(tmp_path: Path) -> None:
    query = {"method": "GET", "query": "a=1", "headers": ()}
    assert disagreements(tmp_path, is_translated=True, headers=()) == []
    known = "engine.yaml recognises POST /billing/start"
    unknown = {"path": "/billing/authorization", "untranslated": known, **query}
    assert disagreements(tmp_path, **unknown) == [("path of authorization", "GET /billing/authorization?a=1")]


@pytest.mark.parametrize("value", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_a_content_type_however_it_is_written(tmp_path: Path, value: str) -> None:
    assert disagreements(tmp_path, headers=(("content-type", value),)) == []


def test_a_moment_is_shown_by_the_calls_own_time_and_other_values_in_parts(tmp_path: Path) -> None:
    def seen(tables: Tables) -> list[str]:
        run: Evidence = evidence_of(answered_call(), tables=tables)
        return [each.seen for each in nothing_left_waiting(Case(scenario_of(tmp_path / "s.yaml", PLAIN), run))]

    assert seen({"rating_later": {CALL_ID: str(int(START) + 12)}}) == ["due 12 s after its INVITE"]
    assert seen({"rating_end": {CALL_ID: "sip:x\x01udp:y\x02"}}) == ["sip:x, udp:y"]
