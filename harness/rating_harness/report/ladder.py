"""The ladder of a call: who sent what to whom, and when.

SIP messages are observed at the endpoints alone. What one of them sends goes to Kamailio, what it receives comes from
there; so Kamailio's column is inferred.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rating_harness.contract import CONTRACT
from rating_harness.evidence.model import Evidence, Exchange, SipMessage, Span
from rating_harness.report.presentation import printable

__all__ = ["AGENT", "KAMAILIO", "Arrow", "Ladder", "Mark", "exchange_text", "ladder_of", "ladder_text"]

KAMAILIO, AGENT = "kamailio", "agent"
_FIELD = CONTRACT.fields

_WIDTH = 116
_WIDEST_GAP = 46
_MARGIN = 10
"""Columns left of the first line: a time."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """Something that went from one column to another.

    :param at: seconds after the call's first message.
    :param times: how often it was seen: retransmissions are folded into their first.
    :param broken: it never arrived, or told of a failure that was injected.
    """

    at: float
    source: str
    target: str
    label: str
    times: int = 1
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that the run did meanwhile: a service killed, a carrier unplugged."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Ladder:
    """:param columns: hosts from left to right; the caller's, Kamailio, carriers in the order of their first message,
    the agent when it was asked anything.
    """

    columns: tuple[str, ...]
    rows: tuple[Arrow | Mark, ...]


def ladder_of(evidence: Evidence, call_id: str) -> Ladder | None:
    """The ladder of the call with that Call-ID; None when nothing of it was seen."""
    messages = [message for message in evidence.messages if message.call_id == call_id]
    exchanges = [e for e in evidence.exchanges if e.requested(_FIELD.call) == call_id]
    starts = [*(message.at for message in messages), *(exchange.received for exchange in exchanges)]
    if not starts:
        return None
    calling = {result.host for result in evidence.sipp if result.role == "caller"}
    callers = [message.host for message in messages if message.host in calling][:1]
    invites = (m.at for m in messages if m.host in callers and m.is_request and m.method == "INVITE")
    zero = next(invites, min(starts))
    others = [message.host for message in messages if message.host not in callers]
    columns = [*callers, KAMAILIO, *dict.fromkeys(others), *([AGENT] if exchanges else [])]
    rows: list[Arrow | Mark] = [*_sip(messages, zero), *_http(exchanges, zero), *_marks(evidence.spans, zero, starts)]
    return Ladder(tuple(columns), tuple(sorted(rows, key=lambda row: row.at)))


def _sip(messages: Iterable[SipMessage], zero: float) -> Iterator[Arrow]:
    same: dict[tuple[object, ...], list[SipMessage]] = {}
    for m in messages:
        # Via's branch and To's tag tell a retransmission from another attempt (RFC 3261 section 17).
        key = (m.host, m.direction, m.first_line, m.method, m.cseq, m.header("Via"), m.header("To"))
        same.setdefault(key, []).append(m)
    for first, *again in same.values():
        is_sent = first.direction == "sent"
        yield Arrow(
            at=first.at - zero,
            source=first.host if is_sent else KAMAILIO,
            target=KAMAILIO if is_sent else first.host,
            label=_label(first),
            times=1 + len(again),
        )


def _label(message: SipMessage) -> str:
    of = f" ({message.method})" if message.status is not None and message.method != "INVITE" else ""
    return f"{message.first_line}{of}"


def _http(exchanges: Iterable[Exchange], zero: float) -> Iterator[Arrow]:
    for exchange in exchanges:
        yield Arrow(exchange.received - zero, KAMAILIO, AGENT, _request(exchange))
        if exchange.answered is not None:
            is_broken = exchange.status is None or exchange.fault is not None
            yield Arrow(exchange.answered - zero, AGENT, KAMAILIO, _answer(exchange), broken=is_broken)


def _request(exchange: Exchange) -> str:
    account = exchange.requested(_FIELD.account)
    silent = ", never answered" if exchange.answered is None else ""
    return f"{exchange.kind}{f' of {account}' if account else ''}{silent}"


def _answer(exchange: Exchange) -> str:
    """The status, and the fields that decide what becomes of the call."""
    flags = {key: exchange.answer(key) for key in (_FIELD.authorized, _FIELD.ok)}
    told = [f"{key} {_value(value)}" for key, value in flags.items() if value is not None]
    if exchange.answer(_FIELD.authorized):
        told.append(f"{_FIELD.units} {_value(exchange.answer(_FIELD.units))}")
    told += [_value(value) for key in (_FIELD.reason, "error", _FIELD.carriers) if (value := exchange.answer(key))]
    if isinstance(exchange.response, str) and exchange.response:
        told.append(repr(exchange.response[:24]))
    status = "no answer" if exchange.status is None else str(exchange.status)
    fault = f" [fault: {exchange.fault}]" if exchange.fault else ""
    return f"{status}{fault} {', '.join(told)}".rstrip()


def _value(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def exchange_text(exchange: Exchange, zero: float) -> str:
    """An exchange in one line, its time relative to ``zero``."""
    return f"{exchange.received - zero:+8.3f}  {_request(exchange)} -> {_answer(exchange)}"


def _marks(spans: Iterable[Span], zero: float, starts: Iterable[float]) -> Iterator[Mark]:
    last = max(starts)
    for span in spans:
        if not span.what.startswith("call ") and span.started <= last and (span.ended is None or span.ended >= zero):
            yield Mark(span.started - zero, span.what)
            if span.ended is not None:
                yield Mark(span.ended - zero, f"end of {span.what}")


# --- as text --------------------------------------------------------------------------------------------------------


def ladder_text(ladder: Ladder, *, lines: int = 30, width: int = _WIDTH) -> str:
    """The ladder in at most ``lines`` lines of at most ``width`` columns; the middle of a longer one is folded."""
    gaps = max(1, len(ladder.columns) - 1)
    gap = min(_WIDEST_GAP, (width - _MARGIN - 8) // gaps)
    places = {name: _MARGIN + index * gap for index, name in enumerate(ladder.columns)}
    rows = [_row(row, places) for row in ladder.rows]
    room = max(3, lines - 1)
    if len(rows) > room:
        before = (room - 1) * 2 // 3
        after = room - 1 - before
        left_out = f"⋮ {len(rows) - before - after} more".rjust(_MARGIN - 1)
        rows = [*rows[:before], _over(left_out, places), *rows[-after:]]
    return "\n".join(line.rstrip() for line in [_heads(places, gap), *rows])


def _heads(places: dict[str, int], gap: int) -> str:
    line = " " * (_MARGIN - 1)
    for name, place in places.items():
        short = _cut(name, gap - 2)
        # The first starts at the left edge of its line, the others are centred above theirs.
        line = line.ljust(place - (0 if place == _MARGIN else len(short) // 2)) + short
    return line


def _row(row: Arrow | Mark, places: dict[str, int]) -> str:
    time = f"{row.at:8.3f}"
    if isinstance(row, Mark):
        return _over(f"{time}  ── {row.label} ", places, "─")
    canvas = list(_lines(places))
    canvas[: len(time)] = time
    begin, end = sorted((places[row.source], places[row.target]))
    is_right = places[row.source] < places[row.target]
    shaft = "╌" if row.broken else "─"
    times = f" ×{row.times}" if row.times > 1 else ""
    room = end - begin - 4
    label = _cut(row.label, room - len(times)) + times
    rest = shaft * (room - len(label))
    inner = f"{shaft}{label}{rest}{shaft}▶" if is_right else f"◀{shaft}{rest}{label}{shaft}"
    canvas[begin + 1 : end] = inner
    source = begin if is_right else end
    canvas[source] = "├" if is_right else "┤"
    return "".join(canvas)


def _lines(places: dict[str, int]) -> str:
    line = ""
    for place in places.values():
        line = line.ljust(place) + "│"
    return line


def _over(text: str, places: dict[str, int], fill: str = "") -> str:
    """``text`` in front of the lines; the rest of it filled up to the last of them."""
    if fill:
        return text.ljust(max(places.values()) + 1, fill)
    return text + _lines(places)[len(text) :]


def _cut(text: str, room: int) -> str:
    text = printable(text)
    return text if len(text) <= room else text[: max(0, room - 1)] + "…"
