"""Accounts and their running transactions, as calls see them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from rating_harness.rating.engine import timestamps
from rating_harness.rating.engine.arithmetic import Tariff, fee
from rating_harness.rating.engine.rates import tariff_of

__all__ = ["Account", "Record", "Running"]


LONG = 3 * 3600 * timestamps.SECOND
"""Milliseconds after which a running transaction is long."""


@dataclass(slots=True)
class Running:
    """One entry of an account's running transactions; it stays until it is ended or rolled back
    (``Quirk.RUNS_FOR_EVER``). ``sequence`` is its place in the store."""

    transaction_tag: str
    destination: str | None
    timestamp_begin: int
    source: str | None = None
    source_ip: str | None = None
    carrier_ip: str | None = None
    proxy_tag: str | None = None
    tags: list[str] | None = None
    destination_rate: dict[str, Any] | None = None
    inbound: bool = False
    primary: bool = False
    in_progress: bool = True
    timestamp_end: int | None = None
    sequence: int = field(default=0, compare=False)
    tariff: Tariff | None = field(default=None, init=False, compare=False)

    def __post_init__(self) -> None:
        self.tariff = None if self.destination_rate is None else tariff_of(self.destination_rate)

    def fee_until(self, now: int) -> int:
        """What the call costs so far."""
        return fee(self.tariff, self.timestamp_begin, now if self.timestamp_end is None else self.timestamp_end)

    def document(self) -> dict[str, Any]:
        """All that the API shows of the entry."""
        return {name: getattr(self, name) for name in _SHOWN}


_SHOWN = tuple(attribute.name for attribute in fields(Running) if attribute.name not in ("sequence", "tariff"))


@dataclass(slots=True)
class Record:
    """A stored document. ``sequence`` counts insertions and is its place in the store."""

    sequence: int
    document: dict[str, Any]

    def value(self, name: str) -> Any:
        return self.document.get(name)


@dataclass(slots=True)
class Account(Record):
    """An account. What calls change is kept beside its document: the balance and the running transactions."""

    balance: int | None = None
    running: list[Running] = field(default_factory=list)
    tag: str = field(init=False, default="")
    active: bool = field(init=False, default=True)
    prepaid: bool = field(init=False, default=True)
    limits: tuple[int | None, int | None, int | None] = field(init=False, default=(None, None, None))
    linked: tuple[str, ...] = field(init=False, default=())
    carriers: frozenset[str] | None = field(init=False, default=None)
    rated_carriers: frozenset[str] | None = field(init=False, default=None)
    rated_pricelists: frozenset[str] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.adopt(self.document)

    def adopt(self, document: dict[str, Any]) -> None:
        """Take a new document, and from it what calls look at."""
        self.document = document
        self.tag = document.get("account_tag") or ""
        self.active = document.get("active") is not False
        self.prepaid = document.get("type") == "PREPAID"
        self.limits = (
            document.get("max_concurrent_transactions"),
            document.get("max_inbound_transactions"),
            document.get("max_outbound_transactions"),
        )
        self.linked = tuple(sorted(set(document.get("linked_accounts") or ())))
        carriers = document.get("carrier_tags")
        # Routing and rating read an empty list differently: Quirk.EMPTY_CARRIERS.
        self.carriers = None if carriers is None else frozenset(carriers)
        self.rated_carriers = self.carriers or None
        self.rated_pricelists = frozenset(document.get("pricelist_tags") or ()) or None

    def value(self, name: str) -> Any:
        if name == "balance":
            return self.balance
        if name == "with_running_transactions":
            return any(entry.in_progress and not entry.inbound for entry in self.running)
        if name == "with_long_running_transactions":
            before = timestamps.now() - LONG
            return any(entry.in_progress and entry.timestamp_begin <= before for entry in self.running)
        return self.document.get(name)

    def balance_at(self, now: int) -> int | None:
        """The balance less the fees so far of what runs."""
        if self.balance is None or not self.running:
            return self.balance
        return self.balance - sum(entry.fee_until(now) for entry in self.running)

    def entry(self, transaction_tag: str) -> Running | None:
        """The first running entry with the tag."""
        for entry in self.running:
            if entry.transaction_tag == transaction_tag:
                return entry
        return None
