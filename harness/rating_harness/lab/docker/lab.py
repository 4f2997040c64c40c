"""The `docker` driver: a lab's services and programs as containers of a Docker engine, here or on another machine.

Every host of the lab is a container (`rating_harness.lab.docker.host`) on the lab's own network, and every process is
one more that shares its host's network. Files go in and come out as archives, never as bind mounts, so that the
engine may be on another machine. All that a lab makes carries its id and its lease.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from functools import cached_property
from types import MappingProxyType, TracebackType
from typing import Self, get_args

from rating_harness.deadline import Deadline
from rating_harness.errors import LabError, MissingTool, Timeout
from rating_harness.lab.docker import network as networks
from rating_harness.lab.docker.archive import pack
from rating_harness.lab.docker.cleanup import remove_lab, sweep
from rating_harness.lab.docker.engine import Engine, connect, engine_errors
from rating_harness.lab.docker.held import GATE, HeldProgram, held_command
from rating_harness.lab.docker.host import EGRESS_SINCE, HostContainer, Published
from rating_harness.lab.docker.images import Images
from rating_harness.lab.docker.labels import HOST, IMAGES, LAB, LEASE, PROCESS, SERVICE, DockerLease, ServiceFacts
from rating_harness.lab.docker.network import LabNetwork
from rating_harness.lab.docker.process import WORK, ContainerProcess
from rating_harness.lab.docker.swarm import ReplicatedJob, check_manager, clock_of
from rating_harness.lab.local.hosts import Hosts
from rating_harness.lab.local.layout import IPV4_FIRST
from rating_harness.lab.protocol import (
    SHELL,
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
from rating_harness.lab.ready import await_ready, check_alive
from rating_harness.lab.rootfs import Release

__all__ = ["DockerLab"]

RUN = "/run/lab"
"""A service's ``{run}``, inside its container."""

TERMINATION = 5.0
"""Seconds that a service has to end in good order before it's killed."""

THREADS = 8

GENERATOR = "generator"
"""Of what runs on other machines: among the images, as a role is."""

HELD_WITHIN = 30.0
"""Seconds within which a program that is prepared waits for its moment, its imports included."""


NO_CLOCK = (
    "its page and its library are files of this machine, which no container has: each is made before it's known "
    "whether its clock is to be moved, by an engine that may be elsewhere; --lab local has such a clock"
)
"""Why a lab in Docker can't put its clock forward (`rating_harness.lab.clock`)."""


class DockerLab:
    """Implements `rating_harness.lab.protocol.Lab`. Made by `open`, or found again by `attach`."""

    driver: Driver = "docker"

    def __init__(
        self, lab_id: str, engine: Engine, images: Mapping[str, str], network: LabNetwork, lease: DockerLease
    ) -> None:
        self.id = lab_id
        self._engine = engine
        self._images = images
        self._network = network
        self._labels = {LAB: lab_id, LEASE: lease.label()}
        self._hosts = Hosts(network.subnet, network.subnet6)
        self._containers: dict[str, Future[HostContainer]] = {}
        self._services: dict[str, tuple[ServiceFacts, ContainerProcess]] = {}
        self._processes: list[ContainerProcess] = []
        self._vacant: list[HostContainer] = []
        self._removals: list[Future[None]] = []
        self._lock = threading.RLock()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"lab-{lab_id}")

    # --- beginning and end ------------------------------------------------------------------------------------------

    @classmethod
    def open(
        cls,
        *,
        release: str = "trixie",
        images: Mapping[str, str] = MappingProxyType({}),
        keep: bool = False,
        packages: Sequence[str] = (),
        swarm: bool = False,
    ) -> DockerLab:
        """A new lab, with nothing in it.

        :param release: the Debian of the images that are built, ``trixie`` or ``sid``; or an image for Kamailio.
        :param images: role or service name -> an image to be used instead of the built one.
        :param keep: the lab outlives this process, until `stop` or ``rating-harness clean``.
        :param packages: of Debian's, to be in the image for Kamailio besides.
        :param swarm: its network is one of all machines of the engine's swarm, on which `replicate` starts programs.
        :raises MissingTool: no engine answers.
        :raises ImageError: an image could not be built.
        :raises LabError: the engine refuses.
        """
        debian: Release | None = next((name for name in get_args(Release) if name == release), None)
        chosen = images if debian else {"kamailio": release, **images}
        lease = DockerLease.own(keep=keep)
        lab_id = secrets.token_hex(4)
        with _connected() as engine:
            # What a broken engine doesn't remove is no concern of this lab; `rating-harness clean` says what it is.
            with suppress(LabError):
                sweep(engine)
            if swarm:
                check_manager(engine)
            builder = Images(engine, debian or "trixie", chosen, packages=tuple(packages))
            ids = builder.ensure()
            if swarm:
                ids[GENERATOR] = builder.generator()
            labels = {LAB: lab_id, LEASE: lease.label(), IMAGES: json.dumps(ids)}
            network = networks.create(engine, _name(lab_id), labels, overlay=swarm)
            return cls(lab_id, engine, ids, network, lease)

    @classmethod
    def attach(cls, lab_id: str) -> DockerLab:
        """The lab with that id, opened by another process.

        :raises LabError: the engine has none.
        """
        with _connected() as engine:
            network, labels = networks.find(engine, _name(lab_id))
            lease = DockerLease.parse(labels[LEASE])
            if lease is None:
                raise LabError(f"the lab {lab_id} is of another version of the harness")
            lab = cls(lab_id, engine, json.loads(labels[IMAGES]), network, lease)
            with engine_errors(f"looking for the containers of the lab {lab_id}"):
                containers = engine.client.api.containers(all=True, filters={"label": f"{LAB}={lab_id}"})
            for container in containers:
                lab._adopt(container["Id"], container["Labels"])
            return lab

    def _adopt(self, container: str, labels: Mapping[str, str]) -> None:
        if HOST in labels:
            found = HostContainer.find(self._engine, self._network, container)
            if found.host is None:
                self._vacant.append(found)
                return
            self._hosts.hosts[found.host.name] = found.host
            self._containers[found.host.name] = Future()
            self._containers[found.host.name].set_result(found)
            return
        process = ContainerProcess(self._engine, container, labels[PROCESS], labels[PROCESS])
        self._processes.append(process)
        if SERVICE in labels:
            self._services[process.name] = ServiceFacts.parse(labels[SERVICE]), process

    def _begin_host(self, host: Host, published: Published = MappingProxyType({})) -> Future[HostContainer]:
        """Called with the lock held. A host waits for the removals that were queued before it, and for no later one:
        that may be its own, which waits for it.

        :raises LabError: the lab has ended.
        """
        try:
            return self._threads.submit(self._make_host, host, published, tuple(self._removals))
        except RuntimeError:
            raise LabError("the lab has ended", hint="open another one") from None

    def stop(self) -> None:
        self._threads.shutdown(cancel_futures=True)
        remove_lab(self._engine, self.id)
        with self._lock:
            self._hosts.hosts.clear()
            self._containers.clear()
            self._services.clear()
            for process in self._processes:
                process.close_input()
            self._processes.clear()
            self._vacant.clear()
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- what it can do ---------------------------------------------------------------------------------------------

    @cached_property
    def capabilities(self) -> Capabilities:
        why = {}
        if self._engine.kernel < EGRESS_SINCE:
            version, needed = (".".join(map(str, kernel)) for kernel in (self._engine.kernel, EGRESS_SINCE))
            why["unplug"] = f"the engine's kernel is {version}, and dropping packets unnoticed takes {needed}"
        if self._network.subnet6 is None:
            why["ipv6"] = self._network.why or "the lab's network was made without it"
        why["clock"] = NO_CLOCK
        return Capabilities(unplug="unplug" not in why, ipv6="ipv6" not in why, why=why)

    # --- hosts ------------------------------------------------------------------------------------------------------

    def host(self, name: str, *aliases: str) -> Host:
        """As in the protocol. The host's container is started in the background."""
        with self._lock:
            host, new = self._hosts.get(name, *aliases)
            known = self._containers.get(name)
            if known is None:
                self._containers[name] = self._begin_host(host)
        if known is not None and new:
            container = known.result()
            container.vacate()
            container.occupy(host)
        return host

    def _make_host(self, host: Host, published: Published, removals: Iterable[Future[None]]) -> HostContainer:
        # So that no name is two hosts'. One that failed is no concern of those that follow: what is left is removed,
        # or raised, at the lab's end.
        wait(removals)
        with self._lock:
            vacant = self._vacant.pop() if self._vacant and not published else None
        if vacant is not None:
            vacant.occupy(host)
            return vacant
        return HostContainer.create(
            self._engine,
            self._network,
            host,
            image=self._images["sipp"],
            name=f"{_name(self.id)}-host-{secrets.token_hex(2)}",
            labels=self._labels,
            published=published,
        )

    def _host_container(self, name: str) -> HostContainer:
        with self._lock:
            container = self._containers.get(name)
        if container is None:
            raise LabError(f"the lab has no host {name}", expected=f"one of {', '.join(self._containers) or 'none'}")
        return container.result()

    def release(self, name: str) -> None:
        """As in the protocol. It's cleared in the background; nothing is started until it's gone."""
        with self._lock:
            container = self._containers.pop(name, None)
            self._hosts.release(name)
            self._services.pop(name, None)
            processes = [process for process in self._processes if process.host == name]
            self._processes = [process for process in self._processes if process.host != name]
            if container is not None:
                self._removals = [removal for removal in self._removals if not removal.done()]
                self._removals.append(self._threads.submit(self._clear, container, processes))

    def _clear(self, host: Future[HostContainer], processes: Iterable[ContainerProcess]) -> None:
        container = host.result()
        try:
            for process in processes:
                process.remove()
            if container.reusable:
                container.vacate()
        except LabError:
            container.reusable = False
        if container.reusable:
            with self._lock:
                self._vacant.append(container)
        else:
            container.remove()

    # --- services ---------------------------------------------------------------------------------------------------

    def command_inside(self, command: Sequence[str], *, on_machine: bool = False) -> PersonsCommand:
        if on_machine:
            hint = "containers are reached by their addresses: `rating-harness status`"
            raise LabError("a lab in Docker has nothing of the machine's files inside", hint=hint)
        docker = shutil.which("docker")
        if docker is None:
            hint = f"docker exec -it {self.service('kamailio').container} bash, from where there is one"
            raise MissingTool("there is no docker command, which enters a container", hint=hint)
        terminal = ("--interactive", "--tty") if os.isatty(0) and os.isatty(1) else ("--interactive",)
        fifo = ("--env", f"RPCFIFOPATH={RUN}/kamailio_rpc.fifo")  # kamctl(8) has another path in Debian's packages
        argv = (docker, "exec", *terminal, *fifo, self.service("kamailio").container, *(tuple(command) or SHELL))
        return PersonsCommand(argv, dict(os.environ))

    def install_clock(self, library: bytes) -> MovedClock:
        raise LabError("this lab has no clock that can be moved", found=self.capabilities.why["clock"])

    def remove_clock(self) -> None:
        pass

    def start_service(self, service: Service, deadline: Deadline) -> Process:
        self._forget_ended(service.name)
        host = self.host(service.name, *service.aliases)
        container = self._host_container(host.name)
        published = self._ports_to_publish(service)
        if any(container.published(port) is None for port in published):
            # Ports are published when a container is made, and only now are they known.
            container.remove()
            with self._lock:
                self._containers[host.name] = self._begin_host(host, published)
        values = {"{address}": host.address, "{address6}": host.address6 or "", "{run}": RUN}
        facts = ServiceFacts(service.name, service.ports, service.ready)
        process = self._create(
            service.name,
            host.name,
            image=self._images.get(service.name) or self._images[service.role],
            command=[_fill(word, values) for word in service.command],
            files=service.files,
            directories=[RUN],
            environment=service.environment,
            labels={SERVICE: facts.label()},
        )
        self._services[service.name] = facts, process
        process.start()
        self._await_ready(facts, process, deadline)
        return process

    @cached_property
    def _reachable(self) -> bool:
        """Whether this machine reaches the lab's addresses. Podman makes a bridge only for its first container."""
        return networks.is_local(self._network.gateway)

    def _ports_to_publish(self, service: Service) -> Published:
        """Those that a person wants, and on an engine that is elsewhere those that the harness itself needs."""
        wanted: dict[int | str, tuple[str, int | None]] = {}
        if not self._reachable:
            address = "0.0.0.0" if self._engine.host else "127.0.0.1"
            wanted |= {f"{port}/tcp": (address, None) for port in service.ports}
        return wanted | dict(map(_binding, service.published))

    def published(self, service: str, port: int) -> str:
        container = self._host_container(service)
        at = container.published(port)
        return f"{self._engine.host or '127.0.0.1'}:{at}" if at else f"{self._hosts.hosts[service].address}:{port}"

    def _forget_ended(self, name: str) -> None:
        """Make room for a service that is started anew, in place of one that has ended."""
        with self._lock:
            known = self._services.get(name)
            if known is None:
                return
            process = known[1]
            if process.poll() is None:
                raise LabError(f"the service {name} runs already", hint="restart it, or stop it first")
            del self._services[name]
            self._processes.remove(process)
        process.remove()

    def service(self, name: str) -> ContainerProcess:
        return self._services[name][1]

    def restart_service(self, name: str, deadline: Deadline, *, how: signal.Signals = signal.SIGTERM) -> Process:
        facts, process = self._services[name]
        self.stop_service(name, deadline, how=how)
        process.start()
        self._await_ready(facts, process, deadline)
        return process

    def stop_service(self, name: str, deadline: Deadline, *, how: signal.Signals = signal.SIGTERM) -> None:
        process = self.service(name)
        process.resume()
        process.signal(how)
        if how != signal.SIGKILL:
            try:
                process.wait(deadline.at_most(TERMINATION))
            except Timeout:
                process.signal(signal.SIGKILL)
        process.wait(deadline)

    def _await_ready(self, facts: ServiceFacts, process: ContainerProcess, deadline: Deadline) -> None:
        if facts.ready is None:
            check_alive(process)
            return
        try:
            await_ready(process, self.endpoint(facts.name, facts.ports[0]), facts.ready, deadline)
        except Timeout as error:
            if not self._reachable and not self._engine.host:
                error.hint = (
                    "where this runs in a container of that engine, give it the network of the host: docs/ci.md"
                )
            raise

    def endpoint(self, service: str, port: int) -> Endpoint:
        container = self._host_container(service)
        if self._reachable:
            return Endpoint(f"http://{self._hosts.hosts[service].address}:{port}")
        published = container.published(port)
        if published is None:
            raise LabError(
                f"port {port} of {service} can't be reached from this machine",
                expected=f"{port} among the service's ports, which are published",
            )
        return Endpoint(f"http://{self._engine.host or '127.0.0.1'}:{published}")

    def run_directory(self, service: str) -> None:
        """None: it is inside of the container."""

    # --- programs ---------------------------------------------------------------------------------------------------

    def import_module(self, module: str) -> None:
        """Nothing: each process has a container of its own."""

    def run(self, program: Program) -> Process:
        process = self._create_program(program)
        process.start()
        return process

    def prepare(self, program: Program) -> Prepared:
        process = self._create_program(program, is_held=True)
        try:
            return HeldProgram(process, Deadline(HELD_WITHIN))
        except BaseException:
            process.remove()
            raise

    def replicate(self, name: str, argv: Sequence[str], files: Mapping[str, bytes], number: int) -> Replicas:
        if not self._network.is_overlay:
            raise LabError("this lab is on one machine", hint="rating-harness run FILE --generators N")
        return ReplicatedJob(
            self._engine, self._network.id, self.id, name, argv, files, number, self._images[GENERATOR]
        )

    def clock_ahead(self) -> tuple[float, float]:
        return clock_of(self._engine)

    def _create_program(self, program: Program, *, is_held: bool = False) -> ContainerProcess:
        return self._create(
            program.name,
            program.host.name,
            image=self._images[program.role],
            command=held_command(program.argv) if is_held else program.argv,
            files={f"{WORK}/{name}": content for name, content in program.files.items()},
            directories=[WORK, GATE] if is_held else [WORK],
            is_held=is_held,
        )

    def _create(
        self,
        name: str,
        host: str,
        *,
        image: str,
        command: Iterable[str],
        files: Mapping[str, bytes],
        directories: Sequence[str],
        environment: Mapping[str, str] = MappingProxyType({}),
        labels: Mapping[str, str] = MappingProxyType({}),
        is_held: bool = False,
    ) -> ContainerProcess:
        api = self._engine.client.api
        container = self._host_container(host).container
        with self._lock:
            removals = list(self._removals)
        wait(removals)
        with engine_errors(f"making the container of {name}"):
            created = api.create_container(
                image,
                list(command),
                name=f"{_name(self.id)}-{name}-{secrets.token_hex(2)}",
                entrypoint=[],
                working_dir=WORK,
                stdin_open=is_held,
                environment=dict(environment),
                labels={**self._labels, PROCESS: host, **labels},
                host_config=api.create_host_config(network_mode=f"container:{container}", init=True),
            )["Id"]
            api.put_archive(created, "/", pack({"/etc/gai.conf": IPV4_FIRST.encode(), **files}, directories))
        process = ContainerProcess(self._engine, created, name, host, is_held=is_held)
        with self._lock:
            self._processes.append(process)
        return process

    # --- faults -----------------------------------------------------------------------------------------------------

    def pause(self, name: str) -> None:
        for process in self._on(name):
            process.pause()

    def resume(self, name: str) -> None:
        for process in self._on(name):
            process.resume()

    def _on(self, name: str) -> list[ContainerProcess]:
        """What runs on the host of that name."""
        host = self._named(name)
        with self._lock:
            begun = [process for process in self._processes if process.host == host and not process.is_held]
        processes = [process for process in begun if process.poll() is None]
        if not processes:
            raise LabError(f"nothing runs on the host {name}")
        return processes

    def _named(self, name: str) -> str:
        with self._lock:
            hosts = self._hosts.hosts.values()
            return next((host.name for host in hosts if name in host.aliases), name)

    def disconnect(self, name: str) -> None:
        if not self.capabilities.unplug:
            raise LabError(f"{name} can't be unplugged", found=self.capabilities.why["unplug"])
        self._host_container(self._named(name)).unplug()

    def reconnect(self, name: str) -> None:
        self._host_container(self._named(name)).plug()


@contextmanager
def _connected() -> Iterator[Engine]:
    """An engine that is closed if there won't be a lab to close it."""
    engine = connect()
    try:
        yield engine
    except BaseException:
        engine.close()
        raise


def _name(lab_id: str) -> str:
    """What a lab's network is called, and how the names of its containers begin."""
    return f"rating-harness-{lab_id}"


def _fill(word: str, values: Mapping[str, str]) -> str:
    for placeholder, value in values.items():
        word = word.replace(placeholder, value)
    return word


def _binding(published: str) -> tuple[int | str, tuple[str, int | None]]:
    """``[ADDRESS:]PORT:PORT[/PROTOCOL]`` as Docker's API wants it."""
    outside, _, inside = published.rpartition(":")
    address, _, port = outside.rpartition(":")
    return inside if "/" in inside else f"{inside}/tcp", (address or "127.0.0.1", int(port))
