"""Kamailio's JSON-RPC, over HTTP or over the datagram socket of the jsonrpcs module.

Source: the documentation of the modules jsonrpcs (transports) and dialog (``dlg.*``).
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rating_harness.errors import LabError, Location
from rating_harness.lab.protocol import Endpoint

if TYPE_CHECKING:
    import httpx

__all__ = ["RPC_PORT", "DatagramTransport", "HttpTransport", "KamailioClient", "RpcError", "RpcRefused", "Transport"]

RPC_PORT = 8060
"""The TCP port at which the project's configuration serves JSON-RPC over HTTP, and no SIP."""

_LARGEST_DATAGRAM = 1 << 20

_FITS = 100
"""Entries of a table whose dump fits into a datagram, of 200 KB on Linux."""


class RpcError(LabError):
    """Kamailio answered with an error, or didn't answer at all (``code`` None)."""

    def __init__(
        self,
        message: str,
        *,
        code: int | None = None,
        where: Location | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.code = code


class RpcRefused(RpcError):
    """HTTP was answered, and not by JSON-RPC: another try is answered alike."""


class Transport(Protocol):
    def exchange(self, request: bytes) -> bytes:
        """:raises RpcError: no answer."""

    def close(self) -> None: ...


class HttpTransport:
    """JSON-RPC over HTTP: the modules xhttp and jsonrpcs, at ``/RPC``.

    :param endpoints: where it may be; the first that takes a connection serves.
    """

    def __init__(self, *endpoints: Endpoint, timeout: float = 2.0) -> None:
        import httpx

        self._urls = [f"{endpoint.url}/RPC" for endpoint in endpoints]
        self._client = httpx.Client(timeout=timeout)

    def exchange(self, request: bytes) -> bytes:
        import httpx

        refused: list[str] = []
        for url in self._urls:
            try:
                response = self._client.post(url, content=request, headers={"Content-Type": "application/json"})
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                refused.append(f"{url}: {error}")
            except httpx.HTTPError as error:
                raise RpcError(f"Kamailio's JSON-RPC at {url} doesn't answer: {error}") from None
            else:
                _check_answer(url, response)
                return response.content
        raise RpcError(f"Kamailio's JSON-RPC over HTTP can't be reached: {'; '.join(refused)}")

    def close(self) -> None:
        self._client.close()


def _check_answer(url: str, response: httpx.Response) -> None:
    """:raises RpcRefused: it's no JSON, and a server that is only beginning wouldn't say so."""
    status = response.status_code
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or _is_json(response.content):
        return
    said = f"{status} {response.reason_phrase}".rstrip()
    dispatch = "the event_route[xhttp:request] has to call jsonrpc_dispatch() for /RPC"
    if status in (HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED):
        raise RpcRefused(
            f"Kamailio's JSON-RPC at {url} is forbidden to this machine ({said})",
            hint=f"{dispatch} from the lab's addresses too, without a password, in a lab at least: put the condition "
            "between #!ifndef and #!endif, and name it with --define. In the project's kamailio.cfg RPC_NETWORKS "
            "says who may use it",
        )
    raise RpcRefused(
        f"HTTP at {url} is answered, and not by JSON-RPC ({said})",
        hint=f"{dispatch}; further paths may stay beside it",
    )


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


class DatagramTransport:
    """JSON-RPC over a Unix datagram socket (``dgram_socket`` of jsonrpcs, on by default)."""

    def __init__(self, path: Path, *, timeout: float = 2.0) -> None:
        self._path = path
        self._timeout = timeout

    def exchange(self, request: bytes) -> bytes:
        with tempfile.TemporaryDirectory(prefix="rpc-", dir=self._path.parent) as directory:
            own = os.path.join(directory, "s")  # noqa: PTH118 - the length of socket paths is limited: no detours
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
                client.bind(own)
                client.settimeout(self._timeout)
                try:
                    client.sendto(request, str(self._path))
                    return client.recv(_LARGEST_DATAGRAM)
                except OSError as error:
                    raise RpcError(f"Kamailio's JSON-RPC socket {self._path.name} doesn't answer: {error}") from None

    def close(self) -> None:
        pass


class KamailioClient:
    """Commands of a running Kamailio."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._id = 0
        self._too_large: dict[str, int] = {}
        self.unread_tables: dict[str, int] = {}
        """Tables that `tables` left out the last time, and how many entries each has."""

    def close(self) -> None:
        self._transport.close()

    def call(self, method: str, *parameters: str | int) -> Any:
        """The result of an RPC command.

        :raises RpcError: it was refused (with its code), or there was no answer.
        """
        self._id += 1
        request: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "id": self._id}
        if parameters:
            request["params"] = list(parameters)
        raw = self._transport.exchange(json.dumps(request).encode())
        try:
            answer = json.loads(raw)
        except ValueError:
            raise RpcError(
                f"Kamailio answered {method} with something that isn't JSON: {raw[:80]!r}",
                hint="jsonrpcs needs `transport` 7 for HTTP, and xhttp an event_route[xhttp:request]",
            ) from None
        if "error" in answer:
            error = answer["error"]
            raise RpcError(f"Kamailio refused {method}: {error.get('message')}", code=error.get("code"))
        return answer.get("result")

    def uptime(self) -> int:
        """Seconds since it started (``core.uptime``)."""
        return int(self.call("core.uptime")["uptime"])

    def version(self) -> str:
        """Such as ``kamailio 6.0.1 (x86_64/linux)``."""
        return str(self.call("core.version"))

    def methods(self) -> frozenset[str]:
        """The commands that it knows (``system.listMethods``): a module brings its own."""
        return frozenset(map(str, self.call("system.listMethods")))

    def dialogs(self) -> list[dict[str, Any]]:
        """``dlg.list``: each with ``call-id``, ``state``, ``lifetime``, ``from_uri``, ``to_uri``, ``timeout``..."""
        listed = self.call("dlg.list")
        return list(listed) if isinstance(listed, list) else []

    def active_dialogs(self) -> int:
        """``dlg.stats_active``: those in any state but deleted."""
        return int(self.call("dlg.stats_active")["all"])

    def tables(self, prefix: str, *, most: int = 2000) -> dict[str, dict[str, str]]:
        """Tables of the module htable whose names begin with ``prefix``, those that hold anything: key -> value.

        One whose dump is larger than a datagram may be is left out (`unread_tables`); Kamailio says nothing then but
        to its log.

        :param most: a table with more entries than that isn't read: it's left out.
        """
        held: dict[str, dict[str, str]] = {}
        self.unread_tables = {}
        for table in self.call("htable.stats") or ():
            name, size = str(table.get("name", "")), int(table.get("all", 0))
            if name.startswith(prefix) and size > min(most, self._too_large.get(name, most + 1) - 1):
                self.unread_tables[name] = size
            elif name.startswith(prefix) and size > 0:
                try:
                    slots = self.call("htable.dump", name) or ()
                except RpcError as error:
                    if error.code is not None or size <= _FITS:
                        raise
                    self._too_large[name] = self.unread_tables[name] = size
                    continue
                # An array of slots, each an object with its entry and one more for each that collides.
                entries = (entry for slot in slots for entry in slot.get("slot", ()))
                held[name] = {str(entry["name"]): str(entry["value"]) for entry in entries}
        return held

    def statistics(self, *names: str) -> dict[str, int]:
        """``stats.get_statistics``: ``{"core:rcv_requests": 3}``."""
        found: dict[str, int] = {}
        for line in self.call("stats.get_statistics", *names):
            name, _, value = str(line).partition("=")
            if value.strip().lstrip("-").isdigit():
                found[name.strip()] = int(value)
        return found
