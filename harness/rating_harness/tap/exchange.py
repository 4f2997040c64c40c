"""One exchange between a client (Kamailio) and the agent, as the tap saw it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import orjson

__all__ = ["Exchange", "Outcome", "UpstreamAnswer", "parse_json"]

Outcome = Literal["pending", "answered", "reset", "closed", "silence", "partial", "garbage", "gone"]
"""How it ended for the client: ``answered`` in full; ``reset`` and ``closed`` without an answer; ``silence`` until
the client went; ``partial``, a part of an answer; ``garbage``, something that isn't HTTP; ``gone``, the client had
left before there was an answer."""


@dataclass(frozen=True, slots=True)
class UpstreamAnswer:
    """What the engine's agent answered, when the request was sent to it, and when it had answered (Unix seconds)."""

    status: int
    body: str
    sent: float
    answered: float


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and what became of it. Times are Unix seconds.

    :param number: counts all requests, from 1; never used again.
    :param nth: counts the requests to this path, from 1, since the recording was last cleared.
    :param connection: number of the client's connection.
    :param received: when the request's last byte had come.
    :param upstream: the agent's answers; none when no request was sent to it, two when it got the request twice.
    :param status: what the client was answered; None when it got no whole status line.
    :param answer: the body sent to the client (all that was sent, when it isn't HTTP).
    :param answered: when the exchange ended; None while it is pending.
    :param fault: id of the fault applied.
    :param kind: kind of the fault applied.
    :param client_gone: the client had closed its connection before the end.
    :param tls: the version of TLS that the client spoke (``TLSv1.3``); empty for none.
    :param client_certificate: the subject of the certificate that it showed (``CN=lab.test``); empty for none.
    :param error: what kept the tap from its work: no HTTP in the request, an upstream out of reach.
    """

    number: int
    nth: int
    connection: int
    received: float
    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: str
    upstream: tuple[UpstreamAnswer, ...] = ()
    outcome: Outcome = "pending"
    status: int | None = None
    answer: str = ""
    answered: float | None = None
    fault: str | None = None
    kind: str | None = None
    client_gone: bool = False
    tls: str = ""
    client_certificate: str = ""
    error: str = ""

    @property
    def pending(self) -> bool:
        """The request was received and not yet answered."""
        return self.outcome == "pending"

    @property
    def duration(self) -> float | None:
        """Seconds between the request and its end; None while it is pending."""
        return None if self.answered is None else self.answered - self.received

    @property
    def endpoint(self) -> str:
        """The path's last segment: ``authorization``, ``begin_transaction``."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def json(self) -> Any:
        """The request's body parsed; None when it isn't JSON."""
        return parse_json(self.body)

    @property
    def answer_json(self) -> Any:
        """The answer's body parsed; None when it isn't JSON."""
        return parse_json(self.answer)


def parse_json(text: str | bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
