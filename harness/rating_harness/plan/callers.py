"""Callers: one SIPp process for each call of the scenario, whose flow is rendered from what the call says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rating_harness.errors import PlanError
from rating_harness.lab.protocol import Host
from rating_harness.plan.in_dialog import Step, in_order, renewals
from rating_harness.plan.load import pace_of
from rating_harness.plan.model import PlannedCall
from rating_harness.plan.render import certificates, render, sdp_for
from rating_harness.plan.sampling import Drawn, last_digit
from rating_harness.scenario.model import Call, Scenario
from rating_harness.scenario.values import header_lines
from rating_harness.sipp.agent import Agent

__all__ = ["DEFAULT_DOMAIN", "plan_call"]

DEFAULT_DOMAIN = "sip.test"
"""Domain of the URIs of a call that names none (RFC 6761: nobody's)."""

REPLY_MS = 8000
"""How long a caller waits for the reply to a BYE or a re-INVITE: beyond Kamailio's own timeouts."""

LOST_MS = 50
"""After how long a caller sends its INVITE again that wasn't lost."""

_ADDED = frozenset({"via", "from", "to", "call-id", "cseq", "contact", "max-forwards", "content-length"})


@dataclass(frozen=True, slots=True)
class _Moment:
    event: str
    delay: int


@dataclass(frozen=True, slots=True)
class _Hold:
    """Milliseconds until the BYE, of the calls whose number ends in ``digit``."""

    digit: int
    time: int


def plan_call(
    scenario: Scenario, index: int, token: str, drawn: Drawn, patience: float, hosts: Callable[[str], Host]
) -> PlannedCall:
    """:param patience: seconds that a caller waits for anything.
    :raises PlanError: something that SIPp can't do, with its place.
    """
    call = scenario.calls[index]
    host = hosts(f"caller-{call.id}")
    address = host.address6 if call.ipv6 else host.address
    server = hosts("kamailio")
    remote = server.address6 if call.ipv6 else server.address
    if address is None or remote is None:
        raise PlanError("the lab has no IPv6", where=scenario.where("calls", index, "ipv6"))
    if call.sipp is not None:
        text, keys = (scenario.origin.file.parent / call.sipp.file).read_text(), call.sipp.variables
    else:
        text, keys = _render(scenario, index, call, drawn, patience), {}
    pace = pace_of(call, scenario.load)
    return PlannedCall(
        id=call.id,
        agent=Agent(
            role="caller",
            host=host.name,
            address=address,
            port=5060,
            transport=call.transport,
            control=host.address,
            remote=(remote, 5061 if call.transport == "tls" else 5060),
            scenario=text,
            keys=keys,
            files=certificates() if call.transport == "tls" else {},
            call_id=f"{token}-{call.id}-%u@{DEFAULT_DOMAIN}",
            calls=drawn.calls,
            rate=pace.rate,
            period=pace.period,
            limit=call.concurrency,
            # SIPp would take the reply to what it sent again for a request to send that once more.
            options={
                **pace.options,
                **({"no_retransmission": True} if call.retransmit else {}),
                **({"loss": call.loss} if call.loss else {}),
            },
        ),
        call_ids=tuple(f"{token}-{call.id}-{number}@{DEFAULT_DOMAIN}" for number in range(1, drawn.calls + 1)),
        start=call.start,
        drawn=drawn,
        longest=(scenario.load.duration if scenario.load else drawn.calls / pace.rate) + drawn.longest,
    )


def _render(scenario: Scenario, index: int, call: Call, drawn: Drawn, patience: float) -> str:
    headers = "\n".join(f"{name}: {value}" for name, value in header_lines(call.headers))
    replaced = sorted(name for name in call.headers if name.lower() in _ADDED)
    if replaced:
        raise PlanError(
            f"the header {replaced[0]} is SIPp's to make",
            where=scenario.where("calls", index, "headers", replaced[0]),
            hint="a SIPp scenario of your own (`sipp:`) can say anything",
        )
    common = {
        "name": f"{scenario.scenario[:60]} {call.id}".translate(_XML),
        "from_user": call.from_,
        "to_user": call.to,
        "domain": call.domain or DEFAULT_DOMAIN,
        "headers": headers,
        "retransmit": call.transport == "udp",
        "patience": round(patience * 1000),
    }
    if call.method != "INVITE":
        return render("request.xml.j2", method=call.method, **common)
    steps, now = _steps(scenario, index, call, min(drawn.holds))
    vanish = call.vanish if call.vanish is not None and call.vanish.who == "caller" else None
    return render(
        "uac.xml.j2",
        sdp=sdp_for(call.sdp),
        auth=call.auth,
        cancel=_Moment(call.cancel.event or "started", round(call.cancel.delay * 1000)) if call.cancel else None,
        vanish=_Moment(vanish.at.event or "answered", round(vanish.at.delay * 1000)) if vanish else None,
        no_ack=call.no_ack,
        twice=call.retransmit,
        steps=steps,
        hangup=call.hangup == "caller",
        holds=[
            _Hold(last_digit(number), round(max(0.0, hold - now) * 1000)) for number, hold in enumerate(drawn.holds)
        ],
        reply=REPLY_MS,
        lost=LOST_MS,
        **common,
    )


def _steps(scenario: Scenario, index: int, call: Call, hold: float) -> tuple[tuple[Step, ...], float]:
    """What happens in mid-call, in order, and the second of its last.

    :param hold: the shortest, where several are drawn.
    """
    moments = renewals(call, "caller")
    if call.vanish is not None and call.vanish.who == "caller" and call.vanish.at.event == "answered":
        moments.append((call.vanish.at.delay, Step("vanish")))
    if call.bye == "wrong_cseq":
        moments.append((hold, Step("BYE", cseq=0)))
    if call.bye == "wrong_tag":
        moments.append((hold, Step("BYE", from_tag="unknown")))
    if call.hangup != "never":
        late = [at for at, step in moments if at > hold]
        if late:
            raise PlanError(
                f"call {call.id!r} is over after {hold:g} s, before what should happen at {late[0]:g} s",
                where=scenario.where("calls", index),
                hint="a longer `hold`",
            )
    return in_order(moments)


_XML = str.maketrans({"<": "(", ">": ")", "&": "+", '"': "'"})
