"""Transfers (REFER, RFC 3515), as the requests and the start that they stand for; calls that take another's place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from rating_harness.errors import Location
from rating_harness.scenario.calls import Call, Transfer
from rating_harness.scenario.consistency import refuses
from rating_harness.scenario.diagnostics import Finding
from rating_harness.scenario.matchers import Status
from rating_harness.scenario.model import Scenario
from rating_harness.scenario.nodes import ValuePath
from rating_harness.scenario.requests import Request, RequestReply
from rating_harness.scenario.values import DEFAULT_DOMAIN, Moment

__all__ = ["DIALOG_OF", "misplaced_transfers", "places_of_transfers", "with_transfers"]

Side = Literal["caller", "callee"]

DIALOG_OF = "{{{}.dialog}}"
"""Stands for a call's dialog in a Refer-To, until its Call-ID and tags are known."""

_TYPE = "message/sipfrag;version=2.0"
"""Of what a NOTIFY says of the other call: the first line of its reply (RFC 3515 section 2.4.5)."""


def with_transfers(scenario: Scenario) -> Scenario:
    """The scenario with each transfer said as requests of its call, and as the start of the call that it asks for."""
    made = {each.transfer.call: each for each in scenario.calls if each.transfer is not None}
    if not made:
        return scenario
    known = {call.id: call for call in scenario.calls}
    calls = []
    for call in scenario.calls:
        new = call
        if call.transfer is not None:
            requests = (*call.requests, *_requests(call, call.transfer, known[call.transfer.call]))
            new = new.model_copy(update={"requests": requests})
        if call.id in made:
            asked = made[call.id]
            assert asked.transfer is not None
            headers = {"Referred-By": _address(asked, asked.transfer.by), **call.headers}
            start = Moment("transferred", 0.0, asked.id)
            new = new.model_copy(update={"start": start, "headers": headers})
        calls.append(new)
    return scenario.model_copy(update={"calls": tuple(calls)})


def places_of_transfers(
    scenario: Scenario, places: dict[ValuePath, Location]
) -> Iterator[tuple[ValuePath, Location]]:
    """Where the requests are said that `with_transfers` adds: at their transfer.

    :param scenario: without them.
    """
    for index, call in enumerate(scenario.calls):
        here: ValuePath = ("calls", index, "transfer")
        if call.transfer is not None and here in places:
            for number in range(len(call.requests), len(call.requests) + _NUMBER):
                yield ("calls", index, "requests", number), places[here]


_NUMBER = 3
"""REFER, and a NOTIFY at the beginning and at the end of the other call's set-up."""


def _requests(call: Call, transfer: Transfer, other: Call) -> Iterator[Request]:
    by = transfer.by
    asked: Side = "callee" if by == "caller" else "caller"
    # Attended: the other call takes the place of one that goes on (RFC 5589 section 7).
    replaces = f"?Replaces={DIALOG_OF.format(other.replaces)}" if other.replaces is not None else ""
    uri = f"<sip:{other.to}@{other.domain or DEFAULT_DOMAIN}{replaces}>"
    yield _request(transfer.at, by, "REFER", {"Refer-To": uri, "Referred-By": _address(call, by)}, transfer.expect)
    began, ended = Moment("started", 0.0, other.id), Moment("answered", 0.0, other.id)
    status = "200 OK"
    if other.expect.reply is not None and refuses(other.expect.reply.code):
        code = other.expect.reply.code
        status = f"{code.low if isinstance(code, Status) else 503} Refused"
        ended = Moment("ended", 0.0, other.id)
    for at, line, state in (
        (began, "100 Trying", "active;expires=60"),
        (ended, status, "terminated;reason=noresource"),
    ):
        headers = {"Event": "refer", "Subscription-State": state, "Content-Type": _TYPE}
        expected = RequestReply.model_validate(200)
        yield _request(at, asked, "NOTIFY", headers, expected, f"SIP/2.0 {line}\r\n")


def _request(
    at: Moment, by: Side, method: str, headers: Mapping[str, str], expect: RequestReply, body: str | None = None
) -> Request:
    return Request.model_construct(at=at, by=by, method=method, headers=dict(headers), body=body, expect=expect)


def _address(call: Call, side: Side) -> str:
    user = call.from_ if side == "caller" else call.to
    return f"<sip:{user}@{call.domain or DEFAULT_DOMAIN}>"


def misplaced_transfers(scenario: Scenario) -> Iterator[Finding]:
    """Transfers that can't be meant."""
    calls = {call.id: call for call in scenario.calls}
    seen: dict[str, str] = {}
    for index, call in enumerate(scenario.calls):
        transfer = call.transfer
        if transfer is None:
            continue
        path: ValuePath = ("calls", index, "transfer")
        other = calls.get(transfer.call)
        if transfer.at.event != "answered":
            yield Finding((*path, "at"), "a call is transferred once it is answered", "for example: after 1s")
        if call.cancel is not None or call.sipp is not None or call.method != "INVITE":
            yield Finding(path, "this call can't be transferred", "it has to be one that is answered, in words", True)
        if transfer.at.call == transfer.call:
            yield Finding(
                (*path, "at"),
                f"{transfer.call!r} is made by this transfer, and can't be before it",
                "a moment of this call: after 1s",
            )
        if transfer.call == call.id:
            yield Finding((*path, "call"), "a call can't be transferred to itself", "name another call")
        elif transfer.call in seen:
            message = f"{transfer.call!r} is what {seen[transfer.call]!r} is transferred to already"
            yield Finding((*path, "call"), message, "a call of its own for each transfer")
        elif other is not None:
            yield from _of_the_other(other, scenario.calls.index(other), call.id)
        for key, one in (
            (("from", call), ("to", call)) if other is None else (("from", call), ("to", call), ("to", other))
        ):
            if not isinstance(one.from_ if key == "from" else one.to, str):
                yield Finding(
                    path, f"{key!r} of {one.id!r} is a list, and a transfer is of one call", "one user", True
                )
                break
        seen[transfer.call] = call.id
    yield from _misplaced_replaces(scenario)


def _misplaced_replaces(scenario: Scenario) -> Iterator[Finding]:
    calls = {call.id: call for call in scenario.calls}
    seen: dict[str, str] = {}
    for index, call in enumerate(scenario.calls):
        if call.replaces is None:
            continue
        path: ValuePath = ("calls", index, "replaces")
        other = calls.get(call.replaces)
        if call.sipp is not None or call.method != "INVITE" or call.times.high > 1:
            yield Finding(path, "this call can't take another's place", "it has to be one call, in words", True)
        if any(name.lower() == "replaces" for name in call.headers):
            yield Finding(path, "Replaces is said twice", "here and in 'headers': delete one", True)
        if call.replaces == call.id:
            yield Finding(path, "a call can't take its own place", "name another call")
        elif call.replaces in seen:
            message = f"{call.replaces!r} is what {seen[call.replaces]!r} takes the place of already"
            yield Finding(path, message, "a call of its own for each")
        elif other is not None and (
            other.sipp is not None or other.method != "INVITE" or other.times.high > 1 or other.cancel is not None
        ):
            message = f"nothing can take the place of {other.id!r}"
            yield Finding(path, message, "it has to be one call that is answered, in words")
        seen[call.replaces] = call.id


def _of_the_other(other: Call, index: int, by: str) -> Iterator[Finding]:
    if "start" in other.model_fields_set:
        message = f"{other.id!r} is made when {by!r} is transferred"
        yield Finding(("calls", index, "start"), message, "delete 'start'", True)
    if other.times.high > 1:
        yield Finding(("calls", index, "repeat"), f"{other.id!r} is made once, by a transfer", "delete it", True)
