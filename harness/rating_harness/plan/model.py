"""A plan: what will be done, with everything decided. It can be printed, and nothing in it runs anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from rating_harness.plan.sampling import Sampled
from rating_harness.scenario.clock import skips_of
from rating_harness.scenario.model import Scenario
from rating_harness.scenario.values import Moment
from rating_harness.sipp.agent import Agent
from rating_harness.tap.faults import Fault as TapFault
from rating_harness.useragent.agent import UserAgent
from rating_harness.useragent.dialog import SipRequest

__all__ = ["AgentFault", "Outage", "Plan", "PlannedCall", "PlannedCarrier", "PlannedRequest"]


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A call of the scenario, or its repetitions: one process.

    :param call_ids: one for each repetition, in order.
    :param sampled: what was sampled for it.
    :param longest: seconds after which the last of them is over, if all goes as planned.
    :param generator: which of several makes it, from 1 (`rating_harness.plan.generators`); 0: there are none.
    :param late: seconds that it begins after the others of its start.
    """

    id: str
    agent: Agent | UserAgent
    call_ids: tuple[str, ...]
    start: Moment
    sampled: Sampled
    longest: float
    generator: int = 0
    late: float = 0.0

    @property
    def key(self) -> str:
        """What it's known by among the plan's: its id, unless it isn't the first generator's."""
        return self.id if self.generator <= 1 else f"{self.id}/{self.generator}"


@dataclass(frozen=True, slots=True)
class PlannedCarrier:
    """A host that is called: one process, or nobody (``agent`` None) at an address that exists."""

    host: str
    agent: Agent | UserAgent | None


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """A request beside a call's own whose moment the harness watches for.

    :param index: among the call's ``requests``.
    :param by: a stranger's is made and sent when its moment comes; of an end, its program is signalled then.
    """

    call: str
    index: int
    by: Literal["caller", "callee", "stranger"]
    when: Moment
    request: SipRequest


@dataclass(frozen=True, slots=True)
class AgentFault:
    """A fault for the tap, in force from ``when`` (None: from the start) until ``until`` (None: to the end).

    :param index: among the scenario's faults.
    """

    index: int
    fault: TapFault
    when: Moment | None = None
    until: Moment | None = None


@dataclass(frozen=True, slots=True)
class Outage:
    """Something that a service or a host goes through.

    :param index: among the scenario's faults.
    :param seconds: how long; None for good.
    """

    index: int
    kind: Literal["kill", "restart", "stop", "pause", "unplug"]
    target: str
    seconds: float | None
    when: Moment
    until: Moment | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run needs.

    :param token: begins every Call-ID; no two runs have the same.
    :param seed: of all values that were sampled.
    :param tls, ipv6: whether Kamailio has to speak it.
    :param traced: whether Kamailio has to log which routes ran.
    :param horizon: seconds, on the lab's clock, from the first call's start by which all calls must be over.
    """

    scenario: Scenario
    token: str
    seed: int
    calls: tuple[PlannedCall, ...]
    carriers: tuple[PlannedCarrier, ...]
    agent_faults: tuple[AgentFault, ...]
    outages: tuple[Outage, ...]
    sip_requests: tuple[PlannedRequest, ...]
    defines: Mapping[str, str]
    tls: bool
    ipv6: bool
    horizon: float
    traced: bool = False

    @property
    def is_brief(self) -> bool:
        """Whether there are too many calls for their messages to be kept whole."""
        return any(call.agent.brief for call in self.calls)

    @property
    def knows_call_ids(self) -> bool:
        """Whether the callers use the Call-IDs that were planned."""
        return not any(isinstance(call.agent, UserAgent) and call.agent.stack for call in self.calls)

    @property
    def call_ids(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for call in self.calls:
            found[call.id] = (*found.get(call.id, ()), *call.call_ids)
        return found

    @property
    def moments(self) -> tuple[Moment, ...]:
        """All that something waits for: a call's start, a request, a fault's or an outage's begin and end, a skip."""
        named = [call.start for call in self.calls]
        named += [moment for fault in self.agent_faults for moment in (fault.when, fault.until) if moment]
        named += [moment for outage in self.outages for moment in (outage.when, outage.until) if moment]
        named += [request.when for request in self.sip_requests]
        named += [skip.when for _, skip in skips_of(self.scenario)]
        return tuple(named)
