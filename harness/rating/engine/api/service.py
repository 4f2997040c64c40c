"""What the API does with the entities: get, list, count, upsert and delete, and the account's own operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from harness.rating.engine import timestamps
from harness.rating.engine.accounts import Account, Record, Running
from harness.rating.engine.arithmetic import LONGEST_PREFIX, Incomplete
from harness.rating.engine.book import Book
from harness.rating.engine.entities import Entity, entity
from harness.rating.engine.quirks import Policy, Quirk
from harness.rating.engine.tables import Contains, Criterion, Equals, OneOf, Order, Where, key_of

__all__ = ["Mistake", "Service"]

Document = dict[str, Any]

_LONG_RUNNING = 3 * 3600 * timestamps.SECOND
_PAGE = 25


class Mistake(Exception):
    """A request can't be done; the message says why."""


class Service:
    """The API's operations on a book. What they return are plain documents, as the schema shows them."""

    def __init__(self, book: Book, policy: Policy) -> None:
        self._book = book
        self._policy = policy

    # records of any entity

    def get(self, kind: Entity, **arguments: Any) -> Document | None:
        """The record with the id, whatever its tenant, or with the key."""
        record = self._find(kind, arguments)
        return None if record is None else self.view(kind, record)

    def page(self, kind: Entity, **arguments: Any) -> list[Document]:
        """A page of a list."""
        number, size = arguments.get("page"), arguments.get("perPage")
        size = _PAGE if size is None else size
        skip = (number or 0) * size
        if skip < 0:
            raise Mistake("page must not be negative")
        field = arguments.get("sortField") or "id"
        if field not in kind.outputs:
            self._policy.tolerate(Quirk.FILTERS_IGNORED, f"{kind.name} has no field {field} to sort by")
        order = Order(
            field=None if field == "id" and not kind.sorted_by_id else field if field in kind.outputs else None,
            descending=(arguments.get("sortOrder") or "asc").lower() != "asc",
            skip=skip,
            limit=abs(size) or None,
        )
        records = self._book.table(kind.name).select(self._criteria(kind, arguments.get("filter")), order)
        return [self.view(kind, record) for record in records]

    def count(self, kind: Entity, **arguments: Any) -> Document:
        """How many records a list has, on all its pages."""
        return {"count": self._book.table(kind.name).count(self._criteria(kind, arguments.get("filter")))}

    def upsert(self, kind: Entity, **arguments: Any) -> Document:
        """Make a record, or change the fields that are given."""
        given = {name: value for name, value in arguments.items() if value is not None}
        by_id = given.pop("id", None) or None
        self._resolve(kind, given)
        if by_id is None and not all(given.get(name) for name in kind.key):
            raise Mistake(_incomplete(kind))
        table = self._book.table(kind.name)
        old = table.by_id(by_id) if by_id else table.by_key(key_of(kind, {"tenant": "default"} | given))
        stored = {} if old is None else old.document
        document = stored | self._defaults(kind, old) | given
        document["id"] = stored.get("id") or by_id or str(uuid4())
        twin = table.by_key(key_of(kind, document))
        if twin is not None and twin.document["id"] != document["id"]:
            raise Mistake(f"{kind.name} {twin.document['id']} has that {' and '.join(kind.key)} already")
        self._refuse(kind, document, given, new=old is None)
        return self.view(kind, self._book.put(kind.name, document))

    def delete(self, kind: Entity, **arguments: Any) -> Document | None:
        """Delete a record, whatever refers to it. Returns what it was."""
        record = self._find(kind, arguments)
        if record is None:
            return None
        view = self.view(kind, record)
        self._book.discard(kind.name, record)
        return view

    def view(self, kind: Entity, record: Record) -> Document:
        """A record as it's shown, with what it refers to.

        :raises Mistake: when that doesn't exist (``Quirk.DANGLING_FAILS_LIST``).
        """
        return _VIEWS[kind.name](self, record)

    def _find(self, kind: Entity, arguments: Document) -> Record | None:
        table = self._book.table(kind.name)
        if arguments.get("id") is not None:
            return table.by_id(arguments["id"])
        if any(arguments.get(name) is None for name in kind.key):
            raise Mistake(_incomplete(kind))
        return table.by_key(key_of(kind, arguments))

    def _referred(self, document: Document, field: str, name: str, by_id: str | None = None) -> Record | None:
        """The record that a field refers to; None when the field is empty.

        :raises Mistake: when there is no such record.
        """
        table = self._book.table(name)
        id_ = document.get(by_id) if by_id else None
        tag = document.get(field)
        if not id_ and not tag:
            return None
        record = table.by_id(id_) if id_ else table.by_key((document.get("tenant"), tag))
        if record is None:
            wanted = f"id = {id_}" if id_ else f"{table.entity.key[0]} = {tag}"
            raise Mistake(f"{name} with {wanted} not found in tenant {document.get('tenant')}!")
        return record

    def _resolve(self, kind: Entity, given: Document) -> None:
        """Check what the arguments refer to, and replace ids by tags."""
        for reference in kind.references:
            record = self._referred(given, reference.field, reference.entity, reference.by_id)
            if reference.by_id:
                given.pop(reference.by_id, None)
                if record is not None:
                    given[reference.field] = record.document.get(record_key(reference.entity))
                    given["tenant"] = record.document.get("tenant")
        given.pop("invoice_number", None) if kind.name == "Transaction" else None

    def _defaults(self, kind: Entity, old: Record | None) -> Document:
        """What omitted arguments set; in an update too, unless the engine is strict (``Quirk.REACTIVATES``,
        ``Quirk.FLAGS_RESET``, ``Quirk.TENANT_MOVES``)."""
        return dict(kind.defaults) if old is None or self._policy.has(Quirk.REACTIVATES) else {}

    def _refuse(self, kind: Entity, document: Document, given: Document, *, new: bool) -> None:
        """What a strict engine doesn't take."""
        if not self._policy.strict:
            return
        tolerate = self._policy.tolerate
        if not all(document.get(name) for name in kind.key):
            tolerate(Quirk.KEYLESS, f"{kind.name} needs {' and '.join(kind.key)}")
        if kind.name == "PricelistRate":
            if len(document["prefix"]) > LONGEST_PREFIX:
                tolerate(Quirk.NINE_CHARACTERS, f"prefix {document['prefix']} can never match")
            if given.get("datetime_start") or given.get("datetime_end"):
                tolerate(Quirk.DATES_IGNORED, "datetime_start and datetime_end have no effect")
            for name in ("connect_fee", "rate", "rate_increment", "interval_start"):
                if document.get(name) is None:
                    tolerate(Quirk.NO_CHARGES, f"{name} is missing")
        if kind.name == "Account":
            if given.get("carrier_tags_override"):
                tolerate(Quirk.OVERRIDE_IGNORED, "carrier_tags_override has no effect")
            if new and document.get("balance") is None:
                tolerate(Quirk.NO_BALANCE, "balance is missing")
            for tag in given.get("linked_accounts") or ():
                if self._book.accounts.by_key((document["tenant"], tag)) is None:
                    tolerate(Quirk.LINKED_GHOSTS, f"linked account {tag} doesn't exist")

    def _criteria(self, kind: Entity, filters: Document | None) -> list[Criterion]:
        """What a filter asks for. Without one it's every tenant, with one it's the default tenant."""
        if filters is None:
            return []
        criteria: list[Criterion] = []
        if filters.get("q"):
            criteria.append(Contains(kind.search, filters["q"]))
        if filters.get("id"):
            criteria.append(Equals("id", filters["id"]))
        if filters.get("ids"):
            criteria.append(OneOf("id", frozenset(filters["ids"])))
        if filters.get("tenant"):
            criteria.append(Equals("tenant", filters["tenant"]))
        for filter_ in kind.filters:
            value = filters.get(filter_.name)
            if filter_.ignored:
                if value:
                    self._policy.tolerate(Quirk.FILTERS_IGNORED, f"the filter {filter_.name} has no effect")
            elif value or (filter_.falsy and value is not None):
                criteria += self._criterion(filter_.name, value, filters)
        return criteria

    def _criterion(self, name: str, value: Any, filters: Document) -> list[Criterion]:
        if name == "with_running_transactions":
            return [Where(Account.calls_out)]
        if name == "with_long_running_transactions":
            before = timestamps.now() - _LONG_RUNNING
            return [Where(lambda account: account.calls_out(begun_before=before))]
        if name in ("carrier_id", "pricelist_id"):
            tag = f"{name.removesuffix('_id')}_tag"
            record = self._book.table("Carrier" if name == "carrier_id" else "Pricelist").by_id(value)
            if record is None or filters.get(tag):
                return []
            return [Equals("tenant", record.document.get("tenant")), Equals(tag, record.document.get(tag))]
        return [Equals(name, value)]

    # rating

    def destination_rate(self, view: Document, destination: str | None) -> Document | None:
        """The rate that an account's call would be charged."""
        rate = self._book.rates.charged(
            view["tenant"],
            destination or "",
            frozenset(view.get("pricelist_tags") or ()) or None,
            frozenset(view.get("carrier_tags") or ()) or None,
        )
        if rate is None:
            return None
        key = (view["tenant"], rate.pricelist_tag, rate.carrier_tag, rate.prefix)
        return self.get(
            entity("PricelistRate"), **dict(zip(("tenant", *entity("PricelistRate").key), key, strict=True))
        )

    def least_cost_routing(
        self, tenant: str, carrier_tags: list[str] | None, destination: str | None
    ) -> list[Document]:
        """The carriers for a destination, cheapest first, one for each rate (``Quirk.ROUTES_NOT_RATED``)."""
        tags = None if carrier_tags is None else frozenset(carrier_tags)
        try:
            rates = self._book.rates.by_cost(tenant, destination or "", tags)
        except Incomplete as missing:
            raise Mistake(f"a rate for {destination} has no {missing}") from missing
        carriers = (self._book.carriers.by_key((tenant, rate.carrier_tag)) for rate in rates)
        return [self.view(entity("Carrier"), carrier) for carrier in carriers if carrier is not None]

    # accounts

    def account_transaction(
        self, tenant: str | None = None, account_tag: str | None = None, transaction_tag: str | None = None
    ) -> Document | None:
        """The first running entry with the tag."""
        account = self._account(tenant, account_tag)
        entry = None if account is None or transaction_tag is None else account.entry(transaction_tag)
        return None if entry is None else entry.document()

    def begin(
        self, tenant: str | None = None, account_tag: str | None = None, transaction: Document | None = None
    ) -> Document:
        """Add a running entry; the answer has the account's first one (``Quirk.BEGIN_RETURNS_FIRST``)."""
        if transaction is None:
            raise Mistake("transaction is missing")
        account = self._account(tenant, account_tag)
        if account is None:
            return {"ok": None, "transaction": None}
        entry = Running(**(transaction | {"timestamp_end": None}))
        entry.inbound, entry.primary = bool(entry.inbound), bool(entry.primary)
        self._book.begin(account, entry)
        return {"ok": True, "transaction": account.running[0].document()}

    def end(
        self,
        tenant: str | None = None,
        account_tag: str | None = None,
        transaction_tag: str | None = None,
        timestamp_end: int | None = None,
    ) -> Document:
        """Note the end of the first running entry with the tag; nothing is charged."""
        account = self._account(tenant, account_tag)
        entry = None if account is None or transaction_tag is None else account.entry(transaction_tag)
        if account is None or entry is None:
            return {"ok": None, "transaction": None}
        self._book.end(account, entry, timestamp_end)
        return {"ok": True, "transaction": entry.document()}

    def commit(
        self,
        tenant: str | None = None,
        account_tag: str | None = None,
        transaction_tag: str | None = None,
        fee: int | None = None,
    ) -> Document:
        """Take a fee from the balance, and remove all running entries with the tag."""
        if fee is None:
            raise Mistake("fee is missing")
        account = self._account(tenant, account_tag)
        if account is None or transaction_tag is None or account.entry(transaction_tag) is None:
            return {"ok": False}
        self._book.set_balance(account, (account.balance or 0) - fee)
        return {"ok": self._book.drop(account, transaction_tag)}

    def rollback(
        self, tenant: str | None = None, account_tag: str | None = None, transaction_tag: str | None = None
    ) -> Document:
        """Remove all running entries with the tag."""
        account = self._account(tenant, account_tag)
        if account is None or transaction_tag is None:
            return {"ok": False}
        return {"ok": self._book.drop(account, transaction_tag)}

    def set_balance(self, balance: int | None = None, **which: Any) -> Document:
        """Set the balance of all accounts meant; without one it's removed."""
        if balance is None:
            self._policy.tolerate(Quirk.NULL_BALANCE, "balance is missing")
        accounts = self._accounts(**which)
        for account in accounts:
            self._book.set_balance(account, balance)
        return {"ok": bool(accounts)}

    def increment_balance(self, balance: int | None = None, **which: Any) -> Document:
        """Add to the balance of all accounts meant."""
        if balance is None:
            raise Mistake("balance is missing")
        accounts = self._accounts(**which)
        for account in accounts:
            self._book.set_balance(account, (account.balance or 0) + balance)
        return {"ok": bool(accounts)}

    def _account(self, tenant: str | None, tag: str | None) -> Account | None:
        return self._book.accounts.by_key((tenant, tag))

    def _accounts(
        self, tenant: str | None = None, account_tag: str | None = None, tags: list[str] | None = None
    ) -> list[Account]:
        """The accounts of a tenant with the tag, and with any of the tags."""
        if account_tag is not None:
            account = self._account(tenant, account_tag)
            found = [] if account is None else [account]
        else:
            found = list(self._book.accounts.select([Equals("tenant", tenant)], Order()))
        return [account for account in found if not tags or set(tags) & set(account.document.get("tags") or ())]

    # views

    def _view_plain(self, record: Record) -> Document:
        return record.document

    def _view_invoice(self, record: Record) -> Document:
        customer = self._referred(record.document, "customer_tag", "Customer")
        shown = {"customer": None if customer is None else customer.document}
        return record.document | shown | {"rows": record.document.get("rows") or []}

    def _view_rate(self, record: Record) -> Document:
        pricelist = self._referred(record.document, "pricelist_tag", "Pricelist")
        carrier = self._referred(record.document, "carrier_tag", "Carrier")
        return record.document | {
            "pricelist_id": None if pricelist is None else pricelist.document["id"],
            "carrier_id": None if carrier is None else carrier.document["id"],
        }

    def _view_account(self, record: Record) -> Document:
        """The account; its customer_tag is the customer's id (``Quirk.CUSTOMER_ID_AS_TAG``), and its linked accounts
        have none (``Quirk.LINKED_WITHOUT_ID``)."""
        assert isinstance(record, Account)
        customer = self._referred(record.document, "customer_tag", "Customer")
        keys = self._book.accounts.keys
        tenant = record.document.get("tenant")
        linked = [keys[tenant, tag] for tag in record.linked if (tenant, tag) in keys]
        return self._view_of(record) | {
            "customer_tag": None if customer is None else customer.document["id"],
            "customer": None if customer is None else customer.document,
            "linked_accounts": [
                self._view_of(account) | {"id": None, "customer_tag": None, "customer": None} for account in linked
            ],
        }

    @staticmethod
    def _view_of(account: Account) -> Document:
        return account.document | {
            "balance": account.balance,
            "running_transactions": [entry.document() for entry in account.running],
        }

    def _view_transaction(self, record: Record) -> Document:
        account = self._referred(record.document, "account_tag", "Account")
        return record.document | {
            "account": None if account is None else self._view_account(account),
            "invoice": None,
        }


def record_key(name: str) -> str:
    """The field that references to the entity hold."""
    return entity(name).key[0]


def _incomplete(kind: Entity) -> str:
    names = ["tenant", *kind.key]
    return f"Provide either the id or {', '.join(names[:-1])} and {names[-1]}!"


_VIEWS: dict[str, Callable[[Service, Record], Document]] = {
    "Carrier": Service._view_plain,
    "Customer": Service._view_plain,
    "Seller": Service._view_plain,
    "Pricelist": Service._view_plain,
    "Invoice": Service._view_invoice,
    "PricelistRate": Service._view_rate,
    "Account": Service._view_account,
    "Transaction": Service._view_transaction,
}
