"""Records and accounts in the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rating_harness.checks.format import asked, field, shown
from rating_harness.checks.model import Case, Finding
from rating_harness.evidence.calls import Call
from rating_harness.scenario.matchers import Exactly, Matcher
from rating_harness.scenario.model import TransactionExpectation

__all__ = ["check_accounts", "check_transactions"]

_RECORD_FIELDS = (
    "account_tag", "primary", "inbound", "authorized", "unauthorized_reason", "duration", "fee", "source",
    "source_ip", "destination", "carrier_ip", "timestamp_auth", "timestamp_begin", "timestamp_end",
)  # fmt: skip
_KEYS = ("account_tag", "primary", "inbound")
"""Which record is meant; the other fields are what it should say."""


def check_transactions(case: Case) -> Iterator[Finding]:
    after = case.evidence.after
    records = after.transactions if after else ()
    for index, expect in enumerate(case.scenario.expect.transactions):
        if expect.call is None:
            yield from _transaction(case, index, expect, records, None, after is not None)
            continue
        for call in case.of(expect.call):
            yield from _transaction(case, index, expect, case.records(call), call, after is not None)
    for key, wanted in (("begun", True), ("not_begun", False), ("ended", True), ("not_ended", False)):
        field = "timestamp_begin" if "begun" in key else "timestamp_end"
        for index, name in enumerate(getattr(case.scenario.expect, key)):
            for call in case.of(name):
                yield from _has_timestamp(case, key, index, call, field, wanted)


def _has_timestamp(case: Case, key: str, index: int, call: Call, field: str, wanted: bool) -> Iterator[Finding]:
    after, records = case.evidence.after, case.records(call)
    running = [
        entry
        for account in (after.accounts.values() if after else ())
        for entry in account.get("running_transactions") or ()
        if entry.get("transaction_tag") == call.call_id
    ]
    there = any(record.get(field) for record in (*records, *running))
    if there != wanted:
        word = "begin" if field == "timestamp_begin" else "end"
        yield Finding(
            check=f"expect.{key}[{index}]",
            message=f"call {call.id} in the engine",
            expected=f"a{'n' if word == 'end' else ''} {word}" if wanted else f"no {word}",
            seen=_records(records) if records else "no record",
            where=case.scenario.where("expect", key, index),
            call_id=call.call_id,
        )


def _transaction(
    case: Case,
    index: int,
    expect: TransactionExpectation,
    records: Sequence[Mapping[str, Any]],
    call: Call | None,
    was_read: bool,
) -> Iterator[Finding]:
    def finding(key: str, message: str, expected: str, seen: str) -> Finding:
        at = asked(case.scenario, "transactions", index, *([key] if key else []))
        return Finding(message=message, expected=expected, seen=seen, call_id=call.call_id if call else None, **at)

    what = f"the record of call {call.id}" if call else "the record"
    if not was_read:
        yield finding("", what, "the engine's records", "they were never read")
        return
    fields: dict[str, Matcher] = {
        name: matcher for name in _RECORD_FIELDS if (matcher := getattr(expect, name)) is not None
    }
    meant = [
        record for record in records if all(fields[key].matches(field(record, key)) for key in _KEYS if key in fields)
    ]
    if expect.transaction_tag is not None:
        meant = [r for r in meant if expect.transaction_tag.matches(field(r, "transaction_tag"))]
    whole = [record for record in meant if all(m.matches(field(record, name)) for name, m in fields.items())]
    if expect.absent:
        if whole:
            yield finding("absent", what, "no such record", _records(whole))
        return
    number: Matcher = expect.count or Exactly(1)
    if not number.matches(len(meant)):
        key = "count" if expect.count is not None else next((key for key in _KEYS if key in fields), "call")
        wanted = ", ".join(f"{key} {fields[key]}" for key in _KEYS if key in fields)
        yield finding(
            key,
            f"number of records{f' of call {call.id}' if call else ''}",
            f"{number} with {wanted}" if wanted else str(number),
            _records(records) if records else "none",
        )
    for record in meant:
        for name, matcher in fields.items():
            if not matcher.matches(field(record, name)):
                yield finding(name, f"{name} in {what}", str(matcher), shown(field(record, name)))
        if expect.tags is not None and not set(expect.tags) <= set(record.get("tags") or ()):
            yield finding("tags", f"tags of {what}", ", ".join(expect.tags), shown(record.get("tags")))
        rate = record.get("destination_rate") or {}
        for name, matcher in (expect.destination_rate or {}).items():
            if not matcher.matches(field(rate, name)):
                yield finding(
                    "destination_rate", f"{name} of the rate in {what}", str(matcher), shown(field(rate, name))
                )


def _records(records: Sequence[Mapping[str, Any]]) -> str:
    """Records in a line each: what tells them apart."""
    keys = ("account_tag", "authorized", "timestamp_begin", "timestamp_end", "duration", "fee")
    return "; ".join(", ".join(f"{key} {shown(record.get(key))}" for key in keys) for record in records[:4])


def check_accounts(case: Case) -> Iterator[Finding]:
    accounts = case.evidence.after.accounts if case.evidence.after else {}
    for index, expect in enumerate(case.scenario.expect.accounts):
        account = accounts.get(expect.account_tag)
        if account is None:
            yield Finding(
                message=f"account {expect.account_tag}",
                expected="an account",
                seen="the engine has none" if case.evidence.after else "the engine was never asked",
                **asked(case.scenario, "accounts", index, "account_tag"),
            )
            continue
        running = len(account.get("running_transactions") or ())
        for key, value in (("balance", account.get("balance")), ("running", running)):
            matcher: Matcher | None = getattr(expect, key)
            if matcher is not None and not matcher.matches(value):
                yield Finding(
                    message=f"{key} of account {expect.account_tag}",
                    expected=str(matcher),
                    seen=shown(value),
                    **asked(case.scenario, "accounts", index, key),
                )
