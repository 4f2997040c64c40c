"""A lab whose clock is put forward: what goes by it, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import PlanError
from rating_harness.lab.clock import compiled
from rating_harness.lab.local import LocalLab
from rating_harness.lab.protocol import Program
from rating_harness.plugin import RunScenario
from rating_harness.scenario.loader import load

pytestmark = pytest.mark.lab

REFUSED = Path(__file__).with_name("refused.py")
LIMITS = Path(__file__).parents[2] / "scenarios/clock/limits.yaml"

WAITS = """
import asyncio, select, sys, threading, time

def took(wait):
    began = time.monotonic()
    wait()
    return time.monotonic() - began

event, condition, slot = threading.Event(), threading.Condition(), threading.Semaphore(0)
ways = {
    "sleep": lambda: time.sleep(100),
    "event": lambda: event.wait(100),
    "condition": lambda: condition.__enter__() and condition.wait(100),
    "semaphore": lambda: slot.acquire(timeout=100),
    "asyncio": lambda: asyncio.run(asyncio.sleep(100)),
    "select": lambda: select.select([], [], [], 100),
    "poll": lambda: select.poll().poll(100_000),
}
print("ready", flush=True)
print(int(took(ways[sys.argv[1]])), int(time.time()), flush=True)
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[LocalLab]:
    with LocalLab.open() as lab:
        if not lab.capabilities.clock:
            pytest.skip(f"left out: {lab.capabilities.why['clock']}")
        yield lab


LIMIT = """
scenario: A call whose limit is in quotes, so that only Kamailio knows it
given:
  accounts: [{account_tag: "1000", type: PREPAID, balance: 1000}]
  carriers: [{carrier_tag: carrier, host: carrier}]
  pricelists: [{pricelist_tag: retail, rates: [{carrier_tag: carrier, prefix: "sip:39", rate: 1}]}]
calls:
  - {id: ana, from: "1000", to: "39040123456", hangup: never}
faults:
  - {on: agent, path: authorization, set: {max_available_units: "60"}}
clock: {skip: 70s, when: ana is answered}
"""


@pytest.mark.parametrize("way", ["sleep", "event", "condition", "semaphore", "asyncio", "select", "poll"])
def test_whoever_waits_goes_by_the_labs_clock(way: str, lab: LocalLab) -> None:
    clock = lab.install_clock(compiled(lab))
    program = Program(
        f"waits-{way}", "harness", ("python", "-u", "w.py", way), lab.host(way), {"w.py": WAITS.encode()}
    )
    began = time.time()
    process = lab.run(program)
    deadline = Deadline(90.0)
    try:
        await_condition(lambda: "ready" in process.output(), deadline, "its start", last_seen=process.output)

        def has_ended() -> bool:
            clock.move(10.0)
            return process.poll() is not None

        await_condition(has_ended, deadline, "the end of its wait", last_seen=process.output)
        assert process.wait(deadline) == 0, process.output()
        waited, told = map(int, process.output().split()[1:])
        assert waited >= 100
        assert told - began >= 99
    finally:
        process.remove()


def test_a_limit_that_only_kamailio_knows_is_not_skipped_over(tmp_path: Path, run_scenario: RunScenario) -> None:
    (tmp_path / "s.yaml").write_text(LIMIT)
    with pytest.raises(PlanError, match="the clock would skip over what is due") as caught:
        run_scenario(load(tmp_path / "s.yaml")[0])
    assert "the limit of ana" in str(caught.value)
    assert "s.yaml:11:" in str(caught.value)


def test_where_the_root_cant_be_entered_it_is_moved_all_the_same() -> None:
    command = [sys.executable, "-m", "rating_harness", "run", "--lab", "local", str(LIMITS), "-k", "ten_minutes"]
    done = subprocess.run(
        [sys.executable, str(REFUSED), "namespaces", *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "1 passed, 0 failed, 0 skipped" in done.stdout, done.stdout + done.stderr
    assert "597 s skipped" in done.stdout
