"""What coverage costs: the same calls with a Kamailio that has probes, and with one that has none.

    python -m benchmarks.coverage [--rounds 2]

In the local lab; CPU time is that of all of Kamailio's processes.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from rating_harness.run.options import Options
from rating_harness.run.stack import KAMAILIO
from rating_harness.session import dialects
from rating_harness.session.session import Session

CALLS = 500
SCENARIO = """
scenario: Five hundred calls
given:
  accounts:
    - {account_tag: "1000", type: PREPAID, balance: 1000000, max_concurrent_transactions: 1000}
  carriers:
    - {carrier_tag: carrier, host: carrier}
  pricelists:
    - pricelist_tag: retail
      rates:
        - {carrier_tag: carrier, prefix: "sip:39", rate: 1}
load: {rate: 50, duration: 10s}
calls:
  - {id: ana, from: "1000", to: "39040123456", hold: 0.5s}
expect:
  failures: 0
"""


def cpu_seconds(run_directory: str) -> float:
    """Of the processes whose command line names this directory."""
    ticks = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if run_directory in (process / "cmdline").read_text():
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        except OSError:
            continue  # it has ended
    return ticks / os.sysconf("SC_CLK_TCK")


@click.command()
@click.option("--rounds", default=2, show_default=True, help="How often each is measured.")
def main(rounds: int) -> None:
    """Measure what coverage costs."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "load.yaml"
        file.write_text(SCENARIO)
        (scenario,) = dialects.load_paths([file])
        for covered in [False, True] * rounds:
            options = Options.of(defines=(), seed=1, lab="local", coverage=covered)
            session = Session(options, lambda plan, evidence, verdict: None, alone=True)
            try:
                lab = session.stack.lab
                run_directory = str(lab.run_directory(KAMAILIO))
                logged, used = len(lab.service(KAMAILIO).output()), cpu_seconds(run_directory)
                outcome = session.run(scenario)
                used = cpu_seconds(run_directory) - used
                logged = len(lab.service(KAMAILIO).output()) - logged
            finally:
                session.close()
            assert outcome.verdict is not None
            click.echo(
                f"{'with probes' if covered else 'without':<12} {'passed' if outcome.verdict.passed else 'FAILED'}  "
                f"{1000 * used / CALLS:.2f} ms of CPU and {logged / CALLS / 1000:.1f} kB of log for a call"
            )


if __name__ == "__main__":
    main()
