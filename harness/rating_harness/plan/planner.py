"""From a scenario to a plan. The same seed and token make the same plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from random import Random

from rating_harness.lab.protocol import Host
from rating_harness.plan.callers import plan_call
from rating_harness.plan.carriers import plan_carriers
from rating_harness.plan.faults import plan_faults
from rating_harness.plan.load import in_numbers
from rating_harness.plan.model import Plan, PlannedCarrier, PlannedRequest
from rating_harness.plan.replaces import with_replaces
from rating_harness.plan.sampling import draw_call
from rating_harness.plan.user_agents import sip_request, waits_for_others
from rating_harness.scenario.calls import TRACED
from rating_harness.scenario.foreseen import waits
from rating_harness.scenario.model import Scenario
from rating_harness.scenario.sipp_files import longest_pause
from rating_harness.sipp.agent import Agent
from rating_harness.useragent.agent import OtherStack, UserAgent

__all__ = ["breaks_services", "plan_scenario", "speaks_tls"]


def plan_scenario(
    scenario: Scenario, *, token: str, seed: int, hosts: Callable[[str], Host], stack: OtherStack | None = None
) -> Plan:
    """Decide everything.

    :param token: begins every Call-ID: letters and digits, new for each run.
    :param seed: for what is sampled, when the scenario has none of its own.
    :param hosts: the host of a name; assigns addresses to new ones (`rating_harness.lab.protocol.Lab.host`).
    :param stack: who is to be at the ends: baresip at all, Asterisk at those that are called. What each can't do, say
        `rating_harness.plan.baresip` and `rating_harness.plan.asterisk`.
    :raises PlanError: something that can't be carried out, with its place in the file.
    """
    seed = scenario.seed if scenario.seed is not None else seed
    random = Random(f"{seed}:{scenario.id}")
    single, scenario = scenario, with_replaces(in_numbers(scenario), token)
    sampled = {call.id: draw_call(call, random) for call in scenario.calls}
    number = sum(each.calls for each in sampled.values())
    patience = waits(scenario)
    calls_itself = stack is not None and stack.name == "baresip"
    calls = [
        plan_call(scenario, index, token, sampled[call.id], patience, hosts, own=calls_itself)
        for index, call in enumerate(scenario.calls)
    ]
    carriers = plan_carriers(scenario, token, sampled, random, patience, hosts)
    if number > TRACED:
        calls = [replace(call, agent=_brief(call.agent)) for call in calls]
        carriers = tuple(replace(each, agent=_brief(each.agent)) if each.agent else each for each in carriers)
    if calls_itself:
        calls = [replace(call, agent=_by(stack, call.agent)) for call in calls]
    if stack is not None:
        carriers = tuple(replace(each, agent=_by(stack, each.agent)) if each.agent else each for each in carriers)
    agent_faults, outages = plan_faults(scenario, token, random)
    return Plan(
        scenario=single,
        token=token,
        seed=seed,
        calls=tuple(calls),
        carriers=carriers,
        agent_faults=tuple(agent_faults),
        outages=tuple(outages),
        sip_requests=tuple(_watched_requests(scenario)),
        defines={name: str(value) for name, value in scenario.kamailio.defines.items()},
        tls=speaks_tls(scenario),
        ipv6=scenario.requires.ipv6 or any(call.ipv6 for call in scenario.calls),
        traced=scenario.expect.routes is not None,
        horizon=max(patience, *(call.longest + 10.0 for call in calls)) + _pauses(scenario, carriers),
    )


def _pauses(scenario: Scenario, carriers: Iterable[PlannedCarrier]) -> float:
    """Seconds that a carrier's SIPp file of the author's may take until it hangs up."""
    agents = (each.agent for each in carriers if isinstance(each.agent, Agent))
    by_hand = {host for host, behaviour in scenario.carriers.items() if behaviour.sipp is not None}
    return max((longest_pause(agent.scenario) for agent in agents if agent.host in by_hand), default=0.0)


def _brief(agent: Agent | UserAgent) -> Agent | UserAgent:
    return replace(agent, brief=True) if isinstance(agent, Agent) else agent


def _by(stack: OtherStack | None, agent: Agent | UserAgent) -> Agent | UserAgent:
    return replace(agent, stack=stack) if isinstance(agent, UserAgent) else agent


def _watched_requests(scenario: Scenario) -> Iterator[PlannedRequest]:
    """Strangers' requests, and those of an end whose moment is another call's or the scenario's."""
    for call in scenario.calls:
        for index, request in enumerate(call.requests):
            at = request.at
            if request.by == "stranger" or waits_for_others(at):
                when = replace(at, call=call.id) if at.call is None and at.event is not None else at
                yield PlannedRequest(call.id, index, request.by, when, sip_request(request, call))


def speaks_tls(scenario: Scenario) -> bool:
    """Whether Kamailio and SIPp need TLS for it."""
    callers = any(call.transport == "tls" for call in scenario.calls)
    carriers = any(carrier.protocol == "TLS" for carrier in scenario.given.carriers)
    return scenario.requires.tls or callers or carriers


def breaks_services(scenario: Scenario) -> bool:
    """Whether services are killed, or started in another way: the lab has to be one's own."""
    outages = any(fault.is_outage for fault in scenario.faults) or scenario.clock is not None
    kamailio = scenario.kamailio
    own_way = (
        kamailio.defines
        or kamailio.config
        or kamailio.memory
        or kamailio.package_memory
        or scenario.requires.ipv6
        or scenario.expect.routes
    )
    return bool(outages or own_way or speaks_tls(scenario) or any(call.ipv6 for call in scenario.calls))
