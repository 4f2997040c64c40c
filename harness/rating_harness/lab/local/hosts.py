"""The lab's hosts: which address each has, and the hosts file that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network

from rating_harness.errors import LabError
from rating_harness.lab.protocol import Host

__all__ = ["NETWORK", "NETWORK6", "Hosts", "hosts_file"]

NETWORK = IPv4Network("198.18.0.0/16")
"""Set aside for benchmarks (RFC 2544), so that no machine has it as an address of its own."""

NETWORK6 = IPv6Network("fd17::/64")

_FIRST = 10
"""The first host's number; the ones before it stay free for whoever needs a fixed address."""


@dataclass
class Hosts:
    """Assigns addresses. An address that is given back is used again last, so that late packets find nobody.

    :param last_number: the host's number in the address that was assigned last.
    """

    network: IPv4Network = NETWORK
    network6: IPv6Network | None = NETWORK6
    hosts: dict[str, Host] = field(default_factory=dict)
    last_number: int = _FIRST - 1

    def get(self, name: str, *aliases: str) -> tuple[Host, bool]:
        """The host of that name, made if need be, and whether anything is new.

        :raises LabError: a name is another host's, or the network has no address left.
        """
        for other in self.hosts.values():
            if other.name != name and ({name, *aliases} & {other.name, *other.aliases}):
                raise LabError(f"host {name}: a name of it is already one of host {other.name}")
        known = self.hosts.get(name)
        host = known or self._new(name)
        host = replace(host, aliases=tuple(dict.fromkeys((*host.aliases, *aliases))))
        self.hosts[name] = host
        return host, host != known

    def release(self, name: str) -> bool:
        return self.hosts.pop(name, None) is not None

    def _new(self, name: str) -> Host:
        last = self.network.num_addresses - 2
        taken = {host.address for host in self.hosts.values()}
        for _ in range(_FIRST, last + 1):
            self.last_number = self.last_number + 1 if self.last_number < last else _FIRST
            address = str(self.network[self.last_number])
            if address not in taken:
                return Host(name, address, str(self.network6[self.last_number]) if self.network6 else None)
        raise LabError(f"host {name}: no address is left in {self.network}")


def hosts_file(hosts: Mapping[str, Host], *, base: str) -> str:
    """The text of an /etc/hosts (hosts(5)): what ``base`` says, then the lab's hosts."""
    lines = [base.rstrip("\n")]
    for host in hosts.values():
        names = " ".join((host.name, *host.aliases))
        lines += [f"{address} {names}" for address in (host.address, host.address6) if address]
    return "\n".join(lines) + "\n"
