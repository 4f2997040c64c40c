"""The scenario's faults as the tap and the lab take them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from random import Random

from rating_harness.contract import CONTRACT
from rating_harness.errors import Location, PlanError, UsageError
from rating_harness.plan.model import AgentFault, Outage
from rating_harness.scenario.model import Fault, Scenario
from rating_harness.scenario.values import Moment
from rating_harness.tap import faults as tap

__all__ = ["PATHS", "plan_faults"]

PATHS = CONTRACT.paths.by_word
"""The scenario's word for a path, and its last segment at the agent."""

_SERVICES = CONTRACT.services.by_word


def plan_faults(scenario: Scenario, token: str, random: Random) -> tuple[list[AgentFault], list[Outage]]:
    """:raises PlanError: a fault that can't be done, with its place."""
    answers: list[AgentFault] = []
    outages: list[Outage] = []
    for index, fault in enumerate(scenario.faults):
        where = scenario.where("faults", index)
        if fault.is_outage:
            for kind, value in fault.actions.items():
                seconds = None if value is True else float(value)
                target = _SERVICES.get(fault.on, fault.on)
                when = fault.when or Moment(None)
                outages.append(Outage(index, kind, target, seconds, when, fault.until))  # type: ignore[arg-type]
        elif fault.on != "agent":
            raise PlanError(
                f"{fault.on!r} doesn't answer HTTP",
                expected="kill, restart, stop, pause or unplug, or `on: agent`",
                found=", ".join(fault.actions),
                where=where,
            )
        else:
            answers.append(_agent_fault(index, fault, token, random, where))
    return answers, outages


def _agent_fault(index: int, fault: Fault, token: str, random: Random, where: Location) -> AgentFault:
    try:
        planned = tap.Fault(
            action=_action(fault, where),
            late=fault.late.draw(random) if fault.late else 0.0,
            delay=fault.delay.draw(random) if fault.delay else 0.0,
            path=PATHS[fault.path] if fault.path else None,
            match={CONTRACT.fields.call: tap.Regex(f"^(?:.*///)?{re.escape(token)}-{re.escape(fault.call)}-")}
            if fault.call
            else {},
            nth=fault.nth,
            count=fault.times,
            armed=fault.when is None,
            id=f"s{index}",
        )
    except UsageError as error:
        raise PlanError(
            error.message, expected=error.expected, found=error.found, where=where, hint=error.hint
        ) from None
    return AgentFault(index, planned, fault.when, fault.until)


def _action(fault: Fault, where: Location) -> tap.Action:
    """What becomes of the answer; its time aside, a request can go wrong in one way only."""
    words = [word for word in fault.actions if word not in ("delay", "late")]
    if len(words) > 1 and set(words) not in ({"status", "body"}, {"set", "remove"}):
        raise PlanError(
            "one request can go wrong in one way only",
            expected="one word; `status` with `body`, or `set` with `remove`; `delay` and `late` go with any",
            found=", ".join(words),
            where=where,
            hint="make them two faults, with `nth` and `times`",
        )
    return _ACTIONS[words[0]](fault) if words else tap.Pass()


_JSON = {"Content-Type": "application/json"}

_ACTIONS: Mapping[str, Callable[[Fault], tap.Action]] = {
    "lost": lambda fault: tap.Close(after="request" if fault.lost == "request" else "upstream"),
    "silent": lambda fault: tap.Silence(),
    "refuse": lambda fault: tap.Refuse(),
    "reset": lambda fault: tap.Reset(),
    "status": lambda fault: tap.Answer(fault.status or 200, fault.body or "", _JSON),
    "body": lambda fault: tap.Answer(fault.status or 200, fault.body or "", _JSON),
    "malformed": lambda fault: tap.Malformed(),
    "partial": lambda fault: tap.Partial(size=fault.partial),
    "drip": lambda fault: tap.Drip(size=1, interval=fault.drip or 0.3),
    "encoding": lambda fault: tap.Encoded(fault.encoding or "chunked"),
    "garbage": lambda fault: tap.Garbage(),
    "duplicate": lambda fault: tap.Duplicate(),
    "set": lambda fault: tap.Edit(fault.set or {}, fault.remove or ()),
    "remove": lambda fault: tap.Edit(fault.set or {}, fault.remove or ()),
}
