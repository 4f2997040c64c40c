"""A lab whose processes are scripts: what each logs, writes and when it ends is said beforehand."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from types import MappingProxyType
from typing import Any

from rating_harness.deadline import Deadline
from rating_harness.errors import LabError, ServiceDied
from rating_harness.lab.local.process import DeferredProgram
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
from rating_harness.run.options import Options
from rating_harness.run.stack import Stack

__all__ = ["FakeLab", "FakeProcess", "fake_stack"]


@dataclass
class FakeProcess:
    """It has ended once ``status`` says so; ``files`` are what it has written."""

    name: str
    status: int | None = None
    log: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    signals: list[signal.Signals] = field(default_factory=list)
    removed: bool = False
    ends_on_signal: bool = True

    def poll(self) -> int | None:
        return self.status

    def wait(self, deadline: Deadline) -> int:
        if self.status is None:
            from rating_harness.errors import Timeout

            raise Timeout(f"{self.name} still runs")
        return self.status

    def signal(self, signum: signal.Signals) -> None:
        self.signals.append(signum)
        ends = signum == signal.SIGKILL or (signum == signal.SIGTERM and self.ends_on_signal)
        if self.status is None and ends:
            self.status = 0 if signum == signal.SIGTERM else -signum

    def output(self) -> str:
        return self.log

    def read_file(self, name: str) -> bytes | None:
        return self.files.get(name)

    def list_files(self) -> Sequence[str]:
        return sorted(self.files)

    def remove(self) -> None:
        self.removed = True


def _alive(program: Program) -> FakeProcess:
    if program.name == "kamailio-version":
        return FakeProcess(program.name, status=0, log="version: kamailio 6.0.1 (x86_64/linux)\n")
    return FakeProcess(program.name, files={"statistics.csv": b""})


class FakeLab:
    """Notes what is done with it in ``done``, in order.

    :param dies: services that end instead of starting, given how they are to be started: what they log.
    :param runs: makes the process of a program.
    """

    def __init__(
        self,
        *,
        dies: Callable[[Service], str | None] = lambda service: None,
        runs: Callable[[Program], FakeProcess] = _alive,
        capabilities: Capabilities | None = None,
    ) -> None:
        self.id = "fake"
        self.driver: Driver = "local"
        self.capabilities = capabilities or Capabilities()
        self.done: list[str] = []
        self.programs: list[FakeProcess] = []
        self._dies, self._runs = dies, runs
        self._hosts: dict[str, Host] = {}
        self._numbers = count(10)
        self._services: dict[str, FakeProcess] = {}
        self._described: dict[str, Service] = {}

    def host(self, name: str, *aliases: str) -> Host:
        if name not in self._hosts:
            number = next(self._numbers)
            self._hosts[name] = Host(name, f"198.18.0.{number}", f"fd17::{number}", aliases)
        return self._hosts[name]

    def release(self, name: str) -> None:
        self._hosts.pop(name, None)

    def start_service(self, service: Service, deadline: Deadline) -> Process:
        self.done.append(f"start {service.name}")
        self._described[service.name] = service
        known = self._services.get(service.name)
        self._services[service.name] = process = FakeProcess(service.name, log=known.log if known else "")
        return self._begin(process, service)

    def _begin(self, process: FakeProcess, service: Service) -> FakeProcess:
        death = self._dies(service)
        process.status = None if death is None else 255
        process.log += f"{service.name} begins\n" if death is None else death
        if death is not None:
            raise ServiceDied(f"{service.name} ended", service=service.name, status=255, detail=process.log)
        return process

    def service(self, name: str) -> FakeProcess:
        return self._services[name]

    def restart_service(self, name: str, deadline: Deadline, *, how: signal.Signals = signal.SIGTERM) -> FakeProcess:
        self.done.append(f"restart {name}")
        return self._begin(self.service(name), self._described[name])

    def stop_service(self, name: str, deadline: Deadline, *, how: signal.Signals = signal.SIGTERM) -> None:
        self.done.append(f"stop {name}")
        self.service(name).signal(how)

    def pause(self, name: str) -> None:
        self.done.append(f"pause {name}")

    def resume(self, name: str) -> None:
        self.done.append(f"resume {name}")

    def disconnect(self, name: str) -> None:
        self.done.append(f"disconnect {name}")

    def reconnect(self, name: str) -> None:
        self.done.append(f"reconnect {name}")

    def endpoint(self, service: str, port: int) -> Endpoint:
        return Endpoint(f"http://{service}:{port}")

    def published(self, service: str, port: int) -> str:
        return f"{service}:{port}"

    def run_directory(self, service: str) -> str | None:
        return None

    def import_module(self, module: str) -> None: ...

    def run(self, program: Program) -> Process:
        if not program.name.endswith("-version"):
            self.done.append(f"run {program.name}")
        process = self._runs(program)
        self.programs.append(process)
        return process

    def prepare(self, program: Program) -> Prepared:
        self.done.append(f"prepare {program.name}")
        return DeferredProgram(program, self.run)

    def command_inside(self, command: Sequence[str], *, on_machine: bool = False) -> PersonsCommand:
        raise NotImplementedError

    def replicate(self, name: str, argv: Sequence[str], files: Mapping[str, bytes], number: int) -> Replicas:
        raise NotImplementedError

    def clock_ahead(self) -> tuple[float, float]:
        return 0.0, 0.0

    def install_clock(self, library: bytes) -> MovedClock:
        raise NotImplementedError

    def remove_clock(self) -> None: ...

    def stop(self) -> None:
        self.done.append("stop the lab")


class FakeKamailio:
    """JSON-RPC of a Kamailio with no dialogs."""

    unread_tables: Mapping[str, int] = MappingProxyType({})

    def uptime(self) -> int:
        return 1

    def active_dialogs(self) -> int:
        return 0

    def dialogs(self) -> list[Mapping[str, object]]:
        return []

    def tables(self, prefix: str) -> dict[str, dict[str, str]]:
        return {}

    def methods(self) -> frozenset[str]:
        return frozenset({"dlg.list", "htable.stats"})

    def version(self) -> str:
        return "kamailio 6.0.1 (x86_64)"

    def call(self, *words: object) -> None: ...


class FakeTap:
    """A tap that no request reaches."""

    def __init__(self) -> None:
        self.armed: list[tuple[str, bool]] = []
        self.is_stopped = False

    def check(self) -> None:
        if self.is_stopped:
            raise LabError("the tap does not answer to GET /status: timed out")

    def exchanges(self, since: int = 0) -> Any:
        from types import SimpleNamespace

        return SimpleNamespace(cursor=0, exchanges=())

    def faults(self) -> list[Any]:
        return []

    def arm(self, fault: str, on: bool) -> None:
        self.armed.append((fault, on))

    def clear(self) -> None: ...

    def set_faults(self, *faults: object) -> None: ...


class FakeEngine:
    """An engine that knows nothing."""

    unreadable = ""
    lacking = ""

    def accounts(self, tags: Sequence[str] = ()) -> list[dict[str, object]]:
        return []

    def transactions(self, **_: object) -> list[dict[str, object]]:
        return []

    def reset(self) -> bool:
        return True

    def seed(self, given: object) -> None: ...


def fake_stack(lab: FakeLab, options: Options | None = None) -> Stack:
    """The services in a fake lab, all of which have started."""
    stack = Stack(lab, options or Options())
    clients: Any = stack
    clients.tap, clients.engine, clients.kamailio = FakeTap(), FakeEngine(), FakeKamailio()
    for name in ("rating-engine", "rating-agent", "kamailio"):
        lab.start_service(Service(name, "harness", ("true",)), Deadline(1.0))
    lab.done.clear()
    return stack
