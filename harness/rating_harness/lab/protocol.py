"""What a lab is, whoever drives it.

A lab is a set of named services on a network of its own, where two labs never see each other. A driver (``local``,
``docker``, ``external``) implements `Lab`; the rest of the harness knows only what is written here.

Two kinds of things run in a lab:

* **services** (`Service`): Kamailio, the rating engine, the tap. They start with the lab, are probed until they are
  ready, and are expected to live as long as the lab does;
* **programs** (`Program`): SIPp, mostly. They start and end with a scenario, each on a host of its own. One that
  begins at a moment is prepared before it (`Prepared`).
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

from rating_harness.deadline import Deadline

__all__ = [
    "SHELL",
    "Capabilities",
    "Driver",
    "Endpoint",
    "Host",
    "Lab",
    "MovedClock",
    "PersonsCommand",
    "Prepared",
    "Process",
    "Program",
    "Replicas",
    "Role",
    "Service",
    "Threads",
]

Driver = Literal["local", "docker", "external"]

Role = Literal["kamailio", "sipp", "harness"]
"""Which root filesystem or image a process needs. ``harness`` is this package with its Python."""


@dataclass(frozen=True, slots=True)
class Host:
    """A name and its addresses in the lab's network. Every alias resolves to the same addresses."""

    name: str
    address: str
    address6: str | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How the harness's own process, which is outside of the lab's network, reaches a service's socket.

    ``url`` is ``http://HOST:PORT`` (with ``socket_path`` None), or ``http://NAME`` with the path of a Unix stream
    socket in ``socket_path``; `rating_harness.rating.http` takes both.
    """

    url: str
    socket_path: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """A long-lived process of the lab, on a host of its own.

    ``command`` may hold ``{address}``, ``{address6}`` (the host's own addresses) and ``{run}`` (a directory that the
    service can write to, and where a local lab expects its Unix sockets; see `Lab.endpoint`).

    :param files: absolute path inside the service -> content; in place before it starts.
    :param ports: TCP ports that the harness itself talks to.
    :param sockets: port -> file name of the Unix stream socket below ``{run}`` which serves the same as that port.
    :param ready: an HTTP path probed with GET on the first of ``ports`` until it answers with any status below 500;
        None: the caller probes by its own means after `Lab.start_service`.
    :param published: ``[ADDRESS:]PORT:PORT[/PROTOCOL]`` each: where a person on this machine finds it, in a lab that
        has to map ports for that (`Lab.published`).
    """

    name: str
    role: Role
    command: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    sockets: Mapping[int, str] = field(default_factory=dict)
    ready: str | None = None
    published: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """A short-lived process, on a host of its own, in an empty working directory of its own.

    ``argv`` names files of ``files`` by their relative names, since the working directory is where they are.
    """

    name: str
    role: Role
    argv: tuple[str, ...]
    host: Host
    files: Mapping[str, bytes] = field(default_factory=dict)


class Process(Protocol):
    """A started service or program."""

    @property
    def name(self) -> str: ...

    def poll(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""

    def wait(self, deadline: Deadline) -> int:
        """Its exit status.

        :raises Timeout: when it still runs at the deadline; the message holds its last output.
        """

    def signal(self, signum: signal.Signals) -> None:
        """Send a signal; does nothing when the process has ended."""

    def output(self) -> str:
        """Standard output and standard error so far, as text."""

    def read_file(self, name: str) -> bytes | None:
        """A file of the working directory (a program) or an absolute path inside (a service); None when absent.

        Works while the process runs and after it ended, until `remove`.
        """

    def list_files(self) -> Sequence[str]:
        """Relative names of all files in the working directory of a program."""

    def remove(self) -> None:
        """Kill it if it runs, and forget its files. Idempotent."""


class Prepared(Protocol):
    """A program that is there and hasn't begun (`Lab.prepare`): what is done to its host isn't done to it."""

    @property
    def name(self) -> str: ...

    def start(self, files: Mapping[str, bytes] = MappingProxyType({})) -> Process:
        """Have it begin, once.

        :param files: further ones, which are in its working directory when it begins.
        :raises LabError: it has begun already, or has ended before it was to begin.
        """

    def remove(self) -> None:
        """Kill it if it's there, begun or not, and forget its files. Idempotent."""


class Replicas(Protocol):
    """The same program on several machines at once (`Lab.replicate`)."""

    def states(self) -> Sequence[str]:
        """What is known of each of them, for a person: the machine, and what became of it there."""

    def replace_lost(self) -> None:
        """Start one in place of each whose machine is gone, unless that has been done.

        :raises LabError: a machine lacks what it takes.
        """

    def remove(self) -> None:
        """End them, and forget them. Idempotent."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What this lab can do. A plan that needs more is refused before anything is started, with ``why``.

    :param names: the lab's hosts find each other by name (else plans use addresses).
    :param isolated: the network is the lab's own.
    :param unplug: `Lab.disconnect` works.
    :param restart: services can be killed and restarted.
    :param ipv6: hosts have an ``address6``.
    :param clock: `Lab.install_clock` works.
    :param why: capability name -> the reason for which it is absent.
    """

    names: bool = True
    isolated: bool = True
    unplug: bool = True
    restart: bool = True
    ipv6: bool = True
    clock: bool = False
    why: Mapping[str, str] = field(default_factory=dict)


class MovedClock(Protocol):
    """How far the clock of a lab is ahead of the machine's, and what moves it."""

    @property
    def ahead(self) -> float:
        """Seconds."""

    @property
    def ticks(self) -> int:
        """How many ticks Kamailio's timer has got from it."""

    @property
    def is_followed(self) -> bool:
        """Whether Kamailio's timer has had every tick of the time that was skipped."""

    def move(self, seconds: float) -> None:
        """Put it forward."""

    def look_every(self, seconds: float) -> None:
        """How long a program of the lab waits at most until it looks at the clock."""

    def threads(self) -> Threads:
        """Those of the lab's programs that run now."""


class Threads(Protocol):
    """Threads of a lab's programs."""

    def await_waits(self, times: int, deadline: Deadline) -> None:
        """Until each of them has been seen waiting, so many times over: messages have been handed on as often.

        :raises Timeout: one of them is always at work.
        """


@dataclass(frozen=True, slots=True)
class PersonsCommand:
    """A command to be executed on this machine.

    :param environment: all of its environment.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]


SHELL = ("sh", "-c", "command -v bash >/dev/null && exec bash; exec sh")
"""A shell that is there in any root filesystem or image: bash where there is one."""


class Lab(Protocol):
    """A running lab. Obtained from `rating_harness.lab.open_lab`; `stop` ends it and removes all it made."""

    @property
    def id(self) -> str: ...

    @property
    def driver(self) -> Driver: ...

    @property
    def capabilities(self) -> Capabilities: ...

    def host(self, name: str, *aliases: str) -> Host:
        """The host of that name, with addresses assigned at the first call. Idempotent; aliases are added."""

    def release(self, name: str) -> None:
        """Forget a host made by `host`, so that its name and address can be used again."""

    def start_service(self, service: Service, deadline: Deadline) -> Process:
        """Start it on the host named like it, and wait until it is ready.

        :raises ServiceDied: it ended instead; the message has its last lines.
        :raises Timeout: it did not become ready; the message has its state, last lines and a hint.
        """

    def service(self, name: str) -> Process:
        """The service started under that name.

        :raises KeyError: there is none.
        """

    def restart_service(self, name: str, deadline: Deadline, *, how: signal.Signals = signal.SIGTERM) -> Process:
        """End the service with that signal (SIGKILL: as a crash would), start it again, and wait until it is ready.

        Its files, its run directory and its address stay, and so does its log, which goes on in one piece.
        """

    def stop_service(self, name: str, deadline: Deadline, *, how: signal.Signals = signal.SIGTERM) -> None:
        """End the service; it can be started again with `restart_service`."""

    def pause(self, name: str) -> None:
        """Freeze a service or a program's host (SIGSTOP to all its processes, or the cgroup freezer)."""

    def resume(self, name: str) -> None: ...

    def disconnect(self, name: str) -> None:
        """Unplug a host: packets from and to it vanish, without any error to the sender."""

    def reconnect(self, name: str) -> None: ...

    def endpoint(self, service: str, port: int) -> Endpoint:
        """How the harness reaches that port of a service."""

    def published(self, service: str, port: int) -> str:
        """``HOST:PORT`` where a person on this machine finds that port of a service."""

    def run_directory(self, service: str) -> str | None:
        """The service's ``{run}`` directory as a path of this machine; None where it isn't on this machine."""

    def import_module(self, module: str) -> None:
        """A module that many programs will run (``python -m``): what can be done beforehand, begins now."""

    def run(self, program: Program) -> Process:
        """Start a program. It isn't waited for."""

    def prepare(self, program: Program) -> Prepared:
        """Make a program ready, so that it begins at its moment as fast as this lab can.

        :raises LabError: it can't be started at all.
        """

    def replicate(self, name: str, argv: Sequence[str], files: Mapping[str, bytes], number: int) -> Replicas:
        """Start the same program so many times, on the machines of a cluster, with files in ``/generator``.

        :param argv: SIPp and Python are there.
        :raises LabError: this lab is on one machine; or the cluster refuses.
        """

    def clock_ahead(self) -> tuple[float, float]:
        """Seconds by which the clock of the machine that runs the lab is ahead of this one's, and by how much that
        may be wrong."""

    def command_inside(self, command: Sequence[str], *, on_machine: bool = False) -> PersonsCommand:
        """How a person on this machine runs a command inside of the lab, beside Kamailio: with its files.

        :param command: none: a shell.
        :param on_machine: with the machine's own files and programs instead, in the lab's network.
        :raises LabError: that can't be done in this lab.
        """

    def install_clock(self, library: bytes) -> MovedClock:
        """Have programs, and services that are restarted, run by a clock that can be moved, from now on.

        :param library: what they are started with (`rating_harness.lab.clock`).
        :raises LabError: this lab has none (`Capabilities.clock`).
        """

    def remove_clock(self) -> None:
        """Have programs, and services that are restarted, run by the machine's clock. Idempotent."""

    def stop(self) -> None:
        """Stop and remove everything that this lab made. Idempotent; it never raises for what is gone already."""
