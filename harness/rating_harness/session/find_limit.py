"""The highest rate of a load at which its scenario passes, looked for by doubling the rate and then by bisection.

A trial is a run of the scenario at one rate: all that it expects has to hold, and all invariants, the exact ledger
among them, and the calls have to be made as fast as they are wanted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from rating_harness.errors import ServiceDied, SippError, Timeout, UsageError
from rating_harness.evidence.statistics import statistics_of
from rating_harness.scenario.model import Load, Scenario
from rating_harness.session.session import Outcome

__all__ = [
    "CAP",
    "Bounds",
    "Limit",
    "Trial",
    "at_rate",
    "bounds_for",
    "find_limit",
    "limit_text",
    "run_trial",
    "trial_text",
]

Why = Literal["found", "lowest rate fails", "highest rate passes", "no trial left", "no time left"]

CAP = 2000.0
"""Calls per second that no trial goes beyond."""

_LONGER, _LATE = 1.1, 2.0
"""How much longer than the file wants calls may take to be made, and seconds besides, on a machine that is busy: more
measures the generator."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """:param lowest, highest: calls per second: the first rate that is tried, and one that none goes beyond.
    :param resolution: how far the limit may lie below the lowest rate that was too high, as a part of that.
    :param trials: most runs.
    :param seconds: no trial begins that would probably end later than that.
    """

    lowest: float
    highest: float
    resolution: float = 0.1
    trials: int = 12
    seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class Trial:
    """A run at one rate.

    :param made: calls per second that were made; None where that isn't known.
    :param reason: why the rate is too high; empty where it isn't.
    :param folder: where the evidence is kept, if it is.
    """

    rate: float
    seconds: float
    reason: str = ""
    calls: int = 0
    made: float | None = None
    setup_p50: float | None = None
    setup_p95: float | None = None
    folder: str | None = None

    @property
    def passed(self) -> bool:
        return not self.reason


@dataclass(frozen=True, slots=True)
class Limit:
    """:param rate: the highest rate that passed; None where the lowest didn't.
    :param too_high: the lowest rate that didn't pass; None where each did.
    :param why: what ended the search.
    """

    rate: float | None
    too_high: float | None
    why: Why
    trials: tuple[Trial, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON; rates in calls per second, times in seconds."""
        trials = [{**asdict(trial), "passed": trial.passed} for trial in self.trials]
        return {"limit": self.rate, "too_high": self.too_high, "why": self.why, "trials": trials}


def bounds_for(load: Load | None, said: str, **others: Any) -> Bounds:
    """The bounds of a search.

    :param said: ``20-800``, or empty: from a tenth of the file's rate to four times as much.
    :raises UsageError: there's no load, or these are no bounds.
    """
    if load is None:
        raise UsageError("--find-limit needs a scenario with a 'load'", hint="docs/scenarios.md#load")
    if not said:
        return Bounds(load.peak / 10, min(4 * load.peak, CAP), **others)
    low, _, high = said.partition("-")
    try:
        lowest, highest = float(low), float(high)
    except ValueError:
        lowest, highest = math.nan, math.nan
    if not 0 < lowest <= highest <= CAP:
        expected = f"two rates in calls per second, {CAP:g} at most: 20-800"
        raise UsageError("these are no bounds for --limit-between", expected=expected, found=said)
    return Bounds(lowest, highest, **others)


def at_rate(scenario: Scenario, rate: float) -> Scenario:
    """The scenario with so many calls per second at its load's peak; calls with a rate of their own keep it."""
    load = scenario.load
    assert load is not None
    factor = rate / load.peak
    steps = tuple(step.model_copy(update={"rate": step.rate * factor}) for step in load.steps)
    changed = load.model_copy(update={"steps": steps, "rate": None if steps else rate})
    return scenario.model_copy(update={"load": changed})


def find_limit(
    bounds: Bounds,
    trial: Callable[[float], Trial],
    tell: Callable[[Trial], None] = lambda trial: None,
    *,
    now: Callable[[], float] = time.monotonic,
) -> Limit:
    """Look for the limit.

    From the lowest rate on each is twice the one before until one fails, so that none is more than twice what passed;
    then the one in the middle is tried.

    :param tell: called with each trial when it's over.
    """
    began = now()
    trials: list[Trial] = []
    passed: float | None = None
    failed: float | None = None

    def ended(why: Why) -> Limit:
        return Limit(passed, failed, why, tuple(trials))

    while True:
        if passed is None:
            rate = bounds.lowest
        elif failed is None:
            rate = min(2 * passed, bounds.highest)
        else:
            rate = (passed + failed) / 2
        # The higher the rate, the longer what is left behind takes.
        longest = max((each.seconds for each in trials), default=0.0)
        if trials and now() - began + longest > bounds.seconds:
            return ended("no time left")
        if len(trials) == bounds.trials:
            return ended("no trial left")
        made = trial(rate)
        trials.append(made)
        tell(made)
        if made.passed:
            passed = rate
        else:
            failed = rate
        if passed is None:
            return ended("lowest rate fails")
        if failed is None and passed >= bounds.highest:
            return ended("highest rate passes")
        if failed is not None and failed - passed <= bounds.resolution * failed:
            return ended("found")


def trial_text(trial: Trial) -> str:
    """A trial in a line."""
    facts = [f"{trial.calls} calls"] if trial.calls else []
    if trial.made is not None:
        facts.append(f"{trial.made:.1f} a second made")
    for share, setup in (("p50", trial.setup_p50), ("p95", trial.setup_p95)):
        facts += [f"set-up {share} {setup * 1000:.0f} ms"] if setup is not None else []
    facts.append(f"{trial.seconds:.1f} s")
    verdict = "passed" if trial.passed else f"FAILED: {trial.reason}"
    return f"{trial.rate:9.4g}/s  {verdict}  ({', '.join(facts)})"


def limit_text(limit: Limit) -> str:
    """What came of the search."""
    if limit.rate is None:
        return f"no limit: {limit.trials[0].rate:.4g} calls a second, the lowest rate, is too much"
    if limit.too_high is None:
        why = "the highest rate that was to be tried" if limit.why == "highest rate passes" else limit.why
        return f"limit: at least {limit.rate:.4g} calls a second, {why}"
    ended = "" if limit.why == "found" else f", {limit.why}"
    return f"limit: {limit.rate:.4g} calls a second; {limit.too_high:.4g} is too much{ended}"


class _Session(Protocol):
    def run(self, scenario: Scenario) -> Outcome: ...
    def renew(self) -> None: ...


def run_trial(session: _Session, scenario: Scenario, rate: float) -> Trial:
    """Run the scenario at that rate. What was too much for one lab isn't left to the next trial.

    :raises HarnessError: it can't be run at any rate.
    """
    began = time.monotonic()
    wanted = at_rate(scenario, rate)
    try:
        outcome = session.run(wanted)
    except (ServiceDied, SippError, Timeout) as error:
        session.renew()
        folder = str(error.folder) if error.folder else None
        return Trial(rate, time.monotonic() - began, error.message, folder=folder)
    if outcome.skipped is not None or outcome.verdict is None or outcome.evidence is None:
        raise UsageError("the scenario can't be run here", found=outcome.skipped or "")
    figures = statistics_of(outcome.evidence)
    reasons = [
        *_too_slow(wanted, figures.calls, figures.rate),
        *(finding.message for finding in outcome.verdict.findings),
    ]
    if reasons:
        session.renew()
    more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
    return Trial(
        rate,
        time.monotonic() - began,
        f"{reasons[0]}{more}" if reasons else "",
        figures.calls,
        figures.rate,
        figures.setup_p50,
        figures.setup_p95,
        str(outcome.folder) if outcome.folder else None,
    )


def _too_slow(scenario: Scenario, calls: int, made: float | None) -> Iterator[str]:
    """Whether the generator couldn't keep up; of calls with rates of their own, and of limits, nothing is known."""
    load = scenario.load
    assert load is not None
    if made is None or load.concurrency is not None or any(call.rate is not None for call in scenario.calls):
        return
    if (calls - 1) / made > load.seconds * _LONGER + _LATE:
        wanted = load.peak * load.seconds_at_peak / load.seconds
        yield f"only {made:.1f} of {wanted:.1f} calls a second were made: this machine makes no more"
