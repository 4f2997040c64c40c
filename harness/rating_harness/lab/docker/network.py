"""A lab's network: a bridge with a subnet of its own."""

from __future__ import annotations

import ipaddress
import itertools
import random
import secrets
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from rating_harness.errors import LabError
from rating_harness.lab.docker.engine import Engine, engine_errors
from rating_harness.lab.docker.swarm import create_overlay

__all__ = ["LabNetwork", "create", "find", "is_local"]

POOL = ipaddress.ip_network("198.18.0.0/15")
"""Set aside for tests of network equipment (RFC 2544, RFC 6890): nobody's real address."""
PREFIX = 24
ATTEMPTS = 40


@dataclass(frozen=True, slots=True)
class LabNetwork:
    """A network as the engine made it.

    :param subnet6: None where the engine has no IPv6, with ``why``.
    :param is_overlay: it's one of all machines of a swarm.
    :param leaving: held while a container leaves it: engines before 23 (Debian 12's is 20.10) can stand still for
        good when two leave a network at once (moby/moby#42545).
    """

    id: str
    name: str
    subnet: ipaddress.IPv4Network
    subnet6: ipaddress.IPv6Network | None
    why: str = ""
    is_overlay: bool = False
    leaving: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    @property
    def gateway(self) -> str:
        return str(self.subnet[1])


def create(engine: Engine, name: str, labels: Mapping[str, str], *, overlay: bool = False) -> LabNetwork:
    """A bridge network on a free subnet, with IPv6 where the engine can.

    :param overlay: one of all machines of the engine's swarm instead, without IPv6.

    Explicit subnets, since an engine's own pools hold some thirty networks; another one is tried when it's taken.

    :raises LabError: the engine refuses.
    """
    why = "an overlay network of Swarm's has none" if overlay else ""
    for subnet in itertools.islice(_subnets(), ATTEMPTS):
        subnet6 = None if why else _unique_local()
        try:
            with engine_errors(f"making the network {name}"):
                if overlay:
                    identifier = create_overlay(engine, name, subnet, labels)
                else:
                    identifier = _create_bridge(engine, name, subnet, subnet6, labels)
        except LabError as error:
            if not isinstance(error.__cause__, APIError):
                raise
            reason = str(error.found)
            if "overlap" in reason.lower() or "in use" in reason.lower():
                continue
            if subnet6 is None:
                raise
            why = f"the engine makes no network with IPv6: {reason}"
        else:
            return LabNetwork(identifier, name, subnet, subnet6, why, overlay)
    raise LabError(
        f"no free subnet found for the lab in {ATTEMPTS} attempts",
        expected=f"a free /{PREFIX} in {POOL}",
        hint="remove what killed runs left: rating-harness clean",
    )


def _create_bridge(
    engine: Engine,
    name: str,
    subnet: ipaddress.IPv4Network,
    subnet6: ipaddress.IPv6Network | None,
    labels: Mapping[str, str],
) -> str:
    pools = [IPAMPool(subnet=str(net), gateway=str(net[1])) for net in (subnet, subnet6) if net]
    network = engine.client.networks.create(
        name,
        driver="bridge",
        labels=dict(labels),
        enable_ipv6=subnet6 is not None,
        ipam=IPAMConfig(pool_configs=pools),
    )
    return str(network.id)


def find(engine: Engine, name: str) -> tuple[LabNetwork, Mapping[str, str]]:
    """A lab's network that another process made, and its labels.

    :raises LabError: the engine has none of that name.
    """
    with engine_errors(f"looking for the network {name}"):
        try:
            found = engine.client.api.inspect_network(name)
        except NotFound:
            raise LabError(f"there is no network {name}: the lab has ended", hint="open another one") from None
    subnets = [ipaddress.ip_network(pool["Subnet"]) for pool in found["IPAM"]["Config"]]
    subnet = next(subnet for subnet in subnets if isinstance(subnet, ipaddress.IPv4Network))
    subnet6 = next((subnet for subnet in subnets if isinstance(subnet, ipaddress.IPv6Network)), None)
    return LabNetwork(found["Id"], name, subnet, subnet6), found["Labels"]


def is_local(address: str) -> bool:
    """The address, a network's gateway, is one of this machine's: that network's hosts can be reached from here."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
        return True


def _subnets() -> Iterator[ipaddress.IPv4Network]:
    subnets = list(POOL.subnets(new_prefix=PREFIX))
    random.shuffle(subnets)
    return (subnet for subnet in subnets if isinstance(subnet, ipaddress.IPv4Network))


def _unique_local() -> ipaddress.IPv6Network:
    """A /64 below fd00::/8, chosen at random (RFC 4193, section 3.2.2)."""
    return ipaddress.IPv6Network((b"\xfd" + secrets.token_bytes(7) + bytes(8), 64))
