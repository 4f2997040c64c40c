"""What can't be observed isn't judged, and the verdict says so; all else is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rating_harness.checks import judge, records_settled
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
