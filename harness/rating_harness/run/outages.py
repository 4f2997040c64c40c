"""What befalls services and hosts while calls go on."""

from __future__ import annotations

import signal
import time

from rating_harness.deadline import Deadline
from rating_harness.errors import PlanError
from rating_harness.evidence.model import Span
from rating_harness.plan.model import Outage
from rating_harness.run.stack import KAMAILIO, Stack

__all__ = ["OutageRun", "check_outages"]

_PATIENCE = 15.0


def check_outages(stack: Stack, outages: tuple[Outage, ...]) -> None:
    """:raises PlanError: this lab can't do one of them; with its reason."""
    capabilities = stack.lab.capabilities
    for outage in outages:
        needed = "unplug" if outage.kind == "unplug" else "restart"
        if not getattr(capabilities, needed):
            raise PlanError(
                f"this lab can't {outage.kind} {outage.target}",
                found=capabilities.why.get(needed, "no reason given"),
                hint="another lab: `--lab docker` or `--lab local`",
            )


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
        deadline = Deadline(_PATIENCE)
        self.started = time.time()
        match self.outage.kind:
            case "kill":
                lab.stop_service(name, deadline, how=signal.SIGKILL)
            case "stop":
                lab.stop_service(name, deadline)
            case "restart":
                self._restart(deadline)
                self.ended = time.time()
            case "pause":
                lab.pause(name)
            case "unplug":
                lab.disconnect(name)

    def end(self) -> None:
        lab, name = self._stack.lab, self.outage.target
        match self.outage.kind:
            case "kill" | "stop":
                self._restart(Deadline(_PATIENCE))
            case "pause":
                lab.resume(name)
            case "unplug":
                lab.reconnect(name)
            case "restart":
                pass
        self.ended = time.time()

    def _restart(self, deadline: Deadline) -> None:
        self._stack.lab.restart_service(self.outage.target, deadline)
        if self.outage.target == KAMAILIO:
            self._stack.await_kamailio(deadline)
