"""A plan for people: what would be done, where and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rating_harness.plan.model import AgentFault, Outage, Plan, PlannedCall, PlannedCarrier
from rating_harness.scenario.calls import Call
from rating_harness.scenario.values import Moment, duration_text
from rating_harness.sipp.agent import Agent

__all__ = ["plan_text"]

_SHOWN = 3
"""Of many Call-IDs and sampled values, so many are shown."""


def plan_text(plan: Plan, requests: Iterable[str]) -> str:
    """:param requests: what the engine is sent first, one line each."""
    said = {call.id: call for call in plan.scenario.calls}
    sections = {
        "calls": [line for call in plan.calls for line in _call(call, said[call.id])],
        "carriers": [_carrier(carrier) for carrier in plan.carriers],
        "faults": [*map(_fault, plan.agent_faults), *map(_outage, plan.outages)],
        "kamailio": list(_kamailio(plan)),
        "engine": list(requests),
    }
    head = [plan.scenario.scenario, f"  {plan.scenario.id}", f"  seed {plan.seed}, at most {plan.horizon:g} s"]
    body = [f"  {line}" for name, lines in sections.items() if lines for line in (name, *(f"  {x}" for x in lines))]
    return "\n".join([*head, *body])


def _kamailio(plan: Plan) -> Iterator[str]:
    """The options of its own that it is started with."""
    said = plan.scenario.kamailio
    sizes = {"-m": said.memory, "-M": said.package_memory}
    yield from (f"{option} {int(size)}" for option, size in sizes.items() if size is not None)
    yield from (f"-A {name}={value}" for name, value in plan.defines.items())


def _call(call: PlannedCall, said: Call) -> Iterator[str]:
    agent = call.agent
    many = f", {len(call.call_ids)} calls" if len(call.call_ids) > 1 else ""
    if many:
        many += f" from {agent.rate / agent.period:g}" if agent.options.get("rate_increase") else ""
        many += f" at {_rates(call)} a second"
    to = f" to {agent.remote[0]}:{agent.remote[1]}" if agent.remote else ""
    start = (
        "at once" if call.start == Moment(None) else f"when {call.start}" if call.start.event else f"at {call.start}"
    )
    yield f"{call.id}: {agent.address}{to} {agent.transport}, {start}{many}"
    yield f"  {said.method} by {_users(said.from_)} to {_users(said.to)}"
    yield f"  Call-ID {_some(call.call_ids)}"
    yield f"  hold {_some([duration_text(each) for each in call.sampled.holds])}"
    if call.sampled.rings:
        yield f"  ring {_some([duration_text(each) for each in call.sampled.rings])}"


def _users(users: str | tuple[str, ...]) -> str:
    return users if isinstance(users, str) else _some(users)


def _rates(call: PlannedCall) -> str:
    changes = call.agent.changes if isinstance(call.agent, Agent) else ()
    # The last change is for calls that were made too late.
    return ", ".join(f"{rate:.3g} from {at:g}s" for at, rate in changes[:-1]) or f"{_rate(call):g}"


def _rate(call: PlannedCall) -> float:
    highest = call.agent.options.get("rate_max", call.agent.rate)
    return float(highest) / call.agent.period


def _some(values: Iterable[str]) -> str:
    listed = list(values)
    if len(listed) <= _SHOWN:
        return ", ".join(listed)
    return f"{', '.join(listed[: _SHOWN - 1])}, ... {listed[-1]}"


def _carrier(carrier: PlannedCarrier) -> str:
    agent = carrier.agent
    return f"{carrier.host}: " + (f"{agent.address}:{agent.port} {agent.transport}" if agent else "nobody listens")


def _fault(fault: AgentFault) -> str:
    tap = fault.fault
    times = f", {tap.count} times" if tap.count is not None else ""
    nth = f", from the {tap.nth}. on" if tap.nth > 1 else ""
    late = [f"{name} {duration_text(value)}" for name, value in (("late", tap.late), ("delay", tap.delay)) if value]
    what = ", ".join([tap.kind, *late] if tap.kind != "delay" else late or [tap.kind])
    return f"agent: {what} to {tap.path or 'any request'}{nth}{times}{_span(fault.when, fault.until)}"


def _outage(outage: Outage) -> str:
    lasts = " for good" if outage.seconds is None else f" for {duration_text(outage.seconds)}"
    lasting = "" if outage.kind == "restart" else lasts
    return f"{outage.target}: {outage.kind}{lasting}{_span(outage.when, outage.until)}"


def _span(when: Moment | None, until: Moment | None) -> str:
    begin = f", when {when}" if when is not None and when != Moment(None) else ""
    return begin + (f", until {until}" if until is not None else "")
