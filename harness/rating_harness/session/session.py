"""From scenarios to verdicts: what the plugin and the command have in common.

A session has one lab, brought up for its first scenario and used for all that follow. A lab that can't be brought up
isn't tried again: every later scenario fails with the first cause.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from rating_harness.checks import Verdict
from rating_harness.coverage.data import BETWEEN, Coverage
from rating_harness.errors import (
    EndpointError,
    EngineError,
    EvidenceError,
    HarnessError,
    LabError,
    ServiceDied,
    SippError,
)
from rating_harness.evidence.model import Evidence
from rating_harness.evidence.statistics import LoadProgress
from rating_harness.plan.model import Plan
from rating_harness.plan.planner import breaks_services
from rating_harness.report import events
from rating_harness.run.options import Options
from rating_harness.run.stack import Stack
from rating_harness.scenario.model import Scenario
from rating_harness.session import dialects
from rating_harness.session.persistent_lab import borrow
from rating_harness.session.stored_runs import Store, StoreNotRun

__all__ = ["TRIES", "Outcome", "Session", "event_of"]

TRIES = 3
"""How often a scenario is run whose failure may be due to something of the harness's own that came too late."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a scenario.

    :param skipped: why it was not run; then there's neither verdict nor evidence.
    :param folder: where the evidence is kept, if it is.
    """

    scenario: Scenario
    seconds: float
    plan: Plan | None = None
    evidence: Evidence | None = None
    verdict: Verdict | None = None
    folder: Path | None = None
    skipped: str | None = None


def event_of(outcome: Outcome, at: float) -> events.ScenarioFinished | events.ScenarioSkipped:
    """What reporters are given.

    :param at: when it ended.
    """
    if outcome.skipped is not None:
        return events.ScenarioSkipped(at, outcome.scenario, outcome.skipped)
    assert outcome.verdict is not None
    assert outcome.evidence is not None
    seed = int(outcome.evidence.lab.get("seed", 0)) if outcome.plan is None else outcome.plan.seed
    return events.ScenarioFinished(
        at, outcome.seconds, outcome.scenario, outcome.verdict, outcome.evidence, outcome.folder, seed
    )


class Session:
    """Runs scenarios one after the other, on one stack. Not for several threads: each has its own.

    ``coverage`` is what ran of Kamailio's configuration, where `Options.coverage` wants it; it's whole after `close`.
    """

    def __init__(
        self,
        options: Options,
        store: Store,
        *,
        alone: bool = False,
        again: bool = True,
        store_not_run: StoreNotRun = lambda scenario, error, log: None,
    ) -> None:
        """:param alone: never on the persistent lab.
        :param again: run again what may have failed since something of the harness's own came too late; else it has
            failed.
        :param store_not_run: what stores why a scenario could not be run.
        """
        self.options = options
        self._store = store
        self._again = again
        self._store_not_run = store_not_run
        self._own: Stack | None = None
        self._borrowed: Stack | None = None
        self._looked_for_persistent = alone
        self._exits = ExitStack()
        self._broken: HarnessError | None = None
        self.coverage = Coverage()
        self.tell_load: Callable[[LoadProgress], None] | None = None
        """Called once a second while a scenario's load is made, with how far it is."""
        self.is_interrupted: Callable[[], bool] = lambda: False
        """Whether a scenario under way is to be left: asked while its calls are made."""
        self._changes: Mapping[str, str] = {}

    @property
    def stack(self) -> Stack:
        """The services under test: those of the persistent lab, where it's free, else brought up at the first use.

        :raises HarnessError: they can't be, or couldn't be the first time.
        """
        if not self._looked_for_persistent:
            self._looked_for_persistent = True
            self._borrowed = self._exits.enter_context(borrow(self.options))
        return self._borrowed or self._own_stack()

    def _own_stack(self) -> Stack:
        if self._broken is not None:
            raise self._broken
        if self._own is None:
            try:
                self._own = Stack.open(self.options)
            except HarnessError as error:
                self._broken = error
                raise
        return self._own

    def run(self, scenario: Scenario) -> Outcome:
        """Run a scenario and judge it.

        :raises HarnessError: it could not be run; what failed of the system under test is in the verdict.
        """
        if scenario.skip:
            return Outcome(scenario, 0.0, skipped=scenario.skip)
        try:
            return self._run(scenario)
        except (LabError, SippError, EngineError, EvidenceError) as error:
            if error.folder is None:
                error.folder = self._store_not_run(scenario, error, self._kamailio_log(error))
            raise

    def _kamailio_log(self, error: HarnessError) -> str:
        """What Kamailio has logged since its last start."""
        stack = self._borrowed or self._own
        if isinstance(error, ServiceDied) and error.log:
            return error.log
        return stack.kamailio_log if stack else ""

    def _run(self, scenario: Scenario) -> Outcome:
        started = time.monotonic()
        stack = self._own_stack() if breaks_services(scenario) else self.stack
        stack.changes = self._changes
        stack.tell_load = self.tell_load
        stack.is_interrupted = self.is_interrupted
        reason = stack.unmet(scenario)
        if reason:
            return Outcome(scenario, 0.0, skipped=reason)
        self._note_coverage(stack, BETWEEN)
        repeated: tuple[str, ...] = ()
        while True:
            plan, evidence = self._observe(stack, scenario)
            evidence = replace(evidence, repeated=repeated)
            try:
                verdict = dialects.judge(scenario, evidence)
                late = dialects.too_late(scenario, evidence, verdict) if self._again else None
                if late is not None and len(repeated) + 1 == TRIES:
                    raise late
            except EndpointError as error:
                error.folder = self._store(plan, evidence, error)
                raise
            if late is None:
                folder = self._store(plan, evidence, verdict)
                return Outcome(scenario, time.monotonic() - started, plan, evidence, verdict, folder)
            repeated = (*repeated, late.found or "")

    def _observe(self, stack: Stack, scenario: Scenario) -> tuple[Plan, Evidence]:
        try:
            plan, evidence = dialects.run(stack, scenario, token=secrets.token_hex(4), seed=self.options.seed)
        finally:
            self._note_coverage(stack, scenario.id)
        if stack is self._borrowed:
            evidence = replace(evidence, lab={**evidence.lab, "persistent": stack.lab.id})
        return plan, evidence

    def change(self, files: Mapping[str, str]) -> None:
        """Texts in place of those of the configuration's files, by their names: from the next scenario on."""
        self._changes = files

    def renew(self) -> None:
        """A new lab in place of one that broke."""
        if self._own is not None:
            own, self._own = self._own, None
            own.close()
        self._broken = None

    def _note_coverage(self, stack: Stack, context: str) -> None:
        if self.options.coverage and stack.probes is not None:
            self.coverage.add_points(stack.probes)
            self.coverage.add_hits(context, stack.passed())

    def close(self) -> None:
        self._exits.close()
        if self._own is not None:
            self._note_coverage(self._own, BETWEEN)
            self._own.close()
            self._own = None
