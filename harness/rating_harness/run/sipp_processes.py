"""The ends of calls in a lab, SIPp or the harness's own: started, awaited until they listen, stopped, read back."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import SippError, Timeout
from rating_harness.evidence.model import Octets, SipMessage, SippResult
from rating_harness.lab.protocol import Host, Lab, Prepared, Process, Program, Role
from rating_harness.sipp import pace
from rating_harness.sipp.agent import CONTROL_PORT, ERRORS, STATISTICS, Agent, command_of
from rating_harness.sipp.result import check_status, read_result
from rating_harness.sipp.trace import is_cut, parse_octets, parse_trace, read_messages
from rating_harness.useragent.agent import FAILED, OCTETS, UNSENT, UserAgent

__all__ = [
    "PreparedSipp",
    "SippProcess",
    "await_bound",
    "check_ended",
    "check_going_on",
    "messages_in",
    "prepare_pace",
    "prepare_sipp",
    "start_sipp",
    "stop_all",
]

_PACE = "pace.py"

_OURS = "the evidence holds what it was to do; this says nothing of Kamailio"

_STOP = 5.0
"""Seconds that a SIPp has to end after SIGTERM."""


@dataclass(slots=True)
class SippProcess:
    """A started SIPp, or a user agent of the harness's own.

    :ivar stopped: the harness ended it.
    :ivar stood_still: it wrote nothing while it was to end.
    :ivar ahead: seconds by which its machine's clock is ahead of the lab's: its messages' times are corrected by it.
    """

    agent: Agent | UserAgent
    process: Process
    stopped: bool = False
    ahead: float = 0.0
    stood_still: bool = False

    @property
    def statistics(self) -> bytes | None:
        """What SIPp has counted so far: a line each second, while it runs."""
        return self.process.read_file(STATISTICS)

    @property
    def trace(self) -> bytes:
        """What it has traced so far."""
        return self.process.read_file(self.agent.trace_file) or b""

    @property
    def messages(self) -> tuple[SipMessage, ...]:
        """The messages that it has sent and received so far, in its order.

        :raises EvidenceError: its trace holds something that isn't SIP.
        """
        return tuple(self.messages_in(self.trace))

    def messages_in(self, trace: bytes) -> Iterator[SipMessage]:
        """What it has traced, in order, by the lab's clock."""
        messages = messages_in(self.agent, trace)
        return (replace(each, at=each.at - self.ahead) for each in messages) if self.ahead else messages

    @property
    def call_ids(self) -> list[str]:
        """Those of the INVITEs that it has sent so far, in order."""
        invites = (each for each in self.messages if each.is_request and each.method == "INVITE")
        return list(dict.fromkeys(each.call_id for each in invites if each.direction == "sent"))

    @property
    def unsent(self) -> list[tuple[str, int, str]]:
        """Requests that it never sent: call, index and reason of each."""
        text = self.process.read_file(UNSENT)
        return [(call, index, why) for call, index, why in json.loads(text)] if text else []

    @property
    def octets(self) -> tuple[Octets, ...]:
        """What it has sent and received that isn't SIP, in its order."""
        trace = self.process.read_file(OCTETS) if isinstance(self.agent, UserAgent) else None
        return tuple(parse_octets(trace or b"", self.agent.host))

    @property
    def result(self) -> SippResult:
        """How it ended, or what it counts so far."""
        return read_result(
            self.agent.host,
            self.agent.role,
            self.process.poll(),
            self.process.read_file(STATISTICS),
            self.process.read_file(ERRORS),
            stopped=self.stopped,
        )

    def checked_result(self) -> SippResult:
        """:raises SippError: it couldn't work at all; of calls that failed, the result tells."""
        result = self.result
        # SIPp says nothing when it's stopped; a user agent that failed says so even then.
        failed = isinstance(self.agent, UserAgent) and result.status == FAILED
        check_status(replace(result, stopped=result.stopped and not failed), self.process.output(), self.program)
        if isinstance(self.agent, UserAgent) and self.agent.role == "carrier" and self._has_left(result):
            raise SippError(
                f"{self.program} on {result.host} ended by itself",
                found=f"exit status {result.status}",
                detail=self.process.output()[-2000:] or None,
                hint=_OURS,
            )
        return replace(result, trace_cut=not self.agent.brief and is_cut(self.trace))

    def _has_left(self, result: SippResult) -> bool:
        """Whether a carrier of our own isn't there any more, though nobody ended it."""
        return self.is_own and not result.stopped and result.status is not None

    @property
    def is_own(self) -> bool:
        """Whether it's the harness's own user agent."""
        return isinstance(self.agent, UserAgent) and self.agent.stack is None

    @property
    def program(self) -> str:
        """What it is, for messages."""
        if isinstance(self.agent, UserAgent):
            return self.agent.stack.name if self.agent.stack is not None else "the user agent"
        return "SIPp"


def messages_in(agent: Agent | UserAgent, trace: bytes) -> Iterator[SipMessage]:
    """What an end's trace holds, in order."""
    return read_messages(agent, trace) if isinstance(agent, Agent) else parse_trace(trace, agent.host)


@dataclass(frozen=True, slots=True)
class PreparedSipp:
    """One that is there, and begins at its moment."""

    agent: Agent | UserAgent
    program: Prepared
    ahead: float = 0.0

    def start(self, agent: UserAgent | None = None) -> SippProcess:
        """:param agent: what it is to be, where that wasn't known when it was prepared: another script."""
        if agent is None:
            return SippProcess(self.agent, self.program.start(), ahead=self.ahead)
        files = {name: content for name, content in agent.all_files.items() if name not in agent.files}
        return SippProcess(agent, self.program.start(files))


def start_sipp(
    lab: Lab,
    agent: Agent | UserAgent,
    name: str,
    *,
    host: Host | None = None,
    executable: str | None = None,
    options: tuple[str, ...] = (),
) -> SippProcess:
    """Start it, without waiting for anything.

    :param name: of the program in the lab.
    :param host: where it runs; the lab's host of the agent's name when not given.
    :param executable: a SIPp of this machine's in place of the lab's.
    :param options: further words of its command, behind all others.
    """
    return SippProcess(agent, lab.run(_program(lab, agent, name, host, executable, options)))


def prepare_sipp(lab: Lab, agent: Agent | UserAgent, name: str) -> PreparedSipp:
    """Have it ready for its moment.

    :param name: of the program in the lab.
    """
    return PreparedSipp(agent, lab.prepare(_program(lab, agent, name)))


def _program(
    lab: Lab,
    agent: Agent | UserAgent,
    name: str,
    host: Host | None = None,
    executable: str | None = None,
    options: tuple[str, ...] = (),
) -> Program:
    if isinstance(agent, UserAgent):
        return Program(name, "harness", agent.command, host or lab.host(agent.place or agent.host), agent.all_files)
    words = [executable or word if word == "sipp" else word for word in command_of(agent)]
    role: Role = "harness" if executable else "sipp"
    return Program(name, role, (*words, *options), host or lab.host(agent.host), agent.all_files)


def prepare_pace(lab: Lab, agent: Agent) -> Prepared:
    """Have ready what gives a SIPp its rates, one after another (`rating_harness.sipp.pace`)."""
    changes = [(at, rate * agent.period) for at, rate in agent.changes]
    files = {_PACE: Path(pace.__file__).read_bytes(), pace.CHANGES: json.dumps(changes).encode()}
    command = ("python", _PACE, agent.control or agent.address, str(CONTROL_PORT))
    return lab.prepare(Program(f"pace-{agent.host}-{agent.port}", "harness", command, lab.host(agent.host), files))


def await_bound(sipps: Iterable[SippProcess], deadline: Deadline) -> None:
    """Wait until each has bound its sockets.

    :raises SippError: one ended instead.
    :raises Timeout: one did neither.
    """
    for sipp in sipps:

        def bound(sipp: SippProcess = sipp) -> bool:
            if sipp.process.poll() is not None:
                sipp.checked_result()
                raise SippError(
                    f"{sipp.program} on {sipp.agent.host} ended at once",
                    found=f"exit status {sipp.process.poll()}",
                    detail=sipp.process.output()[-2000:],
                    hint=_OURS,
                )
            return sipp.process.read_file(STATISTICS) is not None

        what = f"{sipp.program} on {sipp.agent.host} binding its sockets"
        await_condition(bound, deadline, what, hint=_OURS)


def stop_all(sipps: Iterable[SippProcess]) -> list[SippProcess]:
    """End those that still run, in good order, so that their counts are written.

    :return: those that didn't end within `_STOP` seconds, and were killed.
    """
    running = list(sipps)
    written = {}
    for sipp in running:
        sipp.stopped = sipp.process.poll() is None
        written[id(sipp)] = sipp.statistics if sipp.stopped and isinstance(sipp.agent, Agent) else None
        sipp.process.signal(signal.SIGTERM)
    deadline = Deadline(_STOP)
    stuck = []
    for sipp in running:
        try:
            sipp.process.wait(deadline)
        except Timeout:
            sipp.stood_still = isinstance(sipp.agent, Agent) and sipp.statistics == written[id(sipp)]
            sipp.process.signal(signal.SIGKILL)
            stuck.append(sipp)
    return stuck


def check_ended(stuck: Iterable[SippProcess]) -> None:
    """:raises SippError: a user agent of our own didn't end when it was to, or a SIPp that wrote nothing any more: it
        answers Kamailio no more, either.

    SIPp may have calls to end first, and another stack takes its time.
    """
    for sipp in stuck:
        if sipp.is_own or sipp.stood_still:
            raise _stood_still(sipp, "that it ends when it gets SIGTERM", f"it still ran {_STOP:g} s later")


def check_going_on(sipps: Iterable[SippProcess]) -> None:
    """:raises SippError: a SIPp which still runs writes down no statistics any more, as it does each second."""
    for sipp, before in [(each, each.statistics) for each in sipps if each.process.poll() is None]:

        def goes_on(sipp: SippProcess = sipp, before: bytes | None = before) -> bool:
            return sipp.process.poll() is not None or sipp.statistics != before

        try:
            if isinstance(sipp.agent, Agent):
                await_condition(goes_on, Deadline(_STOP), "SIPp's statistics")
        except Timeout:
            raise _stood_still(sipp, "its statistics, each second", f"none in {_STOP:g} s") from None


def _stood_still(sipp: SippProcess, expected: str, found: str) -> SippError:
    return SippError(
        f"{sipp.program} on {sipp.agent.host} stood still",
        expected=expected,
        found=found,
        hint=f"was it stopped, or is the machine too busy? {_OURS[0].upper()}{_OURS[1:]}",
    )
