"""A flood of INVITEs while the agent is silent: whether Kamailio lives, answers others, and loses no call that is up.

    python -m benchmarks.flood [--rate 1000] [--seconds 60] [--addresses 20] [--kamailio trixie]

The INVITEs come from several addresses of the lab, which acknowledge nothing; from one more address OPTIONS are sent,
twenty a second, each timed, before, during and after the flood. Honest calls are up when it begins and hang up within
it; others are made when it is over. Exits with 1 when a check of theirs fails, when Kamailio has ended, when a minute
later it holds more shared memory than before, or when an OPTIONS is never answered.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click

from benchmarks.soak import Memory, carry_out, run_beside, settled
from benchmarks.soak import scenario_text as soak_text
from rating_harness.checks import judge
from rating_harness.deadline import Deadline
from rating_harness.lab.protocol import Program
from rating_harness.run.options import Options
from rating_harness.run.stack import KAMAILIO, Stack

TOKEN = "honest"
STRANGERS = "flood-"
"""What the Call-IDs of the flood begin with: of these calls the scenario knows nothing."""
LAST = 60.0
"""Seconds that the calls after the flood may take."""
WARM_UP, WARM_UP_RATE = 5.0, 20.0
"""Seconds, and calls a second, after which each process has all the memory that calls need."""
BEFORE, AFTER = 5.0, 5.0
"""Seconds of OPTIONS before and after the flood."""
SILENT_FROM = 2.0
"""Seconds after the scenario's begin from which the agent answers no authorisation."""

SCENARIO = """
scenario: Calls that are up while others flood Kamailio, and calls after it
timeout: {timeout:g}s
given:
  accounts:
    - {{account_tag: "1000", type: PREPAID, balance: 100000, max_concurrent_transactions: 1000}}
    - {{account_tag: flood, type: PREPAID, balance: 100000, max_concurrent_transactions: 1000000}}
  carriers: [{{carrier_tag: carrier, host: carrier}}]
  pricelists:
    - pricelist_tag: retail
      rates: [{{carrier_tag: carrier, prefix: "sip:39", rate: 1, rate_increment: 1}}]
faults:
  - {{on: agent, path: authorization, silent: true, when: {silent_from:g}s, until: {silent_until:g}s}}
calls:
  - {{id: up, from: "1000", to: "39040123456", repeat: 20, rate: 20, hold: {hold:g}s,
     expect: {{reply: 200, ended_by: caller}}}}
  - {{id: later, from: "1000", to: "39040123456", start: {later:g}s, repeat: 20, rate: 20, hold: 1s,
     expect: {{reply: 200, ended_by: caller}}}}
invariants:
  alarms: a flood is logged
"""


def scenario_text(seconds: float) -> str:
    """The scenario, with a flood of so many seconds in it."""
    over = SILENT_FROM + BEFORE + seconds
    return SCENARIO.format(
        silent_from=SILENT_FROM,
        silent_until=over,
        hold=SILENT_FROM + BEFORE + seconds / 2,
        later=over + AFTER,
        timeout=over + AFTER + LAST,
    )


def flooded(stack: Stack, rate: float, seconds: float, addresses: int) -> tuple[list[str], Mapping[str, Any]]:
    """What is wrong after a flood, and the sender's figures."""
    hosts = [stack.lab.host(f"flood{number}") for number in range(addresses)]
    asker = stack.lab.host("asker")
    kamailio = stack.lab.host(KAMAILIO).address
    files = {"flooder.py": (Path(__file__).parent / "flooder.py").read_bytes()}
    senders = ",".join(each.address for each in hosts)
    commands = {
        "flood": ("flood", kamailio, senders, str(rate), str(BEFORE), str(seconds)),
        "options": ("options", kamailio, asker.address, "20", "0", str(BEFORE + seconds + AFTER)),
    }
    programs = [
        Program(name, "harness", ("python", "flooder.py", *arguments), host, files)
        for (name, arguments), host in zip(commands.items(), (hosts[0], asker), strict=True)
    ]
    carry_out(stack, soak_text(WARM_UP_RATE, WARM_UP, every=WARM_UP, lasting=1), "warm")
    before = Memory.of(stack.kamailio)
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(run_beside, stack, programs, TOKEN)
        scenario, seen = carry_out(stack, scenario_text(seconds), TOKEN)
        started = starting.result()
    figures: dict[str, Any] = {}
    for program, process in zip(programs, started, strict=True):
        try:
            status, output = process.wait(Deadline(60)), process.output()
        finally:
            process.remove()
        if status != 0:
            raise click.ClickException(output)
        figures[program.name] = json.loads(output)
    wrong = [str(each) for each in judge(scenario, seen).findings if STRANGERS not in str(each)]
    if stack.lab.service(KAMAILIO).poll() is not None:
        wrong.append("Kamailio has ended")
    else:
        after = settled(stack, before)
        figures["memory"] = (before.shared, after.shared)
        wrong += after.growth(before)
    wrong += unanswered(figures["options"])
    return wrong, figures


def unanswered(options: Mapping[str, Any]) -> Iterator[str]:
    lost = sum(each is None for _, each in options["answers"])
    if lost:
        yield f"{lost} of {len(options['answers'])} OPTIONS were never answered"


def told(figures: Mapping[str, Any], seconds: float) -> Iterator[str]:
    """The figures as lines."""
    flood = figures["flood"]
    replies = ", ".join(f"{number} {status}" for status, number in sorted(flood["replies"].items()))
    yield f"flood      {flood['sent']} INVITEs in {flood['seconds']:.1f} s; replies: {replies or 'none'}"
    for name, begin, end in (
        ("before", 0.0, BEFORE),
        ("during", BEFORE, BEFORE + seconds),
        ("after", BEFORE + seconds, float("inf")),
    ):
        took = sorted(
            each * 1000 for when, each in figures["options"]["answers"] if begin <= when < end and each is not None
        )
        if took:
            p50, p95, p99 = (took[len(took) * part // 100] for part in (50, 95, 99))
            yield (
                f"OPTIONS    {name:7}{len(took)} answered, median {p50:.1f} ms,"
                f" p95 {p95:.1f}, p99 {p99:.1f}, max {took[-1]:.1f}"
            )
    if "memory" in figures:
        yield f"memory     shared {figures['memory'][0]} -> {figures['memory'][1]} bytes"


@click.command()
@click.option("--rate", type=float, default=1000, show_default=True, help="INVITEs per second.")
@click.option("--seconds", type=float, default=60, show_default=True, help="How long they come.")
@click.option("--addresses", type=int, default=20, show_default=True, help="How many addresses they come from.")
@click.option("--define", "defines", multiple=True, metavar="NAME=VALUE", help="A define of the configuration.")
@click.option("--kamailio", metavar="WHERE", help="Kamailio's origin: trixie, sid, a directory.")
def main(rate: float, seconds: float, addresses: int, defines: tuple[str, ...], kamailio: str | None) -> None:
    """Flood Kamailio with INVITEs while the agent is silent, and look whether anything was lost."""
    with Stack.open(Options(lab="local", kamailio=kamailio, defines=dict(_pair(each) for each in defines))) as stack:
        wrong, figures = flooded(stack, rate, seconds, addresses)
    for line in told(figures, seconds):
        click.echo(line)
    for text in wrong[:20]:
        click.echo(f"WRONG      {text}")
    click.echo(f"{len(wrong)} things are wrong" if wrong else "nothing is wrong")
    raise SystemExit(1 if wrong else 0)


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


if __name__ == "__main__":
    main()
