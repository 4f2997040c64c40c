"""A load from three machines of a swarm: three engines in network namespaces, with the lab on the first."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rating_harness.deadline import Deadline, await_condition
from rating_harness.evidence.calls import calls_of
from rating_harness.evidence.model import Evidence
from rating_harness.evidence.statistics import statistics_of
from rating_harness.evidence.store import read
from tests.swarm.engines import Node, lab_images, swarm_of

LOAD = """\
scenario: A load from several machines
given:
  accounts:
    - {account_tag: "1020", type: POSTPAID, balance: 0, max_concurrent_transactions: 10000}
    - {account_tag: "1021", type: POSTPAID, balance: 0, max_concurrent_transactions: 10000}
  carriers:
    - {carrier_tag: carrier, host: carrier, port: 5060, protocol: UDP}
  pricelists:
    - pricelist_tag: retail
      currency: EUR
      rates:
        - {carrier_tag: carrier, prefix: "sip:39", rate: 1, rate_increment: 1}
load: {rate: RATE, duration: SECONDSs}
calls:
  - {id: ana, from: ["1020", "1021"], to: "39040123456", hold: 1s, expect: {reply: 200}}
kamailio:
  # Production's timers: two cores carry three engines, a lab and all generators here.
  defines: {FR_TIMER: 10000, RATING_HTTP_TIMEOUT: 2000}
expect:
  within: 20s
  # How many calls the machine can carry isn't the question here.
  failures: below 10
"""

TAKES = 240.0
"""Seconds that a run takes at most."""


@dataclass(frozen=True, slots=True)
class Run:
    status: int
    output: str
    evidence: Evidence


@pytest.fixture(scope="module")
def machines() -> Iterator[list[Node]]:
    with swarm_of(3, lab_images()) as nodes:
        yield nodes


def started(machine: Node, folder: Path, rate: int, seconds: int, generators: int) -> subprocess.Popen[str]:
    file = folder / "load.yaml"
    file.write_text(LOAD.replace("RATE", str(rate)).replace("SECONDS", str(seconds)))
    command = [sys.executable, "-m", "rating_harness", "run", str(file), "--lab", "docker", "--seed", "1"]
    command += ["--generators", str(generators), "--evidence", str(folder / "evidence")]
    return subprocess.Popen(
        ["nsenter", f"--net={machine.namespace}", *command],
        env={**os.environ, "DOCKER_HOST": machine.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process: subprocess.Popen[str], folder: Path) -> Run:
    with process:
        try:
            output, _ = process.communicate(timeout=TAKES)
        finally:
            process.kill()
    stored = list((folder / "evidence").glob("*/evidence.json"))
    assert len(stored) == 1, output
    return Run(process.returncode, output, read(stored[0].parent))


def traces(machine: Node) -> set[Path]:
    """Of generators that are there, or were."""
    return set(machine.folder.glob("data/overlay2/*/diff/work/0/lines.log"))


def calls_begun(machine: Node, before: set[Path]) -> int:
    """Those that the generator there has begun, by what it has written."""
    new = traces(machine) - before
    return sum(trace.read_bytes().count(b"\tCSeq:1 INVITE\tINVITE ") for trace in new)


def nothing_is_left(machine: Node) -> bool:
    with machine.client() as client:
        return not (
            client.services.list()
            or client.configs.list()
            or client.networks.list(filters={"driver": "overlay", "name": "rating"})
        )


def test_three_make_three_times_the_calls_of_one(machines: list[Node], tmp_path: Path) -> None:
    """And each of them is checked: replies, records, fees and balances."""
    rates, took = {}, {}
    for generators in (1, 3):
        folder = tmp_path / str(generators)
        folder.mkdir()
        run = ended(started(machines[0], folder, 20 * generators, 10, generators), folder)
        assert run.status == 0, run.output
        assert [each.made for each in run.evidence.generators] == [200] * generators
        assert len({each.address for each in run.evidence.generators}) == generators
        assert all(abs(each.clock) < 1 for each in run.evidence.generators)
        rates[generators] = statistics_of(run.evidence).rate or 0.0
        took[generators] = (200 * generators - 1) / rates[generators]
        assert len(run.evidence.after.transactions if run.evidence.after else ()) >= 200 * generators
    sys.stdout.write(f"calls a second: {rates}\n")
    # A second in which the machine stands still isn't theirs.
    assert took[3] <= took[1] * 1.05 + 1.0
    assert {each.node for each in run.evidence.generators} == {"machine-1", "machine-2", "machine-3"}
    assert nothing_is_left(machines[0])


def test_an_engine_that_manages_no_swarm_is_refused(machines: list[Node], tmp_path: Path) -> None:
    """It's a worker's here; what to do is said."""
    process = started(machines[1], tmp_path, 10, 1, 2)
    with process:
        output, _ = process.communicate(timeout=TAKES)
    assert process.returncode == 1
    assert "a worker; its managers are 10.213.77.1:2377" in output
    assert "docker node promote" in output


def test_the_calls_of_a_machine_that_loses_its_power_are_counted(machines: list[Node], tmp_path: Path) -> None:
    """The machine stays without, in the next test too."""
    lost = machines[2]
    before = traces(lost)
    process = started(machines[0], tmp_path, 30, 20, 3)
    awaited = "calls from the third machine"
    await_condition(lambda: calls_begun(lost, before) >= 40, Deadline(TAKES), awaited, interval=0.2)
    lost.power_off()
    run = ended(process, tmp_path)
    assert run.status == 1, run.output
    assert "1 of 3 generators was lost in mid-run" in run.output
    assert "says nothing of Kamailio" in run.output
    assert "FAILED" not in run.output
    (gone,) = (each for each in run.evidence.generators if each.lost)
    others = [each for each in run.evidence.generators if not each.lost]
    assert (gone.node, gone.planned) == ("machine-3", 200)
    assert 20 <= gone.over <= gone.made < gone.planned
    assert (
        f"of 200 calls {gone.over} were over, {gone.made - gone.over} begun, {200 - gone.made} not made" in run.output
    )
    assert [each.made for each in others] == [each.over for each in others] == [200, 200]
    # What it had written until then is there.
    made = [call for call in calls_of(run.evidence) if call.invite is not None]
    assert len(made) == 400 + gone.made


def test_what_had_not_begun_is_begun_on_another_machine(machines: list[Node], tmp_path: Path) -> None:
    """Swarm takes ten seconds to see that a machine is gone, and gives it tasks until then."""
    machines[1].power_off()
    run = ended(started(machines[0], tmp_path, 30, 5, 3), tmp_path)
    assert run.status == 0, run.output
    assert [(each.made, each.node) for each in run.evidence.generators] == [(50, "machine-1")] * 3
