"""From a scenario to a plan. The same seed and token make the same plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

from rating_harness.errors import PlanError
from rating_harness.lab.protocol import Host
from rating_harness.plan.callers import plan_call
from rating_harness.plan.carriers import plan_carriers
from rating_harness.plan.faults import plan_faults
from rating_harness.plan.load import TRACED, in_numbers, refuse_unseen
from rating_harness.plan.model import Plan
from rating_harness.plan.sampling import draw_call
from rating_harness.scenario.calls import Call
from rating_harness.scenario.matchers import Near
from rating_harness.scenario.model import Scenario
from rating_harness.scenario.nodes import ValuePath

__all__ = ["breaks_services", "plan_scenario", "speaks_tls"]

PATIENCE = 20.0
"""Seconds that everything may take beyond what the calls themselves last: more than Kamailio's timers in the lab."""


def plan_scenario(scenario: Scenario, *, token: str, seed: int, hosts: Callable[[str], Host]) -> Plan:
    """Decide everything.

    :param token: begins every Call-ID: letters and digits, new for each run.
    :param seed: for what is drawn, when the scenario has none of its own.
    :param hosts: the host of a name; assigns addresses to new ones (`rating_harness.lab.protocol.Lab.host`).
    :raises PlanError: something that can't be carried out, with its place in the file.
    """
    _refuse_unplanned(scenario)
    seed = scenario.seed if scenario.seed is not None else seed
    random = Random(f"{seed}:{scenario.id}")
    told, scenario = scenario, in_numbers(scenario)
    drawn = {call.id: draw_call(call, random) for call in scenario.calls}
    number = sum(each.calls for each in drawn.values())
    refuse_unseen(scenario, number)
    patience = PATIENCE + max(map(_lasts, scenario.calls))
    if scenario.timeout and not scenario.load:
        patience = scenario.timeout
    calls = [
        plan_call(scenario, index, token, drawn[call.id], patience, hosts)
        for index, call in enumerate(scenario.calls)
    ]
    carriers = plan_carriers(scenario, token, drawn, random, patience, hosts)
    if number > TRACED:
        calls = [replace(call, agent=replace(call.agent, brief=True)) for call in calls]
        carriers = tuple(
            replace(each, agent=replace(each.agent, brief=True)) if each.agent else each for each in carriers
        )
    agent_faults, outages = plan_faults(scenario, token, random)
    return Plan(
        scenario=told,
        token=token,
        seed=seed,
        calls=tuple(calls),
        carriers=carriers,
        agent_faults=tuple(agent_faults),
        outages=tuple(outages),
        defines={name: str(value) for name, value in scenario.kamailio.defines.items()},
        tls=speaks_tls(scenario),
        ipv6=scenario.requires.ipv6 or any(call.ipv6 for call in scenario.calls),
        traced=scenario.expect.routes is not None,
        horizon=max(patience, *(call.longest + 10.0 for call in calls)),
    )


_UNPLANNED = ("host", "uri", "display", "contact", "cseq", "requests")


def _refuse_unplanned(scenario: Scenario) -> None:
    """:raises PlanError: what the language can say and no plan carries out yet, with its place."""
    places: list[ValuePath] = [("phones", host) for host in scenario.phones]
    places += [
        ("calls", index, key)
        for index, call in enumerate(scenario.calls)
        for key in _UNPLANNED
        if key in call.model_fields_set
    ]
    if places:
        raise PlanError(f"{places[0][-1]!r} can't be carried out by this version", where=scenario.where(*places[0]))


def _lasts(call: Call) -> float:
    """Seconds from a call's INVITE to its BYE, at most, as far as the scenario tells."""
    ring = call.ring.high if call.ring else 0.0
    hold = call.hold.high if call.hold else 1.0
    expected = call.expect.duration
    limit = expected.value + expected.tolerance if isinstance(expected, Near) else 0.0
    return ring + max(hold, limit)


def speaks_tls(scenario: Scenario) -> bool:
    """Whether Kamailio and SIPp need TLS for it."""
    callers = any(call.transport == "tls" for call in scenario.calls)
    carriers = any(carrier.protocol == "TLS" for carrier in scenario.given.carriers)
    return scenario.requires.tls or callers or carriers


def breaks_services(scenario: Scenario) -> bool:
    """Whether services are killed, or started in another way: the lab has to be one's own."""
    outages = any(fault.is_outage for fault in scenario.faults)
    own_way = (
        scenario.kamailio.defines or scenario.kamailio.config or scenario.requires.ipv6 or scenario.expect.routes
    )
    return bool(outages or own_way or speaks_tls(scenario) or any(call.ipv6 for call in scenario.calls))
