"""Carries a plan out: carriers first, then callers and faults at their moments, then what is left behind."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import ServiceDied, SippError, Timeout
from rating_harness.evidence.model import (
    Evidence,
    Exchange,
    LogLine,
    Records,
    ServiceState,
    SipMessage,
    SippResult,
    Span,
)
from rating_harness.kamailio.log import parse_log
from rating_harness.kamailio.rpc import RpcError
from rating_harness.kamailio.trace import without_trace
from rating_harness.lab.protocol import Process, Program
from rating_harness.plan.model import AgentFault, Plan, PlannedCarrier
from rating_harness.run.exchanges import ExchangeLog
from rating_harness.run.outages import OutageRun, check_outages
from rating_harness.run.stack import KAMAILIO, Stack
from rating_harness.run.traces import read_messages
from rating_harness.run.watch import DialogWatch, EventWatch
from rating_harness.scenario.values import Moment
from rating_harness.sipp.agent import ERRORS, LINES, MESSAGES, STATISTICS, Agent, launch
from rating_harness.sipp.result import check_status, read_result

__all__ = ["run_plan"]

_BIND = 10.0
"""Seconds that SIPp may take to bind its sockets."""

_QUIET = 12.0
"""Seconds after the last call by which all dialogs are gone and the agent has been told."""

_BREAKING = frozenset({"reset", "close", "partial", "garbage"})
"""Faults that end a connection in the midst of a request."""

_TICK = 0.02
_DIALOGS = 0.1

Settled = Callable[[Evidence], bool]
"""Whether the records are as expected: they are read again until they are, or ``within`` has passed."""


@dataclass(slots=True)
class _Running:
    """A started SIPp."""

    agent: Agent
    process: Process
    stopped: bool = False


def run_plan(stack: Stack, plan: Plan, settled: Settled = lambda evidence: True) -> Evidence:
    """Do it, and tell what was observed.

    :raises LabError: the lab itself failed; what failed of the system under test is in the evidence.
    :raises SippError: SIPp could not work.
    """
    return _Run(stack, plan).run(settled)


class _Run:
    def __init__(self, stack: Stack, plan: Plan) -> None:
        self._stack = stack
        self._plan = plan
        self._running: dict[str, _Running] = {}
        self._spans: list[Span] = []
        self._faults: dict[int, Span] = {}
        self._log_from = 0
        self._restarts: dict[str, int] = {}
        self._exchanges = ExchangeLog(stack.tap)

    def run(self, settled: Settled) -> Evidence:
        check_outages(self._stack, self._plan.outages)
        self._stack.prepare(self._plan)
        try:
            return self._observe(settled)
        finally:
            for running in self._running.values():
                running.process.remove()
            for name in [call.agent.host for call in self._plan.calls] + [c.host for c in self._plan.carriers]:
                self._stack.lab.release(name)

    def _observe(self, settled: Settled) -> Evidence:
        kamailio = self._stack.lab.service(KAMAILIO)
        self._log_from = len(kamailio.output())
        for carrier in self._plan.carriers:
            if carrier.agent is not None:
                self._start(carrier.agent, carrier.host)
        deadline = Deadline(_BIND)
        for carrier in self._plan.carriers:
            self._await_bound(carrier, deadline)
        before = self._records(with_transactions=False)
        started = time.time()
        dialogs = DialogWatch(self._stack.kamailio, [self._plan.token])
        outages = self._make_calls(started, dialogs)
        left = self._await_quiet(dialogs)
        self._finish_outages(outages)
        self._stop_carriers()
        evidence = self._gather(started, before, dialogs, left, outages)
        return self._await_records(evidence, settled)

    # --- SIPp -------------------------------------------------------------------------------------------------------

    def _start(self, agent: Agent, name: str) -> None:
        lab = self._stack.lab
        host = lab.host(agent.host)

        def start(argv: tuple[str, ...]) -> None:
            program = Program(f"sipp-{name}-{agent.port}-{agent.transport}", "sipp", argv, host, agent.all_files)
            self._running[_name(agent)] = _Running(agent, lab.run(program))

        launch(agent, start)

    def _await_bound(self, carrier: PlannedCarrier, deadline: Deadline) -> None:
        if carrier.agent is None:
            return
        running = self._running[_name(carrier.agent)]

        def bound() -> bool:
            if running.process.poll() is not None:
                self._read_result(running, check=True)
                raise SippError(f"SIPp on {carrier.host} ended at once", detail=running.process.output()[-2000:])
            return running.process.read_file(STATISTICS) is not None

        await_condition(bound, deadline, f"SIPp on {carrier.host} binding its sockets")

    def _stop_carriers(self) -> None:
        carriers = [running for running in self._running.values() if running.agent.role == "carrier"]
        for running in carriers:
            running.stopped = running.process.poll() is None
            running.process.signal(signal.SIGTERM)
        deadline = Deadline(5.0)
        for running in carriers:
            try:
                running.process.wait(deadline)
            except Timeout:
                running.process.signal(signal.SIGKILL)

    def _read_result(self, running: _Running, *, check: bool) -> SippResult:
        process = running.process
        result = read_result(
            running.agent.host,
            running.agent.role,
            process.poll(),
            process.read_file(STATISTICS),
            process.read_file(ERRORS),
            stopped=running.stopped,
        )
        if check:
            check_status(result, process.output())
        return result

    # --- while calls go on ------------------------------------------------------------------------------------------

    def _make_calls(self, started: float, dialogs: DialogWatch) -> list[OutageRun]:
        plan, events = self._plan, EventWatch(started, _moments(self._plan))
        waiting = list(plan.calls)
        arming = [fault for fault in plan.agent_faults if fault.when is not None]
        disarming = [fault for fault in plan.agent_faults if fault.until is not None]
        outages = [OutageRun(self._stack, outage) for outage in plan.outages]
        deadline = Deadline(plan.horizon)
        while True:
            over = True
            for call in plan.calls:
                running = self._running.get(_name(call.agent))
                if running is None:
                    over = False
                    continue
                events.read(call.id, running.agent, running.process)
                if running.process.poll() is not None:
                    events.over(call.id)
                else:
                    over = False
            now = time.time()
            for call in [call for call in waiting if _is_due(events.due(call.start), now)]:
                waiting.remove(call)
                self._start(call.agent, call.agent.host)
                self._spans.append(Span(f"call {call.id}", time.time()))
            self._switch_faults(arming, disarming, events, now)
            self._do_outages(outages, events, now)
            dialogs.look(_DIALOGS)
            self._exchanges.drain()
            self._check_services(outages)
            if over and not _outage_ahead(outages, events):
                return outages
            if deadline.expired:
                return outages
            time.sleep(min(_TICK, deadline.remaining))

    def _switch_faults(
        self, arming: list[AgentFault], disarming: list[AgentFault], events: EventWatch, now: float
    ) -> None:
        on = [fault for fault in arming if fault.when and _is_due(events.due(fault.when), now)]
        off = [fault for fault in disarming if fault.until and _is_due(events.due(fault.until), now)]
        for fault in on:
            arming.remove(fault)
            self._stack.tap.arm(fault.fault.id, True)
            self._faults[fault.index] = Span(f"fault {fault.fault.kind}", time.time())
        for fault in off:
            disarming.remove(fault)
            self._stack.tap.arm(fault.fault.id, False)
            if armed := self._faults.get(fault.index):
                self._faults[fault.index] = replace(armed, ended=time.time())

    def _do_outages(self, outages: list[OutageRun], events: EventWatch, now: float) -> None:
        for run in outages:
            outage = run.outage
            if run.started is None:
                if _is_due(events.due(outage.when), now):
                    run.begin()
                    self._restarts[outage.target] = self._restarts.get(outage.target, 0) + 1
            elif run.ended is None:
                over = outage.seconds is not None and now >= run.started + outage.seconds
                if over or (outage.until is not None and _is_due(events.due(outage.until), now)):
                    run.end()

    def _finish_outages(self, outages: list[OutageRun]) -> None:
        for run in outages:
            if run.started is not None and run.ended is None:
                run.end()

    def _check_services(self, outages: list[OutageRun]) -> None:
        """A service that ended by itself ends the run of its scenario: nothing after that means anything."""
        if any(run.outage.target == KAMAILIO and run.started and not run.ended for run in outages):
            return
        process = self._stack.lab.service(KAMAILIO)
        status = process.poll()
        if status is not None:
            raise ServiceDied(
                f"Kamailio died in mid-scenario, with status {status}",
                service=KAMAILIO,
                status=status,
                detail="\n".join(process.output().splitlines()[-15:]),
            )

    # --- afterwards -------------------------------------------------------------------------------------------------

    def _await_quiet(self, dialogs: DialogWatch) -> int | None:
        """Wait until no dialog is left and no request is unanswered; how many dialogs there were in the end."""
        left: int | None = None

        def quiet() -> bool:
            nonlocal left
            dialogs.look(_DIALOGS)
            try:
                left = self._stack.kamailio.active_dialogs()
            except RpcError:
                left = None
                return False
            self._exchanges.drain()
            return left == 0 and self._exchanges.is_quiet

        try:
            await_condition(quiet, Deadline(_QUIET), "quiet", interval=0.05)
        except Timeout:
            self._stack.spoiled(KAMAILIO)
        return left

    def _records(self, *, with_transactions: bool = True) -> Records:
        engine, given = self._stack.engine, self._plan.scenario.given
        tags = [account.account_tag for account in given.accounts]
        call_ids = [call_id for call in self._plan.calls for call_id in call.call_ids] if with_transactions else []
        return Records(
            at=time.time(),
            accounts={account["account_tag"]: dict(account) for account in engine.accounts(tags)} if tags else {},
            transactions=tuple(dict(record) for record in engine.transactions(transaction_tags=call_ids)),
        )

    def _gather(
        self, started: float, before: Records, dialogs: DialogWatch, left: int | None, outages: list[OutageRun]
    ) -> Evidence:
        messages: list[SipMessage] = []
        for running in self._running.values():
            trace = running.process.read_file(LINES if running.agent.brief else MESSAGES) or b""
            messages += read_messages(running.agent, trace)
        kamailio = self._stack.lab.service(KAMAILIO)
        log, routes = self._log()
        if _broke_connections(self._exchanges.exchanges, log):
            self._stack.broke_connections()
        return Evidence(
            scenario=self._plan.scenario.id,
            started=started,
            ended=time.time(),
            call_ids=self._plan.call_ids,
            messages=tuple(sorted(messages, key=lambda message: message.at)),
            exchanges=self._exchanges.exchanges,
            dialogs=dialogs.dialogs,
            dialogs_left=left,
            before=before,
            log=log,
            routes=routes,
            sipp=tuple(self._read_result(running, check=True) for running in self._running.values()),
            services=(
                ServiceState(
                    KAMAILIO,
                    alive=kamailio.poll() is None,
                    exit_status=kamailio.poll(),
                    restarts=self._restarts.get(KAMAILIO, 0),
                ),
            ),
            spans=(
                *self._spans,
                *self._faults.values(),
                *(run.span for run in outages if run.started is not None),
            ),
            idle=self._idle_faults(outages),
            lab={**self._stack.description, "seed": str(self._plan.seed), "token": self._plan.token},
        )

    def _idle_faults(self, outages: list[OutageRun]) -> tuple[int, ...]:
        """Faults of the scenario whose moment never came, or that no request met. A refused one can't be seen."""
        applied = {state.fault.id: state.applied for state in self._stack.tap.faults()}
        idle = {run.outage.index for run in outages if run.started is None}
        for planned in self._plan.agent_faults:
            never = planned.when is not None and planned.index not in self._faults
            if never or (planned.fault.kind != "refuse" and applied.get(planned.fault.id) == 0):
                idle.add(planned.index)
        return tuple(sorted(idle))

    def _log(self) -> tuple[tuple[LogLine, ...], Mapping[str, int] | None]:
        """What Kamailio has logged, and which routes it says have run, if it's asked to."""
        lines = parse_log(self._stack.lab.service(KAMAILIO).output()[self._log_from :])
        return without_trace(lines) if self._plan.traced else (tuple(lines), None)

    def _await_records(self, evidence: Evidence, settled: Settled) -> Evidence:
        """The evidence with the records and requests as they settled, or as they were last seen."""
        seen = evidence

        def read() -> bool:
            nonlocal seen
            self._exchanges.drain()
            log, routes = self._log()
            seen = replace(
                evidence,
                ended=time.time(),
                after=self._records(),
                exchanges=self._exchanges.exchanges,
                log=log,
                routes=routes,
            )
            return settled(seen)

        within = Deadline(self._plan.scenario.expect.within)
        with suppress(Timeout):  # the checks say what is missing, with what was seen last
            await_condition(read, within, "the expected records", interval=0.1)
        return seen


def _broke_connections(exchanges: Iterable[Exchange], log: Iterable[LogLine]) -> bool:
    """Whether a request of Kamailio's to the agent failed otherwise than by its answer."""
    return any(each.status is None or each.fault in _BREAKING for each in exchanges) or any(
        line.level == "ERROR" and "http_async_client" in line.text for line in log
    )


def _name(agent: Agent) -> str:
    return f"{agent.role}/{agent.host}/{agent.port}/{agent.transport}"


def _is_due(at: float | None, now: float) -> bool:
    return at is not None and at <= now


def _outage_ahead(outages: list[OutageRun], events: EventWatch) -> bool:
    """Whether one is to begin at a moment that's known, or to end by itself; the others needn't be waited for."""
    return any(
        events.due(run.outage.when) is not None
        if run.started is None
        else run.ended is None and run.outage.seconds is not None
        for run in outages
    )


def _moments(plan: Plan) -> list[Moment]:
    said = [call.start for call in plan.calls]
    said += [moment for fault in plan.agent_faults for moment in (fault.when, fault.until) if moment]
    said += [moment for outage in plan.outages for moment in (outage.when, outage.until) if moment]
    return said
