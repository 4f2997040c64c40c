"""Scenarios with a rating engine that isn't Canyan's, in a lab: with its records, and without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rating_harness.rating.engine_file import load
from rating_harness.run.options import Options
from rating_harness.scenario.loader import load as load_scenarios
from rating_harness.session.session import Session
from tests.lab.own_engine import OwnEngineServer, own_configuration, running_engine

pytestmark = pytest.mark.lab

TALK = """
scenario: A call with an engine of one's own
given:
  accounts: [{account_tag: "1000", type: PREPAID, balance: 60}]
  carriers: [{carrier_tag: carrier, host: carrier}]
  pricelists: [{pricelist_tag: retail, rates: [{carrier_tag: carrier, prefix: "sip:39", rate: 2}]}]
calls:
  - {id: ana, from: "1000", to: "39040123456", hold: 2s, expect: {reply: 200, ended_by: caller}}
  - id: nobody
    from: "9999"
    to: "39040123456"
    expect: {reply: {code: 403, reason: Forbidden -- rating account not found}}
expect:
  requests: [{call: ana, order: [authorization, begin, end]}]
  transactions: [{call: ana, account_tag: "1000", duration: 2s ± 1s, fee: 4 ± 2}]
  accounts: [{account_tag: "1000", balance: 56 ± 2}]
"""

CUT = """
scenario: A limit that a fault sets in this engine's own words
given:
  accounts: [{account_tag: "1000", type: PREPAID, balance: 600}]
  carriers: [{carrier_tag: carrier, host: carrier}]
  pricelists: [{pricelist_tag: retail, rates: [{carrier_tag: carrier, prefix: "sip:39", rate: 2}]}]
calls:
  - {id: ana, from: "1000", to: "39040123456", hangup: never, expect: {reply: 200, ended_by: kamailio}}
faults:
  - {on: agent, path: authorization, set: {max_available_units: 2}}
expect:
  dialogs: [{call: ana, timeout: 2s}]
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[OwnEngineServer]:
    with running_engine() as engine:
        yield engine


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return own_configuration(tmp_path_factory.mktemp("kamailio"))


@pytest.fixture(scope="module")
def session(engine: OwnEngineServer, configuration: Path) -> Iterator[Session]:
    options = Options(
        lab="local",
        kamailio_config=configuration,
        defines={"RATING_AGENT_URL": '"http://rating-agent:8000"', "FR_TIMER": "2000", "RATING_HTTP_TIMEOUT": "1000"},
        agent_url=engine.url,
        api_url=engine.url,
        engine=load(Path("minimal-rest")),
    )
    with closing(Session(options, lambda *_: None)) as session:
        yield session


def findings(session: Session, text: str, tmp_path: Path) -> list[str]:
    file = tmp_path / "own.yaml"
    file.write_text(text)
    outcome = session.run(load_scenarios(file)[0])
    assert outcome.verdict is not None
    return [finding.message for finding in outcome.verdict.findings]


@pytest.mark.parametrize("text", [TALK, CUT])
def test_all_is_checked_in_the_engines_own_words(session: Session, text: str, tmp_path: Path) -> None:
    assert findings(session, text, tmp_path) == []


def test_an_engine_that_charges_too_much(session: Session, engine: OwnEngineServer, tmp_path: Path) -> None:
    engine.overcharges = 5
    try:
        found = findings(session, CUT, tmp_path)
    finally:
        engine.overcharges = 0
    assert found == ["call ana: its fee on account 1000"]


def test_an_engine_that_books_a_call_twice(session: Session, engine: OwnEngineServer, tmp_path: Path) -> None:
    engine.books_twice = True
    try:
        found = findings(session, CUT, tmp_path)
    finally:
        engine.books_twice = False
    assert found == ["call ana: records on account 1000"]


def test_an_engine_that_loses_the_end(session: Session, engine: OwnEngineServer, tmp_path: Path) -> None:
    engine.loses_ends = True
    try:
        found = findings(session, CUT, tmp_path)
    finally:
        engine.loses_ends = False
    assert "call ana: its record" in found
    assert "running transactions of account 1000" in found


def test_an_agent_alone_is_enough(engine: OwnEngineServer, configuration: Path, tmp_path: Path) -> None:
    engine.customers["1000"] = 100
    engine.gateways["carrier"] = "UDP:carrier:5060"
    engine.prices.append({"prefix": "sip:39", "gateway": "carrier", "price": 1, "step": 1})
    options = Options(
        lab="local",
        kamailio_config=configuration,
        defines={"RATING_AGENT_URL": '"http://rating-agent:8000"'},
        agent_url=engine.url,
        engine=load(Path("minimal-rest")),
    )
    file = tmp_path / "own.yaml"
    file.write_text(CUT)
    with closing(Session(options, lambda *_: None)) as session:
        outcome = session.run(load_scenarios(file)[0])
    assert outcome.verdict is not None
    assert outcome.verdict.findings == ()
    assert set(outcome.verdict.unchecked) == {"record", "fee", "balances", "running"}
    assert "--api-url" in outcome.verdict.unchecked["record"]
