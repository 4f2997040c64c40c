"""What becomes of a canyan-tester file in the native language."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from rating_harness.canyan.convert import Converted, convert
from rating_harness.canyan.loader import load_canyan
from rating_harness.cli.main import main
from rating_harness.errors import ScenarioError
from rating_harness.scenario.loader import load
from rating_harness.scenario.model import Scenario

FILES = Path(__file__).parents[2] / "canyan"


def converted(tmp_path: Path, text: str) -> Converted:
    for xml in FILES.glob("*.xml"):
        (tmp_path / xml.name).write_bytes(xml.read_bytes())
    (tmp_path / "test_some_file.yaml").write_text(text)
    return convert(load_canyan(tmp_path / "test_some_file.yaml"))


def native(tmp_path: Path, text: str) -> Scenario:
    result = converted(tmp_path, text)
    (tmp_path / "native.yaml").write_text(result.text)
    for name, xml in result.files.items():
        (tmp_path / name).write_text(xml)
    (scenario,) = load(tmp_path / "native.yaml")
    return scenario


REFUSED = """
workers:
  - {scenario: refused.xml, extra_args: -cid_str one, values: {from_user: "1000", to_user: "39040123456"}}
"""
GIVEN = """
setup:
  - payload:
      query: |
        mutation {
          upsertPricelistRate(carrier_tag: "a", pricelist_tag: "p", prefix: "sip:39", rate: 2, rate_increment: 1,
            connect_fee: 0, interval_start: 0, description: "") { id }
          upsertPricelist(pricelist_tag: "p", currency: USD) { id }
          upsertCarrier(carrier_tag: "a", host: "somewhere", port: 5062, protocol: UDP) { id }
          upsertAccount(account_tag: "1000", type: PREPAID, balance: 5) { id }
        }
  - payload: {query: 'mutation { upsertAccount(account_tag: "1000", active: false) { id } }'}
"""


def test_upserts_are_what_is_given(tmp_path: Path) -> None:
    given = native(tmp_path, GIVEN + REFUSED).given
    (account,), (carrier,), (pricelist,) = given.accounts, given.carriers, given.pricelists
    assert (account.account_tag, account.balance, account.active) == ("1000", 5, False)
    assert (carrier.host, carrier.port) == ("somewhere", 5062)
    assert (pricelist.currency, pricelist.rates[0].rate) == ("USD", 2)


def test_other_mutations_are_sent_as_they_are(tmp_path: Path) -> None:
    text = "setup:\n  - payload: {query: 'mutation { deleteAccount(account_tag: \"x\") { id } }'}" + REFUSED
    assert native(tmp_path, text).given.graphql == ('mutation { deleteAccount(account_tag: "x") { id } }',)


def test_hosts_that_canyan_testers_lab_lacks_are_absent(tmp_path: Path) -> None:
    text = converted(tmp_path, GIVEN + REFUSED).text
    assert "# a guess: canyan-tester's lab has no host somewhere\n  somewhere: {absent: true}" in text


def test_a_refused_call_is_told_in_words(tmp_path: Path) -> None:
    (call,) = native(tmp_path, REFUSED).calls
    assert (call.id, call.from_, call.to, call.domain) == ("worker-1", "1000", "39040123456", "example.org")
    assert call.expect.reply is not None
    assert call.expect.reply.code.matches(403)
    assert call.sipp is None


def test_an_answered_call_has_its_hold_and_its_numbers(tmp_path: Path) -> None:
    text = """
workers:
  - {scenario: answered.xml, repeat: 3, delay: 250, call_number: 4, call_rate: 5, call_rate_period: 500,
     call_limit: 2, values: {from_user: "1000", to_user: 39040123456, call_duration: {min: 1000, max: 2500}}}
"""
    (call,) = native(tmp_path, text).calls
    assert str(call.hold) == "1s to 2.5s"
    assert (call.repeat.low, call.rate, call.concurrency, call.start.delay) == (12, 10, 2, 0.25)
    assert call.to == "39040123456"


def test_workers_that_differ_are_several_calls(tmp_path: Path) -> None:
    text = """
workers:
  - {scenario: refused.xml, number: 2, values: {from_user: ["1000", "2000"], to_user: "39"}}
"""
    assert [(call.id, call.from_) for call in native(tmp_path, text).calls] == [
        ("worker-1-1", "1000"),
        ("worker-1-2", "2000"),
    ]


def test_any_other_call_keeps_its_sipp_scenario(tmp_path: Path) -> None:
    text = "workers:\n  - {extra_args: -inf users.csv, values: {call_duration: 1500}}"
    (tmp_path / "users.csv").write_text("SEQUENTIAL\n1000;sip.test;x;39\n")
    result = converted(tmp_path, text)
    assert list(result.files) == ["test_some_file.worker-1.xml"]
    assert '<pause milliseconds="1500"/>' in result.files["test_some_file.worker-1.xml"]
    assert "# from and to are unknown" in result.text
    sipp = native(tmp_path, text).calls[0].sipp
    assert sipp is not None
    assert sipp.csv == "users.csv"
    assert "Left out" not in result.text


CHECK = """
check:
  - payload: {query: '{ Transaction(transaction_tag: "one", account_tag: "1000") { destination duration fee } }'}
    expected_response: |
      {"data": {"Transaction": {"destination": "sip:39@example.org:5060", "duration": 3, "fee": null}}}
  - payload: {query: '{ Account(account_tag: "1000") { balance } }'}
    expected_response: '{"data": {"Account": {"balance": 7}}}'
  - payload: {query: '{ allCarriers { id } }'}
    expected_response: '{"data": {"allCarriers": []}}'
"""


def test_checks_are_expectations(tmp_path: Path) -> None:
    expect = native(tmp_path, GIVEN + REFUSED + CHECK).expect
    (record,), (account,) = expect.transactions, expect.accounts
    assert record.call == "worker-1"
    assert record.destination is not None
    assert record.destination.matches("sip:39@example.org")
    assert not record.destination.matches("sip:39@exampleXorg")
    assert record.duration is not None
    assert record.duration.matches(3)
    assert account.balance is not None
    assert account.balance.matches(7)


def test_what_has_no_word_is_a_comment(tmp_path: Path) -> None:
    text = REFUSED + "  - {type: kamailio_xhttp, uri: http://x/RPC}\nteardown:\n  - uri: /x\n" + CHECK
    comments = [line for line in converted(tmp_path, text).text.splitlines() if line.startswith("# Left out")]
    assert [comment.partition(": ")[2].split(",")[0][:30] for comment in comments] == [
        "workers[1]",
        "check[2]: allCarriers was to b",
        "the teardown: the harness remo",
    ]


def test_the_command_writes_all_files_and_none_over_another(tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_text("workers:\n  - {extra_args: -inf users.csv, values: {call_duration: 1500}}")
    (tmp_path / "users.csv").write_text("SEQUENTIAL\n1000;sip.test;x;39\n")
    run = CliRunner().invoke
    words = ["convert", str(tmp_path / "file.yaml")]

    assert "give OUTPUT" in run(main, words).output
    output = tmp_path / "native.yaml"
    assert run(main, [*words, str(output)]).exit_code == 0
    assert (tmp_path / "file.worker-1.xml").exists()
    assert load(output)[0].calls[0].sipp is not None
    assert "--force" in run(main, [*words, str(output)]).output
    assert run(main, [*words, str(output), "--force"]).exit_code == 0


def test_the_command_tells_mistakes(tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_text("workers:\n  - {valeus: {call_duration: 1500}}")
    result = CliRunner().invoke(main, ["convert", str(tmp_path / "file.yaml")])
    assert result.exit_code == 2
    assert "unknown key 'valeus'" in result.output


def test_a_value_from_an_answer_has_to_be_put_in_by_hand(tmp_path: Path) -> None:
    text = (FILES / "without-rating.yaml").read_text()
    assert (
        "# to_user referred to an answer of the API: put its value in place of {tenant.id}"
        in converted(tmp_path, text).text
    )
    with pytest.raises(ScenarioError, match=r"'{tenant\.id}' can't be the user part"):
        native(tmp_path, text)
