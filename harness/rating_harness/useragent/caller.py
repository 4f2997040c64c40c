"""A caller: INVITE, what comes of it, requests at their moments, and BYE."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from rating_harness.scenario.values import CSeq
from rating_harness.useragent.dialog import SDP_TYPE, SipRequest, fill_sdp
from rating_harness.useragent.endpoint import Connection, Endpoint, Trace
from rating_harness.useragent.message import Message, new_branch, tag_of
from rating_harness.useragent.script import NEVER_CAME, CallerScript
from rating_harness.useragent.session import REPLY, ClientTransaction, Session, Signals

__all__ = ["Caller"]

_LOST = 0.05
"""After how many seconds an INVITE is sent again that wasn't lost."""


class Caller:
    """All calls of a script, one after another has begun."""

    def __init__(self, script: CallerScript, trace: Trace, signals: Signals) -> None:
        self._script = script
        self._signals = signals
        self._sessions: dict[str, CallerSession] = {}
        self.endpoint = Endpoint(script.socket, trace, self._receive, loss=script.loss)
        self.unsent: list[tuple[str, int, str]] = []
        self.errors: list[BaseException] = []
        self.made = 0

    async def run(self) -> None:
        room = asyncio.Semaphore(self._script.limit)
        async with asyncio.TaskGroup() as group:
            for number, call_id in enumerate(self._script.call_ids, start=1):
                await room.acquire()
                session = CallerSession(self.endpoint, self._script.of(number), call_id, number, self._signals)
                self._sessions[call_id] = session
                self.made += 1
                group.create_task(self._call(session, room))
                await asyncio.sleep(self._script.spacing)

    async def _call(self, session: CallerSession, room: asyncio.Semaphore) -> None:
        try:
            await session.call()
        finally:
            self.errors += session.errors
            self.unsent += [(self._script.call, index, why) for index, why in session.unsent]
            session.close()
            room.release()

    def _receive(self, message: Message, connection: Connection) -> None:
        session = self._sessions.get(message.call_id)
        if session is not None:
            session.receive(message, connection)


class CallerSession(Session):
    """One call."""

    def __init__(self, endpoint: Endpoint, script: CallerScript, call_id: str, number: int, signals: Signals) -> None:
        sdp = fill_sdp(script.sdp, endpoint.socket.local.address)
        super().__init__(endpoint, "caller", f"{script.name}-{number}", sdp, signals)
        self._script = script
        self._number = number
        self._call_id = call_id
        self._acknowledged: set[tuple[str | None, str]] = set()
        self._declined: set[str | None] = set()
        self.transfers = script.transfers
        self.refusals = script.refusals

    async def call(self) -> None:
        """Make the call, and wait until it's over and all its requests are answered or given up."""
        script = self._script
        requests = [self.spawn(self.send_timed(each)) for each in script.requests]
        for renewal in script.renewals:
            if renewal.event != "answered":
                self.spawn(self.renew(renewal))
        flow = self.spawn(self._flow())
        vanish = self.spawn(self._vanish()) if script.vanish else None
        over = self.spawn(self.over.wait())
        await asyncio.wait([flow], timeout=script.patience + max(script.holds))
        flow.cancel()
        if not self.has_happened("ended"):
            self.happened("ended")
        for each in (vanish, over):
            if each is not None:
                each.cancel()
        pending = {task for task in requests if not task.done()}
        ahead = max((each.at.delay + each.request.every * each.request.times for each in script.requests), default=0)
        if pending:
            _, pending = await asyncio.wait(pending, timeout=REPLY + ahead)
        await asyncio.sleep(script.lingers)
        sent = {index for index, task in enumerate(requests) if task.done()}
        self.unsent += [(each.index, NEVER_CAME) for place, each in enumerate(script.requests) if place not in sent]

    async def _vanish(self) -> None:
        assert self._script.vanish is not None
        await self.moment(self._script.vanish)
        self.silent = True
        self.over.set()

    async def _flow(self) -> None:
        transaction, final = await self._invite()
        if self.silent:
            return
        if final is None or final.status >= 300 or self._script.invite.method != "INVITE":
            self.happened("ended")
            return
        self.happened("answered")
        if not self._script.no_ack:
            await self.acknowledge(transaction, times=2 if "ACK" in self._script.twice else 1)
        for renewal in self._script.renewals:
            if renewal.event == "answered":
                self.spawn(self.renew(renewal))
        if self._script.hangup:
            self.spawn(self._hang_up())
        await self.over.wait()

    async def _invite(self) -> tuple[ClientTransaction, Message | None]:
        """The INVITE and its final reply, with credentials where they are wanted."""
        script = self._script
        has_tag = tag_of(script.from_value) is not None  # the author's own
        invite = replace(
            script.invite,
            body=self.sdp,
            content_type=SDP_TYPE if self.sdp else "",
            headers={
                "From": (script.from_value if has_tag else f"{script.from_value};tag={self.name}",),
                "To": (script.to_value,),
                "Call-ID": (self._call_id,),
                **script.invite.headers,
            },
        )
        self.dialog.call_id = self._call_id
        self.dialog.invite_uri = invite.uri or ""
        transaction = await self.send(invite)
        if "INVITE" in script.twice:
            self.spawn(self._once_more(transaction, _LOST))
        self.happened("started")
        cancel = self.spawn(self._cancel(transaction)) if script.cancel else None
        final = await transaction.reply(script.patience)
        if final is not None and final.status in (401, 407) and invite.username:
            if cancel is not None:
                cancel.cancel()
            number = CSeq(transaction.message.cseq[0] + 1) if transaction.message else CSeq(2)
            transaction = await self.send_credentials(replace(invite, cseq=number), final)
            if script.cancel:
                self.spawn(self._cancel(transaction))
            final = await transaction.reply(script.patience)
        return transaction, final

    async def _once_more(self, transaction: ClientTransaction, after: float) -> None:
        await asyncio.sleep(after)
        transaction.connection.send(transaction.data)

    async def _cancel(self, transaction: ClientTransaction) -> None:
        """Once there's a provisional reply, and not before (section 9.1)."""
        at = self._script.cancel
        assert at is not None
        await transaction.provisional.wait()
        await self.moment(at)
        if not transaction.final.done() and transaction.message is not None:
            await self.send(SipRequest("CANCEL"))

    def on_provisional(self, transaction: ClientTransaction, message: Message) -> None:
        if message.method != "INVITE" or message.status == 100:
            return
        number, wanted = message.header("RSeq"), [each.lower() for each in message.values("Require")]
        acknowledged = (tag_of(message.header("To") or ""), number or "")  # each early dialog counts for itself
        if number is not None and "100rel" in wanted and acknowledged not in self._acknowledged:
            self._acknowledged.add(acknowledged)
            self.spawn(self._acknowledge_provisional(number, message))
        self.happened("ringing")

    async def _acknowledge_provisional(self, number: str, reply: Message) -> None:
        """PRACK (RFC 3262 section 4), in the early dialog of the reply."""
        prack = SipRequest("PRACK", headers={"RAck": (f"{number} {reply.cseq[0]} INVITE",)})
        await (await self.send(prack, dialog=self.dialog.of_reply(reply))).reply()

    def on_further_answer(self, message: Message) -> None:
        self.spawn(self._decline(message))

    async def _decline(self, answer: Message) -> None:
        """The answer of a second callee is acknowledged, and its dialog hung up (section 13.2.2.4)."""
        dialog, tag = self.dialog.of_reply(answer), tag_of(answer.header("To") or "")
        is_first = tag not in self._declined
        self._declined.add(tag)
        ack = SipRequest("ACK", cseq=CSeq(answer.cseq[0]))
        await self.send(ack, branch=new_branch([self.name, "ack"]), again=False, dialog=dialog)
        if is_first:
            await (await self.send(SipRequest("BYE"), dialog=dialog)).reply()

    async def _hang_up(self) -> None:
        script = self._script
        await asyncio.sleep(script.holds[(self._number - 1) % len(script.holds)])
        if self.over.is_set() or self.has_happened("ended"):
            return
        if script.bye == "wrong_cseq":
            await (await self.send(SipRequest("BYE", cseq=CSeq(0)))).reply()
        if script.bye == "wrong_tag":
            wrong = {"From": (f"{script.from_value.partition(';tag=')[0]};tag=unknown",)}
            await (await self.send(SipRequest("BYE", headers=wrong))).reply()
        self.happened("ended")
        transaction = await self.send(SipRequest("BYE"), branch=new_branch([self.name, "bye"]))
        if "BYE" in script.twice:
            await self._once_more(transaction, _LOST)
        await transaction.reply()
        self.over.set()
