"""Whether calls are authorised. Pure functions of the accounts as they stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rating_harness.contract import Reason
from rating_harness.rating.engine.accounts import Account
from rating_harness.rating.engine.arithmetic import LONGEST_CALL, Incomplete, available_units
from rating_harness.rating.engine.rates import Rate

__all__ = ["Decision", "Party", "Reason", "decide"]


@dataclass(frozen=True, slots=True)
class Party:
    """An account that takes part in a call, and the rate it is charged."""

    account: Account
    rate: Rate | None


@dataclass(slots=True)
class Decision:
    """The answer. ``balance`` is that of the last account looked at (``Quirk.BALANCE_OF_THE_LAST``), ``units`` are
    seconds."""

    balance: int = 0
    units: int = 0
    reason: Reason | None = None
    refused_tag: str | None = None


def decide(outbound: Sequence[Party], inbound: Sequence[Account], now: int) -> Decision:
    """Check the calling accounts, then the called ones; the first that fails ends the checks. Whether linked accounts
    are active isn't looked at (``Quirk.LINKED_NOT_CHECKED``).

    :param outbound: the account and its linked accounts.
    :param inbound: the destination account and its linked accounts.
    :raises Incomplete: when an account has no balance, or a rate lacks a value.
    """
    units = LONGEST_CALL
    balance: int | None = None
    for party in outbound:
        account = party.account
        balance = _balance(account, now)
        reason = limit_reached(account)
        if reason is None and account.prepaid:
            if party.rate is None:
                raise Incomplete("destination_rate")
            units = min(units, available_units(balance, party.rate.tariff))
            # Only the sign of the balance counts, not the units: Quirk.UNITS_NOT_CHECKED.
            if balance <= 0 and not party.rate.tariff.free:
                reason = Reason.BALANCE_INSUFFICIENT
        if reason is not None:
            return Decision(reason=reason, refused_tag=account.tag)
    for account in inbound:
        balance = _balance(account, now)
        reason = limit_reached(account)
        if reason is not None:
            return Decision(reason=reason, refused_tag=account.tag)
    if balance is None:
        raise Incomplete("account")
    return Decision(balance=balance, units=units)


def limit_reached(account: Account) -> Reason | None:
    """The limit that the account's running transactions have reached. Each limit stops calls of both directions
    (``Quirk.LIMITS_IGNORE_DIRECTION``)."""
    if account.limits == (None, None, None):
        return None
    concurrent, most_inbound, most_outbound = account.limits
    running = len(account.running)
    inbound = sum(entry.inbound for entry in account.running)
    if concurrent is not None and concurrent <= running:
        return Reason.TOO_MANY_RUNNING_TRANSACTIONS
    if most_inbound is not None and most_inbound <= inbound:
        return Reason.TOO_MANY_RUNNING_INBOUND_TRANSACTIONS
    if most_outbound is not None and most_outbound <= running - inbound:
        return Reason.TOO_MANY_RUNNING_OUTBOUND_TRANSACTIONS
    return None


def _balance(account: Account, now: int) -> int:
    balance = account.balance_at(now)
    if balance is None:
        raise Incomplete("balance")
    return balance
