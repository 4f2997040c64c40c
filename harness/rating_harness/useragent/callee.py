"""A callee: a carrier or a telephone, which treats each call as its script says."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import replace

from rating_harness.useragent.dialog import SipRequest, fill_sdp
from rating_harness.useragent.endpoint import Connection, Endpoint, Trace
from rating_harness.useragent.message import Message, new_branch, tag_of
from rating_harness.useragent.script import (
    NEVER_CAME,
    CalleeCall,
    CalleeScript,
    Fork,
    Happening,
    Registration,
    Treatment,
)
from rating_harness.useragent.session import REPLY, T1, T2, ClientTransaction, Session, Signals

__all__ = ["Callee"]


class Callee:
    """All calls that reach a host. Calls that the scenario doesn't know are refused with 404."""

    def __init__(self, script: CalleeScript, trace: Trace, signals: Signals) -> None:
        self._script = script
        self._signals = signals
        self._current: dict[tuple[str, str | None], CalleeSession] = {}
        self._sessions: list[CalleeSession] = []
        self._invites = 0
        self._registering: Session | None = None
        self._renewal: asyncio.Task[None] | None = None
        self.endpoint = Endpoint(script.socket, trace, self._receive, loss=script.loss)
        self.unsent: list[tuple[str, int, str]] = []
        self.errors: list[BaseException] = []

    @property
    def made(self) -> int:
        """INVITEs that came, repetitions of the same not counted."""
        return self._invites

    # --- registration -----------------------------------------------------------------------------------------------

    async def register(self) -> None:
        """Register, where the script says so, and go on registering; returns with the first final reply."""
        registration = self._script.registration
        if registration is None:
            return
        session = self._registering = Session(self.endpoint, "caller", self._script.name, "", self._signals)
        session.dialog.call_id = registration.call_id
        session.dialog.local = f"{registration.address_of_record};tag={new_branch([self._script.name])}"
        session.dialog.remote = registration.address_of_record
        await self._register(session, registration.request)
        if registration.expires and registration.renewed:
            self._renewal = session.spawn(self._go_on(session, registration))

    async def _go_on(self, session: Session, registration: Registration) -> None:
        while True:
            await asyncio.sleep(registration.expires / 2)
            await self._register(session, registration.request)

    async def _register(self, session: Session, request: SipRequest) -> None:
        reply = await (await session.send(request)).reply()
        if reply is not None and reply.status in (401, 407) and request.username:
            await (await session.send_credentials(request, reply)).reply()

    async def finish(self) -> None:
        """Note which requests were never sent, and leave no registration behind."""
        sent: set[tuple[str, int]] = set()
        whys: dict[tuple[str, int], str] = {}
        for each in self._sessions:
            each.close()
            self.errors += each.errors
            sent |= {(each.call, index) for index in each.sent}
            whys |= {(each.call, index): why for index, why in each.unsent}
        planned = {(call.name, each.index) for call in self._script.calls for each in call.requests}
        for call, index in sorted(planned - sent):
            self.unsent.append((call, index, whys.get((call, index), NEVER_CAME)))
        registration, session = self._script.registration, self._registering
        if registration is not None and session is not None and registration.expires:
            if self._renewal is not None:
                self._renewal.cancel()
            gone = replace(registration.request, headers={**registration.request.headers, "Expires": ("0",)})
            with suppress(asyncio.TimeoutError, OSError):
                await asyncio.wait_for(self._register(session, gone), _FAREWELL)
            session.close()

    # --- calls ------------------------------------------------------------------------------------------------------

    def _receive(self, message: Message, connection: Connection) -> None:
        if self._registering is not None and message.call_id == self._registering.dialog.call_id:
            self._registering.receive(message, connection)
            return
        # The caller's tag is in From of what the caller's side sends, and in To of replies to this end's requests.
        key = (message.call_id, tag_of(message.header("From" if message.is_request else "To") or ""))
        session = self._current.get(key)
        is_initial = message.is_request and tag_of(message.header("To") or "") is None
        if is_initial and message.method == "INVITE" and (session is None or session.is_over_with(message)):
            session = self._current[key] = self._begin(message)
        if session is None and message.is_request:
            # Of no call: it's answered all the same, as a peer does that has no such dialog.
            session = self._session(_NOT_OURS, None)
        if session is not None:
            own = tag_of(message.header("To" if message.is_request else "From") or "")
            session.dialog_of(own).receive(message, connection)

    def _begin(self, invite: Message) -> CalleeSession:
        attempt, self._invites = self._invites, self._invites + 1
        for call in self._script.calls:
            if re.search(call.pattern, invite.call_id):
                treatment = call.by_attempt[attempt] if attempt < len(call.by_attempt) else call.then
                replaced = self._replaced_by(invite)
                if isinstance(replaced, str):
                    return self._session(Treatment(provisional=(), refuse=replaced), call)
                return self._session(treatment, call, replaced)
        return self._session(_NOT_OURS, None)

    def _replaced_by(self, invite: Message) -> CalleeSession | str | None:
        """The call whose place an INVITE takes, or the reply that refuses it (RFC 3891 section 3); None: neither."""
        values = invite.values("Replaces")
        if not values:
            return None
        call_id, *parameters = (each.strip() for each in values[0].split(";"))
        known = dict(each.partition("=")[::2] for each in parameters)
        tags = (known.get("to-tag"), known.get("from-tag"))
        if len(values) > 1 or None in tags:
            return "400 Bad Replaces"
        for session in self._sessions:
            if session.dialog.call_id == call_id and session.tags == tags:
                if session.over.is_set() or session.has_happened("ended"):
                    return "603 Decline"
                if not session.has_happened("answered"):
                    break  # an early dialog that this end didn't begin
                return "486 Busy Here" if "early-only" in known else session
        return "481 Call/Transaction Does Not Exist"

    def _session(
        self, treatment: Treatment, call: CalleeCall | None, replaced: CalleeSession | None = None
    ) -> CalleeSession:
        session = CalleeSession(
            self.endpoint,
            (call.tag if call is not None else "") or f"{self._script.name}-{len(self._sessions) + 1}",
            fill_sdp(treatment.sdp, self.endpoint.socket.local.address),
            self._signals,
            treatment,
            call,
            replaced,
        )
        self._sessions += [session, *session.forks]
        return session


def _wants_100rel(invite: Message, reliable: str) -> bool:
    """Whether provisional replies to an INVITE are reliable."""
    names = {"where required": ("Require",), "where supported": ("Require", "Supported")}.get(reliable, ())
    return "100rel" in {value.strip().lower() for name in names for value in invite.values(name)}


_ACK = 5.0
"""Seconds that an ACK is waited for."""

_NOT_OURS = Treatment(provisional=(), refuse="404 Not a call of this scenario")
_FAREWELL = 1.0
"""Seconds that taking back a registration may take."""


class CalleeSession(Session):
    """One call, or one try of it."""

    def __init__(
        self,
        endpoint: Endpoint,
        name: str,
        sdp: str,
        signals: Signals,
        treatment: Treatment,
        call: CalleeCall | None,
        replaced: CalleeSession | None = None,
    ) -> None:
        """:param replaced: the call whose place this one takes: it's hung up once this one is answered."""
        super().__init__(endpoint, "callee", name, sdp, signals)
        self.treatment = treatment
        self._replaced = replaced
        self._early_sdp = fill_sdp(treatment.early_sdp, endpoint.socket.local.address)
        self._rseq = 0
        self._pracked = asyncio.Event()
        self.supported = frozenset({"replaces"} if treatment.reliable == "never" else {"replaces", "100rel"})
        self._requests = call.requests if call is not None else ()
        self.transfers = call is not None and call.transfers
        self.refusals = call.refusals if call is not None else ()
        self.call = call.name if call is not None else ""
        self._invite: tuple[Message, Connection] | None = None
        self._cancelled = asyncio.Event()
        self._rung = asyncio.Event()
        self._acked = asyncio.Event()
        self._final = ""
        self.forks = tuple(ForkedSession(self, number, fork) for number, fork in enumerate(treatment.forks, start=1))

    @property
    def tags(self) -> tuple[str | None, str | None]:
        """Its own of the dialog, and the caller's."""
        return (tag_of(self.dialog.local), tag_of(self.dialog.remote))

    def dialog_of(self, tag: str | None) -> CalleeSession:
        """Whose tag it is: that of one of the forks, or else this one's."""
        return next((fork for fork in self.forks if fork.name == tag), self)

    def is_over_with(self, message: Message) -> bool:
        """Whether an INVITE is another one than the one that this session is about."""
        return self._invite is not None and self._invite[0].branch != message.branch and bool(self._final)

    def on_initial(self, message: Message, connection: Connection) -> None:
        if message.method != "INVITE":
            super().on_initial(message, connection)
            return
        if self._invite is not None:
            if self._invite[0].branch == message.branch:
                return  # it has come again before anything was said to it
            self.reply(message, connection, "482 Loop Detected", tag=self.name)  # section 8.2.2.2
            return
        self._invite = (message, connection)
        self.dialog.note(message, sent=False)
        self.dialog.remote_last = message.cseq[0]
        self.happened("started")
        for each in self._requests:
            self.spawn(self.send_timed(each))
        for renewal in self.treatment.renewals:
            if renewal.event != "answered":
                self.spawn(self.renew(renewal))
        self.spawn(self._treat(message, connection))
        for fork in self.forks:
            fork.on_initial(message, connection)

    async def _treat(self, invite: Message, connection: Connection) -> None:
        does = self.treatment
        if does.silent:
            self._fall_silent()
            return
        if not await self.rings(invite, connection):
            return
        if does.vanish_ringing:
            self._fall_silent()
            return
        if does.ring and await self._is_cancelled(does.ring):
            return
        for fork in self.forks:
            fork.stop_ringing()
        if does.refuse:
            self._final = does.refuse
            data = self.reply(invite, connection, does.refuse, does.headers, tag=self.name)
            self.happened("ended")
            await self._until_acked(data, connection)
            return
        await self.answer(invite, connection)

    def _fall_silent(self) -> None:
        for each in (self, *self.forks):
            each.silent = True

    def stop_ringing(self) -> None:
        """Send no further provisional reply."""
        self._cancelled.set()
        self._rung.set()

    async def rings(self, invite: Message, connection: Connection) -> bool:
        """Send the provisional replies; whether all were sent before a CANCEL."""
        does = self.treatment
        if does.delay and await self._is_cancelled(does.delay):
            return False
        for status in does.provisional:
            body = self._early_sdp if status.startswith("183") else ""
            is_reliable = not status.startswith("100") and _wants_100rel(invite, does.reliable)
            headers = [self.own_contact, *self._reliability()] if is_reliable else [self.own_contact]
            data = self.reply(invite, connection, status, headers, body, tag=self.name)
            if not status.startswith("100"):
                self.happened("ringing")
            if is_reliable and not await self._is_acknowledged(data, connection):
                return False
        return not self._cancelled.is_set()

    def _reliability(self) -> list[tuple[str, str]]:
        """The headers of a reliable provisional reply (RFC 3262 section 3)."""
        self._rseq += 1
        self._pracked.clear()
        return [("Require", "100rel"), ("RSeq", str(self._rseq))]

    async def _is_acknowledged(self, data: bytes, connection: Connection) -> bool:
        """Send a reliable provisional reply again until its PRACK comes; whether it did before a CANCEL."""
        wait, waited = T1, 0.0
        while not self._pracked.is_set() and not self._cancelled.is_set() and waited < 64 * T1:
            try:
                await asyncio.wait_for(self._pracked.wait(), wait)
            except TimeoutError:
                waited += wait
                wait *= 2
                connection.send(data)
        return self._pracked.is_set()

    def on_prack(self, message: Message) -> bool:
        if self._invite is None:
            return False
        is_of_the_last = (message.header("RAck") or "").split() == [
            str(self._rseq), str(self._invite[0].cseq[0]), "INVITE"
        ]  # fmt: skip
        if is_of_the_last:
            self._pracked.set()
        return is_of_the_last

    async def _is_cancelled(self, within: float) -> bool:
        """Wait, unless a CANCEL comes; whether it did, and ends the call."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._rung.wait(), within)
        return self._cancelled.is_set()

    async def answer(self, invite: Message, connection: Connection) -> None:
        does = self.treatment
        self._final = "200 OK"
        own = {name.lower() for name, _ in does.headers}
        headers = [*([] if "contact" in own else [self.own_contact]), *does.headers]
        if self._replaced is not None and "supported" not in own:
            headers.append(("Supported", "replaces"))
        data = self.reply(invite, connection, "200 OK", headers, self.sdp, tag=self.name)
        self.happened("answered")
        if self._replaced is not None:
            self._replaced.spawn(self._replaced.hang_up(0.0))
        for renewal in does.renewals:
            if renewal.event == "answered":
                self.spawn(self.renew(renewal))
        if does.hang_up is not None:
            self.spawn(self.hang_up(does.hang_up))
        if does.vanish is not None:
            self.spawn(self._vanish(does.vanish))
        await self._until_acked(data, connection)
        for _ in range(does.retransmit_answer):
            connection.send(data)
            await asyncio.sleep(T1 / 5)

    async def _until_acked(self, data: bytes, connection: Connection) -> None:
        """Send a final reply again until its ACK comes (sections 13.3.1.4 and 17.2.1)."""
        wait, waited = T1, 0.0
        while not self._acked.is_set() and waited < 64 * T1 and not self.silent:
            try:
                await asyncio.wait_for(self._acked.wait(), wait)
            except TimeoutError:
                waited += wait
                wait = min(2 * wait, T2)
                if not self.has_happened("ended") or self.treatment.refuse or self._cancelled.is_set():
                    connection.send(data)

    def on_ack(self, message: Message) -> None:
        if self._invite is not None and message.cseq[0] == self._invite[0].cseq[0]:
            self._acked.set()

    def on_cancel(self, message: Message, connection: Connection) -> None:
        if self._invite is None or self._invite[0].branch != message.branch:
            super().on_cancel(message, connection)
            return
        self.reply(message, connection, "200 OK", tag=self.name)
        if self.treatment.answer_cancelled:
            self._rung.set()
        if self._final or self._cancelled.is_set() or self.treatment.answer_cancelled:
            return
        for each in (self, *self.forks):
            each.stop_ringing()
        self._final = "487 Request Terminated"
        data = self.reply(*self._invite, "487 Request Terminated", tag=self.name)
        self.happened("ended")
        self.spawn(self._until_acked(data, connection))

    async def _vanish(self, at: float) -> None:
        await asyncio.sleep(at)
        self._fall_silent()

    async def hang_up(self, at: float) -> None:
        """A BYE so many seconds from now."""
        await asyncio.sleep(at)
        # Not before the ACK, or as long as one may take (section 15).
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._acked.wait(), max(0.0, _ACK - at))
        if self.over.is_set() or self.silent:
            return
        self.happened("ended")
        transaction: ClientTransaction = await self.send(SipRequest("BYE"))
        await transaction.reply(REPLY)
        self.over.set()


class ForkedSession(CalleeSession):
    """A further callee of the same INVITE, whose early dialog stands beside that of the one who answers."""

    def __init__(self, beside: CalleeSession, number: int, fork: Fork) -> None:
        does = beside.treatment
        treatment = replace(
            Treatment(provisional=fork.provisional, delay=fork.delay, early_sdp=fork.early_sdp),
            sdp=does.sdp,
            reliable=does.reliable,
        )
        name = f"{beside.name}-fork-{number}"
        super().__init__(beside.endpoint, name, beside.sdp, beside.signals, treatment, None)
        self._beside = beside
        self._number = number
        self._late_answer = fork.late_answer

    @property
    def own_contact(self) -> tuple[str, str]:
        socket = self.endpoint.socket
        return ("Contact", f"<sip:fork-{self._number}@{socket.local};transport={socket.transport}>")

    async def _treat(self, invite: Message, connection: Connection) -> None:
        await self.rings(invite, connection)
        if self._late_answer is not None:
            await self._beside.moment(Happening("answered", self._late_answer))
            if not self.silent:
                await self.answer(invite, connection)
