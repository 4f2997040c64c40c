"""A scenario in words."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from rating_harness.cli.main import main
from rating_harness.scenario.explain import explanation
from rating_harness.scenario.loader import load
from rating_harness.scenario.model import Scenario

SCENARIOS = Path(__file__).parents[3] / "scenarios"
FILES = sorted(path for path in SCENARIOS.rglob("*.yaml") if not path.name.startswith("_"))


def test_a_company_is_explained() -> None:
    (scenario,) = load(SCENARIOS / "cookbook" / "company.yaml")
    text = explanation(scenario)
    assert text.startswith(f"{scenario.scenario}\n")
    for line in (
        "  account 2004: postpaid, balance 0, charged together with company",
        "  first: 2001 calls 39040123451",
        "      once answered it lasts 3s, and the caller hangs up",
        "  fourth: 2004 calls 39040123454, 1s after third is answered",
        "      expected: reply 403 Forbidden -- too many ongoing calls",
        "  the record of call first: account company, fee above 0",
    ):
        assert line in text.splitlines()


@pytest.mark.parametrize(
    ("file", "row", "line"),
    [
        ("agent/slow.yaml", "late", "  the agent answers 5s late, and may be given up: authorization"),
        ("routing/dead-carrier.yaml", "silent", "  first gets the INVITE and never replies"),
        ("unanswered/busy.yaml", "busy", "  carrier refuses with 486 Busy Here"),
        ("unanswered/cancelled.yaml", "", "      the caller gives up"),
        ("routing/answer-seizure.yaml", "", "  20 calls a second for 5s, hold 2s"),
        ("incoming/from-a-trunk.yaml", "", "  desk, of user 2000, rings shortly and answers"),
        ("dialog/caller-vanishes.yaml", "", "      the caller vanishes "),
    ],
)
def test_what_goes_on_is_said(file: str, row: str, line: str) -> None:
    scenario = next(each for each in load(SCENARIOS / file) if row in each.origin.row)
    assert [each for each in explanation(scenario).splitlines() if each.startswith(line)]


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.relative_to(SCENARIOS).as_posix())
def test_each_scenario_of_the_project_is_explained_in_plain_words(file: Path) -> None:
    for scenario in load(file)[:3]:
        text = explanation(scenario)
        assert all(f"  {call.id}: " in text for call in scenario.calls)
        for sign in ("object at 0x", "=None", "Exactly(", "Status(", "SecondsRange(", "\n  \n"):
            assert sign not in text


def test_no_password_is_said(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text(
        """\
scenario: A signed call
kamailio: {users: {"1000": open-sesame}}
given:
  accounts: [{account_tag: "1000", type: PREPAID, balance: 10}]
  carriers: [{carrier_tag: carrier, host: carrier}]
  pricelists: [{pricelist_tag: retail, rates: [{carrier_tag: carrier, prefix: "sip:39", rate: 1}]}]
phones:
  desk: {user: "1000", auth: {username: "1000", password: open-sesame}}
calls:
  - {id: ana, from: "1000", to: "39040123456", auth: {username: "1000", password: open-sesame}}
""",
        "utf-8",
    )
    (scenario,) = load(file)
    assert "it's signed as 1000" in explanation(scenario)
    assert "open-sesame" not in explanation(scenario)


def test_the_command_explains_what_it_can_and_tells_mistakes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.yaml").write_text("scenario: x\ncalls: 7\n", "utf-8")
    (tmp_path / "good.yaml").write_text((SCENARIOS / "cookbook/emergency.yaml").read_text("utf-8"), "utf-8")
    with pytest.raises(SystemExit) as ended:
        main(["explain", str(tmp_path)])
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert "An emergency number is called" in said.out
    assert "bad.yaml:2" in said.err
    assert CliRunner().invoke(main, ["explain", str(tmp_path / "none")]).exit_code == 2


def test_a_skip_of_the_clock_is_said() -> None:
    (scenario,) = load(SCENARIOS / "clock" / "begun-minutes.yaml")
    lines = explanation(scenario).splitlines()
    assert "  put forward by 27s, when ana is answered" in lines
    assert "  put forward by 28s, 30s after ana is answered" in lines


@pytest.mark.parametrize("key", sorted(set(Scenario.model_fields) - {"scenario", "use", "variables", "matrix"}))
def test_nothing_of_a_scenario_is_left_out(key: str) -> None:
    """Each key of the language changes the text: here by a value that stands in its example."""
    said = {
        "description": "description: A long story",
        "tags": "tags: [sometag]",
        "requires": "requires: {tls: true}",
        "kamailio": "kamailio: {defines: {RATING_HTTP_TIMEOUT: 777}}",
        "given": "",
        "carriers": "carriers: {carrier: {refuse: 499}}",
        "phones": 'phones: {desk: {user: "2000"}}',
        "calls": "",
        "faults": "faults: [{'on': agent, path: begin, status: 599}]",
        "load": "load: {rate: 77, duration: 1m}",
        "clock": "clock: {skip: 77s, when: ana is answered}",
        "expect": "expect: {accounts: [{account_tag: '1000', balance: 77}]}",
        "invariants": "invariants: {balances: a good reason}",
        "timeout": "timeout: 77s",
        "seed": "seed: 777",
        "skip": "skip: it is broken elsewhere",
    }
    shown = {
        "description": "A long story", "tags": "sometag", "requires": "  tls", "kamailio": "777", "given": "1000",
        "carriers": "499", "phones": "desk, of user 2000", "calls": "ana: 1000 calls 39040123456", "faults": "599",
        "load": "77 calls a second", "clock": "77s", "expect": "balance 77", "invariants": "a good reason",
        "timeout": "77", "seed": "777", "skip": "it is broken elsewhere",
    }  # fmt: skip
    assert shown[key] in explanation(read(said[key]))


def read(text: str) -> Scenario:
    """A scenario with that much beside its call, whatever else a run would say of it."""
    content = yaml.safe_load(text) or {}
    base = {
        "scenario": "A call",
        "given": {
            "accounts": [{"account_tag": "1000", "type": "PREPAID", "balance": 10}],
            "carriers": [{"carrier_tag": "carrier", "host": "carrier"}],
            "pricelists": [
                {"pricelist_tag": "retail", "rates": [{"carrier_tag": "carrier", "prefix": "sip:39", "rate": 1}]}
            ],
        },
        "calls": [{"id": "ana", "from": "1000", "to": "39040123456", "hold": "5m"}],
    }
    return Scenario.model_validate({**base, **content})
