"""Where records are kept: in memory for what calls look at, in SQLite for transactions, behind one interface."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import getrandbits
from typing import Any, Generic, Protocol, TypeVar

import orjson

from rating_harness.rating.engine import timestamps
from rating_harness.rating.engine.accounts import Record
from rating_harness.rating.engine.entities import Entity, entity
from rating_harness.rating.engine.store import Store

__all__ = [
    "Contains",
    "Criterion",
    "Equals",
    "MemoryTable",
    "OneOf",
    "Order",
    "Table",
    "TransactionTable",
    "key_of",
    "merge_statement",
    "new_id",
]

Key = tuple[Any, ...]
R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Equals:
    """The field has the value."""

    field: str
    value: Any

    def matches(self, record: Record) -> bool:
        return bool(record.value(self.field) == self.value)

    def clause(self) -> tuple[str, Sequence[Any]]:
        return f'"{self.field}" = ?', (self.value,)


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field has one of the values."""

    field: str
    values: frozenset[Any]

    def matches(self, record: Record) -> bool:
        return record.value(self.field) in self.values

    def clause(self) -> tuple[str, Sequence[Any]]:
        return f'"{self.field}" IN ({", ".join("?" * len(self.values))})', tuple(self.values)


@dataclass(frozen=True, slots=True)
class Contains:
    """One of the fields contains the text, in whatever case."""

    fields: tuple[str, ...]
    text: str

    def matches(self, record: Record) -> bool:
        wanted = self.text.lower()
        return any(wanted in (record.value(field) or "").lower() for field in self.fields)

    def clause(self) -> tuple[str, Sequence[Any]]:
        escaped = self.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        likes = " OR ".join(f"\"{field}\" LIKE ? ESCAPE '\\'" for field in self.fields)
        return f"({likes})", (f"%{escaped}%",) * len(self.fields)


Criterion = Equals | OneOf | Contains


@dataclass(frozen=True, slots=True)
class Order:
    """By which field a list is sorted (None: as inserted), and which part of it is wanted. No limit means all."""

    field: str | None = None
    descending: bool = False
    skip: int = 0
    limit: int | None = None


class Table(Protocol):
    """Records of one entity."""

    entity: Entity

    def by_id(self, id: str) -> Record | None: ...
    def by_key(self, key: Key) -> Record | None: ...
    def select(self, criteria: Sequence[Criterion], order: Order) -> Sequence[Record]: ...
    def count(self, criteria: Sequence[Criterion]) -> int: ...


def new_id() -> str:
    """A UUID as text: version 7 (RFC 9562 section 5.7), whose order in time spares the database's index. Within a
    millisecond the order is random."""
    digits = f"{timestamps.now():012x}{getrandbits(80):020x}"
    return f"{digits[:8]}-{digits[8:12]}-7{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def key_of(kind: Entity, document: dict[str, Any]) -> Key:
    """What identifies the document among those of its entity: the tenant and the key."""
    return (document.get("tenant"), *(document.get(name) for name in kind.key))


class MemoryTable(Generic[R]):
    """Records in memory, found by id and by key."""

    def __init__(self, kind: Entity) -> None:
        self.entity = kind
        self.records: dict[str, R] = {}
        self.keys: dict[Key, R] = {}

    def by_id(self, id: str) -> R | None:
        return self.records.get(id)

    def by_key(self, key: Key) -> R | None:
        return self.keys.get(key)

    def add(self, record: R) -> None:
        self.records[record.document["id"]] = record
        self.keys[key_of(self.entity, record.document)] = record

    def discard(self, record: R) -> None:
        del self.records[record.document["id"]]
        del self.keys[key_of(self.entity, record.document)]

    def select(self, criteria: Sequence[Criterion], order: Order) -> Sequence[R]:
        found = sorted(self._matching(criteria), key=_inserted)
        if order.field:
            found.sort(key=lambda record: _rank(record.value(order.field or "")), reverse=order.descending)
        end = None if order.limit is None else order.skip + order.limit
        return found[order.skip : end]

    def count(self, criteria: Sequence[Criterion]) -> int:
        return sum(1 for _ in self._matching(criteria)) if criteria else len(self.records)

    def _matching(self, criteria: Sequence[Criterion]) -> Iterable[R]:
        for record in self.records.values():
            if all(criterion.matches(record) for criterion in criteria):
                yield record


def _inserted(record: Record) -> int:
    return record.sequence


def _rank(value: Any) -> tuple[bool, Any]:
    """Sorts what is absent first, and lists by their elements, whatever those are."""
    if value is None:
        return False, 0
    return True, [str(item) for item in value] if isinstance(value, list) else value


_TRANSACTION = entity("Transaction")
_COLUMNS = ("id", "tenant", *(field.name for field in _TRANSACTION.fields if field.argument))
_JSON = frozenset({"tags", "destination_rate"})
_FLAGS = frozenset({"authorized", "primary", "inbound"})


def _insert(columns: Sequence[str], conflict: Sequence[str], update: str) -> str:
    """An upsert; ``update`` is what becomes of ``{name}`` where the record exists."""
    names = ", ".join(f'"{name}"' for name in columns)
    places = ", ".join("?" * len(columns))
    updates = ", ".join(f'"{name}" = {update.format(name=name)}' for name in columns if name not in ("id", *conflict))
    return (
        f"INSERT INTO transactions ({names}) VALUES ({places})"
        f" ON CONFLICT ({', '.join(conflict)}) DO UPDATE SET {updates}"
    )


def merge_statement(*columns: str) -> str:
    """The statement that merges the columns into the transaction of their tenant and tags, or makes it. Its
    parameters are the id of a new one, the tenant, both tags and the columns; what is NULL changes nothing."""
    key = ("tenant", *_TRANSACTION.key)
    return _insert(("id", *key, *columns), key, 'COALESCE(excluded."{name}", "{name}")')


_PUT = _insert(_COLUMNS, ("id",), 'excluded."{name}"')


class TransactionTable:
    """The transactions, which no call looks at but to find its own again: they are in SQLite alone."""

    entity = _TRANSACTION

    def __init__(self, store: Store) -> None:
        self._store = store

    def by_id(self, id: str) -> Record | None:
        return self._first((Equals("id", id),))

    def by_key(self, key: Key) -> Record | None:
        return self._first(tuple(map(Equals, ("tenant", *self.entity.key), key)))

    def put(self, document: dict[str, Any]) -> None:
        """Store the whole document, in the place of the one with its id."""
        self._store.write(_PUT, tuple(_packed(name, document.get(name)) for name in _COLUMNS))

    def discard(self, record: Record) -> None:
        self._store.write("DELETE FROM transactions WHERE sequence = ?", (record.sequence,))

    def select(self, criteria: Sequence[Criterion], order: Order) -> Sequence[Record]:
        where, parameters = _where(criteria)
        column = f'"{order.field}"' if order.field in _COLUMNS else "NULL"
        direction = "DESC" if order.descending else "ASC"
        limit = -1 if order.limit is None else order.limit
        rows = self._store.read(
            f"SELECT * FROM transactions {where} ORDER BY {column} {direction}, sequence LIMIT ? OFFSET ?",
            (*parameters, limit, order.skip),
        )
        return [_record(row) for row in rows]

    def count(self, criteria: Sequence[Criterion]) -> int:
        where, parameters = _where(criteria)
        ((count,),) = self._store.read(f"SELECT count(*) FROM transactions {where}", parameters)
        return int(count)

    def _first(self, criteria: Sequence[Criterion]) -> Record | None:
        return next(iter(self.select(criteria, Order(limit=1))), None)


def _where(criteria: Sequence[Criterion]) -> tuple[str, list[Any]]:
    clauses: list[str] = []
    parameters: list[Any] = []
    for criterion in criteria:
        clause, values = criterion.clause()
        clauses.append(clause)
        parameters.extend(values)
    return f"WHERE {' AND '.join(clauses)}" if clauses else "", parameters


def _packed(name: str, value: Any) -> Any:
    return orjson.dumps(value).decode() if name in _JSON and value is not None else value


def _unpacked(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _JSON:
        return orjson.loads(value)
    return bool(value) if name in _FLAGS else value


def _record(row: sqlite3.Row) -> Record:
    document = {name: _unpacked(name, row[name]) for name in _COLUMNS}
    return Record(row["sequence"], document)
