"""Kill the engine under load, again and again, and look whether anything that it acknowledged is missing.

    python benchmarks/kill.py [--times 50]

After each SIGKILL the engine starts again on the same file. Every begin and every end that was answered must be
there, and no balance may differ from its start less the fees of its records.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

ACCOUNTS = 20
CLIENTS = 16
BALANCE = 10**9
BEGAN = 1_588_334_400

_SEED = """
mutation {
  upsertCarrier(carrier_tag: "c", host: "c.test", port: 5060, protocol: UDP) { id }
  upsertPricelist(pricelist_tag: "p") { id }
  upsertPricelistRate(pricelist_tag: "p", carrier_tag: "c", prefix: "39", connect_fee: 1, rate: 1, rate_increment: 1,
    interval_start: 0) { id }
  %s
}
"""


@dataclass(slots=True)
class Acknowledged:
    """What the engine said it has done: calls, by their tags."""

    begun: set[str] = field(default_factory=set)
    """Begun, and no end was sent."""

    ending: set[str] = field(default_factory=set)
    """Begun, and an end was sent and not answered."""

    ended: dict[str, int] = field(default_factory=dict)
    """Ended, with the fee."""


@contextmanager
def engine(database: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """An engine on a file: its process, agent and API."""
    command = [
        sys.executable,
        "-c",
        "from rating_harness.cli.main import main; main()",
        "engine",
        "--database",
        str(database),
    ]
    process = subprocess.Popen(
        [*command, "--agent", "127.0.0.1:0", "--api", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        agent, api = (part.rpartition(" at ")[2] for part in process.stdout.readline().strip().split("; "))
        yield process, agent, api
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@asynccontextmanager
async def connection(address: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to one of the services."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


async def post(streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], path: str, content: Any) -> Any:
    """Ask, and read the answer.

    :raises ConnectionError: when the engine dies before it has answered.
    """
    reader, writer = streams
    body = json.dumps(content).encode()
    headers = {"host": "engine", "content-type": "application/json", "content-length": len(body)}
    lines = (f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", "")
    writer.write("\r\n".join(lines).encode() + body)
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return json.loads(await reader.readexactly(length))
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("the engine is gone") from error


async def load(agent: str, acknowledged: Acknowledged, prefix: str) -> None:
    """Begin and end calls until the engine dies, and note what it acknowledges."""

    async def client(number: int) -> None:
        drawn = random.Random(f"{prefix}{number}")
        async with connection(agent) as streams:
            for call in range(10**9):
                tag, account = f"{prefix}-{number}-{call}", f"account-{drawn.randrange(ACCOUNTS)}"
                request = {"transaction_tag": tag, "account_tag": account}
                begin = {"destination": "39333", "timestamp_begin": BEGAN}
                assert (await post(streams, "/v1/begin_transaction", request | begin))["ok"]
                acknowledged.begun.add(tag)
                if drawn.random() < 0.1:
                    continue
                seconds = drawn.randrange(1, 100)
                acknowledged.begun.remove(tag)
                acknowledged.ending.add(tag)
                assert (await post(streams, "/v1/end_transaction", request | {"timestamp_end": BEGAN + seconds}))[
                    "ok"
                ]
                acknowledged.ending.remove(tag)
                acknowledged.ended[tag] = seconds + 1

    results = await asyncio.gather(*(client(number) for number in range(CLIENTS)), return_exceptions=True)
    for result in results:
        if not isinstance(result, ConnectionError):
            raise result or AssertionError("a client ended before the engine")


async def missing(api: str, acknowledged: Acknowledged) -> list[str]:
    """What the restarted engine should have and hasn't."""
    found: list[str] = []
    running: set[str] = set()
    fees: dict[str, int] = {}
    query = "query ($tag: String) { Account(account_tag: $tag) { balance running_transactions { transaction_tag } }"
    query += " allTransactions(perPage: 0, filter: {account_tag: $tag}) { transaction_tag fee } }"
    async with connection(api) as streams:
        for number in range(ACCOUNTS):
            tag = f"account-{number}"
            data = (await post(streams, "/graphql", {"query": query, "variables": {"tag": tag}}))["data"]
            running |= {entry["transaction_tag"] for entry in data["Account"]["running_transactions"]}
            of_account = {record["transaction_tag"]: record["fee"] for record in data["allTransactions"]}
            fees |= of_account
            if data["Account"]["balance"] != BALANCE - sum(of_account.values()):
                found.append(f"{tag}: balance {data['Account']['balance']}, fees {sum(of_account.values())}")
    found += [f"{call} lost its begin" for call in acknowledged.begun if call not in running]
    for call in acknowledged.ending:
        if (call in running) == (call in fees):
            found.append(f"{call} is neither running nor ended, or both")
    for call, fee in acknowledged.ended.items():
        if fees.get(call) != fee or call in running:
            found.append(f"{call} lost its end")
    return found


def seed(database: Path) -> None:
    """Accounts that can call."""

    async def ask(api: str) -> None:
        accounts = "\n".join(
            f'a{number}: upsertAccount(account_tag: "account-{number}", type: PREPAID, balance: {BALANCE}) {{ id }}'
            for number in range(ACCOUNTS)
        )
        async with connection(api) as streams:
            assert "errors" not in await post(streams, "/graphql", {"query": _SEED % accounts})

    with engine(database) as (_, _, api):
        asyncio.run(ask(api))


def kill(database: Path, acknowledged: Acknowledged, number: int) -> list[str]:
    """Load the engine, kill it, start it again; what is missing then."""

    async def loaded(process: subprocess.Popen[str], agent: str) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(random.uniform(0.1, 0.5), process.send_signal, signal.SIGKILL)
        await load(agent, acknowledged, f"round-{number}")

    with engine(database) as (process, agent, _):
        asyncio.run(loaded(process, agent))
    with engine(database) as (_, _, api):
        return asyncio.run(missing(api, acknowledged))


@click.command()
@click.option("--times", default=50, show_default=True)
def main(times: int) -> None:
    """Kill the engine under load."""
    acknowledged = Acknowledged()
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "engine.db"
        seed(database)
        for number in range(times):
            lost = kill(database, acknowledged, number)
            if lost:
                raise click.ClickException(f"after kill {number + 1}:\n" + "\n".join(lost))
    begun, ended = len(acknowledged.begun), len(acknowledged.ended)
    click.echo(f"{times} kills: {begun} acknowledged begins and {ended} acknowledged ends, nothing lost")


if __name__ == "__main__":
    main()
