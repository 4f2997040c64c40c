"""The clock of a lab: how far it is ahead of the machine's, and how it is put forward while calls go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import LabError, PlanError, Timeout
from rating_harness.evidence.model import SipMessage, Span
from rating_harness.kamailio.rpc import RpcError
from rating_harness.lab.clock import COARSE, FINE
from rating_harness.lab.protocol import MovedClock, Threads
from rating_harness.plan.model import Plan
from rating_harness.run.stack import Stack
from rating_harness.run.watch import EventWatch
from rating_harness.scenario.clock import MARGIN, Clock, skip_name, skips_of
from rating_harness.scenario.nodes import ValuePath
from rating_harness.scenario.values import spoken_duration

__all__ = ["ClockRun", "step_of", "unanswered"]

_QUIET = 0.3
"""Seconds without anything new, after which both ends of a call and the agent have said all they had to."""

_PATIENCE = 10.0
"""Seconds that requests may be unanswered when the clock is to be moved, and that Kamailio's timer may be behind."""

_LEFT = MARGIN - 2.0
"""Seconds that have to be left of a dialog's timeout: Kamailio says it in whole ones, and counts from the answer."""

_SHORT = 1.0
"""Seconds of a step that no request takes for its whole time: it is seen before the next one."""

_HANDED_ON = 3
"""What a timer of Kamailio's begins, its process for HTTP asks, and the agent has been asked."""

_LONG, _VERY_LONG, _LAST = 1200.0, 6 * 3600.0, 300.0

_DELETED = 5
"""State of a dialog whose BYE has come (dialog's DLG_STATE_DELETED)."""

_OVERFLOWS = 2**32
"""Kamailio says in 31 bits and a sign when a dialog ends, and one of 68 years ends after 2038."""

_WITHIN = 2.0
"""Seconds by which a dialog's end may seem to have moved: Kamailio says it in whole ones."""


def step_of(skipped: float, remaining: float) -> float:
    """Seconds that the clock is put forward at once. What is due within one step may happen in any order.

    It's 1 s, and in a skip of more than 20 minutes 10 s, of more than 6 hours a minute, up to its last five minutes.
    """
    if remaining <= _LAST or skipped <= _LONG:
        return min(_SHORT, remaining)
    return 10.0 if skipped <= _VERY_LONG else 60.0


def unanswered(messages: Iterable[SipMessage]) -> str | None:
    """A request among an end's messages that has had no final reply; None where all have. An ACK has none."""
    waiting: dict[tuple[str, int, str], str] = {}
    for message in messages:
        transaction = (message.call_id, message.cseq, message.method)
        if message.is_request and message.method not in ("ACK", "CANCEL"):
            waiting[transaction] = message.first_line
        elif message.is_final:
            waiting.pop(transaction, None)
    return next(iter(waiting.values()), None)


class ClockRun:
    """A plan's skips of the clock, each at its moment.

    :param look: takes note of what has happened since it was called last, and says what is still unanswered, or None.
    """

    def __init__(self, stack: Stack, plan: Plan, events: EventWatch, look: Callable[[], str | None]) -> None:
        self._stack = stack
        self._plan = plan
        self._events = events
        self._look = look
        self._ahead: list[tuple[ValuePath, Clock]] = skips_of(plan.scenario)
        self.spans: list[Span] = []
        self.skipped = 0.0

    @property
    def remaining(self) -> float:
        """Seconds that are still to be skipped."""
        return sum(skip.skip for _, skip in self._ahead)

    @property
    def is_ahead(self) -> bool:
        """Whether the moment of a skip is known and hasn't come."""
        return any(self._events.due(skip.when) is not None for _, skip in self._ahead)

    def advance(self, now: float) -> None:
        """Skip, if that's due. It takes a few seconds.

        :raises PlanError: something else is due within the time that is to be skipped, or a request stays unanswered.
        :raises LabError: Kamailio's timers don't follow the clock.
        """
        for path, skip in list(self._ahead):
            at = self._events.due(skip.when)
            if at is not None and at <= now:
                self._put_forward(path, skip, at)
                self._ahead.remove((path, skip))
                now = self._stack.now()

    def _put_forward(self, path: ValuePath, skip: Clock, at: float) -> None:
        clock = self._stack.clock
        if clock is None:
            raise LabError("the lab has no clock that can be moved")
        if self.spans and at < (self.spans[-1].ended or 0.0):
            raise PlanError(
                "a skip of the clock begins within another one",
                expected="one after the other",
                found=f"{skip.when}, when the skip before wasn't over",
                where=self._plan.scenario.where(*path, "when"),
                hint="one skip, as long as both; or a later moment",
            )
        self._await_quiet(path)
        begun = self._stack.now()
        before = self._ends_of_dialogs()
        # Counted from its moment: what it took until all was quiet is a part of it.
        until = at + skip.skip
        self._refuse_over(path, begun, until, before)
        clock.look_every(FINE)
        try:
            self._skip(path, clock, until, skip.skip)
        finally:
            clock.look_every(COARSE)
        self.spans.append(Span(skip_name(skip.skip), begun, self._stack.now()))
        self.skipped += skip.skip
        self._check_dialogs(before)

    def _skip(self, path: ValuePath, clock: MovedClock, until: float, seconds: float) -> None:
        threads = clock.threads()
        while (remaining := until - self._stack.now()) > 0:
            looked = Deadline(2 * FINE)
            step = step_of(seconds, remaining)
            clock.move(step)
            self._await_followed(clock)
            # Nobody says that it has looked at the clock: whoever waits does so within this time.
            time.sleep(looked.remaining)
            if step > _SHORT:
                self._await_waits(threads)
            self._await_answered(path)

    def _await_waits(self, threads: Threads) -> None:
        try:
            threads.await_waits(_HANDED_ON, Deadline(_PATIENCE))
        except Timeout as error:
            raise LabError(
                "the lab's programs don't come to rest while the clock is moved", found=error.found
            ) from None

    def _await_followed(self, clock: MovedClock) -> None:
        try:
            await_condition(
                lambda: clock.is_followed, Deadline(_PATIENCE), "Kamailio's timer following the clock", interval=0.001
            )
        except Timeout as error:
            raise LabError("Kamailio's timer doesn't follow the lab's clock", found=error.message) from None

    def _await_answered(self, path: ValuePath) -> None:
        """While the clock stands still."""
        if self._look() is not None:
            self._await_quiet(path)

    def _await_quiet(self, path: ValuePath) -> None:
        """Until nothing is unanswered, and nothing new comes.

        :raises PlanError: something stays unanswered.
        """
        quiet_since = time.monotonic()
        waits: str | None = None

        def is_quiet() -> bool:
            nonlocal quiet_since, waits
            waits = self._look()
            if waits is not None:
                quiet_since = time.monotonic()
            return waits is None and time.monotonic() - quiet_since >= _QUIET

        try:
            await_condition(is_quiet, Deadline(_PATIENCE), "an answer")
        except Timeout:
            raise PlanError(
                "the clock can't be moved while a request is unanswered",
                found=f"no answer to {waits} within {_PATIENCE:g} s" if waits else None,
                where=self._plan.scenario.where(*path, "when"),
                hint="a moment at which nothing is waited for: `when: 2s after ana is answered`",
            ) from None

    def _ends_of_dialogs(self) -> Mapping[str, int]:
        """Call-ID -> the Unix second at which Kamailio cuts it; one that is over is listed for a few seconds more."""
        with suppress(RpcError):
            return {
                str(dialog["call-id"]): int(str(dialog.get("timeout", 0))) % _OVERFLOWS
                for dialog in self._stack.kamailio.dialogs()
                if str(dialog.get("call-id", "")).startswith(self._plan.token)
                and int(str(dialog.get("timeout", 0)))
                and int(str(dialog.get("state", 0))) != _DELETED
            }
        return {}

    def _refuse_over(self, path: ValuePath, begun: float, until: float, ends: Mapping[str, int]) -> None:
        """:raises PlanError: something is due before the skip is over, or too soon after it."""
        names = {call_id: call.id for call in self._plan.calls for call_id in call.call_ids}
        due: dict[str, float] = {f"the limit of {names.get(each, each)}": end for each, end in ends.items()}
        for moment in self._plan.moments:
            at = self._events.due(moment)
            if at is not None and at > begun:
                due[str(moment)] = at
        for what, at in sorted(due.items(), key=lambda item: item[1]):
            if at < until + _LEFT:
                raise PlanError(
                    "the clock would skip over what is due",
                    expected=f"nothing due for {spoken_duration(round(until - begun + _LEFT, 1))}",
                    found=f"{what}, in {spoken_duration(round(at - begun, 1))}",
                    where=self._plan.scenario.where(*path, "skip"),
                    hint="a shorter skip: what is due is to happen in real time",
                )

    def _check_dialogs(self, before: Mapping[str, int]) -> None:
        """What Kamailio's timers have in store is the same as before, on a clock that has moved.

        :raises LabError: a timer went on as if nothing had been skipped.
        """
        for call_id, end in self._ends_of_dialogs().items():
            if abs(end - before.get(call_id, end)) > _WITHIN:
                raise LabError(
                    "Kamailio's timers didn't follow the lab's clock",
                    expected=f"the dialog {call_id} to be cut when it was to be",
                    found=f"{end - before[call_id]:+d} s",
                )
