"""Removing labs: one's own, and those whose owner is dead."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from docker.errors import APIError, NotFound

from rating_harness.errors import LabError
from rating_harness.lab.docker.engine import Engine, connect, engine_errors
from rating_harness.lab.docker.labels import HOST, LAB, LEASE, DockerLease
from rating_harness.lab.docker.process import remove_container
from rating_harness.lab.docker.swarm import remove_jobs, remove_overlay

__all__ = ["leases", "remove_lab", "sweep"]

THREADS = 8
ATTEMPTS = 3
"""What is removed while a container is being made leaves that container; the next look finds it."""


def sweep(engine: Engine | None = None, *, kept: bool = False) -> list[str]:
    """Remove the labs that nobody will end any more. Their ids.

    :param engine: the one that answers, by default.
    :param kept: also those that were opened to outlive their owner.
    :raises MissingTool: no engine answers.
    :raises LabError: the engine doesn't remove one of them; the others are gone.
    """
    if engine is None:
        with closing(connect()) as engine:
            return sweep(engine, kept=kept)
    doomed = [
        lab_id
        for lab_id, lease in leases(engine).items()
        if lease.abandoned(engine_is_here=engine.host is None) or (kept and lease.keep)
    ]
    failed = []
    for lab_id in doomed:
        try:
            remove_lab(engine, lab_id)
        except LabError as error:
            failed.append(error)
    if failed:
        raise failed[0]
    return doomed


def remove_lab(engine: Engine, lab_id: str) -> None:
    """Remove all containers and networks of a lab; what is gone already is no error.

    :raises LabError: something is left that the engine doesn't remove.
    """
    api = engine.client.api
    label = {"label": f"{LAB}={lab_id}"}
    with engine_errors(f"looking for the lab {lab_id}"):
        is_on_swarm = any(network["Driver"] == "overlay" for network in api.networks(filters=label))
    if is_on_swarm:
        remove_jobs(engine, lab_id)
    with engine_errors(f"removing the lab {lab_id}"), ThreadPoolExecutor(THREADS) as threads:
        for attempt in range(ATTEMPTS):
            containers = api.containers(all=True, filters=label)
            # Those that have the network leave it one after the other (`LabNetwork.leaving`).
            hosts = [container["Id"] for container in containers if HOST in container["Labels"]]
            others = [container["Id"] for container in containers if HOST not in container["Labels"]]
            list(threads.map(lambda container: remove_container(engine, container), others))
            for host in hosts:
                remove_container(engine, host)
            try:
                for network in api.networks(filters=label):
                    if network["Driver"] == "overlay":
                        remove_overlay(engine, network["Id"])
                    else:
                        _remove_network(engine, network["Id"])
                return
            except APIError as error:
                if attempt == ATTEMPTS - 1:
                    raise LabError(
                        f"the network of the lab {lab_id} can't be removed",
                        found=str(error.explanation),
                        hint="restart the Docker engine: it counts anew then who is in the network",
                    ) from error


def leases(engine: Engine) -> dict[str, DockerLease]:
    """Each lab of which the engine has anything, with its lease; without those whose lease can't be read."""
    api = engine.client.api
    label = {"label": LAB}
    with engine_errors("looking for labs"):
        labelled = [container["Labels"] for container in api.containers(all=True, filters=label)]
        labelled += [network["Labels"] for network in api.networks(filters=label)]
    parsed = {labels[LAB]: DockerLease.parse(labels.get(LEASE, "")) for labels in labelled}
    return {lab_id: lease for lab_id, lease in parsed.items() if lease}


def _remove_network(engine: Engine, network: str) -> None:
    try:
        engine.client.api.remove_network(network)
    except NotFound:
        return
