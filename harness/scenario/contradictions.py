"""Keys that can't both be meant: each is right by itself, and together they say nothing or the opposite."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.scenario.behaviour import Behaviour, SippFile
from harness.scenario.calls import Call
from harness.scenario.expectations import CallExpectation
from harness.scenario.faults import Fault
from harness.scenario.findings import Finding
from harness.scenario.matchers import Absent, OneOf, Status
from harness.scenario.mistakes import listing
from harness.scenario.model import Scenario
from harness.scenario.nodes import ValuePath
from harness.scenario.reading import is_file

__all__ = ["contradictions"]

_USER = re.compile(r"[A-Za-z0-9\-_.!~*'()&=+$,;?/%#]+")
_HEADER = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")


def contradictions(scenario: Scenario, folder: Path) -> Iterator[Finding]:
    """What can't be meant, in the order of the file. ``folder`` is where relative files are looked for."""
    for index, call in enumerate(scenario.calls):
        yield from _call(call, ("calls", index), folder)
        if scenario.load is not None:
            yield from _both(
                call, ("calls", index), ("repeat", "rate", "concurrency"), "'load' decides how many calls"
            )
    yield from _start_circles(scenario)
    for host, carrier in scenario.carriers.items():
        yield from _behaviour(carrier, ("carriers", host), folder)
        for name, behaviour in carrier.calls.items():
            yield from _behaviour(behaviour, ("carriers", host, "calls", name), folder)
        for attempt, behaviour in enumerate(carrier.attempts):
            yield from _behaviour(behaviour, ("carriers", host, "attempts", attempt), folder)
    for index, fault in enumerate(scenario.faults):
        yield from _fault(fault, ("faults", index))
    yield from _expectations(scenario)


def _both(
    model: Call | Behaviour, path: ValuePath, given: Iterable[str], why: str, hint: str = ""
) -> Iterator[Finding]:
    """A finding for each key of ``given`` that the author wrote."""
    for key in given:
        if key in model.model_fields_set:
            yield Finding((*path, key), f"'{key}' has no effect: {why}", hint or "delete one of the two", at_key=True)


def _call(call: Call, path: ValuePath, folder: Path) -> Iterator[Finding]:
    for key, user in (("from", call.from_), ("to", call.to)):
        if not _USER.fullmatch(user):
            yield Finding(
                (*path, key),
                f"{user[:60]!r} can't be the user part of a SIP URI",
                "write the number or name alone; the domain has its own key, 'domain'",
            )
    yield from _headers(call.headers, (*path, "headers"))
    if call.sipp is not None:
        yield from _sipp(call.sipp, (*path, "sipp"), folder)
        decided = ("hold", "hangup", "cancel", "reinvite", "vanish", "no_ack", "retransmit", "bye", "sdp", "headers")
        yield from _both(call, path, decided, "the SIPp file decides what the caller does")
    if call.method != "INVITE":
        needless = ("ring", "hold", "hangup", "cancel", "reinvite", "vanish", "no_ack", "bye")
        yield from _both(call, path, needless, f"{call.method} makes no call")
    if call.cancel is not None:
        yield from _both(call, path, ("hold", "hangup", "reinvite", "no_ack"), "the call is cancelled")
        if call.cancel.event in ("answered", "ended"):
            yield Finding((*path, "cancel"), "a call that is answered can't be cancelled", "use 'hangup' and 'hold'")
    if call.hangup == "never":
        yield from _both(call, path, ("hold", "bye"), "'hangup: never'")
    if call.vanish is not None and call.vanish.who == call.hangup:
        yield Finding(
            (*path, "vanish"),
            f"the {call.hangup} vanishes, and can't hang up then",
            f"hangup: never, or hangup: {'callee' if call.hangup == 'caller' else 'caller'}",
        )
    if call.repeat.high == 1 and "repeat" not in call.model_fields_set:
        yield from _both(call, path, ("rate", "concurrency"), "this is one call", "say how many with 'repeat'")
    yield from _call_expectation(call.expect, (*path, "expect"))


def _call_expectation(expect: CallExpectation, path: ValuePath) -> Iterator[Finding]:
    reply = expect.reply
    if reply is None:
        return
    if reply.reason is not None and expect.reason is not None:
        yield Finding(
            (*path, "reason"), "the reason phrase is said twice", "here and in 'reply': delete one", at_key=True
        )
    if _refuses(reply.code):
        for key in ("duration", "bye_reason", "bye_reply", "carrier", "reinvite_reply"):
            value = getattr(expect, key)
            if value is not None and not isinstance(value, Absent):
                yield Finding(
                    (*path, key),
                    f"'{key}' is of answered calls, and the reply is {reply.code}",
                    "delete one of the two",
                    at_key=True,
                )
        if expect.ended_by not in (None, "nobody"):
            yield Finding(
                (*path, "ended_by"), f"a call with the reply {reply.code} has no BYE", "delete one of the two"
            )


def _refuses(code: object) -> bool:
    if isinstance(code, OneOf):
        return all(map(_refuses, code.choices))
    return isinstance(code, Absent) or (isinstance(code, Status) and code.low >= 300)


def _start_circles(scenario: Scenario) -> Iterator[Finding]:
    after = {call.id: call.start.call for call in scenario.calls}
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


def _behaviour(behaviour: Behaviour, path: ValuePath, folder: Path) -> Iterator[Finding]:
    yield from _headers(behaviour.headers, (*path, "headers"))
    written = behaviour.model_fields_set
    if behaviour.sipp is not None:
        yield from _sipp(behaviour.sipp, (*path, "sipp"), folder)
        decided = [key for key in Behaviour.model_fields if key != "sipp" and key in written]
        yield from _both(behaviour, path, decided, "the SIPp file decides what the carrier does")
        return
    answer = ("hang_up_after", "vanish", "retransmit_answer", "answer_cancelled")
    timing = ("provisional", "answer_after", "ring", "refuse", "headers")
    if behaviour.absent:
        yield from _both(behaviour, path, ("silent", *timing, *answer), "nobody listens ('absent')")
    elif behaviour.silent:
        yield from _both(behaviour, path, (*timing, *answer), "the carrier never replies ('silent')")
    elif behaviour.refuse is not None:
        yield from _both(behaviour, path, answer, "the call is refused")


def _sipp(sipp: SippFile, path: ValuePath, folder: Path) -> Iterator[Finding]:
    if not is_file(folder / sipp.file):
        yield Finding(path, f"no file {sipp.file[:80]!r}", "the path is relative to this file")


def _headers(headers: dict[str, str], path: ValuePath) -> Iterator[Finding]:
    for name, value in headers.items():
        if not _HEADER.fullmatch(name):
            yield Finding(
                (*path, name), f"{name[:60]!r} is no name of a SIP header", "the name alone, without ':'", at_key=True
            )
        elif "\r" in value or "\n" in value:
            yield Finding((*path, name), "a header's value is a single line", "take the line break out")


def _fault(fault: Fault, path: ValuePath) -> Iterator[Finding]:
    actions = fault.actions
    if not actions:
        yield Finding(
            path,
            "this fault does nothing",
            f"{listing(['to the agent: ' + Fault.ANSWERS[0], *Fault.ANSWERS[1:]])}\n"
            f"{listing(['to a whole service: ' + Fault.OUTAGES[0], *Fault.OUTAGES[1:]])}",
        )
        return
    outages = [name for name in actions if name in Fault.OUTAGES]
    answers = [name for name in actions if name in Fault.ANSWERS]
    if outages and len(actions) > 1:
        other = next(name for name in reversed(actions) if name != outages[0])
        yield Finding(
            (*path, other),
            f"one fault does one of '{outages[0]}' and '{other}'",
            "make two faults of it",
            at_key=True,
        )
    elif outages:
        for key in ("path", "call", "nth", "times"):
            if key in fault.model_fields_set:
                yield Finding(
                    (*path, key),
                    f"'{key}' chooses requests, and '{outages[0]}' is for the whole service",
                    "use 'when'",
                )
    elif fault.on != "agent":
        yield Finding(
            (*path, answers[0]), f"'{answers[0]}' is a fault of the agent, not of {fault.on!r}", "on: agent"
        )
    ways_to_answer = [name for name in answers if name not in ("delay", "late", "duplicate", "drip")]
    compatible = {"status", "body", "set", "remove", "partial"}
    if len(ways_to_answer) > 1 and not (
        set(ways_to_answer) <= compatible and not {"body", "set"} <= set(ways_to_answer)
    ):
        first, second = ways_to_answer[:2]
        yield Finding(
            (*path, second), f"an answer can't be '{first}' and '{second}' at once", "make two faults of it"
        )


def _expectations(scenario: Scenario) -> Iterator[Finding]:
    expect = scenario.expect
    for section in ("dialogs", "requests", "transactions", "log"):
        for index, item in enumerate(getattr(expect, section)):
            path: ValuePath = ("expect", section, index)
            if item.absent:
                for key in ("count", "timeout", "state", "gone", "order"):
                    if key in item.model_fields_set:
                        yield Finding(
                            (*path, key), f"'{key}' of what must be absent", "delete one of the two", at_key=True
                        )
    for index, request in enumerate(expect.requests):
        path = ("expect", "requests", index)
        if request.order is not None and request.call is None:
            yield Finding((*path, "order"), "'order' is of one call's requests", "say which with 'call'", at_key=True)
        if request.order is not None and request.path is not None:
            yield Finding(
                (*path, "path"),
                "'path' chooses one kind, and 'order' is of all",
                "delete one of the two",
                at_key=True,
            )
    for index, record in enumerate(expect.transactions):
        if record.call is None and record.transaction_tag is None and record.account_tag is None:
            yield Finding(
                ("expect", "transactions", index),
                "which record?",
                "say it with 'call', 'account_tag' or 'transaction_tag'",
            )
    for positive, negative in (("begun", "not_begun"), ("ended", "not_ended")):
        for index, name in enumerate(getattr(expect, negative)):
            if name in getattr(expect, positive):
                yield Finding(
                    ("expect", negative, index), f"{name!r} is in '{positive}' too", "delete one of the two"
                )
