"""Ways to spoil the harness's own ends, in a lab: each is said to be the harness's own, and none Kamailio's.

Each end is SIPp as the lab has it: its scenario, its signal, its disk and its clock are what is spoilt.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from signal import SIGKILL, SIGSTOP, Signals
from types import MappingProxyType
from typing import Any, cast

import pytest

from rating_harness.errors import EndpointError, HarnessError, SippError
from rating_harness.lab.clock import compiled
from rating_harness.lab.protocol import Lab, Prepared, Process, Program
from rating_harness.run import runner, sipp_processes
from rating_harness.run.options import Options
from rating_harness.run.sipp_processes import PreparedSipp, SippProcess, prepare_sipp, start_sipp
from rating_harness.scenario.loader import load
from rating_harness.session.session import Session
from rating_harness.session.stored_runs import RunStore
from rating_harness.sipp.agent import MESSAGES, Agent
from rating_harness.useragent.agent import UserAgent
from tests.lab import spoilt_carrier
from tests.lab.spoilt_carrier import AHEAD

pytestmark = pytest.mark.lab

TEXT = """\
scenario: A call whose ends are not what they should be
given:
  accounts: [{account_tag: "1000", type: PREPAID, balance: 100}]
  carriers: [{carrier_tag: carrier, host: carrier}]
  pricelists: [{pricelist_tag: retail, rates: [{carrier_tag: carrier, prefix: "sip:39", rate: 1}]}]
calls: [{id: ana, from: "1000", to: "39040123456", hold: HOLD, expect: {reply: 200}}]
"""
CALLER, CARRIER = "caller-ana", "carrier"
CARRIER_XML = """\
<scenario name="a carrier">
  <recv request="INVITE" rrs="true"/>
  <send><![CDATA[

      SIP/2.0 200 OK
      [last_Via:]
      [last_Record-Route:]
      [last_From:]
      [last_To:];tag=c[call_number]
      [last_Call-ID:]
      [last_CSeq:]
      Contact: <sip:[local_ip]:[local_port]>
      Content-Length: 0

  ]]></send>
  <recv request="ACK"/>
  <recv request="BYE"/>
</scenario>
"""
OF_AN_AUTHOR = TEXT + "carriers: {carrier: {sipp: carrier.xml}}\n"
LOAD = TEXT.replace("hold: HOLD, ", "") + "load: {rate: 4, duration: 1s, hold: 1s}\n"


class LabOfSpoiltPrograms:
    """A lab that starts programs with other commands, and other files beside them."""

    def __init__(self, lab: Lab, spoil: Callable[[Program], Program]) -> None:
        self._lab = lab
        self._spoil = spoil

    def run(self, program: Program) -> Process:
        return self._lab.run(self._spoil(program))

    def prepare(self, program: Program) -> Prepared:
        return self._lab.prepare(self._spoil(program))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lab, name)


@dataclass
class Killed:
    """A process that gets a signal once its trace has the text."""

    process: Process
    signum: Signals
    once: bytes
    is_killed: bool = field(default=False, init=False)

    def poll(self) -> int | None:
        if not self.is_killed and self.once in (self.process.read_file(MESSAGES) or b""):
            self.process.signal(self.signum)
            self.is_killed = True
        return self.process.poll()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.process, name)


@dataclass
class PreparedToBeKilled:
    """Once it has begun, its process is that of ``killed``."""

    program: Prepared
    killed: Callable[[Process], Process]

    def start(self, files: Mapping[str, bytes] = MappingProxyType({})) -> Process:
        return self.killed(self.program.start(files))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.program, name)


@dataclass(frozen=True)
class Sabotage:
    """What is done to the end on one host.

    :param to_end: seconds that it has to end, in place of the usual ones.
    :param calls: whether a call is made all the same.
    """

    host: str
    text: str = TEXT
    hold: str = "1s"
    scenario: Callable[[str], str] = lambda text: text
    program: Callable[[Lab, Program], Program] = lambda _, program: program
    killed: Callable[[Process], Process] = lambda process: process
    to_end: float | None = None
    calls: bool = True

    def start(self, lab: Lab, agent: Agent | UserAgent, name: str) -> SippProcess:
        """In place of `start_sipp`."""
        if agent.host != self.host:
            return start_sipp(lab, agent, name)
        sipp = start_sipp(self._spoilt(lab), self._played(agent), name)
        sipp.process = self.killed(sipp.process)
        return sipp

    def prepare(self, lab: Lab, agent: Agent | UserAgent, name: str) -> PreparedSipp:
        """In place of `prepare_sipp`."""
        if agent.host != self.host:
            return prepare_sipp(lab, agent, name)
        prepared = prepare_sipp(self._spoilt(lab), self._played(agent), name)
        return replace(prepared, program=cast(Prepared, PreparedToBeKilled(prepared.program, self.killed)))

    def _spoilt(self, lab: Lab) -> Any:
        return LabOfSpoiltPrograms(lab, lambda program: self.program(lab, program))

    def _played(self, agent: Agent | UserAgent) -> Agent | UserAgent:
        return replace(agent, scenario=self.scenario(agent.scenario)) if isinstance(agent, Agent) else agent

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runner, "start_sipp", self.start)
        monkeypatch.setattr(runner, "prepare_sipp", self.prepare)
        if self.to_end is not None:
            monkeypatch.setattr(sipp_processes, "_STOP", self.to_end)


def _with_wrong_ack(scenario: str) -> str:
    spoilt, number = re.subn(r"(ACK \[next_url\].*?\[\$callee\])", r"\1x", scenario, flags=re.DOTALL)
    assert number == 1
    return spoilt


def _with_long_requests(scenario: str) -> str:
    lines = "".join(f"\n      Subject: {number} {'long ' * 40}" for number in range(15))
    assert "Max-Forwards: 70" in scenario
    return scenario.replace("Max-Forwards: 70", f"Max-Forwards: 70{lines}")


def _with_full_disk(lab: Lab, program: Program) -> Program:
    """Its files end at 2 KiB, within the INVITE; writing more fails as on a full disk."""
    return replace(program, argv=("sh", "-c", "trap '' XFSZ; ulimit -f 4; exec \"$@\"", "sh", *program.argv))


_TAKES_THE_PORT = """\
use Socket;
my %of = map { $ARGV[$_] => $ARGV[$_ + 1] } 0 .. $#ARGV - 1;
$^F = 255;
socket(my $taken, PF_INET, SOCK_DGRAM, 0) or die;
bind($taken, sockaddr_in($of{"-p"}, inet_aton($of{"-i"}))) or die;
exec @ARGV;
"""
"""For Perl, which Debian always has: who inherits the socket can't have another one there."""


def _on_a_port_that_is_taken(lab: Lab, program: Program) -> Program:
    """Another program on its host has the port already, as a second SIPp would."""
    return replace(program, argv=("perl", "-e", _TAKES_THE_PORT, *program.argv))


def _with_clock_ahead(lab: Lab, program: Program) -> Program:
    page = b"".join(struct.pack("=q", each) for each in (round(AHEAD * 1e9), round(0.02 * 1e9), 0, 0))
    files: Mapping[str, bytes] = {**program.files, "clock.so": compiled(lab), "page": page.ljust(4096, b"\0")}
    return replace(program, argv=("env", "LD_PRELOAD=./clock.so", "RATING_CLOCK=page", *program.argv), files=files)


def _spoilt_carrier(how: str) -> Sabotage:
    """Carriers are the harness's own user agents."""
    module = Path(spoilt_carrier.__file__)

    def program(_: Lab, program: Program) -> Program:
        argv = ("python", module.name, how, *program.argv[3:])
        return replace(program, argv=argv, files={**program.files, module.name: module.read_bytes()})

    return Sabotage(CARRIER, program=program)


SABOTAGES: Mapping[str, tuple[Sabotage, type[HarnessError], tuple[str, ...]]] = {
    "a carrier mangles To": (
        _spoilt_carrier("parameter in To"),
        EndpointError,
        ("our own end carrier sent a malformed 180 to INVITE", "the parameters of To are x=1, and were none"),
    ),
    "a carrier has another user in To": (
        _spoilt_carrier("another user in To"),
        EndpointError,
        ("our own end carrier sent a malformed 180 to INVITE", "To is sip:nobody@"),
    ),
    "a caller's ACK has a wrong tag": (
        Sabotage(CALLER, scenario=_with_wrong_ack),
        EndpointError,
        ("our own end caller-ana sent a malformed ACK", "the tag of To in its ACK is"),
    ),
    "a caller's SIPp dies": (
        Sabotage(CALLER, hold="30s", killed=lambda process: Killed(process, SIGKILL, b"SIP/2.0 200")),
        SippError,
        ("SIPp on caller-ana could not do its work", "signal 9"),
    ),
    "a caller's port is another's": (
        Sabotage(CALLER, program=_on_a_port_that_is_taken, calls=False),
        SippError,
        ("SIPp on caller-ana could not do its work", "an address was already in use"),
    ),
    "a carrier dies": (
        _spoilt_carrier("dies"),
        SippError,
        ("the user agent on carrier could not do its work", "signal 9"),
    ),
    "a carrier is stopped": (
        Sabotage(CARRIER, hold="2s", killed=lambda process: Killed(process, SIGSTOP, b"SIP/2.0 200"), to_end=1.0),
        SippError,
        ("the user agent on carrier stood still", "was it stopped"),
    ),
    "a carrier of an author's is stopped": (
        Sabotage(
            CARRIER,
            OF_AN_AUTHOR,
            killed=lambda process: Killed(process, SIGSTOP, b"SIP/2.0 200"),
            to_end=2.0,
        ),
        SippError,
        ("SIPp on carrier stood still", "was it stopped"),
    ),
    "a load's carrier dies": (
        Sabotage(CARRIER, LOAD, killed=lambda process: Killed(process, SIGKILL, b"SIP/2.0 200")),
        SippError,
        ("carrier could not do its work", "signal 9"),
    ),
    "a carrier leaves": (
        _spoilt_carrier("leaves"),
        SippError,
        ("the user agent on carrier ended by itself", "exit status 0"),
    ),
    "a carrier says not where it is": (
        _spoilt_carrier("no Contact"),
        EndpointError,
        ("our own end carrier sent a malformed", "an answer without a Contact"),
    ),
    "a carrier sends what isn't SIP": (
        _spoilt_carrier("no SIP"),
        EndpointError,
        ("our own end carrier sent a malformed message", "no SIP message: 'SPI/2.0"),
    ),
    "a carrier's trace lacks its answer": (
        _spoilt_carrier("no answer in its trace"),
        EndpointError,
        ("the trace of carrier lacks the 200 to INVITE that Kamailio got from it",),
    ),
    "a caller's SIPp makes no call": (
        Sabotage(CALLER, program=lambda _, program: replace(program, argv=("true",))),
        EndpointError,
        ("our own end caller-ana made no call",),
    ),
    "a caller's trace is cut": (
        Sabotage(CALLER, scenario=_with_long_requests, program=_with_full_disk),
        EndpointError,
        ("the trace of SIPp on caller-ana is cut off within a message",),
    ),
    "a carrier's trace is cut": (
        _spoilt_carrier("trace cut"),
        EndpointError,
        ("the trace of SIPp on carrier is cut off within a message",),
    ),
    "a caller's clock is ahead": (
        Sabotage(CALLER, program=_with_clock_ahead),
        EndpointError,
        ("the clocks of the ends differ",),
    ),
    "a carrier's clock is ahead": (
        _spoilt_carrier("clock ahead"),
        EndpointError,
        ("the clocks of the ends differ",),
    ),
}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    store = RunStore(tmp_path_factory.mktemp("evidence"), pytest.fail)
    options = Options(lab="local", seed=1)
    with closing(Session(options, store.store, alone=True, store_not_run=store.store_not_run)) as session:
        yield session


@pytest.mark.parametrize(("sabotage", "kind", "said"), SABOTAGES.values(), ids=SABOTAGES)
def test_a_spoilt_end_is_the_harness_s_fault(
    sabotage: Sabotage,
    kind: type[HarnessError],
    said: tuple[str, ...],
    session: Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "s.yaml").write_text(sabotage.text.replace("HOLD", sabotage.hold))
    (tmp_path / "carrier.xml").write_text(CARRIER_XML)
    sabotage.install(monkeypatch)
    with pytest.raises(HarnessError) as caught:
        session.run(load(tmp_path / "s.yaml")[0])
    assert type(caught.value) is kind, caught.value
    assert all(each in str(caught.value) for each in said), caught.value
    folder = caught.value.folder
    assert folder is not None
    assert said[0] in (folder / "not-run.txt").read_text()
    assert not (folder / "verdict.txt").exists(), "nothing can be said of Kamailio"
    if kind is SippError and sabotage.calls:
        traces = [*folder.glob("sipp/*/messages.log")]
        assert sorted(trace.parent.name for trace in traces) == ["caller-ana-5060-udp", "carrier-5060-udp"]
        assert all(b"INVITE sip:39040123456@" in trace.read_bytes() for trace in traces)


def test_the_same_call_with_its_ends_as_they_are_passes(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "s.yaml").write_text(TEXT.replace("HOLD", "1s"))
    Sabotage(CALLER).install(monkeypatch)
    verdict = session.run(load(tmp_path / "s.yaml")[0]).verdict
    assert verdict is not None
    assert verdict.findings == ()
