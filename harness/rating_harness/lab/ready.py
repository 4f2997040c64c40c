"""Waiting until a service answers, or has died."""

from __future__ import annotations

import signal
import socket
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import ServiceDied, Timeout
from rating_harness.lab.protocol import Endpoint, Process

__all__ = ["PORT_TAKEN", "await_ready", "check_alive", "last_lines"]

PORT_TAKEN = (
    "a program of this machine has the port already: `ss -lntup` says which; end it, or have the lab in a network of "
    "its own (`rating-harness doctor` says what that takes)"
)
"""What to do where a lab is in the machine's network."""


def last_lines(text: str, count: int = 20) -> str:
    return "\n".join(text.splitlines()[-count:])


def check_alive(process: Process) -> None:
    """:raises ServiceDied: it has ended; the message has its status and last lines."""
    status = process.poll()
    if status is not None:
        output = last_lines(process.output())
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        raise ServiceDied(
            f"{process.name} ended with {how} when it should be running",
            service=process.name,
            status=status,
            detail=output,
            **({"hint": PORT_TAKEN} if "ddress already in use" in output else {}),
        )


def await_ready(process: Process, endpoint: Endpoint, path: str, deadline: Deadline) -> None:
    """GET ``path`` until it is answered with any status below 500.

    :raises ServiceDied: the service ended instead.
    :raises Timeout: at the deadline; the message has what the last try said, and the service's last lines.
    """
    seen = "nothing yet"

    def answered() -> bool:
        nonlocal seen
        check_alive(process)
        try:
            status = _get(endpoint, path)
        except (OSError, HTTPException) as error:
            seen = str(error) or type(error).__name__
            return False
        seen = f"status {status}"
        return status < 500

    try:
        await_condition(answered, deadline, f"{process.name} becoming ready")
    except Timeout as error:
        raise Timeout(
            error.message,
            expected=f"an answer below 500 to GET {endpoint.url}{path}",
            found=f"it runs, and the last try said: {seen}",
            detail=last_lines(process.output()),
            hint="give it more time to start, or look at its last lines above",
        ) from None


def _get(endpoint: Endpoint, path: str) -> int:
    """The status of a GET. It's tried while nobody listens yet, and httpx leaks a Unix socket at each refusal."""
    address = urlsplit(endpoint.url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=1)
    try:
        if endpoint.socket_path:
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.settimeout(1)
            connection.sock.connect(endpoint.socket_path)
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()
