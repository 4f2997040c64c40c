"""What a run leaves behind, gathered as evidence: records, requests to the agent, dialogs, the log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import Timeout
from rating_harness.evidence.model import (
    FIELDS_OF_RECORDS,
    CapturedMessage,
    Dialog,
    Evidence,
    Exchange,
    LogLine,
    Records,
    RpcAnswer,
    ServiceState,
    SippResult,
    Span,
)
from rating_harness.evidence.redaction import redacted_value
from rating_harness.evidence.tables import PREFIX, calls_in, earliest_due, left_over, of_a_scenario
from rating_harness.kamailio.log import parse_log
from rating_harness.kamailio.rpc import RpcError
from rating_harness.kamailio.trace import without_trace
from rating_harness.plan.model import Plan
from rating_harness.run.exchanges import ExchangeLog
from rating_harness.run.sipp_processes import SippProcess
from rating_harness.run.stack import KAMAILIO, Stack
from rating_harness.run.timeline import Timeline
from rating_harness.run.watch import DialogWatch
from rating_harness.scenario.model import RpcExpectation

__all__ = ["Collector", "Settled"]

QUIET, QUIET_AFTER_HORIZON = 12.0, 2.0
"""Seconds after the last call by which all dialogs are gone and every request to the agent is answered; and those
where a call hasn't ended by the plan's horizon: it has failed, and its dialog stays."""

WITHIN, WHILE_DUE = 5.0, 10.0
"""Seconds for which records are awaited where the scenario doesn't say; and those more, at most, in which Kamailio
says that it will do something for a call. It posts an end by itself, after a BYE that nobody answers, say."""

_DIALOGS = 0.1
"""Seconds between two looks at Kamailio's dialogs."""

_BREAKING = frozenset({"reset", "close", "partial", "garbage"})
"""Faults that end a connection in the midst of a request."""

_RECORDS = "the expected records"

Settled = Callable[[Evidence], bool]
"""Whether the records are as expected: they are read again until they are, or ``within`` has passed."""


class Collector:
    """Made when Kamailio is prepared and nothing has been started yet: the log counts from here."""

    def __init__(self, stack: Stack, plan: Plan, call_ids: Callable[[], Mapping[str, Sequence[str]]]) -> None:
        """:param call_ids: says those of each call, as far as they are known."""
        self._stack = stack
        self._plan = plan
        self._call_ids = call_ids
        self._log_from = len(stack.lab.service(KAMAILIO).output())
        self._dialogs = DialogWatch(stack.kamailio, [plan.token if plan.knows_call_ids else ""], stack.now)
        self._exchanges = ExchangeLog(stack.tap, stack.engine_file)
        self._left: int | None = None
        self._lock = threading.Lock()
        self._strange_before = self._strange_records()
        self._held_before = calls_in(self._all_tables() or {})

    def look(self) -> None:
        """Take over what is new. A Kamailio that stands still has it wait for seconds."""
        with self._lock:
            self._dialogs.look(_DIALOGS)
            self._exchanges.drain()

    def unanswered(self) -> str | None:
        """A request to the agent that has no answer yet; None where all have."""
        with self._lock:
            self._exchanges.drain()
            return self._exchanges.unanswered

    def await_quiet(self, *, calls_are_over: bool) -> None:
        """Wait until no dialog is left and no request is unanswered, for `QUIET` seconds at most.

        :param calls_are_over: all of them ended before the plan's horizon.
        """

        def quiet() -> bool:
            self._exchanges.drain()
            if "dialogs" in self._stack.unobserved:
                return self._exchanges.is_quiet
            self._dialogs.look(_DIALOGS)
            try:
                self._left = self._stack.kamailio.active_dialogs()
            except RpcError:
                self._left = None
                return False
            return self._left == 0 and self._exchanges.is_quiet

        try:
            within = QUIET if calls_are_over else QUIET_AFTER_HORIZON
            await_condition(quiet, Deadline(within), "quiet", interval=0.05)
        except Timeout:
            self._stack.spoiled(KAMAILIO)

    def records(self, *, with_transactions: bool = True) -> Records:
        """What the engine says of the scenario's accounts and calls."""
        engine, given = self._stack.engine, self._plan.scenario.given
        tags = [account.account_tag for account in given.accounts]
        call_ids = sorted(self._known()) if with_transactions else []
        return Records(
            at=self._stack.now(),
            accounts={account["account_tag"]: dict(account) for account in engine.accounts(tags)} if tags else {},
            transactions=tuple(dict(record) for record in engine.transactions(transaction_tags=call_ids)),
        )

    def _strange_records(self) -> list[dict[str, Any]]:
        """Records that the scenario's accounts have of calls which it didn't make."""
        tags = [account.account_tag for account in self._plan.scenario.given.accounts]
        known = self._known()
        records = self._stack.engine.transactions(account_tags=tags) if tags else []
        return [dict(each) for each in records if each["transaction_tag"] and each["transaction_tag"] not in known]

    def _with_strange_records(self, evidence: Evidence) -> Evidence:
        """The evidence with the records of other calls that weren't there before."""
        known = [_unnumbered(record) for record in self._strange_before]
        new = tuple(each for each in self._strange_records() if _unnumbered(each) not in known)
        if evidence.after is None or not new:
            return evidence
        return replace(evidence, after=replace(evidence.after, transactions=(*evidence.after.transactions, *new)))

    def gather(
        self,
        started: float,
        before: Records,
        sipps: Iterable[SippProcess],
        timeline: Timeline,
        spans: Iterable[Span],
    ) -> Evidence:
        """The evidence, but for what settles later (`await_records`).

        :raises SippError: a SIPp that couldn't work at all.
        """
        sipps = list(sipps)
        messages = [message for sipp in sipps for message in sipp.messages]
        results: tuple[SippResult, ...] = tuple(sipp.checked_result() for sipp in sipps)
        log, routes = self._log()
        if _broke_connections(self._exchanges.exchanges, log):
            self._stack.broke_connections()
        captured = self._captured(started, any(message.direction == "received" for message in messages))
        return Evidence(
            scenario=self._plan.scenario.id,
            started=started,
            ended=self._stack.now(),
            call_ids=self._call_ids(),
            messages=tuple(sorted(messages, key=lambda message: message.at)),
            captured=captured,
            exchanges=self._exchanges.exchanges,
            dialogs=self._own_dialogs(),
            dialogs_left=self._left,
            before=before,
            log=log,
            routes=routes,
            sipp=results,
            spans=(*spans, *timeline.spans),
            unobserved=self._stack.unobserved,
            lab={**self._stack.description, "seed": str(self._plan.seed), "token": self._plan.token},
        )

    def _services(self, timeline: Timeline) -> tuple[ServiceState, ...]:
        status = self._stack.lab.service(KAMAILIO).poll()
        restarts = timeline.restarts(KAMAILIO)
        return (ServiceState(KAMAILIO, alive=status is None, exit_status=status, restarts=restarts),)

    def _captured(self, started: float, has_replied: bool) -> tuple[CapturedMessage, ...] | None:
        """What Kamailio itself sent and received."""
        names = dict.fromkeys(
            [*(call.agent.host for call in self._plan.calls), *(c.host for c in self._plan.carriers)]
        )
        return self._stack.capture.messages(map(self._stack.lab.host, names), started, has_replied=has_replied)

    def _idle_faults(self, timeline: Timeline) -> tuple[int, ...]:
        """Faults of the scenario whose moment never came, or that no request met. A refused one can't be seen."""
        applied = {state.fault.id: state.applied for state in self._stack.tap.faults()}
        idle = timeline.never_begun(self._plan.agent_faults) | {
            planned.index
            for planned in self._plan.agent_faults
            if planned.fault.kind != "refuse" and applied.get(planned.fault.id) == 0
        }
        return tuple(sorted(idle))

    def _log(self) -> tuple[tuple[LogLine, ...], Mapping[str, int] | None]:
        """What Kamailio has logged, and which of its routes ran, where that is traced."""
        lines = parse_log(self._stack.lab.service(KAMAILIO).output()[self._log_from :])
        return without_trace(lines) if self._plan.traced else (tuple(lines), None)

    def _unread_fields(self) -> dict[str, str]:
        return {FIELDS_OF_RECORDS: self._stack.engine.lacking} if self._stack.engine.lacking else {}

    def await_records(self, evidence: Evidence, timeline: Timeline, settled: Settled) -> Evidence:
        """The evidence with the records, the requests and the faults they met as they settled, or were last seen.

        Kamailio may still post, and die, while they are awaited: all that tells of it is read with them.
        """
        seen = evidence

        def read() -> bool:
            nonlocal seen
            self._exchanges.drain()
            log, routes = self._log()
            tables = self._tables()
            seen = replace(
                evidence,
                ended=self._stack.now(),
                after=self.records(),
                exchanges=self._exchanges.exchanges,
                log=log,
                routes=routes,
                tables=tables,
                services=self._services(timeline),
                idle=self._idle_faults(timeline),
                unobserved={**evidence.unobserved, **self._unread_tables(), **self._unread_fields()},
            )
            return settled(seen)

        within = self._plan.scenario.expect.within
        with suppress(Timeout):  # the checks say what is missing, with what was seen last
            try:
                await_condition(read, Deadline(WITHIN if within is None else within), _RECORDS, interval=0.1)
            except Timeout:
                longer = Deadline(WHILE_DUE)
                if within is None and self._is_due(seen, longer):
                    await_condition(lambda: read() or not self._is_due(seen, longer), longer, _RECORDS, interval=0.1)
                # The tables are read last: what they no longer hold was posted after the requests were read.
                read()
        if (seen.tables is None and "tables" not in seen.unobserved) or any(
            True for _ in left_over(seen.tables or {})
        ):
            # Whatever Kamailio still has to do for these calls is none of the next scenario's.
            self._stack.spoiled(KAMAILIO)
        return self._with_strange_records(replace(seen, rpc=self._answers()))

    def _answers(self) -> tuple[RpcAnswer, ...]:
        """What Kamailio answers to the commands of which something is expected."""
        return tuple(map(self._answer, self._plan.scenario.expect.rpc))

    def _answer(self, asked: RpcExpectation) -> RpcAnswer:
        try:
            result = self._stack.kamailio.call(asked.command, *asked.parameters)
        except RpcError as error:
            return RpcAnswer(asked.command, asked.parameters, error=str(error))
        return RpcAnswer(asked.command, asked.parameters, redacted_value(result))

    def _is_due(self, seen: Evidence, deadline: Deadline) -> bool:
        """Whether Kamailio will do something for a call before that, or waits for an answer of the agent's."""
        due = earliest_due(seen.tables or {})
        is_soon = due is not None and due < self._stack.now() + deadline.remaining
        return is_soon or self._exchanges.unanswered is not None

    def _tables(self) -> Mapping[str, Mapping[str, str]] | None:
        """Kamailio's tables of calls: this scenario's, and others' that weren't there before; None: it says none."""
        tables = self._all_tables()
        return None if tables is None else of_a_scenario(tables, self._known(), self._held_before)

    def _all_tables(self) -> Mapping[str, Mapping[str, str]] | None:
        try:
            return self._stack.kamailio.tables(PREFIX)
        except RpcError:
            return None

    def _unread_tables(self) -> dict[str, str]:
        """Tables that hold more than can be read, and why they aren't judged."""
        unread = self._stack.kamailio.unread_tables
        return {f"table {name}": f"its {size} entries are more than can be read" for name, size in unread.items()}

    def _own_dialogs(self) -> tuple[Dialog, ...]:
        known = None if self._plan.knows_call_ids else self._known()
        return tuple(each for each in self._dialogs.dialogs if known is None or each.call_id in known)

    def _known(self) -> set[str]:
        return {call_id for call_ids in self._call_ids().values() for call_id in call_ids}


def _broke_connections(exchanges: Iterable[Exchange], log: Iterable[LogLine]) -> bool:
    """Whether a request of Kamailio's to the agent failed otherwise than by its answer."""
    return any(each.status is None or each.fault in _BREAKING for each in exchanges) or any(
        line.level == "ERROR" and "http_async_client" in line.text for line in log
    )


def _unnumbered(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a record says. Its id may be its place in the engine's list, which changes when another is added."""
    return {name: value for name, value in record.items() if name != "id"}
