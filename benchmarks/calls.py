"""Processor time of Kamailio for a rated call, with one configuration against another, in turns within one run.

    python -m benchmarks.calls DIR [DIR...] --rate 200 --seconds 10 --rounds 3

Each call is authorised, begun, answered, hung up by its caller and ended. The figure is the processor time of all
Kamailio's processes, in ms for a call, less what they take to start: what else the machine does disturbs it less than
it disturbs the time on the clock.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

SCENARIO = """
scenario: Rated calls
given:
  accounts: [{{account_tag: "1000", type: POSTPAID, balance: 0, max_concurrent_transactions: 100000}}]
  carriers: [{{carrier_tag: carrier, host: carrier}}]
  pricelists:
    - pricelist_tag: retail
      rates: [{{carrier_tag: carrier, prefix: "sip:39", rate: 1, rate_increment: 1}}]
kamailio: {{defines: {{FR_INV_TIMER: {marker}}}}}
load: {{rate: {rate}, duration: {seconds}s, hold: 1s}}
calls: [{{id: ana, from: "1000", to: "39040123456"}}]
"""

_TICK = os.sysconf("SC_CLK_TCK")

_MARKER = 100_000 + os.getpid()
"""Milliseconds that a call may ring, by which the processes of this run are known from those of others."""


def _spent(marker: str) -> dict[int, int]:
    """Processor time, in ticks, of each Kamailio process on whose command line ``marker`` is."""
    ticks: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if marker in (entry / "cmdline").read_text().split("\0"):
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    ticks[int(entry.name)] = int(fields[11]) + int(fields[12])
            except OSError:
                continue  # it has ended
    return ticks


def scenario_text(rate: int, seconds: int) -> str:
    """The scenario, with the marker of this run."""
    return SCENARIO.format(rate=rate, seconds=seconds, marker=_MARKER)


def measure(config: Path, scenario: Path, calls: int, *, has_to_pass: bool = False) -> float:
    """Milliseconds of processor time for a call.

    :param has_to_pass: whether a scenario that fails measures nothing; else it's enough that it was run.
    """
    command = ["rating-harness", "run", str(scenario), "--lab", "local", "--kamailio-config", str(config)]
    command += ["--persistent-lab", "no"]
    command[0] = str(Path(sys.executable).parent / command[0])
    spent: dict[int, int] = {}
    started: dict[int, int] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            for each, ticks in _spent(f"FR_INV_TIMER={_MARKER}").items():
                started.setdefault(each, ticks)
                spent[each] = max(spent.get(each, 0), ticks)
            time.sleep(0.1)
        assert process.stdout is not None
        output = process.stdout.read()
    if process.returncode not in ((0,) if has_to_pass else (0, 1)) or not spent:
        raise click.ClickException(output)
    return (sum(spent.values()) - sum(started.values())) * 1000 / _TICK / calls


@click.command()
@click.argument("directories", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--rate", default=200, show_default=True, help="New calls a second.")
@click.option("--seconds", default=10, show_default=True)
@click.option("--rounds", default=3, show_default=True, help="Times that each configuration has its turn.")
def main(directories: tuple[Path, ...], rate: int, seconds: int, rounds: int) -> None:
    """Measure each configuration in DIRECTORIES; the first is what the others are compared with."""
    found: dict[Path, list[float]] = {each: [] for each in directories}
    with tempfile.TemporaryDirectory() as directory:
        scenario = Path(directory) / "calls.yaml"
        scenario.write_text(scenario_text(rate, seconds))
        for _ in range(rounds):
            for each in directories:
                found[each].append(measure(each, scenario, rate * seconds))
                click.echo(f"{found[each][-1]:.2f} ms  {each}")
    first = statistics.median(found[directories[0]])
    for each, values in found.items():
        median = statistics.median(values)
        click.echo(f"{median:.2f} ms for a call, {median / first:.2f} of the first's: {each}")


if __name__ == "__main__":
    main()
