"""Where a server of the rating room listens."""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from rating_harness.errors import UsageError

__all__ = ["BACKLOG", "Address"]

BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port (0: any free one), or the path of a Unix stream socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """``HOST:PORT``, ``[ADDRESS6]:PORT`` or ``unix:PATH``.

        :raises UsageError: it is none of them.
        """
        scheme, _, path = text.partition(":")
        if scheme == "unix" and path and not path.isdecimal():
            return cls(path=path)
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            expected = "HOST:PORT, [ADDRESS6]:PORT or unix:PATH"
            raise UsageError("an address can't be read", expected=expected, found=text)
        return cls(host.removeprefix("[").removesuffix("]"), int(port))

    def listen(self) -> socket.socket:
        """A socket that listens there; a Unix socket that somebody left behind is replaced.

        :raises UsageError: the address can't be had.
        """
        try:
            return self._listen_unix() if self.path else self._listen_tcp()
        except OSError as error:
            raise UsageError(f"can't listen on {self}", found=error.strerror or str(error)) from None

    def taken(self, listener: socket.socket) -> Self:
        """This address as the listening socket has it: its port is no longer 0."""
        return self if self.path else replace(self, port=listener.getsockname()[1])

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def _listen_unix(self) -> socket.socket:
        if Path(self.path).is_socket() and not _is_listened_on(self.path):
            Path(self.path).unlink()
        return _listening(socket.AF_UNIX, self.path)

    def _listen_tcp(self) -> socket.socket:
        family, _, _, _, address = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)[0]
        return _listening(family, address)


def _is_listened_on(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
    return True


def _listening(family: int, address: object) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)  # type: ignore[arg-type]
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
