"""The `local` driver: a lab's services and programs as processes of this machine, in namespaces of the lab's own.

Every host of the lab has an address of its own on the lab's loopback interface, and a name in the lab's hosts file.
Kamailio and SIPp run in a root filesystem, each with its own files laid over it; the harness's own services run on
the machine's file system. One small process, the holder, holds it all (`harness.lab.local.holder`).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from harness.deadline import Deadline
from harness.errors import LabError, Timeout
from harness.lab import lease as leasing
from harness.lab import rootfs
from harness.lab.binaries import borrowed, find_kamailio, find_sipp
from harness.lab.lease import Lease
from harness.lab.local.cable import Cable
from harness.lab.local.client import HolderClient, Started, environment_of_this_process, start_holder
from harness.lab.local.layout import Place, rewrite, skeleton
from harness.lab.local.network import NETWORK, NETWORK6, Hosts, hosts_file
from harness.lab.local.process import LocalProcess
from harness.lab.protocol import Capabilities, Driver, Endpoint, Host, Process, Program, Role, Service
from harness.lab.ready import await_ready, check_alive

__all__ = ["LocalLab"]

_STATE = "lab.json"
_LOCALHOST = "127.0.0.1 localhost\n::1 localhost\n"
_TERMINATION = 5.0
"""Seconds that a service has to end in good order before it is killed."""


class LocalLab:
    """Implements `harness.lab.protocol.Lab`. Made by `open`, or found again by `attach`."""

    driver: Driver = "local"

    def __init__(self, lab_id: str, directory: Path, lease: Lease, state: Mapping[str, Any]) -> None:
        self.id = lab_id
        self._directory = directory
        self._lease = lease
        self._lifeline: Any = None
        self._lock = threading.RLock()
        self._client = HolderClient(directory)
        self._release: str | None = state["release"]
        self._own_network: bool = state["own_network"]
        self._refusal: str | None = state["refusal"]
        self._lost: dict[str, str] = dict(state["lost"])
        self._base: str = state["base"]
        self._hosts = Hosts.from_json(state["hosts"])
        self._services: dict[str, LocalProcess] = {}
        self._specifications: dict[str, dict[str, Any]] = dict(state["services"])
        self._programs: dict[str, LocalProcess] = {}

    # --- beginning and end ------------------------------------------------------------------------------------------

    @classmethod
    def open(
        cls,
        *,
        release: str | Path | None = None,
        network: Literal["own", "host"] = "own",
        keep: bool = False,
    ) -> LocalLab:
        """A new lab, with nothing in it.

        :param release: where Kamailio and SIPp come from: ``trixie`` or ``sid`` (made and cached if need be), a root
            filesystem's directory, or None: the machine's own where they're good enough, else trixie.
        :param network: ``own``, or ``host``: the machine's network, on loopback addresses of the lab's own, for
            services outside of the lab on the machine's loopback.
        :param keep: the lab outlives this process, until `stop` or ``rating-harness clean``.
        :raises LabError: it could not be set up.
        """
        leasing.sweep()
        if release not in (None, "trixie", "sid"):
            release = rootfs.check(Path(release))
        lab_id, directory = leasing.make_directory()
        lease = Lease.new(lab_id, "local", keep=keep)
        lease.write(directory)
        try:
            return cls._start(lab_id, directory, lease, str(release) if release else None, network == "own")
        except BaseException:
            leasing.remove(directory, Lease.read(directory))
            raise

    @classmethod
    def _start(cls, lab_id: str, directory: Path, lease: Lease, release: str | None, own_network: bool) -> LocalLab:
        skeleton(directory / "skeleton")
        (directory / "root").mkdir()
        base = _LOCALHOST if own_network else Path("/etc/hosts").read_text(encoding="utf-8", errors="replace")
        (directory / "hosts").write_text(base, encoding="utf-8")
        # Nobody answers DNS in the lab: a name that the hosts file lacks is unknown at once.
        resolver = "options attempts:1 timeout:1\n" if own_network else _resolver_of_the_machine()
        (directory / "resolv.conf").write_text(resolver, encoding="utf-8")
        binds = [(directory / "hosts", "/etc/hosts"), (directory / "skeleton/etc/gai.conf", "/etc/gai.conf")]
        if own_network:
            binds.append((directory / "resolv.conf", "/etc/resolv.conf"))
        started = start_holder(
            directory,
            own_network=own_network,
            networks={str(network): str(network[1]) for network in (NETWORK, NETWORK6)},
            binds=binds,
            keep=lease.keep,
        )
        lease = replace(lease, holder=started.identity, contained=started.refusal is None)
        lease.write(directory)
        own_network = own_network and started.refusal is None
        lab = cls(
            lab_id,
            directory,
            lease,
            {
                "release": release,
                "own_network": own_network,
                "refusal": started.refusal,
                "lost": started.lost,
                "base": base,
                "hosts": _hosts_of(started).to_json(),
                "services": {},
            },
        )
        lab._lifeline = started.lifeline
        lab._save()
        return lab

    @classmethod
    def attach(cls, lab_id: str) -> LocalLab:
        """The lab with that id, opened by another process with ``keep``.

        :raises LabError: there is no such lab, or it has ended.
        """
        directory = leasing.base_directory() / lab_id
        lease = Lease.read(directory)
        if lease is None or lease.holder is None or not lease.holder.alive:
            raise LabError(f"there is no running lab {lab_id}", hint="open one, or ask `rating-harness clean --list`")
        state = json.loads((directory / _STATE).read_bytes())
        lab = cls(lab_id, directory, lease, state)
        for name, facts in state["services"].items():
            lab._services[name] = LocalProcess.from_json(
                facts["process"], lab._hosts.hosts[name], directory / "s" / name, lab._client
            )
        return lab

    def stop(self) -> None:
        with self._lock:
            # The holder is killed before its lifeline is cut: it would remove the directory at the same time.
            leasing.remove(self._directory, self._lease)
            if self._lifeline:
                self._lifeline.close()
                self._lifeline = None
            self._services.clear()
            self._programs.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _save(self) -> None:
        """Write down what `attach` needs."""
        if not self._lease.keep:
            return
        services = {
            name: {**self._specifications[name], "process": process.to_json()}
            for name, process in self._services.items()
        }
        state = {
            "release": self._release,
            "own_network": self._own_network,
            "refusal": self._refusal,
            "lost": self._lost,
            "base": self._base,
            "hosts": self._hosts.to_json(),
            "services": services,
        }
        temporary = self._directory / f".{_STATE}"
        temporary.write_text(json.dumps(state), encoding="utf-8")
        temporary.replace(self._directory / _STATE)

    # --- what it can do ---------------------------------------------------------------------------------------------

    @property
    def refusal(self) -> str | None:
        """Why the lab has no namespaces of its own; None when it has."""
        return self._refusal

    @cached_property
    def capabilities(self) -> Capabilities:
        why = dict(self._lost)
        if self._refusal:
            why["names"] = (
                f"namespaces are refused ({self._refusal}), so that nothing can have a hosts file of its own"
            )
            why["isolated"] = f"namespaces are refused ({self._refusal})"
        if not self._own_network:
            why.setdefault("isolated", "the lab was asked to be in the machine's network")
            why["ipv6"] = "IPv6 has one loopback address only, and the lab is in the machine's network"
            why["unplug"] = "the lab is in the machine's network, whose packet filter isn't the lab's"
        elif not self._cable.works:
            why["unplug"] = "no iptables that works was found in the root filesystem or on the machine"
        return Capabilities(
            names="names" not in why,
            isolated="isolated" not in why,
            unplug="unplug" not in why,
            ipv6="ipv6" not in why,
            why=why,
        )

    # --- hosts ------------------------------------------------------------------------------------------------------

    def host(self, name: str, *aliases: str) -> Host:
        with self._lock:
            host, new = self._hosts.get(name, *aliases)
            if new:
                self._publish()
                if host.address6:
                    self._client.assign(host.address6)
            return host

    def release(self, name: str) -> None:
        with self._lock:
            if self._hosts.release(name):
                self._publish()

    def _publish(self) -> None:
        """Rewrite the hosts file in place: it is mounted, and a mount is of a file, not of a name."""
        text = hosts_file(self._hosts.hosts, base=self._base).encode()
        try:
            descriptor = os.open(self._directory / "hosts", os.O_WRONLY)
        except FileNotFoundError as error:
            raise LabError("the lab has ended", hint="open another one") from error
        try:
            os.pwrite(descriptor, text, 0)
            os.ftruncate(descriptor, len(text))
        finally:
            os.close(descriptor)
        self._save()

    # --- services ---------------------------------------------------------------------------------------------------

    def start_service(self, service: Service, deadline: Deadline) -> Process:
        with self._lock:
            if service.name in self._services and self._services[service.name].poll() is None:
                raise LabError(
                    f"the lab runs a service {service.name} already", hint="restart it, or give another name"
                )
            host = self.host(service.name, *service.aliases)
            place = self._make_place(f"s/{service.name}", service.role)
            moved = place.put_files(service.files)
            values = {"{address}": host.address, "{address6}": host.address6 or "", "{run}": str(place.run)}
            words = [_fill(rewrite(word, moved), values) for word in service.command]
            process = self._process(
                service.name,
                host,
                place,
                self._command(service.role, words),
                {name: rewrite(value, moved) for name, value in service.environment.items()},
                working=False,
            )
            if service.role == "kamailio":
                self._client.source(host.address, host.address6)
            self._specifications[service.name] = {
                "ports": list(service.ports),
                "sockets": {str(port): name for port, name in service.sockets.items()},
                "ready": service.ready,
            }
            self._begin(process)
        self._await_ready(process, deadline)
        return process

    def _begin(self, process: LocalProcess) -> None:
        """Start a service, again or for the first time. The sockets of one that died would be in its way."""
        for socket_name in self._specifications[process.name]["sockets"].values():
            (process.place.run / socket_name).unlink(missing_ok=True)
        process.start()
        self._services[process.name] = process
        self._save()

    def service(self, name: str) -> LocalProcess:
        return self._services[name]

    def restart_service(self, name: str, deadline: Deadline, *, how: signal.Signals = signal.SIGTERM) -> Process:
        process = self._services[name]
        self.stop_service(name, deadline, how=how)
        with self._lock:
            self._begin(process)
        self._await_ready(process, deadline)
        return process

    def stop_service(self, name: str, deadline: Deadline, *, how: signal.Signals = signal.SIGTERM) -> None:
        process = self._services[name]
        if how == signal.SIGKILL:
            process.signal_group(how)
        else:
            process.signal(how)
            process.signal_group(signal.SIGCONT)
            try:
                process.wait(deadline.at_most(_TERMINATION))
            except Timeout:
                process.signal_group(signal.SIGKILL)
        process.wait(Deadline(_TERMINATION))

    def _await_ready(self, process: LocalProcess, deadline: Deadline) -> None:
        specification = self._specifications[process.name]
        if specification["ready"] is None:
            check_alive(process)
        else:
            endpoint = self.endpoint(process.name, specification["ports"][0])
            await_ready(process, endpoint, specification["ready"], deadline)

    def endpoint(self, service: str, port: int) -> Endpoint:
        process = self._services[service]
        socket_name = self._specifications[service]["sockets"].get(str(port))
        if socket_name:
            return Endpoint(f"http://{service}", str(process.place.run / socket_name))
        if self._own_network:
            raise LabError(
                f"port {port} of {service} can't be reached from outside of the lab's network",
                expected="a Unix socket for it in the service's `sockets`",
            )
        return Endpoint(f"http://{process.host.address}:{port}")

    def run_directory(self, service: str) -> str | None:
        return str(self._services[service].place.run)

    # --- programs ---------------------------------------------------------------------------------------------------

    def run(self, program: Program) -> Process:
        with self._lock:
            directory = f"p/{program.name}"
            if (self._directory / directory).exists():
                raise LabError(f"the lab has a program {program.name} already", hint="remove it first")
            place = self._make_place(directory, program.role)
        place.put_work(program.files)
        argv = self._command(program.role, program.argv)
        process = self._process(program.name, program.host, place, argv, {}, working=True)
        process.start()
        self._programs[program.name] = process
        return process

    # --- faults -----------------------------------------------------------------------------------------------------

    def pause(self, name: str) -> None:
        self._signal_host(name, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        self._signal_host(name, signal.SIGCONT)

    def _signal_host(self, name: str, signum: signal.Signals) -> None:
        with self._lock:
            there = [*self._services.values(), *self._programs.values()]
        processes = [process for process in there if name in (process.host.name, *process.host.aliases)]
        if not processes:
            raise LabError(f"nothing runs on host {name}")
        for process in processes:
            process.signal_group(signum)

    def disconnect(self, name: str) -> None:
        self._cable.unplug(self._pluggable(name))

    def reconnect(self, name: str) -> None:
        self._cable.plug(self._pluggable(name))

    def _pluggable(self, name: str) -> Host:
        if not self.capabilities.unplug:
            raise LabError(f"{name} can't be unplugged", found=self.capabilities.why["unplug"])
        host = self._hosts.hosts.get(name)
        if host is None:
            raise LabError(f"the lab has no host {name}", expected=f"one of {', '.join(self._hosts.hosts)}")
        return host

    @cached_property
    def _cable(self) -> Cable:
        return Cable(self._tool)

    def _tool(self, *argv: str) -> tuple[int, str]:
        with self._lock:
            place = self._make_place("tool", "sipp")
            environment = {"XTABLES_LOCKFILE": f"{place.run}/xtables.lock"}
            process = self._process(argv[0], Host(argv[0], ""), place, argv, environment, working=True)
            try:
                process.start()
                return process.wait(Deadline(10)), process.output()
            except LabError as error:
                return 127, str(error)
            finally:
                process.remove()

    # --- where things come from -------------------------------------------------------------------------------------

    def _make_place(self, name: str, role: Role) -> Place:
        entered = role != "harness" and not self._refusal and not self._machine_serves(role)
        place = Place(self._directory / name, self._root_filesystem if entered else None)
        place.make()
        return place

    def _process(
        self,
        name: str,
        host: Host,
        place: Place,
        argv: Sequence[str],
        environment: Mapping[str, str],
        *,
        working: bool,
    ) -> LocalProcess:
        inherited = environment_of_this_process() if place.root is None else {}
        environment = {**inherited, **environment, leasing.MARK: self.id}
        request = place.request(argv, environment, working=working, shared=self._directory)
        return LocalProcess(name, host, place, self._client, request)

    def _command(self, role: Role, argv: Sequence[str]) -> list[str]:
        """The command as it is to be executed, whose program may not be where its name says."""
        if role == "harness":
            own = {"python": [sys.executable], "rating-harness": [sys.executable, "-m", "harness"]}
            return [*own.get(argv[0], argv[:1]), *argv[1:]]
        if self._refusal and not self._machine_serves(role):
            return borrowed(self._root_filesystem, argv)
        return list(argv)

    def _machine_serves(self, role: Literal["kamailio", "sipp"]) -> bool:
        return self._release is None and (find_kamailio() if role == "kamailio" else find_sipp()).good

    @cached_property
    def _root_filesystem(self) -> Path:
        match self._release:
            case None | "trixie":
                return rootfs.ensure("trixie")
            case "sid":
                return rootfs.ensure("sid")
            case path:
                return Path(path)


def _fill(word: str, values: Mapping[str, str]) -> str:
    for placeholder, value in values.items():
        word = word.replace(placeholder, value)
    return word


def _resolver_of_the_machine() -> str:
    path = Path("/etc/resolv.conf")
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


def _hosts_of(started: Started) -> Hosts:
    network6 = next((IPv6Network(network) for network in started.networks if ":" in network), None)
    network = next(IPv4Network(network) for network in started.networks if ":" not in network)
    return Hosts(network, network6)
