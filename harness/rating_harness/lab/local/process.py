"""A process of a local lab, service or program, as the rest of the harness sees it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from signal import SIGCONT, SIGKILL, Signals
from types import MappingProxyType
from typing import Any, BinaryIO, Self

from rating_harness.deadline import Deadline
from rating_harness.errors import LabError, Timeout
from rating_harness.lab.local.client import HolderClient
from rating_harness.lab.local.layout import ANOTHER_DIRECTORY, Place
from rating_harness.lab.protocol import Endpoint, Host, Process, Program
from rating_harness.lab.ready import await_ready, check_alive, last_lines

__all__ = ["DeferredProgram", "LocalProcess", "LocalService", "ServiceRecord"]

_TERMINATION = 5.0
"""Seconds that a service has to end in good order before it is killed, and that the kernel has to kill it."""


_MAY_NOT_RUN = f"is that mounted noexec? {ANOTHER_DIRECTORY}"


@dataclass(slots=True)
class LocalProcess:
    """Implements `rating_harness.lab.protocol.Process`.

    :param request: what the holder is asked to start, and at a restart is asked again.
    """

    name: str
    host: Host
    place: Place
    client: HolderClient
    request: Mapping[str, Any]
    _key: int = field(default=0, init=False)
    _status: int | None = field(default=None, init=False)

    def start(self) -> None:
        """:raises LabError: it could not be executed at all."""
        try:
            self._key = self.client.spawn(self.request)
        except LabError as error:
            command = self.request["argv"][0]
            hint = _MAY_NOT_RUN if "PermissionError" in (error.found or "") else None
            raise LabError(f"{self.name} could not be started ({command})", found=error.found, hint=hint) from error
        self._status = None

    def poll(self) -> int | None:
        if self._status is None:
            self._status = self.client.poll(self._key)
        return self._status

    def wait(self, deadline: Deadline) -> int:
        if self._status is None:
            self._status = self.client.wait(self._key, deadline)
        if self._status is None:
            raise Timeout(
                f"{self.name} still runs after {deadline.seconds:g} s",
                expected="its end",
                detail=last_lines(self.output()),
            )
        return self._status

    def signal(self, signum: Signals) -> None:
        self._signal(signum, group=False)

    def signal_group(self, signum: Signals) -> None:
        """To it and to all that it started."""
        self._signal(signum, group=True)

    def _signal(self, signum: Signals, *, group: bool) -> None:
        if self._status is None:
            self.client.signal(self._key, signum, group=group)

    def output(self) -> str:
        try:
            with self.place.log.open("rb") as log:
                return self.place.as_wanted(_bounded(log).decode("utf-8", "replace"))
        except FileNotFoundError:
            return ""

    def read_file(self, name: str) -> bytes | None:
        path = self.place.find(name) if name.startswith("/") else self.place.work / name
        return path.read_bytes() if path.is_file() else None

    def list_files(self) -> Sequence[str]:
        work = self.place.work
        return sorted(str(path.relative_to(work)) for path in work.rglob("*") if path.is_file())

    @property
    def removed(self) -> bool:
        return not self.place.directory.exists()

    def remove(self) -> None:
        if self.removed:
            return
        try:
            self.signal_group(SIGKILL)
            self.wait(Deadline(_TERMINATION))
        except LabError:
            # The lab has ended, and so has everything in it; or it was never started.
            self._status = -SIGKILL
        shutil.rmtree(self.place.directory, ignore_errors=True)


@dataclass(slots=True)
class DeferredProgram:
    """Implements `rating_harness.lab.protocol.Prepared` where starting a program takes ten milliseconds: nothing is
    done beforehand.

    :param run: `rating_harness.lab.protocol.Lab.run`.
    """

    program: Program
    run: Callable[[Program], Process]
    _process: Process | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        return self.program.name

    def start(self, files: Mapping[str, bytes] = MappingProxyType({})) -> Process:
        if self._process is not None:
            raise LabError(f"{self.name} has begun already")
        self._process = self.run(replace(self.program, files={**self.program.files, **files}))
        return self._process

    def remove(self) -> None:
        if self._process is not None:
            self._process.remove()


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """A `LocalService` as it is stored.

    :param key: what the holder calls it.
    """

    name: str
    host: Host
    place: Place
    request: Mapping[str, Any]
    ports: tuple[int, ...]
    sockets: Mapping[int, str]
    ready: str | None
    own_network: bool
    key: int


@dataclass(slots=True)
class LocalService(LocalProcess):
    """A process that is expected to live, and can be started again.

    :param ports, sockets, ready: as in `rating_harness.lab.protocol.Service`.
    :param own_network: its ports can't be reached from outside of the lab.
    """

    ports: Sequence[int]
    sockets: Mapping[int, str]
    ready: str | None
    own_network: bool

    @property
    def record(self) -> ServiceRecord:
        """What another process needs to know to go on with it."""
        return ServiceRecord(
            self.name,
            self.host,
            self.place,
            self.request,
            tuple(self.ports),
            self.sockets,
            self.ready,
            self.own_network,
            self._key,
        )

    @classmethod
    def from_record(cls, record: ServiceRecord, client: HolderClient) -> Self:
        service = cls(
            record.name,
            record.host,
            record.place,
            client,
            record.request,
            record.ports,
            record.sockets,
            record.ready,
            record.own_network,
        )
        service._key = record.key
        return service

    def start(self) -> None:
        # The sockets of one that died would be in its way.
        for name in self.sockets.values():
            (self.place.run / name).unlink(missing_ok=True)
        LocalProcess.start(self)

    def await_ready(self, deadline: Deadline) -> None:
        """:raises ServiceDied: it ended instead.
        :raises Timeout: it didn't become ready.
        """
        if self.ready is None:
            check_alive(self)
        else:
            await_ready(self, self.endpoint(self.ports[0]), self.ready, deadline)

    def endpoint(self, port: int) -> Endpoint:
        """:raises LabError: nothing of the service can be reached for that port."""
        if port in self.sockets:
            return Endpoint(f"http://{self.name}", str(self.place.run / self.sockets[port]))
        if self.own_network:
            raise LabError(
                f"port {port} of {self.name} can't be reached from outside of the lab's network",
                expected="a Unix socket for it in the service's `sockets`",
            )
        return Endpoint(f"http://{self.host.address}:{port}")

    def end(self, deadline: Deadline, how: Signals) -> None:
        """End it with that signal, and with SIGKILL when it doesn't."""
        if how == SIGKILL:
            self.signal_group(how)
        else:
            self.signal(how)
            self.signal_group(SIGCONT)
            try:
                self.wait(deadline.at_most(_TERMINATION))
            except Timeout:
                self.signal_group(SIGKILL)
        self.wait(Deadline(_TERMINATION))


_HEAD, _TAIL = 256 << 20, 16 << 20
"""Bytes of a log that are read from its start, and from its end: what spins logs gigabytes."""


def _bounded(log: BinaryIO) -> bytes:
    head = log.read(_HEAD)
    rest = os.fstat(log.fileno()).st_size - len(head)
    if rest <= _TAIL:
        return head + log.read(_TAIL)
    log.seek(-_TAIL, os.SEEK_END)
    return head + f"\n... {rest - _TAIL} bytes are left out ...\n".encode() + log.read(_TAIL)
