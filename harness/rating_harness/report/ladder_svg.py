"""A ladder as a picture: what the page's template needs to draw it, and the text behind each of its arrows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rating_harness.evidence.model import CapturedMessage, Exchange, SipMessage
from rating_harness.evidence.redaction import redacted_header, redacted_headers, redacted_message
from rating_harness.report.ladder import AGENT, Arrow, Ladder, Mark

__all__ = ["exchange_shown", "message_text", "picture_of", "pretty_json"]

_GAP, _LEFT, _TOP, _STEP = 290, 150, 48, 24


@dataclass(frozen=True, slots=True)
class _Row:
    """An arrow, or a mark, with its places in the picture.

    :param text: what the arrow opens; empty where there's nothing.
    """

    at: float
    y: int
    label: str
    middle: float
    begin: int = 0
    end: int = 0
    back: int = 0
    kind: str = ""
    mark: bool = False
    found: bool = False
    heading: str = ""
    text: str = ""


def picture_of(ladder: Ladder, title: str) -> Mapping[str, Any]:
    """The ladder with a place for each of its parts, in pixels."""
    places = {name: _LEFT + index * _GAP for index, name in enumerate(ladder.columns)}
    width = max(places.values()) + 100
    rows = [_row(row, _TOP + index * _STEP, places, width) for index, row in enumerate(ladder.rows)]
    return {
        "title": title,
        "width": width,
        "height": _TOP + len(rows) * _STEP,
        "columns": [{"name": name, "x": x} for name, x in places.items()],
        "rows": rows,
    }


def _row(row: Arrow | Mark, y: int, places: Mapping[str, int], width: int) -> _Row:
    if isinstance(row, Mark):
        return _Row(row.at, y, row.label, width / 2, mark=True)
    begin, end = places[row.source], places[row.target]
    room = abs(end - begin) // 8
    times = f" ×{row.times}" if row.times > 1 else ""
    label = row.label if len(row.label) <= room else f"{row.label[: room - 1]}…"
    kind = "http" if AGENT in (row.source, row.target) else "sip"
    kind = "broken" if row.broken or row.arrival == "lost" else kind
    return _Row(
        at=row.at,
        y=y,
        label=f"{label}{times}",
        middle=(begin + end) / 2,
        begin=begin,
        end=end,
        back=-8 if end > begin else 8,
        kind=f"{kind} {row.arrival}{' marked' if row.marked else ''}",
        found=row.marked,
        heading=f"{row.source} → {row.target}{', lost' if row.arrival == 'lost' else ''}{times}",
        text=_text(row),
    )


def _text(row: Arrow) -> str:
    if isinstance(row.shows, Exchange):
        request, answer = exchange_shown(row.shows)
        return request if row.target == AGENT else answer
    return message_text(row.shows) if row.shows is not None else ""


def message_text(message: SipMessage | CapturedMessage) -> str:
    """A SIP message in full, without what proves that its sender knows a password."""
    if isinstance(message, CapturedMessage):
        return redacted_message(message.text).replace("\r\n", "\n").rstrip()
    first = f"{message.first_line} SIP/2.0" if message.is_request else f"SIP/2.0 {message.first_line}"
    headers = (f"{name}: {redacted_header(name, value)}" for name, value in message.headers)
    return "\n".join([first, *headers, "", message.body]).rstrip()


def exchange_shown(exchange: Exchange) -> tuple[str, str]:
    """Request and answer of an exchange with the agent in full, without credentials."""
    query = f"?{exchange.query}" if exchange.query else ""
    headers = (f"{name}: {value}" for name, value in redacted_headers(exchange.headers))
    request = "\n".join([f"{exchange.method} {exchange.path}{query}", *headers, "", pretty_json(exchange.request)])
    return request.rstrip(), "\n".join([*_status(exchange), "", pretty_json(exchange.response)]).rstrip()


def _status(exchange: Exchange) -> Iterator[str]:
    yield "no answer" if exchange.status is None else f"status {exchange.status}"
    if exchange.fault:
        yield f"fault: {exchange.fault}"
    if exchange.answered is not None:
        yield f"after {(exchange.answered - exchange.received) * 1000:.1f} ms"


def pretty_json(value: object) -> str:
    """A value out of JSON on several lines; a text as it is."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)
