"""Requests beside a call's own whose moment only the harness knows: a stranger's are sent, an end's signalled."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

from rating_harness.deadline import Deadline
from rating_harness.errors import Timeout
from rating_harness.evidence.model import Span, Unsent
from rating_harness.plan.model import Plan, PlannedCall, PlannedRequest
from rating_harness.plan.render import certificates
from rating_harness.plan.user_agents import octets_of
from rating_harness.run.sipp_processes import SippProcess, start_sipp
from rating_harness.run.stack import KAMAILIO, Stack
from rating_harness.run.watch import EventWatch
from rating_harness.useragent.agent import UserAgent, host_of_stranger
from rating_harness.useragent.dialog import Dialog, Place, Unknown, build
from rating_harness.useragent.message import Message, new_branch
from rating_harness.useragent.script import NEVER_CAME, CalleeScript, SenderScript, Socket

__all__ = ["RequestRun", "dialog_of", "unsent_by_ends"]

_LISTENS = 2.0
"""Seconds for which a stranger waits for replies."""

_PORT, _TLS_PORT = 5060, 5061

_CREDENTIALS = re.compile(rb"^(?:proxy-)?authorization[ \t]*:[ \t]*([^\r\n]+)", re.IGNORECASE | re.MULTILINE)

Ends = Callable[[PlannedRequest], Iterable[SippProcess]]
"""The ends of the calls that are to be signalled."""


class RequestRun:
    """All of a plan's requests, each at its moment."""

    def __init__(self, stack: Stack, plan: Plan, events: EventWatch, ends: Ends) -> None:
        self._stack = stack
        self._events = events
        self._ends = ends
        self._calls: Mapping[str, PlannedCall] = {call.id: call for call in plan.calls}
        self._waiting = list(plan.sip_requests)
        self._unsent: list[Unsent] = []
        self.strangers: list[SippProcess] = []
        self.spans: list[Span] = []
        for request in self._waiting:
            if request.by == "stranger":
                # In Docker a host is a container, which takes half a second to start.
                stack.lab.host(host_of_stranger(request.call, request.index))

    def advance(self, now: float, callers: Mapping[str, SippProcess]) -> None:
        """Do what is due."""
        for request in [each for each in self._waiting if self._events.is_due(each.when, now)]:
            self._waiting.remove(request)
            self.spans.append(Span(f"request {request.index} of call {request.call}", self._stack.now()))
            if request.by == "stranger":
                self._send(request, callers)
            else:
                for end in self._ends(request):
                    # What POSIX has 30 of, Python's enumeration names two of.
                    end.process.signal(cast(signal.Signals, int(signal.SIGRTMIN) + request.index))

    @property
    def is_ahead(self) -> bool:
        """Whether a moment is known that hasn't come yet, or a stranger still listens."""
        return any(self._events.due(request.when) is not None for request in self._waiting) or any(
            stranger.process.poll() is None for stranger in self.strangers
        )

    def finish(self) -> None:
        """Wait for the strangers, who listen for a while."""
        deadline = Deadline(10.0)
        for stranger in self.strangers:
            try:
                stranger.process.wait(deadline)
            except Timeout:
                stranger.process.signal(signal.SIGKILL)

    def unsent(self, ends: Sequence[SippProcess]) -> tuple[Unsent, ...]:
        """The requests that were never sent, strangers' and others'."""
        never = [
            Unsent(each.call, each.index, f"its moment never came: {each.when}")
            for each in self._waiting
            if each.by == "stranger"
        ]
        return (*self._unsent, *never, *unsent_by_ends(ends))

    def _send(self, request: PlannedRequest, callers: Mapping[str, SippProcess]) -> None:
        """What the caller knows of the call, the stranger knows."""
        call = self._calls[request.call]
        lab, name = self._stack.lab, host_of_stranger(request.call, request.index)
        host, kamailio = lab.host(name), lab.host(KAMAILIO)
        transport = request.request.transport or call.agent.transport
        local = Place(host.address, _PORT)
        remote = Place(kamailio.address, request.request.port or (_TLS_PORT if transport == "tls" else _PORT))
        caller = callers.get(request.call)
        try:
            octets = build(
                request.request,
                dialog_of(caller, call.call_ids[0]),
                sender=local,
                kamailio=remote,
                transport=transport,
                branch=new_branch([name, f"request-{request.index}"]),
            )
        except Unknown as unknown:
            self._unsent.append(Unsent(request.call, request.index, str(unknown)))
            return
        script = SenderScript(
            name=name,
            socket=Socket(local, remote, transport),
            messages=(octets.decode("latin-1"),),
            times=request.request.times,
            every=request.request.every,
            listens=_LISTENS,
        )
        files = certificates() if transport == "tls" else {}
        agent = UserAgent("stranger", name, host.address, _PORT, script, transport, files=files)
        self.strangers.append(start_sipp(lab, agent, name))


def unsent_by_ends(ends: Sequence[SippProcess]) -> list[Unsent]:
    """What callers never sent, and callees: of these any may have got the call, and then it's the one that counts."""
    callees = [end for end in ends if isinstance(end.agent, UserAgent) and isinstance(end.agent.script, CalleeScript)]
    callers = [end for end in ends if isinstance(end.agent, UserAgent) and end not in callees]
    found = [Unsent(*each) for end in callers for each in end.unsent]
    by_callees: dict[tuple[str, int], list[str]] = {}
    for end in callees:
        for call, index, why in end.unsent:
            by_callees.setdefault((call, index), []).append(why)
    for (call, index), whys in by_callees.items():
        if len(whys) == len(callees):
            found.append(Unsent(call, index, next((why for why in whys if why != NEVER_CAME), NEVER_CAME)))
    return found


def dialog_of(caller: SippProcess | None, call_id: str) -> Dialog:
    """The call's dialog as its caller knows it by now."""
    dialog = Dialog("caller")
    for message in caller.messages if caller is not None else ():
        if message.call_id != call_id:
            continue
        start = (
            f"{message.method} {message.uri} SIP/2.0"
            if message.status is None
            else f"SIP/2.0 {message.status} {message.reason}"
        )
        headers = tuple((name, octets_of(value)) for name, value in message.headers)
        dialog.note(Message(start, headers), sent=message.direction == "sent")
    # Messages as evidence have them lack what an eavesdropper would hear, and a replay needs.
    heard = _CREDENTIALS.findall(caller.trace) if caller is not None else []
    if heard:
        dialog.authorization = heard[-1].decode("latin-1").strip()
    return dialog
