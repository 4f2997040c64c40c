"""The hot state: everything but the transactions in memory, and each change of it in the store's journal."""

from __future__ import annotations

from typing import Any

import orjson

from rating_harness.rating.engine.accounts import Account, Record, Running
from rating_harness.rating.engine.entities import ENTITIES, entity
from rating_harness.rating.engine.quirks import ClientError
from rating_harness.rating.engine.rates import Rate, RateIndex
from rating_harness.rating.engine.store import Store
from rating_harness.rating.engine.tables import MemoryTable, Table, TransactionTable

__all__ = ["Overflow", "State", "checked"]

LARGEST_BALANCE = 2**62
"""Balances are stored in 64 bits, and the fees of what runs are taken from them."""


class Overflow(ClientError):
    """A balance would be beyond :data:`LARGEST_BALANCE`."""


class State:
    """Accounts, carriers, rates and the rest, as the store has them or is about to."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.transactions = TransactionTable(store)
        store.failed = self.load
        self.load()

    def load(self) -> None:
        """Take everything from the store, and forget what was here."""
        self.accounts: MemoryTable[Account] = MemoryTable(entity("Account"))
        self.others: dict[str, MemoryTable[Record]] = {
            kind.name: MemoryTable(kind) for kind in ENTITIES if kind.name not in ("Account", "Transaction")
        }
        self.carriers = self.others["Carrier"]
        self.pricelists = self.others["Pricelist"]
        self.rates = RateIndex()
        self._rate_rows: dict[int, Rate] = {}
        self._sequence = 0
        by_sequence: dict[int, Account] = {}
        for row in self.store.read("SELECT * FROM documents ORDER BY sequence"):
            document = orjson.loads(row["body"])
            self._sequence = row["sequence"]
            if row["entity"] == "Account":
                account = by_sequence[self._sequence] = Account(self._sequence, document, row["balance"])
                self.accounts.add(account)
            else:
                self._insert(row["entity"], Record(self._sequence, document))
        for row in self.store.read("SELECT * FROM running ORDER BY sequence"):
            entry = Running(**orjson.loads(row["body"]), sequence=row["sequence"])
            self._sequence = max(self._sequence, row["sequence"])
            by_sequence[row["account"]].running.append(entry)

    @property
    def stored(self) -> int:
        """How many records there are, of all entities and tenants."""
        return sum(self.table(kind.name).count(()) for kind in ENTITIES)

    def table(self, name: str) -> Table:
        """Where the records of an entity are."""
        if name == "Account":
            return self.accounts
        return self.transactions if name == "Transaction" else self.others[name]

    def clear(self) -> None:
        """Forget everything, in the store too."""
        self.store.clear()
        self.load()

    # documents

    def put(self, name: str, document: dict[str, Any]) -> Record:
        """Store a document in the place of the one with its id, or as a new one. It has a key that no other has."""
        if name == "Transaction":
            self.transactions.put(document)
            return Record(0, document)
        if name == "Account":
            return self._put_account(document)
        table = self.others[name]
        old = table.by_id(document["id"])
        record = Record(old.sequence if old else self._next(), document)
        if old is not None:
            self._withdraw(name, old)
        self._insert(name, record)
        self._write_document(name, record, None)
        return record

    def discard(self, name: str, record: Record) -> None:
        """Delete a record."""
        if name == "Transaction":
            self.transactions.discard(record)
            return
        if isinstance(record, Account):
            self.accounts.discard(record)
            self.store.write("DELETE FROM running WHERE account = ?", (record.sequence,))
        else:
            self._withdraw(name, record)
        self.store.write("DELETE FROM documents WHERE sequence = ?", (record.sequence,))

    def _put_account(self, document: dict[str, Any]) -> Account:
        document = dict(document)
        balance = document.pop("balance", None)
        if balance is not None:
            checked(balance)
        account = self.accounts.by_id(document["id"])
        if account is None:
            account = Account(self._next(), document, balance)
        else:
            self.accounts.discard(account)
            account.adopt(document)
            account.balance = account.balance if balance is None else balance
        self.accounts.add(account)
        self._write_document("Account", account, account.balance)
        return account

    def _insert(self, name: str, record: Record) -> None:
        self.others[name].add(record)
        if name == "PricelistRate" and record.document.get("active") and record.document.get("prefix"):
            rate = self._rate_rows[record.sequence] = Rate.of(record.sequence, record.document)
            self.rates.add(rate)

    def _withdraw(self, name: str, record: Record) -> None:
        self.others[name].discard(record)
        rate = self._rate_rows.pop(record.sequence, None) if name == "PricelistRate" else None
        if rate is not None:
            self.rates.remove(rate)

    def _write_document(self, name: str, record: Record, balance: int | None) -> None:
        self.store.write(
            "INSERT INTO documents (sequence, entity, body, balance) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (sequence) DO UPDATE SET body = excluded.body, balance = excluded.balance",
            (record.sequence, name, orjson.dumps(record.document).decode(), balance),
        )

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    # what calls change

    def set_balance(self, account: Account, balance: int | None) -> None:
        """:raises Overflow: when it is too large."""
        account.balance = balance if balance is None else checked(balance)
        self.store.write("UPDATE documents SET balance = ? WHERE sequence = ?", (account.balance, account.sequence))

    def begin(self, account: Account, entry: Running) -> None:
        """Add a running entry, unless there is an identical one."""
        if entry in account.running:
            return
        entry.sequence = self._next()
        account.running.append(entry)
        self._write_entry(account, entry)

    def end(self, account: Account, entry: Running, timestamp: int | None) -> None:
        """Note when a running entry ended."""
        entry.timestamp_end = timestamp
        entry.in_progress = False
        self._write_entry(account, entry)

    def drop(self, account: Account, transaction_tag: str) -> bool:
        """Remove all running entries with the tag; False when there is none."""
        dropped = [entry for entry in account.running if entry.transaction_tag == transaction_tag]
        if not dropped:
            return False
        account.running = [entry for entry in account.running if entry.transaction_tag != transaction_tag]
        for entry in dropped:
            self.store.write("DELETE FROM running WHERE sequence = ?", (entry.sequence,))
        return True

    def _write_entry(self, account: Account, entry: Running) -> None:
        self.store.write(
            "INSERT INTO running (sequence, account, body) VALUES (?, ?, ?)"
            " ON CONFLICT (sequence) DO UPDATE SET body = excluded.body",
            (entry.sequence, account.sequence, orjson.dumps(entry.document()).decode()),
        )


def checked(balance: int) -> int:
    """``balance``, when it can be stored.

    :raises Overflow: when not.
    """
    if not -LARGEST_BALANCE <= balance <= LARGEST_BALANCE:
        raise Overflow(f"a balance of {balance} can't be stored")
    return balance
