"""SQLite, as a journal of statements that is committed in groups.

Writes of one turn of the event loop become one transaction, and who waits for it is notified after the
commit. What nobody waits for (authorization records) is written a little later, in batches. The order never changes.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from rating_harness.errors import EngineError, UsageError

__all__ = ["Store"]

VERSION = 1
"""Version of the tables; the database keeps it as its ``user_version``."""

_LINGER = 0.02
"""Seconds that a statement nobody waits for may stay in memory."""

_BATCH = 256
"""Statements that are written without lingering."""

_UNSTORABLE = (sqlite3.Error, OverflowError, UnicodeError)
"""What a statement may raise: the last two are Python's word for values that SQLite has no place for."""

_TABLES = """
CREATE TABLE documents (
    sequence INTEGER PRIMARY KEY,
    entity TEXT NOT NULL,
    body TEXT NOT NULL,
    balance INTEGER
);
CREATE TABLE running (
    sequence INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE transactions (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    transaction_tag TEXT,
    account_tag TEXT,
    invoice_number TEXT,
    source TEXT,
    source_ip TEXT,
    destination TEXT,
    carrier_ip TEXT,
    tags TEXT,
    authorized INTEGER,
    unauthorized_reason TEXT,
    destination_rate TEXT,
    timestamp_auth INTEGER,
    timestamp_begin INTEGER,
    timestamp_end INTEGER,
    "primary" INTEGER,
    inbound INTEGER,
    duration INTEGER,
    fee INTEGER,
    UNIQUE (tenant, transaction_tag, account_tag)
);
"""

Statement = tuple[str, tuple[Any, ...]]


class Store:
    """The database, and the statements that it doesn't have yet.

    :param path: the database's file; None keeps it in memory.
    :param failed: called when a commit fails, after the database has been rolled back.
    :raises UsageError: the file is no database of this engine, is a newer one's, or another process has it.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._queue: list[Statement] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._commit: asyncio.Handle | None = None
        self._linger: asyncio.TimerHandle | None = None
        self.failed: Callable[[], None] = lambda: None
        try:
            self._database = _open(path)
        except sqlite3.Error as error:
            raise UsageError(
                "the database can't be used",
                expected="a database of this engine, or a path where one can be made",
                found=str(error),
                where=str(path),
                hint="is another engine using it?" if "locked" in str(error) else None,
            ) from error

    def write(self, sql: str, parameters: tuple[Any, ...]) -> None:
        """Queue a statement. It's written when somebody waits for it, or a little later."""
        self._queue.append((sql, parameters))
        if self._commit is None and self._linger is None:
            self._linger = asyncio.get_running_loop().call_later(_LINGER, self._lingered)
        elif len(self._queue) >= _BATCH and self._commit is None:
            self._commit = asyncio.get_running_loop().call_soon(self._turn_ended)

    @property
    def pending(self) -> bool:
        """Whether statements are queued."""
        return bool(self._queue)

    def committed(self) -> asyncio.Future[None]:
        """Wait until all that was queued so far is committed.

        :raises EngineError: (from the future) when it could not be.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        if not self._queue:
            waiter.set_result(None)
            return waiter
        self._waiters.append(waiter)
        if self._commit is None:
            self._commit = loop.call_soon(self._turn_ended)
        return waiter

    def flush(self) -> None:
        """Commit all that is queued, now."""
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if not self._queue:
            return
        queue, self._queue = self._queue, []
        waiters, self._waiters = self._waiters, []
        execute = self._database.execute
        try:
            execute("BEGIN")
            for sql, statements in groupby(queue, key=itemgetter(0)):
                self._database.executemany(sql, [parameters for _, parameters in statements])
            execute("COMMIT")
        except _UNSTORABLE as error:
            if self._database.in_transaction:
                execute("ROLLBACK")
            self.failed()
            failure = EngineError(f"{len(queue)} statements could not be stored", found=str(error))
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_exception(failure)
            if not waiters:
                raise failure from error
        else:
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    def read(self, sql: str, parameters: Iterable[Any] = ()) -> list[sqlite3.Row]:
        """The rows of a query; what is queued is written first."""
        self.flush()
        return self._database.execute(sql, tuple(parameters)).fetchall()

    def clear(self) -> None:
        """Empty every table."""
        self.flush()
        for table in ("documents", "running", "transactions"):
            self._database.execute(f"DELETE FROM {table}")

    def close(self) -> None:
        """Write what is queued, and close."""
        if self._commit is not None:
            self._commit.cancel()
        self.flush()
        self._database.close()

    def _turn_ended(self) -> None:
        self._commit = None
        self.flush()

    def _lingered(self) -> None:
        self._linger = None
        self.flush()


def _open(path: Path | None) -> sqlite3.Connection:
    database = sqlite3.connect(path or ":memory:", isolation_level=None, timeout=0.5, cached_statements=256)
    try:
        database.row_factory = sqlite3.Row
        # One process owns the file: what it keeps in memory would not be true otherwise.
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = WAL")
        # A killed process loses nothing that was written to the file; only a loss of power could.
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA cache_size = -65536")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise UsageError(
                "the database was made by a newer engine",
                expected=f"version {VERSION} or older",
                found=f"version {version}",
                where=str(path),
                hint="use the engine that made it, or another --database",
            )
        if version == 0:
            database.executescript(f"BEGIN;{_TABLES}PRAGMA user_version = {VERSION};COMMIT;")
    except BaseException:
        database.close()
        raise
    return database
