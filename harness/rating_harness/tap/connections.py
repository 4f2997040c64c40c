"""The side towards clients: connections, from the first byte to a reset."""

from __future__ import annotations

import asyncio
import itertools
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import cast

import httptools

from rating_harness.tap.messages import Request

__all__ = ["Connection", "Connections"]

_numbers = itertools.count(1)


@dataclass(slots=True)
class Connections:
    """The open connections of one kind, and what handles their requests.

    :param handle: answers a request through its connection.
    :param tasks: where the handling runs; an error that isn't foreseen ends the whole group.
    :param open: the connections that are open now.
    :param leaving: connections are closed as soon as they have nothing in hand.
    """

    handle: Callable[[Request, Connection], Coroutine[None, None, None]]
    tasks: asyncio.TaskGroup
    open: set[Connection] = field(default_factory=set)
    leaving: bool = False

    def connection(self) -> Connection:
        return Connection(self)

    def leave(self, leaving: bool) -> None:
        """Close what is idle now, and the rest once it is; or stop doing so."""
        self.leaving = leaving
        if leaving:
            for connection in tuple(self.open):
                connection.close_if_idle()


class Connection(asyncio.Protocol):
    """One client's connection: reads requests, and has them handled one after another."""

    def __init__(self, clients: Connections) -> None:
        self.number = next(_numbers)
        self._clients = clients
        self._gone = asyncio.Event()
        self._waiting: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._ignoring_input = False
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self.on_message_begin()

    @property
    def gone(self) -> bool:
        """The connection is closed, whoever closed it."""
        return self._gone.is_set()

    async def until_gone(self, seconds: float | None = None) -> bool:
        """Wait until the client goes, at most so many seconds. Returns whether it went."""
        try:
            async with asyncio.timeout(seconds):
                return await self._gone.wait()
        except TimeoutError:
            return False

    def send(self, data: bytes) -> None:
        """Send bytes, unless the client has gone."""
        if not self.gone:
            self._transport.write(data)

    def close(self) -> None:
        """Send what is to be sent, then FIN. Requests that wait are dropped."""
        self._stop_reading()
        self._transport.close()

    def reset(self) -> None:
        """Send RST. A Unix socket knows no such thing; there the client sees the end of the connection."""
        self._stop_reading()
        client = cast("socket.socket", self._transport.get_extra_info("socket"))
        if client.family != socket.AF_UNIX:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def close_if_idle(self) -> None:
        if self._task is None:
            self.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._clients.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clients.open.discard(self)
        self._gone.set()

    def data_received(self, data: bytes) -> None:
        if self._ignoring_input:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The request itself is whole, and it is answered as if nothing else had been asked for (RFC 9110, 7.8).
            pass
        except httptools.HttpParserError as error:
            self._ignoring_input = True
            self._received(Request("", "", (), data, False, self.number, time.time(), f"not HTTP: {error}"))

    def on_message_begin(self) -> None:
        self._target = bytearray()
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        if any(name.lower() == "expect" for name, _ in self._headers):
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._received(
            Request(
                method=self._parser.get_method().decode("latin-1"),
                target=self._target.decode("latin-1"),
                headers=tuple(self._headers),
                body=bytes(self._body),
                keep_alive=self._parser.should_keep_alive(),
                connection=self.number,
                received=time.time(),
            )
        )

    def _stop_reading(self) -> None:
        self._ignoring_input = True
        self._waiting.clear()

    def _received(self, request: Request) -> None:
        self._waiting.append(request)
        if self._task is None:
            self._task = self._clients.tasks.create_task(self._handle())

    async def _handle(self) -> None:
        while self._waiting:
            await self._clients.handle(self._waiting.popleft(), self)
        self._task = None
        if self._clients.leaving:
            self.close()
