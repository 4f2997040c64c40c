"""Who may call, in which order that's decided, and what is answered."""

from __future__ import annotations

from typing import Any

import pytest

from rating_harness.rating.engine.accounts import Account, Running
from rating_harness.rating.engine.arithmetic import LONGEST_CALL, Incomplete, Tariff
from rating_harness.rating.engine.decision import Decision, Party, Reason, decide
from rating_harness.rating.engine.rates import Rate

NOW = 1_588_334_400_000
RATE = Rate(1, "default", "39", "p1", "c1", None, Tariff(0, 10, 1, 0))


def account(tag: str = "alice", balance: int | None = 1000, running: int = 0, **document: Any) -> Account:
    entries = [Running(f"call-{number}", "39", NOW) for number in range(running)]
    return Account(1, {"account_tag": tag, "type": "PREPAID"} | document, balance, entries)


def calls(*accounts: Account, rate: Rate | None = RATE) -> Decision:
    return decide([Party(account, rate) for account in accounts], [], NOW)


def test_the_balance_decides_how_long() -> None:
    assert calls(account()) == Decision(balance=1000, units=100)


def test_the_poorest_linked_account_decides_how_long_and_the_last_one_what_is_told() -> None:
    assert calls(account(balance=50), account("linked", 1000)) == Decision(balance=1000, units=5)


def test_a_linked_account_can_stop_the_call() -> None:
    assert calls(account(), account("linked", 0)) == Decision(
        reason=Reason.BALANCE_INSUFFICIENT, refused_tag="linked"
    )


def test_a_balance_that_pays_for_nothing_is_enough() -> None:
    assert calls(account(balance=9)) == Decision(balance=9, units=0)


@pytest.mark.parametrize("balance", [0, -1])
def test_an_empty_balance_is_not(balance: int) -> None:
    assert calls(account(balance=balance)).reason is Reason.BALANCE_INSUFFICIENT


def test_a_free_call_needs_no_balance() -> None:
    free = Rate(1, "default", "39", "p1", "c1", None, Tariff(0, 0, 1, 0))
    assert calls(account(balance=0), rate=free) == Decision(balance=0, units=LONGEST_CALL)


def test_postpaid_accounts_pay_later() -> None:
    assert calls(account(balance=-5, type="POSTPAID")) == Decision(balance=-5, units=LONGEST_CALL)


def test_running_calls_are_taken_from_the_balance() -> None:
    caller = account()
    caller.running.append(Running("call", "39", NOW - 70_000, destination_rate={"rate": 1}))
    assert calls(caller) == Decision(balance=930, units=93)


@pytest.mark.parametrize(
    ("limit", "inbound", "reason"),
    [
        ("max_concurrent_transactions", False, Reason.TOO_MANY_RUNNING_TRANSACTIONS),
        ("max_concurrent_transactions", True, Reason.TOO_MANY_RUNNING_TRANSACTIONS),
        ("max_inbound_transactions", True, Reason.TOO_MANY_RUNNING_INBOUND_TRANSACTIONS),
        ("max_outbound_transactions", False, Reason.TOO_MANY_RUNNING_OUTBOUND_TRANSACTIONS),
    ],
)
def test_limits_stop_calls_of_both_directions(limit: str, inbound: bool, reason: Reason) -> None:
    busy = account()
    busy.adopt(busy.document | {limit: 1})
    assert calls(busy).reason is None
    busy.running.append(Running("call", "39", NOW, inbound=inbound))
    assert calls(busy).reason is reason
    assert decide([], [busy], NOW).reason is reason


def test_limits_come_before_the_balance() -> None:
    assert calls(account(balance=0, max_concurrent_transactions=0)).reason is Reason.TOO_MANY_RUNNING_TRANSACTIONS


def test_the_caller_is_checked_before_the_called() -> None:
    full = account("called", max_concurrent_transactions=0)
    assert decide([Party(account(balance=0), RATE)], [full], NOW).refused_tag == "alice"
    assert decide([Party(account(), RATE)], [full], NOW).refused_tag == "called"


def test_the_called_pays_nothing() -> None:
    assert decide([], [account(balance=-5)], NOW) == Decision(balance=-5, units=LONGEST_CALL)


@pytest.mark.parametrize(("balance", "rate"), [(None, RATE), (1000, None)])
def test_what_is_missing_is_named(balance: int | None, rate: Rate | None) -> None:
    with pytest.raises(Incomplete, match="destination_rate" if balance else "balance"):
        calls(account(balance=balance), rate=rate)


def test_nobody_is_nobody() -> None:
    with pytest.raises(Incomplete, match="account"):
        decide([], [], NOW)
