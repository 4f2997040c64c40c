"""The engine's own cluster, Docker Swarm: a program on several machines at once, as a replicated job.

It's given its files as configs, whose size Swarm limits, so that a large file is in several. What becomes of a job's
tasks is said by Swarm; that a machine is gone it knows ten seconds later, and it starts no task of a job on another
one by itself.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from ipaddress import IPv4Network
from typing import Any

import requests
from docker.errors import APIError, NotFound
from docker.types import (
    ConfigReference,
    ContainerSpec,
    EndpointSpec,
    IPAMConfig,
    IPAMPool,
    NetworkAttachmentConfig,
    RestartPolicy,
    ServiceMode,
    TaskTemplate,
)
from docker.utils import version_lt

from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import LabError
from rating_harness.lab.docker.engine import Engine, engine_errors
from rating_harness.lab.docker.labels import LAB

__all__ = [
    "ReplicatedJob",
    "check_manager",
    "clock_of",
    "create_overlay",
    "pieces_of",
    "remove_jobs",
    "remove_overlay",
]

JOBS_SINCE = "1.41"
"""The version of the engine's API that has replicated jobs: Docker 20.10."""

LARGEST = 400_000
"""Octets of a config; Swarm takes 500,000 of older engines, and a million of others."""

TASKS_END = 30.0
"""Seconds within which the tasks of a service that was removed are gone, so that their network can be removed."""

FOLDER = "/generator"
"""Where a job's files are."""


def check_manager(engine: Engine) -> None:
    """:raises LabError: the engine doesn't manage a swarm, or is too old for jobs."""
    with engine_errors("looking for its swarm"):
        info = engine.client.info()
        version = str(engine.client.api.api_version)
    swarm = info.get("Swarm") or {}
    expected = "an engine that manages a swarm"
    if version_lt(version, JOBS_SINCE):
        raise LabError(
            "this Docker engine has no replicated jobs",
            expected=f"version {JOBS_SINCE} of its API, which Docker 20.10 has",
            found=f"version {version}",
            hint="generators on several machines need a newer engine",
        )
    if swarm.get("LocalNodeState") != "active":
        raise LabError(
            "this Docker engine is in no swarm, so there are no machines for generators",
            expected=expected,
            found=f"its swarm is {swarm.get('LocalNodeState') or 'not there'}",
            hint="docker swarm init --advertise-addr ADDRESS (this machine's); docs/load.md has the rest",
        )
    if not swarm.get("ControlAvailable"):
        managers = ", ".join(str(each.get("Addr")) for each in swarm.get("RemoteManagers") or ())
        raise LabError(
            "this Docker engine is a worker of its swarm, and can't start generators there",
            expected=expected,
            found=f"a worker; its managers are {managers or 'not known'}",
            hint="run it on a manager, or docker node promote this one",
        )


def clock_of(engine: Engine) -> tuple[float, float]:
    """Seconds by which the engine's clock is ahead of this machine's, and by how much that may be wrong."""
    with engine_errors("reading its clock"):
        sent = time.time()
        said = str(engine.client.info()["SystemTime"])
        received = time.time()
    at = datetime.fromisoformat(said).timestamp()
    return at - (sent + received) / 2, (received - sent) / 2


def create_overlay(engine: Engine, name: str, subnet: IPv4Network, labels: Mapping[str, str]) -> str:
    """A network of all machines of the swarm, to which containers can be attached. Its id.

    Swarm gives its tasks addresses of the upper half: those of the lower are the lab's own.

    :raises docker.errors.APIError: the engine refuses; the subnet is taken, say.
    """
    _, upper = subnet.subnets(prefixlen_diff=1)
    pool = IPAMPool(subnet=str(subnet), iprange=str(upper), gateway=str(subnet[1]))
    network = engine.client.networks.create(
        name, driver="overlay", attachable=True, labels=dict(labels), ipam=IPAMConfig(pool_configs=[pool])
    )
    return str(network.id)


def pieces_of(files: Mapping[str, bytes], largest: int = LARGEST) -> Iterator[tuple[str, bytes]]:
    """The files as configs take them: one that is too large is ``NAME.000``, ``NAME.001`` and so on."""
    for name, content in files.items():
        if len(content) <= largest:
            yield name, content
            continue
        for number, begin in enumerate(range(0, len(content), largest)):
            yield f"{name}.{number:03d}", content[begin : begin + largest]


class ReplicatedJob:
    """Implements `rating_harness.lab.protocol.Replicas`. Its tasks are started when it's made."""

    def __init__(
        self,
        engine: Engine,
        network: str,
        lab_id: str,
        name: str,
        argv: Sequence[str],
        files: Mapping[str, bytes],
        number: int,
        image: str,
    ) -> None:
        """:param network: its id.
        :param image: its id too, so that no machine tries to pull it.
        :raises LabError: the engine refuses.
        """
        self._engine = engine
        api: Any = engine.client.api  # whose stubs know nothing of services
        self._api = api
        self._name = f"rating-harness-{lab_id}-{name}-{secrets.token_hex(2)}"
        self._services: list[str] = []
        self._replaced: set[str] = set()
        self._image = image
        labels = {LAB: lab_id}
        with engine_errors(f"starting {number} tasks of {name}"):
            configs = [self._config(each, content, labels) for each, content in pieces_of(files)]
            container = ContainerSpec(
                image,
                command=list(argv),
                env={"GENERATOR_NODE": "{{.Node.Hostname}}"},
                workdir="/work",
                init=True,
                labels=labels,
                configs=configs,
            )
            task = TaskTemplate(
                container,
                # One that ends before it has begun is started again; one that has begun finds no share.
                restart_policy=RestartPolicy("on-failure", delay=1_000_000_000, max_attempts=3),
                networks=[NetworkAttachmentConfig(network)],
            )
            self._task, self._labels = task, labels
            self._start(number)

    def _start(self, number: int) -> None:
        created: Any = self._api.create_service(
            self._task,
            name=f"{self._name}-{len(self._services)}",
            labels=self._labels,
            mode=ServiceMode("replicated-job", replicas=number, concurrency=number),
            endpoint_spec=EndpointSpec(mode="dnsrr"),
        )
        self._services.append(str(created["ID"]))

    def _config(self, name: str, content: bytes, labels: Mapping[str, str]) -> Any:
        config = f"{self._name}-{name}"
        created: Any = self._api.create_config(config, content, labels=dict(labels))
        return ConfigReference(created["ID"], config, filename=f"{FOLDER}/{name}", mode=0o444)

    def states(self) -> Sequence[str]:
        """What Swarm says of each task: ``on machine-2: running``."""
        return sorted(_state(task, node) for task, node in self._tasks())

    def replace_lost(self) -> None:
        tasks = self._tasks()
        for task, node in tasks:
            if "No such image" in str(task["Status"].get("Err")):
                raise self._image_is_missing(node)
        gone = {
            task["ID"]
            for task, node in tasks
            if node and node["Status"]["State"] == "down" and task["Status"]["State"] not in _ENDED
        }
        new = gone - self._replaced
        if new:
            self._replaced |= new
            with engine_errors("starting tasks in place of lost ones"):
                self._start(len(new))

    def _image_is_missing(self, node: Any) -> LabError:
        where = str(node["Description"]["Hostname"]) if node else "a machine"
        with engine_errors("looking for a generator's image"):
            names = self._api.inspect_image(self._image)["RepoTags"] or [self._image]
        return LabError(
            f"{where} hasn't the image of a generator, and there's no registry that it's taken from",
            expected=f"{names[0]} on each machine of the swarm",
            found="no such image",
            hint=f"docker save {names[0]} | ssh {where} docker load; "
            f"without that machine: docker node update --availability drain {where}",
        )

    def _tasks(self) -> list[tuple[Any, Any]]:
        """Each task, and the machine that it's on; None as long as it's on none."""
        with engine_errors("looking at a job's tasks"):
            nodes = {node["ID"]: node for node in self._api.nodes()}
            tasks = self._api.tasks(filters={"service": self._services})
        return [(task, nodes.get(task.get("NodeID"))) for task in tasks]

    def remove(self) -> None:
        with engine_errors("removing a job"):
            for service in self._services:
                _unless_gone(self._api.remove_service, service)


_ENDED = ("complete", "failed", "rejected", "shutdown", "remove", "orphaned")
"""States of a task that is over (swarmkit's api/types.proto)."""


def _state(task: Mapping[str, Any], node: Mapping[str, Any] | None) -> str:
    status = task["Status"]
    said = str(status.get("Err") or "")
    where = str(node["Description"]["Hostname"]) if node else "no machine"
    if node and node["Status"]["State"] != "ready":
        where += f", which is {node['Status']['State']}"
    return f"on {where}: {status['State']}" + (f", {said}" if said else "")


def remove_jobs(engine: Engine, lab_id: str) -> None:
    """Remove a lab's services and configs, and wait until nothing of them has an address any more."""
    api: Any = engine.client.api
    label = {"label": f"{LAB}={lab_id}"}
    with engine_errors(f"removing the jobs of the lab {lab_id}"):
        for service in api.services(filters=label):
            _unless_gone(api.remove_service, service["ID"])
        for config in api.configs(filters=label):
            _unless_gone(api.remove_config, config["ID"])


_IN_USE = (requests.codes.bad_request, requests.codes.forbidden, requests.codes.conflict)
"""Of a network that a task or a container still has; engines differ."""


def remove_overlay(engine: Engine, network: str) -> None:
    """Remove a network of the swarm as soon as no task of a removed service is in it.

    :raises Timeout: one still is.
    """

    def removed() -> bool:
        try:
            _unless_gone(engine.client.api.remove_network, network)
        except APIError as error:
            if error.status_code not in _IN_USE:
                raise
            return False
        return True

    with engine_errors("removing a network"):
        await_condition(removed, Deadline(TASKS_END), "the end of the tasks in the lab's network", interval=0.3)


def _unless_gone(remove: Callable[[str], object], what: str) -> None:
    with suppress(NotFound):
        remove(what)
