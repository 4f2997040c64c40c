"""The `external` driver: a Kamailio that runs already, and everything else on this machine.

What the lab starts (the tap, the embedded engine, SIPp) runs as in a local lab that shares the machine's network. The
target has to find it there: the tap is at port 8000 of the address from which this machine reaches the target, and
that is what the target's ``RATING_AGENT_URL`` must say.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from rating_harness.contract import CONTRACT
from rating_harness.deadline import Deadline
from rating_harness.errors import LabError, UsageError
from rating_harness.lab.local import LocalLab
from rating_harness.lab.protocol import (
    Capabilities,
    Driver,
    Endpoint,
    Host,
    MovedClock,
    PersonsCommand,
    Prepared,
    Process,
    Program,
    Replicas,
    Service,
)

__all__ = ["ExternalLab", "Target"]

KAMAILIO, TAP, ENGINE = CONTRACT.services.kamailio, CONTRACT.services.agent, CONTRACT.services.engine
SIP_PORT = 5060

WHY = {
    "names": "the target asks its own DNS",
    "isolated": "the target is on a network that others use",
    "unplug": "the target's network isn't the lab's",
    "restart": "the target was started by somebody else, and is theirs to restart",
    "ipv6": "the lab shares the machine's network, on IPv4 addresses",
    "clock": "the target was started by somebody else, by the machine's clock",
}


@dataclass(frozen=True, slots=True)
class Target:
    """Where the Kamailio is.

    :param local: it's on this machine.
    :param facing: the address from which this machine reaches it.
    """

    address: str
    local: bool
    facing: str

    @classmethod
    def parse(cls, text: str) -> Target:
        """``HOST`` or ``HOST:5060``.

        :raises UsageError: it's neither, or the name isn't known here.
        """
        name, colon, port = text.partition(":")
        if not name or (colon and port != str(SIP_PORT)):
            raise UsageError(
                "the target isn't one",
                expected=f"HOST or HOST:{SIP_PORT} of a Kamailio: callers call that port",
                found=text,
                where="--target",
            )
        try:
            address = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_DGRAM)[0][4][0]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect((address, SIP_PORT))
                facing = probe.getsockname()[0]
        except OSError as error:
            raise UsageError("the target can't be reached", found=f"{name}: {error}", where="--target") from error
        local = ip_address(address).is_loopback or facing == address
        return cls(str(address), local, str(facing))


class ExternalLab:
    """Implements `rating_harness.lab.protocol.Lab`. Made by `open`."""

    driver: Driver = "external"

    def __init__(self, target: Target, inner: LocalLab, addresses: Sequence[str]) -> None:
        self.id = inner.id
        self.target = target
        self.capabilities = Capabilities(
            names=False, isolated=False, unplug=False, restart=False, ipv6=False, why=WHY
        )
        self._inner = inner
        self._addresses = addresses
        self._hosts: dict[str, Host] = {}

    @classmethod
    def open(cls, target: str, *, release: str | None = None, addresses: Sequence[str] = ()) -> ExternalLab:
        """A lab around that Kamailio.

        :param target: ``HOST`` or ``HOST:5060``.
        :param release: where SIPp comes from, as for a local lab.
        :param addresses: this machine's, for callers and carriers of a target elsewhere, one each; the one that faces
            the target by default. For a target on this machine there are loopback addresses enough.
        :raises UsageError: the target isn't one.
        :raises LabError: the lab could not be set up.
        """
        where = Target.parse(target)
        return cls(where, LocalLab.open(release=release, network="host"), addresses or [where.facing])

    def stop(self) -> None:
        self._inner.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- hosts ------------------------------------------------------------------------------------------------------

    def host(self, name: str, *aliases: str) -> Host:
        """As in the protocol.

        :raises LabError: a target elsewhere can't reach loopback, and this machine has no further address.
        """
        known = self._hosts.get(name) or self._new(name)
        self._hosts[name] = replace(known, aliases=tuple(dict.fromkeys((*known.aliases, *aliases))))
        return self._hosts[name]

    def _new(self, name: str) -> Host:
        if name == KAMAILIO:
            return Host(name, self.target.address)
        if name == TAP:
            return Host(name, self.target.facing)
        if self.target.local or name == ENGINE:
            return replace(self._inner.host(name), address6=None)
        taken = {host.address for host in self._hosts.values() if host.name != TAP}
        free = next((address for address in self._addresses if address not in taken), None)
        if free is None:
            raise LabError(
                f"there is no address left for the host {name}",
                expected="an address of this machine for each caller and carrier of a target elsewhere",
                found=", ".join(f"{host.address} is {host.name}'s" for host in self._hosts.values()),
                hint="give this machine more addresses, and name them",
            )
        return Host(name, free)

    def release(self, name: str) -> None:
        self._hosts.pop(name, None)
        self._inner.release(name)

    # --- services ---------------------------------------------------------------------------------------------------

    def start_service(self, service: Service, deadline: Deadline) -> Process:
        """As in the protocol; of Kamailio, nothing is started, and nothing of the description is used."""
        if service.name == KAMAILIO:
            return ForeignProcess(KAMAILIO)
        address = self.host(service.name, *service.aliases).address
        command = tuple(word.replace("{address}", address) for word in service.command)
        return self._inner.start_service(replace(service, command=command), deadline)

    def service(self, name: str) -> Process:
        return ForeignProcess(KAMAILIO) if name == KAMAILIO else self._inner.service(name)

    def restart_service(self, name: str, deadline: Deadline, *, how: signal.Signals = signal.SIGTERM) -> Process:
        _refuse_for_target(name)
        return self._inner.restart_service(name, deadline, how=how)

    def stop_service(self, name: str, deadline: Deadline, *, how: signal.Signals = signal.SIGTERM) -> None:
        _refuse_for_target(name)
        self._inner.stop_service(name, deadline, how=how)

    def endpoint(self, service: str, port: int) -> Endpoint:
        if service == KAMAILIO:
            return Endpoint(f"http://{self.target.address}:{port}")
        return self._inner.endpoint(service, port)

    def published(self, service: str, port: int) -> str:
        return urlsplit(self.endpoint(service, port).url).netloc

    def run_directory(self, service: str) -> str | None:
        return None if service == KAMAILIO else self._inner.run_directory(service)

    # --- programs and faults ----------------------------------------------------------------------------------------

    def import_module(self, module: str) -> None:
        self._inner.import_module(module)

    def run(self, program: Program) -> Process:
        return self._inner.run(program)

    def prepare(self, program: Program) -> Prepared:
        return self._inner.prepare(program)

    def command_inside(self, command: Sequence[str], *, on_machine: bool = False) -> PersonsCommand:
        raise LabError("the target isn't the harness's to enter", hint="ssh, or docker exec, as it was started")

    def replicate(self, name: str, argv: Sequence[str], files: Mapping[str, bytes], number: int) -> Replicas:
        raise LabError("this lab is on one machine", hint="generators on several need --lab docker")

    def clock_ahead(self) -> tuple[float, float]:
        return 0.0, 0.0

    def install_clock(self, library: bytes) -> MovedClock:
        raise LabError("this lab has no clock that can be moved", found=WHY["clock"])

    def remove_clock(self) -> None:
        pass

    def pause(self, name: str) -> None:
        _refuse_for_target(name)
        self._inner.pause(name)

    def resume(self, name: str) -> None:
        _refuse_for_target(name)
        self._inner.resume(name)

    def disconnect(self, name: str) -> None:
        raise LabError(f"{name} can't be unplugged", found=WHY["unplug"])

    def reconnect(self, name: str) -> None:
        raise LabError(f"{name} can't be plugged in again", found=WHY["unplug"])


@dataclass(frozen=True, slots=True)
class ForeignProcess:
    """A process that somebody else runs, as far as it can be seen from here: it runs, and that's all."""

    name: str

    def poll(self) -> None:
        """None: its end can't be seen."""

    def wait(self, deadline: Deadline) -> int:
        raise LabError(f"{self.name} can't be waited for", found=WHY["restart"])

    def signal(self, signum: signal.Signals) -> None:
        raise LabError(f"{self.name} can't be sent {signum.name}", found=WHY["restart"])

    def output(self) -> str:
        return ""

    def read_file(self, name: str) -> None:
        """None: its files can't be seen."""

    def list_files(self) -> Sequence[str]:
        return ()

    def remove(self) -> None:
        """Nothing here is the lab's."""


def _refuse_for_target(name: str) -> None:
    if name == KAMAILIO:
        raise LabError(f"{name} can't be stopped, paused or started", found=WHY["restart"])
