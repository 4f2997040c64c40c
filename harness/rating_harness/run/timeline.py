"""What is due when while calls go on: faults switched on and off, services and hosts broken and mended."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import replace

from rating_harness.deadline import Deadline
from rating_harness.errors import PlanError
from rating_harness.evidence.model import Span
from rating_harness.plan.model import AgentFault, Outage, Plan
from rating_harness.run.requirements import beyond_lab
from rating_harness.run.stack import KAMAILIO, Stack
from rating_harness.run.watch import EventWatch

__all__ = ["OutageRun", "Timeline", "check_outages"]

_BREAK = 15.0
"""Seconds that a service may take to end, or to be ready again."""


def check_outages(stack: Stack, outages: Sequence[Outage]) -> None:
    """:raises PlanError: this lab can't do one of them; with its reason."""
    for outage in outages:
        if reason := beyond_lab(stack.lab.capabilities, outage.kind, outage.target):
            raise PlanError(
                f"this lab can't {outage.kind} {outage.target}",
                found=reason,
                hint="another lab: `--lab docker` or `--lab local`",
            )


class Timeline:
    """The faults and outages of a plan, each at its moment."""

    def __init__(self, stack: Stack, plan: Plan, events: EventWatch) -> None:
        self._stack = stack
        self._events = events
        self._to_arm = [fault for fault in plan.agent_faults if fault.when is not None]
        self._to_disarm = [fault for fault in plan.agent_faults if fault.until is not None]
        self._armed: dict[int, Span] = {}
        self.outages = tuple(OutageRun(stack, outage) for outage in plan.outages)

    def advance(self, now: float) -> None:
        """Do what is due."""
        for fault in [each for each in self._to_arm if self._events.is_due(each.when, now)]:
            self._to_arm.remove(fault)
            self._stack.tap.arm(fault.fault.id, True)
            self._armed[fault.index] = Span(f"fault {fault.fault.kind}", self._stack.now())
        for fault in [each for each in self._to_disarm if self._events.is_due(each.until, now)]:
            self._to_disarm.remove(fault)
            self._stack.tap.arm(fault.fault.id, False)
            if armed := self._armed.get(fault.index):
                self._armed[fault.index] = replace(armed, ended=self._stack.now())
        for run in self.outages:
            self._advance_outage(run, now)

    def _advance_outage(self, run: OutageRun, now: float) -> None:
        outage = run.outage
        if run.started is None:
            if self._events.is_due(outage.when, now):
                run.begin()
        elif run.ended is None:
            is_over = outage.seconds is not None and now >= run.started + outage.seconds
            if is_over or self._events.is_due(outage.until, now):
                run.end()

    def finish(self) -> None:
        """Mend what is still broken."""
        for run in self.outages:
            if run.started is not None and run.ended is None:
                run.end()

    @property
    def is_ahead(self) -> bool:
        """Whether an outage is to begin at a moment that's known, or to end by itself; no other is waited for."""
        return any(
            self._events.due(run.outage.when) is not None
            if run.started is None
            else run.ended is None and run.outage.seconds is not None
            for run in self.outages
        )

    def is_down(self, service: str) -> bool:
        """Whether an outage keeps that service from running now."""
        return any(run.outage.target == service and run.started and not run.ended for run in self.outages)

    def restarts(self, service: str) -> int:
        """How many outages the service has had."""
        return sum(run.outage.target == service and run.started is not None for run in self.outages)

    @property
    def spans(self) -> tuple[Span, ...]:
        return (*self._armed.values(), *(run.span for run in self.outages if run.started is not None))

    def never_begun(self, planned: Sequence[AgentFault]) -> set[int]:
        """Indexes of the faults and outages whose moment never came."""
        return {run.outage.index for run in self.outages if run.started is None} | {
            fault.index for fault in planned if fault.when is not None and fault.index not in self._armed
        }


class OutageRun:
    """One outage: `begin` and, unless it's for good, `end`."""

    def __init__(self, stack: Stack, outage: Outage) -> None:
        self._stack = stack
        self.outage = outage
        self.started: float | None = None
        self.ended: float | None = None

    @property
    def span(self) -> Span:
        return Span(f"{self.outage.kind} {self.outage.target}", self.started or 0.0, self.ended)

    def begin(self) -> None:
        lab, name = self._stack.lab, self.outage.target
        deadline = Deadline(_BREAK)
        self.started = self._stack.now()
        match self.outage.kind:
            case "kill":
                lab.stop_service(name, deadline, how=signal.SIGKILL)
            case "stop":
                lab.stop_service(name, deadline)
            case "restart":
                self._restart(deadline)
                self.ended = self._stack.now()
            case "pause":
                lab.pause(name)
            case "unplug":
                lab.disconnect(name)

    def end(self) -> None:
        lab, name = self._stack.lab, self.outage.target
        match self.outage.kind:
            case "kill" | "stop":
                self._restart(Deadline(_BREAK))
            case "pause":
                lab.resume(name)
            case "unplug":
                lab.reconnect(name)
            case "restart":
                pass
        self.ended = self._stack.now()

    def _restart(self, deadline: Deadline) -> None:
        if self.outage.target == KAMAILIO:
            self._stack.restart_kamailio(deadline)
        else:
            self._stack.lab.restart_service(self.outage.target, deadline)
