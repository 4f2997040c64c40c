"""Callers: one process for each call of the scenario, whose flow is made from what the call says.

It is SIPp, unless the call says what SIPp has no means for (`user_agents.needs_user_agent`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import Any

from rating_harness.errors import PlanError
from rating_harness.lab.protocol import Host
from rating_harness.plan.in_dialog import Step, in_order, renewals
from rating_harness.plan.load import Pace, pace_of
from rating_harness.plan.model import PlannedCall
from rating_harness.plan.render import certificates, companions, literal, literal_sdp, render, sdp_for
from rating_harness.plan.replaces import is_replaced
from rating_harness.plan.sampling import Sampled, last_digit
from rating_harness.plan.user_agents import (
    DEFAULT_DOMAIN,
    call_id_of,
    caller_script,
    needs_user_agent,
)
from rating_harness.scenario.calls import TRACED
from rating_harness.scenario.model import Call, Scenario
from rating_harness.scenario.sipp_files import as_written, call_id_prefix, longest_pause
from rating_harness.scenario.values import header_lines
from rating_harness.sipp.agent import Agent
from rating_harness.useragent.agent import UserAgent
from rating_harness.useragent.dialog import Place
from rating_harness.useragent.script import Socket

__all__ = ["DEFAULT_DOMAIN", "USERS", "plan_call", "users_file"]

REPLY_MS = 8000
"""How long a caller waits for the reply to a BYE or a re-INVITE: beyond Kamailio's own timeouts."""

LOST_MS = 50
"""After how long a caller sends its INVITE again that wasn't lost."""

_PORT, _TRUNK_PORT, _TLS_PORT = 5060, 5070, 5061
"""A caller's port, the first at a host where somebody else may listen, and Kamailio's for TLS."""

LONGEST = 65_000
"""Octets of a SIPp scenario; SIPp reads no file of more than 64 KB."""

_ONE_AFTER_ANOTHER = 0.01
"""Seconds between the beginnings of two repetitions where no rate is given."""


@dataclass(frozen=True, slots=True)
class _Moment:
    event: str
    delay: int


@dataclass(frozen=True, slots=True)
class _Hold:
    """Milliseconds until the BYE, of the calls whose number ends in ``digit``."""

    digit: int
    time: int


USERS = "users.csv"
"""Who calls whom, where that differs from call to call: SIPp's [field0] and [field1]."""


_QUOTED = re.compile(r"\s*\"(?:[^\"\\]|\\.)*<")


def _has_brackets_in_quotes(scenario: Scenario) -> bool:
    """Whether a carrier's Contact has a display name with a '<', where SIPp's [next_url] would begin."""
    for carrier in scenario.carriers.values():
        for each in (carrier, *carrier.calls.values(), *carrier.attempts):
            texts = [value for name, value in header_lines(each.headers) if name.lower() == "contact"]
            if each.sipp is not None:
                text = (scenario.origin.file.parent / each.sipp.file).read_text("utf-8-sig", "replace")
                texts += _CONTACT.findall(text)
            if any(map(_QUOTED.match, texts)):
                return True
    return False


_CONTACT = re.compile(r"^[ \t]*(?:Contact|m)[ \t]*:(.*)$", re.IGNORECASE | re.MULTILINE)


def plan_call(
    scenario: Scenario,
    index: int,
    token: str,
    sampled: Sampled,
    patience: float,
    hosts: Callable[[str], Host],
    *,
    own: bool = False,
) -> PlannedCall:
    """:param patience: seconds that a caller waits for anything.
    :param own: it's no SIPp in any case.
    :raises PlanError: something that SIPp can't do, with its place.
    """
    call = scenario.calls[index]
    is_load = sampled.calls > TRACED or bool(scenario.load and scenario.load.steps)
    own = own or needs_user_agent(call) or is_replaced(scenario, call) or scenario.clock is not None
    own = own or (call.sipp is None and _has_brackets_in_quotes(scenario))
    own = own and not is_load
    text = "" if own else _scenario_of(scenario, index, sampled, patience)
    own = own or (len(text.encode()) > LONGEST and call.sipp is None and not is_load)
    host = hosts(call.host or f"caller-{call.id}")
    address = host.address6 if call.ipv6 else host.address
    server = hosts("kamailio")
    remote = server.address6 if call.ipv6 else server.address
    if address is None or remote is None:
        raise PlanError("the lab has no IPv6", where=scenario.where("calls", index, "ipv6"))
    pace = pace_of(call, scenario.load, sampled.calls)
    kamailio = Place(remote, _TLS_PORT if call.transport == "tls" else _PORT)
    agent: Agent | UserAgent
    if own:
        local = Place(address, _port_at_host(scenario, index) if call.host else _PORT)
        spacing = pace.period / pace.rate if call.rate else _ONE_AFTER_ANOTHER
        socket = Socket(local, kamailio, call.transport)
        agent = UserAgent(
            role="caller",
            host=f"caller-{call.id}",
            address=address,
            port=local.port,
            script=caller_script(call, sampled, token, socket, patience, spacing),
            transport=call.transport,
            remote=(kamailio.address, kamailio.port),
            place=call.host,
            files=certificates() if call.transport == "tls" else {},
            rate=pace.rate,
            period=pace.period,
        )
    else:
        agent = _sipp(call, text, token, sampled, Place(address, _PORT), kamailio, host, pace)
        if call.sipp is None and len(call.users) > 1:
            files = {**agent.files, USERS: users_file(call.users)}
            agent = replace(agent, files=files, options={**agent.options, "info_file": USERS})
        if call.sipp is not None:
            files, options = companions(call.sipp, scenario.origin.file.parent)
            agent = replace(agent, files={**agent.files, **files}, options={**agent.options, **options})
    prefix = (call_id_prefix(text) or "") if call.sipp is not None else ""
    return PlannedCall(
        id=call.id,
        agent=agent,
        call_ids=tuple(prefix + call_id_of(call, token, number) for number in range(1, sampled.calls + 1)),
        start=call.start,
        sampled=sampled,
        longest=(scenario.load.seconds if scenario.load else sampled.calls / pace.rate)
        + max(sampled.longest, longest_pause(text) if call.sipp is not None else 0.0),
    )


def _port_at_host(scenario: Scenario, index: int) -> int:
    """A port of its own for each caller at a host of somebody's."""
    host = scenario.calls[index].host
    taken = {each.port for each in scenario.given.carriers if each.host == host}
    free = (port for port in count(_TRUNK_PORT) if port not in taken)
    before = sum(call.host == host for call in scenario.calls[:index])
    return next(islice(free, before, None))


def users_file(users: Iterable[tuple[str, str]]) -> bytes:
    """SIPp's file of who calls whom in the first call, the second, and so on."""
    return ("SEQUENTIAL\n" + "".join(f"{caller};{number}\n" for caller, number in users)).encode()


def _scenario_of(scenario: Scenario, index: int, sampled: Sampled, patience: float) -> str:
    """The call's SIPp scenario: the author's, or one that is made from what the call says."""
    call = scenario.calls[index]
    if call.sipp is not None:
        return (scenario.origin.file.parent / call.sipp.file).read_text("utf-8-sig")
    return _render(scenario, index, call, sampled, patience)


def _sipp(
    call: Call, text: str, token: str, sampled: Sampled, local: Place, kamailio: Place, host: Host, pace: Pace
) -> Agent:
    return Agent(
        role="caller",
        host=f"caller-{call.id}",
        address=local.address,
        port=local.port,
        transport=call.transport,
        control=host.address,
        remote=(kamailio.address, kamailio.port),
        scenario=text if call.sipp is None else as_written(text),
        keys=call.sipp.variables if call.sipp is not None else {},
        files=certificates() if call.transport == "tls" else {},
        call_id=f"{token}-{call.id}-%u@{DEFAULT_DOMAIN}",
        calls=sampled.calls,
        rate=pace.rate,
        period=pace.period,
        limit=call.concurrency,
        changes=pace.changes,
        # A phone answers what no scenario foresees: Kamailio's own OPTIONS (dialog's ka_timer). SIPp would take the
        # reply to what it sent again for a request to send that once more.
        options={
            **pace.options,
            **({"auto_answer": True} if call.sipp is None else {}),
            **({"no_retransmission": True} if call.retransmit else {}),
            **({"loss": call.loss} if call.loss else {}),
        },
    )


def _statuses_of(scenario: Scenario) -> set[int]:
    """Statuses that a carrier is said to send, in the scenario or in a SIPp scenario of its own."""
    found: set[int] = set()
    for carrier in (*scenario.carriers.values(), *scenario.phones.values()):
        for behaviour in (carrier, *carrier.calls.values(), *carrier.attempts):
            found |= {*behaviour.provisional, *(code for fork in behaviour.forks for code in fork.provisional)}
            found |= {behaviour.refuse.code} if behaviour.refuse else set()
            if behaviour.sipp is not None:
                text = (scenario.origin.file.parent / behaviour.sipp.file).read_text(
                    encoding="utf-8", errors="replace"
                )
                found |= {int(code) for code in re.findall(r"^\s*SIP/2\.0 (\d{3})", text, re.MULTILINE)}
    return found


def _render(scenario: Scenario, index: int, call: Call, sampled: Sampled, patience: float) -> str:
    headers = "\n".join(f"{name}: {literal(value)}" for name, value in header_lines(call.headers))
    common: dict[str, Any] = {
        "name": f"{scenario.scenario[:60]} {call.id}".translate(_XML),
        "from_user": call.from_ if isinstance(call.from_, str) else "[field0]",
        "to_user": call.to if isinstance(call.to, str) else "[field1]",
        "domain": literal(call.domain or DEFAULT_DOMAIN),
        "headers": headers,
        "retransmit": call.transport == "udp",
        "patience": round(patience * 1000),
        "statuses": _statuses_of(scenario),
    }
    if call.method != "INVITE":
        return render("request.xml.j2", method=call.method, **common)
    steps, now = _steps(call, min(sampled.holds))
    vanish = call.vanish if call.vanish is not None and call.vanish.who == "caller" else None
    return render(
        "uac.xml.j2",
        sdp=literal_sdp(sdp_for(call.sdp)),
        auth=call.auth,
        cancel=_Moment(call.cancel.event or "started", round(call.cancel.delay * 1000)) if call.cancel else None,
        vanish=_Moment(vanish.at.event or "answered", round(vanish.at.delay * 1000)) if vanish else None,
        no_ack=call.no_ack,
        twice=call.retransmit,
        steps=steps,
        hangup=call.hangup == "caller",
        holds=[
            _Hold(last_digit(number), round(max(0.0, hold - now) * 1000)) for number, hold in enumerate(sampled.holds)
        ],
        reply=REPLY_MS,
        lost=LOST_MS,
        **common,
    )


def _steps(call: Call, hold: float) -> tuple[tuple[Step, ...], float]:
    """What happens in mid-call, in order, and the second of its last.

    :param hold: the shortest, where several are sampled.
    """
    moments = renewals(call, "caller")
    if call.vanish is not None and call.vanish.who == "caller" and call.vanish.at.event == "answered":
        moments.append((call.vanish.at.delay, Step("vanish")))
    if call.bye == "wrong_cseq":
        moments.append((hold, Step("BYE", cseq=0)))
    if call.bye == "wrong_tag":
        moments.append((hold, Step("BYE", from_tag="unknown")))
    return in_order(moments)


_XML = str.maketrans({"<": "(", ">": ")", "&": "+", '"': "'"})
