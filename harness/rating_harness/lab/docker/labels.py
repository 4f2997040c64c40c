"""What a lab's containers and networks carry, so that anybody can tell whose they are and what they are for."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from rating_harness.lab.lease import ProcessIdentity

__all__ = [
    "HOST",
    "IMAGES",
    "LAB",
    "LEASE",
    "PROCESS",
    "SERVICE",
    "DockerLease",
    "ServiceFacts",
]

LAB = "rating-harness.lab"
LEASE = "rating-harness.lease"
IMAGES = "rating-harness.images"
"""On a lab's network: role or service name -> id of the image, as JSON."""
HOST = "rating-harness.host"
"""On a container that is a host, or was one and waits to be the next."""
PROCESS = "rating-harness.process"
"""On a container that runs on a host: that host's name."""
SERVICE = "rating-harness.service"
"""On a service's container: what it takes to start it again, as JSON."""


@dataclass(frozen=True, slots=True)
class DockerLease:
    """Whose a lab is. An engine may serve several machines, so a pid alone says nothing.

    :param boot: the boot of the machine on which ``owner`` runs (its kernel's boot_id).
    :param pid_namespace: the inode of the PID namespace in which ``owner`` is valid.
    :param keep: the lab outlives its owner.
    """

    owner: ProcessIdentity
    boot: str
    pid_namespace: int
    keep: bool

    @classmethod
    def own(cls, *, keep: bool) -> DockerLease:
        return cls(ProcessIdentity.own(), _boot(), _pid_namespace(), keep)

    @classmethod
    def parse(cls, label: str) -> DockerLease | None:
        """The lease in a label; None when it can't be read."""
        try:
            facts = json.loads(label)
            return cls(owner=ProcessIdentity(**facts.pop("owner")), **facts)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None

    def label(self) -> str:
        return json.dumps(asdict(self))

    def abandoned(self, *, engine_is_here: bool) -> bool:
        """Its owner is dead for certain.

        :param engine_is_here: the engine is this machine's, so that a lease of another boot is one from before the
            last restart. On a shared engine it may well be another machine's.
        """
        if self.keep:
            return False
        if self.boot != _boot():
            return engine_is_here
        return self.pid_namespace == _pid_namespace() and not self.owner.alive


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """What is needed of a `rating_harness.lab.protocol.Service` once its container exists."""

    name: str
    ports: tuple[int, ...]
    ready: str | None

    @classmethod
    def parse(cls, label: str) -> ServiceFacts:
        facts = json.loads(label)
        return cls(facts["name"], tuple(facts["ports"]), facts["ready"])

    def label(self) -> str:
        return json.dumps(asdict(self))


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _pid_namespace() -> int:
    return Path("/proc/self/ns/pid").stat().st_ino
