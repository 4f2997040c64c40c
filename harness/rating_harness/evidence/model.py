"""All that a run observed. Times are Unix seconds (float) on the clock of the machine that ran the lab; where that
of the lab was moved, on that one.

Nothing here judges: the checks do, and they read nothing else. So a stored run is checked as a live one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from rating_harness.evidence.headers import branches_of, tag_of

__all__ = [
    "FIELDS_OF_RECORDS",
    "LEVELS",
    "CapturedMessage",
    "Dialog",
    "Evidence",
    "Exchange",
    "GeneratorResult",
    "HttpStep",
    "LogLine",
    "Octets",
    "Records",
    "RpcAnswer",
    "ServiceState",
    "SipMessage",
    "SippResult",
    "Span",
    "Unsent",
]


FIELDS_OF_RECORDS = "fields of records"


@lru_cache(maxsize=4096)
def _by_name(headers: tuple[tuple[str, str], ...]) -> Mapping[str, tuple[str, ...]]:
    """Values by name, in small letters: checks look up a message's headers some hundred times.

    It's no field of the message, of which a load has millions.
    """
    found: dict[str, tuple[str, ...]] = {}
    for key, value in headers:
        name = key.lower()
        found[name] = (*found.get(name, ()), value)
    return found


@dataclass(frozen=True, slots=True)
class SipMessage:
    """One SIP message as an endpoint saw it (RFC 3261).

    :param host: the lab's host which sent or received it.
    :param status: of a response, else None.
    :param method: of a request; for a response the method of its CSeq.
    :param headers: names as they were sent, in order; `header` looks them up without regard to case.
    """

    at: float
    host: str
    direction: Literal["sent", "received"]
    transport: str
    method: str
    status: int | None
    reason: str
    uri: str
    call_id: str
    cseq: int
    headers: tuple[tuple[str, str], ...]
    body: str

    def header(self, name: str) -> str | None:
        """The first header of that name, or None."""
        values = self.values(name)
        return values[0] if values else None

    def values(self, name: str) -> tuple[str, ...]:
        """All headers of that name, in order."""
        return _by_name(self.headers).get(name.lower(), ())

    @property
    def branches(self) -> tuple[str, ...]:
        """Those of its Vias, the topmost first."""
        return branches_of(self.values("via"))

    @property
    def to_tag(self) -> str | None:
        return tag_of(self.header("To") or "")

    @property
    def is_within_dialog(self) -> bool:
        """Whether its To has a tag: an initial request's has none (RFC 3261 section 12.2.1.1)."""
        return tag_of(self.header("To") or "") is not None

    @property
    def is_request(self) -> bool:
        return self.status is None

    @property
    def is_brief(self) -> bool:
        """Whether it was read from SIPp's short trace, which has no headers but Call-ID and CSeq."""
        return self.header("Via") is None and self.header("From") is None

    @property
    def is_final(self) -> bool:
        return self.status is not None and self.status >= 200

    @property
    def first_line(self) -> str:
        return f"{self.method} {self.uri}" if self.status is None else f"{self.status} {self.reason}"


@dataclass(frozen=True, slots=True)
class CapturedMessage:
    """One SIP message as Kamailio itself sent or received it, and its retransmissions.

    :param at: when Kamailio had it, the first time.
    :param source, target: ``ADDRESS:PORT``, with an IPv6 address in brackets.
    :param peer: the lab's host at the other end, or its ``ADDRESS:PORT`` where it's none of the lab's.
    :param text: as it was on the wire; what isn't UTF-8 in it is escaped (surrogateescape).
    :param message: what the text says; None where it isn't SIP.
    :param repeated: when the same message passed again.
    :param is_own: Kamailio made it itself: it wasn't forwarded.
    """

    at: float
    direction: Literal["sent", "received"]
    transport: str
    source: str
    target: str
    peer: str
    text: str
    message: SipMessage | None
    repeated: tuple[float, ...] = ()
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """One HTTP request of Kamailio to the agent, and what it was answered.

    :param request: the JSON body when there was one, else the text.
    :param status: what Kamailio got; None when it got none (reset, silence, a client that had gone).
    :param fault: the name of the fault that the tap applied, else None.
    :param answered: None while it's unanswered.
    :param headers: of the request, without credentials.
    :param untranslated: why the answer is as it came, and not in the contract's words; empty where it is in them.
    :param is_translated: it came in words of an engine's own, which a file describes.
    """

    number: int
    received: float
    answered: float | None
    method: str
    path: str
    request: Any
    status: int | None
    response: Any
    fault: str | None = None
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    untranslated: str = ""
    is_translated: bool = False

    def header(self, name: str) -> str | None:
        """The request's first header of that name, or None."""
        values = _by_name(self.headers).get(name.lower())
        return values[0] if values else None

    @property
    def kind(self) -> str:
        """The last segment of the path: ``authorization``, ``begin_transaction``, ``end_transaction``..."""
        return self.path.rsplit("/", 1)[-1]

    def requested(self, key: str) -> Any:
        """A field of the request's JSON object; None when there's no object or no such field."""
        return self.request.get(key) if isinstance(self.request, dict) else None

    def answer(self, key: str) -> Any:
        """A field of the response's JSON object; None when there's no object or no such field."""
        return self.response.get(key) if isinstance(self.response, dict) else None


@dataclass(frozen=True, slots=True)
class HttpStep:
    """An HTTP request of the scenario itself: a step of a canyan-tester file, to the API or to Kamailio's HTTP.

    :param section, index: the step, ``check`` and 0 for the first of the checks.
    :param status: None when there was no answer; ``error`` says why.
    :param response: the JSON of the answer when it's JSON, else its text.
    :param tries: how often it was sent until the answer was the one expected, or time was over.
    """

    section: str
    index: int
    at: float
    method: str
    url: str
    request: Any
    status: int | None
    response: Any
    error: str = ""
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Dialog:
    """A dialog as Kamailio listed it (``dlg.list``), over the time that it was seen.

    :param lifetime: the timeout that was set, seconds; the last one seen while it was confirmed.
    :param states: each state it was seen in, in order (1 unconfirmed, 2 early, 3 and 4 confirmed, 5 deleted).
    """

    call_id: str
    from_uri: str
    to_uri: str
    first_seen: float
    last_seen: float
    states: tuple[int, ...]
    lifetime: int


LEVELS = ("ALERT", "BUG", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG")
"""Of Kamailio's log, from the gravest on (core/dprint.h)."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that a service logged; ``level`` is one of `LEVELS`, or empty."""

    service: str
    text: str
    level: str = ""
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Records:
    """What the engine's API told, field names as the API's.

    :param accounts: account_tag -> the account.
    :param transactions: the records of the scenario's calls.
    """

    at: float
    accounts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    transactions: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class RpcAnswer:
    """What Kamailio answered to a command of its RPC, without credentials.

    :param error: why there's no result; else empty.
    """

    command: str
    parameters: tuple[str | int, ...]
    result: Any = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class SippResult:
    """How one SIPp process ended.

    :param created, successful, failed: calls, from its statistics; None when they could not be read.
    :param trace_cut: its trace ends within a message.
    :param failures: reason (as in SIPp's statistics file, ``FailedUnexpectedMessage``...) -> calls.
    :param stopped: the harness ended it (a carrier, which has no end of its own).
    :param planned: calls that it was to make, where a run of SIPp is judged by that.
    """

    host: str
    role: Literal["caller", "carrier", "stranger"]
    status: int | None
    created: int | None
    successful: int | None
    failed: int | None
    failures: Mapping[str, int] = field(default_factory=dict)
    errors: str = ""
    stopped: bool = False
    trace_cut: bool = False
    planned: int | None = None


@dataclass(frozen=True, slots=True)
class GeneratorResult:
    """How one of several generators of a load, on a machine of its own, has done its share.

    :param number: from 1.
    :param node, address: its machine, and its address in the lab's network.
    :param clock: seconds by which its clock was ahead of the lab's, give or take ``precision``; the times of its
        messages are corrected by it.
    :param planned, made, over: calls of its share: those that it was to make, those whose INVITE is in its trace, and
        those of them whose end is.
    :param setup: how many of its calls were set up in which time (`rating_harness.evidence.statistics.Histogram`).
    :param lost: why what became of the rest isn't known; empty where it did all of its share.
    """

    number: int
    node: str
    address: str
    clock: float
    precision: float
    planned: int
    made: int
    over: int
    setup: Mapping[int, int] = field(default_factory=dict)
    lost: str = ""


@dataclass(frozen=True, slots=True)
class ServiceState:
    """How a service was at the end of the run. ``restarts`` counts those that the scenario asked for."""

    name: str
    alive: bool
    exit_status: int | None = None
    restarts: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """Something that the run did, and when: a fault, a restart, a call's start."""

    what: str
    started: float
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class Octets:
    """What an end sent or received that doesn't begin as SIP does: HTTP, or rubbish.

    :param data: each character is one octet.
    """

    at: float
    host: str
    direction: Literal["sent", "received"]
    transport: str
    data: str


@dataclass(frozen=True, slots=True)
class Unsent:
    """A request of a call's ``requests``, by its index, that was never sent, and why."""

    call: str
    index: int
    why: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """All of a run. ``call_ids`` maps each planned call to its Call-IDs, in order.

    :param idle: indexes of the scenario's faults that were never applied.
    :param tables: Kamailio's tables of calls in the end, name -> key -> value; None when it didn't say.
    :param unobserved: what can't be observed here, and why: ``records``, ``requests``, ``dialogs``, ``tables``,
        ``capture``, ``table NAME`` for one of Kamailio's, and `FIELDS_OF_RECORDS` for those that an engine's file
        names in vain.
    :param routes: how many actions of each of Kamailio's routes ran, by its name; None when that wasn't traced.
    :param rpc: what Kamailio answered to the commands that the scenario expects something of, in their order.
    :param skipped: seconds that the lab's clock was put forward meanwhile; all times here are on that clock.
    :param repeated: why the scenario was run before, and run again: what of the harness's own came too late then.
    :param stalled: seconds by which a pause of the harness's own lasted too long, at most: the machine stood still.
    :param captured: what Kamailio itself sent and received, of all calls; None when that wasn't captured.
    :param generators: those of a load that was made from several machines; ``sipp`` has the sum of their counts.
    """

    scenario: str
    started: float
    ended: float
    call_ids: Mapping[str, Sequence[str]] = field(default_factory=dict)
    messages: tuple[SipMessage, ...] = ()
    captured: tuple[CapturedMessage, ...] | None = None
    exchanges: tuple[Exchange, ...] = ()
    dialogs: tuple[Dialog, ...] = ()
    dialogs_left: int | None = None
    tables: Mapping[str, Mapping[str, str]] | None = None
    before: Records | None = None
    after: Records | None = None
    log: tuple[LogLine, ...] = ()
    routes: Mapping[str, int] | None = None
    rpc: tuple[RpcAnswer, ...] = ()
    sipp: tuple[SippResult, ...] = ()
    services: tuple[ServiceState, ...] = ()
    spans: tuple[Span, ...] = ()
    http_steps: tuple[HttpStep, ...] = ()
    idle: tuple[int, ...] = ()
    unobserved: Mapping[str, str] = field(default_factory=dict)
    unsent: tuple[Unsent, ...] = ()
    octets: tuple[Octets, ...] = ()
    skipped: float = 0.0
    repeated: tuple[str, ...] = ()
    stalled: float = 0.0
    generators: tuple[GeneratorResult, ...] = ()
    lab: Mapping[str, str] = field(default_factory=dict)
