"""The container that is a host of the lab: it holds the address and the names, and runs nothing.

What runs on the host joins its network namespace. So a host outlives its processes, as it does on a real network: a
service that was killed leaves an address that refuses connections, a name that resolves, and comes back within a
tenth of a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from rating_harness.errors import LabError
from rating_harness.lab.docker.engine import Engine, engine_errors
from rating_harness.lab.docker.labels import HOST
from rating_harness.lab.docker.network import LabNetwork
from rating_harness.lab.docker.process import remove_container
from rating_harness.lab.local.holder.namespaces import SERVER
from rating_harness.lab.protocol import Host

__all__ = ["EGRESS_SINCE", "HostContainer"]

EGRESS_SINCE = (5, 16)
"""The kernel with nftables' egress hook, the one place where a packet is dropped with no error to the sender."""

# ARP still passes: a neighbour that can't be resolved would be an error to the others within three seconds.
UNPLUG = """
set -e
for device in /sys/class/net/*; do
  device=${device##*/}
  [ "$device" = lo ] && continue
  nft "add table netdev unplugged; \
       add chain netdev unplugged in-$device { type filter hook ingress device $device priority 0; }; \
       add chain netdev unplugged out-$device { type filter hook egress device $device priority 0; }; \
       add rule netdev unplugged in-$device meta protocol { ip, ip6 } drop; \
       add rule netdev unplugged out-$device meta protocol { ip, ip6 } drop"
done
"""
PLUG = "nft 'add table netdev unplugged; delete table netdev unplugged'"

# What is published of a container in an overlay network comes by a bridge of the engine's, where it has another
# address; the lab's services listen at the one that it has in the lab.
FORWARD = """
nft 'add table ip published; \
     add chain ip published arriving {{ type nat hook prerouting priority -100; }}; \
     add rule ip published arriving iifname != "lo" ip daddr != {address} fib daddr type local \
         meta l4proto {{ tcp, udp }} dnat to {address}'
"""

Published = Mapping[int | str, tuple[str, int | None]]
"""``PORT/PROTOCOL`` of a container -> the address and the port (None: any) of the engine's machine."""


class HostContainer:
    """A container that is a host of the lab, or will be one: it can be vacated and take another host's place.

    Starting one costs more than all else in a lab, so it's kept.

    :param host: its name and addresses; None while it's vacant.
    :param reusable: nothing is left of the host that it was.
    """

    def __init__(
        self, engine: Engine, network: LabNetwork, container: str, host: Host | None, *, reusable: bool = True
    ) -> None:
        self._engine = engine
        self._network = network
        self.container = container
        self.host = host
        self.reusable = reusable

    @classmethod
    def create(
        cls,
        engine: Engine,
        network: LabNetwork,
        host: Host,
        *,
        image: str,
        name: str,
        labels: Mapping[str, str],
        published: Published = MappingProxyType({}),
    ) -> HostContainer:
        """Make it and start it.

        :param image: one with nftables.
        :param published: ``PORT/PROTOCOL`` -> the address and the port (None: any) of the engine's machine.
        """
        api = engine.client.api
        endpoint: Any = {network.name: api.create_endpoint_config(**_place(host))}  # the stubs know one endpoint only
        with engine_errors(f"starting the host {host.name}"):
            container = api.create_container(
                image,
                ["sleep", "infinity"],
                name=name,
                labels={**labels, HOST: ""},
                ports=[tuple(str(port).split("/")) for port in published],
                host_config=api.create_host_config(
                    network_mode=network.name,
                    cap_add=["NET_ADMIN"],
                    sysctls={name.replace("/", "."): value for name, value in SERVER.items()},
                    init=True,
                    port_bindings=published,
                ),
                networking_config=api.create_networking_config(endpoint),
            )["Id"]
            api.start(container)
        # Swarm takes its time to give an address free that a container has left.
        made = cls(engine, network, container, host, reusable=not published and not network.is_overlay)
        if published and network.is_overlay:
            made._run(FORWARD.format(address=host.address), "the host's ports can't be published")
        return made

    @classmethod
    def find(cls, engine: Engine, network: LabNetwork, container: str) -> HostContainer:
        """One that another process made, as the engine describes it."""
        with engine_errors("looking at a host"):
            found = engine.client.api.inspect_container(container)
        reusable = not found["HostConfig"]["PortBindings"]
        place = found["NetworkSettings"]["Networks"].get(network.name)
        if place is None:
            return cls(engine, network, container, None, reusable=reusable)
        # Some engines add the container's id to its names.
        name, *aliases = (alias for alias in place["Aliases"] if not container.startswith(alias))
        host = Host(name, place["IPAddress"], place["GlobalIPv6Address"] or None, tuple(aliases))
        return cls(engine, network, container, host, reusable=reusable)

    def occupy(self, host: Host) -> None:
        """Be that host from now on."""
        with engine_errors(f"connecting the host {host.name}"):
            api = self._engine.client.api
            api.connect_container_to_network(self.container, self._network.id, **_place(host))
        self.host = host

    def vacate(self) -> None:
        """Be nobody: no address, no name."""
        with self._network.leaving, engine_errors("disconnecting a host"):
            self._engine.client.api.disconnect_container_from_network(self.container, self._network.id)
        self.host = None

    def unplug(self) -> None:
        """Drop all that comes and goes, with no error to anybody. The rules are the host's, so they outlast restarts.

        :raises LabError: its kernel can't.
        """
        self.reusable = False
        self._run(UNPLUG, "the host can't be unplugged")

    def plug(self) -> None:
        self._run(PLUG, "the host can't be plugged in again")

    def published(self, port: int | str) -> int | None:
        """The port of the engine's machine at which that port of the host is found; None when it isn't published.

        :param port: ``5060``, or ``5060/udp``.
        """
        wanted: Any = port  # the stubs know numbers only
        with engine_errors("looking at a host's ports"):
            bindings = self._engine.client.api.port(self.container, wanted)
        return int(bindings[0]["HostPort"]) if bindings else None

    def remove(self) -> None:
        with self._network.leaving, engine_errors("removing a host"):
            remove_container(self._engine, self.container)

    def _run(self, script: str, message: str) -> None:
        api = self._engine.client.api
        with engine_errors("changing a host"):
            execution = api.exec_create(self.container, ["sh", "-c", script])["Id"]
            output: bytes = api.exec_start(execution)
            status = api.exec_inspect(execution)["ExitCode"]
        if status:
            raise LabError(message, found=output.decode("utf-8", "replace").strip())


def _place(host: Host) -> dict[str, Any]:
    """Where a container is in the network, as arguments of docker-py."""
    return {
        "ipv4_address": host.address,
        "ipv6_address": host.address6,
        "aliases": [host.name, *host.aliases],
    }
