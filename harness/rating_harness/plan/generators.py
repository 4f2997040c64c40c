"""The callers of a load, shared out over several generators: each has calls, rate and Call-IDs of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rating_harness.errors import PlanError
from rating_harness.plan.callers import DEFAULT_DOMAIN, USERS, users_file
from rating_harness.plan.load import in_numbers, pace_of
from rating_harness.plan.model import Plan, PlannedCall
from rating_harness.scenario.calls import Load
from rating_harness.scenario.model import Call
from rating_harness.sipp.agent import CONTROL_PORT, Agent

__all__ = ["parts_of", "share_out"]


def parts_of(total: int, generators: int) -> tuple[int, ...]:
    """Whole numbers that are ``total`` together, of which none is more than one larger than another; the first is the
    largest."""
    return tuple(-(-(total - each) // generators) for each in range(generators))


def share_out(plan: Plan, generators: int) -> Plan:
    """The plan with its callers shared out: in place of each there are as many as generators, less those that would
    have no call to make. All else, the carriers and the faults, stays as it is.

    A call has one number among all, and a part of it among those of its generator; who calls whom goes by the first.
    Together they make as many calls as before and as many per second, and none of two generators has the Call-ID of
    another's.

    :param generators: at least 1.
    :raises PlanError: the scenario makes its calls otherwise than by SIPp alone, or has no load.
    """
    _check(plan)
    scenario = in_numbers(plan.scenario)
    calls: list[PlannedCall] = []
    for place, (said, planned) in enumerate(zip(scenario.calls, plan.calls, strict=True)):
        assert isinstance(planned.agent, Agent)
        calls += _shares(planned, planned.agent, said, plan, generators, place)
    return replace(plan, calls=tuple(calls))


def _shares(
    planned: PlannedCall, agent: Agent, said: Call, plan: Plan, generators: int, place: int
) -> list[PlannedCall]:
    """:param place: of the call in the scenario: those of a generator have one address, and ports of their own."""
    load = plan.scenario.load
    assert load is not None
    total = len(planned.call_ids)
    limits: Sequence[int | None] = (
        [None] * generators if agent.limit is None else [max(1, each) for each in parts_of(agent.limit, generators)]
    )
    width, shares, before = len(str(generators)), [], 0
    for number, (count, limit) in enumerate(zip(parts_of(total, generators), limits, strict=True), start=1):
        if count:
            call_id = f"{plan.token}-{planned.id}-{number:0{width}d}"
            shares.append(
                replace(
                    planned,
                    agent=_agent(agent, said, load, place, call_id, slice(before, before + count), total, limit),
                    call_ids=tuple(f"{call_id}{each}@{DEFAULT_DOMAIN}" for each in range(1, count + 1)),
                    generator=number,
                    # So that they don't all call at the same instant.
                    late=(number - 1) / said.rate if said.rate else 0.0,
                )
            )
        before += count
    return shares


def _agent(
    agent: Agent, said: Call, load: Load, place: int, call_id: str, numbers: slice, total: int, limit: int | None
) -> Agent:
    count = numbers.stop - numbers.start
    rate = said.rate * count / total if said.rate is not None else None
    pace = pace_of(said.model_copy(update={"rate": rate}), load, count)
    # What isn't of the pace, with what is of this one's.
    options = {name: value for name, value in agent.options.items() if name not in _OF_PACE} | dict(pace.options)
    files = dict(agent.files)
    if USERS in files:
        users = said.users
        files[USERS] = users_file(users[(numbers.start + each) % len(users)] for each in range(len(users)))
    return replace(
        agent,
        port=agent.port + place,
        control_port=CONTROL_PORT + place,
        call_id=f"{call_id}%u@{DEFAULT_DOMAIN}",
        calls=count,
        rate=pace.rate,
        period=pace.period,
        changes=pace.changes,
        limit=limit,
        files=files,
        options=options,
    )


_SIGNALS = 30
"""Each has a real-time signal, of which there are so many."""

_OF_PACE = frozenset({"rate_increase", "rate_interval", "rate_max", "no_rate_quit"})
"""Options of SIPp's that a pace may have (`rating_harness.plan.load.Pace`)."""


def _check(plan: Plan) -> None:
    scenario = plan.scenario
    if scenario.load is None:
        raise PlanError("only a load is shared out over generators", where=scenario.where("scenario"))
    for index, (said, planned) in enumerate(zip(scenario.calls, plan.calls, strict=True)):
        where = scenario.where("calls", index)
        reason = _unfit(said, planned)
        if reason:
            raise PlanError(
                f"call {said.id} can't be made by generators on other machines",
                expected="a call of a load that SIPp makes, from an address of its own",
                found=reason,
                where=where,
                hint="run it without --generators",
            )
    if len(scenario.calls) > _SIGNALS:
        raise PlanError(
            f"{len(scenario.calls)} kinds of calls are more than generators on other machines can be given",
            expected=f"{_SIGNALS} at most",
            where=scenario.where("calls", _SIGNALS),
        )
    if plan.sip_requests:
        request = plan.sip_requests[0]
        raise PlanError(
            f"call {request.call} has requests whose moment is watched for, which generators on other machines lack",
            where=scenario.where("calls", [each.id for each in scenario.calls].index(request.call)),
            hint="run it without --generators",
        )


def _unfit(said: Call, planned: PlannedCall) -> str:
    if not isinstance(planned.agent, Agent):
        return "the harness's own user agent makes it"
    if said.sipp is not None:
        return "a SIPp scenario of the author's, whose Call-IDs are its own"
    if said.host is not None:
        return f"it comes from the host {said.host}"
    if said.ipv6:
        return "IPv6, which an overlay network of Swarm's hasn't"
    return ""
