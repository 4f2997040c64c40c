"""Records and accounts in the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rating_harness.checks.format import field, shown
from rating_harness.checks.model import Case, Finding, unmet
from rating_harness.contract import CONTRACT
from rating_harness.evidence.calls import Call
from rating_harness.scenario.matchers import Matcher
from rating_harness.scenario.model import AccountExpectation, TransactionExpectation

__all__ = ["check_accounts", "check_transactions"]

_FIELD = CONTRACT.fields
_RECORD_FIELDS = (
    "account_tag", "primary", "inbound", "authorized", "unauthorized_reason", "duration", "fee", "source",
    "source_ip", "destination", "carrier_ip", "timestamp_auth", "timestamp_begin", "timestamp_end",
)  # fmt: skip
_KEYS = (_FIELD.account, _FIELD.primary, _FIELD.inbound)
"""Which record is meant; the other fields are what it should say."""
_MOST = 4
"""Records that a finding shows."""

Record = Mapping[str, Any]


@dataclass(frozen=True)
class _Judged:
    """An expectation, and the records that it may be about: those of one call, or of all.

    :param call: whose they are; None where no call is named.
    """

    case: Case
    index: int
    expect: TransactionExpectation
    call: Call | None
    records: Sequence[Record]

    @cached_property
    def fields(self) -> Mapping[str, Matcher]:
        """What is expected, by the record's field."""
        return {name: matcher for name in _RECORD_FIELDS if (matcher := getattr(self.expect, name)) is not None}

    @cached_property
    def meant(self) -> Sequence[Record]:
        """The records of the account and the kind that is meant."""
        keys = {key: self.fields[key] for key in _KEYS if key in self.fields}
        if self.expect.transaction_tag is not None:
            keys[_FIELD.call] = self.expect.transaction_tag
        return [record for record in self.records if _fits(record, keys)]

    @property
    def what(self) -> str:
        return f"the record of call {self.call.id}" if self.call else "the record"

    def finding(self, key: str, message: str, expected: str, seen: str) -> Finding:
        path: tuple[str | int, ...] = ("expect", "transactions", self.index, *([key] if key else []))
        return unmet(self.case, path, message, expected, seen, call=self.call)


def check_transactions(case: Case) -> Iterator[Finding]:
    """The engine's records against what is expected of them."""
    for index, expect in enumerate(case.scenario.expect.transactions):
        yield from _expected_records(case, index, expect)
    for key, field_name, wanted in (
        ("begun", _FIELD.began_at, True),
        ("not_begun", _FIELD.began_at, False),
        ("ended", _FIELD.ended_at, True),
        ("not_ended", _FIELD.ended_at, False),
    ):
        for index, name in enumerate(getattr(case.scenario.expect, key)):
            for call in case.of(name):
                yield from _has_timestamp(case, (key, index), call, field_name, wanted)


def _expected_records(case: Case, index: int, expect: TransactionExpectation) -> Iterator[Finding]:
    after = case.evidence.after
    if after is None:
        unread = _Judged(case, index, expect, None, ())
        yield unread.finding("", "the record", "the engine's records", "they were never read")
        return
    calls = case.of(expect.call) if expect.call else ()
    several = [_Judged(case, index, expect, call, case.records(call)) for call in calls]
    judged = several if expect.call else [_Judged(case, index, expect, None, after.transactions)]
    if expect.absent:
        for each in judged:
            yield from _absence(each)
        return
    yield from _number(judged)
    for each in judged:
        for record in each.meant:
            yield from _values(each, record)


def _fits(record: Record, matchers: Mapping[str, Matcher]) -> bool:
    return all(matcher.matches(field(record, name)) for name, matcher in matchers.items())


def _absence(judged: _Judged) -> Iterator[Finding]:
    found = [record for record in judged.meant if _fits(record, judged.fields)]
    if found:
        yield judged.finding("absent", judged.what, "no such record", _records(found))


def _number(several: Sequence[_Judged]) -> Iterator[Finding]:
    """How many records there are: of all repetitions of a call together where ``count`` says so, else one of each."""
    if not several:
        return
    first, number = several[0], several[0].expect.count
    if number is not None:
        meant = [record for each in several for record in each.meant]
        if not number.matches(len(meant)):
            yield _miscounted(first, "count", str(number), meant)
        return
    key = next((key for key in _KEYS if key in first.fields), "call")
    for each in several:
        if len(each.meant) != 1:
            yield _miscounted(each, key, "1", each.meant)


def _miscounted(judged: _Judged, key: str, number: str, meant: Sequence[Record]) -> Finding:
    wanted = ", ".join(f"{key} {judged.fields[key]}" for key in _KEYS if key in judged.fields)
    of_call = f" of call {judged.call.id}" if judged.call else ""
    others = [record for record in judged.records if record not in meant]
    seen = f"{len(meant)}: {_records(meant)}" if meant else "none"
    return judged.finding(
        key,
        f"number of records{of_call}",
        f"{number} with {wanted}" if wanted else number,
        f"none; there is {_records(others)}" if others and not meant else seen,
    )


_OF_A_BEGUN_CALL = ("fee", "duration")


def _values(judged: _Judged, record: Record) -> Iterator[Finding]:
    for name, matcher in judged.fields.items():
        if not matcher.matches(field(record, name)):
            seen = shown(field(record, name))
            if name in _OF_A_BEGUN_CALL and record.get(name) is None and record.get(_FIELD.began_at) is None:
                call = str(record.get(_FIELD.call))
                begun = any(each.get(_FIELD.began_at) for each in _running(judged.case, call))
                why = "has begun and never ended" if begun else "was never begun: 'absent' expects that"
                seen = f"nothing, as the call {why}"
            yield judged.finding(name, f"{name} in {judged.what}", str(matcher), seen)
    tags = judged.expect.tags
    if tags is not None and not set(tags) <= set(record.get("tags") or ()):
        yield judged.finding("tags", f"tags of {judged.what}", ", ".join(tags), shown(record.get("tags")))
    rate = record.get(_FIELD.rate) or {}
    for name, matcher in (judged.expect.destination_rate or {}).items():
        if not matcher.matches(field(rate, name)):
            message = f"{name} of the rate in {judged.what}"
            yield judged.finding("destination_rate", message, str(matcher), shown(field(rate, name)))


def _records(records: Sequence[Record]) -> str:
    """Records in a line each: what tells them apart."""
    keys = (_FIELD.account, _FIELD.authorized, _FIELD.began_at, _FIELD.ended_at, _FIELD.duration, _FIELD.fee)
    return "; ".join(", ".join(f"{key} {shown(record.get(key))}" for key in keys) for record in records[:_MOST])


def _has_timestamp(case: Case, key: tuple[str, int], call: Call, field_name: str, wanted: bool) -> Iterator[Finding]:
    records = case.records(call)
    if any(record.get(field_name) for record in (*records, *_running(case, call.call_id))) == wanted:
        return
    what = "a begin" if field_name == _FIELD.began_at else "an end"
    seen = _records(records) if records else "no record"
    expected = what if wanted else f"no {what.split()[1]}"
    yield unmet(case, ("expect", *key), f"call {call.id} in the engine", expected, seen, call=call)


def _running(case: Case, call_id: str) -> list[Record]:
    """What the accounts say of a call that is authorised or under way, after the calls."""
    after = case.evidence.after
    return [
        entry
        for account in (after.accounts.values() if after else ())
        for entry in account.get(_FIELD.running) or ()
        if entry.get(_FIELD.call) == call_id
    ]


def check_accounts(case: Case) -> Iterator[Finding]:
    """Accounts after the calls against what is expected of them."""
    accounts = case.evidence.after.accounts if case.evidence.after else {}
    for index, expect in enumerate(case.scenario.expect.accounts):
        account = accounts.get(expect.account_tag)
        if account is None:
            seen = "the engine has none" if case.evidence.after else "the engine's accounts were never read"
            path = ("expect", "accounts", index, "account_tag")
            yield unmet(case, path, f"account {expect.account_tag}", "an account", seen)
        else:
            yield from _account(case, index, expect, account)


def _account(case: Case, index: int, expect: AccountExpectation, account: Record) -> Iterator[Finding]:
    values: Mapping[str, tuple[Matcher | None, object]] = {
        "balance": (expect.balance, account.get(_FIELD.balance)),
        "running": (expect.running, len(account.get(_FIELD.running) or ())),
    }
    for key, (matcher, value) in values.items():
        if matcher is not None and not matcher.matches(value):
            message = f"{key} of account {expect.account_tag}"
            yield unmet(case, ("expect", "accounts", index, key), message, str(matcher), shown(value))
