"""What capturing Kamailio's own messages costs: the same scenarios with and without it, in turn, in one run.

``python -m benchmarks.capture [ROUNDS]``; needs a local lab.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import click

from rating_harness.run.options import Options
from rating_harness.scenario.loader import load
from rating_harness.session.session import Session

SCENARIOS = ("authorization/authorised.yaml", "unanswered/busy.yaml", "dialog/callee-hangs-up.yaml")


@click.command()
@click.argument("rounds", type=click.IntRange(1), default=5)
def main(rounds: int) -> None:
    """Run the scenarios ROUNDS times with the capture and without it."""
    root = Path(__file__).parents[1] / "scenarios"
    scenarios = [load(root / file)[0] for file in SCENARIOS]
    session = Session(Options(lab="local", seed=1), lambda plan, evidence, verdict: None, alone=True)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    captured = 0
    try:
        for round_number in range(rounds + 1):
            for is_on in (True, False) if round_number % 2 else (False, True):
                session.stack.capture.off = None if is_on else "the benchmark compares"
                session.stack.kamailio.call("siptrace.status", "on" if is_on else "off")
                started = time.monotonic()
                for scenario in scenarios:
                    outcome = session.run(scenario)
                    assert outcome.verdict is not None
                    assert outcome.verdict.passed, outcome.verdict.findings
                    assert outcome.evidence is not None
                    captured += len(outcome.evidence.captured or ())
                if round_number:  # the first one warms up
                    seconds[is_on].append(time.monotonic() - started)
    finally:
        session.close()
    on, off = (statistics.median(seconds[is_on]) for is_on in (True, False))
    click.echo(f"{rounds} rounds of {len(scenarios)} scenarios, {captured} messages captured")
    click.echo(f"with the capture {on:.2f} s, without {off:.2f} s, ratio {on / off:.3f} (medians)")


if __name__ == "__main__":
    main()
