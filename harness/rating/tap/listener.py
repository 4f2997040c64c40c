"""Listening sockets that can be closed and opened again at the same address."""

from __future__ import annotations

import asyncio
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import LabError, UsageError

__all__ = ["Address", "Listener", "parse_address"]

_BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Address:
    """``HOST:PORT`` (port 0: any free one), or the path of a Unix stream socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """``HOST:PORT``, ``[ADDRESS6]:PORT`` or ``unix:PATH``.

    :raises UsageError: it is none of them.
    """
    if path := text.removeprefix("unix:") if text.startswith("unix:") else "":
        return Address(path=path)
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise UsageError("no address to listen on", expected="HOST:PORT, [ADDRESS6]:PORT or unix:PATH", found=text)
    return Address(host.strip("[]"), int(port))


class Listener:
    """One address at which connections are accepted while it is open."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._ours = False

    def bind(self) -> None:
        """Take the address. A port of 0 is settled the first time.

        :raises LabError: the address can't be had.
        """
        self._socket = self._bind()

    async def open(self, protocol: Callable[[], asyncio.Protocol]) -> None:
        """Accept connections.

        :raises LabError: the address can't be had.
        """
        if self._server:
            return
        listening, self._socket = self._socket or self._bind(), None
        loop = asyncio.get_running_loop()
        create = loop.create_unix_server if self.address.path else loop.create_server
        self._server = await create(protocol, sock=listening, backlog=_BACKLOG)

    def close(self) -> None:
        """Refuse connections. A Unix socket's file stays, so that connecting is refused there too."""
        if self._server:
            self._server.close()
            self._server = None

    def remove(self) -> None:
        """Close it for good."""
        self.close()
        if self._socket:
            self._socket.close()
        if self.address.path and self._ours:
            Path(self.address.path).unlink(missing_ok=True)

    def _bind(self) -> socket.socket:
        try:
            listening = _bind(self.address)
        except OSError as error:
            raise LabError(f"can't listen on {self.address}: {error.strerror or error}") from None
        self._ours = True
        if not self.address.path:
            self.address = Address(self.address.host, listening.getsockname()[1])
        return listening


def _bind(address: Address) -> socket.socket:
    if address.path:
        path = Path(address.path)
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
            path.unlink()
        listening = socket.socket(socket.AF_UNIX)
        target: object = address.path
    else:
        family, _, _, _, target = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(target)  # type: ignore[arg-type]
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    listening.setblocking(False)
    return listening
