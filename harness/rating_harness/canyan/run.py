"""The order of things: canyan-tester's, except that the teardown is always done."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rating_harness.canyan.model import CanyanScenario, Step, XhttpRequest
from rating_harness.canyan.plan import CanyanPlan, PlannedWorker
from rating_harness.canyan.site import Site
from rating_harness.canyan.steps import Accepted, Requests
from rating_harness.deadline import Deadline
from rating_harness.evidence.model import Evidence, SipMessage, SippResult, Span
from rating_harness.plan.model import PlannedCarrier
from rating_harness.run.sipp_processes import SippProcess, await_bound, start_sipp
from rating_harness.scenario.values import Unfit
from rating_harness.sipp.agent import ERRORS, MESSAGES, STATISTICS

__all__ = ["run_canyan"]

_BIND = 10.0
"""Seconds that a carrier's SIPp may take to bind its socket."""

_TICK = 0.02

_OBSERVED = (
    *("-trace_msg", "-message_file", MESSAGES),
    *("-trace_stat", "-stf", STATISTICS, "-fd", "1"),
    *("-trace_err", "-error_file", ERRORS),
)
"""What is read afterwards. It goes last, so that a file's own options can't take it away."""


def run_canyan(site: Site, plan: CanyanPlan, accepted: Accepted) -> Evidence:
    """Do it, and tell what was observed.

    :raises LabError: the lab itself failed; what failed of the system under test is in the evidence.
    """
    return _Run(site, plan, accepted).run()


@dataclass(slots=True)
class _Worker:
    """A worker, and where it has got to."""

    plan: PlannedWorker
    sipp: SippProcess | None = None
    due: float = 0.0
    done: int = 0


@dataclass(slots=True)
class _Seen:
    messages: list[SipMessage] = field(default_factory=list)
    results: list[SippResult] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    call_ids: dict[str, dict[str, None]] = field(default_factory=dict)


class _Run:
    def __init__(self, site: Site, plan: CanyanPlan, accepted: Accepted) -> None:
        assert isinstance(plan.scenario, CanyanScenario)
        self._site = site
        self._plan = plan
        self._file = plan.scenario.canyan
        self._seen = _Seen()
        self._carriers: list[SippProcess] = []
        caller = site.seat(plan.workers[0].name).host.address if plan.workers else site.target[0]
        self._requests = Requests(site, accepted, eager=plan.scenario.lenient, caller=caller)

    def run(self) -> Evidence:
        self._site.prepare(self._plan)
        started = time.time()
        try:
            for carrier in self._plan.carriers:
                self._start_carrier(carrier)
            try:
                if self._steps("setup", self._file.setup):
                    self._site.begin()
                    self._make_calls()
                    self._ask_kamailio()
                    self._steps("check", self._file.check)
                    self._site.over()
            finally:
                self._teardown()
            return self._site.end(self._evidence(started))
        finally:
            for sipp in self._carriers:
                sipp.process.remove()
            for worker in self._plan.workers:
                self._site.lab.release(worker.name)

    def _evidence(self, started: float) -> Evidence:
        self._seen.messages += [message for carrier in self._carriers for message in carrier.messages]
        return Evidence(
            scenario=self._plan.scenario.id,
            started=started,
            ended=time.time(),
            call_ids={name: tuple(ids) for name, ids in self._seen.call_ids.items()},
            messages=tuple(sorted(self._seen.messages, key=lambda message: message.at)),
            sipp=tuple(self._seen.results),
            spans=tuple(self._seen.spans),
            http_steps=tuple(self._requests.http_steps),
            lab={"seed": str(self._plan.seed), "token": self._plan.token},
        )

    # --- requests ---------------------------------------------------------------------------------------------------

    def _steps(self, section: str, steps: tuple[Step, ...]) -> bool:
        """Do steps until one isn't answered as it expects; whether all were."""
        return all(self._requests.api(section, index, step) for index, step in enumerate(steps))

    def _ask_kamailio(self) -> None:
        """The requests of the file's workers, side by side, when all calls are over."""
        start = time.monotonic()
        waiting = [
            (request.delay, index, request)
            for index, request in enumerate(self._file.workers)
            if isinstance(request, XhttpRequest)
            for _ in range(self._plan.requests[index])
        ]
        sent = []
        for delay, index, request in sorted(waiting, key=lambda each: each[0]):
            time.sleep(max(0.0, start + delay - time.monotonic()))
            sent.append(self._requests.start("workers", index, request))
        for each in sent:
            self._requests.finish(each)

    def _teardown(self) -> None:
        for index, step in enumerate(self._file.teardown):
            if isinstance(step, XhttpRequest):
                time.sleep(step.delay)
                self._requests.kamailio("teardown", index, step)
            else:
                self._requests.api("teardown", index, step)

    # --- SIPp -------------------------------------------------------------------------------------------------------

    def _start_carrier(self, carrier: PlannedCarrier) -> None:
        self._site.lab.host(carrier.host)
        if carrier.agent is None:
            return
        self._carriers.append(start_sipp(self._site.lab, carrier.agent, f"sipp-{carrier.host}"))
        await_bound(self._carriers, Deadline(_BIND))

    def _make_calls(self) -> None:
        """All workers side by side, each with its runs one after the other."""
        now = time.monotonic()
        workers = [_Worker(plan, due=now + plan.delay) for plan in self._plan.workers]
        try:
            while any(worker.done < worker.plan.repeat for worker in workers) and self._site.look():
                for worker in workers:
                    self._advance(worker, time.monotonic())
                time.sleep(_TICK)
        finally:
            for worker in workers:
                if worker.sipp is not None:
                    self._finish(worker, worker.sipp, stopped=True)

    def _advance(self, worker: _Worker, now: float) -> None:
        if worker.sipp is not None:
            if worker.sipp.process.poll() is not None:
                self._finish(worker, worker.sipp)
            elif now >= worker.due + worker.plan.timeout:
                worker.sipp.process.signal(signal.SIGKILL)
                worker.sipp.process.wait(Deadline(5.0))
                self._finish(worker, worker.sipp, stopped=True)
        elif worker.done < worker.plan.repeat and now >= worker.due:
            worker.due = now
            seat = self._site.seat(worker.plan.name)
            try:
                agent = worker.plan.agent(seat.host, seat.port, self._site.target, self._requests.stored)
            except Unfit as unfit:
                self._fail(worker, f"{unfit}: {unfit.hint}")
                return
            options = ("-cp", str(seat.control), *worker.plan.options, *_OBSERVED)
            worker.sipp = start_sipp(
                self._site.lab,
                agent,
                f"sipp-{worker.plan.name}-{worker.done + 1}",
                host=seat.host,
                executable=self._site.executable,
                options=options,
            )
            self._seen.spans.append(Span(f"call {worker.plan.name}", time.time()))

    def _finish(self, worker: _Worker, sipp: SippProcess, *, stopped: bool = False) -> None:
        name, process = worker.plan.name, sipp.process
        sipp.stopped = stopped
        result = sipp.result
        self._seen.results.append(
            replace(result, errors=result.errors or process.output()[-2000:], planned=worker.plan.calls)
        )
        messages = sipp.messages
        self._seen.messages += messages
        self._seen.call_ids.setdefault(name, {}).update(dict.fromkeys(message.call_id for message in messages))
        process.remove()
        worker.sipp = None
        worker.done += 1

    def _fail(self, worker: _Worker, why: str) -> None:
        """None of its runs can be made."""
        nothing: Mapping[str, Any] = {"status": None, "created": 0, "successful": 0, "failed": 0}
        result = SippResult(worker.plan.name, "caller", **nothing, errors=why, planned=worker.plan.calls)
        self._seen.results += [result] * (worker.plan.repeat - worker.done)
        worker.done = worker.plan.repeat
