"""Requests beside a call's own whose moment only the harness knows: a stranger's are sent, an end's signalled."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import cast

from rating_harness.deadline import Deadline
from rating_harness.errors import Timeout
from rating_harness.evidence.calls import host_of_stranger
from rating_harness.evidence.model import Span, Unsent
from rating_harness.plan.model import Plan, PlannedCall, PlannedRequest
from rating_harness.plan.render import certificates
from rating_harness.plan.user_agents import octets_of
from rating_harness.run.background import Background
from rating_harness.run.sipp_processes import PreparedSipp, SippProcess
from rating_harness.run.stack import KAMAILIO, Stack
from rating_harness.run.watch import EventWatch
from rating_harness.useragent.agent import UserAgent
from rating_harness.useragent.dialog import Dialog, Place, Unknown, build
from rating_harness.useragent.message import Message, new_branch
from rating_harness.useragent.script import NEVER_CAME, CalleeScript, SenderScript, Socket, Transport

__all__ = ["RequestOfCall", "RequestRun", "dialog_of", "strangers_of", "unsent_by_ends"]

_LISTENS = 2.0
"""Seconds for which a stranger waits for replies."""

_PORT, _TLS_PORT = 5060, 5061

_CREDENTIALS = re.compile(rb"^(?:proxy-)?authorization[ \t]*:[ \t]*([^\r\n]+)", re.IGNORECASE | re.MULTILINE)

Ends = Callable[[PlannedRequest], Sequence[SippProcess] | None]
"""The ends of the calls that are to be signalled; None while one of them is being started."""

RequestOfCall = tuple[str, int]
"""A call's id, and the index of one of its requests."""


class RequestRun:
    """All of a plan's requests, each at its moment."""

    def __init__(
        self,
        stack: Stack,
        plan: Plan,
        events: EventWatch,
        ends: Ends,
        strangers: Mapping[RequestOfCall, PreparedSipp],
        background: Background,
    ) -> None:
        """:param strangers: those of `strangers_of`."""
        self._stack = stack
        self._events = events
        self._ends = ends
        self._prepared = strangers
        self._background = background
        self._calls: Mapping[str, PlannedCall] = {call.id: call for call in plan.calls}
        self._waiting = list(plan.sip_requests)
        self._sending: list[Future[SippProcess | Unsent]] = []
        self._unsent: list[Unsent] = []
        self.strangers: list[SippProcess] = []
        self.spans: list[Span] = []

    def advance(self, now: float, callers: Mapping[str, SippProcess]) -> None:
        """Do what is due.

        :raises LabError: a stranger or a signal couldn't be sent.
        """
        self._background.check()
        for request in [each for each in self._waiting if self._events.is_due(each.when, now)]:
            ends = None if request.by == "stranger" else self._ends(request)
            if request.by != "stranger" and ends is None:
                continue
            self._waiting.remove(request)
            self.spans.append(Span(f"request {request.index} of call {request.call}", self._stack.now()))
            if ends is None:
                caller = callers.get(request.call)
                self._sending.append(self._background.submit(self._send, request, caller))
            else:
                self._background.in_order(_signal, ends, request.index)
        self._take_sent()

    def _take_sent(self) -> None:
        while self._sending and self._sending[0].done():
            sent = self._sending.pop(0).result()
            if isinstance(sent, Unsent):
                self._unsent.append(sent)
            else:
                self.strangers.append(sent)

    @property
    def is_ahead(self) -> bool:
        """Whether a moment is known that hasn't come yet, or a stranger still listens."""
        return (
            bool(self._sending)
            or any(self._events.due(request.when) is not None for request in self._waiting)
            or any(stranger.process.poll() is None for stranger in self.strangers)
        )

    def finish(self) -> None:
        """Wait for the strangers, who listen for a while.

        :raises LabError: a stranger or a signal couldn't be sent.
        """
        self._background.settle()
        self._background.check()
        self._take_sent()
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

    def _send(self, request: PlannedRequest, caller: SippProcess | None) -> SippProcess | Unsent:
        """What the caller knows of the call, the stranger knows."""
        prepared = self._prepared[request.call, request.index]
        agent = prepared.agent
        assert isinstance(agent, UserAgent)
        assert isinstance(agent.script, SenderScript)
        socket = agent.script.socket
        try:
            octets = build(
                request.request,
                dialog_of(caller, self._calls[request.call].call_ids[0]),
                sender=socket.local,
                kamailio=socket.kamailio,
                transport=socket.transport,
                branch=new_branch([agent.host, f"request-{request.index}"]),
            )
        except Unknown as unknown:
            return Unsent(request.call, request.index, str(unknown))
        script = replace(agent.script, messages=(octets.decode("latin-1"),))
        return prepared.start(replace(agent, script=script))


def strangers_of(stack: Stack, plan: Plan) -> dict[RequestOfCall, UserAgent]:
    """Who sends each request that isn't an end's; what they send is known at their moments only."""
    calls = {call.id: call for call in plan.calls}
    of_strangers = [request for request in plan.sip_requests if request.by == "stranger"]
    return {
        (request.call, request.index): _stranger(stack, request, calls[request.call].agent.transport)
        for request in of_strangers
    }


def _stranger(stack: Stack, request: PlannedRequest, transport: Transport) -> UserAgent:
    name, transport = host_of_stranger(request.call, request.index), request.request.transport or transport
    host, kamailio = stack.lab.host(name), stack.lab.host(KAMAILIO)
    script = SenderScript(
        name=name,
        socket=Socket(
            Place(host.address, _PORT),
            Place(kamailio.address, request.request.port or (_TLS_PORT if transport == "tls" else _PORT)),
            transport,
        ),
        messages=(),
        times=request.request.times,
        every=request.request.every,
        listens=_LISTENS,
    )
    files = certificates() if transport == "tls" else {}
    return UserAgent("stranger", name, host.address, _PORT, script, transport, files=files)


def _signal(ends: Sequence[SippProcess], index: int) -> None:
    """Say to them that the moment of the request of that index has come."""
    for end in ends:
        # What POSIX has 30 of, Python's enumeration names two of.
        end.process.signal(cast(signal.Signals, int(signal.SIGRTMIN) + index))


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
