"""The addresses and names of a lab's hosts."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from rating_harness.errors import LabError
from rating_harness.lab.local.hosts import Hosts, hosts_file
from rating_harness.lab.protocol import Host


def test_each_host_has_addresses_of_its_own_and_keeps_them() -> None:
    hosts = Hosts()
    kamailio, _ = hosts.get("kamailio")
    carrier, _ = hosts.get("carrier")
    assert kamailio == Host("kamailio", "198.18.0.10", "fd17::a")
    assert carrier == Host("carrier", "198.18.0.11", "fd17::b")
    assert hosts.get("kamailio") == (kamailio, False)


def test_aliases_are_added_to_a_host_that_is_known() -> None:
    hosts = Hosts()
    hosts.get("agent", "tap")
    agent, new = hosts.get("agent", "rating", "tap")
    assert new
    assert agent.aliases == ("tap", "rating")


@pytest.mark.parametrize("names", [("carrier", "agent"), ("tap",), ("carrier", "tap")])
def test_a_name_is_one_host_only(names: tuple[str, ...]) -> None:
    hosts = Hosts()
    hosts.get("agent", "tap")
    with pytest.raises(LabError, match="already one of host agent"):
        hosts.get(*names)


def test_an_address_given_back_is_used_again_last() -> None:
    hosts = Hosts(IPv4Network("127.1.1.0/28"), None)
    given = []
    for name in "abcdef":
        host, _ = hosts.get(name)
        given.append(host.address)
        hosts.release(name)
    assert given == [f"127.1.1.{number}" for number in (10, 11, 12, 13, 14, 10)]


def test_a_network_that_is_full_says_so() -> None:
    hosts = Hosts(IPv4Network("127.1.1.0/28"), None)
    for number in range(5):
        hosts.get(f"host{number}")
    with pytest.raises(LabError, match=r"no address is left in 127\.1\.1\.0/28"):
        hosts.get("another")


def test_hosts_file_names_both_addresses_and_all_aliases() -> None:
    hosts = Hosts()
    hosts.get("agent", "tap")
    assert hosts_file(hosts.hosts, base="127.0.0.1 localhost\n") == (
        "127.0.0.1 localhost\n198.18.0.10 agent tap\nfd17::a agent tap\n"
    )
