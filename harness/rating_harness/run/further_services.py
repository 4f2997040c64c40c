"""Services of the user's own in a lab: a database that Kamailio's configuration needs, say.

They are described in a compose file (`rating_harness.lab.compose`), start before Kamailio, and live as long as the
lab does: what they hold goes on from one scenario to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from rating_harness.contract import CONTRACT
from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import Timeout, UsageError
from rating_harness.lab import compose
from rating_harness.lab.protocol import Lab, Role, Service
from rating_harness.lab.ready import check_alive, last_lines

__all__ = ["START", "FurtherServices", "Output"]

START = 120.0
"""Seconds that all of them together may take to accept connections; a new database takes some."""

Output = Callable[[Role, str, tuple[str, ...]], str]
"""What runs a command in the lab, on a host of that name, and gives what it wrote."""

_CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2).close(); print('open')"
_TAKEN = frozenset((CONTRACT.services.kamailio, CONTRACT.services.agent, CONTRACT.services.engine))


class FurtherServices:
    """Those of a compose file; none without one.

    :raises UsageError: it can't be read, or a service has the name of one of the lab's own.
    """

    def __init__(self, path: Path | None) -> None:
        composition = compose.load(path) if path is not None else None
        self._services: Mapping[str, Service] = composition.services if composition else {}
        self.images: Mapping[str, str] = composition.images if composition else {}
        """Service -> the image that it runs from in Docker."""
        for name in sorted(_TAKEN & set(self._services)):
            raise UsageError(
                f"the lab has a service {name} of its own", where=str(path), hint="give yours another name"
            )

    def start(self, lab: Lab, output: Output) -> None:
        """Start them one after the other; each has to accept connections before the next.

        :param output: what runs a command in the lab.
        :raises ServiceDied, Timeout: one doesn't come up; with its last lines.
        """
        deadline = Deadline(START)
        for service in self._services.values():
            lab.start_service(service, deadline)
            self._await_open(lab, service, output, deadline)

    def heal(self, lab: Lab, output: Output) -> None:
        """Start those anew that have ended."""
        deadline = Deadline(START)
        for name, service in self._services.items():
            if lab.service(name).poll() is not None:
                lab.restart_service(name, deadline)
                self._await_open(lab, service, output, deadline)

    def _await_open(self, lab: Lab, service: Service, output: Output, deadline: Deadline) -> None:
        process, address = lab.service(service.name), lab.host(service.name).address
        for port in service.ports:

            def is_open(port: int = port) -> bool:
                check_alive(process)
                command = ("python", "-c", _CONNECT, address, str(port))
                return output("harness", f"{service.name}-{port}", command).strip() == "open"

            try:
                await_condition(is_open, deadline, f"{service.name} accepting connections", interval=0.2)
            except Timeout as error:
                raise Timeout(
                    error.message,
                    expected=f"TCP port {port} of {service.name} open within {START:g} s",
                    detail=last_lines(process.output()),
                    hint="its command has to listen at ${LAB_ADDRESS}; `expose` names its ports",
                ) from None
