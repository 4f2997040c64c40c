"""The tap as a whole: its sockets, and its life from ready to stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from rating_harness.rating.address import Address
from rating_harness.tap.connections import Connections
from rating_harness.tap.control import Control
from rating_harness.tap.fault_set import FaultSet
from rating_harness.tap.listener import Listener
from rating_harness.tap.proxy import Proxy
from rating_harness.tap.recorder import Recorder
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
    listeners = [Listener(address) for address in listen]
    control_listeners = [Listener(address) for address in control]
    recorder, faults, agent = Recorder(), FaultSet(), Upstream(upstream)
    try:
        for listener in (*listeners, *control_listeners):
            listener.bind()
        async with asyncio.TaskGroup() as tasks:
            clients = Connections(Proxy(recorder, faults, agent).handle, tasks)
            one_at_a_time = asyncio.Lock()

            async def refuse(refusing: bool) -> None:
                async with one_at_a_time:
                    clients.leave(refusing)
                    for listener in listeners:
                        if refusing:
                            listener.close()
                        else:
                            await listener.open(clients.connection)

            control_clients = Connections(Control(recorder, faults, agent, refuse).handle, tasks)
            await refuse(False)
            for listener in control_listeners:
                await listener.open(control_clients.connection)
            ready([each.address for each in listeners], [each.address for each in control_listeners])
            await stop.wait()
            for connection in (*clients.open, *control_clients.open):
                connection.close()
            raise _Stopped
    except* _Stopped:
        pass
    finally:
        for listener in (*listeners, *control_listeners):
            listener.remove()
        agent.close()


class _Stopped(Exception):
    """Ends the task group, and with it every exchange under way."""
