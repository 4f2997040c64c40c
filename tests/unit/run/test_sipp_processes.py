"""SIPp's processes: started, awaited, stopped, read back."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest

from rating_harness.deadline import Deadline
from rating_harness.errors import SippError, Timeout
from rating_harness.lab.protocol import Host, Program
from rating_harness.run import sipp_processes
from rating_harness.run.sipp_processes import (
    SippProcess,
    await_bound,
    check_ended,
    check_going_on,
    start_sipp,
    stop_all,
)
from rating_harness.sipp.agent import Agent
from rating_harness.useragent.agent import OtherStack, UserAgent
from rating_harness.useragent.dialog import Place
from rating_harness.useragent.script import SenderScript, Socket
from tests.unit.run.fake_lab import FakeLab, FakeProcess

CARRIER = Agent(role="carrier", host="carrier", address="198.18.0.30", port=5060, scenario="<scenario/>")
STATISTICS = b"StartTime;TotalCallCreated;SuccessfulCall(C);FailedCall(C);\nx;1;1;0;\n"


def test_a_sipp_gets_its_files_and_its_host() -> None:
    programs: list[Program] = []

    def runs(program: Program) -> FakeProcess:
        programs.append(program)
        return FakeProcess(program.name)

    start_sipp(FakeLab(runs=runs), CARRIER, "sipp-carrier")
    (program,) = programs
    assert (program.name, program.role, program.host.name) == ("sipp-carrier", "sipp", "carrier")
    assert program.files == {"uas-carrier.xml": b"<scenario/>"}
    assert "sipp" in program.argv


def test_an_executable_of_this_machine_runs_where_it_is_said_and_with_its_options() -> None:
    programs: list[Program] = []

    def runs(program: Program) -> FakeProcess:
        programs.append(program)
        return FakeProcess(program.name)

    own = Host("seat", "127.0.0.1")
    start_sipp(FakeLab(runs=runs), CARRIER, "x", host=own, executable="/opt/sipp", options=("-cp", "9999"))
    (program,) = programs
    assert (program.role, program.host) == ("harness", own)
    assert "/opt/sipp" in program.argv
    assert program.argv[-2:] == ("-cp", "9999")


def test_a_sipp_listens_once_its_statistics_are_there() -> None:
    process = FakeProcess("sipp-carrier")
    with pytest.raises(Timeout, match="SIPp on carrier binding its sockets"):
        await_bound([SippProcess(CARRIER, process)], Deadline(0.05))
    process.files["statistics.csv"] = b""
    await_bound([SippProcess(CARRIER, process)], Deadline(0.05))


@pytest.mark.parametrize(("status", "said"), [(255, "could not do its work"), (0, "ended at once")])
def test_a_sipp_that_ends_instead_of_listening_is_an_error_with_its_output(status: int, said: str) -> None:
    process = FakeProcess("sipp-carrier", status=status, log="Unable to bind main socket")
    with pytest.raises(SippError, match=said) as raised:
        await_bound([SippProcess(CARRIER, process)], Deadline(1.0))
    assert "Unable to bind main socket" in str(raised.value)


def test_those_that_run_are_ended_in_good_order_and_counted_as_stopped() -> None:
    running, over = SippProcess(CARRIER, FakeProcess("a")), SippProcess(CARRIER, FakeProcess("b", status=0))
    stop_all([running, over])
    assert (running.stopped, over.stopped) == (True, False)
    assert running.process.poll() == 0


def test_one_that_ignores_it_is_killed() -> None:
    process = FakeProcess("a", ends_on_signal=False)
    stop_all([SippProcess(CARRIER, process)])
    assert process.signals == [signal.SIGTERM, signal.SIGKILL]


def test_a_sipp_that_writes_nothing_while_it_is_to_end_stood_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sipp_processes, "_STOP", 0.05)
    still = SippProcess(CARRIER, FakeProcess("a", ends_on_signal=False, files={"statistics.csv": STATISTICS}))
    with pytest.raises(SippError, match="SIPp on carrier stood still"):
        check_ended(stop_all([still]))

    class Writing(FakeProcess):
        def read_file(self, name: str) -> bytes | None:
            self.files[name] = self.files.get(name, b"") + b"1;2\n"
            return self.files[name]

    check_ended(stop_all([SippProcess(CARRIER, Writing("a", ends_on_signal=False))]))  # it has calls to end


def test_a_sipp_that_still_runs_writes_each_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sipp_processes, "_STOP", 0.05)
    still = SippProcess(CARRIER, FakeProcess("a", files={"statistics.csv": STATISTICS}))
    with pytest.raises(SippError, match="SIPp on carrier stood still"):
        check_going_on([still])
    check_going_on([SippProcess(CARRIER, FakeProcess("a", status=0, files={"statistics.csv": STATISTICS}))])


def test_counts_are_read_back() -> None:
    process = FakeProcess("a", status=0, files={"statistics.csv": STATISTICS})
    result = SippProcess(CARRIER, process).checked_result()
    assert (result.created, result.successful, result.failed) == (1, 1, 0)


@pytest.mark.parametrize("stopped", [True, False])
def test_a_user_agent_that_failed_is_told_from_kamailio(stopped: bool) -> None:
    place = Place("198.18.0.30", 5060)
    script = SenderScript("s", Socket(place, place, "udp"), ("x",))
    agent = UserAgent("carrier", "carrier", "198.18.0.30", 5060, script)
    process = FakeProcess("a", status=255, files={"errors.log": b"ValueError: no such thing"})
    with pytest.raises(SippError, match="the user agent on carrier could not do its work") as raised:
        SippProcess(agent, process, stopped=stopped).checked_result()
    with pytest.raises(SippError, match="baresip on carrier could not do its work"):
        SippProcess(
            replace(agent, stack=OtherStack("baresip", Path("/root"))), process, stopped=stopped
        ).checked_result()
    assert "no such thing" in str(raised.value)
    process.status = 0
    assert SippProcess(replace(agent, role="caller"), process, stopped=stopped).checked_result().status == 0


def test_a_carrier_that_ends_before_it_is_stopped_is_the_harness_s_fault() -> None:
    place = Place("198.18.0.30", 5060)
    script = SenderScript("s", Socket(place, place, "udp"), ("x",))
    agent = UserAgent("carrier", "carrier", "198.18.0.30", 5060, script)
    process = FakeProcess("a", status=0)
    assert SippProcess(agent, process, stopped=True).checked_result().status == 0
    with pytest.raises(SippError, match="the user agent on carrier ended by itself"):
        SippProcess(agent, process).checked_result()
