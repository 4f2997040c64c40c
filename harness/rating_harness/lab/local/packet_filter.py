"""Disconnecting a host: a packet filter in the lab's network drops what arrives from it or for it.

Only what arrives is dropped: the sender of a packet that may not leave would get an error. What a host sends to
itself passes.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from functools import cached_property

from rating_harness.errors import LabError
from rating_harness.lab.protocol import Host

__all__ = ["PacketFilter", "Tool"]

Tool = Callable[..., tuple[int, str]]
"""Runs a command in the lab's network, and returns its status and its output."""


class PacketFilter:
    """The lab's packet filter, whichever of the flavours of iptables the kernel takes."""

    def __init__(self, tool: Tool) -> None:
        self._tool = tool

    @property
    def works(self) -> bool:
        return self._filter is not None

    def disconnect(self, host: Host) -> None:
        """:raises LabError: the filter refused."""
        self._rules("--insert", host)

    def reconnect(self, host: Host) -> None:
        """:raises LabError: it wasn't disconnected."""
        self._rules("--delete", host)

    def _rules(self, action: str, host: Host) -> None:
        script = " && ".join(
            shlex.join((command, "--wait", action, "INPUT", here, address, "!", there, address, "--jump", "DROP"))
            for command, address in ((self._filter, host.address), (self._filter6, host.address6))
            if command and address
            for here, there in (("--source", "--destination"), ("--destination", "--source"))
        )
        status, output = self._tool("sh", "-c", script)
        if status:
            raise LabError(f"{host.name} could not be disconnected, or connected again", detail=output)

    @cached_property
    def _filter(self) -> str | None:
        return self._working("iptables", "iptables-legacy", "iptables-nft")

    @cached_property
    def _filter6(self) -> str | None:
        return self._working("ip6tables", "ip6tables-legacy", "ip6tables-nft")

    def _working(self, *commands: str) -> str | None:
        return next((command for command in commands if self._tool(command, "--wait", "--list-rules")[0] == 0), None)
