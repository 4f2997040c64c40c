"""Engines for the tests: as a process, and in this one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

HTTP = httpx.Client(timeout=60)
"""One client for all tests: to make one takes longer than to be answered."""

COMMAND = [sys.executable, "-c", "from rating_harness.cli.main import main; main()", "engine"]


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that runs as a process."""

    process: subprocess.Popen[str]
    agent: str
    api: str

    def post(self, operation: str, **request: Any) -> httpx.Response:
        """Ask the agent."""
        return HTTP.post(f"http://{self.agent}/v1/{operation}", json=request)

    def query(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask the API; the answer's data."""
        body = {"query": query, "variables": variables}
        response = HTTP.post(f"http://{self.api}/graphql", json=body)
        assert response.status_code == 200, response.text
        data: dict[str, Any] = response.json()["data"]
        return data

    def refusal(self, query: str, **variables: Any) -> str:
        """Ask the API for what it refuses; the first error's message."""
        body = {"query": query, "variables": variables}
        response = HTTP.post(f"http://{self.api}/graphql", json=body)
        assert response.status_code == 400, response.text
        message: str = response.json()["errors"][0]["message"]
        return message

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it with a signal; its exit status."""
        os.kill(self.process.pid, number)
        return self.process.wait(timeout=60)


Start = Callable[..., Engine]


def launch(*options: str) -> Engine:
    """Start an engine on free ports, and wait for its line."""
    command = [*COMMAND, "--agent", "127.0.0.1:0", "--api", "127.0.0.1:0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("rating engine ready: "), line
    addresses = dict(part.split(" at ") for part in line.removeprefix("rating engine ready: ").strip().split("; "))
    return Engine(process, addresses["agent"].split(", ")[0], addresses["api"].split(", ")[0])


@pytest.fixture(scope="session", autouse=True)
def _client() -> Iterator[None]:
    """Closes the client after the last test."""
    with HTTP:
        yield


@contextmanager
def starting() -> Iterator[Start]:
    """Starts engines, and ends them."""
    engines: list[Engine] = []

    def started(*options: str | Path) -> Engine:
        engine = launch(*map(str, options))
        engines.append(engine)
        return engine

    yield started
    for engine in engines:
        if engine.process.poll() is None:
            engine.process.kill()
        engine.process.wait()
        assert engine.process.stdout is not None
        engine.process.stdout.close()


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts engines, and ends them with the test."""
    with starting() as start:
        yield start


@pytest.fixture(scope="session")
def lasting() -> Iterator[tuple[Engine, Engine]]:
    """Two engines for all tests, the second one strict."""
    with starting() as start:
        yield start(), start("--strict")


def seeded(engine: Engine) -> Engine:
    """The engine, with what :data:`SEED` says and nothing else."""
    assert HTTP.post(f"http://{engine.api}/reset").status_code == 204
    engine.query(SEED)
    return engine


@pytest.fixture
def engine(lasting: tuple[Engine, Engine]) -> Engine:
    """A seeded engine."""
    return seeded(lasting[0])


@pytest.fixture
def strict(lasting: tuple[Engine, Engine]) -> Engine:
    """A seeded engine that is strict."""
    return seeded(lasting[1])


SEED = """
mutation {
  upsertCarrier(carrier_tag: "c1", host: "c1.test", port: 5060, protocol: UDP) { id }
  upsertPricelist(pricelist_tag: "p1", currency: EUR) { id }
  upsertPricelistRate(pricelist_tag: "p1", carrier_tag: "c1", prefix: "39",
    connect_fee: 5, rate: 2, rate_increment: 1, interval_start: 0) { id }
  alice: upsertAccount(account_tag: "alice", type: PREPAID, balance: 1000, tags: []) { id }
  bob: upsertAccount(account_tag: "bob", type: POSTPAID, balance: 0, tags: []) { id }
}
"""
"""A call of alice to 39... costs 5 and 2 per second."""
