"""One cause is one finding, with what follows from it; what doesn't follow from it stays one of its own."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from rating_harness.checks import judge
from rating_harness.evidence.model import Evidence
from tests.builders import CALL_ID, answered_call, evidence_of, exchange, records, refused_call, scenario_of
from tests.unit.checks.test_invariants import sound

CALL = """\
calls:
  - {{id: ana, from: "1000", to: "39040123456", expect: {{{0}}}}}
expect:
  requests: [{{call: ana, order: [authorization, begin, end]}}]
  transactions: [{{call: ana, duration: 2s ± 1s}}]
  accounts: [{{account_tag: "1000", balance: 8}}]
"""
EXPECTED = "reply: 200, ended_by: caller, duration: 2s ± 1s, bye_reply: 200, carrier: carrier"
REFUSAL = {"authorized": False, "max_available_units": 0, "carriers": []}


def found(tmp_path: Path, evidence: Evidence, text: str) -> dict[str, list[str]]:
    """Checks whose findings follow from no other -> those whose follow from them, in order."""
    verdict = judge(scenario_of(tmp_path / "s.yaml", text), evidence)
    return {each.check: [so.check for so in each.consequences] for each in verdict.findings}


def test_a_refusal_explains_what_only_an_answered_call_has(tmp_path: Path) -> None:
    run = evidence_of(refused_call(), [exchange(0.002, "authorization", REFUSAL)])
    assert found(tmp_path, run, CALL.format(EXPECTED)) == {
        "calls[0].expect.reply": [
            *(f"calls[0].expect.{key}" for key in ("ended_by", "duration", "bye_reply", "carrier")),
            *("expect.requests[0].order", "expect.transactions[0].call", "expect.accounts[0].balance"),
        ],
    }


def test_a_refusal_explains_that_an_authorised_call_has_no_length(tmp_path: Path) -> None:
    record = {"transaction_tag": CALL_ID, "account_tag": "1000", "timestamp_begin": None, "timestamp_end": None}
    run = replace(evidence_of(refused_call(), [exchange(0.002, "authorization")]), after=records(9.0, 10, record))
    causes = found(tmp_path, run, CALL.format("reply: 200"))
    assert "expect.transactions[0].duration" in causes["calls[0].expect.reply"]
    assert not any(check.startswith("expect.transactions") for check in causes)


def test_no_reply_is_told_once(tmp_path: Path) -> None:
    run = evidence_of(refused_call()[:1])
    text = 'calls: [{id: ana, from: "1000", to: "39040123456", expect: {reply: any}}]\n'
    assert found(tmp_path, run, text) == {"calls[0].expect.reply": ["always: final_reply"]}


def test_a_call_that_nobody_ends_explains_that_it_is_unbilled(tmp_path: Path) -> None:
    up = records(9.0, 10)
    account = {**up.accounts["1000"], "running_transactions": [{"transaction_tag": CALL_ID}]}
    run = replace(
        sound(),
        messages=answered_call()[:9],
        exchanges=sound().exchanges[:2],
        dialogs_left=1,
        after=replace(up, accounts={"1000": account}),
    )
    (causes,) = found(tmp_path, run, CALL.format("ended_by: caller, duration: 2s ± 1s")).items()
    assert causes == (
        "calls[0].expect.ended_by",
        [
            *("always: begin_and_end", "always: begin_and_end"),
            *("calls[0].expect.duration", "expect.requests[0].order", "expect.transactions[0].call"),
            *("expect.accounts[0].balance", "always: running", "always: dialogs"),
        ],
    )


def test_an_end_that_was_never_sent_explains_that_there_is_no_record(tmp_path: Path) -> None:
    run = replace(sound(), exchanges=sound().exchanges[:2], after=records(9.0, 10))
    text = 'calls: [{id: ana, from: "1000", to: "39040123456"}]\n'
    assert found(tmp_path, run, text) == {"always: begin_and_end": ["always: begin_and_end"]}


def test_a_bye_that_a_peer_refuses_explains_that_the_ends_disagree(tmp_path: Path) -> None:
    run = sound()
    left = ("Route", "<sip:198.18.0.4;lr>")
    messages = tuple(
        replace(m, headers=(*m.headers, left)) if m.method == "BYE" and m.host == "carrier" and m.is_request else m
        for m in run.messages
    )
    text = 'calls: [{id: ana, from: "1000", to: "39040123456"}]\n'
    (check, so), *others = found(tmp_path, replace(run, messages=messages), text).items()
    assert (check, others) == ("always: strict_peer", [])
    assert set(so) >= {"always: both_ends"}


def test_calls_that_were_not_made_are_told_once(tmp_path: Path) -> None:
    text = 'calls: [{id: ana, from: "1000", to: "39040123456"}]\n'
    assert found(tmp_path, evidence_of(()), text) == {"always: calls": ["always: calls"]}


def test_what_does_not_follow_is_a_finding_of_its_own(tmp_path: Path) -> None:
    other_reason = CALL.format("reply: {code: 200, reason: Fine}, ended_by: callee, duration: 9s, setup: < 1ms")
    assert found(tmp_path, sound(), other_reason) == {
        "calls[0].expect.reply": [],
        "calls[0].expect.ended_by": ["calls[0].expect.duration"],
        "calls[0].expect.setup": [],
    }


def test_a_finding_on_another_call_is_none_of_this_ones(tmp_path: Path) -> None:
    ben = CALL_ID.replace("ana", "ben")
    run = evidence_of(
        (*refused_call(), *answered_call(call_id=ben, caller="caller-ben")),
        [
            exchange(0.002, "authorization", REFUSAL),
            exchange(0.002, "authorization", call_id=ben),
            exchange(0.11, "begin_transaction", call_id=ben),
            exchange(2.11, "end_transaction", call_id=ben),
        ],
    )
    text = """\
calls:
  - {id: ana, from: "1000", to: "39040123456", expect: {reply: 200}}
  - {id: ben, from: "1000", to: "39040123456", expect: {duration: 9s}}
"""
    of_both = found(tmp_path, run, text)
    assert of_both["calls[0].expect.reply"] == []
    assert of_both["calls[1].expect.duration"] == []


@pytest.mark.parametrize("failures", ["failures: 0"])
def test_where_failed_calls_are_counted_a_finding_is_of_many(tmp_path: Path, failures: str) -> None:
    run = evidence_of(refused_call(), [exchange(0.002, "authorization", REFUSAL)])
    text = CALL.format(EXPECTED) + f"  {failures}\n"
    assert all(not so for so in found(tmp_path, run, text).values())


def test_thousands_of_findings_are_put_in_order_in_seconds(tmp_path: Path) -> None:
    foreign = [exchange(2 + n / 1000, "authorization", call_id=f"foreign-{n}") for n in range(2000)]
    run = evidence_of(refused_call(), foreign)
    begun = time.monotonic()
    text = 'calls: [{id: ana, from: "1000", to: "39040123456", expect: {reply: any}}]\n'
    verdict = judge(scenario_of(tmp_path / "s.yaml", text), run)
    assert len(verdict.findings) >= len(foreign)
    assert time.monotonic() - begun < 10
