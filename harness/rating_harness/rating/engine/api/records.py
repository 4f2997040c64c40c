"""Get, list, count, upsert and delete, the same for every entity; and what rating finds for a destination."""

from __future__ import annotations

from typing import Any

from rating_harness.rating.engine.accounts import Record
from rating_harness.rating.engine.api.views import Document, RecordError, Views
from rating_harness.rating.engine.arithmetic import LONGEST_PREFIX, Incomplete
from rating_harness.rating.engine.entities import Entity, entity
from rating_harness.rating.engine.quirks import Policy, Quirk
from rating_harness.rating.engine.state import State
from rating_harness.rating.engine.tables import Contains, Criterion, Equals, OneOf, Order, key_of, new_id

__all__ = ["Records"]

_PAGE = 25
_CHARGES = ("connect_fee", "rate", "rate_increment", "interval_start")


class Records:
    """The records of the state, as plain documents."""

    def __init__(self, state: State, policy: Policy) -> None:
        self._state = state
        self._policy = policy
        self._views = Views(state)

    def get(self, kind: Entity, **arguments: Any) -> Document | None:
        """The record with the id, whatever its tenant, or with the key."""
        record = self._find(kind, arguments)
        return None if record is None else self._views.of(kind, record)

    def page(
        self,
        kind: Entity,
        page: int | None = None,
        perPage: int | None = None,  # noqa: N803 - the schema's name
        sortField: str | None = None,  # noqa: N803
        sortOrder: str | None = None,  # noqa: N803
        filter: Document | None = None,
    ) -> list[Document]:
        """A page of a list; pages count from 0, and a size of 0 means all."""
        size = _PAGE if perPage is None else perPage
        skip = (page or 0) * size
        if skip < 0:
            raise RecordError("page must not be negative")
        order = Order(
            field=self._sort_field(kind, sortField or "id"),
            descending=(sortOrder or "asc").lower() != "asc",
            skip=skip,
            limit=abs(size) or None,
        )
        records = self._state.table(kind.name).select(self._criteria(kind, filter), order)
        return [self._views.of(kind, record) for record in records]

    def count(self, kind: Entity, filter: Document | None = None, **_: Any) -> Document:
        """How many records a list has, on all its pages."""
        return {"count": self._state.table(kind.name).count(self._criteria(kind, filter))}

    def upsert(self, kind: Entity, **arguments: Any) -> Document:
        """Make a record, or change the fields that are given."""
        given = {name: value for name, value in arguments.items() if value is not None}
        table = self._state.table(kind.name)
        id_ = given.pop("id", None) or None
        old = table.by_id(id_) if id_ else None
        given.setdefault("tenant", "default" if old is None else old.document["tenant"])
        self._replace_ids(kind, given)
        if id_ is None:
            if not all(given.get(name) for name in kind.key):
                raise RecordError(_incomplete(kind))
            old = table.by_key(key_of(kind, given))
        stored = {} if old is None else old.document
        document = stored | self._defaults(kind, old) | given | {"id": stored.get("id") or id_ or new_id()}
        twin = table.by_key(key_of(kind, document))
        if twin is not None and twin.document["id"] != document["id"]:
            raise RecordError(f"{kind.name} {twin.document['id']} has that {' and '.join(kind.key)} already")
        if self._policy.strict:
            self._refuse(kind, document, given, old)
        return self._views.of(kind, self._state.put(kind.name, document))

    def delete(self, kind: Entity, **arguments: Any) -> Document | None:
        """Delete a record, whatever refers to it. Returns what it was."""
        record = self._find(kind, arguments)
        if record is None:
            return None
        document = self._views.of(kind, record)
        self._state.discard(kind.name, record)
        return document

    # rating

    def destination_rate(self, account: Document, destination: str | None) -> Document | None:
        """The rate that a call of an account would be charged."""
        kind = entity("PricelistRate")
        tenant = account["tenant"]
        rate = self._state.rates.charged(
            tenant,
            destination or "",
            frozenset(account.get("pricelist_tags") or ()) or None,
            frozenset(account.get("carrier_tags") or ()) or None,
        )
        if rate is None:
            return None
        record = self._state.others[kind.name].by_key((tenant, rate.pricelist_tag, rate.carrier_tag, rate.prefix))
        return None if record is None else self._views.of(kind, record)

    def least_cost_routing(
        self,
        tenant: str,
        carrier_tags: list[str] | None = None,
        carrier_tags_override: list[str] | None = None,
        destination: str | None = None,
    ) -> list[Document]:
        """The carriers for a destination, cheapest first, one for each rate (``Quirk.ROUTES_NOT_RATED``)."""
        if carrier_tags_override:
            self._policy.tolerate(Quirk.OVERRIDE_IGNORED, "carrier_tags_override has no effect")
        tags = None if carrier_tags is None else frozenset(carrier_tags)
        try:
            rates = self._state.rates.by_cost(tenant, destination or "", tags)
        except Incomplete as missing:
            raise RecordError(f"a rate for {destination} has no {missing}") from missing
        carriers = (self._state.carriers.by_key((tenant, rate.carrier_tag)) for rate in rates)
        return [carrier.document for carrier in carriers if carrier is not None]

    # what is looked for

    def _find(self, kind: Entity, arguments: Document) -> Record | None:
        table = self._state.table(kind.name)
        if arguments.get("id") is not None:
            return table.by_id(arguments["id"])
        if any(arguments.get(name) is None for name in kind.key):
            raise RecordError(_incomplete(kind))
        return table.by_key(key_of(kind, arguments))

    def _sort_field(self, kind: Entity, name: str) -> str | None:
        if name not in kind.outputs:
            self._policy.tolerate(Quirk.FILTERS_IGNORED, f"{kind.name} has no field {name} to sort by")
            return None
        return None if name == "id" and not kind.sorted_by_id else name

    def _criteria(self, kind: Entity, filters: Document | None) -> list[Criterion]:
        """What a filter asks for. Without one it's every tenant, with one it's the default tenant."""
        if filters is None:
            return []
        criteria: list[Criterion] = []
        if filters.get("q"):
            criteria.append(Contains(kind.search, filters["q"]))
        if filters.get("ids"):
            criteria.append(OneOf("id", frozenset(filters["ids"])))
        criteria += [Equals(name, filters[name]) for name in ("id", "tenant") if filters.get(name)]
        for known in kind.filters:
            value = filters.get(known.name)
            if not value and not (known.falsy and value is not None):
                continue
            if known.ignored:
                self._policy.tolerate(Quirk.FILTERS_IGNORED, f"the filter {known.name} has no effect")
            else:
                criteria += self._criterion(known.name, value, filters)
        return criteria

    def _criterion(self, name: str, value: Any, filters: Document) -> list[Criterion]:
        if name in ("carrier_id", "pricelist_id"):
            tag = name.replace("_id", "_tag")
            record = self._state.table("Carrier" if name == "carrier_id" else "Pricelist").by_id(value)
            if record is None:
                self._policy.tolerate(Quirk.FILTERS_IGNORED, f"there is no {name} {value}")
            if record is None or filters.get(tag):
                return []
            return [Equals("tenant", record.document.get("tenant")), Equals(tag, record.document.get(tag))]
        return [Equals(name, value)]

    # what is written

    def _replace_ids(self, kind: Entity, given: Document) -> None:
        """Check what the arguments refer to; ids become tags, and bring their tenant."""
        for reference in kind.references:
            record = self._views.referred(reference, given)
            if reference.by_id:
                given.pop(reference.by_id, None)
                if record is not None:
                    given[reference.field] = record.document.get(entity(reference.entity).key[0])
                    given["tenant"] = record.document.get("tenant")
        for name in kind.checked_only:
            given.pop(name, None)

    def _defaults(self, kind: Entity, old: Record | None) -> Document:
        """What omitted arguments are set to: in an update too, unless the engine is strict (``Quirk.REACTIVATES``,
        ``Quirk.FLAGS_RESET``, ``Quirk.TENANT_MOVES``)."""
        return kind.defaults if old is None or not self._policy.strict else {}

    def _refuse(self, kind: Entity, document: Document, given: Document, old: Record | None) -> None:
        """Raise :class:`~rating_harness.rating.engine.quirks.Refused` for what makes a record useless."""
        tolerate = self._policy.tolerate
        if not all(document.get(name) for name in kind.key):
            tolerate(Quirk.KEYLESS, f"{kind.name} needs {' and '.join(kind.key)}")
        if kind.name == "PricelistRate":
            if len(document["prefix"]) > LONGEST_PREFIX:
                tolerate(Quirk.NINE_CHARACTERS, f"prefix {document['prefix']} can never match")
            if given.get("datetime_start") or given.get("datetime_end"):
                tolerate(Quirk.DATES_IGNORED, "datetime_start and datetime_end have no effect")
            if missing := [name for name in _CHARGES if document.get(name) is None]:
                tolerate(Quirk.NO_CHARGES, f"the rate has no {' and no '.join(missing)}")
        if kind.name == "Account":
            if given.get("carrier_tags_override"):
                tolerate(Quirk.OVERRIDE_IGNORED, "carrier_tags_override has no effect")
            if old is None and document.get("balance") is None:
                tolerate(Quirk.NO_BALANCE, "the account has no balance")
            for tag in given.get("linked_accounts") or ():
                if self._state.accounts.by_key((document["tenant"], tag)) is None:
                    tolerate(Quirk.LINKED_GHOSTS, f"linked account {tag} doesn't exist")


def _incomplete(kind: Entity) -> str:
    *names, last = ("tenant", *kind.key)
    return f"Provide either the id or {', '.join(names)} and {last}!"
