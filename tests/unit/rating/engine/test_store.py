"""The database: what is acknowledged is there, and what can't be used is refused."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from rating_harness.errors import EngineError, UsageError
from rating_harness.rating.engine.agent.app import agent_app
from rating_harness.rating.engine.api.app import api_app
from rating_harness.rating.engine.metrics import Metrics
from rating_harness.rating.engine.operations import Operations
from rating_harness.rating.engine.quirks import Policy
from rating_harness.rating.engine.state import State
from rating_harness.rating.engine.store import VERSION, Store
from rating_harness.rating.engine.tables import Equals, Order

INSERT = "INSERT INTO documents (sequence, entity, body) VALUES (?, 'Carrier', ?)"


def bodies(store: Store) -> list[str]:
    return [row["body"] for row in store.read("SELECT body FROM documents ORDER BY sequence")]


@pytest.mark.parametrize("name", [None, "engine.db"])
def test_a_commit_is_awaited_by_all(tmp_path: Path, name: str | None) -> None:
    async def commit() -> None:
        with closing(Store(tmp_path / name if name else None)) as store:
            store.write(INSERT, (1, "first"))
            assert store.pending
            await asyncio.gather(store.committed(), store.committed())
            assert not store.pending
            assert bodies(store) == ["first"]

    asyncio.run(commit())


def test_what_nobody_waits_for_is_written_soon(tmp_path: Path) -> None:
    async def linger() -> None:
        with closing(Store(tmp_path / "engine.db")) as store:
            store.write(INSERT, (1, "lingers"))
            while store.pending:
                await asyncio.sleep(0.005)

    asyncio.run(asyncio.wait_for(linger(), 60))


def test_a_batch_does_not_linger() -> None:
    async def batch() -> int:
        with closing(Store()) as store:
            for number in range(1000):
                store.write(INSERT, (number, "x"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return len(store.read("SELECT * FROM documents")) if not store.pending else 0

    assert asyncio.run(batch()) == 1000


def test_a_read_sees_what_is_queued() -> None:
    async def read() -> list[str]:
        with closing(Store()) as store:
            store.write(INSERT, (1, "queued"))
            return bodies(store)

    assert asyncio.run(read()) == ["queued"]


def test_a_failed_commit_is_rolled_back_and_told() -> None:
    async def fail() -> None:
        with closing(Store()) as store:
            failures: list[str] = []
            store.failed = lambda: failures.append("told")
            store.write(INSERT, (1, "rolled back"))
            store.write("INSERT INTO nowhere VALUES (?)", (1,))
            with pytest.raises(EngineError, match="could not be stored"):
                await store.committed()
            assert failures == ["told"]
            assert bodies(store) == []

    asyncio.run(fail())


def test_memory_follows_the_database_after_a_failure() -> None:
    async def fail(store: Store) -> None:
        state = State(store)
        state.put("Carrier", {"id": "c", "tenant": "default", "carrier_tag": "c"})
        store.write("INSERT INTO nowhere VALUES (?)", (1,))
        with pytest.raises(EngineError):
            await store.committed()
        assert state.carriers.select([Equals("id", "c")], Order()) == []

    with closing(Store()) as store:
        asyncio.run(fail(store))


def test_a_request_that_could_not_be_stored_is_not_acknowledged() -> None:
    async def fail(store: Store) -> None:
        state = State(store)
        agent = agent_app(Operations(state, Policy()), store)
        api = api_app(state, Policy(), Metrics())
        alice = {"id": "a", "tenant": "default", "account_tag": "alice", "type": "PREPAID", "balance": 5}
        state.put("Account", alice)
        await store.committed()
        begin = {"transaction_tag": "t", "account_tag": "alice"}
        change = {"query": 'mutation { setAccountBalance(account_tag: "alice", balance: 9) { ok } }'}
        for app, path, body in ((api, "graphql", change), (agent, "v1/begin_transaction", begin)):
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
                store.write("INSERT INTO nowhere VALUES (?)", (1,))
                assert (await client.post(f"http://engine/{path}", json=body)).status_code == 500
                account = state.accounts.by_id("a")
                assert account is not None
                assert (account.balance, account.running) == (5, [])
                assert (await client.get("http://engine/status")).status_code == 204

    with closing(Store()) as store:
        asyncio.run(fail(store))


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "newer.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(UsageError, match="newer engine") as caught:
        Store(path)
    assert caught.value.found == f"version {VERSION + 1}"


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, whatever its name\n" * 50)
    with pytest.raises(UsageError, match="can't be used"):
        Store(path)
    assert path.read_text().startswith("not a database")


def test_a_database_belongs_to_one_engine(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "engine.db")), pytest.raises(UsageError, match="can't be used") as caught:
        Store(tmp_path / "engine.db")
    assert caught.value.hint
