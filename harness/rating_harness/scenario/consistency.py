"""Keys that can't both be meant: each is right by itself, and together they say nothing or the opposite."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from pathlib import Path

from rating_harness.scenario.behaviour import Behaviour, CarrierBehaviour, Fork, SippFile
from rating_harness.scenario.calls import DEFAULT_HOLD, MADE_BY_SIPP, TRACED, UNSAID_BY_SIPP, Call, LoadStep
from rating_harness.scenario.clock import skips_over
from rating_harness.scenario.diagnostics import Finding, did_you_mean, listing, there
from rating_harness.scenario.expectations import CallExpectation, Expectations, Received
from rating_harness.scenario.faults import Fault
from rating_harness.scenario.fields import HeaderValues, Model
from rating_harness.scenario.matchers import Absent, OneOf, Status
from rating_harness.scenario.model import Scenario
from rating_harness.scenario.nodes import ValuePath
from rating_harness.scenario.requests import Request
from rating_harness.scenario.sipp_files import (
    KEYWORDS,
    call_id_prefix,
    csv_faults,
    faults_in,
    has_field,
    is_sipps_own,
    names_in,
    names_to_give,
    needed_files,
    takes_patterns,
    unknown_keywords,
    unrouted_bye,
)
from rating_harness.scenario.vacuous import impossible
from rating_harness.scenario.values import PLACEHOLDERS, Moment, duration_text, placeholders_in
from rating_harness.scenario.yaml_parser import is_file

__all__ = ["contradictions", "refuses", "unsaid_in_sipp_files"]

_VARIABLE = re.compile(r"[$]?[{<%]{1,2} ?([A-Za-z_]\w*) ?[}>%]{1,2}")
"""A variable, as other tools write them."""
_USER = re.compile(r"[A-Za-z0-9\-_.!~*'()&=+$,;?/%#]+")
_CREDENTIAL = re.compile(r"[^\s\[\]]+")
_DOMAIN = re.compile(r"([A-Za-z0-9\-.]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?")
_HOST = re.compile(r"[A-Za-z0-9._\-]+|\[?[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*\]?")
_MADE_ANYWAY = frozenset({"via", "v", "call-id", "i", "cseq", "content-length", "l"})
_COMPACT = {"f": "From", "t": "To", "m": "Contact", "c": "Content-Type"}
"""Of headers that a call's INVITE and a carrier's replies have anyway (RFC 3261 section 7.3.3)."""
_OF_THE_DIALOG = frozenset({"from", "f", "to", "t", "record-route"})
_HEADER = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")


def contradictions(scenario: Scenario, folder: Path) -> Iterator[Finding]:
    """What can't be meant. ``folder`` is where relative files are looked for."""
    for index, call in enumerate(scenario.calls):
        path: ValuePath = ("calls", index)
        yield from _call(call, path, _least_hold(scenario, call))
        yield from _many(scenario, call, path)
        if scenario.load is None and "repeat" not in call.model_fields_set and call.times.high == 1:
            yield from _idle(call, path, ("rate", "concurrency"), "this is one call", "say how many with 'repeat'")
        yield from _headers(call.headers, (*path, "headers"), _MADE_ANYWAY)
        yield from _requests(call, path)
        yield from _sipp(call.sipp, (*path, "sipp"), folder, calls=True)
        renews_early = any(each.at.event == "ringing" for each in call.reinvite)
        yield from _call_expectation(call.expect, (*path, "expect"), renews_early=renews_early)
        if scenario.load is not None:
            yield from _idle(call, path, ("repeat", "concurrency"), "'load' decides how many calls")
            if call.rate is not None:
                yield from _idle(call, path, ("share",), "it has a rate of its own")
        else:
            yield from _idle(call, path, ("share",), "it is a share of a 'load', and there is none")
    if scenario.timeout == 0:
        yield Finding(("timeout",), "no call can be made in no time", "the most that it may take: 1m")
    yield from _load(scenario)
    yield from _untraced(scenario)
    config = scenario.kamailio.config
    if config is not None and not (is_file(folder / config) or is_file(folder / config / "kamailio.cfg")):
        message = f"no configuration of Kamailio {config[:80]!r}"
        yield Finding(("kamailio", "config"), message, "a file, or a directory with a kamailio.cfg in it")
    for index, carrier in enumerate(scenario.given.carriers):
        if not _HOST.fullmatch(carrier.host):
            hint = "a name or an address alone; its port and its transport are 'port' and 'protocol'"
            yield Finding(("given", "carriers", index, "host"), f"{carrier.host[:60]!r} can't be a host", hint)
    yield from _start_circles(scenario)
    for path, behaviour in _behaviours(scenario):
        yield from _behaviour(behaviour, path)
        yield from _headers(behaviour.headers, (*path, "headers"), _MADE_ANYWAY | _OF_THE_DIALOG)
        yield from _sipp(behaviour.sipp, (*path, "sipp"), folder)
    for index, fault in enumerate(scenario.faults):
        yield from _fault(fault, ("faults", index))
    for index, call in enumerate(scenario.calls):
        for number, received in enumerate(call.expect.received):
            here: ValuePath = ("calls", index, "expect", "received", number)
            yield from _idle(received, here, ("call",), "it is of this call", "delete it")
            yield from _received(received, here)
    for number, received in enumerate(scenario.expect.received):
        yield from _received(received, ("expect", "received", number))
    yield from _phones(scenario)
    yield from _carriers_of_many(scenario)
    yield from skips_over(scenario)
    yield from _absences(scenario.expect)
    yield from _expectations(scenario.expect)
    for number, asked in enumerate(scenario.expect.rpc):
        if asked.error is not None:
            yield from _idle(asked, ("expect", "rpc", number), ("result",), "the command is to be refused")
    yield from impossible(scenario)


_DELETE_ONE = "delete one of the two"


def _clash(path: ValuePath, message: str, hint: str = _DELETE_ONE) -> Finding:
    return Finding(path, message, hint, at_key=True)


def _idle(model: Model, path: ValuePath, keys: Iterable[str], why: str, hint: str = _DELETE_ONE) -> Iterator[Finding]:
    """A finding for each of the keys that the author wrote although nothing comes of it."""
    for key in keys:
        if key in model.model_fields_set:
            yield _clash((*path, key), f"'{key}' has no effect: {why}", hint)


_DECIDED_BY_SIPP = (
    *("hold", "hangup", "cancel", "reinvite", "vanish", "no_ack", "retransmit", "bye", "sdp", "headers"),
    *("uri", "display", "contact", "cseq"),
)


def _call(call: Call, path: ValuePath, hold: float) -> Iterator[Finding]:
    yield from _users(call, path)
    if call.domain is not None and not _DOMAIN.fullmatch(call.domain):
        message = f"{call.domain[:60]!r} can't be the domain of a SIP URI"
        yield Finding((*path, "domain"), message, "a name or an address: example.org")
    for key, text in (("uri", call.uri), ("contact", call.contact), ("display", call.display)):
        yield from _single_line(f"'{key}'", text or "", (*path, key))
    for key, header in (("contact", "contact"), ("display", "from")):
        if getattr(call, key) is not None and _has(call.headers, header):
            yield _clash((*path, key), f"{header.capitalize()} is said twice", "here and in 'headers': delete one")
    if isinstance(call.sdp, str):
        yield from _in_a_message("a session description", call.sdp, (*path, "sdp"))
    for key, secret in (("username", call.auth.username), ("password", call.auth.password)) if call.auth else ():
        if not _CREDENTIAL.fullmatch(secret):
            yield Finding((*path, "auth", key), f"SIPp can't sign with this {key}", "without spaces and brackets")
    if call.sipp is not None:
        yield from _idle(call, path, _DECIDED_BY_SIPP, "the SIPp file decides what the caller does")
    if call.method != "INVITE":
        of_a_call = ("ring", "hold", "hangup", "cancel", "reinvite", "requests", "vanish", "no_ack", "bye")
        yield from _idle(call, path, of_a_call, f"{call.method} makes no call")
    if call.transport != "udp":
        yield from _idle(call, path, ("loss",), f"{call.transport} retransmits what is lost")
    if call.cancel is not None:
        yield from _idle(call, path, ("hold", "hangup", "no_ack"), "the call is cancelled")
        for index, renewal in enumerate(call.reinvite):
            if renewal.at.event != "ringing":
                message, hint = "the call is cancelled, and never answered", "at: 200ms after ringing, method: UPDATE"
                yield Finding((*path, "reinvite", index), message, hint)
        if call.vanish is not None and call.vanish.who == "caller":
            yield _clash((*path, "vanish"), "a caller who has vanished can't cancel")
        if call.cancel.event in ("answered", "ended"):
            yield Finding((*path, "cancel"), "a call that is answered can't be cancelled", "use 'hangup' and 'hold'")
    if call.hangup == "never":
        yield from _idle(call, path, ("hold", "bye"), "'hangup: never'")
    yield from _too_late(call, path, hold)
    for index, renewal in enumerate(call.reinvite):
        if renewal.at.event not in ("ringing", "answered"):
            message = "a session is renewed while it rings, or once it is answered"
            yield Finding((*path, "reinvite", index), message, "for example: after 1s, or 200ms after ringing")
        elif renewal.at.event == "ringing" and renewal.method == "INVITE":
            message = "before the answer a session is renewed by UPDATE"
            yield Finding((*path, "reinvite", index), message, "method: UPDATE; or once it's answered: after 1s")
    if call.vanish is not None:
        yield from _vanish(call.vanish.who, call.vanish.at, (*path, "vanish"))
    if call.vanish is not None and call.vanish.who == call.hangup and call.cancel is None:
        other = "callee" if call.hangup == "caller" else "caller"
        message = f"the {call.hangup} vanishes, and can't hang up then"
        yield Finding((*path, "vanish"), message, f"hangup: never, or hangup: {other}")


def _requests(call: Call, path: ValuePath) -> Iterator[Finding]:
    for index, request in enumerate(call.requests):
        here = (*path, "requests", index)
        yield from _request(request, here)
        yield from _headers(request.headers, (*here, "headers"))
        if request.expect is not None:
            yield from _provisional(request.expect.code, (*here, "expect"))
        yield from _placeholders(request, here)


_OF_A_MESSAGE = ("method", "uri", "cseq", "route", "swap", "contact", "headers", "sdp", "body", "auth")


def _request(request: Request, path: ValuePath) -> Iterator[Finding]:
    if request.bytes is not None:
        yield from _idle(request, path, _OF_A_MESSAGE, "'bytes' is the whole message")
        is_known = request.by == "stranger" or request.expect is None or "{branch}" in request.bytes
        if not is_known:
            hint = "a Via with {branch}, or by: stranger, who gets nothing else"
            yield _clash((*path, "expect"), "the reply to these octets can't be known from others", hint)
    elif request.expect is not None and request.by != "stranger":
        replaced = {name.lower(): str(value) for name, value in request.headers.items()}
        vias = [replaced[name] for name in ("via", "v") if name in replaced]
        is_known = not replaced.keys() & {"call-id", "i"} and all("{branch}" in via for via in vias)
        if not is_known:
            hint = "a Via with {branch} and no other Call-ID; or by: stranger, who gets nothing else"
            yield _clash((*path, "expect"), "the reply to this request can't be known from others", hint)
    if request.bytes is None and request.method is None:
        yield Finding(path, "this request has no method", "method: BYE; or the whole message with 'bytes'")
    if request.contact is not None and _has(request.headers, "contact"):
        yield _clash((*path, "contact"), "Contact is said twice", "here and in 'headers': delete one")
    if request.body is not None and request.sdp:
        yield _clash((*path, "sdp"), "a request has one body", "'sdp' or 'body': delete one")
    if request.times == 1:
        yield from _idle(request, path, ("every",), "it is sent once", "say how often with 'times'")
    if request.method == "ACK" and request.expect is not None and not isinstance(request.expect.code, Absent):
        yield Finding((*path, "expect"), "an ACK is never answered", "expect: absent")
    for key, text in (("uri", request.uri), ("contact", request.contact)):
        yield from _single_line("a URI", text or "", (*path, key))


def _has(headers: HeaderValues, name: str) -> bool:
    return any(each.lower() == name for each in headers)


def _placeholders(request: Request, path: ValuePath) -> Iterator[Finding]:
    """A name in braces that is nearly one of the known ones is a slip; other braces may be JSON."""
    texts: list[tuple[ValuePath, str]] = [
        ((*path, key), text)
        for key in ("uri", "contact", "body", "bytes")
        if isinstance(text := getattr(request, key), str)
    ]
    texts += [((*path, "route"), text) for text in request.route.values]
    for name, value in request.headers.items():
        texts += [((*path, "headers", name), text) for text in ([value] if isinstance(value, str) else value)]
    for place, text in texts:
        for name in placeholders_in(text):
            close = did_you_mean(name, PLACEHOLDERS)
            if name not in PLACEHOLDERS and close is not None:
                hint = f"did you mean '{{{close}}}'? There are: {listing(PLACEHOLDERS)}"
                yield Finding(place, f"nothing stands for '{{{name}}}'", hint)


def _users(call: Call, path: ValuePath) -> Iterator[Finding]:
    for key, value in (("from", call.from_), ("to", call.to)):
        for index, user in enumerate((value,) if isinstance(value, str) else value):
            here = (*path, key) if isinstance(value, str) else (*path, key, index)
            if not _USER.fullmatch(user):
                hint = "write the number or name alone; the domain has its own key, 'domain'"
                if variable := _VARIABLE.fullmatch(user):
                    hint = f"a variable is written ${{{variable[1]}}}"
                yield Finding(here, f"{user[:60]!r} can't be the user part of a SIP URI", hint)
            elif ";" in user and not isinstance(value, str):
                yield Finding(here, "a user of a list has no parameters", "make it a call of its own")
        if not value:
            yield Finding((*path, key), "an empty list", "one user, or several")
    lists = [key for key, value in (("from", call.from_), ("to", call.to)) if not isinstance(value, str)]
    for key in lists:
        if call.sipp is not None:
            message = f"'{key}' is a list, and the SIPp file decides who calls whom"
            yield _clash((*path, key), message, "a CSV file beside it: sipp: {file: ..., csv: users.csv}")


def _too_late(call: Call, path: ValuePath, hold: float) -> Iterator[Finding]:
    """What should happen after the call is over.

    :param hold: seconds from the answer to the BYE, at least.
    """
    if call.hangup == "never" or call.sipp is not None or call.cancel is not None:
        return
    moments: list[tuple[ValuePath, Moment]] = [
        ((*path, "reinvite", index), each.at) for index, each in enumerate(call.reinvite)
    ]
    moments += [((*path, "requests", index), each.at) for index, each in enumerate(call.requests)]
    if call.vanish is not None:
        moments.append(((*path, "vanish"), call.vanish.at))
    if call.transfer is not None:
        moments.append(((*path, "transfer"), call.transfer.at))
    for where, at in moments:
        is_fixed = call.hold is None or call.hold.fixed
        if (
            is_fixed
            and ("reinvite" in where or "transfer" in where)
            and at.event == "answered"
            and at.call is None
            and at.delay == hold
        ):
            message = f"{call.id!r} is hung up at this very moment ('hold'): which of the two comes first is chance"
            yield Finding(where, message, "a longer 'hold', or an earlier moment")
        elif at.event == "answered" and at.call is None and at.delay > hold:
            message = f"{call.id!r} is over after {duration_text(hold)}, before this at {duration_text(at.delay)}"
            hint = "a longer 'hold'" + ("; or a time after its end: 1s after end" if "requests" in where else "")
            yield Finding(where, message, hint)


def _vanish(who: str, at: Moment, path: ValuePath) -> Iterator[Finding]:
    """A callee that vanishes before it answers does so with its last provisional reply."""
    if at.event == "ended" or (who == "callee" and at != Moment("ringing") and at.event != "answered"):
        silent = "; a carrier that never replies is 'silent'" if who == "callee" else ""
        yield Finding(
            path, f"a {who} can't vanish at this moment", f"while ringing, or after 1s (of the answer){silent}"
        )


def _call_expectation(expect: CallExpectation, path: ValuePath, *, renews_early: bool) -> Iterator[Finding]:
    yield from _header_names(expect.headers, (*path, "headers"))
    if expect.reply is None:
        return
    code = expect.reply.code
    if expect.reply.reason is not None and expect.reason is not None:
        yield _clash((*path, "reason"), "the reason phrase is said twice", "here and in 'reply': delete one")
    yield from _provisional(code, (*path, "reply"))
    if not refuses(code):
        return
    of_answered = ["duration", "bye_reason", "bye_reply", "carrier", *([] if renews_early else ["reinvite_reply"])]
    for key in of_answered:
        if not isinstance(getattr(expect, key), Absent | None):
            yield _clash((*path, key), f"'{key}' is of answered calls, and the reply is {code}")
    if expect.ended_by not in (None, "nobody"):
        yield _clash((*path, "ended_by"), f"a call with the reply {code} has no BYE")


def _provisional(code: object, path: ValuePath) -> Iterator[Finding]:
    """A final reply that could only be a provisional one."""
    choices = code.choices if isinstance(code, OneOf) else (code,)
    for each in choices:
        if isinstance(each, Status) and each.high < 200:
            yield Finding(path, f"{each} is no final reply", "those before it are 'provisional': [180]")


def refuses(code: object) -> bool:
    """Whether an expected status is that of a call that isn't answered."""
    if isinstance(code, OneOf):
        return all(map(refuses, code.choices))
    return isinstance(code, Absent) or (isinstance(code, Status) and code.low >= 300)


def _many(scenario: Scenario, call: Call, path: ValuePath) -> Iterator[Finding]:
    """What can't be said of many calls, which SIPp makes."""
    number = _number_of(scenario, call)
    if number > 1 and _has(call.headers, "call-id"):
        name = next(name for name in call.headers if name.lower() == "call-id")
        yield _clash((*path, "headers", name), f"{number} calls can't have the same Call-ID", "leave it out")
    has_steps = scenario.load is not None and bool(scenario.load.steps)
    if (number <= TRACED and not has_steps) or call.sipp is not None:
        return
    many = f"{number} calls: more than {TRACED} are made by SIPp, which has no means"
    words: list[ValuePath] = [
        (word,) for word in UNSAID_BY_SIPP if word != "cancel" and word in call.model_fields_set
    ]
    words += [("headers", name) for name in call.headers if name.lower() in MADE_BY_SIPP]
    if any(each.model_fields_set & {"sdp", "refuse"} or each.at.event != "answered" for each in call.reinvite):
        words.append(("reinvite",))
    if call.method != "INVITE" and call.auth is not None:
        words.append(("auth",))
    if call.method == "INVITE" and call.sdp is False:
        message = "SIPp makes these calls, and answers no offer that comes in the 200"
        yield _clash((*path, "sdp"), message, "leave it out, or make fewer calls, without steps of a load")
    for word in words:
        who = "calls of a load with steps: SIPp makes them, which has no means" if number <= TRACED else many
        fewer = "one 'rate' for all" if number <= TRACED else "fewer calls"
        message = f"{word[-1]!r} can't be said of {who}"
        yield _clash((*path, *word), message, f"{fewer}, or a SIPp scenario of your own ('sipp')")


def _number_of(scenario: Scenario, call: Call) -> int:
    """How many of them are made, at most."""
    load = scenario.load
    if load is None:
        return int(call.times.high)
    others = sum(each.rate is None for each in scenario.calls)
    rate = call.rate or load.peak * (call.share if call.share is not None else 1 / others)
    return round(rate * load.seconds_at_peak)


_UNSAID_BY_SIPP_CARRIERS = ("sdp", "early_sdp", "reliable", "forks")


def _carriers_of_many(scenario: Scenario) -> Iterator[Finding]:
    """What carriers of many calls can't do, which SIPp plays."""
    number = sum(_number_of(scenario, call) for call in scenario.calls)
    if number <= TRACED and scenario.load is None:
        return
    for path, behaviour in _behaviours(scenario):
        for word in _UNSAID_BY_SIPP_CARRIERS:
            if word in behaviour.model_fields_set:
                message = f"{word!r} can't be said of a carrier of a load, which SIPp plays"
                yield _clash((*path, word), message, "fewer calls, without 'load'")


def _phones(scenario: Scenario) -> Iterator[Finding]:
    number = sum(_number_of(scenario, call) for call in scenario.calls)
    for host, phone in scenario.phones.items():
        if host in scenario.carriers or any(carrier.host == host for carrier in scenario.given.carriers):
            yield _clash(("phones", host), f"{host!r} is a carrier's host", "a phone has a host of its own")
        if number > TRACED or scenario.load is not None:
            yield _clash(("phones", host), "a load can't be called to a phone", "a carrier takes any number of calls")
        if phone.sipp is not None:
            message = "a phone registers, and a SIPp scenario does so by itself"
            yield _clash(("phones", host, "sipp"), message, "make it a carrier")


def _least_hold(scenario: Scenario, call: Call) -> float:
    hold = scenario.load.hold if scenario.load and scenario.load.hold else call.hold
    return hold.low if hold else DEFAULT_HOLD


def _untraced(scenario: Scenario) -> Iterator[Finding]:
    """What is expected of more calls than there are traces of."""
    made = sum(_number_of(scenario, call) for call in scenario.calls)
    if made <= TRACED:
        return
    unseen: list[ValuePath] = [
        ("calls", index, "expect", key)
        for index, call in enumerate(scenario.calls)
        for key in _OF_TRACES
        if getattr(call.expect, key)
    ]
    for section in ("received", "dialogs"):
        unseen += [("expect", section, index) for index in range(len(getattr(scenario.expect, section)))]
    for path in unseen:
        message = f"this can't be seen in {made} calls: of more than {TRACED}, a line of each message is kept"
        yield Finding(path, message, "expect it in a scenario with fewer calls", at_key=isinstance(path[-1], str))


_OF_TRACES = ("headers", "received", "bye_reason", "bye_reply", "reinvite_reply", "source", "destination")


def _load(scenario: Scenario) -> Iterator[Finding]:
    load = scenario.load
    if load is None:
        return
    steps: tuple[tuple[ValuePath, LoadStep], ...] = tuple(
        (("load", "steps", index) if load.steps else ("load",), step) for index, step in enumerate(load.profile)
    )
    if load.steps:
        yield from _idle(load, ("load",), ("rate", "duration", "ramp"), "'steps' say how fast and how long")
    elif not steps:
        missing = "rate" if load.rate is None else "duration"
        yield Finding(("load",), f"'load' has no {missing!r}", "'rate' and 'duration', or 'steps'")
        return
    for path, step in steps:
        if (step.ramp or 0.0) > step.duration:
            message = f"the rate would still grow when the load is over, after {step.duration:g}s"
            if load.steps:
                message = f"the rate would still change when the step is over, after {step.duration:g}s"
            yield Finding((*path, "ramp"), message, f"a ramp of {step.duration:g}s at most")
            return
    sharing = [(index, call) for index, call in enumerate(scenario.calls) if call.rate is None]
    number = round(load.peak * load.seconds_at_peak)
    if number < len(sharing):
        message = f"{number} calls would be made, and there are {len(sharing)} kinds of them"
        yield Finding(("load",), message, "a higher 'rate', or a longer 'duration'")
    said = [(index, call.share) for index, call in sharing if call.share is not None]
    total = sum(share for _, share in said)
    if total > 1 + 1e-9 or (said and len(said) == len(sharing) and total < 1 - 1e-9):
        message = f"the shares of all calls make {total * 100:g}%"
        yield Finding(("calls", said[-1][0], "share"), message, "100%; or leave one out, which has the rest")
    elif total > 1 - 1e-9 and len(said) < len(sharing):
        index = next(index for index, call in sharing if call.share is None)
        yield Finding(("calls", index), "the other calls' shares leave none for it", "give it a share too")


def _start_circles(scenario: Scenario) -> Iterator[Finding]:
    after = {call.id: call.start.call for call in scenario.calls}
    if len(after) < len(scenario.calls):
        return  # an id that two calls have: which of them is meant is another mistake's affair
    starts: set[str | None] = {None}
    for index, call in enumerate(scenario.calls):
        waiting: dict[str | None, None] = {}
        name: str | None = call.id
        while name not in starts and name not in waiting:
            waiting[name] = None
            name = after.get(name) if name else None
        if name not in starts:
            yield Finding(("calls", index, "start"), f"{call.id!r} waits for itself", "one call must start by itself")
        starts |= waiting.keys()


def _behaviours(scenario: Scenario) -> Iterator[tuple[ValuePath, Behaviour]]:
    sections: tuple[tuple[str, Mapping[str, CarrierBehaviour]], ...] = (
        ("carriers", scenario.carriers),
        ("phones", scenario.phones),
    )
    for section, ends in sections:
        for host, end in ends.items():
            yield (section, host), end
            for name, behaviour in end.calls.items():
                yield (section, host, "calls", name), behaviour
            for attempt, behaviour in enumerate(end.attempts):
                yield (section, host, "attempts", attempt), behaviour


def _behaviour(behaviour: Behaviour, path: ValuePath) -> Iterator[Finding]:
    answer = ("hang_up_after", "vanish", "retransmit_answer", "answer_cancelled", "sdp")
    reply = ("provisional", "answer_after", "ring", "refuse", "early_sdp", "reliable", "forks", "headers")
    yield from _early_media(behaviour, path)
    yield from _forks(behaviour, path)
    forked = [fork.provisional for fork in behaviour.forks]
    replies = [code for each in (behaviour.provisional, *forked) for code in each]
    if behaviour.reliable and all(code == 100 for code in replies):
        yield _clash((*path, "reliable"), "no provisional reply is sent but 100", "provisional: [180]")
    if behaviour.sipp is not None:
        decided = ("silent", "absent", *reply, *answer)
        yield from _idle(behaviour, path, decided, "the SIPp file decides what the carrier does")
    elif behaviour.absent:
        yield from _idle(behaviour, path, ("silent", *reply, *answer), "nobody listens ('absent')")
    elif behaviour.silent:
        yield from _idle(behaviour, path, (*reply, *answer), "the carrier never replies ('silent')")
    elif behaviour.refuse is not None:
        yield from _idle(behaviour, path, answer, "the call is refused")
        yield from _single_line("a reason phrase", behaviour.refuse.reason or "", (*path, "refuse", "reason"))
    elif behaviour.vanish is not None:
        yield from _vanish("callee", behaviour.vanish, (*path, "vanish"))


def _early_media(each: Behaviour | Fork, path: ValuePath) -> Iterator[Finding]:
    if each.early_sdp is not False and 183 not in each.provisional:
        yield _clash((*path, "early_sdp"), "no 183 is sent that could carry it", "provisional: [183]")


def _forks(behaviour: Behaviour, path: ValuePath) -> Iterator[Finding]:
    for number, fork in enumerate(behaviour.forks):
        place = (*path, "forks", number)
        yield from _early_media(fork, place)
        is_mute = all(code == 100 for code in fork.provisional)
        if is_mute and fork.late_answer is None:
            yield Finding(place, "this fork says nothing that the caller could see", "provisional: [180]")
        if behaviour.refuse is not None:
            yield from _idle(fork, place, ("late_answer",), "the call is refused")


def _sipp(sipp: SippFile | None, path: ValuePath, folder: Path, *, calls: bool = False) -> Iterator[Finding]:
    """``calls``: it's a caller's, whose calls have to be known by their Call-IDs."""
    if sipp is None:
        return
    if not is_file(folder / sipp.file):
        yield Finding(path, f"no file {sipp.file[:80]!r}", "the path is relative to this file")
        return
    if sipp.csv is not None and not is_file(folder / sipp.csv):
        yield Finding((*path, "csv"), f"no file {sipp.csv[:80]!r}", "the path is relative to this file")
    text = yield from _text_of(sipp.file, path, folder)
    if text is None:
        return
    for message, hint in faults_in(text, calls=calls):
        yield Finding(path, f"{sipp.file}: {message}", hint)
    used = names_in(text)
    for name in sipp.variables:
        if is_sipps_own(name):
            message = f"[{name}] is a keyword of SIPp's own, and can't have a value"
            yield _clash((*path, "variables", name), message, "give the variable another name, in the file too")
        elif name not in used:
            own = names_to_give(text)
            close = did_you_mean(name, own)
            hint = f"did you mean '{close}'? " if close else ""
            yield _clash((*path, "variables", name), f"{sipp.file} has no [{name[:60]}]", hint + there(sorted(own)))
    if sipp.csv is not None:
        values = yield from _text_of(sipp.csv, (*path, "csv"), folder)
        for message, hint in csv_faults(values, text) if values is not None else ():
            yield Finding((*path, "csv"), f"{sipp.csv}: {message}", hint)
    if has_field(text) and sipp.csv is None:
        yield Finding(path, f"{sipp.file} takes values from a CSV file", "name it with 'csv'")
    for name in needed_files(text):
        if not is_file((folder / sipp.file).parent / name):
            hint = "its path is relative to the SIPp file's folder"
            yield Finding(path, f"{sipp.file} plays {name[:80]!r}, which isn't there", hint)
    if calls and call_id_prefix(text) is None:
        hint = "Call-ID: [call_id], or a prefix before it: Call-ID: mine///[call_id]"
        yield Finding(path, f"SIPp knows its calls by [call_id], and {sipp.file} has another Call-ID", hint)


def unsaid_in_sipp_files(scenario: Scenario, folder: Path) -> Iterator[Finding]:
    """Warnings: what SIPp has no value for, or takes in later releases alone."""
    files: list[tuple[ValuePath, SippFile]] = [
        (("calls", index, "sipp"), call.sipp) for index, call in enumerate(scenario.calls) if call.sipp is not None
    ]
    files += [((*path, "sipp"), each.sipp) for path, each in _behaviours(scenario) if each.sipp is not None]
    for path, sipp in files:
        text = (folder / sipp.file).read_text("utf-8-sig")
        for word in unknown_keywords(text, sipp.variables):
            close = did_you_mean(word, KEYWORDS)
            guess = f"did you mean [{close}]? " if close else ""
            yield Finding(path, f"SIPp has no value for [{word}]", f"{guess}'variables' gives it one")
        if "service" in names_in(text) and "service" not in sipp.variables and path[0] == "calls":
            message = f"[service] of {sipp.file} has no value: SIPp writes 'service'"
            yield Finding(path, message, 'sipp: {file: ..., variables: {service: "39040123456"}}')
        if (unrouted := unrouted_bye(text)) is not None:
            yield Finding(path, f"{sipp.file}: {unrouted[0]}", unrouted[1])
        if takes_patterns(text) and scenario.requires.sipp is None:
            message = f"{sipp.file} has a pattern for a status, which SIPp takes from 3.7.5 on"
            yield Finding(path, message, "a <recv> for each status; or requires: {sipp: at least 3.7.5}")


def _text_of(name: str, path: ValuePath, folder: Path) -> Generator[Finding, None, str | None]:
    """What is in a file of SIPp's; None where that's no text."""
    try:
        return (folder / name).read_text("utf-8-sig")
    except OSError as error:
        yield Finding(path, f"{name[:80]!r} can't be read: {error.strerror}", "may you read it?")
    except UnicodeDecodeError as error:
        yield Finding(path, f"{name}: the byte 0x{error.object[error.start]:02x} is not UTF-8", "save it as UTF-8")
    return None


def _headers(headers: HeaderValues, path: ValuePath, made: frozenset[str] = frozenset()) -> Iterator[Finding]:
    """``made``: names, in small letters, of headers that can't be replaced."""
    yield from _header_names(headers, path)
    for name, value in headers.items():
        if not _HEADER.fullmatch(name):
            continue
        if name.lower() in ("request-uri", "r-uri", "ruri"):
            yield _clash((*path, name), "the Request-URI is no header", "it has a key of its own: 'uri'")
        elif name.lower() in made:
            hint = "delete it; a request under 'requests', or a SIPp file under 'sipp', can say anything"
            yield _clash((*path, name), f"the header {name} is made by the harness", hint)
        elif made and name.lower() in _COMPACT:
            full = _COMPACT[name.lower()]
            yield _clash(
                (*path, name), f"{name!r} would be a second {full}", f"by its whole name it is replaced: {full}"
            )
        elif isinstance(value, str):
            yield from _single_line("a header's value", value, (*path, name))
        else:
            for index, each in enumerate(value):
                yield from _single_line("a header's value", each, (*path, name, index))


def _header_names(names: Iterable[str], path: ValuePath) -> Iterator[Finding]:
    for name in names:
        if not _HEADER.fullmatch(name):
            yield _clash((*path, name), f"{name[:60]!r} is no name of a SIP header", "the name alone, without ':'")


def _single_line(what: str, text: str, path: ValuePath) -> Iterator[Finding]:
    if "\r" in text or "\n" in text:
        yield Finding(path, f"{what} is a single line", "take the line break out")
    else:
        yield from _in_a_message(what, text, path)


def _in_a_message(what: str, text: str, path: ValuePath) -> Iterator[Finding]:
    if "]]>" in text:
        yield Finding(path, f"{what} can't hold ']]>', which ends a message in SIPp's files", "take it out")


def _fault(fault: Fault, path: ValuePath) -> Iterator[Finding]:
    outages = [name for name in fault.actions if name in Fault.OUTAGES]
    answers = [name for name in fault.actions if name in Fault.ANSWERS]
    if not outages and not answers:
        to_agent = listing([f"to the agent: {Fault.ANSWERS[0]}", *Fault.ANSWERS[1:]])
        to_service = listing([f"to a whole service: {Fault.OUTAGES[0]}", *Fault.OUTAGES[1:]])
        yield Finding(path, "this fault does nothing", f"{to_agent}\n{to_service}")
    elif outages and len(fault.actions) > 1:
        other = [*answers, *outages][-1] if len(outages) > 1 else answers[0]
        message = f"one fault does one of '{outages[0]}' and '{other}'"
        yield _clash((*path, other), message, "make two faults of it")
    elif outages:
        for key in ("path", "call", "nth", "times"):
            if key in fault.model_fields_set:
                message = f"'{key}' chooses requests, and '{outages[0]}' is for the whole service"
                yield _clash((*path, key), message, "use 'when'")
        yield from _started_anew(fault, outages[0], (*path, outages[0]))
    elif fault.on != "agent" and did_you_mean(fault.on, ["agent"]) is None:
        hint = "on: agent; how a carrier answers is said under 'carriers'"
        yield _clash((*path, answers[0]), f"'{answers[0]}' is a fault of the agent, not of {fault.on!r}", hint)
    yield from _answers_at_once(answers, path)
    begin, end = fault.when, fault.until
    is_one = begin is not None and end is not None and (begin.call, begin.event) == (end.call, end.event)
    if begin is not None and end is not None and is_one and end.delay <= begin.delay:
        message = f"this fault ends {duration_text(begin.delay - end.delay)} before it begins"
        if end.delay == begin.delay:
            message = "this fault ends at the moment at which it begins"
        yield Finding((*path, "until"), message, "a later 'until', or an earlier 'when'")
    for name, value in (fault.set or {}).items():
        if any(not -(2**63) <= number < 2**64 for number in _whole_numbers(value)):
            message = "a number as large as this can't be put into an answer"
            yield Finding((*path, "set", name), message, "the answer as a whole, with 'body'")
    if fault.refuse:
        keys = ("path", "call", "nth", "times", "late", "delay")
        why = "a connection is refused before it holds a request"
        yield from _idle(fault, path, keys, why, "delete it; 'when' and 'until' say how long connections are refused")


_STARTED_ANEW = ("kill", "restart", "stop")
"""Outages after which a service is another process, which knows nothing of what was before."""


def _started_anew(fault: Fault, outage: str, path: ValuePath) -> Iterator[Finding]:
    """Only Kamailio and the engine are: what an end or the agent has seen is what a run is judged by."""
    is_service = fault.on in ("kamailio", "engine") or did_you_mean(fault.on, ["kamailio", "engine"]) is not None
    if outage not in _STARTED_ANEW or is_service:
        return
    if fault.on == "agent":
        hint = "refuse: true is an agent that is gone, from 'when' to 'until'; reset: true one that dies at a request"
        yield _clash(path, f"the agent can't have '{outage}': the harness itself answers for it", hint)
    else:
        hint = "unplug: 2s, or pause: 2s; 'vanish' under 'carriers' is an end that falls silent for good"
        yield _clash(path, f"'{outage}' is for kamailio and engine: {fault.on!r} is an end of calls", hint)


def _whole_numbers(value: object) -> Iterator[int]:
    """Those in a value of JSON's."""
    if isinstance(value, int):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _whole_numbers(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _whole_numbers(each)


def _answers_at_once(answers: list[str], path: ValuePath) -> Iterator[Finding]:
    """An answer may be late and odd at once, but it's odd in one way: its status and body, or some of its fields."""
    odd = [name for name in answers if name not in ("delay", "late")]
    if len(odd) > 1 and set(odd) not in ({"status", "body"}, {"set", "remove"}):
        message = f"an answer can't be '{odd[0]}' and '{odd[1]}' at once"
        yield _clash((*path, odd[1]), message, "make two faults of it, with 'nth' and 'times'")


def _received(received: Received, path: ValuePath) -> Iterator[Finding]:
    if received.reply is not None:
        yield from _idle(received, path, ("uri",), "a reply has no Request-URI")
    else:
        yield from _idle(received, path, ("reason",), "it is of a request", "say which reply with 'reply'")
    if received.absent:
        yield from _idle(received, path, ("count", "nth"), "there must be no such message")
    yield from _header_names(received.headers, (*path, "headers"))


def _absences(expect: Expectations) -> Iterator[Finding]:
    """What must be absent has no further qualities."""
    for section in ("dialogs", "requests", "transactions", "log"):
        for index, item in enumerate(getattr(expect, section)):
            for key in ("count", "timeout", "state", "gone", "order"):
                if item.absent and key in item.model_fields_set:
                    yield _clash(("expect", section, index, key), f"'{key}' of what must be absent")


def _expectations(expect: Expectations) -> Iterator[Finding]:
    for index, request in enumerate(expect.requests):
        path: ValuePath = ("expect", "requests", index)
        if request.order is not None and request.call is None:
            yield _clash((*path, "order"), "'order' is of one call's requests", "say which with 'call'")
        if request.order is not None and request.path is not None:
            yield _clash((*path, "path"), "'path' chooses one kind, and 'order' is of all")
    for index, record in enumerate(expect.transactions):
        if record.call is None and record.transaction_tag is None and record.account_tag is None:
            hint = "say it with 'call', 'account_tag' or 'transaction_tag'"
            yield Finding(("expect", "transactions", index), "which record?", hint)
    for positive, negative in (("begun", "not_begun"), ("ended", "not_ended")):
        said = set(getattr(expect, positive))
        for index, name in enumerate(getattr(expect, negative)):
            if name in said:
                yield Finding(("expect", negative, index), f"{name!r} is in '{positive}' too", _DELETE_ONE)
