"""The ladder of a call: who sent what to whom, and when.

Each SIP message is looked at by its two ends: a caller or a carrier, whose SIPp traces it, and Kamailio, where its
own messages were captured. So a message has arrived, or is lost; only where nobody looked at the end that it went
to, its arrival is inferred. The rows are in the order of their times as they were measured, save that nothing stands
above what it follows from: a reply, a forwarded message, an ACK (by Via's branches, RFC 3261 sections 16 and 17).
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rating_harness.checks.model import AnswerTo, Shown
from rating_harness.contract import CONTRACT
from rating_harness.evidence.model import CapturedMessage, Evidence, Exchange, SipMessage, Span
from rating_harness.report.presentation import json_text

__all__ = ["AGENT", "KAMAILIO", "Arrow", "Ladder", "Mark", "exchange_text", "ladder_of"]

KAMAILIO, AGENT = CONTRACT.services.kamailio, "agent"

Arrival = Literal["seen", "inferred", "lost"]
"""Of a message, at the end that it went to: it was seen; nobody looked; somebody looked, and it wasn't seen."""

_AROUND = 0.5
"""Seconds before and after a call in which a message without a Call-ID may be one of it."""

_ANSWERED = 0.05
"""Seconds by which the agent's answer may be recorded later than what follows from it."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """Something that went from one column to another.

    :param at: seconds after the call's first message.
    :param times: how often it was seen: retransmissions are folded into their first.
    :param broken: a failure that was injected, or an answer that nobody got.
    :param marked: a finding is on it.
    :param is_own: Kamailio made it itself: it wasn't forwarded.
    :param shows: what it stands for, in full: a SIP message, or an exchange, of which it's the request or the answer.
    """

    at: float
    source: str
    target: str
    label: str
    times: int = 1
    broken: bool = False
    arrival: Arrival = "seen"
    marked: bool = False
    is_own: bool = False
    shows: SipMessage | CapturedMessage | Exchange | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that the run did meanwhile: a service killed, a carrier unplugged."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Ladder:
    """:param columns: hosts from left to right; the caller's, Kamailio, carriers in the order of their first message,
    the agent when it got any request.
    """

    columns: tuple[str, ...]
    rows: tuple[Arrow | Mark, ...]


def ladder_of(evidence: Evidence, call_id: str, shown_by: Iterable[Shown] = ()) -> Ladder | None:
    """The ladder of the call with that Call-ID; None when nothing of it was seen.

    :param shown_by: messages, requests to the agent, and answers, that findings are on.
    """
    exchanges = [e for e in evidence.exchanges if e.requested(CONTRACT.fields.call) == call_id]
    hops = _hops(evidence, call_id)
    starts = [*(hop.at for hop in hops), *(exchange.received for exchange in exchanges)]
    if not starts:
        return None
    calling = {result.host for result in evidence.sipp if result.role == "caller"}
    callers = [hop.host for hop in hops if hop.host in calling and not hop.is_stray][:1]
    sent = (hop.at for hop in hops if hop.host in callers and hop.to_kamailio and hop.message.method == "INVITE")
    zero = next(sent, min(starts))
    others = [hop.host for hop in hops if hop.host not in callers]
    columns = [*callers, KAMAILIO, *dict.fromkeys(others), *([AGENT] if exchanges else [])]
    marked = {_key_of(each) for each in shown_by}
    nodes = [*_sip(hops, zero, marked), *_http(exchanges, zero, marked), *_marks(evidence.spans, zero, starts)]
    return Ladder(tuple(columns), tuple(_in_order(nodes)))


# --- SIP ------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Hop:
    """A message between Kamailio and another host, as each of the two saw it.

    :param host: the other one.
    :param at_host, at_kamailio: when they saw it; None where nobody looked there.
    :param is_stray: it has no Call-ID, and belongs to the call by its time alone.
    """

    host: str
    to_kamailio: bool
    message: SipMessage
    at_host: list[float] | None
    at_kamailio: list[float] | None
    is_stray: bool = False
    is_own: bool = False
    captured: CapturedMessage | None = None

    @property
    def at(self) -> float:
        """When it was seen first: a message can't arrive before it's sent, but be written down late."""
        return min([*(self.at_host or []), *(self.at_kamailio or [])])

    @property
    def times(self) -> int:
        return max(len(self.at_host or []), len(self.at_kamailio or []))

    @property
    def arrival(self) -> Arrival:
        there = self.at_kamailio if self.to_kamailio else self.at_host
        return "inferred" if there is None else "seen" if there else "lost"


def _hops(evidence: Evidence, call_id: str) -> list[_Hop]:
    """The call's messages, in the order of their times."""
    traced = {result.host for result in evidence.sipp}
    messages = [message for message in evidence.messages if message.call_id == call_id]
    captured = [(c, c.message) for c in evidence.captured or () if c.message and c.message.call_id == call_id]
    found: dict[object, _Hop] = {}

    def hop(message: SipMessage, host: str, to_kamailio: bool) -> _Hop:
        return found.setdefault(
            _key(message, host, to_kamailio),
            _Hop(
                host,
                to_kamailio,
                message,
                [] if host in traced else None,
                None if evidence.captured is None else [],
            ),
        )

    for message in messages:
        seen = hop(message, message.host, message.direction == "sent")
        seen.at_host = [*(seen.at_host or []), message.at]
    for capture, message in captured:
        seen = hop(message, capture.peer, capture.direction == "received")
        seen.at_kamailio = [*(seen.at_kamailio or []), capture.at, *capture.repeated]
        seen.is_own = capture.is_own
        seen.captured = seen.captured or capture
    hops = list(found.values())
    if hops:
        begin, end = min(hop.at for hop in hops) - _AROUND, max(hop.at for hop in hops) + _AROUND
        hops += [stray for stray in _strays(evidence) if begin <= stray.at <= end]
    return sorted(hops, key=lambda hop: hop.at)


def _strays(evidence: Evidence) -> Iterator[_Hop]:
    """Messages without a Call-ID, which may be of any call."""
    if evidence.captured is None:
        for message in evidence.messages:
            if not message.call_id:
                to_kamailio = message.direction == "sent"
                yield _Hop(message.host, to_kamailio, message, [message.at], None, is_stray=True)
    for capture in evidence.captured or ():
        if capture.message is None or not capture.message.call_id:
            message = capture.message or _unreadable(capture)
            at = [capture.at, *capture.repeated]
            yield _Hop(
                capture.peer, capture.direction == "received", message, None, at, is_stray=True, captured=capture
            )


def _unreadable(capture: CapturedMessage) -> SipMessage:
    first = repr(capture.text.partition("\n")[0].strip()[:60])
    return SipMessage(
        capture.at, KAMAILIO, capture.direction, capture.transport, "not SIP:", None, "", first, "", 0, (), ""
    )


def _key(message: SipMessage, host: str, to_kamailio: bool) -> tuple[object, ...]:
    """The same for a message at its two ends, and for its retransmissions: they share Via's branch and To's tag
    (RFC 3261 section 17).
    """
    return host, to_kamailio, message.first_line, message.method, message.cseq, *message.branches[:1], message.to_tag


def _key_of(shown: Shown) -> tuple[object, ...]:
    if isinstance(shown, SipMessage):
        return _key(shown, shown.host, shown.direction == "sent")
    if isinstance(shown, AnswerTo):
        # The request of one that nobody answered has to stand for it.
        return _key_of_exchange(shown.exchange, is_answer=shown.exchange.answered is not None)
    return _key_of_exchange(shown, is_answer=False)


def _key_of_exchange(exchange: Exchange, *, is_answer: bool) -> tuple[object, ...]:
    return AGENT, exchange.number, exchange.received, is_answer


def _label(hop: _Hop) -> str:
    message = hop.message
    of = f" ({message.method})" if message.status is not None and message.method != "INVITE" else ""
    return f"{message.first_line}{of}{' (no Call-ID)' if hop.is_stray else ''}"


# --- rows, and what they follow from --------------------------------------------------------------------------------


@dataclass(eq=False, slots=True)
class _Node:
    """A row, and the rows that can't stand below it."""

    row: Arrow | Mark
    after: list[_Node] = field(default_factory=list)


def _sip(hops: Sequence[_Hop], zero: float, marked: Container[object]) -> Iterator[_Node]:
    nodes: list[_Node] = []
    for hop in hops:
        is_marked = _key(hop.message, hop.host, hop.to_kamailio) in marked
        ends = (hop.host, KAMAILIO) if hop.to_kamailio else (KAMAILIO, hop.host)
        label, arrival = _label(hop), hop.arrival
        arrow = Arrow(
            hop.at - zero,
            *ends,
            label,
            hop.times,
            arrival=arrival,
            marked=is_marked,
            is_own=hop.is_own,
            shows=hop.captured or hop.message,
        )
        nodes.append(_Node(arrow, [node for node, other in zip(nodes, hops, strict=False) if _follows(hop, other)]))
    # A cause that was written down late comes behind in time.
    for index, hop in enumerate(hops):
        nodes[index].after += [nodes[later] for later in range(index + 1, len(hops)) if _follows(hop, hops[later])]
    yield from nodes


def _follows(hop: _Hop, other: _Hop) -> bool:
    """Whether the first message can only be there because of the other one."""
    message, cause = hop.message, other.message
    if message.cseq != cause.cseq or hop.is_stray or other.is_stray:
        return False
    if hop.host == other.host and hop.to_kamailio != other.to_kamailio:
        if not message.is_request and cause.is_request:
            return message.method == cause.method and message.branches[:1] == cause.branches[:1]
        if message.is_request and message.method == "ACK":
            return cause.is_final and cause.method == "INVITE"
    return other.to_kamailio and not hop.to_kamailio and _is_forwarded(message, cause)


def _is_forwarded(message: SipMessage, received: SipMessage) -> bool:
    """Whether Kamailio sent the one because it received the other: a request with a Via of its own on top, a reply
    without it.
    """
    if (message.method, message.status) != (received.method, received.status):
        return False
    if message.is_request:
        return message.branches[1:2] == received.branches[:1]
    # Each branch of a forked call has a To tag of its own.
    same_end = message.to_tag == received.to_tag
    return same_end and received.branches[1:2] == message.branches[:1]


def _http(exchanges: Iterable[Exchange], zero: float, marked: Container[object]) -> Iterator[_Node]:
    for exchange in exchanges:
        is_marked = _key_of_exchange(exchange, is_answer=False) in marked
        at = exchange.received - zero
        request = _Node(Arrow(at, KAMAILIO, AGENT, _request(exchange), marked=is_marked, shows=exchange))
        yield request
        if exchange.answered is not None:
            is_broken = exchange.status is None or exchange.fault is not None
            after = exchange.answered - zero
            is_marked = _key_of_exchange(exchange, is_answer=True) in marked
            answer = Arrow(
                after, AGENT, KAMAILIO, _answer(exchange), broken=is_broken, marked=is_marked, shows=exchange
            )
            yield _Node(answer, [request])


def _in_order(nodes: Sequence[_Node]) -> Iterator[Arrow | Mark]:
    """By time, and none before what it follows from."""
    ordered = sorted(nodes, key=lambda node: node.row.at)
    _await_authorization(ordered)
    done: set[int] = set()

    def place(node: _Node) -> Iterator[Arrow | Mark]:
        if id(node) not in done:
            done.add(id(node))
            for cause in sorted(node.after, key=lambda cause: cause.row.at):
                yield from place(cause)
            yield node.row

    for node in ordered:
        yield from place(node)


def _await_authorization(ordered: Sequence[_Node]) -> None:
    """An INVITE goes out because the agent has answered, though the answer is recorded when it has been sent."""
    for answer in ordered:
        row = answer.row
        if isinstance(row, Arrow) and row.source == AGENT and row.label.startswith("200 authorized true"):
            for node in ordered:
                out = node.row
                is_invite = isinstance(out, Arrow) and out.source == KAMAILIO and out.label.startswith("INVITE ")
                if is_invite and answer.after[0].row.at <= out.at <= row.at <= out.at + _ANSWERED:
                    node.after.append(answer)
                    break


def _marks(spans: Iterable[Span], zero: float, starts: Iterable[float]) -> Iterator[_Node]:
    last = max(starts)
    for span in spans:
        if not span.what.startswith("call ") and span.started <= last and (span.ended is None or span.ended >= zero):
            yield _Node(Mark(span.started - zero, span.what))
            if span.ended is not None:
                yield _Node(Mark(span.ended - zero, f"end of {span.what}"))


# --- HTTP -----------------------------------------------------------------------------------------------------------


def _request(exchange: Exchange) -> str:
    account = exchange.requested(CONTRACT.fields.account)
    silent = ", never answered" if exchange.answered is None else ""
    return f"{exchange.kind}{f' of {account}' if account else ''}{silent}"


def _answer(exchange: Exchange) -> str:
    """The status, and the fields that decide what becomes of the call; a text that only spells what is wanted
    (``"true"``) has its quotes, since it is why the call is refused."""
    fields = CONTRACT.fields
    said = [
        f"{key} {json.dumps(value, ensure_ascii=False, default=str)}"
        for key in (fields.authorized, fields.ok)
        if (value := exchange.answer(key)) is not None
    ]
    if exchange.answer(fields.authorized):
        said.append(f"{fields.units} {json.dumps(exchange.answer(fields.units), ensure_ascii=False, default=str)}")
    said += [_value(value) for key in (fields.reason, "error", fields.carriers) if (value := exchange.answer(key))]
    if isinstance(exchange.response, str) and exchange.response:
        said.append(repr(exchange.response[:24]))
    status = "no answer" if exchange.status is None else str(exchange.status)
    fault = f" [fault: {exchange.fault}]" if exchange.fault else ""
    return f"{status}{fault} {', '.join(said)}".rstrip()


def _value(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else json_text(value)


def exchange_text(exchange: Exchange, zero: float) -> str:
    """An exchange in one line, its time relative to ``zero``."""
    return f"{exchange.received - zero:+8.3f}  {_request(exchange)} -> {_answer(exchange)}"
