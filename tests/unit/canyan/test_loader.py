"""What a canyan-tester file may say, and what an author is told of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating_harness.canyan.model import CanyanScenario, SippWorker, XhttpRequest
from rating_harness.errors import ScenarioError
from rating_harness.session.dialects import load

FILES = Path(__file__).parents[2] / "canyan"
XML = "<scenario><!-- %(to_user)s %(pause)d --></scenario>"


def loaded(tmp_path: Path, text: str, *, lenient: bool = False) -> CanyanScenario:
    (tmp_path / "call.xml").write_text(XML)
    (tmp_path / "file.yaml").write_text(text)
    (scenario,) = load(tmp_path / "file.yaml", canyan_lenient=lenient)
    assert isinstance(scenario, CanyanScenario)
    return scenario


def mistakes(tmp_path: Path, text: str, *, lenient: bool = False) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        loaded(tmp_path, text, lenient=lenient)
    return [f"{m.where.line}:{m.where.column} {m.message} | {m.hint}" for m in caught.value.mistakes]


def worker(tmp_path: Path, *lines: str) -> SippWorker:
    inside = "".join(f"\n    {line}" for line in lines)
    (first, *_) = loaded(
        tmp_path, f"workers:\n  - values: {{to_user: x, pause: 1, call_duration: 1}}{inside}"
    ).canyan.workers
    assert isinstance(first, SippWorker)
    return first


def test_files_with_workers_are_canyan_testers() -> None:
    for name in ("answered", "without-rating"):
        (scenario,) = load(FILES / f"{name}.yaml")
        assert isinstance(scenario, CanyanScenario)
        assert scenario.scenario == name


def test_what_is_not_said_is_as_in_canyan_tester(tmp_path: Path) -> None:
    plain = worker(tmp_path)
    assert {plain.number.low, plain.repeat.low, plain.call_limit.low, plain.call_number.low, plain.call_rate.low} == {
        1
    }
    assert (plain.call_rate_period.low, plain.delay.low, plain.timeout, plain.max_errors) == (1000, 0, None, 0)
    assert plain.scenario is None
    assert plain.options == ()


@pytest.mark.parametrize("written", ['"-cid_str x"', "[-cid_str, x]"])
def test_extra_args_are_a_text_or_a_list(tmp_path: Path, written: str) -> None:
    assert worker(tmp_path, f"extra_args: {written}").options == ("-cid_str", "x")


def test_counts_are_fixed_or_drawn(tmp_path: Path) -> None:
    drawn = worker(tmp_path, "delay: {min: 10, max: 20}", "repeat: 3")
    assert (drawn.delay.low, drawn.delay.high, drawn.repeat.low) == (10, 20, 3)


def test_a_key_without_a_value_is_not_there(tmp_path: Path) -> None:
    text = "setup:\nteardown:\nworkers:\n  - scenario:\n    timeout: null\n    values: {call_duration: 1}"
    assert loaded(tmp_path, text).canyan.setup == ()


def test_yaml_is_read_as_canyan_tester_reads_it(tmp_path: Path) -> None:
    text = """
setup:
  - payload: {active: yes, off: no, number: 0039, nothing: null}
workers:
  - values: {call_duration: 1}
"""
    payload = loaded(tmp_path, text).canyan.setup[0].payload
    assert payload == {"active": True, "off": False, "number": "0039", "nothing": None}


def test_a_number_that_yaml_11_reads_as_another_is_a_mistake(tmp_path: Path) -> None:
    found = mistakes(tmp_path, "workers:\n  - values: {call_duration: 1, to_user: 0370}")
    assert found == [
        "2:41 0370 begins with 0: some programs read another number | "
        'put it in quotes when it is a name: "0370"; as a number it is 370'
    ]


def test_workers_of_both_kinds(tmp_path: Path) -> None:
    text = """
workers:
  - values: {call_duration: 1}
  - {type: kamailio_xhttp, uri: "http://router:8000/rpc", delay: 2, payload: {method: core.uptime}}
"""
    request = loaded(tmp_path, text).canyan.workers[1]
    assert isinstance(request, XhttpRequest)
    assert request.delay == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "workers:\n  - {values: {call_duration: 1}, timeuot: 3}",
            "2:34 unknown key 'timeuot' in workers[0]",
        ),
        ("workers: []\n", "1:1 there are no workers, so nothing is tested"),
        ("workers:\n  - {type: voip, values: {call_duration: 1}}", "2:12 workers[0].type can't be 'voip'"),
        ("workers:\n  - {type: kamailio_xhttp}", "2:5 workers[0] has no 'uri'"),
        ("workers:\n  - {scenario: gone.xml}", "2:16 gone.xml can't be read: No such file or directory"),
        (
            "workers:\n  - {scenario: call.xml, values: {pause: 1}}",
            "2:16 the SIPp scenario has %(to_user)s",
        ),
        (
            'workers:\n  - {scenario: call.xml, values: {pause: "1", to_user: x}}',
            "2:42 the SIPp scenario wants a number for 'pause', and this is '1' | take the quotes away",
        ),
        ("workers:\n  - {repeat: 0, values: {call_duration: 1}}", "2:14 workers[0].repeat: this is no such number"),
        ("workers:\n  - {values: {call_duration: 1.5}}", "2:30 workers[0].values.call_duration can't be 1.5"),
    ],
)
def test_mistakes_in_workers(tmp_path: Path, text: str, expected: str) -> None:
    (found,) = mistakes(tmp_path, text)
    assert found.startswith(expected)


WORKER = "\nworkers:\n  - values: {call_duration: 1}\n"


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("setup:\n  - {type: kamailio_xhttp, uri: x}", "2:12 setup[0].type can't be 'kamailio_xhttp'"),
        ("setup:\n  - {method: PATCH}", "2:14 setup[0].method can't be 'PATCH' | It takes: POST, GET, DELETE."),
        ("check:\n  - {expected_response: '{\"data\"'}", "2:25 check[0].expected_response: it isn't JSON"),
        (
            'check:\n  - {uri: "/tenants/{tenant.id}"}',
            "2:11 {tenant.id} in check[0].uri refers to no answer stored before | an earlier step has to `store",
        ),
        (
            'setup:\n  - {store_response: tenant}\n  - {uri: "{tennant.id}"}',
            "3:11 {tennant.id} in setup[1].uri refers",
        ),
    ],
)
def test_mistakes_in_requests(tmp_path: Path, section: str, expected: str) -> None:
    (found,) = mistakes(tmp_path, section + WORKER)
    assert found.startswith(expected), found


def test_what_canyan_tester_ignores_can_be_ignored(tmp_path: Path) -> None:
    text = """
stup: []
setup:
  - {type: kamailio_xhttp, uri: x}
  - {uri: /graphql, mehtod: GET}
workers:
  - {type: voip}
  - {values: {call_duration: 1}, timeuot: 3}
  - {type: kamailio_xhttp, uri: "http://kamailio/RPC", dealy: 3}
"""
    assert len(mistakes(tmp_path, text)) == 6
    file = loaded(tmp_path, text, lenient=True).canyan
    assert [step.uri for step in file.setup] == ["/graphql"]
    assert len(file.workers) == 2


def test_basedir_says_where_sipp_scenarios_are(tmp_path: Path) -> None:
    (tmp_path / "sipp").mkdir()
    (tmp_path / "sipp" / "other.xml").write_text("<scenario/>")
    scenario = loaded(tmp_path, "basedir: sipp\nworkers:\n  - scenario: other.xml")
    assert scenario.directory == tmp_path / "sipp"


def test_sections_can_be_left_out(tmp_path: Path) -> None:
    scenario = loaded(tmp_path, "setup:\n  - uri: /a\nteardown:\n  - uri: /b" + WORKER)
    assert scenario.without("setup").canyan.setup == ()
    assert scenario.without("setup").canyan.teardown == scenario.canyan.teardown
    assert scenario.without("setup").where("workers", 0) == scenario.where("workers", 0)
