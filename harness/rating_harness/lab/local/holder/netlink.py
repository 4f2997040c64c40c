"""The lab's network: addresses and routes of a loopback interface (rtnetlink(7)), with the standard library alone."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
RTM_NEWADDR, RTM_NEWROUTE = 20, 24
NLM_F_REQUEST, NLM_F_ACK, NLM_F_REPLACE, NLM_F_CREATE = 0x1, 0x4, 0x100, 0x400
RT_TABLE_LOCAL, RTPROT_BOOT, RT_SCOPE_HOST, RTN_LOCAL = 255, 3, 254, 2
RTA_DST, RTA_OIF, RTA_PREFSRC = 1, 4, 7
IFA_ADDRESS, IFA_LOCAL, IFA_F_NODAD = 1, 2, 2


def raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        (flags,) = struct.unpack("16xh14x", fcntl.ioctl(control, SIOCGIFFLAGS, request))
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def make_local(network: str, source: str) -> None:
    """Make each address of the network (``198.18.0.0/16``, ``fd17::/64``) one of this machine's own.

    :param source: the address of those who connect without having bound one.
    """
    address, bits = network.split("/")
    body = struct.pack(
        "BBBBBBBBI", family(network), int(bits), 0, 0, RT_TABLE_LOCAL, RTPROT_BOOT, RT_SCOPE_HOST, RTN_LOCAL, 0
    )
    attributes = {
        RTA_DST: packed(address),
        RTA_OIF: struct.pack("I", socket.if_nametoindex("lo")),
        RTA_PREFSRC: packed(source),
    }
    netlink(RTM_NEWROUTE, body, attributes, f"route to {network}")


def assign(address: str) -> None:
    """Give the loopback interface an address. Without any that isn't 127.0.0.1 or ::1, getaddrinfo(3) takes the whole
    family for absent (AI_ADDRCONFIG).
    """
    bits = 8 * len(packed(address))
    body = struct.pack("BBBBI", family(address), bits, IFA_F_NODAD, RT_SCOPE_HOST, socket.if_nametoindex("lo"))
    netlink(RTM_NEWADDR, body, dict.fromkeys((IFA_LOCAL, IFA_ADDRESS), packed(address)), f"address {address}")


def family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def packed(address: str) -> bytes:
    return socket.inet_pton(family(address), address)


def netlink(kind: int, body: bytes, attributes: dict[int, bytes], what: str) -> None:
    """Ask the kernel's routing for something (rtnetlink(7)); what is there already is replaced."""
    for name, value in attributes.items():
        body += struct.pack("HH", 4 + len(value), name) + value
    flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as kernel:
        kernel.send(struct.pack("IHHII", 16 + len(body), kind, flags, 1, 0) + body)
        (status,) = struct.unpack_from("i", kernel.recv(4096), 16)
    if status:
        raise OSError(-status, f"{what}: {os.strerror(-status)}")


def lease_loopback() -> tuple[socket.socket, str]:
    """A /24 of 127.0.0.0/8 that no other lab in this network namespace uses.

    The lease is an abstract Unix socket: it is seen by exactly those who share the network, and the kernel takes it
    back when its holder dies.
    """
    for number in range(1, 255 * 256):
        prefix = f"127.{number // 256 + 1}.{number % 256}"
        lease = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            lease.bind(f"\0rating-harness/{prefix}")
        except OSError:
            lease.close()
        else:
            return lease, f"{prefix}.0/24"
    raise OSError(errno.EADDRINUSE, "no loopback network is left for this lab")
