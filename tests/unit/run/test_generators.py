"""Generators of a load: what they are given, and what is read of what they wrote."""

from __future__ import annotations

import gzip
import json
import signal
from base64 import b64decode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from rating_harness.errors import LabError, UsageError
from rating_harness.evidence.model import CapturedMessage
from rating_harness.lab.protocol import Program, Replicas
from rating_harness.plan.generators import share_out
from rating_harness.plan.model import Plan
from rating_harness.plan.planner import plan_scenario
from rating_harness.run.generators import CLOCKS, UNCERTAIN, Generators, job_of
from rating_harness.run.options import Options
from rating_harness.sipp.generator import STATE
from tests.builders import scenario_of
from tests.unit.run.fake_lab import FakeLab, FakeProcess

LOAD = 'calls: [{id: ana, from: "1000", to: "39040123456"}]\nload: {rate: 30, duration: 10s}\n'
INVITE = "2026-11-26\t10:00:0{0}\t{0}.5\tS\t{1}\tCSeq:1 INVITE\tINVITE sip:1@x SIP/2.0\r\n"
ANSWER = "2026-11-26\t10:00:0{0}\t{0}.75\tR\t{1}\tCSeq:1 INVITE\tSIP/2.0 200 OK\r\n"
BYE = "2026-11-26\t10:00:0{0}\t{0}.9\tS\t{1}\tCSeq:2 BYE\tBYE sip:1@x SIP/2.0\r\n"


def state(**generators: Mapping[str, Any]) -> bytes:
    plain = {"state": "ready", "why": "", "node": "", "address": "", "clock": 0.0, "precision": 0.0, "exits": {}}
    numbered = {
        name.removeprefix("g"): {**plain, "node": f"machine-{name[1:]}", **each} for name, each in generators.items()
    }
    return json.dumps({"generators": numbered}).encode()


class FakeReplicas:
    removed = 0

    def states(self) -> Sequence[str]:
        return ["on machine-1: running", "on machine-2, which is down: running"]

    def replace_lost(self) -> None: ...

    def remove(self) -> None:
        self.removed += 1


class SwarmLab(FakeLab):
    """Its control has written what it's to have written when it's started."""

    def __init__(self, files: dict[str, bytes], ahead: float = 0.0) -> None:
        self.control = FakeProcess("generators", files=files)
        self.replicas = FakeReplicas()
        self.replicated: list[tuple[Sequence[str], Mapping[str, bytes], int]] = []
        self.ahead = ahead
        super().__init__(runs=lambda program: self.started(program))

    def started(self, program: Program) -> FakeProcess:
        return self.control

    def replicate(self, name: str, argv: Sequence[str], files: Mapping[str, bytes], number: int) -> Replicas:
        self.replicated.append((argv, files, number))
        return self.replicas

    def clock_ahead(self) -> tuple[float, float]:
        return self.ahead, 0.001


def planned(path: Path, generators: int, load: str = LOAD) -> Plan:
    lab = FakeLab()
    plan = plan_scenario(scenario_of(path / "scenario.yaml", load), token="1f2e", seed=1, hosts=lab.host)
    return share_out(plan, generators)


def test_the_job_has_all_that_each_needs(tmp_path: Path) -> None:
    plan = planned(tmp_path, 3, LOAD.replace("rate: 30, duration: 10s", "steps: [{rate: 30, duration: 10s}]"))
    job = json.loads(gzip.decompress(job_of(plan.calls, ["ana"])))
    assert [*job] == ["1", "2", "3"]
    parts = [job[number]["0"] for number in job]
    assert [part["late"] for part in parts] == pytest.approx([0, 1 / 30, 2 / 30])
    for part in parts:
        assert part["address"] in part["command"]
        assert "sipp" in part["command"]
        assert part["pace"][-2:] == [part["address"], "8888"]
        changes = json.loads(b64decode(part["files"]["changes.json"]))
        assert changes[0][0] == 0
    assert {part["command"][part["command"].index("-m") + 1] for part in parts} == {"100"}


def test_they_are_started_once_for_all_and_read_back(tmp_path: Path) -> None:
    ids = [call.call_ids for call in planned(tmp_path, 2).calls]
    files = {
        STATE: state(g1={"clock": 4.0}, g2={}),
        "1/0/lines.log": "".join(text.format(5, ids[0][0]) for text in (INVITE, ANSWER, BYE)).encode(),
        "2/0/lines.log": INVITE.format(1, ids[1][0]).encode() + INVITE.format(2, ids[1][1]).encode(),
    }
    lab = SwarmLab(files)
    generators = Generators(lab, planned(tmp_path, 2))
    prepared = generators.prepare()
    assert [*prepared] == ["ana", "ana/2"]
    ((_, given, number),) = lab.replicated
    assert (number, {"generator.py", "pace.py", "job.gz"} <= given.keys()) == (2, True)
    sipps = {key: each.start() for key, each in prepared.items()}
    # One signal starts a call at all of them.
    assert lab.control.signals == [signal.SIGRTMIN]
    assert [each.process.poll() for each in sipps.values()] == [None, None]
    # The first one's clock is ahead.
    assert [message.at for message in sipps["ana"].messages] == pytest.approx([1.5, 1.75, 1.9])
    lab.control.files[STATE] = state(
        g1={"clock": 4.0, "state": "over", "exits": {"0": 0}},
        g2={"state": "lost", "why": "no word from it for 8 s", "address": "192.0.2.2"},
    )
    first, second = generators.results(sipps)
    seen = [
        CapturedMessage(1.0, "received", "udp", peer, "198.18.0.11:5060", peer, "", None)
        for peer in ("192.0.2.2:5060", "192.0.2.2:5061")
    ]
    named = generators.with_hosts(tuple(seen)) or ()
    assert [each.peer for each in named] == ["caller-ana", "192.0.2.2:5061"]
    assert generators.with_hosts(None) is None
    assert [each.process.poll() for each in sipps.values()] == [0, 97]
    assert (first.made, first.over, first.planned, first.lost) == (1, 1, 150, "")
    assert sum(first.setup.values()) == 1
    assert (second.made, second.over, second.planned) == (2, 0, 150)
    assert "no word" in second.lost
    assert "machine-2, which is down" in second.lost
    generators.remove()
    generators.remove()
    assert (lab.replicas.removed, lab.control.removed) == (1, True)


@pytest.mark.parametrize(
    ("clock", "precision", "said"),
    [
        (CLOCKS + 1, 0.1, "6.000 s ahead"),
        (-CLOCKS - 1, 0.1, "6.000 s behind"),
        (0.0, UNCERTAIN + 0.1, "can't be compared"),
    ],
)
def test_a_clock_that_is_too_far_off_is_refused(tmp_path: Path, clock: float, precision: float, said: str) -> None:
    lab = SwarmLab({STATE: state(g1={}, g2={"clock": clock, "precision": precision})})
    with pytest.raises(LabError) as raised:
        Generators(lab, planned(tmp_path, 2)).prepare()
    assert said in str(raised.value)
    assert "machine-2" in raised.value.message


def test_an_engine_whose_clock_is_off_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="the engine's machine"):
        Generators(SwarmLab({}, ahead=-60.0), planned(tmp_path, 2)).prepare()


def test_a_control_that_ended_is_said(tmp_path: Path) -> None:
    lab = SwarmLab({})
    lab.control.status, lab.control.log = 1, "address already in use"
    with pytest.raises(LabError) as raised:
        Generators(lab, planned(tmp_path, 2)).prepare()
    assert "address already in use" in str(raised.value)


def test_a_plan_that_isnt_shared_out_has_none(tmp_path: Path) -> None:
    lab = FakeLab()
    plan = plan_scenario(scenario_of(tmp_path / "s.yaml", LOAD), token="1f2e", seed=1, hosts=lab.host)
    assert not Generators(lab, plan)


@pytest.mark.parametrize(
    "others",
    [
        {"generators": 3, "lab": "local"},
        {"generators": 100},
        {"generators": -1},
        {"generators": 3, "target": "192.0.2.1:5060"},
        {"generators": 3, "ends": "baresip"},
        {"generators": 3, "persistent_lab": "yes"},
    ],
)
def test_options_that_contradict_it_are_refused(others: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="generators"):
        Options.of(defines=(), seed=1, **others)


def test_without_the_option_there_are_none() -> None:
    assert Options.of(defines=(), seed=1, generators=None).generators == 0
