"""The engine as a process: its sockets, its signals, its end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import uvicorn
import uvloop
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rating_harness.rating.address import Address
from rating_harness.rating.engine.agent.app import agent_app
from rating_harness.rating.engine.api.app import api_app
from rating_harness.rating.engine.metrics import Log, Metrics, observed
from rating_harness.rating.engine.operations import Operations
from rating_harness.rating.engine.quirks import Policy
from rating_harness.rating.engine.state import State
from rating_harness.rating.engine.store import Store

__all__ = ["run"]


REQUEST_SECONDS = 30.0
"""A request that has begun, or a connection that never began one, is given up after so many seconds."""

LARGEST_HEAD = 64 << 10
"""Bytes of a request's line and headers."""


class _Connection(HttpToolsProtocol):
    """A connection whose client doesn't hold it for ever with half a request, nor fill the memory with headers."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_size: int | None = 0
        self._overdue = self._give_up_later()

    def connection_lost(self, exc: Exception | None) -> None:
        self._overdue.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._overdue.cancelled():
            self._overdue = self._give_up_later()
        if self._head_size is not None:
            self._head_size += len(data)
        super().data_received(data)
        if self._head_size is not None and self._head_size > LARGEST_HEAD:
            self.transport.close()

    def on_headers_complete(self) -> None:
        self._head_size = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._head_size = 0
        self._overdue.cancel()
        super().on_message_complete()

    def _give_up_later(self) -> asyncio.TimerHandle:
        return self.loop.call_later(REQUEST_SECONDS, self.transport.close)


class _Server(uvicorn.Server):
    """A server whose signals are somebody else's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(
    agent: Sequence[Address],
    api: Sequence[Address],
    *,
    database: Path | None = None,
    strict: bool = False,
    origins: Collection[str] = (),
    log: Log | None = None,
    ready: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT.

    :param origins: the web origins whose pages may change something, besides its own; ``*`` for any.
    :param ready: called with one line when requests are answered.
    :raises UsageError: an address or the database can't be used.
    """
    policy = Policy(strict=strict)
    store = Store(database)
    try:
        state = State(store)
        # What was loaded stays: to look for garbage in it would only make requests wait.
        gc.freeze()
        metrics = Metrics()
        services = {
            "agent": observed(agent_app(Operations(state, policy), store, origins), "agent", metrics, log),
            "api": observed(api_app(state, policy, metrics, origins), "api", metrics, log),
        }
        listeners = {
            "agent": [(address, address.listen()) for address in agent],
            "api": [(address, address.listen()) for address in api],
        }
        places = "; ".join(
            f"{name} at {', '.join(str(address.taken(sock)) for address, sock in pairs)}"
            for name, pairs in listeners.items()
        )
        servers = [(_server(services[name]), [sock for _, sock in pairs]) for name, pairs in listeners.items()]
        uvloop.run(_serve(servers, store, lambda: ready(f"rating engine ready: {places}")))
        for address in (*agent, *api):
            if address.path:
                Path(address.path).unlink(missing_ok=True)
    finally:
        store.close()


def _server(app: ASGIApp) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            http=_Connection,
            loop="none",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=2,
        )
    )


async def _serve(
    servers: Sequence[tuple[_Server, list[socket.socket]]], store: Store, ready: Callable[[], None]
) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for server, _ in servers:
            server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    serving = [asyncio.ensure_future(server.serve(sockets=sockets)) for server, sockets in servers]
    while not all(server.started for server, _ in servers):
        if any(task.done() for task in serving):
            break
        await asyncio.sleep(0.005)
    else:
        ready()
    await asyncio.gather(*serving)
    store.flush()
