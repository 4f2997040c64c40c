"""Records as the API shows them: with what they refer to, which must exist."""

from __future__ import annotations

from typing import Any

from rating_harness.rating.engine.accounts import Account, Record
from rating_harness.rating.engine.entities import Entity, Reference, entity
from rating_harness.rating.engine.quirks import ClientError
from rating_harness.rating.engine.state import State
from rating_harness.rating.engine.tables import Key

__all__ = ["Document", "RecordError", "Views"]

Document = dict[str, Any]


class RecordError(ClientError):
    """A request can't be done; the message says why."""


class Views:
    """Makes a document of a record.

    A record that refers to nothing can't be shown, and neither can a list that holds it
    (``Quirk.DANGLING_FAILS_LIST``).
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._makers = {
            "Invoice": self._invoice,
            "PricelistRate": self._rate,
            "Account": self._account,
            "Transaction": self._transaction,
        }

    def of(self, kind: Entity, record: Record) -> Document:
        """The document.

        :raises RecordError: when something it refers to doesn't exist.
        """
        maker = self._makers.get(kind.name)
        return record.document if maker is None else maker(record)

    def referred(self, reference: Reference, document: Document) -> Record | None:
        """The record that a document refers to; None when the field is empty.

        :raises RecordError: when there is no such record.
        """
        table = self._state.table(reference.entity)
        id_ = document.get(reference.by_id) if reference.by_id else None
        tag = document.get(reference.field)
        if not id_ and not tag:
            return None
        key: Key = (document.get("tenant"), tag)
        record = table.by_id(id_) if id_ else table.by_key(key)
        if record is None:
            wanted = f"id {id_}" if id_ else f"{table.entity.key[0]} {tag}"
            raise RecordError(f"{reference.entity} with {wanted} not found in tenant {document.get('tenant')}!")
        return record

    def _references(self, name: str, record: Record) -> list[Record | None]:
        return [self.referred(reference, record.document) for reference in entity(name).references]

    def _invoice(self, record: Record) -> Document:
        (customer,) = self._references("Invoice", record)
        rows = record.document.get("rows") or []
        return record.document | {"customer": customer and customer.document, "rows": rows}

    def _rate(self, record: Record) -> Document:
        pricelist, carrier = self._references("PricelistRate", record)
        return record.document | {
            "pricelist_id": pricelist and pricelist.document["id"],
            "carrier_id": carrier and carrier.document["id"],
        }

    def _account(self, record: Record) -> Document:
        """Its customer_tag is the customer's id (``Quirk.CUSTOMER_ID_AS_TAG``), and its linked accounts have none
        (``Quirk.LINKED_WITHOUT_ID``)."""
        assert isinstance(record, Account)
        (customer,) = self._references("Account", record)
        return _own(record) | {
            "customer_tag": customer and customer.document["id"],
            "customer": customer and customer.document,
            "linked_accounts": lambda _: self._linked(record),
        }

    def _linked(self, account: Account) -> list[Document]:
        accounts, tenant = self._state.accounts.keys, account.document.get("tenant")
        without = {"id": None, "customer_tag": None, "customer": None}
        return [_own(accounts[tenant, tag]) | without for tag in account.linked if (tenant, tag) in accounts]

    def _transaction(self, record: Record) -> Document:
        account, _ = self._references("Transaction", record)
        return record.document | {"account": account and self._account(account), "invoice": None}


def _own(account: Account) -> Document:
    """The account by itself. What may be long is made when it's asked for: GraphQL calls what it can call."""
    return account.document | {
        "balance": account.balance,
        "running_transactions": lambda _: [entry.document() for entry in account.running],
    }
