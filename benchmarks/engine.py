"""How fast the embedded engine is, beside a bare Starlette route that answers JSON of the same size.

    python benchmarks/engine.py [--seconds 5] [--scale] [--check]

Both servers run alone on one core, wrk (a Debian package) on another. README.md says what the figures mean.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path

import click
import httpx

from rating_harness.deadline import Deadline, await_condition
from rating_harness.rating.engine.state import State
from rating_harness.rating.engine.store import Store
from rating_harness.rating.engine.tables import merge_statement

CONNECTIONS = (1, 10, 50)
ACCOUNTS = 1000
RATES = 1000
CARRIERS = ("c1", "c2")
PAIRS_LAG = 400
"""An end is sent so many requests after its begin, so that the begin has been answered."""

_REQUESTS = """
local accounts, rates, calls = %d, %d, 0
local run = tostring(os.time()) .. "-" .. tostring({}):sub(-8)
local function body(call)
  return string.format('{"transaction_tag":"call-%%d-%%s@bench.test","account_tag":"account-%%d",' ..
    '"source":"sip:%%d@bench.test","destination":"sip:%%04d5551234@bench.test"%%s}',
    call, run, call * 7919 %% accounts, call, call * 104729 %% rates, "%%s")
end
local function post(path, text) return wrk.format("POST", path, {["Content-Type"] = "application/json"}, text) end
"""
_AUTHORIZE = _REQUESTS + (
    'function request() calls = calls + 1; return post("/v1/authorization", string.format(body(calls), "")) end\n'
)
_PAIRS = _REQUESTS + (
    "function request()\n"
    "  calls = calls + 1\n"
    "  local call = math.floor((calls + 1) / 2)\n"
    '  if calls %% 2 == 1 then return post("/v1/begin_transaction", string.format(body(call),'
    " ',\"timestamp_begin\":1588334400')) end\n"
    "  local ended = math.max(1, call - %d)\n"
    '  return post("/v1/end_transaction", string.format(body(ended), \',"timestamp_end":1588334460\'))\n'
    "end\n"
)

_BARE = """
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

async def answer(request: Request) -> JSONResponse:
    asked = await request.json()
    return JSONResponse({
        "tenant": "default", "transaction_tag": asked["transaction_tag"], "account_tag": asked["account_tag"],
        "destination_account_tag": None, "authorized": True, "authorized_destination": False,
        "unauthorized_account_tag": None, "unauthorized_reason": None, "max_available_units": 14400,
        "balance": 1000000000, "carriers": ["UDP:c1.test:5060", "UDP:c2.test:5060"]})

app = Starlette(routes=[Route("/v1/authorization", answer, methods=["POST"])])
uvicorn.run(app, port=18490, http="httptools", loop="uvloop", ws="none", lifespan="off", access_log=False,
            log_level="warning", proxy_headers=False, server_header=False, date_header=False)
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured: requests per second, latency in milliseconds, answers that weren't 2xx (all by wrk), and the
    server's processor time for each request in microseconds."""

    rate: float
    p50: float
    p99: float
    bad: int
    cpu: float


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs."""

    port: int
    pid: int
    api: str = ""

    @property
    def running(self) -> int:
        """How many transactions run, by the engine's own metrics."""
        metrics = httpx.get(f"http://{self.api}/metrics").text
        return int(_found(r"rating_running_transactions (\d+)", metrics))

    @property
    def cpu(self) -> float:
        """Seconds of processor time that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(server: Server, script: Path, connections: int, seconds: float) -> Figure:
    """Load one server from the second core."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}", "--latency", "-s", str(script)]
    command.append(f"http://127.0.0.1:{server.port}/v1/authorization")
    before = server.cpu
    output = subprocess.run(on_core(1, command), check=True, capture_output=True, text=True).stdout
    used = server.cpu - before
    requests = int(_found(r"(\d+) requests in", output))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    return Figure(
        rate=float(_found(r"Requests/sec:\s+([\d.]+)", output)),
        p50=_milliseconds(_found(r"50%\s+(\S+)", output)),
        p99=_milliseconds(_found(r"99%\s+(\S+)", output)),
        bad=int(bad[1]) if bad else 0,
        cpu=used / max(requests, 1) * 1e6,
    )


Load = tuple[Server, Path]
"""A server, and what wrk sends to it."""


def alternate(loads: tuple[Load, Load], connections: int, seconds: float) -> tuple[Figure, Figure]:
    """Load two servers in turn, five times each. The best round of each counts: what else the machine does can only
    make a server slower."""
    rounds = [[measure(server, script, connections, seconds / 5) for server, script in loads] for _ in range(5)]
    first, second = (max(figures, key=lambda figure: figure.rate) for figures in zip(*rounds, strict=True))
    return first, second


def _found(pattern: str, output: str) -> str:
    match = re.search(pattern, output)
    if match is None:
        raise click.ClickException(f"wrk says nothing of {pattern!r}:\n{output}")
    return match[1]


def _milliseconds(text: str) -> float:
    """A latency as wrk writes it; infinite when nothing was answered."""
    match = re.fullmatch(r"([\d.]+)(us|ms|s)", text)
    return float(match[1]) * {"us": 0.001, "ms": 1, "s": 1000}[match[2]] if match else inf


def authorize_script(folder: Path) -> Path:
    """What wrk sends: authorisations of all accounts to all destinations."""
    script = folder / "authorize.lua"
    script.write_text(_AUTHORIZE % (ACCOUNTS, RATES))
    return script


def on_core(core: int, command: list[str]) -> list[str]:
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cores[min(core, len(cores) - 1)]), *command] if len(cores) > 1 else command


def populate(path: Path, accounts: int, rates: int, transactions: int) -> None:
    """A database with so many records; every account can call every destination of the load."""
    asyncio.run(_populate(path, accounts, rates, transactions))


async def _populate(path: Path, accounts: int, rates: int, transactions: int) -> None:
    store = Store(path)
    state = State(store)
    for tag in CARRIERS:
        carrier = {"carrier_tag": tag, "host": f"{tag}.test", "port": 5060, "protocol": "UDP", "active": True}
        state.put("Carrier", {"id": tag, "tenant": "default"} | carrier)
    state.put("Pricelist", {"id": "p", "tenant": "default", "pricelist_tag": "p"})
    for number in range(rates):
        state.put(
            "PricelistRate",
            {
                "id": f"rate-{number}",
                "tenant": "default",
                "pricelist_tag": "p",
                "carrier_tag": CARRIERS[number % 2],
                "prefix": f"sip:{number // 2 % RATES:04d}" if number < 2 * RATES else f"{number}",
                "active": True,
                "connect_fee": 0,
                "rate": 1,
                "rate_increment": 1,
                "interval_start": 0,
            },
        )
    for number in range(accounts):
        account = {"account_tag": f"account-{number}", "type": "PREPAID", "balance": 10**12, "active": True}
        lists = {"tags": [], "pricelist_tags": ["p"], "carrier_tags": list(CARRIERS)}
        state.put("Account", {"id": f"account-{number}", "tenant": "default"} | account | lists)
    statement = merge_statement("source", "destination", "tags", "primary", "inbound", "duration", "fee")
    for number in range(transactions):
        account_tag, call = f"account-{number * 7919 % accounts}", f"old-{number}@bench.test"
        values = ("sip:1@bench.test", "sip:00015551234@bench.test", "[]", True, False, 60, 60)
        store.write(statement, (f"{number * 2654435761 % 2**32:08x}-{number}", "default", call, account_tag, *values))
        if number % 1000 == 0:
            store.flush()
    store.close()


@contextmanager
def bare() -> Iterator[Server]:
    """The reference: the same server, with nothing to do."""
    process = subprocess.Popen(on_core(0, [sys.executable, "-c", _BARE]))
    try:
        await_condition(lambda: _answers("http://127.0.0.1:18490/"), Deadline(10), "the reference server")
        yield Server(18490, process.pid)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def engine(database: Path, port: int = 18491) -> Iterator[Server]:
    """The engine on a file."""
    command = [
        sys.executable,
        "-c",
        "from rating_harness.cli.main import main; main()",
        "engine",
        "--agent",
        f"127.0.0.1:{port}",
    ]
    command = on_core(0, [*command, "--api", "127.0.0.1:0", "--database", str(database)])
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield Server(port, process.pid, api=line.strip().rpartition("api at ")[2])
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        httpx.get(url)
    except httpx.TransportError:
        return False
    return True


def _seeded(folder: Path, name: str, accounts: int, rates: int, transactions: int) -> Path:
    path = folder / f"{name}.db"
    click.echo(f"{accounts} accounts, {rates} rates, {transactions} transactions", err=True)
    populate(path, accounts, rates, transactions)
    os.sync()
    return path


def _say(name: str, figure: Figure) -> None:
    bad = f"  {figure.bad} not 2xx" if figure.bad else ""
    latency = f"p50 {figure.p50:7.2f} ms   p99 {figure.p99:7.2f} ms"
    click.echo(f"{name:44} {figure.rate:9.0f}/s   {latency}   {figure.cpu:5.0f} us{bad}")


def _compare(figure: Figure, other: Figure, name: str) -> None:
    rate, cpu = figure.rate / other.rate, other.cpu / figure.cpu
    click.echo(f"{'':44} {rate:9.2f} of {name}'s rate, {cpu:.2f} by processor time")


@click.command()
@click.option("--seconds", default=10.0, show_default=True, help="How long each figure is measured.")
@click.option("--scale", is_flag=True, help="Also with 100000 accounts, 200000 rates and a million transactions.")
@click.option("--check", is_flag=True, help="Fail when a figure misses its floor.")
@click.option("--output", type=click.Path(path_type=Path), help="Write the figures as JSON.")
def main(seconds: float, scale: bool, check: bool, output: Path | None) -> None:
    """Measure the engine."""
    if shutil.which("wrk") is None:
        raise click.ClickException("wrk is missing: apt install wrk")
    figures: dict[str, float] = {}
    misses: list[str] = []

    def note(name: str, value: float, floor: float | None = None, *, ceiling: float | None = None) -> None:
        figures[name] = round(value, 3)
        if (floor is not None and value < floor) or (ceiling is not None and value > ceiling):
            misses.append(
                f"{name} is {value:.3g}, not {'at least' if floor is not None else 'at most'} {floor or ceiling}"
            )

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        authorize, pairs = authorize_script(folder), folder / "pairs.lua"
        pairs.write_text(_PAIRS % (ACCOUNTS, RATES, PAIRS_LAG))
        small = _seeded(folder, "small", ACCOUNTS, 2 * RATES, 0)
        with bare() as reference_server, engine(small) as server:
            for connections in CONNECTIONS:
                reference, figure = alternate(
                    ((reference_server, authorize), (server, authorize)), connections, seconds
                )
                _say(f"bare Starlette, {connections} connections", reference)
                _say(f"authorisations, {connections} connections", figure)
                _compare(figure, reference, "the bare route")
                note(f"authorisations/s at {connections}", figure.rate, 8000 if connections == 50 else None)
                note(f"ratio at {connections}", figure.rate / reference.rate, 0.5)
                note(f"ratio by processor time at {connections}", reference.cpu / figure.cpu, 0.5)
                note(f"p99 ms at {connections}", figure.p99, ceiling=20)
                note(f"failed at {connections}", figure.bad, ceiling=0)
        with engine(small) as server:
            figure = measure(server, pairs, 50, seconds)
            note("calls left running after the pairs", server.running, ceiling=PAIRS_LAG + 100)
        _say("begin and end, 50 connections (requests)", figure)
        click.echo(f"{'':44} {figure.rate / 2:9.0f} pairs/s")
        note("pairs/s", figure.rate / 2, 3000)
        if scale:
            large = _seeded(folder, "large", 100_000, 200_000, 1_000_000)
            authorize_many = folder / "authorize-many.lua"
            authorize_many.write_text(_AUTHORIZE % (100_000, RATES))
            with engine(small) as server, engine(large, 18493) as large_server:
                before, figure = alternate(((server, authorize), (large_server, authorize_many)), 50, seconds)
            _say("authorisations, 50 connections", before)
            _say("authorisations, 50 connections, at scale", figure)
            _compare(figure, before, "the small engine")
            note("rate at scale", figure.rate / before.rate, 0.8)
            note("rate at scale by processor time", before.cpu / figure.cpu, 0.8)
    if output:
        output.write_text(json.dumps(figures, indent=2) + "\n")
    if check and misses:
        raise click.ClickException("\n".join(misses))


if __name__ == "__main__":
    main()
