"""What happens while the calls go on: events of calls, read off SIPp's traces; dialogs, as Kamailio lists them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence

from rating_harness.evidence.model import Dialog, SipMessage
from rating_harness.kamailio.rpc import KamailioClient, RpcError
from rating_harness.run.sipp_processes import SippProcess, messages_in
from rating_harness.scenario.values import Event, Moment

__all__ = ["DialogWatch", "EventWatch"]


class EventWatch:
    """When each call's events happened; a repeated call's are those of its first.

    :param awaited: the moments that somebody waits for.
    :param now: the lab's time.
    """

    def __init__(self, started: float, awaited: Collection[Moment], now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._started = started
        self._awaited = {(moment.call, moment.event) for moment in awaited if moment.call is not None}
        self._events: dict[tuple[str | None, Event | None], float] = {}
        self._sizes: dict[str, int] = {}
        self._over: set[str] = set()

    def read(self, call: str, sipp: SippProcess) -> None:
        """Take note of what the caller's trace has to say that's new, as long as somebody waits for it."""
        if not any(name == call and (name, event) not in self._events for name, event in self._awaited):
            return
        trace = sipp.trace
        if len(trace) != self._sizes.get(call):
            self._sizes[call] = len(trace)
            for message in messages_in(sipp.agent, trace):
                event = _event_of(message)
                if event is not None:
                    self._events.setdefault((call, event), message.at)
                    if event == "ended":
                        self._events.setdefault((call, "started"), message.at)

    def over(self, call: str) -> None:
        """The call's program has ended: what hasn't happened by now won't."""
        self._over.add(call)
        self._events.setdefault((call, "ended"), self._now())

    def never(self, call: str) -> None:
        """The call can't begin any more."""
        self._over.add(call)

    def due(self, moment: Moment) -> float | None:
        """The Unix second of a moment; None as long as its event hasn't happened."""
        if moment.event is None or moment.call is None:
            return self._started + moment.delay
        at = self._events.get((moment.call, moment.event))
        return None if at is None else at + moment.delay

    def is_hopeless(self, moment: Moment) -> bool:
        """Whether a moment can't come any more."""
        return moment.call in self._over and self.due(moment) is None

    def is_due(self, moment: Moment | None, now: float) -> bool:
        """Whether a moment has come; never, where there is none."""
        at = self.due(moment) if moment is not None else None
        return at is not None and at <= now


def _event_of(message: SipMessage) -> Event | None:
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


class DialogWatch:
    """The dialogs that Kamailio lists, over time."""

    _MANY = 40
    """With more dialogs than that they are counted, and no longer listed."""

    def __init__(self, kamailio: KamailioClient, tokens: Sequence[str], now: Callable[[], float] = time.time) -> None:
        """:param now: the lab's time."""
        self._now = now
        self._kamailio = kamailio
        self._tokens = tuple(tokens)
        self._dialogs: dict[str, Dialog] = {}
        self._next = 0.0

    def look(self, interval: float) -> None:
        """Query Kamailio, unless the last query was less than ``interval`` seconds ago. No answer is no dialog."""
        now = self._now()
        if now < self._next:
            return
        self._next = now + interval
        try:
            if self._kamailio.active_dialogs() <= self._MANY:
                for listed in self._kamailio.dialogs():
                    self._add(listed, now)
        except RpcError:
            return

    def _add(self, listed: Mapping[str, object], now: float) -> None:
        call_id = str(listed.get("call-id", ""))
        if not call_id.startswith(self._tokens):
            return
        state = int(str(listed.get("state", 0)))
        lifetime = int(str(listed.get("lifetime", 0)))
        seen = self._dialogs.get(call_id)
        states = seen.states if seen else ()
        self._dialogs[call_id] = Dialog(
            call_id=call_id,
            from_uri=str(listed.get("from_uri", "")),
            to_uri=str(listed.get("to_uri", "")),
            first_seen=seen.first_seen if seen else now,
            last_seen=now,
            states=states if states and states[-1] == state else (*states, state),
            # What is set while the call is authorised counts: a deleted dialog says nothing of its timeout.
            lifetime=lifetime if seen is None or state < 5 else seen.lifetime,
        )

    @property
    def dialogs(self) -> tuple[Dialog, ...]:
        return tuple(self._dialogs.values())
