"""Ways to spoil a record, by a configuration or by an engine, in a lab: each is told in its own words, alone.

Nothing is expected of the record. The embedded engine can't hold two records of a call: `test_own_engine` has that.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rating_harness.lab.files import data_directory
from rating_harness.plugin import RunScenario
from rating_harness.run.kamailio import LAB_DEFINES
from rating_harness.run.options import Options
from rating_harness.scenario.loader import load
from rating_harness.session.session import Session
from tests.builders import scenario_of
from tests.lab.spoilt_engine import SpoiltEngine, running_spoilt_engine

pytestmark = pytest.mark.lab

CALL = 'calls: [{id: ana, from: "1000", to: "39040123456", ring: 4s, hold: 2s, expect: {reply: 200}}]\n'
BEGIN = 'jansson_set("integer", "timestamp_begin", "$Ts", "$var(body)");'
END = 'jansson_set("integer", "timestamp_end", "$var(at)", "$var(body)");'


def _off(line: str, variable: str, seconds: int) -> tuple[str, str]:
    """The line, and one that sends the time so many seconds later."""
    return line, f"$var(off) = {variable} + {seconds}; {line.replace(variable, '$var(off)')}"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ([_off(END, "$var(at)", 3600)], r"its record ends (3599|3600|3601)s late"),
        ([(END, END.replace("$var(at)", "$dlg(start_ts)"))], "its record ends when it begins"),
        ([_off(BEGIN, "$Ts", -4)], "ringing is billed"),
        ([_off(BEGIN, "$Ts", 10), _off(END, "$var(at)", 10)], r"its record is (9|10|11)s late"),
    ],
    ids=["an hour more", "no time at all", "ringing billed", "shifted"],
)
def test_a_record_that_is_not_the_call_fails_alone(
    changes: list[tuple[str, str]], said: str, tmp_path: Path, run_scenario: RunScenario
) -> None:
    directory = tmp_path / "kamailio"
    shutil.copytree(data_directory("kamailio"), directory)
    for old, new in changes:
        files = [file for file in directory.glob("*.cfg") if old in file.read_text()]
        assert [file.read_text().count(old) for file in files] == [1], old
        files[0].write_text(files[0].read_text().replace(old, new))
    scenario = scenario_of(tmp_path / "s.yaml", CALL)
    kamailio = scenario.kamailio.model_copy(update={"defines": LAB_DEFINES, "config": str(directory)})
    given = scenario.given.accounts[0].model_copy(update={"type": "POSTPAID"})
    scenario = scenario.model_copy(
        update={"kamailio": kamailio, "given": scenario.given.model_copy(update={"accounts": (given,)})}
    )
    verdict = run_scenario(scenario, check=False).verdict
    assert verdict is not None
    assert [finding.check for finding in verdict.findings] == ["always: record"], verdict.findings
    assert re.search(said, verdict.findings[0].message), verdict.findings[0].message


GIVEN = """\
scenario: Calls of an engine that isn't honest
given:
  accounts:
    - {{account_tag: "1000", type: PREPAID, balance: {balance}, max_concurrent_transactions: 2}}
    - {{account_tag: "2000", type: PREPAID, balance: 100}}
  carriers: [{{carrier_tag: carrier, host: carrier}}]
  pricelists: [{{pricelist_tag: retail, rates: [{{carrier_tag: carrier, prefix: "sip:39", rate: 3}}]}}]
calls:
  - {{id: ana, from: "1000", to: "39040123456", expect: {{reply: {reply}}}}}
"""
BEN = '  - {id: ben, from: "1000", to: "39040123456", hold: 5s}\n'


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpoiltEngine]:
    with running_spoilt_engine(tmp_path_factory.mktemp("engine")) as engine:
        yield engine


@pytest.fixture(scope="module")
def session(engine: SpoiltEngine) -> Iterator[Session]:
    options = Options(lab="local", agent_url=engine.agent_url, api_url=engine.api_url)
    with closing(Session(options, lambda *_: None)) as session:
        yield session


@pytest.mark.parametrize(
    ("wrong", "check", "said"),
    [
        ("", None, ""),
        ("fee of one increment more", "fee", r"its fee on account 1000"),
        ("no fee", "fee", r"its fee on account 1000"),
        ("another account's", "record", r"its record is on another account"),
        ("another call's end", "record", r"its record ends when call ben does"),
        ("no record", "begin_and_end", r"its record$"),
        ("duration of its own", "record", r"the duration in its record disagrees with its timestamps"),
        ("record of a refused call", "record", r"was not answered, but has a record"),
        ("a minute later", "record", r"its record ends (59|60|61)s late"),
        ("another account in the record", "record", r"its record is on another account"),
        ("another Call-ID", "record", r"its record has another Call-ID"),
        ("charged without a record", "begin_and_end", r"its record$"),
    ],
)
def test_an_engine_that_spoils_records_fails_alone(
    wrong: str, check: str | None, said: str, session: Session, engine: SpoiltEngine, tmp_path: Path
) -> None:
    is_refused = wrong == "record of a refused call"
    text = GIVEN.format(balance=0 if is_refused else 100, reply=403 if is_refused else 200)
    file = tmp_path / "s.yaml"
    file.write_text(text + BEN * (wrong == "another call's end"))
    engine.spoil(wrong)
    (scenario,) = load(file)
    verdict = session.run(scenario).verdict
    assert verdict is not None
    findings = [(finding.check, finding.message) for finding in verdict.findings]
    assert [check for check, _ in findings] == ([f"always: {check}"] if check else []), findings
    assert all(re.search(said, message) for _, message in findings), findings
