"""The order in which a plan is carried out, on a lab whose programs are scripts."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from rating_harness.deadline import Deadline
from rating_harness.errors import LabError, ServiceDied, SippError
from rating_harness.evidence.model import Evidence
from rating_harness.lab.local.process import DeferredProgram
from rating_harness.lab.protocol import Process, Program
from rating_harness.plan.model import Plan
from rating_harness.run import collector, runner
from rating_harness.run.runner import run_plan
from rating_harness.tap.faults import FaultState
from rating_harness.useragent.agent import OtherStack, UserAgent
from rating_harness.useragent.dialog import Place
from rating_harness.useragent.script import SenderScript, Socket, from_json
from tests.unit.plan.test_planner import planned
from tests.unit.run.fake_lab import FakeKamailio, FakeLab, FakeProcess, FakeTap, fake_stack

PLACE = Place("198.18.0.9", 5060)
SCRIPT = SenderScript("s", Socket(PLACE, PLACE, "udp"), ("x",))
CALL = '{id: ana, from: "1000", to: "39040123456"%s}'
STATISTICS = b"StartTime;TotalCallCreated;SuccessfulCall(C);FailedCall(C);\nx;1;1;0;\n"


def trace_of(*messages: tuple[str, str]) -> bytes:
    """SIPp's message trace: ``sent`` or ``received``, and the message's first line with a blank and its CSeq."""
    records = []
    for way, text in messages:
        first, _, cseq = text.partition(" | ")
        tag = ";tag=b" if "200" in first else ""
        lines = [
            *(first, "Via: SIP/2.0/UDP 198.18.0.9;branch=z9hG4bK-1", "From: <sip:1000@sip.test>;tag=a"),
            *(f"To: <sip:39@sip.test>{tag}", "Call-ID: 1f2e-ana-1@sip.test", f"CSeq: {cseq}"),
            *("Contact: <sip:x@198.18.0.99:5060>", "", ""),
        ]
        message = "\r\n".join(lines)
        at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        size = f"sent ({len(message)} bytes):" if way == "sent" else f"received [{len(message)}] bytes :"
        records.append(f"{'-' * 47} {at}\nUDP message {size}\n\n{message}\n\n")
    return "".join(records).encode()


ANSWERED = trace_of(("sent", "INVITE sip:39@sip.test SIP/2.0 | 1 INVITE"), ("received", "SIP/2.0 200 OK | 1 INVITE"))
REFUSED = trace_of(
    ("sent", "INVITE sip:39@sip.test SIP/2.0 | 1 INVITE"), ("received", "SIP/2.0 486 Busy Here | 1 INVITE")
)


def lab_with(trace: bytes, kept: list[Program], *, ends: Callable[[str], bool] = lambda name: True) -> FakeLab:
    """Callers have this trace, and have ended if ``ends`` says so."""

    def runs(program: Program) -> FakeProcess:
        kept.append(program)
        is_caller = "caller" in program.name
        over = (is_caller and ends(program.name)) or "stranger" in program.name
        files = {"statistics.csv": STATISTICS, **({"messages.log": trace} if is_caller else {})}
        return FakeProcess(program.name, status=0 if over else None, files=files)

    return FakeLab(runs=runs)


def run(lab: FakeLab, plan: Plan) -> Evidence:
    return run_plan(fake_stack(lab), plan)


def test_carriers_listen_before_anybody_calls(tmp_path: Path) -> None:
    lab = lab_with(ANSWERED, [])
    evidence = run(lab, planned(tmp_path, f"calls: [{CALL % ''}]\n"))
    assert [each for each in lab.done if each.startswith("run")] == [
        "run sipp-carrier-5060-udp",
        "run sipp-caller-ana-5060-udp",
    ]
    assert [(result.host, result.stopped) for result in evidence.sipp] == [("carrier", True), ("caller-ana", False)]
    assert [message.first_line for message in evidence.messages] == ["INVITE sip:39@sip.test", "200 OK"]
    assert all(program.removed for program in lab.programs)


def test_a_baresips_calls_have_the_call_ids_that_it_has_sent(tmp_path: Path) -> None:
    own = ANSWERED.replace(b"1f2e-ana-1@sip.test", b"e064f156b53d76c5")
    shorter = len("1f2e-ana-1@sip.test") - len("e064f156b53d76c5")
    own = re.sub(rb"(sent \(|received \[)(\d+)", lambda size: b"%b%d" % (size[1], int(size[2]) - shorter), own)
    plan = planned(tmp_path, f"calls: [{CALL % ', repeat: 2'}]\n")
    assert run(lab_with(own, []), plan).call_ids == plan.call_ids
    agent = UserAgent("caller", "caller-ana", "198.18.0.9", 5060, SCRIPT, stack=OtherStack("baresip", tmp_path))
    played = replace(plan, calls=(replace(plan.calls[0], agent=agent),))
    lab = lab_with(own, [])
    assert run(lab, played).call_ids == {"ana": ("e064f156b53d76c5", "1f2e-ana-2@sip.test")}


def test_a_call_begins_when_its_moment_has_come(tmp_path: Path) -> None:
    lab = lab_with(ANSWERED, [])
    bob = '{id: bob, from: "1000", to: "39", start: ana is answered}'
    evidence = run(lab, planned(tmp_path, f"calls: [{bob}, {CALL % ''}]\n"))
    assert [span.what for span in evidence.spans] == ["call ana", "call bob"]


def test_who_waits_in_vain_is_waited_for_no_longer(tmp_path: Path) -> None:
    lab = lab_with(REFUSED, [])
    bob = '{id: bob, from: "1000", to: "39", start: ana is answered}'
    cia = '{id: cia, from: "1000", to: "39", start: bob has ended}'
    evidence = run(lab, planned(tmp_path, f"calls: [{CALL % ''}, {bob}, {cia}]\n"))
    assert [span.what for span in evidence.spans] == ["call ana"]
    assert evidence.ended - evidence.started < 15


def test_a_call_that_does_not_end_is_not_waited_for_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeKamailio, "active_dialogs", lambda self: 1)
    monkeypatch.setattr(collector, "QUIET", 60.0)
    monkeypatch.setattr(collector, "QUIET_AFTER_HORIZON", 0.1)
    monkeypatch.setattr(runner, "check_going_on", lambda sipps: None)  # this one writes nothing
    lab = lab_with(ANSWERED, [], ends=lambda name: False)
    plan = planned(tmp_path, f"calls: [{CALL % ''}]\nexpect: {{within: 100ms}}\n")
    evidence = run(lab, replace(plan, horizon=0.5))
    assert evidence.dialogs_left == 1
    assert evidence.ended - evidence.started < 30


def test_a_stranger_knows_all_about_the_call(tmp_path: Path) -> None:
    kept: list[Program] = []
    lab = lab_with(ANSWERED, kept)
    said = ", requests: [{by: stranger, method: BYE, times: 3, every: 10ms}]"
    evidence = run(lab, planned(tmp_path, f"calls: [{CALL % said}]\n"))
    (program,) = [each for each in kept if "stranger" in each.name]
    script = from_json(program.files["stranger-ana-0.json"].decode())
    assert isinstance(script, SenderScript)
    (message,) = script.messages
    assert message.startswith("BYE sip:x@198.18.0.99:5060 SIP/2.0\r\n")
    assert "To: <sip:39@sip.test>;tag=b\r\n" in message
    assert "CSeq: 2 BYE\r\n" in message
    assert f"Via: SIP/2.0/UDP {program.host.address}:5060;" in message
    assert "request-0" in message
    assert (script.times, script.every) == (3, 0.01)
    assert program.role == "harness"
    assert evidence.unsent == ()
    assert [result.role for result in evidence.sipp] == ["carrier", "caller", "stranger"]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("{by: stranger, method: BYE}", "its moment never came"),
        ("{by: stranger, method: BYE, at: after end, headers: {X-A: '{to_tag}'}}", "{to_tag} isn't known"),
    ],
)
def test_a_request_that_was_never_sent_says_why(tmp_path: Path, said: str, why: str) -> None:
    evidence = run(lab_with(REFUSED, []), planned(tmp_path, f"calls: [{CALL % f', requests: [{said}]'}]\n"))
    (unsent,) = evidence.unsent
    assert (unsent.call, unsent.index) == ("ana", 0)
    assert why in unsent.why


def test_an_end_is_signalled_when_the_moment_of_another_call_has_come(tmp_path: Path) -> None:
    said = ", requests: [{method: INFO, at: ana is answered}, {by: callee, method: INFO, at: ana is answered}]"
    bob = f'{{id: bob, from: "1000", to: "39"{said}}}'
    lab = lab_with(ANSWERED, [])
    run(lab, planned(tmp_path, f"calls: [{CALL % ''}, {bob}]\n"))
    signals = {program.name: program.signals for program in lab.programs}
    assert signals["sipp-caller-bob-5060-udp"] == [signal.SIGRTMIN]
    assert signals["sipp-carrier-5060-udp"][0] == int(signal.SIGRTMIN) + 1


@pytest.mark.parametrize("words", ["a last word", "a last word: could not allocate shared memory from shm pool"])
def test_a_kamailio_that_dies_ends_the_run(tmp_path: Path, words: str) -> None:
    lab = lab_with(ANSWERED, [], ends=lambda name: False)
    plan = planned(tmp_path, f"calls: [{CALL % ''}]\n")
    stack = fake_stack(lab)
    stopped = "".join(f"{n}(6{n}) INFO: <core> [main.c:897]: sig_usr(): signal 15 received\n" for n in range(20))
    lab.service("kamailio").log += f"{words}\n{stopped}"
    prepare = stack.prepare

    def prepare_and_die(plan: Plan) -> None:
        prepare(plan)
        lab.service("kamailio").status = -11

    stack.prepare = prepare_and_die  # type: ignore[method-assign]
    with pytest.raises(ServiceDied, match="died in mid-scenario, with status -11") as raised:
        run_plan(stack, plan)
    assert words in str(raised.value)
    assert ("`-m 512`" in (raised.value.hint or "")) == ("memory" in words)
    assert all(program.removed for program in lab.programs)


def test_a_kamailio_one_of_whose_processes_did_not_start_is_no_failure_of_the_call(tmp_path: Path) -> None:
    lab = lab_with(ANSWERED, [])
    plan = planned(tmp_path, f"calls: [{CALL % ''}]\n")
    stack = fake_stack(lab)
    prepare = stack.prepare

    def prepare_and_fail(plan: Plan) -> None:
        prepare(plan)
        lab.service("kamailio").log += "1(11) CRITICAL: <core> [main.c:1881]: main_loop(): Cannot fork\n"

    stack.prepare = prepare_and_fail  # type: ignore[method-assign]
    with pytest.raises(ServiceDied, match="Kamailio could not start"):
        run_plan(stack, plan)
    assert all(program.removed for program in lab.programs)


class DyingProcess(FakeProcess):
    """It is killed once it has been looked at three times."""

    looks = 0

    def poll(self) -> int | None:
        self.looks += 1
        if self.looks > 3:
            self.status = -signal.SIGKILL
        return self.status


@pytest.mark.parametrize("who", ["caller", "carrier"])
def test_an_end_that_dies_ends_the_run_and_leaves_what_it_wrote(tmp_path: Path, who: str) -> None:
    """The other end runs on: nobody waits for it. What proves a password isn't kept."""
    said = ANSWERED.replace(b"Contact:", b'Authorization: Digest username="ana", response="0123abc"\r\nContact:')

    def runs(program: Program) -> FakeProcess:
        files = {"statistics.csv": STATISTICS, "messages.log": said, "errors.log": b"out of luck"}
        if who not in program.name:
            return FakeProcess(program.name, status=None, files=files)
        return DyingProcess(program.name, files=files)

    with pytest.raises(SippError, match="could not do its work") as caught:
        run(FakeLab(runs=runs), planned(tmp_path, f"calls: [{CALL % ''}]\n"))
    assert {name.partition("/")[2] for name in caught.value.files} >= {
        f"{host}-5060-udp/{name}" for host in ("caller-ana", "carrier") for name in ("messages.log", "errors.log")
    }
    trace = caught.value.files["sipp/caller-ana-5060-udp/messages.log"]
    assert b"INVITE sip:39@sip.test" in trace
    assert b'username="ana", response="redacted"' in trace


class BusyKamailio(FakeKamailio):
    """Its tables say that it gives a BYE up in three seconds; then the call is over."""

    def __init__(self) -> None:
        self.due = time.time() + 3

    def tables(self, prefix: str) -> dict[str, dict[str, str]]:
        if time.time() >= self.due:
            return {"rating_state": {"1f2e-ana-1@sip.test": "ended"}}
        return {"rating_bye_overdue": {"callee:1f2e-ana-1@sip.test": f"{self.due:.0f}"}}


@pytest.mark.parametrize(("within", "longer"), [("", True), ("expect: {within: 200ms}\n", False)])
def test_records_are_awaited_while_kamailio_has_something_to_do_for_a_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, within: str, longer: bool
) -> None:
    """The last look is later than what the tables held, however long a scenario that says so waits."""
    monkeypatch.setattr(collector, "WITHIN", 0.2)
    stack = fake_stack(lab_with(ANSWERED, []))
    kamailio = BusyKamailio()
    stack.kamailio = kamailio  # type: ignore[assignment]
    looks: list[float] = []

    def never(evidence: Evidence) -> bool:
        looks.append(time.time())
        return False

    run_plan(stack, planned(tmp_path, f"calls: [{CALL % ''}]\n{within}"), never)
    assert (looks[-1] >= kamailio.due) is longer


def test_what_is_posted_between_the_last_look_at_requests_and_at_tables_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kamailio gives a BYE up, and posts the end, while a look is on the way from the one to the other."""
    monkeypatch.setattr(collector, "WITHIN", 0.2)
    begun: list[float] = []

    def tables(kamailio: FakeKamailio, prefix: str) -> dict[str, dict[str, str]]:
        begun.append(time.monotonic())
        while len(begun) == 2 and time.monotonic() < begun[1] + 0.5:  # until the wait is over; the first is before it
            time.sleep(0.01)
        return {"rating_state": {"1f2e-ana-1@sip.test": "ended"}}

    monkeypatch.setattr(FakeKamailio, "tables", tables)
    looks: list[float] = []

    def never(evidence: Evidence) -> bool:
        looks.append(time.monotonic())
        return False

    run_plan(fake_stack(lab_with(ANSWERED, [])), planned(tmp_path, f"calls: [{CALL % ''}]\n"), never)
    assert len(looks) == 2


def test_records_are_not_awaited_for_what_is_due_much_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "WITHIN", 0.1)
    stack = fake_stack(lab_with(ANSWERED, []))
    tables = {"rating_later": {"1f2e-ana-1@sip.test": f"{time.time() + 300:.0f}"}}
    monkeypatch.setattr(FakeKamailio, "tables", lambda self, prefix: tables)
    monkeypatch.setattr(collector, "WHILE_DUE", 60.0)
    started = time.monotonic()
    run_plan(stack, planned(tmp_path, f"calls: [{CALL % ''}]\n"), lambda evidence: False)
    assert time.monotonic() - started < 50


FAULTY = """\
faults: [{on: agent, path: end, nth: 2, status: 500}]
calls: [{id: ana, from: "1000", to: "39040123456"}]
expect: {within: 5s}
"""


def test_a_request_that_meets_its_fault_while_records_are_awaited_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An end that is tried again is posted long after its call."""
    plan = planned(tmp_path, FAULTY)
    looks: list[tuple[int, ...]] = []

    def faults(tap: FakeTap) -> list[FaultState]:
        return [FaultState(planned.fault, applied=int(len(looks) > 1)) for planned in plan.agent_faults]

    def settled(evidence: Evidence) -> bool:
        looks.append(evidence.idle)
        return not evidence.idle

    monkeypatch.setattr(FakeTap, "faults", faults)
    evidence = run_plan(fake_stack(lab_with(ANSWERED, [])), plan, settled)
    assert looks == [(0,), (0,), ()]
    assert evidence.idle == ()


def test_a_kamailio_that_dies_while_records_are_awaited_is_seen(tmp_path: Path) -> None:
    stack = fake_stack(lab_with(ANSWERED, []))
    looks: list[bool] = []

    def settled(evidence: Evidence) -> bool:
        looks.append(evidence.services[0].alive)
        stack.lab.stop_service("kamailio", Deadline(1.0))
        return len(looks) == 2

    run_plan(stack, planned(tmp_path, f"calls: [{CALL % ''}]\n"), settled)
    assert looks == [True, False]


class PreparedByHand(DeferredProgram):
    """Its start waits for what ``waits`` says of its name."""

    waits: Callable[[str], object] = staticmethod(lambda name: None)
    is_removed = False

    def start(self, files: Mapping[str, bytes] = MappingProxyType({})) -> Process:
        self.waits(self.name)
        return super().start(files)

    def remove(self) -> None:
        self.is_removed = True
        super().remove()


class PreparingLab(FakeLab):
    """What it prepares is kept in ``prepared``."""

    def __init__(self, waits: Callable[[str], object], trace: bytes = ANSWERED) -> None:
        super().__init__(runs=lab_with(trace, [])._runs)
        self._waits = waits
        self.prepared: list[PreparedByHand] = []

    def prepare(self, program: Program) -> PreparedByHand:
        super().prepare(program)
        prepared = PreparedByHand(program, self.run)
        prepared.waits = self._waits
        self.prepared.append(prepared)
        return prepared


TWO = '{id: ana, from: "1000", to: "39040123456"}, {id: bob, from: "1001", to: "39040123456"%s}'


def test_a_call_that_takes_its_time_to_begin_keeps_no_other_from_its_moment(tmp_path: Path) -> None:
    begun = threading.Barrier(2, timeout=30)
    lab = PreparingLab(lambda name: begun.wait())
    evidence = run(lab, planned(tmp_path, f"calls: [{TWO % ''}]\n"))
    assert [span.what for span in evidence.spans] == ["call ana", "call bob"]
    assert {result.host for result in evidence.sipp} == {"carrier", "caller-ana", "caller-bob"}


def test_all_is_prepared_before_the_first_call_begins_and_what_never_began_is_removed(tmp_path: Path) -> None:
    lab = PreparingLab(lambda name: None, REFUSED)
    said = ", requests: [{by: stranger, method: BYE}]"
    bob = f'{{id: bob, from: "1000", to: "39", start: ana is answered{said}}}'
    evidence = run(lab, planned(tmp_path, f"calls: [{CALL % ''}, {bob}]\n"))
    names = ["sipp-caller-ana-5060-udp", "sipp-caller-bob-5060-udp", "stranger-bob-0"]
    assert sorted(prepared.name for prepared in lab.prepared) == names
    first_run = lab.done.index(f"run {names[0]}")
    assert {f"prepare {name}" for name in names} <= set(lab.done[:first_run])
    assert all(prepared.is_removed for prepared in lab.prepared)
    assert {result.host for result in evidence.sipp} == {"carrier", "caller-ana"}
    assert [unsent.call for unsent in evidence.unsent] == ["bob"]


def test_a_call_that_can_not_begin_ends_the_run(tmp_path: Path) -> None:
    def refuses(name: str) -> None:
        if "bob" in name:
            raise LabError("the engine is out of luck")

    lab = PreparingLab(refuses)
    with pytest.raises(LabError, match="out of luck"):
        run(lab, planned(tmp_path, f"calls: [{TWO % ''}]\n"))
    assert all(prepared.is_removed for prepared in lab.prepared)
    assert all(program.removed for program in lab.programs)


def test_what_can_not_be_prepared_ends_the_run_before_any_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = PreparingLab(lambda name: None)
    prepare = lab.prepare

    def refuses(program: Program) -> PreparedByHand:
        if "bob" in program.name:
            raise LabError("there is no room for bob")
        return prepare(program)

    monkeypatch.setattr(lab, "prepare", refuses)
    with pytest.raises(LabError, match="no room for bob"):
        run(lab, planned(tmp_path, f"calls: [{TWO % ''}]\n"))
    assert "run sipp-caller-ana-5060-udp" not in lab.done
    assert [prepared.is_removed for prepared in lab.prepared] == [True]
    assert all(program.removed for program in lab.programs)


def test_a_signal_waits_for_a_caller_that_is_being_started(tmp_path: Path) -> None:
    """Its moment comes while its program begins."""
    is_over = threading.Event()

    def waits(name: str) -> None:
        if "bob" in name:
            assert is_over.wait(30)

    lab = PreparingLab(waits)
    bob = ", start: ana is answered, requests: [{method: INFO, at: ana is answered}]"
    stack = fake_stack(lab)
    looks = iter(range(1_000_000))
    dialogs = stack.kamailio.dialogs

    def look() -> Any:
        if next(looks) == 3:  # by then the request is due
            is_over.set()
        return dialogs()

    stack.kamailio.dialogs = look  # type: ignore[method-assign]
    run_plan(stack, planned(tmp_path, f"calls: [{TWO % bob}]\n"))
    (caller,) = [program for program in lab.programs if "bob" in program.name]
    assert caller.signals == [signal.SIGRTMIN]
