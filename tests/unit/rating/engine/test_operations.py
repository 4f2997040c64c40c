"""The five operations where the recorded session doesn't reach, and the strict engine."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.rating.engine.conftest import HTTP, Engine

BEGIN = 1_588_334_400
RECORDS = '{ allTransactions(sortField: "account_tag", filter: {transaction_tag: "t"}) { account_tag fee inbound } }'


def account(engine: Engine, tag: str) -> dict[str, Any]:
    shown = "balance active running_transactions { transaction_tag timestamp_end }"
    answer: dict[str, Any] = engine.query(f'{{ Account(account_tag: "{tag}") {{ {shown} }} }}')["Account"]
    return answer


def begin(engine: Engine, **request: Any) -> bool:
    body = {"transaction_tag": "t", "destination": "3911", "timestamp_begin": BEGIN} | request
    return bool(engine.post("begin_transaction", **body).json()["ok"])


def end(engine: Engine, seconds: int = 10, **request: Any) -> bool:
    body = {"transaction_tag": "t", "timestamp_end": BEGIN + seconds} | request
    return bool(engine.post("end_transaction", **body).json()["ok"])


def test_a_call_is_charged_once(engine: Engine) -> None:
    assert begin(engine, account_tag="alice")
    assert end(engine, account_tag="alice")
    assert not end(engine, account_tag="alice")
    assert account(engine, "alice") == {"balance": 975, "active": True, "running_transactions": []}
    assert engine.query(RECORDS)["allTransactions"] == [{"account_tag": "alice", "fee": 25, "inbound": False}]


def test_an_end_that_fails_at_one_leg_has_charged_the_other(engine: Engine) -> None:
    begin(engine, account_tag="alice")
    assert not end(engine, account_tag="alice", destination_account_tag="bob")
    assert account(engine, "alice")["balance"] == 975


def test_an_end_starts_with_the_linked_accounts(engine: Engine) -> None:
    begin(engine, account_tag="alice")
    engine.query('mutation { upsertAccount(account_tag: "alice", type: PREPAID, linked_accounts: ["bob"]) { id } }')
    assert not end(engine, account_tag="alice")
    assert account(engine, "alice")["balance"] == 1000


def test_a_change_of_the_rate_does_not_touch_running_calls(engine: Engine) -> None:
    begin(engine, account_tag="alice")
    engine.query('mutation { deletePricelistRate(pricelist_tag: "p1", carrier_tag: "c1", prefix: "39") { id } }')
    assert end(engine, account_tag="alice")
    assert account(engine, "alice")["balance"] == 975


def test_a_fee_beyond_32_bits_fails_and_the_entry_stays(engine: Engine) -> None:
    change = 'upsertPricelistRate(pricelist_tag: "p1", carrier_tag: "c1", prefix: "39", rate: 2000000000) { id }'
    engine.query(f"mutation {{ {change} }}")
    begin(engine, account_tag="alice")
    assert not end(engine, account_tag="alice")
    assert account(engine, "alice")["running_transactions"] == [
        {"transaction_tag": "t", "timestamp_end": "2020-05-01T12:00:10"}
    ]
    assert engine.query(RECORDS)["allTransactions"] == []


def test_both_legs_of_one_account_are_two_entries(engine: Engine) -> None:
    assert begin(engine, account_tag="alice", destination_account_tag="alice")
    assert len(account(engine, "alice")["running_transactions"]) == 2


def test_an_empty_tag_is_neither_given_nor_absent(engine: Engine) -> None:
    assert begin(engine, account_tag="")
    assert end(engine, account_tag="")
    assert not engine.post("rollback_transaction", transaction_tag="t", account_tag="").json()["ok"]


def test_a_rate_without_its_charges_fails_the_authorization(engine: Engine) -> None:
    engine.query(
        'mutation { upsertPricelistRate(pricelist_tag: "p1", carrier_tag: "c1", prefix: "49", rate: 1) { id } }'
    )
    request = {"transaction_tag": "t", "account_tag": "alice", "destination": "4911"}
    assert engine.post("authorization", **request).status_code == 500


def test_a_call_is_found_again_by_its_tag(engine: Engine) -> None:
    request = {"transaction_tag": "t", "destination_account_tag": "bob", "source": "s", "destination": "3911"}
    engine.post("authorization", **request)
    assert begin(engine, destination=None)
    assert end(engine)
    assert engine.query(RECORDS)["allTransactions"] == [{"account_tag": "bob", "fee": 0, "inbound": True}]


def test_of_two_legs_one_is_found_again(engine: Engine) -> None:
    request = {
        "transaction_tag": "t",
        "account_tag": "alice",
        "destination_account_tag": "bob",
        "destination": "3911",
    }
    engine.post("authorization", **request)
    assert begin(engine, destination=None)
    running = [len(account(engine, tag)["running_transactions"]) for tag in ("alice", "bob")]
    assert sorted(running) == [0, 1]


def test_a_record_keeps_what_a_later_one_does_not_say(engine: Engine) -> None:
    request = {"transaction_tag": "t", "account_tag": "alice", "tags": []}
    engine.post("record_transaction", **request, destination="3911")
    engine.post("record_transaction", **request, destination="77")
    query = '{ Transaction(transaction_tag: "t", account_tag: "alice") { destination destination_rate { prefix } } }'
    assert engine.query(query)["Transaction"] == {"destination": "77", "destination_rate": {"prefix": "39"}}


def test_balances_have_a_limit(engine: Engine) -> None:
    assert "can't be stored" in engine.refusal(
        'mutation { incrementAccountBalance(account_tag: "alice", balance: 9223372036854775807) { ok } }'
    )
    assert account(engine, "alice")["balance"] == 1000


def test_the_agent_graphql_fails_with_an_error(engine: Engine) -> None:
    query = 'mutation { authorization(transaction_tag: "t", account_tag: "alice") { authorized } }'
    answer = HTTP.post(f"http://{engine.agent}/graphql", json={"query": query})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["message"] == "KeyError('destination_rate')"


# strict

ACCOUNT = "mutation { upsertAccount(account_tag: %s, type: PREPAID, balance: 1000%s) { id } }"
RATE = 'mutation { upsertPricelistRate(pricelist_tag: "p1", carrier_tag: "c1", %s) { id } }'
CHARGES = "connect_fee: 0, rate: 1, rate_increment: 1, interval_start: 0"


@pytest.mark.parametrize(
    ("query", "name"),
    [
        (RATE % f'prefix: "1234567890", {CHARGES}', "NINE_CHARACTERS"),
        (RATE % f'prefix: "1", datetime_end: "2001-01-01T00:00:00Z", {CHARGES}', "DATES_IGNORED"),
        (RATE % 'prefix: "1", rate: 1', "NO_CHARGES"),
        (ACCOUNT % ('"x"', ', linked_accounts: ["ghost"]'), "LINKED_GHOSTS"),
        (ACCOUNT % ('"x"', ', carrier_tags_override: ["c1"]'), "OVERRIDE_IGNORED"),
        ('mutation { upsertAccount(account_tag: "x", type: PREPAID) { id } }', "NO_BALANCE"),
        ('mutation { upsertAccount(id: "x", type: PREPAID, balance: 0) { id } }', "KEYLESS"),
        ('mutation { setAccountBalance(account_tag: "alice") { ok } }', "NULL_BALANCE"),
        ('{ allAccounts(filter: {customer_tag: "x"}) { id } }', "FILTERS_IGNORED"),
        ('{ allAccounts(sortField: "shoe_size") { id } }', "FILTERS_IGNORED"),
        ('{ allPricelistRates(filter: {carrier_id: "x"}) { id } }', "FILTERS_IGNORED"),
        ('{ leastCostRouting(destination: "3911", carrier_tags_override: ["c1"]) { id } }', "OVERRIDE_IGNORED"),
    ],
)
def test_strict_refuses_what_the_real_one_takes(engine: Engine, strict: Engine, query: str, name: str) -> None:
    before = strict.query("{ _allAccountsMeta { count } _allPricelistRatesMeta { count } }")
    assert f"(strict: {name})" in strict.refusal(query)
    assert strict.query("{ _allAccountsMeta { count } _allPricelistRatesMeta { count } }") == before
    if name != "KEYLESS":
        engine.query(query)


@pytest.mark.parametrize(
    ("request_", "name"),
    [({"account_tag": "alice"}, "NO_DESTINATION"), ({"account_tag": "", "destination": "3911"}, "EMPTY_TAG")],
)
def test_strict_says_what_the_real_one_fails_at(strict: Engine, request_: dict[str, str], name: str) -> None:
    answer = strict.post("authorization", transaction_tag="t", **request_)
    assert answer.status_code == 422
    assert name in answer.json()["detail"][0]["msg"]


@pytest.mark.parametrize("operation", ["begin", "end", "rollback", "record"])
def test_strict_takes_no_empty_tag(strict: Engine, operation: str) -> None:
    answer = strict.post(f"{operation}_transaction", transaction_tag="t", destination_account_tag="", tags=[])
    assert (answer.status_code, answer.json()["detail"][0]["loc"][-1]) == (422, "destination_account_tag")


def test_strict_changes_what_is_given_alone(engine: Engine, strict: Engine) -> None:
    for started, active, tenant in ((engine, True, "default"), (strict, False, "other")):
        started.query('mutation { upsertCarrier(id: "c", tenant: "other", carrier_tag: "x", active: false) { id } }')
        changed = started.query('mutation { upsertCarrier(id: "c", host: "h") { active tenant } }')["upsertCarrier"]
        assert changed == {"active": active, "tenant": tenant}


def test_strict_records_what_was_said(engine: Engine, strict: Engine) -> None:
    request = {
        "transaction_tag": "t",
        "account_tag": "alice",
        "destination": "3911",
        "source": "s",
        "source_ip": "ip",
    }
    query = '{ Transaction(transaction_tag: "t", account_tag: "alice") { source_ip unauthorized_reason } }'
    for started, source_ip, reason in ((engine, "s", ""), (strict, "ip", "BALANCE_INSUFFICIENT")):
        started.query('mutation { setAccountBalance(account_tag: "alice", balance: 0) { ok } }')
        started.post("authorization", **request)
        expected = {"source_ip": source_ip, "unauthorized_reason": reason}
        assert started.query(query)["Transaction"] == expected


def test_strict_records_calls_whole(engine: Engine, strict: Engine) -> None:
    request = {"transaction_tag": "t", "destination_account_tag": "bob", "destination": "3911"}
    assert engine.post("record_transaction", **request).status_code == 500
    assert engine.post("record_transaction", **request, tags=[]).json()["ok"]
    assert strict.post("record_transaction", **request).json()["ok"]
    assert engine.query(RECORDS)["allTransactions"][0]["inbound"] is False
    assert strict.query(RECORDS)["allTransactions"][0]["inbound"] is True
