"""The generators of a load on other machines: started, their clocks compared, read back, and what became of each.

Each machine's SIPps are started by a script of the harness's there, which sends what they write down to another one
in the lab as it comes (`rating_harness.sipp.generator`). So what a machine had done until it was lost is known.
"""

from __future__ import annotations

import gzip
import json
import signal
import threading
import time
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import LabError, Timeout
from rating_harness.evidence.calls import event_of
from rating_harness.evidence.model import CapturedMessage, GeneratorResult, SipMessage
from rating_harness.evidence.statistics import Histogram
from rating_harness.lab.protocol import Lab, Process, Program, Replicas
from rating_harness.plan.model import Plan, PlannedCall
from rating_harness.run.sipp_processes import PreparedSipp, SippProcess
from rating_harness.sipp import pace
from rating_harness.sipp.agent import ERRORS, STATISTICS, Agent, command_of

__all__ = ["CLOCKS", "Generators", "job_of"]

CLOCKS = 5.0
"""Seconds that a machine's clock may be off: one that is further off is set by nobody, and may be set in mid-run."""

UNCERTAIN = 0.25
"""Seconds by which the comparison of two clocks may be wrong: whatever is late by more isn't known to be late."""

_READY = 60.0
"""Seconds within which all generators have to be there."""

_LOOK = 3.0
"""Seconds between two looks at what became of the machines, while some are awaited."""

_PORT = 8100
_CONTROL = "generators"
_FOLDER = "/generator"
_STATE_AGE = 0.1
_LOST = 97
"""The exit status of a SIPp that was stopped (`rating_harness.sipp.result`), for one of which nobody knows."""


def job_of(calls: Iterable[PlannedCall], order: Sequence[str]) -> bytes:
    """What all generators are to do, as `rating_harness.sipp.generator` reads it.

    :param order: the ids of the scenario's calls.
    """
    job: dict[str, dict[str, Any]] = {}
    for call in calls:
        agent = call.agent
        assert isinstance(agent, Agent)
        files = dict(agent.all_files)
        part: dict[str, Any] = {
            "command": command_of(agent),
            "address": agent.address,
            "follow": [agent.trace_file, STATISTICS, ERRORS],
            "late": call.late,
        }
        if agent.changes:
            files[pace.CHANGES] = json.dumps([(at, rate * agent.period) for at, rate in agent.changes]).encode()
            part["pace"] = ["python3", f"{_FOLDER}/pace.py", agent.address, str(agent.control_port)]
        part["files"] = {name: b64encode(content).decode() for name, content in files.items()}
        job.setdefault(str(call.generator), {})[str(order.index(call.id))] = part
    return gzip.compress(json.dumps(job).encode(), mtime=0)


class Generators:
    """Those of one run. `prepare` has them ready, and `remove` ends them."""

    def __init__(self, lab: Lab, plan: Plan) -> None:
        self._lab = lab
        self._plan = plan
        self._calls = [call for call in plan.calls if call.generator]
        self._order = [call.id for call in plan.scenario.calls]
        self._number = max((call.generator for call in self._calls), default=0)
        self._control: Process | None = None
        self._replicas: Replicas | None = None
        self._begun: set[int] = set()
        self._lock = threading.Lock()
        self._state: Mapping[str, Any] = {}
        self._read_at = 0.0
        self._looked_at = time.monotonic()

    def __bool__(self) -> bool:
        return self._number > 0

    def prepare(self) -> dict[str, PreparedSipp]:
        """Start them, and wait until all are there and their clocks are known. Their parts, by `PlannedCall.key`.

        :raises LabError: they can't be started; or a clock is off by more than `CLOCKS`.
        :raises Timeout: not all are there in time.
        """
        from rating_harness.sipp import generator

        self._check_own_clock()
        host = self._lab.host(_CONTROL)
        script = Path(generator.__file__).read_bytes()
        command = ("python", "generator.py", "control", host.address, str(_PORT), str(self._number))
        self._control = self._lab.run(Program(_CONTROL, "harness", command, host, {"generator.py": script}))
        files = {
            "generator.py": script,
            "pace.py": Path(pace.__file__).read_bytes(),
            f"{generator.JOB}.gz": job_of(self._calls, self._order),
        }
        argv = ("python3", f"{_FOLDER}/generator.py", "generate", host.address, str(_PORT))
        self._replicas = self._lab.replicate(_CONTROL, argv, files, self._number)
        self._await_ready()
        states = self._states()
        for number, state in states.items():
            self._check_clock(number, state)
        return {
            call.key: PreparedSipp(call.agent, _GeneratorProgram(self, call), ahead=states[call.generator]["clock"])
            for call in self._calls
        }

    def _await_ready(self) -> None:
        assert self._control is not None
        assert self._replicas is not None
        try:
            await_condition(self._are_ready, Deadline(_READY), f"{self._number} generators", interval=0.1)
        except Timeout as error:
            ready = sum(state["state"] == "ready" for state in self._states().values())
            raise Timeout(
                error.message,
                expected=f"{self._number} that are ready",
                found=f"{ready}",
                detail="\n".join([*self._replicas.states(), *self._control.output().splitlines()[-5:]]),
                hint="each machine of the swarm needs the image of a generator, and has to reach the others on TCP "
                "and UDP port 7946 and UDP port 4789: docs/load.md",
            ) from None

    def _are_ready(self) -> bool:
        assert self._control is not None
        if self._control.poll() is not None:
            raise LabError("what controls the generators ended", detail=self._control.output()[-2000:])
        states = self._states()
        if states and all(state["state"] == "ready" for state in states.values()):
            return True
        if time.monotonic() >= self._looked_at + _LOOK:
            # What hasn't begun can be begun elsewhere.
            assert self._replicas is not None
            self._replicas.replace_lost()
            self._looked_at = time.monotonic()
        return False

    def _check_own_clock(self) -> None:
        ahead, precision = self._lab.clock_ahead()
        if abs(ahead) - precision > CLOCKS:
            raise _clock_is_off("of the engine's machine", "this machine's", ahead)

    def _check_clock(self, number: int, state: Mapping[str, Any]) -> None:
        if abs(state["clock"]) - state["precision"] > CLOCKS:
            raise _clock_is_off(f"of {state['node']}, which has generator {number},", "the lab's", state["clock"])
        if state["precision"] > UNCERTAIN:
            raise LabError(
                f"the clock of {state['node']}, which has generator {number}, can't be compared with the lab's",
                expected=f"an answer within {2 * UNCERTAIN:g} s",
                found=f"one after {2 * state['precision']:.3f} s at best",
                hint="is it on a network that slow, or very busy?",
            )

    def _states(self) -> Mapping[int, Mapping[str, Any]]:
        """What the control knows of each generator, as it was a moment ago at most."""
        from rating_harness.sipp import generator

        with self._lock:
            if self._control is not None and time.monotonic() >= self._read_at + _STATE_AGE:
                text = self._control.read_file(generator.STATE)
                self._state = json.loads(text)["generators"] if text else self._state
                self._read_at = time.monotonic()
            return {int(number): state for number, state in self._state.items()}

    def begin(self, call: PlannedCall) -> Process:
        """Have all of them begin that call of the scenario, unless they have been told already."""
        from rating_harness.sipp import generator

        assert self._control is not None
        index = self._order.index(call.id)
        with self._lock:
            if index not in self._begun:
                self._begun.add(index)
                self._control.signal(cast(signal.Signals, int(generator.START) + index))
        return _GeneratorProcess(self, call, index)

    def status(self, call: PlannedCall, index: int) -> int | None:
        state = self._states().get(call.generator)
        if state is None:
            return None
        exited = state["exits"].get(str(index))
        return exited if exited is not None or state["state"] in ("ready", "waiting") else _LOST

    def read_file(self, call: PlannedCall, index: int, name: str) -> bytes | None:
        return self._control.read_file(f"{call.generator}/{index}/{name}") if self._control is not None else None

    def results(self, sipps: Mapping[str, SippProcess]) -> tuple[GeneratorResult, ...]:
        """How each has done its share.

        :param sipps: what was started, by `PlannedCall.key`.
        """
        with self._lock:
            self._read_at = 0.0
        found = []
        tasks = ""
        for number, state in sorted(self._states().items()):
            calls = [call for call in self._calls if call.generator == number]
            messages = [message for call in calls if call.key in sipps for message in sipps[call.key].messages]
            lost = ""
            if state["state"] == "lost":
                assert self._replicas is not None
                tasks = tasks or "; ".join(self._replicas.states())
                lost = f"{state['why']}; Swarm says: {tasks}"
            found.append(
                GeneratorResult(
                    number=number,
                    node=state["node"],
                    address=state["address"],
                    clock=state["clock"],
                    precision=state["precision"],
                    planned=sum(len(call.call_ids) for call in calls),
                    **_counts(messages),
                    lost=lost,
                )
            )
        return tuple(found)

    def with_hosts(self, captured: tuple[CapturedMessage, ...] | None) -> tuple[CapturedMessage, ...] | None:
        """What Kamailio sent and received, with the host of the caller in place of a generator's address."""
        states = self._states()
        hosts = {
            f"{states[call.generator]['address']}:{call.agent.port}": call.agent.host
            for call in self._calls
            if call.generator in states
        }
        return captured and tuple(replace(each, peer=hosts.get(each.peer, each.peer)) for each in captured)

    def remove(self) -> None:
        """End all of it. Idempotent."""
        if self._control is not None:
            self._control.signal(signal.SIGTERM)
        if self._replicas is not None:
            self._replicas.remove()
            self._replicas = None
        if self._control is not None:
            self._control.remove()
            self._control = None
            self._lab.release(_CONTROL)


def _clock_is_off(whose: str, than: str, ahead: float) -> LabError:
    return LabError(
        f"the clock {whose} is too far from {than}",
        expected=f"{CLOCKS:g} s at most",
        found=f"{abs(ahead):.3f} s {'ahead' if ahead > 0 else 'behind'}",
        hint="have it set: timedatectl set-ntp true",
    )


def _counts(messages: Iterable[SipMessage]) -> dict[str, Any]:
    """Of a share's calls: how many were made, how many are over, and in which time they were set up."""
    begun: dict[str, float] = {}
    over: set[str] = set()
    setup: dict[str, float] = {}
    for message in messages:
        event = event_of(message)
        if event == "started":
            begun.setdefault(message.call_id, message.at)
        elif event == "ended":
            over.add(message.call_id)
        if event in ("answered", "ended") and not message.is_request and message.call_id in begun:
            setup.setdefault(message.call_id, message.at - begun[message.call_id])
    counts = dict(sorted(Histogram.of(setup.values()).counts.items()))
    return {"made": len(begun), "over": len(over & begun.keys()), "setup": counts}


class _GeneratorProgram:
    """Implements `rating_harness.lab.protocol.Prepared`: a call's part of one generator."""

    def __init__(self, generators: Generators, call: PlannedCall) -> None:
        self._generators = generators
        self._call = call
        self.name = f"generator-{call.generator}-{call.id}"

    def start(self, files: Mapping[str, bytes] = MappingProxyType({})) -> Process:
        return self._generators.begin(self._call)

    def remove(self) -> None:
        """Nothing: all end together (`Generators.remove`)."""


class _GeneratorProcess:
    """Implements `rating_harness.lab.protocol.Process`: a SIPp on another machine, as far as it's known here."""

    def __init__(self, generators: Generators, call: PlannedCall, index: int) -> None:
        self._generators = generators
        self._call = call
        self._index = index
        self.name = f"generator-{call.generator}-{call.id}"

    def poll(self) -> int | None:
        return self._generators.status(self._call, self._index)

    def wait(self, deadline: Deadline) -> int:
        def ended() -> tuple[int] | None:
            status = self.poll()
            return None if status is None else (status,)

        return await_condition(ended, deadline, f"the end of {self.name}", interval=0.1)[0]

    def signal(self, signum: signal.Signals) -> None:
        """Nothing: a generator ends by itself, or with all others (`Generators.remove`)."""

    def output(self) -> str:
        return (self.read_file("output.log") or b"").decode("utf-8", "replace")

    def read_file(self, name: str) -> bytes | None:
        return self._generators.read_file(self._call, self._index, name)

    def list_files(self) -> Sequence[str]:
        return [name for name in (STATISTICS, ERRORS) if self.read_file(name) is not None]

    def remove(self) -> None:
        """Nothing: all end together (`Generators.remove`)."""
