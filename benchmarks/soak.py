"""Mixed calls and faults for a long while, and whether anything was lost, unbilled or leaked in the end.

    python benchmarks/soak.py [--rate 50] [--seconds 1800] [--kamailio trixie]

Callers and callees hang up, callees are busy, callers give up, calls are cut at their limit, carriers fail over; now
and then the agent is slow, away, silent, resets connections, or fails at begins or ends. Exits with 1 when something
doesn't hold.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from rating_harness.checks import judge
from rating_harness.checks.model import Case
from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import Timeout
from rating_harness.evidence.calls import Call, calls_of
from rating_harness.evidence.model import Evidence
from rating_harness.evidence.statistics import statistics_of
from rating_harness.evidence.store import write
from rating_harness.kamailio.rpc import KamailioClient
from rating_harness.lab.protocol import Process, Program
from rating_harness.plan.planner import plan_scenario
from rating_harness.run.options import Options
from rating_harness.run.runner import run_plan
from rating_harness.run.stack import Stack
from rating_harness.scenario.loader import load
from rating_harness.scenario.model import Scenario

BALANCE = 10**12
LIMIT = 3
"""Seconds that the engine grants to the calls that are cut."""

UNBEGUN = 4.0
"""Seconds that a call may last whose begin failed: the agent's time is over, and Kamailio hangs up."""

START = 300.0
"""Seconds until a run's calls must have begun."""

EXPIRY = 120.0
"""Seconds after which all that Kamailio keeps of calls that are over has expired."""

SHARED, PRIVATE = 256 * 1024, 64 * 1024
"""Bytes that its shared memory, and the memory of a process, may have grown: nothing that counts with the calls."""

LOST_BY_KAMAILIO = 48
"""Bytes of shared memory that Kamailio's dialog module loses for a call that Kamailio ends: bye_reply_cb keeps the
dialog's id when the answer to the first BYE has deleted the dialog before the second is answered (6.0.1, 6.1.5)."""

WARM_UP = 60.0

KINDS: Mapping[str, str] = {
    "caller": "to: '39040123456', hold: {min: 1s, max: 4s}",
    "callee": "to: '39040123456', hold: {min: 1s, max: 4s}, hangup: callee",
    "busy": "to: '44040123456', expect: {reply: 486}",
    "cancelled": "to: '39040123456', ring: 2s, cancel: 300ms after ringing",
    "cut": "to: '39040123456', hangup: never, expect: {ended_by: kamailio}",
    "failover": "to: '33040123456', hold: 1s, expect: {carrier: second}",
}
FAULTS = (
    "delay: 400ms",
    "refuse: true",
    "path: begin, reset: true",
    "path: begin, status: 500",
    "path: end, status: 503",
    "silent: true",
)


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that Kamailio uses: shared, and of each process (by its number and task)."""

    shared: int
    private: Mapping[str, int]

    @classmethod
    def of(cls, kamailio: KamailioClient) -> Memory:
        listed: Sequence[Mapping[str, Any]] = kamailio.call("pkg.stats")
        return cls(
            shared=int(kamailio.call("core.shmmem")["used"]),
            private={f"{each['entry']} {each['desc']}": int(each["used"]) for each in listed},
        )

    def growth(self, before: Memory, ended: int = 0) -> Iterator[str]:
        """What has grown by more than it may.

        :param ended: calls that Kamailio has ended since.
        """
        if self.shared > before.shared + SHARED + ended * LOST_BY_KAMAILIO:
            yield f"shared memory grew from {before.shared} to {self.shared} bytes"
        for process, used in self.private.items():
            if used > before.private.get(process, used) + PRIVATE:
                yield f"memory of process {process} grew from {before.private[process]} to {used} bytes"


def scenario_text(rate: float, seconds: float, every: float, lasting: float) -> str:
    """The scenario: at ``rate`` calls per second for so many seconds, with a fault every so often for so long."""
    calls = "\n".join(f"  - {{id: {kind}, from: 'of-{kind}', {what}}}" for kind, what in KINDS.items())
    accounts = "\n".join(
        f"    - {{account_tag: 'of-{kind}', type: PREPAID, balance: {BALANCE}, max_concurrent_transactions: 100000}}"
        for kind in KINDS
    )
    number = max(0, int((seconds - 2 * every) / every))
    faults = "\n".join(
        f"  - {{on: agent, {FAULTS[turn % len(FAULTS)]}, when: {every * (turn + 1):g}s,"
        f" until: {every * (turn + 1) + lasting:g}s}}"
        for turn in range(number)
    )
    return f"""
scenario: Many calls for a long while, with an agent that fails now and then
given:
  accounts:
{accounts}
  carriers:
    - {{carrier_tag: carrier, host: carrier}}
    - {{carrier_tag: busy, host: busy}}
    - {{carrier_tag: first, host: first}}
    - {{carrier_tag: second, host: second}}
  pricelists:
    - pricelist_tag: retail
      rates:
        - {{carrier_tag: carrier, prefix: "sip:39", rate: 7}}
        - {{carrier_tag: busy, prefix: "sip:44", rate: 1}}
        - {{carrier_tag: first, prefix: "sip:33", rate: 1}}
        - {{carrier_tag: second, prefix: "sip:33", rate: 2}}
carriers:
  busy: {{refuse: 486}}
  first: {{refuse: 503}}
calls:
{calls}
faults:
  - {{on: agent, path: authorization, call: cut, set: {{max_available_units: {LIMIT}}}}}
{faults}
load: {{rate: {rate:g}, duration: {seconds:g}s}}
expect: {{failures: any}}
invariants:
  begin_and_end: an agent that fails doesn't acknowledge every begin
"""


def unexplained(scenario: Scenario, evidence: Evidence) -> Iterator[str]:
    """Calls that were begun and not ended, and calls that went on unbegun."""
    case = Case(scenario, evidence)
    lost = {line.text.partition("call=")[2].split(" ")[0] for line in evidence.log if "end lost" in line.text}
    for call in case.calls:
        if case.accepted(call, "begin_transaction"):
            faults = [each.fault for each in case.exchanges(call, "end_transaction") if each.fault]
            is_logged = call.call_id in lost
            if not case.accepted(call, "end_transaction") and not (is_logged and faults):
                yield f"{call.call_id} was begun and not ended; its loss is {'' if is_logged else 'not '}logged"
        elif call.answered is not None and call.ended_by != "kamailio":
            lasted = _lasted(call, evidence)
            if lasted > UNBEGUN:
                yield f"{call.call_id} went on for {lasted:.1f} s without a begin, ended by {call.ended_by}"


def _lasted(call: Call, evidence: Evidence) -> float:
    assert call.answered is not None
    return evidence.ended - call.answered if call.duration is None else call.duration


def carry_out(stack: Stack, text: str, token: str) -> tuple[Scenario, Evidence]:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "soak.yaml"
        file.write_text(text, encoding="utf-8")
        (scenario,) = load(file)
    plan = plan_scenario(scenario, token=token, seed=stack.options.seed, hosts=stack.lab.host)
    return scenario, run_plan(stack, plan)


def run_beside(stack: Stack, programs: Iterable[Program], token: str) -> list[Process]:
    """Start them once the first of a run's calls has been asked for: until then the engine is emptied and filled."""

    def has_begun() -> bool:
        return any(token in each.body for each in stack.tap.exchanges().exchanges)

    await_condition(has_begun, Deadline(START), "the first honest call", interval=0.1)
    return [stack.lab.run(each) for each in programs]


def told(evidence: Evidence) -> Iterator[str]:
    figures = statistics_of(evidence)
    finals = Counter(call.final.status if call.final else None for call in calls_of(evidence))
    faults = Counter(each.fault for each in evidence.exchanges if each.fault)
    yield f"calls      {figures.calls}, {figures.rate or 0:.1f} a second, {figures.answered} answered"
    yield f"set-up     p50 {_ms(figures.setup_p50)}, p95 {_ms(figures.setup_p95)}, max {_ms(figures.setup_max)}"
    yield f"replies    {_counted(finals)}"
    yield f"requests   {len(evidence.exchanges)}; faults met: {_counted(faults)}"


def _counted(counter: Counter[Any]) -> str:
    return ", ".join(f"{number} {'none' if what is None else what}" for what, number in counter.most_common())


def _ms(seconds: float | None) -> str:
    return "none" if seconds is None else f"{seconds * 1000:.0f} ms"


@click.command()
@click.option("--rate", type=float, default=50, show_default=True, help="Calls per second.")
@click.option("--seconds", type=float, default=1800, show_default=True, help="How long new calls are made.")
@click.option("--kamailio", metavar="WHERE", help="Kamailio's origin: trixie, sid, a directory.")
@click.option("--evidence", type=click.Path(path_type=Path), help="Where evidence is stored when something is wrong.")
def main(rate: float, seconds: float, kamailio: str | None, evidence: Path | None) -> None:
    """Make calls for a long while, with faults, and look whether anything was lost or leaked."""
    with Stack.open(Options(lab="local", kamailio=kamailio)) as stack:
        click.echo(f"warming up for {WARM_UP:g} s")
        carry_out(stack, scenario_text(rate, WARM_UP, every=7, lasting=2), "warm")
        before = settled(stack, Memory(0, {}))
        click.echo(f"{rate:g} calls a second for {seconds:g} s")
        started = time.monotonic()
        scenario, seen = carry_out(stack, scenario_text(rate, seconds, every=20, lasting=4), "soak")
        ended = sum(call.ended_by == "kamailio" for call in calls_of(seen))
        after = settled(stack, before, ended)
        wrong = [str(finding) for finding in judge(scenario, seen).findings]
        wrong += [*unexplained(scenario, seen), *after.growth(before, ended)]
    for line in told(seen):
        click.echo(line)
    click.echo(f"memory     shared {before.shared} -> {after.shared} bytes, {ended} calls ended by Kamailio")
    click.echo(f"took {time.monotonic() - started:.0f} s")
    for text in wrong[:20]:
        click.echo(f"WRONG      {text}")
    click.echo(f"{len(wrong)} things are wrong" if wrong else "nothing is wrong")
    if wrong and evidence is not None:
        write(evidence, seen)
        click.echo(f"evidence   {evidence}")
    raise SystemExit(1 if wrong else 0)


def settled(stack: Stack, before: Memory, ended: int = 0) -> Memory:
    """Kamailio's memory once what expires has expired, or as it is when nothing expires any more."""
    with suppress(Timeout):
        await_condition(
            lambda: before.shared > 0 and not list(Memory.of(stack.kamailio).growth(before, ended)),
            Deadline(EXPIRY),
            "expiry",
            interval=1.0,
        )
    return Memory.of(stack.kamailio)


if __name__ == "__main__":
    main()
