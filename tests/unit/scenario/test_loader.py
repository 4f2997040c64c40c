from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from rating_harness.errors import Location, ScenarioError, UsageError
from rating_harness.scenario.diagnostics import MOST
from rating_harness.scenario.loader import load, scenario_files
from rating_harness.scenario.matchers import Near, Status
from rating_harness.scenario.model import Call, Scenario
from rating_harness.scenario.values import SecondsRange
from rating_harness.scenario.yaml_parser import LARGEST_FILE

GOOD = Path(__file__).parent / "good"
HEAD = 'scenario: A call\ncalls:\n  - {id: ana, from: "1000", to: "39"}\n'


def load_text(tmp_path: Path, text: str) -> list[Scenario]:
    path = tmp_path / "it.yaml"
    path.write_text(text, "utf-8")
    return load(path)


def mistakes_of(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load_text(tmp_path, text)
    return [mistake.message for mistake in caught.value.mistakes]


def test_the_example_of_the_design_is_understood() -> None:
    (scenario,) = load(GOOD / "balance-runs-out.yaml")
    assert scenario.scenario == "A prepaid call is cut when the balance runs out"
    assert scenario.given.accounts[0].balance == 3
    assert scenario.given.pricelists[0].rates[0].prefix == "sip:39"
    (call,) = scenario.calls
    assert (call.id, call.from_, call.to, call.hangup) == ("ana", "1000", "39040123456", "never")
    assert call.expect.reply is not None
    assert call.expect.reply.code == Status(200, 200)
    assert call.expect.duration == Near(3.0, 1.0, "s")
    assert scenario.expect.accounts[0].balance == Near(0, 1)


@pytest.mark.parametrize("path", sorted(GOOD.glob("[!_]*.yaml")), ids=lambda path: path.stem)
def test_good_files_have_no_mistakes(path: Path) -> None:
    scenarios = load(path)
    assert len({scenario.id for scenario in scenarios}) == len(scenarios) > 0


def test_every_value_knows_its_line() -> None:
    path = GOOD / "balance-runs-out.yaml"
    (scenario,) = load(path)
    lines = path.read_text("utf-8").splitlines()

    def line_of(*way: str | int) -> str:
        return lines[scenario.where(*way).line - 1].strip()

    assert line_of("calls", 0, "expect", "reply") == "reply: 200"
    assert line_of("calls", 0, "expect", "duration") == "duration: 3s ± 1s"
    assert line_of("expect", "accounts", 0, "balance") == '- {account_tag: "1000", balance: 0 ± 1}'
    assert line_of("given", "pricelists", 0, "rates", 0) == lines[12].strip()


def test_what_was_not_written_is_where_it_would_belong() -> None:
    (scenario,) = load(GOOD / "balance-runs-out.yaml")
    assert scenario.where("calls", 0, "expect", "setup", "deeper") == scenario.where("calls", 0, "expect")
    assert scenario.where("faults", 7) == scenario.where()
    assert scenario.where().line == 1


def test_a_scenario_without_a_file_has_a_place_too() -> None:
    call = Call.model_validate({"id": "ana", "from": "1000", "to": "39"})
    assert Scenario(scenario="x", calls=(call,)).where("calls") == Location("-", 1, 1)


def test_anchors_and_merges_keep_the_places_of_what_they_repeat() -> None:
    path = GOOD / "anchors.yaml"
    (scenario,) = load(path)
    lines = path.read_text("utf-8").splitlines()
    ana, bob = scenario.calls
    assert bob.to == ana.to
    assert (bob.hangup, ana.hangup) == ("callee", "caller")
    assert bob.expect.duration == ana.expect.duration
    assert bob.expect.ended_by == "callee"
    assert lines[scenario.where("calls", 1, "to").line - 1].strip() == 'to: "39040123456"'
    assert lines[scenario.where("calls", 1, "hangup").line - 1].strip() == "hangup: callee"


def test_each_row_of_a_matrix_is_a_scenario_of_its_own() -> None:
    refuses, busy = load(GOOD / "failover.yaml")
    assert refuses.id.endswith("failover.yaml[refuses]")
    assert busy.id.endswith("failover.yaml[busy]")
    assert refuses.calls[0].expect.carriers == ("first", "second")
    assert busy.carriers["first"].refuse is not None
    assert busy.carriers["first"].refuse.code == 486


def test_a_matrix_of_lists_is_every_combination() -> None:
    ids = [scenario.origin.row for scenario in load(GOOD / "load.yaml")]
    assert ids == ["udp-10", "udp-50", "tcp-10", "tcp-50"]


def test_a_row_requires_what_the_file_does_and_more(tmp_path: Path) -> None:
    rows = (
        "requires: {isolated: true, kamailio: at least 6.0}\n"
        "variables: {needed: {ipv6: true}}\n"
        "matrix:\n"
        "  - {who: one}\n"
        "  - {who: two, requires: {tls: true, kamailio: at least 6.1}}\n"
        '  - {who: three, requires: "${needed}"}\n'
        "  - {who: four, requires: {isolated: false}}\n"
        'description: "${who}"\n'
    )
    found = {
        each.origin.row: each.requires.model_dump(exclude_unset=True) for each in load_text(tmp_path, HEAD + rows)
    }
    of_file = {"isolated": True, "kamailio": "at least 6.0"}
    assert found == {
        "one": of_file,
        "two": {"isolated": True, "kamailio": "at least 6.1", "tls": True},
        "three": {**of_file, "ipv6": True},
        "four": {**of_file, "isolated": False},
    }


def test_a_row_may_require_something_where_the_file_requires_nothing(tmp_path: Path) -> None:
    rows = "matrix: [{id: one, requires: {tls: true}}, {id: two}]\n"
    assert [each.requires.tls for each in load_text(tmp_path, HEAD + rows)] == [True, False]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("requires: {tsl: true}", "unknown key 'tsl' in requires (row 'one' of the matrix)"),
        ("requires: {tls: 3}", "requires.tls can't be 3 (row 'one' of the matrix)"),
        ("requires: tls", "a row's requires takes a mapping, and this is 'tls' (row 'one' of the matrix)"),
        ("requires: [tls]", "a row's requires takes a mapping, and this is a list (row 'one' of the matrix)"),
        ("requires:", "a row's requires takes a mapping, and this is nothing (row 'one' of the matrix)"),
    ],
)
def test_a_rows_mistaken_requires_is_named_with_its_row(tmp_path: Path, row: str, message: str) -> None:
    rows = f"matrix:\n  - id: one\n    {row}\n  - id: two\n"
    with pytest.raises(ScenarioError) as caught:
        load_text(tmp_path, HEAD + rows)
    (mistake,) = caught.value.mistakes
    assert (mistake.message, mistake.where.line if mistake.where else 0) == (message, 6)


def test_variables_keep_their_type_and_reach_inside_texts() -> None:
    scenario = load(GOOD / "load.yaml")[0]
    assert scenario.load is not None
    assert scenario.load.rate == 10
    assert scenario.load.hold == SecondsRange(1.0, 3.0)
    assert scenario.calls[0].headers["Subject"] == "to 39040123456, ${not} a variable"


def test_shared_files_are_merged_and_the_scenario_goes_first(tmp_path: Path) -> None:
    (tmp_path / "_shared.yaml").write_text(
        "variables: {who: shared, other: kept}\n"
        "given:\n  accounts:\n"
        '    - {account_tag: "1000", type: PREPAID, balance: 1}\n'
        '    - {account_tag: "2000", type: PREPAID, balance: 2}\n'
        "  carriers: [{carrier_tag: c, host: c}]\n"
        "carriers: {c: {ring: 1s}}\n",
        "utf-8",
    )
    (scenario,) = load_text(
        tmp_path,
        'scenario: "${who} and ${other}"\nuse: [_shared.yaml]\nvariables: {who: own}\n'
        'given:\n  accounts: [{account_tag: "1000", type: POSTPAID, balance: 9}]\n'
        "carriers: {c: {ring: 2s}}\n" + HEAD.partition("\n")[2],
    )
    assert scenario.scenario == "own and kept"
    assert [(a.account_tag, a.balance) for a in scenario.given.accounts] == [("2000", 2), ("1000", 9)]
    assert scenario.carriers["c"].ring == SecondsRange(2.0, 2.0)
    assert scenario.where("given", "carriers", 0).path.endswith("_shared.yaml")


def test_a_tag_that_is_a_variable_takes_the_others_place_too(tmp_path: Path) -> None:
    (tmp_path / "_shared.yaml").write_text(
        'given: {accounts: [{account_tag: "1000", type: PREPAID, balance: 1}, {account_tag: "2000", type: PREPAID, '
        "balance: 2}]}\n",
        "utf-8",
    )
    own = (
        'use: [_shared.yaml]\nmatrix: {who: ["1000", "2000", "3000"]}\ngiven:\n  accounts:\n'
        '    - {account_tag: "${who}", type: PREPAID, balance: 7}\n'
    )
    balances = [
        {account.account_tag: account.balance for account in scenario.given.accounts}
        for scenario in load_text(tmp_path, HEAD + own)
    ]
    assert balances == [{"1000": 7, "2000": 2}, {"1000": 1, "2000": 7}, {"1000": 1, "2000": 2, "3000": 7}]
    again = own + '    - {account_tag: "1000", type: PREPAID, balance: 8}\n'
    assert mistakes_of(tmp_path, HEAD + again) == ["a second account_tag '1000' (row '1000' of the matrix)"]


@pytest.mark.parametrize("number", ["2147483648", "660000000000", "30.0", "1.0e+300", "-1", "0.5", "true", "[3]"])
def test_an_agents_answer_may_have_any_value(tmp_path: Path, number: str) -> None:
    rows = f"matrix: [{{id: 1e300, units: {number}}}]\n"
    (scenario,) = load_text(
        tmp_path, HEAD + rows + 'faults: [{on: agent, path: authorization, set: {max_available_units: "${units}"}}]\n'
    )
    assert scenario.faults[0].set == {"max_available_units": json.loads(number)}
    assert scenario.origin.row == "1e300"


def test_mistakes_of_several_files_and_layers_come_together(tmp_path: Path) -> None:
    (tmp_path / "_shared.yaml").write_text("given: {carriers: [{carrier_tag: c}]}\n", "utf-8")
    messages = mistakes_of(
        tmp_path,
        "scenario: x\nuse: [_shared.yaml, _none.yaml]\ncalls:\n"
        '  - {id: ana, from: 1000, to: "39", hold: 3, hangup: never}\n'
        '  - {id: bob, from: "1", to: "${nobody}", start: eve is answered, hold: 1s, hangup: never}\n',
    )
    assert messages == [
        "given.carriers[0] has no 'host'",
        "no file '_none.yaml' beside this one",
        "calls[0].from takes a text, and 1000 without quotes is a number",
        "calls[0].hold: 3 has no unit",
        "no variable 'nobody'",
        "no call 'eve'",
        "'hold' has no effect: 'hangup: never'",
    ]


def test_what_has_a_mistake_can_still_be_referred_to(tmp_path: Path) -> None:
    messages = mistakes_of(tmp_path, HEAD.replace('"1000"', "1000") + "expect: {dialogs: [{call: ana}]}\n")
    assert messages == ["calls[0].from takes a text, and 1000 without quotes is a number"]


def test_a_mistake_of_all_rows_is_told_once(tmp_path: Path) -> None:
    rows = "matrix: {host: [one, two]}\n"
    messages = mistakes_of(tmp_path, HEAD + rows + "description: ${host}\nhangups: never\n")
    assert messages == ["unknown key 'hangups' in the file"]


def test_null_may_be_set_in_the_agents_answer(tmp_path: Path) -> None:
    (scenario,) = load_text(tmp_path, HEAD + "faults: [{on: agent, set: {balance: null}}]\n")
    assert scenario.faults[0].set == {"balance": None}


def test_an_engine_set_up_by_graphql_may_have_any_name(tmp_path: Path) -> None:
    given = 'given: {graphql: ["mutation {x}"]}\nexpect: {accounts: [{account_tag: "7", balance: 1}]}\n'
    (scenario,) = load_text(tmp_path, HEAD + given)
    assert scenario.expect.accounts[0].account_tag == "7"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\x01\x02",
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf",
        b"a: " + b"[" * 100_000,
        b"a: " + b"{a: " * 50_000,
        b"- " * 50_000,
        b"? " * 20_000,
        b"&a " * 5_000,
        b"a: &a [*a]",
        b"&a {<<: *a}",
        b"a: .nan\nb: .inf\nc: 1e999\nd: " + b"9" * 5000,
        b"x" * 300_000,
        b"%YAML 9.9\n---\na: 1\n",
        b"%TAG ! tag:x,2000:\n---\n!foo a: 1\n",
        "scenario: \ud800".encode("utf-8", "surrogatepass"),
        b'scenario: "\\ud800"\ncalls: [{id: a, from: "\\ud800", to: "1"}]\nuse: ["\\ud800"]\n',
        b'scenario: x\nuse: ["' + b"a" * 5000 + b'", "\\0", "../../.."]\ncalls: []\n',
    ],
    ids=lambda raw: f"{len(raw)}-bytes",
)
def test_no_input_ends_in_a_traceback(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "it.yaml"
    path.write_bytes(raw)
    began = time.process_time()
    with pytest.raises(ScenarioError) as caught:
        load(path)
    assert time.process_time() - began < 10
    assert caught.value.mistakes
    str(caught.value).encode("utf-8", "surrogateescape")


def chain(length: int, order: int) -> str:
    """Variables that nest one in the other, thirty levels each, used from the first or from the last."""
    uses = ", ".join(f'"${{v{index}}}"' for index in range(length)[::order])
    nested = "".join(f'  v{index}: {"[" * 30}"${{v{index + 1}}}"{"]" * 30}\n' for index in range(length))
    return f"{HEAD}tags: [{uses}]\nvariables:\n{nested}  v{length}: x\n"


@pytest.mark.parametrize(
    "text",
    [
        chain(20, 1),
        chain(20, -1),
        HEAD + "variables:\n" + "".join(f'  v{i}: "${{v{i + 1}}}"\n' for i in range(3000)) + 'tags: ["${v0}"]\n',
        HEAD + "tags: [" + ", ".join(f'"${{v{i}}}"' for i in range(3000)) + "]\nvariables: {w: 1}\n",
        HEAD + "expect: {begun: [" + ", ".join(f"u{i}" for i in range(3000)) + "]}\n",
        HEAD + "".join(f"k{i}: 1\n" for i in range(3000)),
        HEAD + "matrix: {a: [" + ", ".join(map(str, range(40))) + "], b: [" + ", ".join(map(str, range(40))) + "]}\n",
    ],
    ids=["deep", "deep-last-first", "chain", "variables", "references", "keys", "rows"],
)
def test_files_that_are_wrong_all_over_are_refused_in_time(tmp_path: Path, text: str) -> None:
    start = time.monotonic()
    assert 1 <= len(mistakes_of(tmp_path, text)) <= MOST + 1
    assert time.monotonic() - start < 20


def test_a_file_that_cannot_be_read_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="can't be read"):
        load(tmp_path / "none.yaml")
    with pytest.raises(ScenarioError, match="can't be read"):
        load(tmp_path)
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(ScenarioError, match="can't be read: not a regular file"):
        load(tmp_path / "pipe.yaml")


def test_files_below_a_directory_are_found_but_not_shared_ones(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.yml", "_shared.yaml", "notes.txt", "deep/c.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    found = [path.relative_to(tmp_path).as_posix() for path in scenario_files([tmp_path, tmp_path / "b.yaml"])]
    assert found == ["a.yml", "b.yaml", "deep/c.yaml"]
    with pytest.raises(UsageError, match="no such file"):
        scenario_files([tmp_path / "none"])


@pytest.mark.parametrize("magic", [b"\x0a\x0d\x0d\x0a", b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1"])
@pytest.mark.parametrize("size", [100, 2 * LARGEST_FILE])
def test_a_capture_of_packets_is_told_as_one(magic: bytes, size: int, tmp_path: Path) -> None:
    (tmp_path / "calls.pcapng").write_bytes(magic + b"\xff" * size)
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path / "calls.pcapng")
    (mistake,) = caught.value.mistakes
    assert mistake.message == "the file is a capture of packets, and no scenario"


def test_a_folder_of_evidence_is_no_scenario(tmp_path: Path) -> None:
    (tmp_path / "evidence.json").write_text("{}")
    with pytest.raises(ScenarioError) as caught:
        load(tmp_path)
    assert [mistake.hint for mistake in caught.value.mistakes] == [
        "`rating-harness check` takes a folder of evidence"
    ]
