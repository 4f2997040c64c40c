"""From scenarios to verdicts: what the plugin and the command have in common.

A session has one lab, brought up for its first scenario and used for all that follow. A lab that can't be brought up
isn't tried again: every later scenario fails with the first cause.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from harness.checks import Verdict, judge, records_settled
from harness.errors import HarnessError
from harness.evidence.model import Evidence
from harness.keeping import Keep
from harness.plan.model import Plan
from harness.plan.planner import plan_scenario
from harness.run.options import Options
from harness.run.runner import run_plan
from harness.run.stack import Stack
from harness.scenario.model import Scenario

__all__ = ["Outcome", "Session"]


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


class Session:
    """Runs scenarios one after the other, on one stack. Not for several threads: each has its own."""

    def __init__(self, options: Options, keep: Keep) -> None:
        self.options = options
        self._keep = keep
        self._stack: Stack | None = None
        self._broken: HarnessError | None = None

    @property
    def stack(self) -> Stack:
        """The services under test, brought up at the first use.

        :raises HarnessError: they can't be, or couldn't be the first time.
        """
        if self._broken is not None:
            raise self._broken
        if self._stack is None:
            try:
                self._stack = Stack.open(self.options)
            except HarnessError as error:
                self._broken = error
                raise
        return self._stack

    def run(self, scenario: Scenario) -> Outcome:
        """Run a scenario and judge it.

        :raises HarnessError: it could not be run; what failed of the system under test is in the verdict.
        """
        started = time.monotonic()
        reason = scenario.skip or self.stack.unmet(scenario)
        if reason:
            return Outcome(scenario, 0.0, skipped=reason)
        plan = plan_scenario(scenario, token=secrets.token_hex(4), seed=self.options.seed, hosts=self.stack.lab.host)
        evidence = run_plan(self.stack, plan, lambda seen: records_settled(scenario, seen))
        verdict = judge(scenario, evidence)
        folder = self._keep(plan, evidence, verdict)
        return Outcome(scenario, time.monotonic() - started, plan, evidence, verdict, folder)

    def close(self) -> None:
        if self._stack is not None:
            self._stack.close()
            self._stack = None
