"""canyan-tester's files in a lab: real calls, requests to the engine and to Kamailio, and failures that are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rating_harness.canyan.convert import convert
from rating_harness.canyan.loader import load_canyan
from rating_harness.report.failure import failure_text
from rating_harness.run.options import Options
from rating_harness.session.dialects import load
from rating_harness.session.session import Outcome, Session

pytestmark = pytest.mark.lab

FILES = Path(__file__).parents[1] / "canyan"


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    session = Session(Options(lab="local", seed=1), lambda plan, evidence, verdict: None)
    yield session
    session.close()


def run(session: Session, file: Path, *, lenient: bool = False) -> Outcome:
    (scenario,) = load(file, canyan_lenient=lenient)
    return session.run(scenario)


def failure(outcome: Outcome) -> str:
    assert outcome.verdict is not None
    assert outcome.evidence is not None
    assert not outcome.verdict.passed
    return failure_text(outcome.scenario, outcome.evidence, outcome.verdict, None)


def written(tmp_path: Path, text: str) -> Path:
    for xml in FILES.glob("*.xml"):
        (tmp_path / xml.name).write_bytes(xml.read_bytes())
    (tmp_path / "file.yaml").write_text(text)
    return tmp_path / "file.yaml"


SETUP = (FILES / "answered.yaml").read_text().partition("\nworkers:")[0]
ANSWERED = """
workers:
  - {scenario: answered.xml, timeout: 5, values: {from_user: "1000", to_user: "39040123456", call_duration: 100}}
"""
REFUSED = """
workers:
  - {scenario: refused.xml, call_rate: 50, values: {from_user: "nobody", to_user: "39040123456"}}
"""


def test_calls_are_made_charged_and_checked(session: Session) -> None:
    outcome = run(session, FILES / "answered.yaml")

    assert outcome.verdict is not None
    assert outcome.verdict.findings == ()
    evidence = outcome.evidence
    assert evidence is not None
    assert [(result.created, result.successful) for result in evidence.sipp] == [(2, 2), (2, 2)]
    assert [(a.section, a.status) for a in evidence.http_steps] == [
        ("setup", 200),
        ("setup", 200),
        ("check", 200),
        ("teardown", 200),
    ]
    assert {exchange.kind for exchange in evidence.exchanges} == {
        "authorization",
        "begin_transaction",
        "end_transaction",
    }
    carriers_calls = {m.call_id for m in evidence.messages if m.host == "carrier" and m.method == "INVITE"}
    assert carriers_calls == set(evidence.call_ids["worker-1"])
    assert len(carriers_calls) == 4


def test_what_was_converted_passes_as_well(session: Session, tmp_path: Path) -> None:
    converted = convert(load_canyan(FILES / "answered.yaml"))
    (tmp_path / "native.yaml").write_text(converted.text)
    outcome = run(session, tmp_path / "native.yaml")
    assert outcome.verdict is not None
    assert outcome.verdict.findings == ()
    assert outcome.evidence is not None
    assert len(outcome.evidence.call_ids["worker-1"]) == 4


def test_a_call_that_goes_another_way_is_shown(session: Session, tmp_path: Path) -> None:
    text = failure(run(session, written(tmp_path, ANSWERED)))
    assert text.startswith("FAILED  file")
    assert "while expecting '180'" in text or "while expecting '200'" in text
    assert "403 Forbidden -- rating account not found" in text
    assert len(text.splitlines()) <= 46


def test_a_carrier_that_is_dead_is_passed_over(session: Session, tmp_path: Path) -> None:
    dead = """  - uri: /graphql
    payload:
      query: |
        mutation {
          upsertCarrier(carrier_tag: "dead", host: "dead-carrier", port: 5061, protocol: UDP, active: true) { id }
          upsertPricelistRate(carrier_tag: "dead", pricelist_tag: "pricelist", prefix: "sip:39", rate: 1,
            rate_increment: 1, connect_fee: 0, interval_start: 0, active: true, description: "") { id }
        }
"""
    outcome = run(session, written(tmp_path, SETUP.replace("rate: 0", "rate: 2") + dead + ANSWERED))
    assert outcome.verdict is not None
    assert outcome.verdict.findings == ()
    assert outcome.evidence is not None
    authorised = next(each for each in outcome.evidence.exchanges if each.kind == "authorization")
    assert authorised.answer("carriers") == ["UDP:dead-carrier:5061", "UDP:carrier:5060"]


def test_requests_to_kamailio_reach_its_http(session: Session, tmp_path: Path) -> None:
    request = """
  - type: kamailio_xhttp
    uri: http://any-name:8000/RPC
    payload: {jsonrpc: "2.0", method: core.uptime, id: "1"}
"""
    outcome = run(session, written(tmp_path, REFUSED + request))
    assert outcome.verdict is not None
    assert outcome.verdict.findings == ()
    assert outcome.evidence is not None
    (asked,) = outcome.evidence.http_steps
    assert asked.response["result"]["uptime"] >= 0

    wrong = written(tmp_path, REFUSED + request.replace("core.uptime", "core.no_such_thing"))
    assert "workers[1]: what Kamailio's HTTP answered" in failure(run(session, wrong))
    lenient = run(session, wrong, lenient=True)
    assert lenient.verdict is not None
    assert lenient.verdict.passed


def test_an_answer_that_never_comes_out_right(session: Session, tmp_path: Path) -> None:
    check = """
check:
  - uri: /graphql
    payload: {query: '{ Account(tenant: "default", account_tag: "nobody") { balance } }'}
    expected_response: '{"data": {"Account": {"balance": 3}}}'
"""
    outcome = run(session, written(tmp_path, REFUSED + check))
    assert outcome.evidence is not None
    assert outcome.evidence.http_steps[0].tries > 5
    assert "it was sent" in failure(outcome)


def test_a_setup_that_fails_makes_no_calls(session: Session, tmp_path: Path) -> None:
    setup = "setup:\n  - {uri: /graphql, payload: {query: 'mutation { noSuchThing { id } }'}}"
    outcome = run(session, written(tmp_path, setup + REFUSED))
    assert outcome.evidence is not None
    assert outcome.evidence.sipp == ()
    assert "setup[0]" in failure(outcome)


def test_a_run_that_takes_too_long_is_killed(session: Session, tmp_path: Path) -> None:
    slow = ANSWERED.replace("timeout: 5", "timeout: 1").replace("100}", "60000}")
    text = failure(run(session, written(tmp_path, SETUP + slow)))
    assert "killed when its time was over" in text
    after = run(session, written(tmp_path, SETUP + ANSWERED))
    assert after.verdict is not None
    assert after.verdict.findings == ()
