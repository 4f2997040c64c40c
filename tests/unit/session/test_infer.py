"""What was observed, as expectations: they load, and what was observed meets them."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating_harness.checks import judge
from rating_harness.checks.model import Case
from rating_harness.evidence.model import Dialog, Evidence
from rating_harness.scenario.loader import load
from rating_harness.session.infer import call_expectations, whole_expectations, with_expectations
from tests.builders import CALL_ID, START, answered_call, evidence_of, exchange, records, refused_call, scenario_of

_ANA = 'calls:\n  - {id: ana, from: "1000", to: "39040123456"}  # the first\n'
_RECORD = {
    "transaction_tag": CALL_ID, "account_tag": "1000", "primary": True, "inbound": False, "duration": 2, "fee": 2,
    "timestamp_begin": "2027-01-15T08:00:00Z", "timestamp_end": "2027-01-15T08:00:02Z",
}  # fmt: skip


def _answered() -> Evidence:
    return evidence_of(
        answered_call(ended_by="kamailio"),
        [
            exchange(0.01, "authorization"),
            exchange(0.1, "begin_transaction", timestamp_begin=1_800_000_000),
            exchange(2.2, "end_transaction", timestamp_end=1_800_000_002),
        ],
        after=records(9.0, 8, _RECORD),
        dialogs=(Dialog(CALL_ID, "", "", START, START + 2, (2, 3, 4), 3),),
    )


def _recorded(tmp_path: Path, rest: str, evidence: Evidence) -> str:
    file = tmp_path / "scenario.yaml"
    case = Case(scenario_of(file, rest), evidence)
    return with_expectations(file.read_text(encoding="utf-8"), call_expectations(case), whole_expectations(case))


def _passes(tmp_path: Path, text: str, evidence: Evidence) -> bool:
    file = tmp_path / "recorded.yaml"
    file.write_text(text, encoding="utf-8")
    (scenario,) = load(file)
    return judge(scenario, evidence).passed


def test_what_was_observed_is_expected(tmp_path: Path) -> None:
    text = _recorded(tmp_path, _ANA, _answered())
    for line in (
        "expect: {reply: 200, provisional: [180], ended_by: kamailio, duration: 2s ± 1s, carriers: [carrier]}}  #",
        "- {call: ana, timeout: 3s ± 1s}",
        "- {call: ana, order: [authorization, begin, end]}",
        "timestamp_end: any}}",
        '- {call: ana, account_tag: "1000", primary: true, inbound: false, duration: 2s ± 1s, fee: 2 ± 1}',
        '- {account_tag: "1000", balance: 8 ± 1, running: 0}',
    ):
        assert line in text
    assert CALL_ID not in text
    assert _passes(tmp_path, text, _answered())


def test_another_run_does_not_meet_them(tmp_path: Path) -> None:
    text = _recorded(tmp_path, _ANA, _answered())
    assert not _passes(tmp_path, text, evidence_of(answered_call(ended_by="caller")))


def test_a_refusal_with_its_reason(tmp_path: Path) -> None:
    evidence = evidence_of(refused_call("403 Forbidden -- insufficient balance"), [exchange(0.01, "authorization")])
    text = _recorded(tmp_path, _ANA, evidence)
    assert 'expect: {reply: {code: 403, reason: "Forbidden -- insufficient balance"}, carriers: []}}' in text
    assert _passes(tmp_path, text, evidence)


def test_a_refusal_leaves_a_record_that_says_so(tmp_path: Path) -> None:
    refused = {
        **_RECORD,
        "authorized": False,
        "duration": 0,
        "fee": 0,
        "timestamp_begin": None,
        "timestamp_end": None,
    }
    authorised = {**refused, "authorized": True}
    text = _recorded(tmp_path, _ANA, evidence_of(refused_call(), after=records(9.0, 10, refused)))
    assert '{call: ana, account_tag: "1000", primary: true, inbound: false, authorized: false}' in text
    assert _passes(tmp_path, text, evidence_of(refused_call(), after=records(9.0, 10, refused)))
    assert not _passes(tmp_path, text, evidence_of(refused_call(), after=records(9.0, 10, authorised)))


@pytest.mark.parametrize(
    ("answer", "states"),
    [({"authorized": False}, (2, 4)), ({"authorized": True, "max_available_units": 60}, (1, 2))],
    ids=["the engine set none", "it may have been seen before it was set"],
)
def test_a_dialog_whose_timeout_is_not_the_engines(
    tmp_path: Path, answer: dict[str, object], states: tuple[int, ...]
) -> None:
    evidence = evidence_of(
        refused_call(),
        [exchange(0.01, "authorization", answer)],
        dialogs=(Dialog(CALL_ID, "", "", START, START + 2, states, 43200),),
    )
    assert "43200" not in _recorded(tmp_path, _ANA, evidence)


@pytest.mark.parametrize(
    "rest",
    [
        'calls:\n  - id: ana  # who\n    from: "1000"\n    to: "39040123456"\n# the end\n',
        'calls:\n  - id: ana\n    expect:\n      reply: 486\n      reason: x\n    from: "1000"\n    to: "39"\n',
        'calls: [{id: ana, expect: {reply: 486}, from: "1000", to: "39"}]\nexpect:\n  failures: 3\ntags: [a]\n',
        'expect: {failures: 3}\ncalls: [{id: ana, from: "1000", to: "39040123456", expect: {reply: 4xx}}]\n',
    ],
)
def test_however_it_is_written(tmp_path: Path, rest: str) -> None:
    text = _recorded(tmp_path, rest, _answered())
    assert "486" not in text
    assert "failures" not in text
    assert _passes(tmp_path, text, _answered())
    assert [line for line in rest.splitlines() if "#" in line] == [
        line for line in text.splitlines() if "#" in line and "expect" not in line
    ]


def test_repetitions_share_what_is_expected(tmp_path: Path) -> None:
    other = CALL_ID.replace("-1@", "-2@")
    evidence = evidence_of([*answered_call(), *answered_call(call_id=other, ended_by="callee", hold=2.0)])
    rest = _ANA.replace('"39040123456"}', '"39040123456", repeat: 2}')
    text = _recorded(tmp_path, rest, evidence)
    assert "expect: {reply: 200, provisional: [180], duration: 2s ± 1s, carriers: [carrier]}" in text
