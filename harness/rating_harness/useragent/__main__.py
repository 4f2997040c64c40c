"""``python -m rating_harness.useragent SCRIPT``: be the user agent of a script (`rating_harness.useragent.script`).

It writes into its working directory what SIPp would: ``messages.log``, ``errors.log``, ``statistics.csv``. The last
appears once its sockets are bound. SIGTERM ends it in good order; signal ``SIGRTMIN + N`` says that the moment of the
call's request N has come.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from rating_harness.useragent.agent import FAILED, write_statistics
from rating_harness.useragent.callee import Callee
from rating_harness.useragent.caller import Caller
from rating_harness.useragent.endpoint import Endpoint, Trace
from rating_harness.useragent.script import CalleeScript, CallerScript, SenderScript, from_json
from rating_harness.useragent.session import Signals

__all__ = ["main"]

_HERE = Path()

_SIGNALS = 24
"""How many requests of a call can wait for an event of another one."""

_MOMENTS = [signal.SIGRTMIN + number for number in range(_SIGNALS)]


def main(script: str) -> int:
    """Exit status: 0, or 255 when it could not do its work."""
    # Until somebody waits for them they would end it.
    signal.pthread_sigmask(signal.SIG_BLOCK, _MOMENTS)
    try:
        asyncio.run(_run(from_json(Path(script).read_text(encoding="utf-8"))))
    except BaseException:  # noqa: BLE001 - it's written down for whoever started this
        (_HERE / "errors.log").write_text(traceback.format_exc(), encoding="utf-8")
        traceback.print_exc()
        return FAILED
    return 0


async def _run(script: CallerScript | CalleeScript | SenderScript) -> None:
    trace, signals, stop = Trace(_HERE), Signals(), asyncio.Event()
    loop = asyncio.get_running_loop()
    unhandled: list[BaseException] = []
    loop.set_exception_handler(lambda _, context: unhandled.append(_error_in(context)))
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    for number in range(_SIGNALS):
        loop.add_signal_handler(signal.SIGRTMIN + number, signals[number].set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _MOMENTS)
    stopped = loop.create_task(stop.wait())
    if isinstance(script, SenderScript):
        await _send(script, trace)
        return
    agent = Caller(script, trace, signals) if isinstance(script, CallerScript) else Callee(script, trace, signals)
    await agent.endpoint.open()
    if isinstance(agent, Callee):
        await agent.register()
    write_statistics(_HERE, 0)
    if isinstance(agent, Caller):
        work = loop.create_task(agent.run())
        await asyncio.wait([work, stopped], return_when=asyncio.FIRST_COMPLETED)
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work
    else:
        await stopped
        await agent.finish()
    (_HERE / "unsent.json").write_text(json.dumps(agent.unsent), encoding="utf-8")
    write_statistics(_HERE, agent.made)
    stopped.cancel()
    for error in (*agent.errors, *unhandled):
        raise error


def _error_in(context: dict[str, Any]) -> BaseException:
    """What asyncio says of a callback or a task that nobody waited for."""
    error = context.get("exception")
    return error if isinstance(error, BaseException) else RuntimeError(context.get("message", "unknown"))


async def _send(script: SenderScript, trace: Trace) -> None:
    endpoint = Endpoint(script.socket, trace, lambda message, connection: None)
    if script.socket.transport == "udp":
        await endpoint.open()
    write_statistics(_HERE, 0)
    connection = await endpoint.to_kamailio(script.socket.transport, script.socket.kamailio.port)
    for number in range(script.times):
        if number and (script.every or number % 50 == 0):
            await asyncio.sleep(script.every)
        for message in script.messages:
            connection.send(message.encode("latin-1"))
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(script.listens)
    write_statistics(_HERE, 1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
