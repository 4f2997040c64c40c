"""What was expected of the scenario as a whole: dialogs, requests, records, accounts, carriers, log lines, times."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.checks.model import Case, Finding
from harness.evidence.calls import Call
from harness.evidence.model import Exchange, LogLine
from harness.scenario.matchers import MISSING, Exactly, Matcher
from harness.scenario.model import (
    DialogExpectation,
    LogExpectation,
    RequestExpectation,
    Scenario,
    TransactionExpectation,
)
from harness.scenario.values import duration_text

__all__ = [
    "check_accounts",
    "check_carriers",
    "check_dialogs",
    "check_log",
    "check_requests",
    "check_setup",
    "check_transactions",
]

PATHS = {"authorization": "authorization", "begin": "begin_transaction", "end": "end_transaction"}
_STATES = {"early": (2,), "confirmed_na": (3,), "confirmed": (4,), "deleted": (5,)}


def _seen(value: object) -> str:
    if value is MISSING:
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _got(mapping: Mapping[str, Any], key: str) -> object:
    return mapping.get(key, MISSING)


def _at(scenario: Scenario, section: str, index: int, *key: str) -> dict[str, Any]:
    path = "".join(f".{part}" for part in key)
    return {
        "check": f"expect.{section}[{index}]{path}",
        "where": scenario.where("expect", section, index, *key),
    }


# --- dialogs --------------------------------------------------------------------------------------------------------


def check_dialogs(case: Case) -> Iterator[Finding]:
    by_call_id = {dialog.call_id: dialog for dialog in case.evidence.dialogs}
    for index, expect in enumerate(case.scenario.expect.dialogs):
        for call in case.of(expect.call):
            yield from _dialog(case, index, expect, call, by_call_id.get(call.call_id))


def _dialog(case: Case, index: int, expect: DialogExpectation, call: Call, dialog: Any) -> Iterator[Finding]:
    def at(*key: str) -> dict[str, Any]:
        return {**_at(case.scenario, "dialogs", index, *key), "call_id": call.call_id}

    said = [key for key in ("timeout", "state") if getattr(expect, key) is not None]
    if expect.absent or (dialog is None and said):
        if expect.absent != (dialog is None):
            seen = "none was listed" if dialog is None else f"one, with a timeout of {dialog.lifetime} s"
            yield Finding(
                message=f"the dialog of call {call.id}",
                expected="none" if expect.absent else "one that Kamailio lists",
                seen=seen,
                **at("absent"),
            )
        return
    if dialog is not None and expect.timeout is not None and not expect.timeout.matches(dialog.lifetime):
        yield Finding(
            message=f"the timeout of the dialog of call {call.id}",
            expected=str(expect.timeout),
            seen=duration_text(dialog.lifetime),
            **at("timeout"),
        )
    if dialog is not None and expect.state is not None and not set(_STATES[expect.state]) & set(dialog.states):
        yield Finding(
            message=f"the dialog of call {call.id} was never in that state",
            expected=expect.state,
            seen=", ".join(map(str, dialog.states)),
            **at("state"),
        )
    if expect.gone is not None and case.evidence.dialogs_left is not None:
        gone = case.evidence.dialogs_left == 0
        if gone != expect.gone:
            yield Finding(
                message=f"the dialog of call {call.id} in the end",
                expected="gone" if expect.gone else "there",
                seen=f"{case.evidence.dialogs_left} active",
                **at("gone"),
            )


# --- requests to the agent ------------------------------------------------------------------------------------------


def check_requests(case: Case) -> Iterator[Finding]:
    for index, expect in enumerate(case.scenario.expect.requests):
        calls = case.of(expect.call) if expect.call else None
        groups = [case.exchanges(call) for call in calls] if calls is not None else [case.evidence.exchanges]
        ids = [call.call_id for call in calls] if calls is not None else [None]
        for exchanges, call_id in zip(groups, ids, strict=True):
            for finding in _requests(case.scenario, index, expect, exchanges):
                yield Finding(**finding, call_id=call_id)


def _requests(
    scenario: Scenario, index: int, expect: RequestExpectation, exchanges: Sequence[Exchange]
) -> Iterator[dict[str, Any]]:
    kind = PATHS[expect.path] if expect.path else None
    found = [exchange for exchange in exchanges if kind is None or exchange.kind == kind]
    what = f"{expect.path or ''} requests".strip() + (f" of call {expect.call}" if expect.call else "")
    if expect.order is not None:
        wanted = [PATHS[path] for path in expect.order]
        seen = [exchange.kind for exchange in exchanges]
        if wanted != seen:
            at = _at(scenario, "requests", index, "order")
            yield {
                "message": f"order of the {what}",
                "expected": ", ".join(wanted),
                "seen": ", ".join(seen) or "none",
                **at,
            }
    if expect.absent:
        if found:
            at = _at(scenario, "requests", index, "absent")
            yield {"message": what, "expected": "none", "seen": _requested(found), **at}
        return
    number: Matcher | None = expect.count
    if not (number.matches(len(found)) if number is not None else found) and expect.order is None:
        at = _at(scenario, "requests", index, "count")
        yield {
            "message": f"number of {what}",
            "expected": str(number or "at least 1"),
            "seen": _requested(found),
            **at,
        }
    for exchange in found:
        body = exchange.request if isinstance(exchange.request, dict) else {}
        for name, matcher in expect.fields.items():
            value = _got(body, name)
            if not matcher.matches(value):
                at = _at(scenario, "requests", index, "fields", name)
                yield {"message": f"{name} in {exchange.kind}", "expected": str(matcher), "seen": _seen(value), **at}
        if expect.status is not None and not expect.status.matches(
            MISSING if exchange.status is None else exchange.status
        ):
            at = _at(scenario, "requests", index, "status")
            yield {
                "message": f"status of {exchange.kind}",
                "expected": str(expect.status),
                "seen": str(exchange.status or "no answer"),
                **at,
            }


def _requested(exchanges: Sequence[Exchange]) -> str:
    return f"{len(exchanges)}: {', '.join(exchange.kind for exchange in exchanges[:6])}" if exchanges else "none"


# --- records --------------------------------------------------------------------------------------------------------

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
            own = [record for record in records if record.get("transaction_tag") == call.call_id]
            yield from _transaction(case, index, expect, own, call, after is not None)
    for key, wanted in (("begun", True), ("not_begun", False), ("ended", True), ("not_ended", False)):
        field = "timestamp_begin" if "begun" in key else "timestamp_end"
        for index, name in enumerate(getattr(case.scenario.expect, key)):
            for call in case.of(name):
                yield from _has_timestamp(case, key, index, call, field, wanted)


def _has_timestamp(case: Case, key: str, index: int, call: Call, field: str, wanted: bool) -> Iterator[Finding]:
    after = case.evidence.after
    records = [r for r in (after.transactions if after else ()) if r.get("transaction_tag") == call.call_id]
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
        at = _at(case.scenario, "transactions", index, *([key] if key else []))
        return Finding(message=message, expected=expected, seen=seen, call_id=call.call_id if call else None, **at)

    what = f"the record of call {call.id}" if call else "the record"
    if not was_read:
        yield finding("", what, "the engine's records", "they were never read")
        return
    fields: dict[str, Matcher] = {
        name: matcher for name in _RECORD_FIELDS if (matcher := getattr(expect, name)) is not None
    }
    meant = [
        record for record in records if all(fields[key].matches(_got(record, key)) for key in _KEYS if key in fields)
    ]
    if expect.transaction_tag is not None:
        meant = [r for r in meant if expect.transaction_tag.matches(_got(r, "transaction_tag"))]
    whole = [record for record in meant if all(m.matches(_got(record, name)) for name, m in fields.items())]
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
            if not matcher.matches(_got(record, name)):
                yield finding(name, f"{name} in {what}", str(matcher), _seen(_got(record, name)))
        if expect.tags is not None and not set(expect.tags) <= set(record.get("tags") or ()):
            yield finding("tags", f"tags of {what}", ", ".join(expect.tags), _seen(record.get("tags")))
        rate = record.get("destination_rate") or {}
        for name, matcher in (expect.destination_rate or {}).items():
            if not matcher.matches(_got(rate, name)):
                yield finding(
                    "destination_rate", f"{name} of the rate in {what}", str(matcher), _seen(_got(rate, name))
                )


def _records(records: Sequence[Mapping[str, Any]]) -> str:
    """Records in a line each: what tells them apart."""
    keys = ("account_tag", "authorized", "timestamp_begin", "timestamp_end", "duration", "fee")
    return "; ".join(", ".join(f"{key} {_seen(record.get(key))}" for key in keys) for record in records[:4])


# --- accounts, carriers, log, times ---------------------------------------------------------------------------------


def check_accounts(case: Case) -> Iterator[Finding]:
    accounts = case.evidence.after.accounts if case.evidence.after else {}
    for index, expect in enumerate(case.scenario.expect.accounts):
        account = accounts.get(expect.account_tag)
        if account is None:
            yield Finding(
                message=f"account {expect.account_tag}",
                expected="an account",
                seen="the engine has none" if case.evidence.after else "the engine was never asked",
                **_at(case.scenario, "accounts", index, "account_tag"),
            )
            continue
        running = len(account.get("running_transactions") or ())
        for key, value in (("balance", account.get("balance")), ("running", running)):
            matcher: Matcher | None = getattr(expect, key)
            if matcher is not None and not matcher.matches(value):
                yield Finding(
                    message=f"{key} of account {expect.account_tag}",
                    expected=str(matcher),
                    seen=_seen(value),
                    **_at(case.scenario, "accounts", index, key),
                )


def check_carriers(case: Case) -> Iterator[Finding]:
    for index, expect in enumerate(case.scenario.expect.carriers):
        invites = {
            (message.call_id, message.header("Via"))
            for message in case.evidence.messages
            if message.host == expect.host
            and message.direction == "received"
            and message.method == "INVITE"
            and message.is_request
            and "tag=" not in (message.header("To") or "")
        }
        if not expect.invites.matches(len(invites)):
            yield Finding(
                message=f"INVITEs that reached {expect.host}",
                expected=str(expect.invites),
                seen=str(len(invites)),
                **_at(case.scenario, "carriers", index, "invites"),
            )


def check_log(case: Case) -> Iterator[Finding]:
    for index, expect in enumerate(case.scenario.expect.log):
        found = [line for line in case.evidence.log if _logged(case, expect, line)]
        what = "a line of Kamailio's log" + (f" at level {expect.level}" if expect.level else "")
        at = _at(case.scenario, "log", index)
        if expect.absent:
            if found:
                yield Finding(message=what, expected=f"none with {expect.line}", seen=found[0].text, **at)
        elif not (expect.count.matches(len(found)) if expect.count is not None else found):
            seen = f"{len(found)} of {len(case.evidence.log)} lines"
            yield Finding(
                message=what, expected=f"{expect.count or 'at least 1'} with {expect.line}", seen=seen, **at
            )


def _logged(case: Case, expect: LogExpectation, line: LogLine) -> bool:
    if expect.level is not None and line.level.lower() != expect.level:
        return False
    if expect.call is not None and not any(call.call_id in line.text for call in case.of(expect.call)):
        return False
    if isinstance(expect.line, Exactly):
        return str(expect.line.value) in line.text
    return expect.line.matches(line.text)


def check_setup(case: Case) -> Iterator[Finding]:
    percentiles = case.scenario.expect.setup
    if percentiles is None:
        return
    times = sorted(call.setup for call in case.calls if call.setup is not None)
    for key, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)):
        matcher: Matcher | None = getattr(percentiles, key)
        if matcher is None:
            continue
        seen = times[max(0, math.ceil(share * len(times)) - 1)] if times else None
        if not matcher.matches(seen):
            yield Finding(
                check=f"expect.setup.{key}",
                message=f"set-up time of the calls, {key}",
                expected=str(matcher),
                seen="no call was set up" if seen is None else duration_text(round(seen, 4)),
                where=case.scenario.where("expect", "setup", key),
            )
