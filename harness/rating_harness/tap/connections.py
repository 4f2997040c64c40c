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

LARGEST_HEAD = 64 << 10
"""Bytes of a request's line and headers; a larger head is answered with 431 (RFC 6585, section 5)."""

LARGEST_BODY = 16 << 20
"""Bytes of a request's body; a larger one is answered with 413 (RFC 9110, section 15.5.14)."""

REQUEST_SECONDS = 30.0
"""A request that has begun has to be complete within so many seconds; else it's answered with 408."""

_numbers = itertools.count(1)


def _tls_of(transport: asyncio.BaseTransport) -> tuple[str, str]:
    """The version of TLS, and the subject of the client's certificate."""
    tls = transport.get_extra_info("ssl_object")
    if tls is None:
        return "", ""
    subject = (transport.get_extra_info("peercert") or {}).get("subject", ())
    names = {"commonName": "CN", "organizationName": "O"}
    return tls.version() or "TLS", ",".join(
        f"{names.get(key, key)}={value}" for parts in subject for key, value in parts
    )


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
        self._overdue: asyncio.TimerHandle | None = None
        self._head_size = 0
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
        self._tls, self._client_certificate = _tls_of(transport)
        self._clients.open.add(self)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._clients.open.discard(self)
        self._gone.set()
        if self._overdue:
            self._overdue.cancel()

    def data_received(self, data: bytes) -> None:
        if self._ignoring_input:
            return
        if self._overdue is None:
            self._await_request()
        if not self._headers_complete:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The request itself is whole, and it is answered as if nothing else had been asked for (RFC 9110, 7.8).
            pass
        except httptools.HttpParserError as error:
            self._refuse(400, f"not HTTP: {error}", data)
        if not self._headers_complete and self._head_size > LARGEST_HEAD:
            self._refuse(431, f"the headers are longer than {LARGEST_HEAD} bytes")

    def on_message_begin(self) -> None:
        self._target = bytearray()
        self._headers: list[tuple[str, str]] = []
        self._headers_complete = False
        self._body = bytearray()

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._headers_complete = True
        self._head_size = 0
        if any(name.lower() == "expect" for name, _ in self._headers):
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > LARGEST_BODY:
            self._refuse(413, f"the body is longer than {LARGEST_BODY} bytes")

    def on_message_complete(self) -> None:
        if self._ignoring_input:
            return
        if self._overdue:
            self._overdue.cancel()
            self._overdue = None
        self._received(
            Request(
                method=self._parser.get_method().decode("latin-1"),
                target=self._target.decode("latin-1"),
                headers=tuple(self._headers),
                body=bytes(self._body),
                keep_alive=self._parser.should_keep_alive(),
                connection=self.number,
                received=time.time(),
                tls=self._tls,
                client_certificate=self._client_certificate,
            )
        )

    def _await_request(self) -> None:
        self._overdue = asyncio.get_running_loop().call_later(REQUEST_SECONDS, self._give_up)

    def _give_up(self) -> None:
        """The client had its time for a whole request."""
        if self._head_size or self._headers_complete:
            self._refuse(408, f"no complete request within {REQUEST_SECONDS:g} s")
        else:
            self.close()

    def _refuse(self, status: int, error: str, data: bytes = b"") -> None:
        """Answer with that status, record why, and close: nothing more is read of this connection."""
        if self._ignoring_input:
            return
        self._ignoring_input = True
        self._body.clear()
        self._received(Request("", "", (), data, False, self.number, time.time(), error, status))

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
