"""One call at one end: its dialog, its transactions, and the rules that RFC 3261 has for both."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

from rating_harness.scenario.values import CSeq, Event
from rating_harness.useragent.dialog import HIGHEST_CSEQ, NEXT, SDP_TYPE, Dialog, SipRequest, Unknown, build, fill_sdp
from rating_harness.useragent.digest import credentials
from rating_harness.useragent.endpoint import Connection, Endpoint
from rating_harness.useragent.message import Message, new_branch, parameter, tag_of
from rating_harness.useragent.script import Happening, Renewal, TimedRequest

__all__ = ["REPLY", "ClientTransaction", "Session", "Signals"]

T1, T2 = 0.5, 4.0
"""Seconds of RFC 3261 section 17.1.1.1: the first wait of a retransmission, and the longest."""

REPLY = 8.0
"""Seconds for which a reply is waited for: beyond Kamailio's own timeouts in a lab."""

_LINGERS = 1.0
"""Seconds for which an end is there that has hung up by a request of its own (section 17.2.2 has 32)."""

KNOWN_METHODS = ("INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "UPDATE", "INFO", "MESSAGE", "NOTIFY", "PRACK", "REFER")


class Signals:
    """What the harness signals to a running user agent: that the moment of a request has come."""

    def __init__(self) -> None:
        self._events: dict[int, asyncio.Event] = {}

    def __getitem__(self, index: int) -> asyncio.Event:
        return self._events.setdefault(index, asyncio.Event())


class ClientTransaction:
    """A request that was sent, and the replies to it."""

    def __init__(self, data: bytes, message: Message | None, connection: Connection, dialog: Dialog) -> None:
        self.data = data
        self.dialog = dialog
        self.message = message
        self.connection = connection
        self.provisional = asyncio.Event()
        self.final: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self.ack: bytes | None = None
        self.request: SipRequest | None = None

    async def retransmit(self) -> None:
        """Over UDP: until there's a reply (sections 17.1.1.2 and 17.1.2.2)."""
        wait = T1
        is_invite = self.message is not None and self.message.method == "INVITE"
        while not self.final.done() and not (is_invite and self.provisional.is_set()):
            await asyncio.sleep(wait)
            if not self.final.done() and not (is_invite and self.provisional.is_set()):
                self.connection.send(self.data)
            wait = wait * 2 if is_invite else min(wait * 2, T2)

    async def reply(self, within: float = REPLY) -> Message | None:
        """The final reply; None when there was none within so many seconds."""
        with suppress(asyncio.TimeoutError):
            return await asyncio.wait_for(asyncio.shield(self.final), within)
        return None


class Session:
    """What caller and callee have in common."""

    def __init__(
        self, endpoint: Endpoint, side: Literal["caller", "callee"], name: str, sdp: str, signals: Signals
    ) -> None:
        self.endpoint = endpoint
        self.dialog = Dialog(side)
        self.name = name
        self.sdp = sdp
        self.silent = False
        self.transfers = False
        self.refusals: tuple[str, ...] = ()
        self.supported: frozenset[str] = frozenset()
        self.over = asyncio.Event()
        self.unsent: list[tuple[int, str]] = []
        self.sent: set[int] = set()
        self.errors: list[BaseException] = []
        self.signals = signals
        self._happened: dict[Event, asyncio.Event] = {
            "started": asyncio.Event(), "ringing": asyncio.Event(), "answered": asyncio.Event(),
            "transferred": asyncio.Event(), "ended": asyncio.Event(),
        }  # fmt: skip
        self._sent: dict[tuple[str, str], ClientTransaction] = {}
        self._replies: dict[tuple[str, str], tuple[bytes, Connection]] = {}
        self._branches: set[str | None] = set()
        self._terminated = False
        self._signalled: dict[int, asyncio.Event] = {}
        self._renewing = 0
        self._renewed = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    # --- time -------------------------------------------------------------------------------------------------------

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.errors.append(error)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    def happened(self, event: Event) -> None:
        self._happened[event].set()

    def has_happened(self, event: Event) -> bool:
        return self._happened[event].is_set()

    async def moment(self, at: Happening, index: int = 0) -> None:
        """Wait for it."""
        event = self.signals[index] if at.event is None else self._happened[at.event]
        await event.wait()
        await asyncio.sleep(at.delay)

    # --- requests ---------------------------------------------------------------------------------------------------

    async def send(
        self,
        request: SipRequest,
        *,
        branch: str | None = None,
        extra: Mapping[str, tuple[str, ...]] | None = None,
        again: bool = True,
        dialog: Dialog | None = None,
    ) -> ClientTransaction:
        """Send a request, over UDP again and again until there's a reply, unless ``again`` is false.

        :param dialog: another one than the call's own: of a forked INVITE.
        :raises Unknown: it needs something that isn't known yet.
        :raises OSError: there's no connection.
        """
        socket = self.endpoint.socket
        transport = request.transport or socket.transport
        branch = branch or new_branch([self.name])
        data = build(
            request,
            dialog or self.dialog,
            sender=socket.local,
            kamailio=replace(socket.kamailio, port=request.port) if request.port else socket.kamailio,
            transport=transport,
            branch=branch,
            extra=extra,
        )
        connection = await self.endpoint.to_kamailio(request.transport, request.port)
        try:
            message = Message.parse(data)
        except ValueError:
            message = None
        transaction = ClientTransaction(data, message, connection, dialog or self.dialog)
        transaction.request = request
        if message is not None and request.octets is None:
            self.dialog.note(message, sent=True)
        if message is not None and message.method != "ACK":
            self._sent[message.branch, message.cseq[1]] = transaction
            self._branches.add(message.branch)
        connection.send(data)
        if again and transport == "udp" and request.octets is None and request.method != "ACK":
            self.spawn(transaction.retransmit())
        return transaction

    async def send_timed(self, timed: TimedRequest) -> None:
        """A request at its moment, as often as it's to be sent; its final reply is waited for."""
        request, index = timed.request, timed.index
        gone = asyncio.Event()
        if timed.at.event is None:
            self._signalled[index] = gone
        await self.moment(timed.at, index)
        await self._after_earlier(timed)
        if self.silent:
            self.unsent.append((index, f"the {self.dialog.side} had fallen silent"))
            gone.set()
            return
        branch = new_branch([self.name, f"request-{index}"])
        try:
            transaction = await self.send(request, branch=branch, again=request.times == 1)
            self.sent.add(index)
            gone.set()
            for _ in range(request.times - 1):
                await asyncio.sleep(request.every)
                transaction.connection.send(transaction.data)
            reply = await transaction.reply() if self._expects_reply(transaction) else None
            if reply is not None and reply.status in (401, 407) and request.username:
                answered = await self.send_credentials(request, reply)
                await answered.reply()
            if self._terminated and request.method == "BYE":
                # This end has hung up; what Kamailio has on its way to it is still answered.
                self.happened("ended")
                await asyncio.sleep(_LINGERS)
                self.over.set()
        except (Unknown, OSError) as error:
            self.unsent.append((index, str(error)))
        finally:
            gone.set()

    async def _after_earlier(self, timed: TimedRequest) -> None:
        """Until the requests before it in the file are gone whose moments have come as well: of two signals that a
        process finds at once, the later one is handled first."""
        if timed.at.event is not None:
            return
        await asyncio.sleep(0)
        for index, gone in sorted(self._signalled.items()):
            if index < timed.index and self.signals[index].is_set():
                await gone.wait()

    def _expects_reply(self, transaction: ClientTransaction) -> bool:
        return transaction.message is not None and transaction.message.method != "ACK"

    async def send_credentials(self, request: SipRequest, challenge: Message) -> ClientTransaction:
        """The same request once more, with credentials (section 22.2)."""
        uri = request.uri or self.dialog.target or self.dialog.invite_uri
        name = "Proxy-Authorization" if challenge.status == 407 else "Authorization"
        challenged = challenge.header("Proxy-Authenticate" if challenge.status == 407 else "WWW-Authenticate") or ""
        value = credentials(
            challenged, username=request.username, password=request.password, method=request.method, uri=uri
        )
        return await self.send(replace(request, cseq=NEXT), extra={name: (value,)})

    # --- what comes in ----------------------------------------------------------------------------------------------

    def receive(self, message: Message, connection: Connection) -> None:
        if self.silent:
            return
        if message.is_request:
            self._receive_request(message, connection)
        else:
            self._receive_reply(message)

    def _receive_reply(self, message: Message) -> None:
        self.dialog.note(message, sent=False)
        transaction = self._sent.get((message.branch, message.cseq[1]))
        if transaction is None or transaction.message is None:
            return
        transaction.provisional.set()
        if message.status < 200:
            self.on_provisional(transaction, message)
            return
        if message.method == "INVITE" and message.status >= 300:
            transaction.connection.send(self._ack_of_refusal(transaction.message, message))
        elif transaction.final.done() and is_of_another_end(message, transaction.final.result()):
            self.on_further_answer(message)
        elif transaction.ack is not None:  # the 200 has come once more
            transaction.connection.send(transaction.ack)
        if not transaction.final.done():
            transaction.final.set_result(message)
            # An old or a stray BYE is refused, and ends nothing (section 15.1.2).
            is_of_the_call = transaction.dialog is self.dialog
            ends = (
                message.method == "BYE" and is_of_the_call and (message.status < 300 or message.status in (408, 481))
            )
            self._terminated = self._terminated or ends
            is_first = tag_of(transaction.message.header("To") or "") is None
            if message.method == "INVITE" and message.status < 300 and not is_first:
                self.spawn(self.acknowledge(transaction))

    @staticmethod
    def _ack_of_refusal(invite: Message, refusal: Message) -> bytes:
        """Section 17.1.1.3: of the INVITE's transaction, to where the INVITE went."""
        kept = [(name, value) for name, value in invite.headers if name in ("Via", "From", "Call-ID", "Route")]
        number = invite.cseq[0]
        headers = (
            *kept[:1],
            ("Max-Forwards", "70"),
            *kept[1:],
            ("To", refusal.header("To") or ""),
            ("CSeq", f"{number} ACK"),
            ("Content-Length", "0"),
        )
        return Message(f"ACK {invite.uri} SIP/2.0", headers).encode()

    async def acknowledge(self, transaction: ClientTransaction, *, times: int = 1) -> None:
        """The ACK of a 2xx (section 13.2.2.4), as its INVITE was said; sent again whenever the 2xx comes again.

        An offer that came in the 2xx, since the INVITE had none, is answered in it (section 13.2.1).
        """
        assert transaction.message is not None
        number = CSeq(transaction.message.cseq[0])
        ack = SipRequest("ACK", cseq=number)
        offer = transaction.final.result().body.decode("latin-1") if transaction.final.done() else ""
        if offer and not transaction.message.body:
            own = self.sdp or mirrored(offer, self.endpoint.socket.local.address)
            ack = replace(ack, body=answer_to(offer, own), content_type=SDP_TYPE)
        if transaction.request is not None and tag_of(transaction.message.header("To") or "") is not None:
            said = transaction.request
            ack = replace(ack, uri=said.uri, route=said.route, swap=said.swap, transport=said.transport)
        for _ in range(times):
            sent = await self.send(ack, branch=new_branch([self.name, "ack"]), again=False)
            transaction.ack = sent.data

    def _receive_request(self, message: Message, connection: Connection) -> None:
        key = (message.branch, message.method)
        if message.method == "ACK":
            self.on_ack(message)
            return
        if key in self._replies:
            data, _ = self._replies[key]
            connection.send(data)
            return
        if any(parameter(via, "branch") in self._branches for via in message.values("Via")):
            # This end's own request has come back to it: it's taken, and the dialog is what it was.
            self.reply(message, connection, "200 OK", [self.own_contact])
            return
        refusal = self._refusal(message)
        if refusal:
            self.reply(message, connection, refusal[0], refusal[1:], tag=self.name)
            return
        if message.method == "CANCEL":
            self.on_cancel(message, connection)
            return
        if tag_of(message.header("To") or "") is not None:
            self.dialog.remote_last = message.cseq[0]
            self.dialog.note(message, sent=False)
            self._in_dialog(message, connection)
        else:
            self.on_initial(message, connection)

    def _refusal(self, message: Message) -> tuple[Any, ...]:
        """``(status line, *headers)`` where RFC 3261 has a peer refuse; nothing where it hasn't."""
        number, method = message.cseq
        if not 0 <= number <= HIGHEST_CSEQ or method != message.method:
            return ("400 Bad CSeq",)  # sections 8.1.1.5 and 20.16
        if method == "CANCEL":
            return ()
        if method not in KNOWN_METHODS:
            return ("405 Method Not Allowed", ("Allow", ", ".join(KNOWN_METHODS)))
        wanted = [each for each in message.values("Require") if each.lower() not in self.supported]
        if wanted:
            return ("420 Bad Extension", ("Unsupported", ", ".join(wanted)))  # section 8.2.2.3
        if tag_of(message.header("To") or "") is None:
            return ()
        if self._terminated or self.over.is_set() or not self.dialog.is_of(message, sent=False):
            return ("481 Call/Transaction Does Not Exist",)
        if number <= self.dialog.remote_last:
            return ("500 CSeq Out Of Order",)  # section 12.2.2
        return ()

    def _in_dialog(self, message: Message, connection: Connection) -> None:
        if message.method in ("INVITE", "UPDATE"):
            self._renewal_came(message, connection)
        elif message.method == "PRACK":
            known = self.on_prack(message)
            self.reply(message, connection, "200 OK" if known else "481 Call/Transaction Does Not Exist")
        elif message.method == "BYE":
            self.reply(message, connection, "200 OK")
            self._terminated = True
            self.happened("ended")
            self.on_bye()
        elif message.method == "REFER":
            # Who isn't meant to be transferred declines (RFC 3515 section 2.4.2).
            if self.transfers:
                self.reply(message, connection, "202 Accepted", [self.own_contact])
                self.happened("transferred")
            else:
                self.reply(message, connection, "603 Decline")
        else:
            self.reply(message, connection, "200 OK")

    def _renewal_came(self, message: Message, connection: Connection) -> None:
        offer = message.body.decode("latin-1")
        has_offer = bool(offer) or message.method == "INVITE"
        if has_offer and self._renewing:
            # The two cross (section 14.2, RFC 3311 section 5.2).
            self.reply(message, connection, "491 Request Pending")
            return
        refusal = self.refusals[self._renewed] if self._renewed < len(self.refusals) else ""
        self._renewed += 1
        if refusal:
            self.reply(message, connection, refusal)
            return
        self.reply(message, connection, "200 OK", [self.own_contact], answer_to(offer, self.sdp) if has_offer else "")

    @property
    def own_contact(self) -> tuple[str, str]:
        socket = self.endpoint.socket
        return ("Contact", f"<sip:{socket.local};transport={socket.transport}>")

    def reply(
        self,
        request: Message,
        connection: Connection,
        status: str,
        headers: Iterable[tuple[str, str]] = (),
        body: str = "",
        *,
        tag: str = "",
    ) -> bytes:
        """Reply to a request, in the words of its own headers (section 8.2.6).

        :param tag: for a To that has none; this end's own when not given.
        """
        to = request.header("To") or ""
        if tag_of(to) is None and not status.startswith("100"):
            to = f"{to};tag={tag or self.name}"
        content = body.encode("latin-1")
        lines = (
            *(("Via", value) for value in request.values("Via")),
            *(("Record-Route", value) for value in request.values("Record-Route")),
            ("From", request.header("From") or ""),
            ("To", to),
            ("Call-ID", request.call_id),
            ("CSeq", request.header("CSeq") or ""),
            *headers,
            *([("Content-Type", SDP_TYPE)] if content else ()),
            ("Content-Length", str(len(content))),
        )
        message = Message(f"SIP/2.0 {status}", lines, content)
        data = message.encode()
        self._replies[request.branch, request.method] = (data, connection)
        self.dialog.note(message, sent=True)
        connection.send(data)
        return data

    # --- what the two ends do differently ---------------------------------------------------------------------------

    def on_provisional(self, transaction: ClientTransaction, message: Message) -> None:
        """A provisional reply came."""

    def on_further_answer(self, message: Message) -> None:
        """A 2xx of another callee came to an INVITE that was answered."""

    def on_ack(self, message: Message) -> None:
        """An ACK came."""

    def on_cancel(self, message: Message, connection: Connection) -> None:
        self.reply(message, connection, "481 Call/Transaction Does Not Exist")

    def on_initial(self, message: Message, connection: Connection) -> None:
        """A request outside of any dialog."""
        status = "200 OK" if message.method == "OPTIONS" else "481 Call/Transaction Does Not Exist"
        self.reply(message, connection, status, tag=self.name)

    def on_prack(self, message: Message) -> bool:
        """A PRACK came; whether it acknowledges what was sent."""
        return False

    def on_bye(self) -> None:
        """A BYE was accepted."""
        self.over.set()

    async def renew(self, renewal: Renewal) -> None:
        """A re-INVITE or an UPDATE at its moment, and its reply."""
        await self.moment(Happening(renewal.event, renewal.at))
        if self.over.is_set() or (renewal.event != "answered" and self.has_happened("answered")):
            return
        body = fill_sdp(renewal.sdp, self.endpoint.socket.local.address)
        offers = bool(body) or renewal.method == "INVITE"
        transaction = await self.send(SipRequest(renewal.method, body=body, content_type=SDP_TYPE if body else ""))
        self._renewing += offers
        await transaction.reply()
        self._renewing -= offers


def is_of_another_end(reply: Message, first: Message) -> bool:
    """Whether a 2xx makes another dialog than the first one to the same INVITE (section 13.2.2.4)."""
    is_answer = reply.method == "INVITE" and reply.status < 300 and first.status < 300
    return is_answer and tag_of(reply.header("To") or "") != tag_of(first.header("To") or "")


_ANSWERS = {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}


def mirrored(offer: str, address: str) -> str:
    """An answer to an offer with all that it has, at another address."""
    kept = [line for line in offer.splitlines() if line[:2] not in ("v=", "o=", "s=", "c=", "t=")]
    where = f"IN IP{'6' if ':' in address else '4'} {address}"
    lines = ["v=0", f"o=- 1 1 {where}", "s=-", f"c={where}", "t=0 0", *kept]
    return "".join(f"{line}\r\n" for line in lines)


def answer_to(offer: str, own: str) -> str:
    """The own session description as an answer: the media that are offered (RFC 3264 section 6), each in the other
    half of the offer's direction (section 6.1)."""
    session, *offered = _sections(offer)
    has = _sections(own)
    directions = [_ANSWERS.get(_direction(each) or _direction(session)) for each in offered]
    if not own or not offered or (_kinds(offered) == _kinds(has[1:]) and not any(directions)):
        return own
    answered = (
        [
            *(line for line in medium if not direction or line[2:] not in (*_ANSWERS, "sendrecv")),
            *_attribute(direction),
        ]
        for medium, direction in zip(_of_media(offered, has[1:]), directions, strict=True)
    )
    lines = [line for section in (has[0], *answered) for line in section]
    return "".join(f"{line}\r\n" for line in lines)


def _of_media(offered: Sequence[Sequence[str]], has: Sequence[Sequence[str]]) -> Iterator[Sequence[str]]:
    """The own media for those that are offered: a fax (T.38) is taken as it's offered, and port 0 refuses what this
    end doesn't have."""
    left = list(has)
    for kind, section in zip(_kinds(offered), offered, strict=True):
        same = next((each for each in left if _kinds([each]) == [kind]), None)
        if same is not None:
            left.remove(same)
            yield same
        elif kind == "m=image":
            yield section
        else:
            words = section[0].split()
            yield [" ".join([*words[:1], "0", *words[2:]])]


def _kinds(media: Iterable[Sequence[str]]) -> list[str]:
    return [section[0].split()[0] for section in media]


def _direction(section: Iterable[str]) -> str:
    return next((line[2:] for line in section if line.startswith("a=") and line[2:] in (*_ANSWERS, "sendrecv")), "")


def _attribute(direction: str | None) -> tuple[str, ...]:
    return (f"a={direction}",) if direction else ()


def _sections(description: str) -> list[list[str]]:
    """The lines of the session, and those of each medium."""
    sections: list[list[str]] = [[]]
    for line in description.splitlines():
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    return sections
