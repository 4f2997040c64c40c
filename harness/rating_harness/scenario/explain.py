"""A scenario in words: who calls whom, what carriers do, what goes wrong, what is expected."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from pydantic import BaseModel

from rating_harness.scenario.behaviour import Behaviour, CarrierBehaviour
from rating_harness.scenario.calls import Call, Load, LoadStep, Vanish
from rating_harness.scenario.clock import Clock, skips_of
from rating_harness.scenario.expectations import Received
from rating_harness.scenario.faults import Fault
from rating_harness.scenario.given import Carrier, Given, Rate
from rating_harness.scenario.matchers import Compared, Exactly, Near, OneOf
from rating_harness.scenario.model import Requires, Scenario
from rating_harness.scenario.values import Moment, SecondsRange, spoken_duration

__all__ = ["explanation", "needs"]

_SECTIONS = ("dialogs", "requests", "transactions", "accounts", "carriers", "received", "log")
_NOUNS = {
    "dialogs": "the dialog",
    "requests": "requests to the agent",
    "transactions": "the record",
    "log": "Kamailio's log",
}
_FAULTS = {
    "delay": "answers {} late, and may be given up",
    "late": "gets the request {} late",
    "lost": "loses the {}",
    "silent": "never answers",
    "refuse": "refuses the connection",
    "reset": "resets the connection",
    "status": "answers with status {}",
    "body": "answers with the body {}",
    "malformed": "answers what is no JSON",
    "partial": "breaks off its answer after {} octets",
    "drip": "sends its answer octet by octet, each after {}",
    "encoding": "sends its answer as {}",
    "garbage": "answers what is no HTTP",
    "duplicate": "gets the request twice",
    "set": "answers with {}",
    "remove": "leaves {} out of its answer",
    "kill": "is killed{}",
    "restart": "is restarted",
    "stop": "is stopped{}",
    "pause": "stands still{}",
    "unplug": "can't be reached{}",
}
"""What each kind of fault does to the service that it is on."""

_KEYS: Mapping[str, str | tuple[str, str]] = {
    "account_tag": "account {}",
    "active": ("active", "not active"),
    "absent": ("absent", "not absent"),
    "by": "by {}",
    "carrier_tags": "carriers {}",
    "count": "{} of them",
    "ended_by": "hung up by {}",
    "gone": ("gone at the end", "still there at the end"),
    "inbound": ("inbound", "outbound"),
    "invites": "INVITEs {}",
    "linked_accounts": "charged together with {}",
    "max_concurrent_transactions": "at most {} calls at once",
    "max_inbound_transactions": "at most {} inbound calls at once",
    "max_outbound_transactions": "at most {} outbound calls at once",
    "no_ack": ("no ACK is sent", "an ACK is sent"),
    "path": "{}",
    "primary": ("primary", "not primary"),
    "repeat": "made {} times",
    "running": "running calls {}",
    "type": "{}",
    "vanish": "{}",
}
"""Keys as a person says them: with their value in the words, or the words for true and for false."""

_SPOKEN = {"PREPAID": "prepaid", "POSTPAID": "postpaid", "kamailio": "Kamailio"}
_SPELLED_OUT = {"type", "ended_by"}
"""Keys whose values are spoken otherwise than they are written."""


def explanation(scenario: Scenario) -> str:
    """The scenario as a test case that a person reads, with what stands in its file and no more."""
    title = f"{scenario.scenario} [{scenario.origin.row}]" if scenario.origin.row else scenario.scenario
    head = [title, f"  {scenario.origin.file.as_posix()}"]
    head += [f"  tags {', '.join(scenario.tags)}"] if scenario.tags else []
    head += [f"  {scenario.description.strip()}"] if scenario.description else []
    sections: dict[str, list[str]] = {
        "Not run": [scenario.skip] if scenario.skip else [],
        "Needed": needs(scenario.requires),
        "Kamailio": list(_kamailio(scenario)),
        "Given": list(_given(scenario.given)),
        "Carriers": [f"{host} {_behaviour(each)}" for host, each in _carriers(scenario).items()],
        "Phones": [f"{host}, of user {each.user}, {_behaviour(each)}" for host, each in scenario.phones.items()],
        "Calls": [line for call in scenario.calls for line in _call(call, scenario.load)],
        "Load": [_load(scenario.load)] if scenario.load else [],
        "Clock": [_clock(skip) for _, skip in skips_of(scenario)],
        "Goes wrong": list(map(_fault, scenario.faults)),
        "Expected": list(_expected(scenario)),
        "Run": _said(scenario, *(set(type(scenario).model_fields) - {"seed", "timeout"})),
        "Not checked": [f"{check}: {reason}" for check, reason in scenario.invariants.items()],
    }
    body = [
        line for name, lines in sections.items() if lines for line in ("", name, *(f"  {each}" for each in lines))
    ]
    return "\n".join([*head, *body])


def needs(requires: Requires) -> list[str]:
    """What a scenario requires, one by one: ``tls true``, ``kamailio at least 6.1``."""
    unneeded = {name for name in type(requires).model_fields if getattr(requires, name) is False}
    return _said(requires, *unneeded)


# --- values ---------------------------------------------------------------------------------------------------------


_SECONDS = re.compile(r"(?<![\w.])([0-9]+(?:\.[0-9]+)?)s\b")


def _with_durations(text: str) -> str:
    return _SECONDS.sub(lambda match: spoken_duration(float(match[1])), text)


def _text(value: object) -> str:
    """A value as its author could have written it."""
    if isinstance(value, SecondsRange | Near | Compared | Exactly | OneOf):
        return _with_durations(str(value))
    if isinstance(value, Moment):
        return _moment(value)
    if isinstance(value, Vanish):
        return f"the {value.who} vanishes {_moment(value.at)}"
    if isinstance(value, BaseModel):
        return _own_text(value) or f"({', '.join(_said(value))})"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(inner)}" for key, inner in value.items()) or "nothing"
    if isinstance(value, tuple | list):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _own_text(value: BaseModel) -> str:
    """What a model says of itself, where it has its own way."""
    return str(value) if type(value).__str__ is not BaseModel.__str__ else ""


def _said(model: BaseModel, *left_out: str) -> list[str]:
    """What was written of a model, key by key."""
    said = model.model_fields_set - set(left_out)
    return [
        _key(field.alias or name, getattr(model, name))
        for name, field in type(model).model_fields.items()
        if name in said
    ]


def _key(name: str, value: object) -> str:
    words = _KEYS.get(name)
    if isinstance(value, bool):
        yes, no = words if isinstance(words, tuple) else (name.replace("_", " "), f"no {name.replace('_', ' ')}")
        return yes if value else no
    text = _text(value)
    if name in _SPELLED_OUT:
        text = _SPOKEN.get(text, text)
    return words.format(text) if isinstance(words, str) else f"{name.replace('_', ' ')} {text}"


# --- the parts ------------------------------------------------------------------------------------------------------


def _kamailio(scenario: Scenario) -> Iterator[str]:
    """How it's started; of users their names, and no passwords."""
    yield from _said(scenario.kamailio, "users")
    if scenario.kamailio.users:
        yield f"users {', '.join(scenario.kamailio.users)}"


def _load(load: Load) -> str:
    more = _said(load, "rate", "duration", "ramp", "steps")
    return ", ".join([", then ".join(map(_step, load.profile)), *more])


def _step(step: LoadStep) -> str:
    ramp = f", reached in {spoken_duration(step.ramp)}" if step.ramp else ""
    return f"{step.rate:g} calls a second for {spoken_duration(step.duration)}{ramp}"


def _clock(clock: Clock) -> str:
    return f"put forward by {spoken_duration(clock.skip)}, {_when(clock.when)}"


def _given(given: Given) -> Iterator[str]:
    for account in given.accounts:
        yield f"account {account.account_tag}: {', '.join(_said(account, 'account_tag'))}"
    for carrier in given.carriers:
        yield _carrier(carrier)
    for pricelist in given.pricelists:
        for rate in pricelist.rates:
            yield f"price in {pricelist.pricelist_tag}: {_price(rate)}"


def _carrier(carrier: Carrier) -> str:
    words = [f"carrier {carrier.carrier_tag}: at {carrier.host}:{carrier.port} over {carrier.protocol}"]
    return ", ".join([*words, *_said(carrier, "carrier_tag", "host", "port", "protocol")])


def _price(rate: Rate) -> str:
    step = spoken_duration(rate.rate_increment)
    words = [f"{rate.prefix} by carrier {rate.carrier_tag} costs {rate.rate} for each {step} begun"]
    words += [f"{rate.connect_fee} for the connection"] if rate.connect_fee else []
    free = "first increment is" if rate.interval_start == 1 else f"first {rate.interval_start} increments are"
    words += [f"the {free} free"] if rate.interval_start else []
    known = ("carrier_tag", "prefix", "rate", "rate_increment", "connect_fee", "interval_start")
    return ", ".join([*words, *_said(rate, *known)])


def _carriers(scenario: Scenario) -> Mapping[str, CarrierBehaviour | None]:
    hosts = dict.fromkeys((*(carrier.host for carrier in scenario.given.carriers), *scenario.carriers))
    return {host: scenario.carriers.get(host) for host in hosts}


def _behaviour(behaviour: Behaviour | None) -> str:
    if behaviour is None or not behaviour.model_fields_set - {"calls", "attempts", "user", "auth"}:
        words = "rings shortly and answers"
    elif behaviour.absent:
        words = "isn't there: nobody listens at its address"
    elif behaviour.silent:
        words = "gets the INVITE and never replies"
    else:
        words = _replies(behaviour)
    if isinstance(behaviour, CarrierBehaviour):
        for call, other in behaviour.calls.items():
            words += f"; for call {call} it {_behaviour(other)}"
        for number, other in enumerate(behaviour.attempts, start=1):
            words += f"; at attempt {number} it {_behaviour(other)}"
    return words


def _replies(behaviour: Behaviour) -> str:
    known = ("refuse", "ring", "calls", "attempts", "user", "auth", "vanish")
    ring = f"rings for {_text(behaviour.ring)}, and " if behaviour.ring else ""
    refusal = behaviour.refuse
    end = f"refuses with {refusal.code} {refusal.reason or ''}".rstrip() if refusal else "answers"
    vanishes = [f"vanishes {_text(behaviour.vanish)}"] if behaviour.vanish is not None else []
    return ", ".join([f"{ring}{end}", *vanishes, *_said(behaviour, *known)])


def _call(call: Call, load: Load | None) -> Iterator[str]:
    verb = "calls" if call.method == "INVITE" else f"sends {call.method} to"
    start = "" if call.start == Moment(None) else f", {_when(call.start)}"
    yield f"{call.id}: {_text(call.from_)} {verb} {_text(call.to)}{start}"
    if call.cancel is not None:
        yield f"    the caller gives up {_moment(call.cancel)}"
    elif call.method == "INVITE":
        if call.ring:
            yield f"    it rings for {_text(call.ring)}"
        if call.hangup == "never":
            yield "    neither side hangs up"
        elif call.expect.reply is None or call.expect.reply.code.matches(200):
            hold = _text(call.hold or (load.hold if load else None) or "1s")
            yield f"    once answered it lasts {hold}, and the {call.hangup} hangs up"
    known = (
        "id",
        "from_",
        "to",
        "method",
        "start",
        "ring",
        "hold",
        "hangup",
        "cancel",
        "expect",
        "auth",
        "reinvite",
        "requests",
    )
    if call.auth is not None:
        yield f"    it's signed as {call.auth.username}"
    yield from (f"    {line}" for line in _said(call, *known, "reinvite", "requests"))
    for renewal in call.reinvite:
        verb = "re-INVITE" if renewal.method == "INVITE" else renewal.method
        words = [f"{verb} by the {renewal.by} {_moment(renewal.at)}", *_said(renewal, "method", "by", "at")]
        yield f"    {', '.join(words)}"
    for request in call.requests:
        words = [f"{request.method or 'bytes'} by the {request.by} {_moment(request.at)}"]
        yield f"    {', '.join([*words, *_said(request, 'method', 'by', 'at')])}"
    if call.expect.reply is not None:
        reason = f" {call.expect.reply.reason}" if call.expect.reply.reason is not None else ""
        yield f"    expected: reply {call.expect.reply.code}{reason}"
    if call.expect.carriers == ():
        yield "    expected: no carrier gets it"
    for line in _said(call.expect, "received", "reply", *(["carriers"] if call.expect.carriers == () else [])):
        yield f"    expected: {line}"
    yield from (f"    expected: {_received(each)}" for each in call.expect.received)


def _received(received: Received) -> str:
    by = f"the {received.by}" if received.by in ("caller", "callee") else received.by
    what = received.method if received.reply is None else f"{received.reply} to {received.method}"
    words = [f"{by} gets {'no ' if received.absent else ''}{what}"]
    words += [f"of call {received.call}"] if received.call else []
    return ", ".join([*words, *_said(received, "call", "by", "method", "reply", "absent")])


def _when(moment: Moment) -> str:
    if moment.event is None:
        return f"{_text(moment)} after the start"
    return _text(moment) if moment.delay else f"when {moment}"


_EVENTS = {
    "started": ("at its INVITE", "its INVITE"),
    "ringing": ("while it rings", "it rings"),
    "answered": ("at the answer", "the answer"),
    "ended": ("at its end", "its end"),
    "transferred": ("at the transfer", "the transfer"),
}
"""Moments of a call itself: at once, and behind ``2s after``."""


def _moment(moment: Moment) -> str:
    if moment.call is not None or moment.event not in _EVENTS:
        return _with_durations(str(moment))
    at_once, event = _EVENTS[moment.event]
    return f"{spoken_duration(moment.delay)} after {event}" if moment.delay else at_once


def _fault(fault: Fault) -> str:
    name = {"agent": "the agent", "engine": "the engine", "kamailio": "Kamailio"}.get(fault.on, fault.on)
    kinds = [kind for kind in _FAULTS if kind in fault.model_fields_set and getattr(fault, kind) not in (None, False)]
    words = " and ".join(_FAULTS[kind].format(_amount(kind, getattr(fault, kind))) for kind in kinds)
    which: str = fault.path or ("any request" if fault.call else "")
    which += f" of call {fault.call}" if fault.call else ""
    chosen = [which] if which else []
    chosen += [f"from request {fault.nth} on"] if fault.nth > 1 else []
    chosen += ["once" if fault.times == 1 else f"{fault.times} times"] if fault.times is not None else []
    chosen += [_when(fault.when)] if fault.when is not None and fault.when != Moment(None) else []
    chosen += [f"until {_until(fault.until)}"] if fault.until is not None else []
    return f"{name} {words}: {', '.join(chosen)}" if chosen else f"{name} {words}"


def _until(moment: Moment) -> str:
    return _text(moment) if moment.event else f"{_text(moment)} after the start"


def _amount(kind: str, value: object) -> str:
    if kind in ("kill", "stop", "pause", "unplug"):
        return " for good" if value is True else f" for {spoken_duration(float(str(value)))}"
    return spoken_duration(float(str(value))) if kind == "drip" else _text(value)


def _expected(scenario: Scenario) -> Iterator[str]:
    expect = scenario.expect
    titles: Mapping[str, Callable[[BaseModel], str]] = {
        "accounts": lambda each: f"account {getattr(each, 'account_tag', '')}",
        "carriers": lambda each: f"carrier {getattr(each, 'host', '')}",
    }
    for section in _SECTIONS:
        for each in getattr(expect, section):
            of = f" of call {each.call}" if getattr(each, "call", None) else ""
            if isinstance(each, Received):
                yield _received(each)
                continue
            title = titles[section](each) if section in titles else f"{_NOUNS[section]}{of}"
            yield f"{title}: {', '.join(_said(each, 'call', 'account_tag' if section == 'accounts' else 'host'))}"
    for each in expect.rpc:
        yield f"Kamailio's answer to {', '.join(_said(each)).removeprefix('command ')}"
    yield from _said(expect, *_SECTIONS, "rpc", "within")
