"""How far a record's times are from what the ends of its call saw: what `checks.call_ends.SLACK` is for.

``python -m benchmarks.record_times [ROUNDS]``; needs a local lab. Whole seconds are allowed for, so that 0 means that
a time is between the messages before and after it.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from rating_harness.checks.call_ends import SLACK, WHOLE, Interval, answer_of, end_of
from rating_harness.checks.model import Case
from rating_harness.checks.rating_oracle import instant
from rating_harness.run.options import Options
from rating_harness.scenario.loader import load
from rating_harness.session.session import Session

SCENARIO = """\
scenario: Calls whose records are measured
given:
  accounts: [{account_tag: "1000", type: POSTPAID, balance: 0}]
  carriers: [{carrier_tag: carrier, host: carrier}]
  pricelists: [{pricelist_tag: retail, rates: [{carrier_tag: carrier, prefix: "sip:39", rate: 1}]}]
calls: [{id: ana, from: "1000", to: "39040123456", repeat: 100, rate: 20, hold: {min: 500ms, max: 1500ms}}]
"""


def _outside(at: float, between: Interval) -> float:
    """Seconds that a whole second is before, or after, an interval."""
    return max(between.earliest - (at + WHOLE), at - between.latest, 0.0)


@click.command()
@click.argument("rounds", type=click.IntRange(1), default=3)
def main(rounds: int) -> None:
    """Make a hundred calls ROUNDS times."""
    begins, ends = list[float](), list[float]()
    session = Session(Options(lab="local", seed=1), lambda plan, evidence, verdict: None, alone=True)
    try:
        with TemporaryDirectory() as directory:
            file = Path(directory) / "calls.yaml"
            file.write_text(SCENARIO, encoding="utf-8")
            for _ in range(rounds):
                outcome = session.run(load(file)[0])
                assert outcome.evidence is not None
                case = Case(outcome.scenario, outcome.evidence)
                for call in case.calls:
                    for record in case.records(call):
                        begin, end = instant(record.get("timestamp_begin")), instant(record.get("timestamp_end"))
                        over = end_of(case, call, 0)
                        if begin is not None and end is not None and over is not None and call.answered is not None:
                            begins.append(_outside(begin.timestamp(), answer_of(call)))
                            ends.append(_outside(end.timestamp(), over))
    finally:
        session.close()
    load_average = os.getloadavg()[0]
    for name, values in (("begin", begins), ("end", ends)):
        far = sum(value > 0.01 for value in values)
        click.echo(
            f"{name:<6} {len(values)} records, {far} more than 10 ms outside, at most {max(values) * 1000:.0f} ms"
        )
    click.echo(f"load average {load_average:.1f} on {os.cpu_count()} cores, tolerance {SLACK * 1000:.0f} ms")


if __name__ == "__main__":
    main()
