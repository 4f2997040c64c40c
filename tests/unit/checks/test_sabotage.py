"""Twelve ways to spoil a record, and some to spoil the harness's own ends: each is told in its own words, alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rating_harness.checks import judge
from rating_harness.checks.model import Case, Finding
from rating_harness.checks.recorded_calls import records_are_the_calls
from rating_harness.errors import EndpointError
from rating_harness.evidence.model import CapturedMessage, Evidence, Octets, SipMessage, SippResult
from tests.builders import (
    CALL_ID,
    CARRIER,
    answered_call,
    evidence_of,
    exchange,
    records,
    refused_call,
    scenario_of,
)

PLAIN = 'calls: [{id: ana, from: "1000", to: "39040123456"}]\n'
TWO = PLAIN.replace("}]", '}, {id: ben, from: "1000", to: "39040123456", start: 1s}]')
BEN = CALL_ID.replace("ana", "ben")
RECORD = {
    "transaction_tag": CALL_ID, "account_tag": "1000", "fee": 2, "duration": 2, "primary": True, "inbound": False,
    "timestamp_begin": "2027-01-15T08:00:00", "timestamp_end": "2027-01-15T08:00:02",
}  # fmt: skip
EMPTY = {**RECORD, **dict.fromkeys(("fee", "duration", "timestamp_begin", "timestamp_end"))}
_REQUESTS = (
    exchange(0.002, "authorization"),
    exchange(0.110, "begin_transaction", number=2),
    exchange(2.110, "end_transaction", number=3),
)


def recorded(*changed: Mapping[str, Any], fee: int = 2, **evidence: Any) -> Evidence:
    """A call of 2 s whose records are these, and whose account has paid the fee."""
    return evidence_of(answered_call(), _REQUESTS, **{"after": records(9.0, 10 - fee, *changed), **evidence})


def spoilt(**fields: Any) -> Evidence:
    """The same with other fields in its record; its account has paid the record's fee."""
    record = {**RECORD, **fields}
    return recorded(record, fee=record["fee"])


def at(begin: str, end: str, duration: int, fee: int | None = None) -> Evidence:
    return spoilt(
        timestamp_begin=f"2027-01-15T{begin}",
        timestamp_end=f"2027-01-15T{end}",
        duration=duration,
        fee=duration if fee is None else fee,
    )


def _rings() -> Evidence:
    """It rings for 5 s; the record begins with the INVITE."""
    late = tuple(
        replace(m, at=m.at + 5) if not (m.method == "INVITE" and (m.status is None or m.status < 200)) else m
        for m in answered_call()
    )
    record = {**RECORD, "timestamp_end": "2027-01-15T08:00:07", "duration": 7, "fee": 7}
    run = recorded(record, fee=7)
    exchanges = tuple(replace(e, received=e.received + 5, answered=(e.answered or 0) + 5) for e in run.exchanges[1:])
    return replace(run, messages=late, ended=run.ended + 5, exchanges=(run.exchanges[0], *exchanges))


def _elsewhere() -> Evidence:
    """The record, and what it costs, is another account's."""
    run = spoilt()
    assert run.before is not None
    other = {"account_tag": "2000", "balance": 10, "running_transactions": []}
    before = replace(run.before, accounts={**run.before.accounts, "2000": other})
    accounts = {**before.accounts, "2000": {**other, "balance": 8}}
    after = replace(before, accounts=accounts, transactions=({**RECORD, "account_tag": "2000"},))
    return replace(run, before=before, after=after)


def _end_of_another_call() -> Evidence:
    """Of two calls the first ends after 2 s, the second after 8 s, and the first has the second's end."""
    second = answered_call(at=1.0, hold=7.0, call_id=BEN, caller="caller-ben")
    requests = [
        *_REQUESTS,
        exchange(1.002, "authorization", call_id=BEN, number=4),
        exchange(1.110, "begin_transaction", call_id=BEN, number=5),
        exchange(8.110, "end_transaction", call_id=BEN, number=6),
    ]
    first = {**RECORD, "timestamp_end": "2027-01-15T08:00:08", "duration": 8, "fee": 8}
    other = {
        **RECORD,
        "transaction_tag": BEN,
        "timestamp_begin": "2027-01-15T08:00:01",
        "timestamp_end": "2027-01-15T08:00:08",
        "duration": 7,
        "fee": 7,
    }
    messages = sorted((*answered_call(), *second), key=lambda message: message.at)
    return evidence_of(messages, requests, after=records(9.0, 10 - 15, first, other))


def _refused() -> Evidence:
    no = {"authorized": False, "max_available_units": 0, "carriers": []}
    return evidence_of(refused_call(), [exchange(0.002, "authorization", no)], after=records(9.0, 8, RECORD))


SABOTAGE: Mapping[str, tuple[Callable[[], Evidence], str, str]] = {
    "an hour too long": (lambda: at("08:00:00", "09:00:02", 3602), "record", "its record ends 3600s late"),
    "ends when it begins": (lambda: at("08:00:00", "08:00:00", 0), "record", "its record ends when it begins"),
    "shifted by 10 s": (lambda: at("08:00:10", "08:00:12", 2), "record", "its record is 10s late"),
    "ringing billed": (_rings, "record", "ringing is billed"),
    "one increment too much": (lambda: spoilt(fee=3), "fee", "its fee on account 1000"),
    "for nothing": (lambda: spoilt(fee=0), "fee", "its fee on account 1000"),
    "another account's": (_elsewhere, "record", "its record is on another account"),
    "another call's end": (_end_of_another_call, "record", "its record ends when call ben does"),
    "no record": (lambda: recorded(fee=0), "begin_and_end", "its record"),
    "two records": (lambda: recorded(RECORD, RECORD, fee=4), "record", "records on account 1000"),
    "a duration of its own": (lambda: spoilt(duration=5), "record", "disagrees with its timestamps"),
    "a record for a refused call": (_refused, "record", "was not answered, but has a record"),
}


@pytest.mark.parametrize(("damage", "name", "said"), SABOTAGE.values(), ids=SABOTAGE)
def test_a_spoilt_record_fails_alone_with_nothing_expected(
    tmp_path: Path, damage: Callable[[], Evidence], name: str, said: str
) -> None:
    run = damage()
    findings = judge(scenario_of(tmp_path / "s.yaml", TWO if BEN in str(run.call_ids) else PLAIN), run).findings
    assert [finding.check for finding in findings] == [f"always: {name}"], [str(each) for each in findings]
    assert said in findings[0].message
    assert findings[0].call_id == CALL_ID


def _short(**fields: Any) -> Evidence:
    """A call of a second, as most are; its account has paid the record's fee."""
    record = {**RECORD, "timestamp_end": "2027-01-15T08:00:01", "duration": 1, "fee": 1, **fields}
    requests = (_REQUESTS[0], _REQUESTS[1], exchange(1.110, "end_transaction", number=3))
    return evidence_of(answered_call(hold=1.0), requests, after=records(9.0, 10 - record["fee"], record))


def _reported(**fields: Any) -> Evidence:
    """What Kamailio reported is the call; the record has other fields."""
    begin, end = 1_800_000_000, 1_800_000_002
    source = {"source": "sip:1000@sip.test", "destination": "sip:39040123456@sip.test"}
    requests = (
        _REQUESTS[0],
        exchange(0.110, "begin_transaction", number=2, timestamp_begin=begin),
        exchange(2.110, "end_transaction", number=3, timestamp_begin=begin, timestamp_end=end),
    )
    return replace(spoilt(**{**source, **fields}), exchanges=requests)


VARIANTS: Mapping[str, tuple[Callable[[], Evidence], str]] = {
    "a second's call ends when it begins": (
        lambda: _short(timestamp_end="2027-01-15T08:00:00", duration=0, fee=0),
        "its record ends when it begins",
    ),
    "it ends before it begins": (lambda: at("08:00:00", "07:59:57", 0), "its record ends before it begins"),
    "begin and end changed places": (lambda: at("08:00:02", "08:00:00", 0), "its record"),
    "another time zone": (lambda: at("10:00:00", "10:00:02", 2), "its record is 7200s late"),
    "a time zone that is named": (
        lambda: spoilt(timestamp_begin="2027-01-15T08:00:00+01:00", timestamp_end="2027-01-15T08:00:02+01:00"),
        "its record is 3600s early",
    ),
    "a day too long": (
        lambda: spoilt(timestamp_end="2027-01-16T08:00:02"),
        "its record ends 86400s late",
    ),
    "no begin": (lambda: spoilt(timestamp_begin=None), "its record has no begin or no end"),
    "a time that is none": (lambda: spoilt(timestamp_begin="soon"), "its record has no begin or no end"),
    "a second more than reported": (
        lambda: _reported(timestamp_end="2027-01-15T08:00:03", duration=3, fee=3),
        "timestamp_end in its record isn't what Kamailio reported",
    ),
    "a second later than reported": (
        lambda: _reported(timestamp_begin="2027-01-15T08:00:01", duration=1, fee=1),
        "timestamp_begin in its record isn't what Kamailio reported",
    ),
    "milliseconds": (lambda: spoilt(duration=2000), "disagrees with its timestamps"),
    "a duration below zero": (lambda: spoilt(duration=-2), "disagrees with its timestamps"),
    "no duration": (lambda: spoilt(duration=None), "disagrees with its timestamps"),
    "another number was called": (
        lambda: _reported(destination="sip:39040999999@sip.test"),
        "destination in its record on account 1000",
    ),
    "somebody else called": (lambda: _reported(source="sip:2000@sip.test"), "source in its record on account 1000"),
    "the other side's": (lambda: _reported(inbound=True), "inbound in its record on account 1000"),
    "a linked account's": (lambda: _reported(primary=False), "primary in its record on account 1000"),
    "a minute too long, and the fee is the call's": (
        lambda: at("08:00:00", "08:01:02", 62, fee=2),
        "its record ends 60s late",
    ),
    "one zone for the begin, another for the end": (
        lambda: spoilt(timestamp_begin="2027-01-15T08:00:00Z", timestamp_end="2027-01-15T10:00:02"),
        "its record ends 7200s late",
    ),
    "no time of the day": (
        lambda: spoilt(timestamp_begin="2027-01-15", timestamp_end="2027-01-15"),
        "its record is 28800s early",
    ),
    "a time that no calendar has": (
        lambda: spoilt(timestamp_begin="0001-01-01T00:00:00+02:00"),
        "its record has no begin or no end",
    ),
    "Unix seconds": (
        lambda: spoilt(timestamp_begin=1_800_000_000, timestamp_end=1_800_000_002),
        "its record has no begin or no end",
    ),
    "before the INVITE": (lambda: at("07:59:40", "08:00:02", 22), "its record begins 20s early"),
    "no end": (lambda: spoilt(timestamp_end=None), "its record has no begin or no end"),
    "true for a duration": (lambda: _short(duration=True), "disagrees with its timestamps"),
    "no number for a duration": (lambda: spoilt(duration=float("nan")), "disagrees with its timestamps"),
    "a duration of its own, and its fee": (lambda: spoilt(duration=5, fee=5), "disagrees with its timestamps"),
    "two halves": (
        lambda: recorded(
            {**RECORD, "timestamp_end": "2027-01-15T08:00:01", "duration": 1, "fee": 1},
            {**RECORD, "timestamp_begin": "2027-01-15T08:00:01", "duration": 1, "fee": 1},
        ),
        "records on account 1000",
    ),
    "it ends before it begins, and costs less than nothing": (
        lambda: at("08:00:02", "08:00:00", -2),
        "its record ends before it begins",
    ),
    "two records, and one is empty": (lambda: recorded(RECORD, EMPTY), "records on account 1000"),
    "two records, and one has no end": (
        lambda: recorded(RECORD, {**RECORD, "timestamp_end": None, "duration": None, "fee": None}),
        "records on account 1000",
    ),
    "a call that wasn't authorised": (
        lambda: _reported(authorized=False),
        "authorized in its record on account 1000",
    ),
    "two records, and one is paid": (lambda: recorded(RECORD, RECORD), "records on account 1000"),
    "another account's, and this one has paid": (
        lambda: recorded({**RECORD, "account_tag": "2000"}),
        "its record is on another account",
    ),
    "nobody's": (lambda: recorded({**RECORD, "account_tag": None}), "its record is on another account"),
    "another Call-ID": (lambda: recorded({**RECORD, "transaction_tag": "x"}), "its record has another Call-ID"),
}
"""More of the kind, each a finding of the check ``record``."""


def test_two_calls_at_once_whose_records_have_other_call_ids_are_told_apart(tmp_path: Path) -> None:
    others = [{**RECORD, "transaction_tag": f"x{tag}"} for tag in (CALL_ID, BEN)]
    calls = (*answered_call(), *answered_call(call_id=BEN, caller="caller-ben"))
    requests = [replace(each, request={**each.request, "transaction_tag": BEN}) for each in _REQUESTS if each.request]
    for records_ in (others, others[::-1]):
        run = evidence_of(calls, (*_REQUESTS, *requests), after=records(9.0, 6, *records_))
        text = PLAIN.replace("}]", '}, {id: ben, from: "1000", to: "39040123456"}]')
        findings = judge(scenario_of(tmp_path / "s.yaml", text), run).findings
        assert [each.message for each in findings] == [
            "call ana: its record has another Call-ID",
            "call ben: its record has another Call-ID",
        ]


def test_of_a_call_with_several_records_the_wrong_one_is_named(tmp_path: Path) -> None:
    late = {**RECORD, "account_tag": "2000", "timestamp_end": "2027-01-15T08:01:02", "duration": 62, "fee": 62}
    case = Case(scenario_of(tmp_path / "s.yaml", PLAIN), recorded(RECORD, late))
    messages = [each.message for each in records_are_the_calls(case)]
    assert "call ana: its record ends 60s late, on account 2000" in messages
    alone = Case(scenario_of(tmp_path / "s.yaml", PLAIN), recorded({**late, "account_tag": "1000"}))
    assert [each.message for each in records_are_the_calls(alone)] == ["call ana: its record ends 60s late"]


@pytest.mark.parametrize(("damage", "said"), VARIANTS.values(), ids=VARIANTS)
def test_another_spoilt_record_fails_alone(tmp_path: Path, damage: Callable[[], Evidence], said: str) -> None:
    findings = judge(scenario_of(tmp_path / "s.yaml", PLAIN), damage()).findings
    assert [finding.check for finding in findings] == ["always: record"], [str(each) for each in findings]
    assert said in findings[0].message


@pytest.mark.parametrize("fee", [-2, 1, None, "2", 2.5, 200, True, float("nan"), float("inf")])
@pytest.mark.parametrize("paid", [0, 2, 3])
def test_another_fee_is_one_of_the_check(tmp_path: Path, fee: Any, paid: int) -> None:
    """Whatever the account has paid: that its balance doesn't move by such a fee is no second fault."""
    run = recorded({**RECORD, "fee": fee}, fee=paid)
    findings = judge(scenario_of(tmp_path / "s.yaml", PLAIN), run).findings
    assert [finding.check for finding in findings] == ["always: fee"]


@pytest.mark.parametrize("paid", [5, 0, -2])
def test_a_balance_that_moves_by_more_than_its_fees_fails_alone(tmp_path: Path, paid: int) -> None:
    (finding,) = judge(scenario_of(tmp_path / "s.yaml", PLAIN), recorded(RECORD, fee=paid)).findings
    assert (finding.check, finding.message) == ("always: balances", "balance of account 1000")
    assert (finding.expected, finding.seen) == ("8: 10 less the fees of its records, 2", str(10 - paid))


@pytest.mark.parametrize("balance", [8.5, "8", float("nan"), float("inf")])
def test_a_balance_that_is_no_whole_number_fails_alone(tmp_path: Path, balance: Any) -> None:
    run = recorded(RECORD)
    run = replace(run, after=replace(records(9.0, 0, RECORD), accounts={"1000": {"balance": balance}}))
    (finding,) = judge(scenario_of(tmp_path / "s.yaml", PLAIN), run).findings
    assert (finding.check, finding.expected) == ("always: balances", "whole numbers")


def test_a_call_that_was_paid_has_no_record_and_is_not_unbilled(tmp_path: Path) -> None:
    (finding,) = judge(scenario_of(tmp_path / "s.yaml", PLAIN), recorded(fee=2)).findings
    assert (finding.check, finding.message) == ("always: begin_and_end", "call ana: its record")
    assert finding.seen == "none, and account 1000 has paid 2"


@pytest.mark.parametrize("fee", [0, 2])
def test_a_record_of_a_call_that_nobody_made_fails_alone(tmp_path: Path, fee: int) -> None:
    run = recorded(RECORD, {**RECORD, "transaction_tag": "other@sip.test", "fee": fee}, fee=2 + fee)
    (finding,) = judge(scenario_of(tmp_path / "s.yaml", PLAIN), run).findings
    assert finding.check == "always: record"
    assert finding.message == "a record of a call that nobody made, on account 1000"
    assert finding.seen == "'other@sip.test': the record says 2 s, from 08:00:00 to 08:00:02"


def test_an_authorization_under_another_call_id_is_no_record_of_a_call(tmp_path: Path) -> None:
    other = {"transaction_tag": "other@sip.test", "account_tag": "1000", "fee": None, "duration": None}
    assert judge(scenario_of(tmp_path / "s.yaml", PLAIN), recorded(RECORD, other)).findings == ()


@pytest.mark.parametrize(("fee", "paid"), [(2, 2), (2, 4), (4, 4)])
def test_two_ends_of_a_call_fail_alone(tmp_path: Path, fee: int, paid: int) -> None:
    """Whatever it has cost, once or twice."""
    twice = (*_REQUESTS, exchange(2.5, "end_transaction", number=4))
    run = replace(recorded({**RECORD, "fee": fee}, fee=paid), exchanges=twice)
    (finding,) = judge(scenario_of(tmp_path / "s.yaml", PLAIN), run).findings
    assert (finding.check, finding.message) == ("always: begin_and_end", "call ana was ended more than once")


def test_each_authorization_of_a_call_may_leave_an_empty_record(tmp_path: Path) -> None:
    asked = (_REQUESTS[0], exchange(0.003, "authorization", number=7), *_REQUESTS[1:])
    run = replace(recorded(RECORD, EMPTY), exchanges=asked)
    assert judge(scenario_of(tmp_path / "s.yaml", PLAIN), run).findings == ()


def test_a_call_that_a_fault_let_pass_may_have_a_record_that_was_refused(tmp_path: Path) -> None:
    run = _reported(authorized=False)
    edited = replace(run.exchanges[0], fault="edit")
    run = replace(run, exchanges=(edited, *run.exchanges[1:]))
    assert judge(scenario_of(tmp_path / "s.yaml", PLAIN), run).findings == ()


def test_two_begins_of_a_call_fail_alone(tmp_path: Path) -> None:
    twice = (*_REQUESTS[:2], exchange(0.5, "begin_transaction", number=4), _REQUESTS[2])
    (finding,) = judge(scenario_of(tmp_path / "s.yaml", PLAIN), replace(spoilt(), exchanges=twice)).findings
    assert (finding.check, finding.message) == ("always: begin_and_end", "call ana: begin_transaction")


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(at("08:00:01", "08:00:03", 2), id="a second late"),
        pytest.param(at("07:59:59.201", "08:00:01.201", 2), id="a second early, and milliseconds"),
        pytest.param(at("08:00:00.110", "08:00:02.100", 2), id="milliseconds"),
    ],
)
def test_an_engine_with_a_clock_of_its_own_is_believed(tmp_path: Path, run: Evidence) -> None:
    """Nobody reports times to it; its clock is 0.9 s off."""
    assert judge(scenario_of(tmp_path / "s.yaml", PLAIN), run).findings == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"timestamp_begin": "2027-01-15T08:00:00Z", "timestamp_end": "2027-01-15T10:00:02+02:00"},
        {"timestamp_begin": "2027-01-15t08:00:00z", "timestamp_end": "2027-01-15 08:00:02.000000Z"},
        {"duration": 2.0, "fee": 2.0},
        {"authorized": True},
        {"destination": "39040123456", "source": "SIP:1000@SIP.test"},
    ],
)
def test_what_means_the_same_in_a_record_is_the_same(tmp_path: Path, fields: Mapping[str, Any]) -> None:
    assert judge(scenario_of(tmp_path / "s.yaml", PLAIN), _reported(**fields)).findings == ()


@pytest.mark.parametrize(
    ("begin", "end", "duration"), [("00", "00", 0), ("00", "01", 1), ("01", "01", 0), ("07:59:59", "00", 1)]
)
def test_a_call_of_a_fifth_of_a_second_has_a_second_or_none(
    tmp_path: Path, begin: str, end: str, duration: int
) -> None:
    times = [text if ":" in text else f"08:00:{text}" for text in (begin, end)]
    record = {**RECORD, "duration": duration, "fee": duration}
    record |= {"timestamp_begin": f"2027-01-15T{times[0]}", "timestamp_end": f"2027-01-15T{times[1]}"}
    requests = (*_REQUESTS[:2], exchange(0.31, "end_transaction", number=3))
    run = evidence_of(answered_call(hold=0.2), requests, after=records(9.0, 10 - duration, record))
    scenario = scenario_of(tmp_path / "s.yaml", PLAIN.replace("}]", ", hold: 200ms}]"))
    assert judge(scenario, run).findings == ()


@pytest.mark.parametrize("run", [_short(), _reported(), _reported(source="", destination=None)])
def test_what_is_right_has_no_finding(tmp_path: Path, run: Evidence) -> None:
    assert judge(scenario_of(tmp_path / "s.yaml", PLAIN), run).findings == ()


@pytest.mark.parametrize(
    ("ended_by", "said"), [("caller", ["its record"]), ("callee", ["its record"]), ("kamailio", [])]
)
def test_a_call_that_could_not_be_begun_is_paid_or_hung_up(tmp_path: Path, ended_by: Any, said: list[str]) -> None:
    requests = (
        _REQUESTS[0],
        exchange(0.110, "begin_transaction", {"detail": "no"}, status=500, number=2),
        exchange(2.110, "end_transaction", {"ok": False}, number=3),
    )
    run = evidence_of(answered_call(ended_by=ended_by), requests, after=records(9.0, 10))
    findings = judge(scenario_of(tmp_path / "s.yaml", PLAIN.replace("}]", ", hangup: never}]")), run).findings
    assert [finding.message.removeprefix("call ana: ") for finding in findings] == said


def test_a_linked_account_without_a_record(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", PLAIN)
    company = scenario.given.accounts[0].model_copy(update={"account_tag": "company"})
    ana = scenario.given.accounts[0].model_copy(update={"linked_accounts": ("company",)})
    given = scenario.given.model_copy(update={"accounts": (company, ana)})
    linked = scenario.model_copy(update={"given": given}).located(scenario.origin)
    (finding,) = judge(linked, spoilt()).findings
    assert finding.message == "call ana: accounts that it's booked on"
    assert (finding.expected, finding.seen) == ("1000, company", "1000")


def test_records_that_are_right_have_no_finding(tmp_path: Path) -> None:
    assert judge(scenario_of(tmp_path / "s.yaml", PLAIN), spoilt()).findings == ()


@pytest.mark.parametrize(
    ("begin", "end", "duration"),
    [("08:00:00", "08:00:02", 2), ("08:00:01", "08:00:03", 2), ("07:59:59", "08:00:02", 3)],
)
def test_a_whole_second_more_or_less_is_none(tmp_path: Path, begin: str, end: str, duration: int) -> None:
    assert judge(scenario_of(tmp_path / "s.yaml", PLAIN), at(begin, end, duration)).findings == ()


@pytest.mark.parametrize("status", ["200 OK", "408 Request Timeout"])
def test_a_late_reply_to_the_bye_is_not_the_calls_end(tmp_path: Path, status: str) -> None:
    """The end is the BYE's, whose reply comes 8 s later; a record that ends with the reply bills 8 s too much."""
    code, _, reason = status.partition(" ")
    messages = tuple(
        replace(m, at=m.at + 8, status=int(code), reason=reason)
        if m.method == "BYE" and m.status is not None and m.host != CARRIER
        else m
        for m in answered_call()
    )
    rest = PLAIN.replace("}]", ", expect: {bye_reply: [200, 408]}}]")
    scenario = scenario_of(tmp_path / "s.yaml", rest)
    assert judge(scenario, replace(spoilt(), messages=messages)).findings == ()
    late = replace(at("08:00:00", "08:00:10", 10), messages=messages)
    assert [finding.message for finding in judge(scenario, late).findings] == ["call ana: its record ends 8s late"]


def test_a_price_that_requests_of_the_scenario_change_is_the_records_own(tmp_path: Path) -> None:
    rest = PLAIN.replace("calls:", "\ncalls:")
    scenario = scenario_of(tmp_path / "s.yaml", rest)
    given = scenario.given.model_copy(update={"graphql": ("mutation {x}",)})
    changed = scenario.model_copy(update={"given": given})
    changed = changed.located(scenario.origin)
    rate = {"rate": 5, "rate_increment": 1, "connect_fee": 1, "interval_start": 0}
    assert judge(changed, spoilt(fee=11, destination_rate=rate)).findings == ()
    assert [f.check for f in judge(changed, spoilt(fee=12, destination_rate=rate)).findings] == ["always: fee"]


# --- the harness's own ends -----------------------------------------------------------------------------------------


def with_header(run: Evidence, name: str, old: str, new: str, chosen: Callable[[SipMessage], bool]) -> Evidence:
    def change(message: SipMessage) -> SipMessage:
        headers = tuple(
            (key, value.replace(old, new)) if key == name and chosen(message) else (key, value)
            for key, value in message.headers
        )
        return replace(message, headers=headers)

    return replace(run, messages=tuple(map(change, run.messages)))


def _mangled_to(run: Evidence) -> Evidence:
    uri = "sip:39040123456@sip.test"
    return with_header(run, "To", uri, "sip:39040123456", lambda m: m.host == CARRIER and m.direction == "sent")


def _wrong_tag(run: Evidence) -> Evidence:
    return with_header(
        run, "To", "tag=b1", "tag=b2", lambda m: m.method == "ACK" and m.host != CARRIER and m.direction == "sent"
    )


def _cut(run: Evidence) -> Evidence:
    caller, *others = run.sipp
    return replace(run, sipp=(replace(caller, trace_cut=True), *others))


def _ends_early(run: Evidence) -> Evidence:
    """What the caller wrote down ends with the answer."""
    end = run.started + 0.1
    return replace(
        run, messages=tuple(m for m in run.messages if m.host == CARRIER or m.at <= end or m.status == 200)
    )


def _clock(run: Evidence, seconds: float) -> Evidence:
    return replace(
        run, messages=tuple(replace(m, at=m.at + seconds) if m.host == CARRIER else m for m in run.messages)
    )


def _unread(run: Evidence) -> Evidence:
    """SIPp looks for CSeq in three spellings of its own."""
    errors = (
        "2027-01-15 08:00:00.008: No valid Cseq header in request INVITE sip:39@sip.test SIP/2.0\r\n"
        f"fRoM: <sip:1000@sip.test>;tag=a1\r\nCall-ID: {CALL_ID}\r\ncSeQ: 1 INVITE\r\n\r\n"
        f"2027-01-15 08:00:02.008: Aborting call on an unexpected BYE for call: {CALL_ID}"
    )
    caller, carrier, *others = run.sipp
    failed = replace(carrier, failed=1, failures={"FailedUnexpectedMessage": 1}, errors=errors)
    return replace(run, sipp=(caller, failed, *others))


def _gave_up(run: Evidence) -> Evidence:
    """SIPp aborts on a provisional reply that the manual allows."""
    odd = next(m for m in run.messages if m.status == 180 and m.host != CARRIER)
    caller, *others = run.sipp
    errors = (
        f"2027-01-15 08:00:00.008: Aborting call on unexpected message for Call-Id '{CALL_ID}': "
        "while expecting '100' (index 1), received 'SIP/2.0 199 Early Dialog Terminated\r\nVia: ..."
    )
    failed = replace(caller, failed=1, failures={"FailedUnexpectedMessage": 1}, errors=errors)
    kept = [m for m in run.messages if m.at <= odd.at]
    messages = tuple(replace(m, status=199) if m.status == 180 else m for m in kept)
    return replace(run, messages=messages, sipp=(failed, *others))


def _sent_by_carrier(message: SipMessage) -> bool:
    return message.host == CARRIER and message.direction == "sent"


def _added_parameter(run: Evidence) -> Evidence:
    return with_header(run, "To", ">;tag", ">;x=1;tag", _sent_by_carrier)


def _other_via(run: Evidence) -> Evidence:
    return with_header(run, "Via", "198.18.0.5", "198.18.0.6", _sent_by_carrier)


def _lost_via(run: Evidence) -> Evidence:
    return with_header(run, "Via", "branch=", "x=1;branch=", _sent_by_carrier)


def _as_others_write_it(run: Evidence) -> Evidence:
    """Vias with what a server adds, and Routes whose parameters stand in another order (RFC 3261 section 19.1.4)."""
    run = with_header(run, "Via", ";branch", ";received=198.18.0.5;rport=5060;branch", _sent_by_carrier)
    routed = _routed(run)
    return with_header(routed, "Route", ";lr;r2=on", ";r2=on;lr", lambda m: m.method == "BYE")


def _trying(run: Evidence) -> Evidence:
    """Each side says 100 to what it got (RFC 3261 section 16.7): that of the carrier comes long after Kamailio's."""
    ringing = next(m for m in run.messages if m.status == 180 and m.host == CARRIER)
    own = replace(ringing, status=100, reason="Trying", at=ringing.at + 2)
    kamailios = replace(own, host="caller-ana", direction="received", at=ringing.at)
    return replace(run, messages=tuple(sorted((*run.messages, own, kamailios), key=lambda m: m.at)))


def _wrong_length(run: Evidence) -> Evidence:
    return with_header(run, "Content-Length", "0", "7", _sent_by_carrier)


def _bye_of_no_dialog(run: Evidence) -> Evidence:
    return with_header(run, "To", "tag=b1", "tag=b2", lambda m: m.method == "BYE" and m.direction == "sent")


def _is_bye_of_ours(message: SipMessage) -> bool:
    return message.host != CARRIER and message.direction == "sent" and message.method == "BYE"


def _elsewhere_bye(run: Evidence) -> Evidence:
    changed = [replace(m, uri="sip:nobody@198.18.0.9") if _is_bye_of_ours(m) else m for m in run.messages]
    return replace(run, messages=tuple(changed))


PROXIES = ("<sip:198.18.0.7;lr>", "<sip:198.18.0.8;lr;r2=on>")


def _routed(run: Evidence, *, route: tuple[str, ...] = PROXIES[::-1]) -> Evidence:
    """The answer has Record-Routes; what the caller sends from then on has the route set, or in a BYE another one."""

    def headers(message: SipMessage) -> tuple[tuple[str, str], ...]:
        if message.method == "INVITE" and message.status == 200:
            return tuple(("Record-Route", each) for each in PROXIES)
        if message.host != CARRIER and message.direction == "sent" and message.method in ("ACK", "BYE"):
            return tuple(("Route", each) for each in (route if message.method == "BYE" else PROXIES[::-1]))
        return ()

    return replace(run, messages=tuple(replace(m, headers=(*m.headers, *headers(m))) for m in run.messages))


def _of_another_call(run: Evidence) -> Evidence:
    """What the carrier replies has another Call-ID."""
    changed = [replace(m, call_id=f"x{m.call_id}") if _sent_by_carrier(m) else m for m in run.messages]
    return replace(run, messages=tuple(changed))


def _of_another_number(run: Evidence) -> Evidence:
    changed = [
        replace(m, cseq=m.cseq + 1) if _sent_by_carrier(m) and m.method == "INVITE" else m for m in run.messages
    ]
    return replace(run, messages=tuple(changed))


def _of_another_method(run: Evidence) -> Evidence:
    changed = [
        replace(m, method="OPTIONS") if _sent_by_carrier(m) and m.method == "INVITE" else m for m in run.messages
    ]
    return replace(run, messages=tuple(changed))


def _without(run: Evidence, name: str) -> Evidence:
    """The carrier's replies lack a header."""
    messages = [
        replace(m, headers=tuple(each for each in m.headers if each[0] != name)) if _sent_by_carrier(m) else m
        for m in run.messages
    ]
    return replace(run, messages=tuple(messages))


def _route_not_recorded(run: Evidence) -> Evidence:
    """Kamailio's Record-Route is in the INVITE that the carrier got, and in no reply of its."""
    recorded = ("Record-Route", PROXIES[0])
    messages = [
        replace(m, headers=(*m.headers, recorded)) if m.host == CARRIER and m.is_request else m for m in run.messages
    ]
    return replace(run, messages=tuple(messages))


def _no_sip(run: Evidence) -> Evidence:
    octets = Octets(run.started + 0.01, CARRIER, "sent", "udp", "SPI/2.0 180 Ringing\r\n")
    return replace(run, octets=(octets,))


def _bye_with_the_number_of_the_invite(run: Evidence) -> Evidence:
    changed = [replace(m, cseq=1) if m.method == "BYE" and m.host != CARRIER else m for m in run.messages]
    return replace(run, messages=tuple(changed))


def _captured(run: Evidence) -> Evidence:
    """Kamailio took down what it got from either end."""
    captured = [
        CapturedMessage(m.at, "received", "udp", "198.18.0.5:5060", "198.18.0.2:5060", m.host, "", m)
        for m in run.messages
        if m.direction == "sent"
    ]
    return replace(run, captured=tuple(captured))


def _lacks(run: Evidence, host: str, method: str, status: int | None) -> Evidence:
    """The same, with a trace that lacks some message that its end sent."""
    kept = [m for m in run.messages if (m.host, m.method, m.status, m.direction) != (host, method, status, "sent")]
    return replace(_captured(run), messages=tuple(kept))


def _stands_still(
    run: Evidence, status: int | None = None, *, repeated: int = 3, port: int = 5060, by: str = "udp"
) -> Evidence:
    """The caller still runs, or has ended, and has not read the BYE that Kamailio sent it so often."""
    captured = [replace(each, transport=by) for each in _captured(run).captured or ()]
    bye = next(m for m in run.messages if m.host == "caller-ana" and m.method == "BYE" and m.is_request)
    times = tuple(bye.at + each for each in (0.5, 1.5, 3.5)[: repeated - 1])
    sent = CapturedMessage(
        bye.at, "sent", "udp", "198.18.0.2:5060", f"198.18.0.5:{port}", "caller-ana", "", bye, repeated=times
    )
    caller, *others = run.sipp
    messages = tuple(m for m in run.messages if not (m.host == "caller-ana" and m.method == "BYE"))
    sipp = (replace(caller, status=status, successful=0), *others)
    return replace(run, messages=messages, captured=(*captured, sent), sipp=sipp)


def _left(run: Evidence, status: int | None, until: float) -> Evidence:
    """The caller was stopped in the call, or has stood still since then."""
    messages = tuple(m for m in run.messages if m.at <= run.started + 0.2)
    caller, *others = run.sipp
    caller = replace(caller, status=status, created=1, successful=0)
    return replace(run, messages=messages, sipp=(caller, *others), ended=run.started + until)


def _never_called(run: Evidence) -> Evidence:
    caller, *others = run.sipp
    return replace(run, messages=(), sipp=(replace(caller, created=None, successful=None), *others))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_of_another_call, "sent a malformed 180 to INVITE"),
        (_of_another_call, f"it got no INVITE with CSeq 1 and Call-ID x{CALL_ID}"),
        (_of_another_number, "it got no INVITE with CSeq 2 and"),
        (_of_another_method, "it got no OPTIONS with CSeq 1 and"),
        (lambda run: _without(run, "Contact"), "an answer without a Contact"),
        (lambda run: _without(run, "Via"), "Via is missing"),
        (_route_not_recorded, "it lacks Record-Routes of the request: sip:198.18.0.7;lr"),
        (_no_sip, "no SIP message: 'SPI/2.0 180 Ringing"),
        (_bye_with_the_number_of_the_invite, "its CSeq is 1, and has to be 2 at least"),
        (lambda run: _lacks(run, CARRIER, "INVITE", 200), "the trace of carrier lacks the 200 to INVITE that"),
        (lambda run: _lacks(run, "caller-ana", "BYE", None), "the trace of caller-ana lacks the BYE that"),
        (lambda run: _left(run, 0, 4.0), "our own end caller-ana never hung up"),
        (lambda run: _left(run, None, 8.0), "our own end caller-ana never hung up"),
        (_never_called, "our own end caller-ana made no call"),
        (
            lambda run: _stands_still(replace(run, messages=answered_call(ended_by="kamailio"))),
            "our own end caller-ana never read the BYE that Kamailio sent it",
        ),
        (_elsewhere_bye, "it goes to sip:nobody@198.18.0.9, and the other side's last Contact is sip:39040123456@"),
        (lambda run: _routed(run, route=()), "its Route is none, and the route set sip:198.18.0.8;lr;r2=on, sip:198"),
        (lambda run: _routed(run, route=PROXIES), "its Route is sip:198.18.0.7;lr, sip:198.18.0.8;lr;r2=on, and the"),
        (_added_parameter, "the parameters of To are x=1, and were none"),
        (_other_via, "its Vias aren't the request's"),
        (_lost_via, "its Vias aren't the request's"),
        (_wrong_length, "Content-Length is 7, its body has 0 bytes"),
        (_bye_of_no_dialog, "BYE with the tags a1 and b2, which are those of no dialog of its"),
        (_mangled_to, "our own end carrier sent a malformed 180 to INVITE"),
        (_wrong_tag, "our own end caller-ana sent a malformed ACK"),
        (_cut, "is cut off within a message"),
        (_ends_early, "lacks the ACK"),
        (lambda run: _clock(run, 2.0), "the clocks of the ends differ"),
        (lambda run: _clock(run, -2.0), "the clocks of the ends differ"),
        (_gave_up, "gave up at a reply that it has to take: 199"),
        (_unread, "finds no CSeq in a request that has one"),
    ],
)
def test_what_the_harness_did_wrong_is_no_verdict_on_kamailio(
    tmp_path: Path, damage: Callable[[Evidence], Evidence], said: str
) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", PLAIN)
    with pytest.raises(EndpointError) as caught:
        judge(scenario, damage(spoilt()))
    assert said in str(caught.value)
    assert caught.value.where in (scenario.where("calls", 0), scenario.where("scenario"))


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(_captured(spoilt()), id="what Kamailio got is in the traces"),
        pytest.param(replace(_captured(spoilt()), captured=()), id="nothing was captured"),
    ],
)
def test_a_whole_trace_is_believed(tmp_path: Path, run: Evidence) -> None:
    assert judge(scenario_of(tmp_path / "s.yaml", PLAIN), run).findings == ()


def test_what_a_stranger_said_before_is_no_clock_of_an_end(tmp_path: Path) -> None:
    """A BYE in the caller's name reaches the carrier before the caller sends its own of the same number."""
    run = spoilt()
    own = next(m for m in run.messages if m.host == CARRIER and m.method == "BYE" and m.is_request)

    def judged(branch: str) -> None:
        others = tuple(header for header in own.headers if header[0] != "Via")
        vias = tuple(("Via", f"SIP/2.0/UDP 198.18.0.9:5060;branch={each}") for each in ("z9hG4bK-early", branch))
        early = replace(own, at=own.at - 1.9, headers=(*vias, *others))
        reply = replace(early, at=early.at + 0.001, direction="sent", status=481, reason="Gone", uri="")
        messages = tuple(sorted((*run.messages, early, reply), key=lambda m: m.at))
        judge(scenario_of(tmp_path / "s.yaml", PLAIN), replace(run, messages=messages))

    judged("z9hG4bK-stranger")
    with pytest.raises(EndpointError, match="the clocks of the ends differ"):
        judged("z9hG4bK-caller-ana-2-BYE")


def test_a_caller_that_lost_nothing_but_time_is_no_fault(tmp_path: Path) -> None:
    """It still runs, and has two seconds to hang up: what goes on is judged as it is."""
    findings = judge(scenario_of(tmp_path / "s.yaml", PLAIN), _left(spoilt(), None, 3.0)).findings
    assert findings


@pytest.mark.parametrize(
    "details",
    [
        pytest.param({"repeated": 2}, id="it was hardly repeated"),
        pytest.param({"status": 0}, id="the caller has ended"),
        pytest.param({"port": 5099}, id="it went to a port where nobody is"),
        pytest.param({"by": "tcp"}, id="it went over UDP to a caller over TCP"),
    ],
)
def test_what_an_end_did_not_read_and_need_not_is_no_fault_of_its_own(
    tmp_path: Path, details: Mapping[str, Any]
) -> None:
    run = _stands_still(replace(spoilt(), messages=answered_call(ended_by="kamailio")), **details)
    scenario = scenario_of(tmp_path / "s.yaml", PLAIN.replace("}]", ", hangup: never}]"))
    assert judge(scenario, run).findings != ()


def test_what_an_end_got_and_nobody_captured_is_no_fault(tmp_path: Path) -> None:
    run = _captured(spoilt())
    assert run.captured is not None
    fewer = replace(run, captured=run.captured[1:])
    assert judge(scenario_of(tmp_path / "s.yaml", PLAIN), fewer).findings == ()


def test_a_100_is_of_one_hop(tmp_path: Path) -> None:
    scenario = scenario_of(tmp_path / "s.yaml", PLAIN)
    assert judge(scenario, _trying(spoilt())).findings == ()


def test_what_means_the_same_is_the_same(tmp_path: Path) -> None:
    scenario = scenario_of(
        tmp_path / "s.yaml", PLAIN + "invariants: {strict_peer: a proxy that takes no Route off}\n"
    )
    assert judge(scenario, _as_others_write_it(spoilt())).findings == ()


def test_requests_by_the_route_set_are_no_fault(tmp_path: Path) -> None:
    scenario = scenario_of(
        tmp_path / "s.yaml", PLAIN + "invariants: {strict_peer: a proxy that takes no Route off}\n"
    )
    assert judge(scenario, _routed(spoilt())).findings == ()


@pytest.mark.parametrize("seconds", [0.4, -0.4])
def test_traces_that_are_a_moment_apart_are_believed(tmp_path: Path, seconds: float) -> None:
    assert judge(scenario_of(tmp_path / "s.yaml", PLAIN), _clock(spoilt(), seconds)).findings == ()


def test_an_end_with_a_scenario_of_its_authors_may_send_what_it_wants(tmp_path: Path) -> None:
    (tmp_path / "own.xml").write_text("<scenario/>")
    rest = "carriers: {carrier: {sipp: {file: own.xml}}}\n" + PLAIN
    findings: tuple[Finding, ...] = judge(scenario_of(tmp_path / "s.yaml", rest), _mangled_to(spoilt())).findings
    assert [finding.check for finding in findings] == []


@pytest.mark.parametrize(
    ("contact", "is_ours"), [('"a<b" <sip:39@198.18.0.6>', True), ("<sip:39@198.18.0.6>", False)]
)
def test_a_target_that_sipp_cuts_out_of_a_name_is_not_kamailios(tmp_path: Path, contact: str, is_ours: bool) -> None:
    """Of an author's own file, whose ACK goes to ``[next_url]``."""
    (tmp_path / "uac.xml").write_text("<scenario><send><![CDATA[Call-ID: [call_id]]]></send></scenario>")
    cut = 'b" <sip:39@198.18.0.6' if is_ours else "sip:39@198.18.0.6"

    def spoil(message: SipMessage) -> SipMessage:
        headers = tuple((name, contact if name == "Contact" else value) for name, value in message.headers)
        is_ack = message.method == "ACK" and message.direction == "sent"
        return replace(message, headers=headers, uri=cut if is_ack else message.uri)

    run = evidence_of([spoil(m) for m in answered_call() if m.method != "ACK" or m.host != CARRIER], _REQUESTS)
    scenario = scenario_of(tmp_path / "s.yaml", PLAIN.replace("}]", ", sipp: uac.xml}]"))
    if is_ours:
        with pytest.raises(EndpointError, match=r"caller-ana sent a malformed ACK(?s:.*)\[next_url\] is cut"):
            judge(scenario, run)
    else:
        assert "call ana: the ACK to the answer" in [each.message for each in judge(scenario, run).findings]


def _with(name: str, old: str, new: str) -> list[SipMessage]:
    """An answered call of whose replies the caller gets that header otherwise."""

    def changed(message: SipMessage) -> SipMessage:
        if message.host == CARRIER or message.direction == "sent" or message.is_request:
            return message
        headers = tuple((key, value.replace(old, new) if key == name else value) for key, value in message.headers)
        return replace(message, headers=headers)

    return [changed(message) for message in answered_call()]


def test_a_tag_of_from_that_the_proxy_changes_is_no_fault_of_the_callers(tmp_path: Path) -> None:
    """Its BYE has its own tag, as the callee knows it."""
    run = evidence_of(_with("From", "tag=a1", "tag=xa1"), _REQUESTS)
    findings = judge(scenario_of(tmp_path / "s.yaml", PLAIN), run).findings
    assert any("the tag of From is xa1, and was a1" in each.seen for each in findings)


def test_a_caller_that_gives_up_at_a_reply_with_another_branch_is_not_at_fault(tmp_path: Path) -> None:
    said = "Aborting call on unexpected message for Call-Id 'x': while expecting '100', received 'SIP/2.0 180 Ringing"
    gave_up = SippResult("caller-ana", "caller", 1, 1, 0, 1, {"FailedUnexpectedMessage": 1}, errors=said)
    run = evidence_of(_with("Via", "branch=z9hG4bK", "branch=z9hG4bK-other"), _REQUESTS, sipp=(gave_up,))
    findings = judge(scenario_of(tmp_path / "s.yaml", PLAIN), run).findings
    assert any("its branch is that of no INVITE" in each.seen for each in findings)
    with pytest.raises(EndpointError, match="gave up at a reply that it has to take: 180"):
        judge(scenario_of(tmp_path / "s.yaml", PLAIN), replace(run, messages=tuple(answered_call())))
