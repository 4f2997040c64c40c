"""The side towards the engine's agent: kept-alive connections that carry one request at a time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from ssl import SSLContext
from typing import cast
from urllib.parse import urlsplit

import httptools

from rating_harness.errors import UsageError
from rating_harness.rating.tls import tls_context
from rating_harness.tap.messages import Request, Response, end_to_end, render_request

__all__ = ["Upstream", "UpstreamFailed"]

_IDLE_LIMIT = 1.0
"""Seconds after which an idle connection isn't used again. Servers close theirs after 2 s and more, and a request
sent into that moment would be lost: it can't be sent again, since a begin sent twice isn't the same as one."""


class UpstreamFailed(Exception):
    """The agent could not be reached, or broke off."""


@dataclass(frozen=True, slots=True)
class _Target:
    url: str
    host: str
    port: int
    tls: bool
    authority: str
    prefix: str


class Upstream:
    """An agent at ``http[s]://HOST[:PORT][/PREFIX]``, or none.

    :raises UsageError: that is no such URL.
    """

    def __init__(self, url: str | None) -> None:
        self._idle: list[_Link] = []
        self._tls: SSLContext | None = None
        self.url = url

    @property
    def url(self) -> str | None:
        return self._target.url if self._target else None

    @url.setter
    def url(self, url: str | None) -> None:
        self._target = _parse(url) if url else None
        self.close()

    async def ask(self, request: Request) -> Response:
        """Pass a request on, and return the answer, its connection's own headers left out.

        :raises UpstreamFailed: saying why there is no answer.
        """
        target = self._target
        if target is None:
            raise UpstreamFailed("the tap has no upstream")
        data = render_request(request, host=target.authority, prefix=target.prefix)
        try:
            link = self._take() or await self._connect(target)
            was_used = link.used > 0
            try:
                return await link.ask(data, head=request.method == "HEAD")
            except ConnectionError as error:
                kept = " (of a connection that it had kept open)" if was_used else ""
                raise ConnectionResetError(f"{error}{kept}") from None
            finally:
                if link.reusable and target is self._target:
                    self._idle.append(link)
                else:
                    link.close()
        except (OSError, httptools.HttpParserError) as error:
            raise UpstreamFailed(f"{target.url}: {error}") from None

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> _Link | None:
        oldest = time.monotonic() - _IDLE_LIMIT
        while self._idle:
            link = self._idle.pop()
            if link.open and link.used >= oldest:
                return link
            link.close()
        return None

    async def _connect(self, target: _Target) -> _Link:
        loop = asyncio.get_running_loop()
        if target.tls and self._tls is None:
            try:
                self._tls = tls_context()
            except UsageError as error:
                raise ConnectionError(error.message) from None
        tls = self._tls if target.tls else None
        _, link = await loop.create_connection(_Link, target.host, target.port, ssl=tls)
        return link


class _Link(asyncio.Protocol):
    """One connection to the agent."""

    def __init__(self) -> None:
        self.open = False
        self.reusable = False
        self.used = 0.0
        self._answer: asyncio.Future[Response] | None = None

    async def ask(self, data: bytes, *, head: bool) -> Response:
        self._head = head
        self.reusable = False
        self._started = self._sized = False
        self._reason = ""
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()
        self._parser = httptools.HttpResponseParser(self)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return await self._answer

    def close(self) -> None:
        self.open = False
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = self.reusable = False
        if self._answer and not self._answer.done():
            if self._started and not self._sized and exc is None:
                self._complete()
            else:
                self._answer.set_exception(exc or ConnectionResetError("the connection was closed without an answer"))

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self._answer.done():
                self._answer.set_exception(error)
            self.close()

    def on_status(self, status: bytes) -> None:
        self._reason += status.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))
        self._sized |= name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        self._started = True
        if self._head:
            self._complete()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._complete()

    def _complete(self) -> None:
        if self._answer is None or self._answer.done():
            return
        status = self._parser.get_status_code()
        if status < 200:
            self._headers.clear()
            self._reason = ""
            self._started = self._sized = False
            return
        # After an error a server may be about to close the connection, though it hasn't said so.
        self.reusable = not self._head and status < 500 and self._parser.should_keep_alive()
        self.used = time.monotonic()
        response = Response(status, bytes(self._body), end_to_end(self._headers), self._reason)
        self._answer.set_result(response)


def _parse(url: str) -> _Target:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("http", "https") or not parts.hostname or port == -1 or parts.query or parts.fragment:
        raise UsageError("the upstream is no URL of an agent", expected="http://HOST[:PORT][/PREFIX]", found=url)
    tls = parts.scheme == "https"
    return _Target(url, parts.hostname, port or (443 if tls else 80), tls, parts.netloc, parts.path.rstrip("/"))
