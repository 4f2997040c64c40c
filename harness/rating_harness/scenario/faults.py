"""What goes wrong: in the agent's answers, or with a whole service."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from rating_harness.scenario.fields import (
    CallRef,
    Count,
    DurationOrRange,
    ExchangePath,
    HttpStatus,
    Model,
    Outage,
    Positive,
    Raw,
    Seconds,
    Text,
    When,
    Yes,
    key,
)

__all__ = ["Fault"]


class Fault(Model):
    """Something that goes wrong: either in the agent's answers, or with a whole service."""

    ANSWERS: ClassVar[tuple[str, ...]] = (
        *("delay", "late", "lost", "silent", "refuse", "reset", "status", "body", "malformed", "partial", "drip"),
        *("encoding", "garbage", "duplicate", "set", "remove"),
    )
    OUTAGES: ClassVar[tuple[str, ...]] = ("kill", "restart", "stop", "pause", "unplug")

    meanings = (
        (
            "down off offline away dead unavailable crash",
            "an agent that is away has 'refuse', a service that is gone 'kill'",
        ),
        ("slow latency wait sleep", "an answer that comes late is 'delay'"),
        ("drop lose loss close", "a request or an answer that doesn't arrive is 'lost'"),
        ("code http_status error http_error", "an HTTP status is 'status'"),
        ("answer response reply json", "another answer is 'body', one with other fields has 'set' or 'remove'"),
        ("gzip chunked compress chunks transfer_encoding content_encoding", "how an answer is sent is 'encoding'"),
        ("timeout no_answer hang mute", "an agent that never answers is 'silent'"),
        ("start after from at begin", "it begins with 'when'"),
        ("end for duration stop_after", "it ends with 'until'; how long an outage lasts is its own value: kill: 2s"),
        ("service target where host", "where it goes wrong is 'on'"),
        ("request kind only method", "the requests that it's for are 'path'"),
        ("count repeat", "for how many requests is 'times'"),
        ("offline_network disconnect network cut", "a service off the network is 'unplug'"),
    )

    on: Annotated[Text, key("Where: agent, engine, kamailio, or a carrier's host name.", "agent")]

    path: Annotated[ExchangePath | None, key("Only requests of this kind; all when not given.", "begin")] = None
    call: Annotated[CallRef | None, key("Only requests for this call.", "ana")] = None
    nth: Annotated[Positive, key("From the nth such request on.", 2)] = 1
    times: Annotated[Positive | None, key("For so many requests; all when not given.", 1)] = None

    delay: Annotated[
        DurationOrRange | None, key("The engine works at once, its answer arrives so much later.", "3s")
    ] = None
    late: Annotated[DurationOrRange | None, key("The request reaches the engine so much later.", "3s")] = None
    lost: Annotated[
        Literal["request", "answer"] | None,
        key("The request never reaches the engine, or its answer never comes back; the connection closes.", "answer"),
    ] = None
    silent: Annotated[Yes | None, key("The connection is taken, nothing is ever answered.", True)] = None
    refuse: Annotated[Yes | None, key("The connection is refused.", True)] = None
    reset: Annotated[Yes | None, key("The connection is reset instead of an answer.", True)] = None
    status: Annotated[HttpStatus | None, key("Answer with this HTTP status.", 500)] = None
    body: Annotated[Raw | None, key("Answer with this body.", "not json")] = None
    malformed: Annotated[Yes | None, key("Answer with JSON that is broken in the middle.", True)] = None
    partial: Annotated[Count | None, key("Send so many bytes of the body, then close.", 20)] = None
    drip: Annotated[Seconds | None, key("Send the answer byte by byte, with this pause.", "50ms")] = None
    encoding: Annotated[
        Literal["chunked", "gzip"] | None,
        key("Send the answer in chunks, or compressed, though no header accepts it.", "gzip"),
    ] = None
    garbage: Annotated[Yes | None, key("Answer with bytes that aren't HTTP.", True)] = None
    duplicate: Annotated[Yes | None, key("The engine gets the request twice.", True)] = None
    set: Annotated[
        dict[Text, Any] | None, key("Change or add fields of the engine's answer.", {"max_available_units": "ten"})
    ] = None
    remove: Annotated[tuple[Text, ...] | None, key("Remove fields of the engine's answer.", ["carriers"])] = None

    kill: Annotated[Outage | None, key("Kill the service; for a time, or for good (true).", "2s", True)] = None
    restart: Annotated[Yes | None, key("Stop the service properly and start it again.", True)] = None
    stop: Annotated[Outage | None, key("Stop the service properly; for a time, or for good (true).", "2s", True)] = (
        None
    )
    pause: Annotated[Outage | None, key("Freeze the service; for a time, or for good (true).", "2s", True)] = None
    unplug: Annotated[
        Outage | None, key("Take the service off the network; for a time, or for good (true).", "2s", True)
    ] = None

    when: Annotated[
        When | None,
        key(
            "Not before: an event of a call, or a time from the start.", "ana is answered", "2s after ana is answered"
        ),
    ] = None
    until: Annotated[When | None, key("Not after.", "ana is ended")] = None

    @property
    def actions(self) -> dict[str, Any]:
        """What the author wrote, by key: several for an answer (a delay and a status), one for an outage."""
        written = {name: getattr(self, name) for name in (*self.ANSWERS, *self.OUTAGES)}
        return {name: value for name, value in written.items() if value is not None}

    @property
    def is_outage(self) -> bool:
        """Whether it concerns a whole service, not the agent's answers."""
        return any(getattr(self, name) is not None for name in self.OUTAGES)
