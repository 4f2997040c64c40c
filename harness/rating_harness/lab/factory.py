"""Which driver makes the lab."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from rating_harness.errors import UsageError
from rating_harness.lab.protocol import Driver, Lab

__all__ = ["attach_lab", "open_lab"]


def open_lab(
    driver: Literal["auto", "docker", "local", "external"],
    *,
    release: str | None = None,
    host_network: bool = False,
    keep: bool = False,
    target: str | None = None,
    packages: Sequence[str] = (),
    images: Mapping[str, str] = MappingProxyType({}),
    swarm: bool = False,
) -> Lab:
    """A new lab, with nothing in it.

    :param driver: ``auto`` takes Docker where an engine answers, else the machine itself.
    :param release: where Kamailio and SIPp come from: ``trixie``, ``sid``, a root filesystem's directory, an image.
    :param host_network: the lab has to reach services on the machine's loopback.
    :param keep: it outlives this process, and a person on this machine can reach its services.
    :param packages: of Debian's, to be installed where Kamailio runs besides what a lab has.
    :param images: service -> the image that it runs from, in Docker.
    :param swarm: in Docker, on a network of all machines of the engine's swarm (`Lab.replicate`).
    :param target: ``HOST:PORT`` of a Kamailio that runs already, for ``external``.
    :raises LabError: it could not be set up.
    """
    if target is not None or driver == "external":
        from rating_harness.lab.external import ExternalLab

        if target is None:
            raise UsageError("an external lab needs to know its Kamailio", expected="--target HOST:PORT")
        return ExternalLab.open(target, release=release)
    if driver == "docker" or (driver == "auto" and not host_network and _docker_answers()):
        from rating_harness.lab.docker import DockerLab

        return DockerLab.open(release=release or "trixie", keep=keep, packages=packages, images=images, swarm=swarm)
    from rating_harness.lab.local import LocalLab

    network: Literal["own", "host"] = "host" if host_network or keep else "own"
    return LocalLab.open(release=release, network=network, keep=keep, packages=packages)


def attach_lab(driver: Driver, lab_id: str) -> Lab:
    """A lab that another process opened with ``keep``.

    :raises LabError: there is none, or it has ended.
    """
    if driver == "docker":
        from rating_harness.lab.docker import DockerLab

        return DockerLab.attach(lab_id)
    from rating_harness.lab.local import LocalLab

    return LocalLab.attach(lab_id)


def _docker_answers() -> bool:
    from rating_harness.lab.docker import available

    return available()
