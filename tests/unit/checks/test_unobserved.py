"""What can't be observed isn't judged, and the verdict says so; all else is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rating_harness.checks import judge, records_settled
from rating_harness.evidence.model import FIELDS_OF_RECORDS, Evidence
from rating_harness.evidence.tables import call_of, left_over
from tests.builders import scenario_of
from tests.unit.checks.test_invariants import PLAIN, sound

WHY = "the engine's API isn't given"


def test_checks_of_records_are_left_out_by_name(tmp_path: Path) -> None:
    scenario, evidence = scenario_of(tmp_path / "s.yaml", PLAIN), sound()
    unread = replace(evidence, after=None, before=None)
    assert any(finding.check == "always: balances" for finding in judge(scenario, unread).findings)
    verdict = judge(scenario, replace(unread, unobserved={"records": WHY}))
    assert verdict.findings == ()
    assert verdict.unchecked == dict.fromkeys(("record", "fee", "balances", "running"), WHY)
    assert records_settled(scenario, replace(unread, unobserved={"records": WHY}))


def test_what_brief_traces_leave_unchecked_is_said(tmp_path: Path) -> None:
    scenario, evidence = scenario_of(tmp_path / "s.yaml", PLAIN), sound()
    brief = tuple(
        replace(message, headers=tuple(each for each in message.headers if each[0] in ("Call-ID", "CSeq")))
        for message in evidence.messages
    )
    assert judge(scenario, evidence).unchecked == {}
    verdict = judge(scenario, replace(evidence, messages=brief))
    assert set(verdict.unchecked) == {"strict_peer"}
    assert "no headers" in verdict.unchecked["strict_peer"]


def test_requests_are_checked_without_records(tmp_path: Path) -> None:
    scenario, evidence = scenario_of(tmp_path / "s.yaml", PLAIN), sound()
    without_end = replace(evidence, exchanges=evidence.exchanges[:-1], unobserved={"records": WHY})
    assert [finding.check for finding in judge(scenario, without_end).findings] == ["always: begin_and_end"]


FAULT = "faults:\n  - {on: agent, path: end, status: 500, nth: 9}\n"
LINE = "engine.yaml:20: ok is at 'done', and an answer has 'finished'"


def with_answer(evidence: Evidence, kind: str, answer: object, **of_it: Any) -> Evidence:
    changed = (replace(each, response=answer, **of_it) if each.kind == kind else each for each in evidence.exchanges)
    return replace(evidence, exchanges=tuple(changed))


@pytest.mark.parametrize("kind", ["begin_transaction", "end_transaction"])
@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ({"ok": False}, ""),
        ({"finished": True}, "its answer to KIND has no 'ok'"),
        ({"ok": "true"}, "neither true nor false"),
    ],
)
def test_without_records_a_report_that_the_engine_refuses_is_an_unbilled_call(
    tmp_path: Path, kind: str, answer: object, hint: str
) -> None:
    scenario, evidence = scenario_of(tmp_path / "s.yaml", PLAIN), sound()
    refused = with_answer(evidence, kind, answer)
    (finding,) = judge(scenario, replace(refused, unobserved={"records": WHY})).findings
    assert (finding.message, finding.expected) == (f"call ana: {kind}", "accepted by the engine")
    assert finding.seen == f"not accepted: 200 {json.dumps(answer)}"
    assert hint.replace("KIND", kind) in finding.hint
    assert judge(scenario, refused).findings == (), "its record tells that it's billed"
    broken_on_purpose = scenario_of(tmp_path / "f.yaml", PLAIN + FAULT)
    assert judge(broken_on_purpose, replace(refused, unobserved={"records": WHY})).findings == ()


@pytest.mark.parametrize("kind", ["authorization", "begin_transaction", "end_transaction"])
def test_a_yes_about_another_call_is_none_of_this_one(tmp_path: Path, kind: str) -> None:
    """A cache before the engine mixes answers up, say: each call gets its yes, and another one's."""
    scenario, evidence = scenario_of(tmp_path / "s.yaml", PLAIN), sound()
    (own,) = (each for each in evidence.exchanges if each.kind == kind)
    assert isinstance(own.response, dict)
    tag = own.requested("transaction_tag")
    same = with_answer(evidence, kind, {**own.response, "transaction_tag": tag})
    assert judge(scenario, same).findings == ()
    mixed_up = with_answer(evidence, kind, {**own.response, "transaction_tag": f"{tag}2"})
    (finding,) = judge(scenario, mixed_up).findings
    assert finding.message == f"call ana: the answer to {kind}"
    assert (finding.expected, finding.seen) == (f"one about this call, {tag}", f"about another, {tag}2")
    broken_on_purpose = scenario_of(tmp_path / "f.yaml", PLAIN + FAULT)
    assert judge(broken_on_purpose, mixed_up).findings == ()


@pytest.mark.parametrize("kind", ["begin_transaction", "end_transaction"])
def test_an_answer_that_isnt_as_the_engines_file_says_is_no_yes(tmp_path: Path, kind: str) -> None:
    scenario, evidence = scenario_of(tmp_path / "s.yaml", PLAIN), sound()
    odd = with_answer(evidence, kind, {"finished": True}, untranslated=LINE, is_translated=True)
    for seen in (odd, replace(odd, unobserved={"records": WHY})):
        (finding,) = judge(scenario, seen).findings
        assert (finding.message, finding.hint) == (f"call ana: {kind}", LINE)
    unread = replace(odd, after=replace(odd.after, transactions=()) if odd.after else None)
    messages = [finding.message for finding in judge(scenario, unread).findings]
    assert f"call ana: {kind}" in messages


def test_an_end_that_is_accepted_at_its_second_try_is_one(tmp_path: Path) -> None:
    scenario, evidence = scenario_of(tmp_path / "s.yaml", PLAIN), sound()
    first = replace(evidence.exchanges[-1], status=503, response="busy")
    tried = replace(evidence, exchanges=(*evidence.exchanges[:-1], first, evidence.exchanges[-1]))
    assert judge(scenario, replace(tried, unobserved={"records": WHY})).findings == ()


def test_a_field_that_the_engines_file_names_in_vain_is_told_and_judged_all_the_same(tmp_path: Path) -> None:
    scenario, evidence = scenario_of(tmp_path / "s.yaml", PLAIN), sound()
    why = "engine.yaml: records.fields.fee is at 'price', and a record has 'cost'"
    assert evidence.after is not None
    unpriced = replace(
        evidence.after, transactions=tuple({**each, "fee": None} for each in evidence.after.transactions)
    )
    verdict = judge(scenario, replace(evidence, after=unpriced, unobserved={FIELDS_OF_RECORDS: why}))
    assert verdict.unchecked == {FIELDS_OF_RECORDS: why}
    assert any("its fee on account" in finding.message for finding in verdict.findings)


def test_without_dialogs_or_rating_the_rest_is_judged(tmp_path: Path) -> None:
    scenario, evidence = scenario_of(tmp_path / "s.yaml", PLAIN), sound()
    blind = replace(
        evidence,
        exchanges=(),
        before=None,
        after=None,
        dialogs_left=None,
        tables=None,
        unobserved={"records": WHY, "requests": WHY, "dialogs": WHY, "tables": WHY},
    )
    assert judge(scenario, blind).findings == ()
    busy = scenario_of(tmp_path / "s.yaml", PLAIN.replace("}]", ", expect: {reply: 486}}]"))
    assert [finding.check for finding in judge(busy, blind).findings] == ["calls[0].expect.reply"]


def test_a_table_that_is_too_large_to_be_read_is_said_and_the_others_are_judged(tmp_path: Path) -> None:
    scenario, evidence = scenario_of(tmp_path / "s.yaml", PLAIN), sound()
    unread = replace(evidence, unobserved={"table rating_state": WHY})
    assert judge(scenario, unread).unchecked == {"table rating_state": WHY}
    none = replace(unread, tables=None)
    assert [finding.check for finding in judge(scenario, none).findings] == ["always: tables"]


def test_keys_of_tables_name_their_call() -> None:
    assert {call_of(key) for key in ("a@b", "a@b::part", "a@b tag", "caller:a@b", "callee:a@b")} == {"a@b"}
    left = left_over({"rating_bye": {"callee:a@b": "sip:x"}, "rating_early": {"a@b tag": "sip:y"}})
    assert [(entry.key, entry.meaning) for entry in left] == [
        ("a@b", "has a BYE of Kamailio's that nobody has answered")
    ]
