"""Listening sockets that can be closed and opened again at the same address."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rating_harness.rating.address import BACKLOG, Address

__all__ = ["Listener"]


class Listener:
    """One address at which connections are accepted while it is open.

    :param tls: the server's side of TLS; None for plain TCP.
    """

    def __init__(self, address: Address, tls: ssl.SSLContext | None = None) -> None:
        self.address = address
        self._tls = tls
        self._socket: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._ours = False

    def bind(self) -> None:
        """Take the address. A port of 0 is settled the first time.

        :raises UsageError: the address can't be had.
        """
        self._socket = self._listen()

    async def open(self, protocol: Callable[[], asyncio.Protocol]) -> None:
        """Accept connections.

        :raises UsageError: the address can't be had.
        """
        if self._server:
            return
        listener, self._socket = self._socket or self._listen(), None
        loop = asyncio.get_running_loop()
        if self.address.path:
            # Since Python 3.13 asyncio removes the file at the first close, if it isn't told otherwise.
            kept: dict[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}
            self._server = await loop.create_unix_server(
                protocol, sock=listener, backlog=BACKLOG, ssl=self._tls, **kept
            )
        else:
            self._server = await loop.create_server(protocol, sock=listener, backlog=BACKLOG, ssl=self._tls)

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

    def _listen(self) -> socket.socket:
        listener = self.address.listen()
        self.address = self.address.taken(listener)
        self._ours = True
        return listener
