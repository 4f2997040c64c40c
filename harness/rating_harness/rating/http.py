"""Requests to a service's own socket: http.client where it's a Unix socket, httpx elsewhere.

A local lab's services are reached by Unix sockets. There httpx would cost each run its import, and each request more
than what answers it; it's needed where hosts, proxies' absence and TLS matter.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlencode

from rating_harness.lab.protocol import Endpoint
from rating_harness.rating.tls import tls_context

if TYPE_CHECKING:
    import httpx

__all__ = ["Answer", "HttpClient", "NoAnswer", "http_client"]


class NoAnswer(Exception):
    """A request that wasn't answered; its text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered with, whole."""

    status: int
    content: bytes

    @property
    def is_error(self) -> bool:
        return self.status >= 400

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")


class HttpClient(Protocol):
    """Threads may share it."""

    def request(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        params: Mapping[str, float] | None = None,
        timeout: float | None = None,
    ) -> Answer:
        """:param timeout: in place of the client's own, in seconds.
        :raises NoAnswer: none came.
        """

    def close(self) -> None: ...


def http_client(endpoint: Endpoint, timeout: float) -> HttpClient:
    """What speaks to that endpoint.

    :param timeout: seconds that each step of a request may take.
    """
    if endpoint.socket_path is not None:
        return _UnixClient(endpoint, endpoint.socket_path, timeout)
    return _NetworkClient(endpoint, timeout)


class _UnixClient:
    """Keeps the connections that were used, one for each thread that has asked at the same time."""

    def __init__(self, endpoint: Endpoint, path: str, timeout: float) -> None:
        self._host = endpoint.url.removeprefix("http://").rstrip("/")
        self._path = path
        self._timeout = timeout
        self._idle: list[HTTPConnection] = []

    def request(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        params: Mapping[str, float] | None = None,
        timeout: float | None = None,
    ) -> Answer:
        query = f"?{urlencode(params)}" if params else ""
        connection: HTTPConnection | None = None
        try:
            connection = self._connection(self._timeout if timeout is None else timeout)
            connection.request(method, path + query, content, dict(headers))
            with connection.getresponse() as response:
                answer = Answer(response.status, response.read())
            if connection.sock is not None:
                self._idle.append(connection)
        except (OSError, HTTPException) as error:
            if connection is not None:
                connection.close()
            raise NoAnswer(str(error) or type(error).__name__) from None
        return answer

    def _connection(self, timeout: float) -> HTTPConnection:
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread has it
                break
            if connection.sock is not None and not _is_readable(connection.sock):
                connection.sock.settimeout(timeout)
                return connection
            connection.close()  # the service has closed it
        connection = HTTPConnection(self._host, timeout=timeout)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.sock.settimeout(timeout)
            connection.sock.connect(self._path)
        except OSError:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()


def _is_readable(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


class _NetworkClient:
    def __init__(self, endpoint: Endpoint, timeout: float) -> None:
        import httpx

        self._url = endpoint.url.rstrip("/")
        self._timeout = timeout
        tls = tls_context() if self._url.startswith("https:") else True
        self._client: httpx.Client = httpx.Client(transport=httpx.HTTPTransport(verify=tls), timeout=timeout)

    def request(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        params: Mapping[str, float] | None = None,
        timeout: float | None = None,
    ) -> Answer:
        import httpx

        try:
            response = self._client.request(
                method,
                self._url + path,
                content=content,
                headers=headers,
                params=params,
                timeout=self._timeout if timeout is None else timeout,
            )
        except httpx.HTTPError as error:
            raise NoAnswer(str(error) or type(error).__name__) from None
        return Answer(response.status_code, response.content)

    def close(self) -> None:
        self._client.close()
