"""What Kamailio and a rating engine say to each other: paths, fields, reasons, the services' names, and what is true.

Whoever speaks of one of them takes it from `CONTRACT`, so that a name is spelt in one place. Source: the published
interface of Canyan's rating agent (``/v1/openapi.json``) and the measured answers of its services.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = [
    "CONTRACT",
    "Contract",
    "Fields",
    "Paths",
    "Reason",
    "Services",
    "is_true",
    "refused_json",
    "repeated_key",
    "units_of",
]


class Reason(StrEnum):
    """Why the agent doesn't authorise a call; the spelling is the agent's."""

    NOT_FOUND = "NOT_FOUND"
    NOT_ACTIVE = "NOT_ACTIVE"
    UNREACHEABLE_DESTINATION = "UNREACHEABLE_DESTINATION"
    TOO_MANY_RUNNING_TRANSACTIONS = "TOO_MANY_RUNNING_TRANSACTIONS"
    TOO_MANY_RUNNING_INBOUND_TRANSACTIONS = "TOO_MANY_RUNNING_INBOUND_TRANSACTIONS"
    TOO_MANY_RUNNING_OUTBOUND_TRANSACTIONS = "TOO_MANY_RUNNING_OUTBOUND_TRANSACTIONS"
    BALANCE_INSUFFICIENT = "BALANCE_INSUFFICIENT"


@dataclass(frozen=True, slots=True)
class Paths:
    """Last segments of the agent's paths, which are all below ``prefix``, and how they are called."""

    prefix: str = "/v1/"
    authorization: str = "authorization"
    begin: str = "begin_transaction"
    end: str = "end_transaction"
    rollback: str = "rollback_transaction"
    record: str = "record_transaction"
    method: str = "POST"
    content_type: str = "application/json"

    @property
    def by_word(self) -> Mapping[str, str]:
        """A scenario's word for a request -> the last segment of its path."""
        return {"authorization": self.authorization, "begin": self.begin, "end": self.end}

    @property
    def words(self) -> Mapping[str, str]:
        """The last segment of a path -> a scenario's word for it."""
        return {segment: word for word, segment in self.by_word.items()}

    @property
    def all(self) -> frozenset[str]:
        """Every path of the agent that takes a request about a call."""
        segments = (self.authorization, self.begin, self.end, self.rollback, self.record)
        return frozenset(f"{self.prefix}{segment}" for segment in segments)


@dataclass(frozen=True, slots=True)
class Fields:
    """Names of the fields in the agent's requests and answers, and in the engine's records and accounts."""

    call: str = "transaction_tag"
    account: str = "account_tag"
    called_account: str = "destination_account_tag"
    source: str = "source"
    destination: str = "destination"
    authorised_at: str = "timestamp_auth"
    began_at: str = "timestamp_begin"
    ended_at: str = "timestamp_end"
    authorized: str = "authorized"
    called_authorized: str = "authorized_destination"
    reason: str = "unauthorized_reason"
    units: str = "max_available_units"
    carriers: str = "carriers"
    ok: str = "ok"
    balance: str = "balance"
    running: str = "running_transactions"
    duration: str = "duration"
    fee: str = "fee"
    rate: str = "destination_rate"
    primary: str = "primary"
    inbound: str = "inbound"

    @property
    def parties(self) -> tuple[str, ...]:
        """What is the same in every request about a call: who pays, who is an account of ours, who calls whom."""
        return (self.account, self.called_account, self.source, self.destination)


@dataclass(frozen=True, slots=True)
class Services:
    """Names of a lab's services, as a scenario's ``faults`` and the lab itself have them."""

    kamailio: str = "kamailio"
    agent: str = "rating-agent"
    engine: str = "rating-engine"

    @property
    def by_word(self) -> Mapping[str, str]:
        """A scenario's word for a service -> its name."""
        return {"agent": self.agent, "engine": self.engine, "kamailio": self.kamailio}


@dataclass(frozen=True, slots=True)
class Contract:
    """All of it."""

    paths: Paths = field(default_factory=Paths)
    fields: Fields = field(default_factory=Fields)
    services: Services = field(default_factory=Services)
    reasons: type[Reason] = Reason


CONTRACT = Contract()


def is_true(value: object) -> bool:
    """Whether Kamailio takes a value of the agent's JSON for true: ``true`` and the number 1, and nothing else.

    jansson_get makes an integer of ``true`` and of ``1`` alike, and a text of ``1.0`` and ``"1"``.
    """
    return value is True or (type(value) is int and value == 1)


def units_of(value: object) -> int | float | None:
    """The seconds that a value of ``max_available_units`` allows, as Kamailio takes it; None for what it can't take.

    A number is one, and so is a text of a whole number; ``true`` is none.
    """
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


_WHOLE = re.compile(r"-?\d{1,18}")


def repeated_key(text: str) -> str | None:
    """The first key that an object of a JSON text has twice; None for none, and for what is no JSON."""
    keys, _ = _looked_through(text)
    return keys[0] if keys else None


def refused_json(text: str) -> str | None:
    """What is in a JSON text that Kamailio's jansson doesn't take, though others do; None for nothing."""
    keys, numbers = _looked_through(text)
    if keys:
        return f"the key {keys[0]!r} twice"
    return f"the whole number {numbers[0][:30]}, of more than 64 bits" if numbers else None


def _looked_through(text: str) -> tuple[list[str], list[str]]:
    """The keys that an object has twice, and the whole numbers of more than 64 bits; of what is no JSON none."""
    keys: list[str] = []
    numbers: list[str] = []

    def of_object(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        keys.extend(name for name in names if names.count(name) > 1)

    def of_number(digits: str) -> None:
        if len(digits) > 18 and not (len(digits) < 25 and -(2**63) <= int(digits) < 2**63):
            numbers.append(digits)

    try:
        json.loads(text, object_pairs_hook=of_object, parse_int=of_number)
    except (ValueError, RecursionError):
        return [], []
    return keys, numbers
