"""What a call costs, from what the scenario's ``given`` says: a second implementation of the engine's rules.

It shares no code with the embedded engine, and the two must agree. Fees are in the currency's smallest unit, times
are aware datetimes. Source: the measured answers of the published engine.

It has those quirks of the published engine that make a fee (named as the embedded engine names them):
NINE_CHARACTERS, WHOLE_DESTINATION, FIRST_NOT_CHEAPEST, DATES_IGNORED, OVERRIDE_IGNORED, LINKED_GHOSTS, DAYS_DROPPED,
NO_FEE_WITHOUT_TIME, and interval_start counts increments. A strict engine refuses what relies on some of them, and
charges the rest alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rating_harness.scenario.model import Account, Given, Rate

__all__ = ["Price", "instant", "payers", "price_of", "price_of_record", "seconds_charged"]

_LONGEST_PREFIX = 9


@dataclass(frozen=True, slots=True)
class Price:
    """What a rate asks for: ``rate`` for each ``increment`` seconds begun, after the first ``free`` increments."""

    connect_fee: int = 0
    rate: int = 0
    increment: int = 1
    free: int = 0

    def fee(self, begin: datetime, end: datetime) -> int:
        """Of a call from begin to end. One that takes no time costs nothing, not even the connection.

        One of whole days takes time, and is charged no second of it (`seconds_charged`).
        """
        if end <= begin:
            return 0
        begun = (seconds_charged(begin, end) + self.increment - 1) // self.increment
        return self.connect_fee + self.rate * max(begun - self.free, 0)

    def __str__(self) -> str:
        free = f", the first {self.free} free" if self.free else ""
        connect = f"{self.connect_fee} and " if self.connect_fee else ""
        return f"{connect}{self.rate} for each {self.increment} s{free}"


def instant(text: object) -> datetime | None:
    """A timestamp of the API: ISO 8601, in UTC where it names no zone; None where it isn't one."""
    try:
        read = datetime.fromisoformat(str(text).upper())
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def seconds_charged(begin: datetime, end: datetime) -> int:
    """Whole seconds of a call, a begun one counted as whole. Days are dropped; one that ends before it begins has
    none."""
    length = end - begin
    if length <= timedelta(0):
        return 0
    within_a_day = length - timedelta(days=length.days)
    return math.ceil(within_a_day / timedelta(seconds=1))


def payers(given: Given, account: str | None, called: str | None = None) -> Mapping[str, bool]:
    """Accounts that a call is booked on -> whether it's inbound there.

    Those are the caller's and the called one, each with the accounts that are linked to it.
    """
    known = {each.account_tag: each for each in given.accounts}
    booked: dict[str, bool] = {}
    for tag, is_inbound in ((account, False), (called, True)):
        if tag is not None and tag in known:
            members = [tag, *(linked for linked in known[tag].linked_accounts if linked in known)]
            booked |= dict.fromkeys(members, is_inbound)
    return booked


def price_of(given: Given, account_tag: str, destination: str) -> Price | None:
    """The price of a call to ``destination`` (a SIP URI) for an account; None where no rate is for it.

    The longest prefix wins, of equal ones the pricelist whose name comes first, then the rate that was given first.
    """
    account = next((each for each in given.accounts if each.account_tag == account_tag), None)
    if account is None:
        return None
    longest = min(_LONGEST_PREFIX, len(destination) - 1)
    rows = [
        (-len(rate.prefix), pricelist, position, rate)
        for position, (pricelist, rate) in enumerate(_rows(given))
        if rate.active
        and len(rate.prefix) <= longest
        and destination.startswith(rate.prefix)
        and _may_use(account, pricelist, rate)
    ]
    if not rows:
        return None
    *_, rate = min(rows, key=lambda row: row[:3])
    return Price(rate.connect_fee, rate.rate, rate.rate_increment or 1, rate.interval_start)


def _rows(given: Given) -> Iterable[tuple[str, Rate]]:
    """Each pricelist's rates. One that is given twice stands in its first place, with the values of the last."""
    rows: dict[tuple[str, str, str], Rate] = {}
    for pricelist in given.pricelists:
        for rate in pricelist.rates:
            rows[pricelist.pricelist_tag, rate.carrier_tag, rate.prefix] = rate
    return [(pricelist, rate) for (pricelist, _, _), rate in rows.items()]


def _may_use(account: Account, pricelist: str, rate: Rate) -> bool:
    by_pricelist = not account.pricelist_tags or pricelist in account.pricelist_tags
    return by_pricelist and (not account.carrier_tags or rate.carrier_tag in account.carrier_tags)


def price_of_record(rate: Mapping[str, Any] | None) -> Price | None:
    """The price in a record's own copy of its rate, where the engine got its rates otherwise (``graphql``)."""
    if not rate:
        return None
    number = {name: rate.get(name) or 0 for name in ("connect_fee", "rate", "rate_increment", "interval_start")}
    if not all(isinstance(value, int) for value in number.values()):
        return None
    return Price(number["connect_fee"], number["rate"], number["rate_increment"] or 1, number["interval_start"])
