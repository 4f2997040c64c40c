"""The engine as a process: its sockets, its signals, its end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvicorn
import uvloop
from starlette.types import ASGIApp

from harness.errors import UsageError
from harness.rating.engine.agent.app import agent_app
from harness.rating.engine.api.app import api_app
from harness.rating.engine.book import Book
from harness.rating.engine.ledger import Ledger
from harness.rating.engine.observe import Log, Metrics, observed
from harness.rating.engine.quirks import Policy
from harness.rating.engine.store import Store

__all__ = ["Address", "run"]

_BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Address:
    """Where a service listens: a host and a port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Address:
        """``HOST:PORT``, ``[IPV6]:PORT`` or ``unix:PATH``.

        :raises UsageError: when it's none of them.
        """
        if text.startswith("unix:") and len(text) > len("unix:"):
            return cls(path=text.removeprefix("unix:"))
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            raise UsageError("an address can't be read", expected="HOST:PORT or unix:PATH", found=text)
        return cls(host.removeprefix("[").removesuffix("]"), int(port))

    def listen(self) -> socket.socket:
        """A socket that listens there.

        :raises UsageError: when it can't.
        """
        try:
            if self.path:
                listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                _remove_stale(self.path, listener)
                listener.bind(self.path)
            else:
                family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
                listener = socket.socket(family, socket.SOCK_STREAM)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind((self.host, self.port))
            listener.listen(_BACKLOG)
        except OSError as error:
            raise UsageError("an address can't be used", found=str(error), where=str(self)) from error
        listener.setblocking(False)
        return listener

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _remove_stale(path: str, probe: socket.socket) -> None:
    """Remove a socket that nobody listens on any more; what else is there is left to fail the bind."""
    if Path(path).is_socket():
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


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
    log: Log | None = None,
    ready: Callable[[str], None],
) -> None:
    """Serve until SIGTERM or SIGINT.

    :param ready: called with one line when requests are answered.
    :raises UsageError: an address or the database can't be used.
    """
    policy = Policy(strict=strict)
    store = Store(database)
    try:
        book = Book(store)
        # What was loaded stays: to look for garbage in it would only make requests wait.
        gc.freeze()
        metrics = Metrics()
        services = {
            "agent": observed(agent_app(Ledger(book, policy), store), "agent", metrics, log),
            "api": observed(api_app(book, policy, metrics), "api", metrics, log),
        }
        listeners = {
            "agent": [(address, address.listen()) for address in agent],
            "api": [(address, address.listen()) for address in api],
        }
        places = "; ".join(
            f"{name} at {', '.join(_place(*pair) for pair in pairs)}" for name, pairs in listeners.items()
        )
        servers = [(_server(services[name]), [sock for _, sock in pairs]) for name, pairs in listeners.items()]
        uvloop.run(_serve(servers, store, lambda: ready(f"rating engine ready: {places}")))
        for address in (*agent, *api):
            if address.path:
                Path(address.path).unlink(missing_ok=True)
    finally:
        store.close()


def _place(address: Address, listener: socket.socket) -> str:
    """Where a socket really listens: the port may have been 0."""
    return str(address) if address.path else str(Address(address.host, listener.getsockname()[1]))


def _server(app: ASGIApp) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            http="httptools",
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
