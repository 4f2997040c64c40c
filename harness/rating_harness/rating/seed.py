"""What a scenario's ``given`` asks of the engine, as GraphQL requests in the order of their references.

``given`` holds lists of plain mappings with the engine's own field names::

    {"accounts": [{"account_tag": "1000", "type": "PREPAID", "balance": 3, "running": {"outbound": 1}}],
     "carriers": [{"carrier_tag": "carrier", "host": "carrier", "port": 5060, "protocol": "UDP"}],
     "pricelists": [{"pricelist_tag": "retail", "currency": "EUR", "rates": [{"carrier_tag": "carrier", ...}]}],
     "customers": [{"customer_tag": "acme"}],
     "graphql": ["mutation {...}"]}

A field that is None is one that isn't given. The engine keeps what it has stored in such a field.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from rating_harness.errors import PlanError

__all__ = ["GIVEN_FIELDS", "RUNNING_TAG", "Given", "Operation", "removals", "seeding"]

Given = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One GraphQL request. ``str()`` is a line for people."""

    text: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""

    def __str__(self) -> str:
        arguments = ", ".join(f"{name}: {json.dumps(value)}" for name, value in self.variables.items())
        return f"{self.name}({arguments})" if self.name else " ".join(self.text.split())


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of record: the key by which the engine knows it, its fields with their GraphQL types, and defaults.

    ``active`` is always sent: the engine activates a record that is updated without it.
    """

    name: str
    key: tuple[str, ...]
    fields: Mapping[str, str]
    required: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)

    @property
    def types(self) -> dict[str, str]:
        keys = {"id": "ID", "tenant": "ID", **dict.fromkeys(self.key, "String")}
        return keys | dict(self.fields) | ({"active": "Boolean"} if "active" in self.defaults else {})


def _typed(kind: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), kind)


_CUSTOMER = _Kind(
    "Customer",
    key=("customer_tag",),
    fields=_typed(
        "String",
        "company_name firstname lastname email tax_number vat_number address zipcode city province country",
    )
    | {"vat_policy": "CustomerVATPolicy"},
    defaults={"active": True},
)
_CARRIER = _Kind(
    "Carrier",
    key=("carrier_tag",),
    fields={"host": "String", "port": "Int", "protocol": "CarrierProtocol"},
    defaults={"active": True},
)
_PRICELIST = _Kind(
    "Pricelist",
    key=("pricelist_tag",),
    fields={"name": "String", "currency": "PricelistCurrency"},
)
_RATE = _Kind(
    "PricelistRate",
    key=("pricelist_tag", "carrier_tag", "prefix"),
    fields=_typed("Int", "connect_fee rate rate_increment interval_start")
    | {"datetime_start": "DateTime", "datetime_end": "DateTime", "description": "String"},
    required=("rate",),
    defaults={"active": True, "connect_fee": 0, "interval_start": 0},
)
_ACCOUNT = _Kind(
    "Account",
    key=("account_tag",),
    fields={"type": "AccountType!", "balance": "BigInt"}
    | _typed("String", "name customer_tag notification_email notification_mobile")
    | _typed("Int", "max_concurrent_transactions max_inbound_transactions max_outbound_transactions")
    | _typed("[String]", "carrier_tags carrier_tags_override pricelist_tags linked_accounts tags"),
    required=("type", "balance"),
    defaults={"active": True},
)

GIVEN_FIELDS: Mapping[str, frozenset[str]] = {
    section: frozenset(kind.key) | set(kind.fields) | (set(kind.defaults) & {"active"}) | further
    for section, kind, further in (
        ("accounts", _ACCOUNT, {"running"}),
        ("carriers", _CARRIER, set[str]()),
        ("pricelists", _PRICELIST, {"rates"}),
        ("rates", _RATE, set[str]()),
        ("customers", _CUSTOMER, set[str]()),
    )
}
"""A scenario's ``given`` -> the fields of each of its records; a rate has the tag of its pricelist too."""

RUNNING_TAG = "given-running-"
"""How the transaction tags of given running transactions begin; direction and number follow."""

_BEGUN = "2020-01-01T00:00:00Z"
"""When the given running transactions began. They have no rate, so their age costs nothing."""


def seeding(given: Given, *, tenant: str = "default") -> tuple[Operation, ...]:
    """The requests that store what is given, references first.

    :raises PlanError: an unknown or missing field, which names it.
    """
    records = [_upsert(kind, record, tenant) for kind, record in _records(given)]
    running = [begin for account in given.get("accounts", ()) for begin in _running(account, tenant)]
    raw = [Operation(text) for text in given.get("graphql", ())]
    return (*records, *running, *raw)


def removals(given: Given, *, tenant: str = "default") -> tuple[Operation, ...]:
    """The requests that delete what is given, what refers to others first. What isn't there is no error.

    Transactions aren't among them: what they are is known only to the engine (`rating_harness.rating.client`).

    :raises PlanError: a record without its key.
    """
    return tuple(_delete(kind, record, tenant) for kind, record in reversed(list(_records(given))))


def _records(given: Given) -> Iterator[tuple[_Kind, Mapping[str, Any]]]:
    known = {"customers", "carriers", "pricelists", "accounts", "graphql"}
    for section in given:
        _known(section, known, "'given'")
    for kind, section in ((_CUSTOMER, "customers"), (_CARRIER, "carriers")):
        for record in given.get(section, ()):
            yield kind, record
    pricelists: Sequence[Mapping[str, Any]] = given.get("pricelists", ())
    for pricelist in pricelists:
        yield _PRICELIST, _without(pricelist, "rates")
    for pricelist in pricelists:
        for rate in pricelist.get("rates", ()):
            yield _RATE, {"pricelist_tag": pricelist.get("pricelist_tag"), **rate}
    for account in given.get("accounts", ()):
        yield _ACCOUNT, _without(account, "running")


def _upsert(kind: _Kind, record: Mapping[str, Any], tenant: str) -> Operation:
    types = kind.types
    for name in record:
        _known(name, types, kind.name)
    values = {"tenant": tenant, **kind.defaults, **{name: each for name, each in record.items() if each is not None}}
    _complete(kind, values, (*kind.key, *kind.required))
    return _mutation(f"upsert{kind.name}", values, types, kind.key[-1])


def _delete(kind: _Kind, record: Mapping[str, Any], tenant: str) -> Operation:
    values = {"tenant": record.get("tenant") or tenant, **{name: record.get(name) for name in kind.key}}
    _complete(kind, values, kind.key)
    return _mutation(f"delete{kind.name}", values, kind.types, kind.key[-1])


def _running(account: Mapping[str, Any], tenant: str) -> Iterator[Operation]:
    running = account.get("running") or {}
    types = {"tenant": "ID", "account_tag": "String", "transaction": "InputAccountTransaction"}
    for direction in running:
        _known(direction, ("outbound", "inbound"), "'running'")
    for direction in ("outbound", "inbound"):
        for number in range(1, (running.get(direction) or 0) + 1):
            transaction = {
                "transaction_tag": f"{RUNNING_TAG}{direction}-{number}",
                "destination": "running",
                "inbound": direction == "inbound",
                "primary": True,
                "timestamp_begin": _BEGUN,
            }
            values = {
                "tenant": account.get("tenant") or tenant,
                "account_tag": account["account_tag"],
                "transaction": transaction,
            }
            yield _mutation("beginAccountTransaction", values, types, "ok")


def _mutation(name: str, values: Mapping[str, Any], types: Mapping[str, str], answer: str) -> Operation:
    declared = ", ".join(f"${argument}: {types[argument]}" for argument in values)
    passed = ", ".join(f"{argument}: ${argument}" for argument in values)
    return Operation(f"mutation ({declared}) {{{name}({passed}) {{{answer}}}}}", dict(values), name)


def _complete(kind: _Kind, values: Mapping[str, Any], needed: Iterable[str]) -> None:
    missing = [name for name in needed if values.get(name) is None]
    if missing:
        key = ", ".join(str(values[name]) for name in kind.key if values.get(name) is not None)
        raise PlanError(f"{kind.name}{f' ({key})' if key else ''} has no {' and no '.join(missing)}")


def _known(name: str, known: Iterable[str], where: str) -> None:
    if name not in known:
        close = get_close_matches(name, known, n=1)
        takes = f"{where} takes: {', '.join(sorted(known))}"
        raise PlanError(f"unknown key {name!r} in {where}", hint=f"did you mean {close[0]!r}?" if close else takes)


def _without(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != name}
