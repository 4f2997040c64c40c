"""Rates indexed by prefix: the rate that is charged, and the carriers by cost."""

from __future__ import annotations

from bisect import insort
from collections.abc import Container
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from rating_harness.rating.engine.arithmetic import Incomplete, Tariff, candidate_prefixes

__all__ = ["Rate", "RateIndex"]

Tags = Container[str] | None
"""Tags to choose from. None excludes nothing."""

_position = attrgetter("position")


@dataclass(frozen=True, slots=True)
class Rate:
    """One row of a pricelist. ``sequence`` counts insertions."""

    sequence: int
    tenant: str
    prefix: str
    pricelist_tag: str
    carrier_tag: str
    description: str | None
    tariff: Tariff

    @classmethod
    def of(cls, sequence: int, document: dict[str, Any]) -> Rate:
        return cls(
            sequence=sequence,
            tenant=document["tenant"],
            prefix=document.get("prefix") or "",
            pricelist_tag=document.get("pricelist_tag") or "",
            carrier_tag=document.get("carrier_tag") or "",
            description=document.get("description"),
            tariff=tariff_of(document),
        )

    @property
    def position(self) -> tuple[str, int]:
        """Where the rate stands among those of its prefix."""
        return self.pricelist_tag, self.sequence

    def snapshot(self) -> dict[str, Any]:
        """The copy that a running transaction keeps: later changes of the rate don't touch it. Absent fees are 0."""
        return {
            "carrier_tag": self.carrier_tag,
            "pricelist_tag": self.pricelist_tag,
            "prefix": self.prefix,
            "description": self.description,
            "connect_fee": self.tariff.connect_fee or 0,
            "rate": self.tariff.rate or 0,
            "rate_increment": self.tariff.rate_increment,
            "interval_start": self.tariff.interval_start or 0,
        }


def tariff_of(document: dict[str, Any]) -> Tariff:
    """The tariff in a stored rate, or in a snapshot of one."""
    return Tariff(
        document.get("connect_fee"),
        document.get("rate"),
        document.get("rate_increment"),
        document.get("interval_start"),
    )


class RateIndex:
    """The active rates of all tenants by prefix. Within a prefix: by pricelist, then by insertion."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], list[Rate]] = {}

    def add(self, rate: Rate) -> None:
        insort(self._rows.setdefault((rate.tenant, rate.prefix), []), rate, key=_position)

    def remove(self, rate: Rate) -> None:
        rows = self._rows[rate.tenant, rate.prefix]
        rows.remove(rate)
        if not rows:
            del self._rows[rate.tenant, rate.prefix]

    def charged(self, tenant: str, destination: str, pricelists: Tags, carriers: Tags) -> Rate | None:
        """The rate that a call to ``destination`` is charged: the longest prefix wins, and among rates of one prefix
        the first, which need not be the cheapest (``Quirk.FIRST_NOT_CHEAPEST``)."""
        for prefix in reversed(candidate_prefixes(destination)):
            for rate in self._rows.get((tenant, prefix), ()):
                if (pricelists is None or rate.pricelist_tag in pricelists) and (
                    carriers is None or rate.carrier_tag in carriers
                ):
                    return rate
        return None

    def by_cost(self, tenant: str, destination: str, carriers: Tags) -> list[Rate]:
        """All rates for ``destination``, whatever the length of their prefix and their pricelist, cheapest first.

        :raises Incomplete: when one of them has no ``rate``.
        """
        found: list[tuple[int, Rate]] = []
        for prefix in candidate_prefixes(destination):
            for rate in self._rows.get((tenant, prefix), ()):
                if carriers is None or rate.carrier_tag in carriers:
                    if rate.tariff.rate is None:
                        raise Incomplete("rate")
                    found.append((rate.tariff.rate, rate))
        found.sort(key=_cost)
        return [rate for _, rate in found]


def _cost(row: tuple[int, Rate]) -> int:
    return row[0]
