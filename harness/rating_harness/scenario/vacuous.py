"""Expectations that no run could meet, and those that hold whatever happens: either says nothing of a call.

A name that nobody has, expected to be absent, holds as well: a header, a method, a field or a route that's misspelt.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from rating_harness.contract import CONTRACT
from rating_harness.scenario.diagnostics import Finding
from rating_harness.scenario.expectations import CallExpectation, Expectations, LogExpectation, Received
from rating_harness.scenario.fields import Model
from rating_harness.scenario.matchers import Absent, Anything, Compared, Exactly, Matcher, Near
from rating_harness.scenario.model import Scenario
from rating_harness.scenario.nodes import ValuePath

__all__ = ["SIP_HEADERS", "SIP_METHODS", "bounds", "impossible", "vacuous"]

SIP_METHODS = frozenset(
    {
        *("ACK", "BYE", "CANCEL", "INFO", "INVITE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK", "PUBLISH", "REFER"),
        *("REGISTER", "SUBSCRIBE", "UPDATE"),
    }
)
"""IANA's registry of SIP parameters, Methods."""

SIP_HEADERS = frozenset(
    {
        *("Accept", "Accept-Contact", "Accept-Encoding", "Accept-Language", "Alert-Info", "Allow", "Allow-Events"),
        *("Answer-Mode", "Authentication-Info", "Authorization", "Call-ID", "Call-Info", "Contact"),
        *("Content-Disposition", "Content-Encoding", "Content-Language", "Content-Length", "Content-Type", "CSeq"),
        *("Date", "Diversion", "Error-Info", "Event", "Expires", "Feature-Caps", "From", "Geolocation"),
        *("History-Info", "Identity", "In-Reply-To", "Join", "Max-Forwards", "MIME-Version", "Min-Expires", "Min-SE"),
        *("Organization", "P-Access-Network-Info", "P-Asserted-Identity", "P-Associated-URI", "P-Called-Party-ID"),
        *("P-Charging-Function-Addresses", "P-Charging-Vector", "P-Early-Media", "P-Preferred-Identity", "Path"),
        *("Priority", "Privacy", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Require", "RAck", "Reason"),
        *("Record-Route", "Refer-To", "Referred-By", "Reject-Contact", "Remote-Party-ID", "Replaces", "Reply-To"),
        *("Request-Disposition", "Require", "Resource-Priority", "Retry-After", "Route", "RSeq", "Server"),
        *("Service-Route", "Session-Expires", "Session-ID", "SIP-ETag", "SIP-If-Match", "Subject"),
        *(
            "Subscription-State",
            "Supported",
            "Target-Dialog",
            "Timestamp",
            "To",
            "Unsupported",
            "User-Agent",
            "Via",
            "Warning",
        ),
        *("WWW-Authenticate",),
    }
)
"""Of IANA's registry of SIP parameters, Header Fields, those that are met in calls."""

_SIGNED = frozenset({"balance", "fee", "fees"})
"""Numbers that may be below 0."""

_COUNTED = frozenset({"count", "invites", "running", "failures"})

_CHOOSING = frozenset({"count", "call", "path", "by", "method", "reply", "host", "line", "level"}) | {
    *("account_tag", "transaction_tag", "primary", "inbound"),
}
"""Keys that say which things are meant, and nothing of how they are."""

_RATE_FIELDS = frozenset(
    {
        *("prefix", "rate", "rate_increment", "connect_fee", "interval_start", "active", "description"),
        *("carrier_tag", "pricelist_tag", "datetime_start", "datetime_end", "id"),
    }
)


_REQUEST_FIELDS = frozenset({*CONTRACT.fields.parties, CONTRACT.fields.call, "tags", "source_ip", "carrier_ip"}) | {
    *(CONTRACT.fields.authorised_at, CONTRACT.fields.began_at, CONTRACT.fields.ended_at),
}

_SLIP = 0.8
"""How alike two names are (difflib's ratio) of which one is most likely a slip of the other."""


class _Quantity(NamedTuple):
    """An expected number, of what is counted or measured, which is 0 or more.

    :param most: the most that there can be; None where nothing bounds it.
    :param is_alone: whether nothing else is expected beside it.
    """

    path: ValuePath
    matcher: Matcher
    most: float | None
    is_counted: bool
    is_alone: bool


def impossible(scenario: Scenario) -> Iterator[Finding]:
    """Mistakes: what no run could be."""
    for each in _quantities(scenario):
        if each.is_counted and isinstance(each.matcher, Absent):
            yield Finding(each.path, "a number is never absent", "0, for none")
        elif not _can_be(each):
            yield Finding(each.path, f"nothing is {each.matcher}: this is {_range_of(each)}", "expect another value")
    for index, line in enumerate(scenario.expect.log):
        if _is_any_line(line):
            yield Finding(
                ("expect", "log", index), "this says nothing of a line", "a part of its text, or /a pattern/"
            )
    for status in scenario.expect.replies:
        if status.startswith("1"):
            path = ("expect", "replies", status)
            hint = "those before it are 'provisional' in a call's 'expect'"
            yield Finding(path, f"{status} is no final reply", hint, at_key=True)


def vacuous(scenario: Scenario) -> Iterator[Finding]:
    """Warnings: what holds whatever happens."""
    for each in _quantities(scenario):
        if each.is_alone and _is_always(each):
            yield Finding(each.path, "this holds whatever happens", "how many are they to be? Or delete it")
    for index, account in enumerate(scenario.expect.accounts):
        if account.balance is None and account.running is None:
            yield Finding(("expect", "accounts", index), "nothing is expected of this account", "balance: 99 ± 1")
    yield from _names(scenario)


def _can_be(each: _Quantity) -> bool:
    low, high = bounds(each.matcher)
    return high >= 0 and (each.most is None or low <= each.most)


def _is_always(each: _Quantity) -> bool:
    if isinstance(each.matcher, Anything):
        return each.is_counted
    low, high = bounds(each.matcher)
    if each.most is not None:
        return low <= 0 and high >= each.most
    return each.is_counted and low <= 0 and high == float("inf")


def bounds(matcher: Matcher) -> tuple[float, float]:
    """The least and the most that a matcher takes; a limit that it leaves out is a little off."""
    little = 1e-9
    match matcher:
        case Near(value, tolerance):
            return value - tolerance, value + tolerance
        case Compared(">=", limit):
            return limit, float("inf")
        case Compared(">", limit):
            return limit + little, float("inf")
        case Compared("<=", limit):
            return float("-inf"), limit
        case Compared("<", limit):
            return float("-inf"), limit - little
        case _:
            return float("-inf"), float("inf")


def _range_of(each: _Quantity) -> str:
    return "0 or more" if each.most is None else f"0 to {each.most:g}%"


def _quantities(scenario: Scenario) -> Iterator[_Quantity]:
    yield from _quantities_of(scenario.expect, ("expect",))
    for index, call in enumerate(scenario.calls):
        yield from _quantities_of(call.expect, ("calls", index, "expect"))


def _quantities_of(model: Model, path: ValuePath) -> Iterator[_Quantity]:
    for name in sorted(model.model_fields_set):
        value, here = getattr(model, name), (*path, name)
        if isinstance(value, Model):
            yield from _quantities_of(value, here)
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                if isinstance(item, Model):
                    yield from _quantities_of(item, (*here, index))
        elif name == "replies":
            for status, matcher in value.items():
                yield _quantity((*here, status), matcher, is_counted=True, is_alone=True)
        elif isinstance(value, Near | Compared | Anything | Absent) and name not in _SIGNED:
            is_free = name == "failures" and isinstance(value, Anything)
            is_alone = isinstance(model, Expectations | CallExpectation) or model.model_fields_set <= {
                *_CHOOSING,
                *_COUNTED,
            }
            yield _quantity(here, value, is_counted=name in _COUNTED and not is_free, is_alone=is_alone)


def _quantity(path: ValuePath, matcher: Matcher, *, is_counted: bool, is_alone: bool) -> _Quantity:
    is_share = isinstance(matcher, Near | Compared) and matcher.unit == "%"
    return _Quantity(path, matcher, 100.0 if is_share else None, is_counted and not is_share, is_alone)


def _is_any_line(line: LogExpectation) -> bool:
    return isinstance(line.line, Absent | Anything) or (isinstance(line.line, Exactly) and not line.line.value)


# --- names that nobody has ------------------------------------------------------------------------------------------


def _names(scenario: Scenario) -> Iterator[Finding]:
    """What is to be absent, and has nearly the name of what could be there."""
    for place, expect in _received(scenario):
        is_none = expect.absent or (expect.count is not None and bounds(expect.count) == (0.0, 0.0))
        if is_none and (close := _slip_of(expect.method, SIP_METHODS)):
            yield Finding(
                (*place, "method"), f"no message has the method {expect.method!r}", f"did you mean '{close}'?"
            )
        yield from _absent_names(expect.headers, SIP_HEADERS, (*place, "headers"))
    for index, call in enumerate(scenario.calls):
        yield from _absent_names(call.expect.headers, SIP_HEADERS, ("calls", index, "expect", "headers"))
    for index, request in enumerate(scenario.expect.requests):
        yield from _absent_names(request.fields, _REQUEST_FIELDS, ("expect", "requests", index, "fields"))
    for index, record in enumerate(scenario.expect.transactions):
        path: ValuePath = ("expect", "transactions", index, "destination_rate")
        yield from _absent_names(record.destination_rate or {}, _RATE_FIELDS, path)


def _received(scenario: Scenario) -> Iterator[tuple[ValuePath, Received]]:
    for number, expect in enumerate(scenario.expect.received):
        yield ("expect", "received", number), expect
    for index, call in enumerate(scenario.calls):
        for number, expect in enumerate(call.expect.received):
            yield ("calls", index, "expect", "received", number), expect


def _absent_names(names: Mapping[str, object], known: Collection[str], path: ValuePath) -> Iterator[Finding]:
    for name, matcher in names.items():
        if isinstance(matcher, Absent) and (close := _slip_of(name, known)):
            message = f"{name[:60]!r} is absent whatever happens: nothing has that name"
            yield Finding((*path, name), message, f"did you mean '{close}'?", at_key=True)


def _slip_of(name: str, known: Collection[str]) -> str | None:
    """The known name that another one is most likely a slip of; names of one's own (X-) are none."""
    if name.lower().startswith("x-") or name.lower() in {each.lower() for each in known}:
        return None
    close = get_close_matches(name, known, n=1, cutoff=_SLIP)
    return close[0] if close else None
