"""A call, as it can be read from the messages that its two ends sent and received."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from rating_harness.evidence.headers import branch_of, tag_of
from rating_harness.evidence.model import Evidence, SipMessage

__all__ = ["Call", "CallEvent", "calls_of", "event_of", "host_of_stranger", "is_of_request"]

EndedBy = Literal["caller", "callee", "kamailio"]

CallEvent = Literal["started", "ringing", "answered", "transferred", "ended"]


@dataclass(frozen=True)
class Call:
    """One call, told apart by its Call-ID.

    :param id: the call's id in the scenario; ``index`` counts its repetitions from 1.
    :param caller: messages that the caller's host sent and received, in order.
    :param carriers: the same of all other hosts, but for ``strangers``, who aren't ends of the call.
    """

    id: str
    index: int
    call_id: str
    caller: tuple[SipMessage, ...]
    carriers: tuple[SipMessage, ...]
    strangers: tuple[SipMessage, ...] = ()

    @cached_property
    def messages(self) -> tuple[SipMessage, ...]:
        return tuple(sorted((*self.caller, *self.carriers), key=lambda message: message.at))

    @cached_property
    def invite(self) -> SipMessage | None:
        """The first request that the caller sent: an INVITE, unless the scenario says another method."""
        return next((m for m in self.caller if m.direction == "sent" and m.is_request), None)

    @cached_property
    def replies(self) -> tuple[SipMessage, ...]:
        """Responses to that request which the caller received. With digest, to the last try of it."""
        # A reply repeats the CSeq, whatever method that names (RFC 3261 section 8.2.6.2).
        named = (self.invite.header("CSeq") or "").split()[1:] if self.invite else []
        methods = {self.invite.method, *named} if self.invite else set()
        same = [m for m in self.caller if m.method in methods]
        tries = [m.cseq for m in same if m.direction == "sent" and m.is_request]
        responses = [m for m in same if m.direction == "received" and not m.is_request]
        challenged = {m.cseq for m in responses if m.status in (401, 407)}
        initial = next((cseq for cseq in tries if cseq not in challenged), tries[-1] if tries else None)
        return tuple(m for m in responses if m.cseq == initial)

    @cached_property
    def provisional(self) -> tuple[int, ...]:
        """Statuses of the provisional replies, in order, repetitions of the same left out."""
        seen: list[int] = []
        for reply in self.replies:
            if reply.status is not None and reply.status < 200 and (not seen or seen[-1] != reply.status):
                seen.append(reply.status)
        return tuple(seen)

    @cached_property
    def finals(self) -> tuple[SipMessage, ...]:
        """Final replies that differ; a retransmission of the same status is the same reply."""
        seen: dict[tuple[int | None, str | None], SipMessage] = {}
        for reply in self.replies:
            if reply.is_final:
                seen.setdefault((reply.status, reply.header("To")), reply)
        return tuple(seen.values())

    @property
    def final(self) -> SipMessage | None:
        return self.finals[0] if self.finals else None

    @cached_property
    def declined(self) -> tuple[SipMessage, ...]:
        """Further answers of the carrier that answered first, which its caller acknowledged and hung up.

        A request that was forked behind a carrier gets them, each of a dialog of its own (RFC 3261 section 13.2.2.4).
        """
        if self.answered is None or self.final is None:
            return ()
        first = tag_of(self.final.header("To") or "")
        answers = [m for m in self.carriers if m.direction == "sent" and m.is_final and m.method == "INVITE"]
        host = next((m.host for m in answers if tag_of(m.header("To") or "") == first), None)
        forked = {tag_of(m.header("To") or "") for m in answers if m.host == host and m.status == 200} - {first, None}

        def has_sent(method: str, tag: str | None) -> bool:
            return any(
                m.direction == "sent" and m.is_request and m.method == method and tag_of(m.header("To") or "") == tag
                for m in self.caller
            )

        further = [(m, tag_of(m.header("To") or "")) for m in self.finals[1:]]
        return tuple(m for m, tag in further if tag in forked and has_sent("ACK", tag) and has_sent("BYE", tag))

    @property
    def answered(self) -> float | None:
        """When the caller got the 2xx to its INVITE."""
        final = self.final
        if final is None or final.method != "INVITE" or final.status is None or final.status >= 300:
            return None
        return final.at

    @cached_property
    def byes(self) -> tuple[SipMessage, ...]:
        """BYEs that end the call: none that was refused (RFC 3261 section 12.2.1.2), and none of an answer that its
        caller never got, or got beside the first (section 13.2.2.4).
        """

        def tags(messages: Iterable[SipMessage], direction: Literal["sent", "received"]) -> set[str | None]:
            answers = (m for m in messages if m.method == "INVITE" and m.is_final and (m.status or 0) < 300)
            return {tag_of(m.header("To") or "") for m in answers if m.direction == direction} - {None}

        declined: set[str | None] = set()
        if self.answered is not None and self.final is not None:
            further = tags(self.caller, "received") - {tag_of(self.final.header("To") or "")}
            declined = (tags(self.carriers, "sent") - tags(self.caller, "received")) | further
        return tuple(
            m
            for m in self.messages
            if m.is_request
            and m.method == "BYE"
            and not declined & {tag_of(m.header("From") or ""), tag_of(m.header("To") or "")}
            and not self._is_refused(m)
        )

    def _is_refused(self, request: SipMessage) -> bool:
        reply = self.reply_to(request)
        return reply is not None and (reply.status or 0) >= 300 and reply.status not in (408, 481)

    @cached_property
    def ended_by(self) -> EndedBy | None:
        """Who sent the first BYE; Kamailio when one was received that neither end had sent.

        Traces of two hosts are some milliseconds apart, so only messages of the same host are put in order.
        """
        sides: tuple[tuple[EndedBy, tuple[SipMessage, ...]], ...] = (
            ("caller", self.caller),
            ("callee", self.carriers),
        )
        first = {side: next((m.direction for m in messages if m in self.byes), None) for side, messages in sides}
        senders = [side for side, direction in first.items() if direction == "sent"]
        if senders:
            return min(senders, key=lambda side: next(m.at for m in self.byes if m in dict(sides)[side]))
        return "kamailio" if "received" in first.values() else None

    def bye_received_by(self, side: Literal["caller", "callee"]) -> SipMessage | None:
        messages = self.caller if side == "caller" else self.carriers
        return next((m for m in messages if m.direction == "received" and m in self.byes), None)

    def reply_to(self, request: SipMessage) -> SipMessage | None:
        """The final reply that the sender of a request got to it, or to the same one sent again."""
        return next(
            (
                m
                for m in self.messages
                if m.host == request.host
                and m.direction != request.direction
                and m.method == request.method
                and m.cseq == request.cseq
                and m.is_final
            ),
            None,
        )

    @property
    def duration(self) -> float | None:
        """Seconds from the caller's 2xx to the first BYE that anyone sent or received."""
        if self.answered is None or not self.byes:
            return None
        return max(0.0, self.byes[0].at - self.answered)

    @cached_property
    def tried(self) -> tuple[str, ...]:
        """Carriers' hosts that the INVITE reached, in order; retransmissions count once."""
        hosts: list[str] = []
        for message in self.carriers:
            is_invite = message.is_request and message.method == "INVITE" and not message.is_within_dialog
            if message.direction == "received" and is_invite and message.host not in hosts:
                hosts.append(message.host)
        return tuple(hosts)

    @cached_property
    def answered_by(self) -> str | None:
        """The carrier's host which sent the 2xx."""
        return next(
            (
                m.host
                for m in self.carriers
                if m.direction == "sent" and m.method == "INVITE" and m.status is not None and 200 <= m.status < 300
            ),
            None,
        )

    @property
    def setup(self) -> float | None:
        """Seconds from the caller's INVITE to the final reply."""
        if self.invite is None or self.final is None:
            return None
        return self.final.at - self.invite.at

    @property
    def ringing(self) -> float | None:
        """Seconds from the caller's INVITE to the first provisional reply but 100; None where there was none."""
        first = next((reply for reply in self.replies if reply.status is not None and 100 < reply.status < 200), None)
        return first.at - self.invite.at if self.invite is not None and first is not None else None


def calls_of(evidence: Evidence) -> tuple[Call, ...]:
    """The calls that the scenario planned, in its order, whether or not a message of theirs was seen."""
    by_call_id: dict[str, list[SipMessage]] = {}
    for message in evidence.messages:
        by_call_id.setdefault(message.call_id, []).append(message)
    return tuple(
        _call(name, index, call_id, by_call_id.get(call_id, ()), evidence)
        for name, call_ids in evidence.call_ids.items()
        for index, call_id in enumerate(call_ids, start=1)
    )


def _call(name: str, index: int, call_id: str, messages: Iterable[SipMessage], evidence: Evidence) -> Call:
    callers = {result.host for result in evidence.sipp if result.role == "caller"}
    strangers = {result.host for result in evidence.sipp if result.role == "stranger"}
    ordered = sorted(messages, key=lambda message: message.at)
    return Call(
        id=name,
        index=index,
        call_id=call_id,
        caller=tuple(m for m in ordered if m.host in callers),
        carriers=tuple(m for m in ordered if m.host not in callers | strangers),
        strangers=tuple(m for m in ordered if m.host in strangers),
    )


def event_of(message: SipMessage) -> CallEvent | None:
    """What a message says of its call, to the caller that sent or received it."""
    if message.is_request:
        if message.method == "INVITE" and message.direction == "sent":
            return "started"
        return "ended" if message.method == "BYE" else None
    if message.method == "REFER" and message.is_final and message.status is not None and message.status < 300:
        return "transferred"
    if message.method != "INVITE" or message.status is None or message.status < 180:
        return None
    if message.status < 200:
        return "ringing"
    if message.status < 300:
        return "answered"
    return None if message.status in (401, 407) else "ended"


def host_of_stranger(call: str, index: int) -> str:
    """The host from which a call's request of that index is sent, when a stranger sends it."""
    return f"stranger-{call}-{index}"


def is_of_request(message: SipMessage, index: int) -> bool:
    """Whether its branch says that it's the request of that index of its call, which an end of ours sent."""
    return f"-request-{index}-" in f"{branch_of(message.header('Via'))}-"
