"""The `local` driver: a lab's services and programs as processes of this machine, in namespaces of the lab's own.

Every host of the lab has an address of its own on the lab's loopback interface, and a name in the lab's hosts file.
Kamailio and SIPp run in a root filesystem, each with its own files laid over it; the harness's own services run on
the machine's file system. One small process, the holder, holds it all (`rating_harness.lab.local.holder`).
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from signal import SIGCONT, SIGSTOP, SIGTERM, Signals
from types import TracebackType
from typing import IO, Any, Literal, Self

from rating_harness.deadline import Deadline
from rating_harness.errors import LabError
from rating_harness.lab import lease as leasing
from rating_harness.lab.clock import ClockPage
from rating_harness.lab.lease import Lease, ProcessIdentity
from rating_harness.lab.local.client import (
    HolderClient,
    Started,
    environment_of_this_process,
    fork_server,
    start_holder,
)
from rating_harness.lab.local.hosts import NETWORK, NETWORK6, Hosts, hosts_file
from rating_harness.lab.local.layout import ANOTHER_DIRECTORY, PATH, Place, rewrite, skeleton
from rating_harness.lab.local.packet_filter import PacketFilter
from rating_harness.lab.local.process import DeferredProgram, LocalProcess, LocalService
from rating_harness.lab.local.programs import BIN, ProgramSource, choose, write_wrappers
from rating_harness.lab.local.shell import child_of, entering, program_in
from rating_harness.lab.local.state import LabState, read_state, write_state
from rating_harness.lab.local.threads import LabThreads
from rating_harness.lab.protocol import (
    SHELL,
    Capabilities,
    Driver,
    Endpoint,
    Host,
    PersonsCommand,
    Prepared,
    Process,
    Program,
    Replicas,
    Role,
    Service,
)

__all__ = ["LocalLab"]

CLOCK, LIBRARY, PAGE = "clock", "moved_clock.so", "moved_clock.page"
"""The directory of what the clock that can be moved takes, and the files in it and beside each process's sockets."""

CLOCK_VARIABLES = ("LD_PRELOAD", "RATING_CLOCK")

_LOCALHOST = "127.0.0.1 localhost\n::1 localhost\n"
_NO_RESOLVER = "options attempts:1 timeout:1\n"
"""Nobody answers DNS in the lab: a name that the hosts file lacks is unknown at once."""


class LocalLab:
    """Implements `rating_harness.lab.protocol.Lab`. Made by `open`, or found again by `attach`."""

    driver: Driver = "local"

    def __init__(self, directory: Path, lease: Lease, state: LabState, lifeline: IO[bytes] | None = None) -> None:
        self.id = lease.id
        self._directory = directory
        self._lease = lease
        self._state = state
        self._lifeline = lifeline
        self._client = HolderClient(directory)
        self._programs: list[LocalProcess] = []
        self._lock = threading.RLock()
        self._clock: ClockPage | None = None

    # --- beginning and end ------------------------------------------------------------------------------------------

    @classmethod
    def open(
        cls,
        *,
        release: str | Path | None = None,
        network: Literal["own", "host"] = "own",
        keep: bool = False,
        announce: Callable[[str], None] | None = None,
        packages: Sequence[str] = (),
    ) -> LocalLab:
        """A new lab, with nothing in it. The first one on a machine may have to make a root filesystem, for 30 s.

        :param release: where Kamailio and SIPp come from: ``trixie`` or ``sid`` (made and cached if need be), a root
            filesystem's directory, or None: the machine's own where they're good enough, else trixie.
        :param network: ``own``, or ``host``: the machine's network, on loopback addresses of the lab's own, for
            services outside of the lab on the machine's loopback.
        :param keep: the lab outlives this process, until `stop` or ``rating-harness clean``.
        :param announce: called with a line before anything that takes long; it goes to standard error by default.
        :param packages: of Debian's, to be in the root filesystem besides.
        :raises LabError: it could not be set up; nothing is left of it.
        """
        return cls._open(choose(release, announce, packages), own_network=network == "own", keep=keep)

    @classmethod
    def refused(cls) -> str | None:
        """Why a lab would have no namespaces of its own on this machine; None when it would.

        :raises LabError: no lab could be set up at all.
        """
        with cls._open(ProgramSource(None, None), own_network=True, keep=False) as lab:
            return lab.refusal

    @property
    def refusal(self) -> str | None:
        """Why this lab has no namespaces of its own; None when it has."""
        return self._state.refusal

    @classmethod
    def _open(cls, source: ProgramSource, *, own_network: bool, keep: bool) -> LocalLab:
        leasing.sweep()
        lab_id, directory = leasing.make_directory()
        lease = Lease.new(lab_id, "local", keep=keep)
        try:
            lease.write(directory)
            localhost = _LOCALHOST if own_network else _text("/etc/hosts")
            started = _start(directory, localhost, source, own_network=own_network, keep=keep)
            lease = replace(lease, holder=started.identity, contained=started.refusal is None)
            lease.write(directory)
            state = LabState(
                source=replace(source, enterable=started.enterable),
                own_network=own_network and started.refusal is None,
                refusal=started.refusal,
                lost=started.lost,
                localhost=localhost,
                hosts=_hosts_in(started.networks),
            )
            write_wrappers(directory / BIN, state.source)
            lab = cls(directory, lease, state, started.lifeline)
            lab._save()
        except OSError as error:
            leasing.remove(directory, Lease.read(directory))
            raise LabError(
                "the lab's directory can't be used",
                where=error.filename or str(directory),
                found=error.strerror or str(error),
                hint=ANOTHER_DIRECTORY,
            ) from error
        except BaseException:
            leasing.remove(directory, Lease.read(directory))
            raise
        return lab

    @classmethod
    def attach(cls, lab_id: str) -> LocalLab:
        """The lab with that id, opened by another process with ``keep``.

        :raises LabError: there is no such lab, or it has ended.
        """
        directory = leasing.base_directory() / lab_id
        lease = Lease.read(directory)
        if lease is None or lease.holder is None or not lease.holder.alive:
            raise LabError(f"there is no running lab {lab_id}", hint="`rating-harness clean --list` tells which run")
        if not lease.keep:
            raise LabError(f"lab {lab_id} ends with process {lease.owner.pid}", hint="open one that is kept")
        return cls(directory, lease, read_state(directory, HolderClient(directory)))

    def stop(self) -> None:
        with self._lock:
            # The holder is killed before its lifeline is cut: it would remove the directory at the same time.
            ended = leasing.remove(self._directory, self._lease)
            if self._lifeline:
                self._lifeline.close()
                self._lifeline = None
            if self._clock:
                self._clock.close()
                self._clock = None
            if not ended:
                raise LabError(f"lab {self.id} could not be ended", found="its holder outlives SIGKILL")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _save(self) -> None:
        if self._lease.keep:
            write_state(self._directory, self._state)

    # --- what it can do ---------------------------------------------------------------------------------------------

    @cached_property
    def capabilities(self) -> Capabilities:
        state = self._state
        why = dict(state.lost)
        if state.refusal:
            if not state.source.has_compilers:
                why["names"] = f"namespaces are refused ({state.refusal}), and there is no C compiler (tcc, cc)"
                why["clock"] = why["names"]
            why["isolated"] = f"namespaces are refused ({state.refusal})"
        if not state.own_network:
            why.setdefault("isolated", "the lab is to be in the machine's network")
            why["ipv6"] = "IPv6 has one loopback address only, and the lab is in the machine's network"
            why["unplug"] = "the lab is in the machine's network, whose packet filter isn't the lab's"
        elif not self._filter.works:
            why["unplug"] = "no iptables that works was found in the root filesystem or on the machine"
        return Capabilities(
            names="names" not in why,
            isolated="isolated" not in why,
            unplug="unplug" not in why,
            ipv6="ipv6" not in why,
            clock="clock" not in why,
            why=why,
        )

    # --- hosts ------------------------------------------------------------------------------------------------------

    def host(self, name: str, *aliases: str) -> Host:
        with self._lock:
            host, new = self._state.hosts.get(name, *aliases)
            if new:
                self._publish()
                if host.address6:
                    self._client.assign(host.address6)
            return host

    def release(self, name: str) -> None:
        with self._lock:
            if self._state.hosts.release(name):
                self._publish()

    def _publish(self) -> None:
        """Write the hosts file anew: as another file, or in place where it is mounted: a mount isn't of a name."""
        text = hosts_file(self._state.hosts.hosts, base=self._state.localhost).encode()
        hosts = self._directory / "hosts"
        try:
            if not self._state.source.enterable:
                new = self._directory / "hosts.new"
                new.write_bytes(text)
                new.replace(hosts)
            else:
                descriptor = os.open(hosts, os.O_WRONLY)
                try:
                    os.pwrite(descriptor, text, 0)
                    os.ftruncate(descriptor, len(text))
                finally:
                    os.close(descriptor)
        except FileNotFoundError as error:
            raise LabError("the lab has ended", hint="open another one") from error
        self._save()

    # --- services ---------------------------------------------------------------------------------------------------

    def start_service(self, service: Service, deadline: Deadline) -> Process:
        with self._lock:
            running = self._state.services.get(service.name)
            if running and running.poll() is None:
                raise LabError(f"the lab runs a service {service.name} already", hint="restart it")
            host = self.host(service.name, *service.aliases)
            if service.role == "kamailio":
                self._client.source(host.address, host.address6)
            started = self._prepare(service, host)
            started.start()
            self._state.services[service.name] = started
            self._save()
        started.await_ready(deadline)
        return started

    def _prepare(self, service: Service, host: Host) -> LocalService:
        """Put its files in place, and say how it is to be started."""
        place = self._make_place(f"s/{service.name}", service.role)
        moved = place.put_files(service.files, self._state.source.directories(service.role))
        values = {"{address}": host.address, "{address6}": host.address6 or "", "{run}": str(place.run)}
        words = [_fill(rewrite(word, moved), values) for word in service.command]
        environment = {name: rewrite(value, moved) for name, value in service.environment.items()}
        argv = self._state.source.command(service.role, words)
        return LocalService(
            service.name,
            host,
            place,
            self._client,
            self._request(place, argv, environment, working=False),
            service.ports,
            service.sockets,
            service.ready,
            self._state.own_network,
        )

    def service(self, name: str) -> LocalService:
        return self._state.services[name]

    def restart_service(self, name: str, deadline: Deadline, *, how: Signals = SIGTERM) -> Process:
        service = self.service(name)
        service.end(deadline, how)
        with self._lock:
            service.start()
            self._save()
        service.await_ready(deadline)
        return service

    def stop_service(self, name: str, deadline: Deadline, *, how: Signals = SIGTERM) -> None:
        self.service(name).end(deadline, how)

    def endpoint(self, service: str, port: int) -> Endpoint:
        return self.service(service).endpoint(port)

    def published(self, service: str, port: int) -> str:
        return f"{self.service(service).host.address}:{port}"

    def run_directory(self, service: str) -> str | None:
        return str(self.service(service).place.run)

    # --- programs ---------------------------------------------------------------------------------------------------

    def run(self, program: Program) -> Process:
        with self._lock:
            self._programs = [known for known in self._programs if not known.removed]
            if any(known.name == program.name for known in self._programs):
                raise LabError(f"the lab has a program {program.name} already", hint="remove it first")
            place = self._make_place(f"p/{program.name}", program.role)
            argv = self._state.source.command(program.role, program.argv)
            request = self._request(place, argv, {}, working=True)
            # A fork has the libraries of its server, which goes by the machine's clock.
            if self._clock is None and program.role == "harness" and program.argv[:2] == ("python", "-m"):
                request = self._forked(request, *program.argv[2:])
            process = LocalProcess(program.name, program.host, place, self._client, request)
            self._programs.append(process)
        place.put_work(program.files)
        try:
            process.start()
        except LabError:
            process.remove()
            raise
        return process

    def prepare(self, program: Program) -> Prepared:
        return DeferredProgram(program, self.run)

    def import_module(self, module: str) -> None:
        self._client.import_module(self._forked({}, module))

    def _forked(self, request: Mapping[str, Any], module: str, *words: str) -> Mapping[str, Any]:
        """The request, to be met by a fork of a Python that has imported the module."""
        place = self._make_place(f"fork-server-{module}", "harness")
        server = self._request(place, fork_server(self._directory, module), {}, working=True)
        return {**request, "module": module, "words": words, "server": server}

    @property
    def _holder(self) -> ProcessIdentity:
        if self._lease.holder is None:
            raise LabError("the lab has ended", hint="open another one")
        return self._lease.holder

    def command_inside(self, command: Sequence[str], *, on_machine: bool = False) -> PersonsCommand:
        """As in the protocol; what Kamailio's root filesystem lacks, such as psql or sngrep, is the machine's."""
        argv, holder = tuple(command) or SHELL, self._holder
        root = self._state.source.root("kamailio")
        if root is None or on_machine or not program_in(root, PATH, argv[0]):
            environment = environment_of_this_process(self._directory / BIN)
            return PersonsCommand((*entering(holder.pid, root=False), *argv), environment)
        kept = {name: os.environ[name] for name in ("TERM", "COLORTERM") if name in os.environ}
        environment = {"PATH": PATH, "HOME": "/tmp", "LANG": "C.UTF-8", **kept}
        fifo = Path("/run/kamailio_rpc.fifo")
        if "kamailio" in self._state.services and self.service("kamailio").place.find(str(fifo)).exists():
            environment["RPCFIFOPATH"] = str(fifo)  # kamctl(8) has another path in Debian's packages
        return PersonsCommand((*entering(child_of(holder.pid, "kamailio"), root=True), *argv), environment)

    # --- the clock --------------------------------------------------------------------------------------------------

    def replicate(self, name: str, argv: Sequence[str], files: Mapping[str, bytes], number: int) -> Replicas:
        raise LabError("this lab is on one machine", hint="generators on several need --lab docker")

    def clock_ahead(self) -> tuple[float, float]:
        return 0.0, 0.0

    def install_clock(self, library: bytes) -> ClockPage:
        """As in the protocol. The page is the same file under a name of each process's own, which it finds wherever
        its root is.
        """
        if not self.capabilities.clock:
            raise LabError("this lab has no clock that can be moved", found=self.capabilities.why["clock"])
        self.remove_clock()
        (self._directory / CLOCK).mkdir(exist_ok=True)
        (self._directory / CLOCK / LIBRARY).write_bytes(library)
        self._clock = ClockPage(self._directory / CLOCK / PAGE, self._threads)
        self._renew_environments()
        return self._clock

    def _threads(self) -> LabThreads:
        return LabThreads(self._holder.pid)

    def remove_clock(self) -> None:
        if self._clock is not None:
            self._clock.close()
            self._clock = None
            shutil.rmtree(self._directory / CLOCK)
            self._renew_environments()

    def _renew_environments(self) -> None:
        for service in self._state.services.values():
            kept = {
                name: text for name, text in service.request["environment"].items() if name not in CLOCK_VARIABLES
            }
            environment = {**kept, **self._clock_environment(service.place)}
            service.request = {**service.request, "environment": environment}
        self._save()

    def _clock_environment(self, place: Place) -> Mapping[str, str]:
        if self._clock is None:
            return {}
        for name in (LIBRARY, PAGE):
            (place.run / name).unlink(missing_ok=True)
            os.link(self._directory / CLOCK / name, place.run / name)
        return dict(zip(CLOCK_VARIABLES, (str(place.run / LIBRARY), str(place.run / PAGE)), strict=True))

    # --- faults -----------------------------------------------------------------------------------------------------

    def pause(self, name: str) -> None:
        self._signal_host(name, SIGSTOP)

    def resume(self, name: str) -> None:
        self._signal_host(name, SIGCONT)

    def _signal_host(self, name: str, signum: Signals) -> None:
        with self._lock:
            there = [*self._state.services.values(), *self._programs]
        running = [process for process in there if name in _names(process.host) and process.poll() is None]
        if not running:
            raise LabError(f"nothing runs on host {name}")
        for process in running:
            process.signal_group(signum)

    def disconnect(self, name: str) -> None:
        self._filter.disconnect(self._connectable(name))

    def reconnect(self, name: str) -> None:
        self._filter.reconnect(self._connectable(name))

    def _connectable(self, name: str) -> Host:
        if not self.capabilities.unplug:
            raise LabError(f"{name} can't be unplugged", found=self.capabilities.why["unplug"])
        hosts = self._state.hosts.hosts
        if name not in hosts:
            raise LabError(f"the lab has no host {name}", expected=f"one of {', '.join(hosts)}")
        return hosts[name]

    @cached_property
    def _filter(self) -> PacketFilter:
        return PacketFilter(self._tool)

    def _tool(self, *argv: str) -> tuple[int, str]:
        with self._lock:
            place = self._make_place("tool", "sipp")
            environment = {"XTABLES_LOCKFILE": f"{place.run}/xtables.lock"}
            request = self._request(place, argv, environment, working=True)
            process = LocalProcess(argv[0], Host(argv[0], ""), place, self._client, request)
            try:
                process.start()
                return process.wait(Deadline(10)), process.output()
            except LabError as error:
                return 127, str(error)
            finally:
                process.remove()

    # --- processes --------------------------------------------------------------------------------------------------

    def _make_place(self, name: str, role: Role) -> Place:
        place = Place(self._directory / name, self._state.source.root(role))
        place.make()
        return place

    def _request(
        self, place: Place, argv: Sequence[str], environment: Mapping[str, str], *, working: bool
    ) -> Mapping[str, Any]:
        inherited = environment_of_this_process(self._directory / BIN) if place.root is None else {}
        marked = {**inherited, **environment, **self._clock_environment(place), leasing.MARK: self.id}
        return {**place.request(argv, marked, working=working, shared=self._directory), "module": None}


def _start(directory: Path, localhost: str, source: ProgramSource, *, own_network: bool, keep: bool) -> Started:
    """Lay out the lab's directory, and start its holder."""
    skeleton(directory / "skeleton")
    for name in ("root", "s", "p"):
        (directory / name).mkdir()
    (directory / "hosts").write_text(localhost, encoding="utf-8")
    resolver = _NO_RESOLVER if own_network else _text("/etc/resolv.conf")
    (directory / "resolv.conf").write_text(resolver, encoding="utf-8")
    binds = {
        "/etc/hosts": directory / "hosts",
        "/etc/resolv.conf": directory / "resolv.conf",
        "/etc/gai.conf": directory / "skeleton/etc/gai.conf",
    }
    networks = {str(network): str(network[1]) for network in (NETWORK, NETWORK6)}
    return start_holder(
        directory, own_network=own_network, networks=networks, binds=binds, roots=source.roots, keep=keep
    )


def _hosts_in(networks: Sequence[str]) -> Hosts:
    network = next(IPv4Network(network) for network in networks if ":" not in network)
    network6 = next((IPv6Network(network) for network in networks if ":" in network), None)
    return Hosts(network, network6)


def _names(host: Host) -> tuple[str, ...]:
    return host.name, *host.aliases


def _fill(word: str, values: Mapping[str, str]) -> str:
    for placeholder, value in values.items():
        word = word.replace(placeholder, value)
    return word


def _text(path: str) -> str:
    """The file's text; none when it isn't there."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
