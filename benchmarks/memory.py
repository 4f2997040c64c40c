"""How much shared memory Kamailio takes for calls, by their rate and their length.

    python -m benchmarks.memory                            # about two minutes
    python -m benchmarks.memory --load 50:1 --load 50:10   # calls a second, and seconds that each lasts

Each load has a Kamailio of its own, of which the most that it has ever used counts, less what it had when the load
began. A call is in memory while it's up, and for five seconds after its end.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from rating_harness.evidence.statistics import statistics_of
from rating_harness.run.options import Options
from rating_harness.scenario.loader import load
from rating_harness.session.session import Session

SCENARIO = """
scenario: Rated calls
given:
  accounts: [{{account_tag: "1000", type: POSTPAID, balance: 0, max_concurrent_transactions: 100000}}]
  carriers: [{{carrier_tag: carrier, host: carrier}}]
  pricelists:
    - pricelist_tag: retail
      rates: [{{carrier_tag: carrier, prefix: "sip:39", rate: 1, rate_increment: 1}}]
kamailio: {{memory: {memory}m}}
load: {{rate: {rate:g}, duration: {seconds:g}s, hold: {hold:g}s}}
calls: [{{id: ana, from: "1000", to: "39040123456"}}]
"""

MEGABYTE = 1024 * 1024
AFTER_ITS_END = 6
"""Seconds beyond a call's length in which as many calls are in memory as there will ever be."""


@click.command()
@click.option("--load", "loads", multiple=True, default=["20:1", "20:10", "50:1", "50:10"], metavar="RATE:HOLD")
def main(loads: tuple[str, ...]) -> None:
    """Measure the memory of each load."""
    click.echo(
        "| calls a second | each lasts | calls made | MB at the start | MB at most | KB for a call in memory | |"
    )
    click.echo("| --- | --- | --- | --- | --- | --- | --- |")
    session = Session(Options(lab="local", seed=1), lambda plan, evidence, verdict: None, alone=True)
    try:
        for number, each in enumerate(loads):
            rate, hold = (float(part) for part in each.split(":"))
            seconds = hold + AFTER_ITS_END
            with tempfile.TemporaryDirectory() as directory:
                file = Path(directory) / "load.yaml"
                # A size of its own is a start of its own.
                file.write_text(SCENARIO.format(memory=256 + number, rate=rate, seconds=seconds, hold=hold))
                click.echo(_row(session, file, rate, hold))
    finally:
        session.close()


def _row(session: Session, file: Path, rate: float, hold: float) -> str:
    (scenario,) = load(file)
    started: list[int] = []
    session.tell_load = lambda progress: started.append(progress.memory_used or 0)
    outcome = session.run(scenario)
    assert outcome.verdict is not None
    assert outcome.evidence is not None
    most = session.stack.kamailio.statistics("max_used_size")["shmem:max_used_size"]
    in_memory = rate * (hold + AFTER_ITS_END - 1)
    of_a_call = (most - started[0]) / in_memory / 1024
    calls = statistics_of(outcome.evidence).calls
    verdict = "passed" if outcome.verdict.passed else outcome.verdict.findings[0].message
    first = f"{started[0] / MEGABYTE:.1f}"
    return f"| {rate:g} | {hold:g} s | {calls} | {first} | {most / MEGABYTE:.1f} | {of_a_call:.0f} | {verdict} |"


if __name__ == "__main__":
    main()
