"""Carries a plan out: carriers first, then callers and faults at their moments, then what is left behind."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import replace

from rating_harness.deadline import Deadline
from rating_harness.errors import HarnessError, ServiceDied, SippError
from rating_harness.evidence.calls import host_of_stranger
from rating_harness.evidence.memory_shortage import memory_shortages
from rating_harness.evidence.model import Evidence, Span
from rating_harness.evidence.redaction import redacted_message
from rating_harness.lab.protocol import Prepared, Process
from rating_harness.plan.model import Plan, PlannedRequest
from rating_harness.run.background import Background
from rating_harness.run.clock import ClockRun, unanswered
from rating_harness.run.collector import Collector, Settled
from rating_harness.run.generators import Generators
from rating_harness.run.requests import RequestOfCall, RequestRun, strangers_of
from rating_harness.run.sipp_processes import (
    PreparedSipp,
    SippProcess,
    await_bound,
    check_ended,
    check_going_on,
    prepare_pace,
    prepare_sipp,
    start_sipp,
    stop_all,
)
from rating_harness.run.stack import KAMAILIO, Stack
from rating_harness.run.timeline import Timeline, check_outages
from rating_harness.run.watch import EventWatch, LoadWatch
from rating_harness.sipp.agent import ERRORS, STATISTICS, Agent
from rating_harness.sipp.result import WORKED, merged
from rating_harness.useragent.agent import UserAgent

__all__ = ["Settled", "run_plan"]

_BIND = 10.0
"""Seconds that SIPp may take to bind its sockets."""

_TICK = 0.02
"""Seconds between two looks at what has happened."""


def run_plan(stack: Stack, plan: Plan, settled: Settled = lambda evidence: True) -> Evidence:
    """Carry the plan out, and say what was observed.

    :param settled: whether the records are as expected (`Settled`).
    :raises LabError: the lab itself failed; what failed of the system under test is in the evidence.
    :raises SippError: SIPp could not work.
    """
    return _Run(stack, plan).run(settled)


_LOOK_AT_LOG = 0.5
"""Seconds between two looks at whether all of a new Kamailio's processes have started."""

_KEPT = 1_000_000
"""Octets of a file that are kept of its end, where a run ends in an error."""


def _files_of(sipps: Iterable[SippProcess]) -> dict[str, bytes]:
    """What the ends of a run wrote down, and what they were to do, by names in a folder of evidence."""
    found: dict[str, bytes] = {}
    for sipp in sipps:
        agent = sipp.agent
        folder = f"sipp/{agent.host}-{agent.port}-{agent.transport}"
        if any(name.startswith(f"{folder}/") for name in found):
            folder += f"-{sipp.process.name}"  # another generator's of the same call
        for name in (agent.scenario_file, agent.trace_file, ERRORS, STATISTICS):
            content = sipp.process.read_file(name)
            if content:
                text = content[-_KEPT:].decode("utf-8", "surrogateescape")
                found[f"{folder}/{name}"] = redacted_message(text).encode("utf-8", "surrogateescape")
        output = sipp.process.output()[-_KEPT:]
        if output:
            found[f"{folder}/output.log"] = redacted_message(output).encode("utf-8", "surrogateescape")
    return found


def _name(agent: Agent | UserAgent) -> str:
    """What its program is called in the lab."""
    return f"sipp-{agent.host}-{agent.port}-{agent.transport}"


class _Run:
    def __init__(self, stack: Stack, plan: Plan) -> None:
        self._stack = stack
        self._plan = plan
        self._carriers: list[SippProcess] = []
        self._callers: dict[str, SippProcess] = {}
        self._strangers: list[SippProcess] = []
        self._spans: list[Span] = []
        self._background = Background()
        self._made: list[Process | Prepared] = []
        self._prepared: dict[str, PreparedSipp] = {}
        self._beginning: dict[str, Future[SippProcess]] = {}
        self._prepared_paces: dict[str, Prepared] = {}
        self._paces: dict[str, Future[Process]] = {}
        self._stalled = 0.0
        self._next_look = Deadline(_LOOK_AT_LOG)
        self._generators = Generators(stack.lab, plan)

    def run(self, settled: Settled) -> Evidence:
        check_outages(self._stack, self._plan.outages)
        self._stack.prepare(self._plan)
        try:
            evidence = self._observe(settled)
            self._stack.check_started()
            return evidence
        except HarnessError as error:
            error.files = {**error.files, **_files_of(self._sipps)}
            # The calls that were going on are none of the next scenario's.
            self._stack.spoiled(KAMAILIO)
            raise
        finally:
            with self._background:
                self._background.settle()
                self._background.all([*(made.remove for made in self._made), self._generators.remove])
            for name in self._hosts():
                self._stack.lab.release(name)

    def _hosts(self) -> set[str]:
        """Hosts that were made for this plan."""
        callers = {call.agent.host for call in self._plan.calls}
        strangers = {host_of_stranger(each.call, each.index) for each in self._plan.sip_requests}
        return callers | strangers | {carrier.host for carrier in self._plan.carriers}

    @property
    def _sipps(self) -> list[SippProcess]:
        return [*self._carriers, *self._callers.values(), *self._strangers]

    def _observe(self, settled: Settled) -> Evidence:
        collector = Collector(self._stack, self._plan, self._call_ids)
        strangers = self._prepare_ends()
        await_bound(self._carriers, Deadline(_BIND))
        before = collector.records(with_transactions=False)
        started = self._stack.now()
        events = EventWatch(started, self._plan.moments, self._stack.now)
        timeline = Timeline(self._stack, self._plan, events)
        requests = RequestRun(self._stack, self._plan, events, self._ends_of, strangers, self._background)
        self._strangers = requests.strangers
        clock = ClockRun(self._stack, self._plan, events, lambda: self._unanswered(collector))
        are_over = self._make_calls(started, events, timeline, requests, collector, clock)
        self._background.settle()
        self._take_begun()
        has_outages = any(fault.is_outage for fault in self._plan.scenario.faults)
        if not has_outages and not self._generators:
            check_going_on(self._callers.values())
        collector.await_quiet(calls_are_over=are_over)
        timeline.finish()
        requests.finish()
        stuck = stop_all(self._carriers)
        if not has_outages:
            check_ended(stuck)
        spans = [*self._spans, *requests.spans, *clock.spans]
        evidence = collector.gather(started, before, self._sipps, timeline, spans)
        octets = sorted((each for sipp in self._sipps for each in sipp.octets), key=lambda each: each.at)
        if self._generators:
            results = self._generators.results(self._callers)
            captured = self._generators.with_hosts(evidence.captured)
            evidence = replace(evidence, sipp=merged(evidence.sipp), generators=results, captured=captured)
        evidence = replace(
            evidence,
            unsent=requests.unsent(self._sipps),
            octets=tuple(octets),
            skipped=clock.skipped,
            stalled=round(self._stalled, 3),
        )
        return collector.await_records(evidence, timeline, settled)

    def _call_ids(self) -> Mapping[str, tuple[str, ...]]:
        """Of each call: those that were planned, or, of a caller that makes its own, those that it has sent."""
        planned = self._plan.call_ids
        if self._plan.knows_call_ids:
            return planned
        own = {name: tuple(sipp.call_ids) for name, sipp in self._callers.items()}
        return {name: (*own.get(name, ()), *ids[len(own.get(name, ())) :]) for name, ids in planned.items()}

    def _ends_of(self, request: PlannedRequest) -> list[SippProcess] | None:
        """The programs that send a request when they're signalled: a call's caller, or whoever may be its callee.

        None while the caller is being started.
        """
        if request.by == "caller":
            if request.call in self._beginning:
                return None
            return [self._callers[request.call]] if request.call in self._callers else []
        return [carrier for carrier in self._carriers if isinstance(carrier.agent, UserAgent)]

    def _prepare_ends(self) -> dict[RequestOfCall, PreparedSipp]:
        """Start the carriers, and have all others ready for their moments, side by side: in a lab of containers each
        takes half a second. The strangers.

        :raises LabError: one of them can't be started.
        """
        strangers = strangers_of(self._stack, self._plan)
        submit = self._background.submit
        carriers = [
            submit(self._start, carrier.agent) for carrier in self._plan.carriers if carrier.agent is not None
        ]
        generators = submit(self._generators.prepare) if self._generators else None
        calls = {call.key: submit(self._prepare, call.agent) for call in self._plan.calls if not call.generator}
        prepared_strangers = {key: submit(self._prepare, agent, agent.host) for key, agent in strangers.items()}
        paces = {
            call.id: submit(self._prepare_pace, call.agent)
            for call in self._plan.calls
            if isinstance(call.agent, Agent) and call.agent.changes and not call.generator
        }
        self._background.settle()
        self._carriers = [each.result() for each in carriers if each.exception() is None]
        for future in carriers:
            future.result()
        self._prepared = {name: future.result() for name, future in calls.items()}
        if generators is not None:
            self._prepared |= generators.result()
        self._prepared_paces = {name: future.result() for name, future in paces.items()}
        return {key: future.result() for key, future in prepared_strangers.items()}

    def _start(self, agent: Agent | UserAgent) -> SippProcess:
        sipp = start_sipp(self._stack.lab, agent, _name(agent))
        self._made.append(sipp.process)
        return sipp

    def _prepare(self, agent: Agent | UserAgent, name: str | None = None) -> PreparedSipp:
        prepared = prepare_sipp(self._stack.lab, agent, name or _name(agent))
        self._made.append(prepared.program)
        return prepared

    def _prepare_pace(self, agent: Agent) -> Prepared:
        prepared = prepare_pace(self._stack.lab, agent)
        self._made.append(prepared)
        return prepared

    def _unanswered(self, collector: Collector) -> str | None:
        """A request of any end, or to the agent, that waits for its answer; None where none does."""
        waiting = (unanswered(sipp.messages) for sipp in self._sipps)
        return collector.unanswered() or next((each for each in waiting if each is not None), None)

    def _make_calls(
        self,
        started: float,
        events: EventWatch,
        timeline: Timeline,
        requests: RequestRun,
        collector: Collector,
        clock: ClockRun,
    ) -> bool:
        """Until all calls are over and nothing is ahead, or the plan's horizon is reached.

        :return: whether all calls are over.
        :raises KeyboardInterrupt: the run is to be left.
        """
        planned = sum(len(call.call_ids) for call in self._plan.calls)
        tell = self._stack.tell_load if self._plan.scenario.load is not None else None
        load = LoadWatch(planned, self._stack.kamailio, tell)
        looking = self._background.submit(collector.look)
        while True:
            if self._stack.is_interrupted():
                raise KeyboardInterrupt
            are_over = self._read_events(events)
            clock.advance(self._stack.now())
            now = self._stack.now()
            for call in self._plan.calls:
                has_begun = call.key in self._callers or call.key in self._beginning
                if not has_begun and events.is_due(call.start, now):
                    self._beginning[call.key] = self._background.submit(self._prepared[call.key].start)
                    if call.key == call.id:
                        self._spans.append(Span(f"call {call.id}", now))
            self._take_begun()
            timeline.advance(now)
            requests.advance(now, self._callers)
            self._set_paces()
            load.advance(now, self._callers.values())
            if looking.done():
                looking.result()
                looking = self._background.submit(collector.look)
            self._check_kamailio(timeline)
            self._check_ends()
            is_over = are_over and not timeline.is_ahead and not requests.is_ahead and not clock.is_ahead
            # What is to be skipped is never waited for.
            left = started + self._plan.horizon - clock.remaining - self._stack.now()
            if is_over or left <= 0:
                return are_over
            self._sleep(min(_TICK, left))

    def _sleep(self, seconds: float) -> None:
        before = time.monotonic()
        time.sleep(seconds)
        self._stalled = max(self._stalled, time.monotonic() - before - seconds)

    def _take_begun(self) -> None:
        """:raises LabError: a caller couldn't be started."""
        for name in [name for name, future in self._beginning.items() if future.done()]:
            self._callers[name] = self._beginning.pop(name).result()

    def _read_events(self, events: EventWatch) -> bool:
        """Whether all calls are over, or can't begin any more, and what happened in them is known."""
        is_over = True
        for call in self._plan.calls:
            # Of several generators' the first's events are those of the call.
            sipp = self._callers.get(call.key)
            if sipp is None:
                if call.key in self._beginning:
                    is_over = False
                elif events.is_hopeless(call.start):
                    events.never(call.key)
                else:
                    is_over = False
                continue
            has_ended = sipp.process.poll() is not None
            events.read(call.key, sipp)
            if has_ended:
                events.over(call.key)
            is_over = is_over and has_ended
        return is_over

    def _set_paces(self) -> None:
        """Have each SIPp given its rates, once it listens.

        :raises SippError: it isn't given them.
        """
        for name, prepared in self._prepared_paces.items():
            sipp = self._callers.get(name)
            if name not in self._paces and sipp is not None and sipp.process.read_file(STATISTICS) is not None:
                self._paces[name] = self._background.submit(prepared.start)
        for name, pace in self._paces.items():
            if pace.done() and pace.result().poll() not in (None, 0):
                raise SippError(
                    f"SIPp on {self._callers[name].agent.host} isn't given its rates",
                    found=f"exit status {pace.result().poll()}",
                    detail=pace.result().output()[-2000:],
                )

    def _check_ends(self) -> None:
        """:raises SippError: an end could not do its work: what the others do from now on means nothing."""
        for sipp in self._sipps:
            if sipp.process.poll() not in (None, *WORKED):
                sipp.checked_result()

    def _check_kamailio(self, timeline: Timeline) -> None:
        """:raises ServiceDied: Kamailio ended by itself: nothing after that means anything."""
        if timeline.is_down(KAMAILIO):
            return
        if self._next_look.expired:
            self._next_look = Deadline(_LOOK_AT_LOG)
            self._stack.check_started(is_over=False)
        process = self._stack.lab.service(KAMAILIO)
        status = process.poll()
        if status is not None:
            self._stack.check_started()
            lines = process.output().splitlines()
            # Each process says that it's stopped, twenty of them: the reason stands before that.
            said = [line for line in lines if "sig_usr(): signal 15" not in line]
            died = ServiceDied(
                f"Kamailio died in mid-scenario, with status {status}",
                service=KAMAILIO,
                status=status,
                detail="\n".join(said[-15:]),
            )
            given = self._plan.scenario.kamailio
            for shortage in memory_shortages(lines):
                died.hint = f"it ran out of {shortage.what}: {shortage.remedy(given.memory, given.package_memory)}"
                break
            raise died
