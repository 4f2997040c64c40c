from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from rating_harness.checks.kamailio import check_routes, check_rpc
from rating_harness.checks.model import Case, Finding
from rating_harness.evidence.model import RpcAnswer
from tests.builders import answered_call, evidence_of, scenario_of


def _found(tmp_path: Path, routes: Mapping[str, int] | None) -> list[Finding]:
    scenario = scenario_of(
        tmp_path / "scenario.yaml",
        'calls: [{id: ana, from: "1000", to: "39"}]\nexpect: {routes: {run: [SIPOUT], not_run: [HANG_UP]}}\n',
    )
    return list(check_routes(Case(scenario, evidence_of(answered_call(), routes=routes))))


def test_routes_as_expected(tmp_path: Path) -> None:
    assert _found(tmp_path, {"SIPOUT": 3, "OTHER": 1}) == []


def test_a_route_that_did_not_run_and_one_that_did(tmp_path: Path) -> None:
    missing, other = _found(tmp_path, {"SIP_OUT": 3, "HANG_UP": 1})
    assert (missing.check, missing.expected, missing.seen) == ("expect.routes.run[0]", "run", "not run")
    assert missing.hint == "did you mean 'SIP_OUT'?"
    assert (other.check, other.expected, other.seen) == ("expect.routes.not_run[0]", "not run", "run")


def test_without_a_trace_nothing_is_known(tmp_path: Path) -> None:
    assert [finding.seen for finding in _found(tmp_path, None)] == ["Kamailio was not traced"] * 2


_EXPECTED = """calls: [{id: ana, from: "1000", to: "39"}]
expect:
  rpc:
    - {command: core.tcp_options, result: {connect_timeout: 3, async: 1}}
    - {command: htable.listTables, result: [{name: rating_state, expire: 60, size: 16}, {name: trunk}]}
    - {command: cfg.get, parameters: [core, debug], result: 2}
"""
_TCP = RpcAnswer("core.tcp_options", (), {"connect_timeout": 3, "async": 1, "no_connect": 0})
_TABLES = RpcAnswer("htable.listTables", (), [{"name": "trunk"}, {"name": "rating_state", "expire": 60, "size": 16}])
_DEBUG = RpcAnswer("cfg.get", ("core", "debug"), 2)


def _of_rpc(tmp_path: Path, *answers: RpcAnswer) -> list[tuple[str, str, str]]:
    scenario = scenario_of(tmp_path / "scenario.yaml", _EXPECTED)
    found = check_rpc(Case(scenario, evidence_of(answered_call(), rpc=answers)))
    return [(each.message, each.expected, each.seen) for each in found]


def test_answers_to_commands_as_expected(tmp_path: Path) -> None:
    assert _of_rpc(tmp_path, _TCP, _TABLES, _DEBUG) == []


def test_a_finding_for_each_value_that_is_another_one(tmp_path: Path) -> None:
    tcp = replace(_TCP, result={"connect_timeout": 30})
    tables = replace(_TABLES, result=[{"name": "rating_state", "expire": 61, "size": 16}])
    debug = replace(_DEBUG, result=True)
    assert _of_rpc(tmp_path, tcp, tables, debug) == [
        ("connect_timeout in what Kamailio answers to core.tcp_options", "3", "30"),
        ("async in what Kamailio answers to core.tcp_options", "1", "nothing"),
        ("[name rating_state].expire in what Kamailio answers to htable.listTables", "60", "61"),
        ("what Kamailio answers to htable.listTables", "one like {name: trunk}", "none of 1"),
        ("what Kamailio answers to cfg.get core debug", "2", "true"),
    ]


@pytest.mark.parametrize("empty", ["[]", "{}"])
def test_what_is_to_be_empty_holds_nothing(tmp_path: Path, empty: str) -> None:
    """As a part it would be of anything."""
    text = (
        f'calls: [{{id: ana, from: "1000", to: "39"}}]\nexpect: {{rpc: [{{command: dlg.list, result: {empty}}}]}}\n'
    )
    case = scenario_of(tmp_path / "scenario.yaml", text)

    def seen(result: object) -> list[str]:
        answers = (RpcAnswer("dlg.list", (), result),)
        return [each.seen for each in check_rpc(Case(case, evidence_of(answered_call(), rpc=answers)))]

    assert seen([] if empty == "[]" else {}) == []
    assert seen(["x"] if empty == "[]" else {"x": 1}) != []
    assert seen({} if empty == "[]" else []) != []


@pytest.mark.parametrize(
    ("expected", "answer", "wrong"),
    [
        ("{command: dlg.list, error: /ot found/}", RpcAnswer("dlg.list", (), error="Not found"), None),
        (
            "{command: dlg.list, error: /ot found/}",
            RpcAnswer("dlg.list", (), error="Too few parameters"),
            ("an error: /ot found/", "Too few parameters"),
        ),
        (
            "{command: dlg.list, error: /ot found/}",
            RpcAnswer("dlg.list", (), [1]),
            ("an error: /ot found/", "[1]"),
        ),
        ("{command: dlg.list}", RpcAnswer("dlg.list", (), [1]), None),
        ("{command: dlg.list}", RpcAnswer("dlg.list", (), error="Not found"), ("any", "Not found")),
    ],
)
def test_a_command_that_is_to_be_refused_or_to_be_answered(
    tmp_path: Path, expected: str, answer: RpcAnswer, wrong: tuple[str, str] | None
) -> None:
    text = 'calls: [{id: ana, from: "1000", to: "39"}]\n' + f"expect: {{rpc: [{expected}]}}\n"
    case = Case(scenario_of(tmp_path / "scenario.yaml", text), evidence_of(answered_call(), rpc=(answer,)))
    assert [(each.expected, each.seen) for each in check_rpc(case)] == ([wrong] if wrong else [])


def test_a_command_that_is_refused_or_was_never_given(tmp_path: Path) -> None:
    refused = replace(_DEBUG, result=None, error="Kamailio refused cfg.get: no such command")
    assert _of_rpc(tmp_path, _TCP, refused) == [
        (
            "what Kamailio answers to htable.listTables",
            "[{name: rating_state, expire: 60, size: 16}, {name: trunk}]",
            "no answer",
        ),
        ("what Kamailio answers to cfg.get core debug", "2", "Kamailio refused cfg.get: no such command"),
    ]
