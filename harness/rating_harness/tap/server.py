"""The tap as a whole: its sockets, and its life from ready to stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from rating_harness.rating.address import Address
from rating_harness.tap.connections import Clients
from rating_harness.tap.control import Control
from rating_harness.tap.fault_set import FaultBook
from rating_harness.tap.listener import Listener
from rating_harness.tap.proxy import Proxy
from rating_harness.tap.recorder import Journal
from rating_harness.tap.upstream import Upstream

__all__ = ["serve"]


async def serve(
    listen: Sequence[Address],
    control: Sequence[Address],
    upstream: str | None,
    *,
    ready: Callable[[Sequence[Address], Sequence[Address]], None],
    stop: asyncio.Event,
) -> None:
    """Run a tap until ``stop`` is set.

    :param listen: where the agent's clients connect.
    :param control: where the control API is.
    :param upstream: the agent's URL; None for none.
    :param ready: called once with the addresses in use, when both accept connections.
    :raises UsageError: an address can't be had, or the URL is none.
    """
    doors = [Listener(address) for address in listen]
    offices = [Listener(address) for address in control]
    journal, faults, agent = Journal(), FaultBook(), Upstream(upstream)
    try:
        for listener in (*doors, *offices):
            listener.bind()
        async with asyncio.TaskGroup() as tasks:
            clients = Clients(Proxy(journal, faults, agent).handle, tasks)
            one_at_a_time = asyncio.Lock()

            async def refuse(refusing: bool) -> None:
                async with one_at_a_time:
                    clients.leave(refusing)
                    for door in doors:
                        if refusing:
                            door.close()
                        else:
                            await door.open(clients.connection)

            directors = Clients(Control(journal, faults, agent, refuse).handle, tasks)
            await refuse(False)
            for office in offices:
                await office.open(directors.connection)
            ready([door.address for door in doors], [office.address for office in offices])
            await stop.wait()
            for connection in (*clients.open, *directors.open):
                connection.close()
            raise _Stopped
    except* _Stopped:
        pass
    finally:
        for listener in (*doors, *offices):
            listener.remove()
        agent.close()


class _Stopped(Exception):
    """Ends the task group, and with it every exchange under way."""
