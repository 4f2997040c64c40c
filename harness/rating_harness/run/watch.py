"""What happens while calls go on: events of calls, read off SIPp's traces; Kamailio's dialogs; how far a load is."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress

from rating_harness.evidence.calls import event_of
from rating_harness.evidence.model import Dialog
from rating_harness.evidence.statistics import LoadProgress
from rating_harness.kamailio.rpc import KamailioClient, RpcError
from rating_harness.run.sipp_processes import SippProcess
from rating_harness.scenario.values import Event, Moment
from rating_harness.sipp.agent import STATISTICS
from rating_harness.sipp.result import read_statistics

__all__ = ["DialogWatch", "EventWatch", "LoadWatch"]


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
            for message in sipp.messages_in(trace):
                event = event_of(message)
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


class LoadWatch:
    """How far a load is, once a second, for whoever wants to be told.

    It reads SIPp's own counts, and one RPC answer of Kamailio's: nothing that grows with the calls.

    :param tell: None: nobody is told, and nothing is read.
    """

    def __init__(self, planned: int, kamailio: KamailioClient, tell: Callable[[LoadProgress], None] | None) -> None:
        self._planned = planned
        self._kamailio = kamailio
        self._tell = tell
        self._last: LoadProgress | None = None
        self._next = 0.0

    def advance(self, now: float, callers: Iterable[SippProcess]) -> None:
        """:param now: seconds on any clock."""
        if self._tell is None or now < self._next:
            return
        self._next = now + _EVERY
        counts = [_counts(each) for each in callers]
        made, over, failed = (sum(count.get(name, 0) for count in counts) for name in _COUNTS)
        last, memory = self._last, self._memory()
        rate = (made - last.made) / (now - last.at) if last is not None and now > last.at else None
        self._last = LoadProgress(now, self._planned, made, over, failed, rate, *memory)
        self._tell(self._last)

    def _memory(self) -> tuple[int | None, int | None]:
        with suppress(RpcError):
            found = self._kamailio.statistics("total_size", "real_used_size")
            return found.get("shmem:total_size"), found.get("shmem:real_used_size")
        return None, None


_EVERY = 1.0
_COUNTS = ("TotalCallCreated", "SuccessfulCall", "FailedCall")


def _counts(caller: SippProcess) -> Mapping[str, int]:
    text = caller.process.read_file(STATISTICS)
    return (read_statistics(text.decode("utf-8", "replace")) if text else None) or {}
