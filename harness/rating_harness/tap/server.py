"""The tap as a whole: its sockets, and its life from ready to stopped."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rating_harness.errors import UsageError
from rating_harness.rating.address import Address
from rating_harness.tap.connections import Connections
from rating_harness.tap.control import Control
from rating_harness.tap.fault_set import FaultSet
from rating_harness.tap.listener import Listener
from rating_harness.tap.proxy import Proxy
from rating_harness.tap.recorder import Recorder
from rating_harness.tap.upstream import Upstream

__all__ = ["Identity", "serve"]


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate in PEM, with its key. Clients may show one too, signed by it or by the same authority."""

    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """TLS 1.2 and later (RFC 9325, section 3.1.1).

        :raises UsageError: the files can't be used.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_OPTIONAL
        try:
            context.load_cert_chain(self.certificate, self.key)
            context.load_verify_locations(self.certificate)
        except (OSError, ssl.SSLError) as error:
            where = f"{self.certificate}, {self.key}"
            raise UsageError("the certificate can't be used", found=str(error), where=where) from None
        return context


async def serve(
    listen: Sequence[Address],
    control: Sequence[Address],
    upstream: str | None,
    *,
    tls_listen: Sequence[Address] = (),
    identity: Identity | None = None,
    ready: Callable[[Sequence[Address], Sequence[Address]], None],
    stop: asyncio.Event,
) -> None:
    """Run a tap until ``stop`` is set.

    :param listen: where the agent's clients connect.
    :param control: where the control API is.
    :param upstream: the agent's URL; None for none.
    :param tls_listen: where the agent's clients connect with TLS.
    :param identity: who the tap is, with TLS.
    :param ready: called once with the addresses in use, when both accept connections.
    :raises UsageError: an address can't be had, the URL is none, or the certificate can't be used.
    """
    listeners = [Listener(address) for address in listen]
    if tls_listen:
        if identity is None:
            raise UsageError("TLS needs a certificate", expected="--certificate and --key", found="neither")
        tls = identity.server_context()
        listeners += [Listener(address, tls) for address in tls_listen]
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
