"""A user agent's socket: messages in and out, and the trace of them, which looks as SIPp's does."""

from __future__ import annotations

import asyncio
import random
import re
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rating_harness.useragent.message import Message
from rating_harness.useragent.script import Socket, Transport

__all__ = ["Connection", "Endpoint", "Trace"]

_FIRST_LINE = re.compile(rb"(?:SIP/2\.0 \d{3} |[A-Z]+ \S[^\r\n]* SIP/2\.0\r?\n)")


class Trace:
    """The messages that were sent and received, with their times in UTC.

    What doesn't begin as SIP does goes to another file: whoever reads traces expects SIP.
    """

    def __init__(self, directory: Path) -> None:
        self._messages = (directory / "messages.log").open("ab", buffering=0)
        self._others = (directory / "octets.log").open("ab", buffering=0)

    def note(self, data: bytes, transport: Transport, *, sent: bool) -> None:
        """Now."""
        self.note_at(
            datetime.now(UTC).replace(tzinfo=None).isoformat(" ", "microseconds"), data, transport, sent=sent
        )

    def note_at(self, at: str, data: bytes, transport: Transport, *, sent: bool) -> None:
        """:param at: ``2026-11-26 10:18:42.160631`` in UTC."""
        if not data.strip():
            return
        file = self._messages if _FIRST_LINE.match(data) else self._others
        way = f"sent ({len(data)} bytes):" if sent else f"received [{len(data)}] bytes :"
        file.write(f"{'-' * 47} {at}\n{transport.upper()} message {way}\n\n".encode() + data + b"\n\n")


class Connection:
    """Where messages of one peer come from, and where replies to them go."""

    def __init__(self, endpoint: Endpoint, transport: Transport, send: Callable[[bytes], object]) -> None:
        self._endpoint = endpoint
        self._transport = transport
        self._send = send

    def send(self, data: bytes) -> None:
        self._endpoint.trace.note(data, self._transport, sent=True)
        with suppress(OSError, RuntimeError):  # the peer has gone: whoever waits for a reply finds out
            self._send(data)


Receiver = Callable[[Message, Connection], None]


class Endpoint(asyncio.DatagramProtocol):
    """Listens at one place, and sends to Kamailio."""

    def __init__(self, socket: Socket, trace: Trace, receive: Receiver, *, loss: float = 0) -> None:
        self.socket = socket
        self._loss = loss
        self.trace = trace
        self._receive = receive
        self._datagrams: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._streams: dict[tuple[Transport, int], Connection] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """:raises OSError: the address can't be had."""
        local, loop = self.socket.local, asyncio.get_running_loop()
        if self.socket.transport == "udp":
            await loop.create_datagram_endpoint(lambda: self, local_addr=(local.address, local.port))
        else:
            context = _server_context() if self.socket.transport == "tls" else None
            self._server = await asyncio.start_server(self._accepted, local.address, local.port, ssl=context)

    async def to_kamailio(self, transport: Transport | None = None, port: int | None = None) -> Connection:
        """A way to Kamailio, over a transport and to a port other than the usual ones if they're given.

        :raises OSError: nobody listens there.
        """
        kamailio = self.socket.kamailio
        transport = transport or self.socket.transport
        if port is None:
            same = transport == self.socket.transport
            port = kamailio.port if same else 5061 if transport == "tls" else 5060
        if transport == "udp":
            return await self._datagram_connection((kamailio.address, port))
        if (transport, port) not in self._streams:
            context = _client_context() if transport == "tls" else None
            reader, writer = await asyncio.open_connection(
                kamailio.address, port, ssl=context, local_addr=(self.socket.local.address, 0)
            )
            connection = Connection(self, transport, writer.write)
            self._streams[transport, port] = connection
            self._spawn(self._read(reader, connection, transport, (transport, port)))
        return self._streams[transport, port]

    async def _datagram_connection(self, to: tuple[str, int]) -> Connection:
        if self._datagrams is None:  # an end that speaks TCP or TLS has something to say over UDP
            loop, address = asyncio.get_running_loop(), self.socket.local.address
            await loop.create_datagram_endpoint(lambda: self, local_addr=(address, self.socket.local.port))
        return Connection(self, "udp", lambda data: self._send_datagram(data, to))

    def _send_datagram(self, data: bytes, to: tuple[str, int]) -> None:
        if self._datagrams is not None and not self._is_lost:
            self._datagrams.sendto(data, to)

    @property
    def _is_lost(self) -> bool:
        return random.uniform(0, 100) < self._loss

    # --- datagrams (asyncio.DatagramProtocol) -----------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self._datagrams = transport

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        if not self._is_lost:
            to = (str(addr[0]), int(addr[1]))
            self._received(data, "udp", Connection(self, "udp", lambda answer: self._send_datagram(answer, to)))

    def error_received(self, exc: Exception) -> None:
        """Nobody listens where a datagram went: whoever waits for a reply finds out."""

    # --- streams ----------------------------------------------------------------------------------------------------

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport = self.socket.transport
        await self._read(reader, Connection(self, transport, writer.write), transport, None)
        writer.close()

    async def _read(
        self,
        reader: asyncio.StreamReader,
        connection: Connection,
        transport: Transport,
        known: tuple[Transport, int] | None,
    ) -> None:
        """Messages of a stream, parted by their Content-Length (RFC 3261 section 18.3)."""
        with suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lstrip(b"\r\n")
                if not head.strip():
                    continue
                length = re.search(rb"^(?:content-length|l)[ \t]*:[ \t]*(\d+)", head, re.IGNORECASE | re.MULTILINE)
                body = await reader.readexactly(int(length[1])) if length else b""
                self._received(head + body, transport, connection)
        if known is not None:
            self._streams.pop(known, None)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _received(self, data: bytes, transport: Transport, connection: Connection) -> None:
        self.trace.note(data, transport, sent=False)
        try:
            message = Message.parse(data)
        except ValueError:
            return
        self._receive(message, connection)


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("certificate.pem", "key.pem")
    return context


def _client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
