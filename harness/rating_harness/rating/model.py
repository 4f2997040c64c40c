"""The engine's records as its API tells them.

Field names and nulls are the API's; timestamps are ISO 8601 in UTC without a zone, money and limits are integers.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, get_args, get_type_hints

# pydantic reads no other TypedDict before Python 3.12.
from typing_extensions import TypedDict, is_typeddict

__all__ = ["Account", "AccountReference", "Rate", "RunningTransaction", "Transaction", "selection"]


class Rate(TypedDict):
    """The rate that a transaction is charged by, as it was when the transaction began."""

    carrier_tag: str | None
    pricelist_tag: str | None
    prefix: str
    description: str | None
    connect_fee: int | None
    rate: int | None
    rate_increment: int | None
    interval_start: int | None


class RunningTransaction(TypedDict):
    """A transaction that has begun and not ended; it is part of its account."""

    transaction_tag: str
    proxy_tag: str | None
    source: str | None
    source_ip: str | None
    destination: str | None
    carrier_ip: str | None
    tags: list[str] | None
    destination_rate: Rate | None
    in_progress: bool | None
    inbound: bool | None
    primary: bool | None
    timestamp_begin: str | None
    timestamp_end: str | None


class AccountReference(TypedDict):
    """An account that another one is linked to."""

    account_tag: str


class Account(TypedDict):
    """An account and its running transactions."""

    id: str | None
    tenant: str | None
    account_tag: str
    name: str | None
    type: Literal["PREPAID", "POSTPAID"]
    active: bool | None
    balance: int | None
    max_concurrent_transactions: int | None
    max_inbound_transactions: int | None
    max_outbound_transactions: int | None
    running_transactions: list[RunningTransaction] | None
    carrier_tags: list[str] | None
    carrier_tags_override: list[str] | None
    pricelist_tags: list[str] | None
    tags: list[str] | None
    linked_accounts: list[AccountReference] | None


class Transaction(TypedDict):
    """The record of a transaction for one account: its authorization, its end, or both."""

    id: str
    tenant: str
    transaction_tag: str
    account_tag: str | None
    source: str | None
    source_ip: str | None
    destination: str | None
    carrier_ip: str | None
    tags: list[str] | None
    authorized: bool | None
    unauthorized_reason: str | None
    destination_rate: Rate | None
    timestamp_auth: str | None
    timestamp_begin: str | None
    timestamp_end: str | None
    primary: bool | None
    inbound: bool | None
    duration: int | None
    fee: int | None


@cache
def selection(record: type) -> str:
    """The GraphQL selection of all fields of a record type: ``{id tenant destination_rate {prefix rate}}``."""
    fields = [f"{name} {nested}".rstrip() for name, nested in _nested(record).items()]
    return f"{{{' '.join(fields)}}}"


def _nested(record: type) -> dict[str, str]:
    return {name: _selection_within(hint) for name, hint in get_type_hints(record).items()}


def _selection_within(hint: Any) -> str:
    if is_typeddict(hint):
        return selection(hint)
    return next(filter(None, map(_selection_within, get_args(hint))), "")
