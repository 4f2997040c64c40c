"""What arrived at the ends of calls, or didn't: requests and replies, their headers, session descriptions, bodies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rating_harness.checks.format import listed
from rating_harness.checks.model import Case, Finding, unmet
from rating_harness.evidence.calls import Call
from rating_harness.evidence.headers import branch_of, split_values, tag_of
from rating_harness.evidence.model import SipMessage
from rating_harness.evidence.sdp import SessionDescription, parse_sdp
from rating_harness.evidence.sip import header_key
from rating_harness.scenario.matchers import ANY, MISSING, Matcher
from rating_harness.scenario.model import Received, SdpExpectation
from rating_harness.scenario.nodes import ValuePath

__all__ = ["check_received", "header_values", "received_in_call", "wrong_headers"]

_LISTS = frozenset(
    {
        *("via", "route", "record-route", "contact", "path", "service-route", "diversion", "history-info"),
        *("p-asserted-identity", "p-preferred-identity"),
    }
)
"""Headers whose values may be on lines of their own or on one, apart by commas (RFC 3261 section 7.3.1)."""


@dataclass(frozen=True, slots=True)
class _Difference:
    """What isn't as expected of a message: ``within`` is the place below the expectation."""

    within: tuple[str | int, ...]
    what: str
    expected: object
    seen: object


def check_received(case: Case) -> Iterator[Finding]:
    """What is expected of all calls together, messages of no call included."""
    for index, expect in enumerate(case.scenario.expect.received):
        messages: Iterable[SipMessage] = case.evidence.messages
        if expect.call is not None:
            messages = [message for call in case.of(expect.call) for message in call.messages]
        subject = f"call {expect.call}" if expect.call else "all calls"
        yield from _findings(case, ("expect", "received", index), expect, subject, tuple(messages), None)


def received_in_call(case: Case, index: int, call: Call) -> Iterator[Finding]:
    """What is expected of one call.

    :param index: of the call in the scenario.
    """
    planned = case.scenario.calls[index]
    several = f" {call.index}" if len(case.of(call.id)) > 1 else ""
    for number, expect in enumerate(planned.expect.received):
        path = ("calls", index, "expect", "received", number)
        yield from _findings(case, path, expect, f"call {call.id}{several}", call.messages, call)


def header_values(message: SipMessage, name: str) -> tuple[str, ...]:
    """All values of a header, in order, whatever the case of its name and in its compact form too."""
    key = header_key(name)
    lines = [value for each, value in message.headers if header_key(each) == key]
    return tuple(value for line in lines for value in (split_values(line) if key in _LISTS else [line]))


def wrong_headers(
    message: SipMessage, headers: Mapping[str, Matcher | tuple[Matcher, ...]]
) -> Iterator[tuple[str, str, str]]:
    """Name, what is expected, and what is there, of each header that isn't as expected.

    A single matcher is of every header of the name, a tuple of all of them in order.
    """
    for name, wanted in headers.items():
        values = header_values(message, name)
        if isinstance(wanted, tuple):
            fits = len(values) == len(wanted) and all(map(_matches, wanted, values))
        else:
            fits = all(wanted.matches(value) for value in values or (MISSING,))
        if not fits:
            yield name, listed(wanted), listed(values or MISSING)


def _matches(matcher: Matcher, value: object) -> bool:
    return matcher.matches(value)


def _findings(
    case: Case, path: ValuePath, expect: Received, subject: str, messages: Sequence[SipMessage], call: Call | None
) -> Iterator[Finding]:
    name = _name(expect)
    chosen = _chosen(case, expect, messages)

    def finding(
        what: str,
        expected: object,
        seen: object,
        *within: str | int,
        hint: str = "",
        shown_by: SipMessage | None = None,
    ) -> Finding:
        texts = (f"{subject}: {what}", listed(expected), listed(seen))
        return unmet(case, path, *texts, within=within, call=call, hint=hint, shown_by=shown_by)

    if expect.absent:
        wrong = [message for message in chosen if not any(_differences(case, expect, message, messages))]
        for message in wrong[:1]:
            more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            yield finding(
                f"{name} should not have arrived", "none", f"{message.first_line}{more}", "absent", shown_by=message
            )
        return
    if expect.count is not None and not expect.count.matches(len(chosen)):
        yield finding(f"how many times {name} arrived", expect.count, len(chosen), "count")
    if expect.nth is not None:
        chosen = chosen[expect.nth - 1 : expect.nth]
    if not chosen and (expect.count is None or expect.nth is not None):
        ordinal = f" number {expect.nth}" if expect.nth else ""
        yield finding(f"{name}{ordinal} did not arrive", "at least one", "none", *(("nth",) if expect.nth else ()))
    found = [(message, list(_differences(case, expect, message, messages))) for message in chosen]
    hint = _of_which(found)
    for message, differences in found:
        for each in differences:
            yield finding(f"{name}: {each.what}", each.expected, each.seen, *each.within, hint=hint, shown_by=message)


def _of_which(found: Sequence[tuple[SipMessage, Sequence[_Difference]]]) -> str:
    """How one message is meant, where it's expected of several and only some are so: of a re-INVITE's INVITE, say."""
    as_expected = [number for number, (_, differences) in enumerate(found, 1) if not differences]
    if not as_expected or len(as_expected) == len(found):
        return ""
    return f"it's expected of each of {len(found)} that arrived; 'nth: {as_expected[0]}' is one that is so"


def _name(expect: Received) -> str:
    kind = f"the {expect.method}" if expect.reply is None else f"the {expect.reply} to {expect.method}"
    return f"{kind} at {expect.by if expect.by not in ('caller', 'callee') else f'the {expect.by}'}"


def _chosen(case: Case, expect: Received, messages: Iterable[SipMessage]) -> list[SipMessage]:
    """Messages that arrived there, of that kind; what was retransmitted counts once."""
    distinct: dict[tuple[object, ...], SipMessage] = {}
    for message in messages:
        is_wanted = (
            message.direction == "received"
            and message.method == expect.method
            and _is_at(case, message.host, expect.by)
            and (message.is_request if expect.reply is None else expect.reply.matches(message.status))
        )
        if is_wanted:
            distinct.setdefault(_identity(message), message)
    return list(distinct.values())


def _is_at(case: Case, host: str, end: str) -> bool:
    if end == "caller":
        return host in case.callers
    if end == "callee":
        return host not in case.callers and host in case.callees
    return host == end


def _identity(message: SipMessage) -> tuple[object, ...]:
    """What a message has in common with its retransmissions, and with no other message."""
    return (
        message.host,
        message.call_id,
        message.cseq,
        message.status,
        branch_of(message.header("Via")),
        tag_of(message.header("To") or ""),
        message.header("RSeq"),
        message.uri,
        message.body,
    )


def _differences(
    case: Case, expect: Received, message: SipMessage, messages: Sequence[SipMessage]
) -> Iterator[_Difference]:
    for key, what, matcher, seen in (
        ("uri", "Request-URI", expect.uri, message.uri),
        ("reason", "reason phrase", expect.reason, message.reason),
        ("body", "body", expect.body, message.body or MISSING),
    ):
        if matcher is not None and not matcher.matches(seen):
            yield _Difference((key,), what, matcher, seen)
    for name, expected, seen in wrong_headers(message, expect.headers):
        yield _Difference(("headers", name), f"header {name}", expected, seen)
    if expect.sdp == "unchanged":
        yield from _changed_sdp(case, message, messages)
    elif expect.sdp is not None:
        yield from _sdp(expect.sdp, parse_sdp(message.body))


def _changed_sdp(case: Case, message: SipMessage, messages: Sequence[SipMessage]) -> Iterator[_Difference]:
    """The session description against the one that the other end sent in the same request or reply."""
    after = [line.rstrip() for line in message.body.splitlines()]
    sent = [each.body.splitlines() for each in messages if _is_origin(case, each, message)]
    bodies = [[line.rstrip() for line in lines] for lines in sent]
    if not bodies:
        yield _Difference(("sdp",), "session description", "as the other end sent it", "it sent no such message")
    elif after not in bodies:
        before = bodies[-1]
        wanted = next((line for line in before if line not in after), "no further line")
        seen = next((line for line in after if line not in before), "no such line")
        yield _Difference(("sdp",), "session description, not as the other end sent it", wanted, seen)


def _is_origin(case: Case, sent: SipMessage, received: SipMessage) -> bool:
    return (
        sent.direction == "sent"
        and (sent.host in case.callers) != (received.host in case.callers)
        and (sent.method, sent.cseq, sent.call_id) == (received.method, received.cseq, received.call_id)
        and sent.status == received.status
        and (sent.status is None or tag_of(sent.header("To") or "") == tag_of(received.header("To") or ""))
    )


def _sdp(wanted: str | SdpExpectation, seen: SessionDescription | None) -> Iterator[_Difference]:
    if isinstance(wanted, str):
        if (seen is not None) != (wanted == "any"):
            yield _Difference(("sdp",), "session description", wanted, "none" if seen is None else "there is one")
    elif seen is None:
        yield _Difference(("sdp",), "session description", ANY, "none")
    else:
        yield from _sdp_details(wanted, seen)


def _sdp_details(wanted: SdpExpectation, seen: SessionDescription) -> Iterator[_Difference]:
    kinds = tuple(each.kind for each in seen.media)
    if wanted.media is not None and kinds != wanted.media:
        yield _Difference(("sdp", "media"), "media", wanted.media, kinds)
    first = seen.media[0] if seen.media else None
    for key, matcher in (("address", wanted.address), ("port", wanted.port)):
        value = MISSING if first is None else getattr(first, key)
        if matcher is not None and not matcher.matches(value):
            yield _Difference(("sdp", key), f"{key} of the first medium", matcher, value)
    direction = MISSING if first is None else first.direction
    if wanted.direction is not None and direction != wanted.direction:
        yield _Difference(("sdp", "direction"), "direction of the first medium", wanted.direction, direction)
    codecs = first.codecs if first else ()
    if wanted.codecs is not None and not (
        len(codecs) == len(wanted.codecs) and all(map(_matches, wanted.codecs, codecs))
    ):
        yield _Difference(("sdp", "codecs"), "codecs of the first medium", wanted.codecs, codecs)
    for index, line in enumerate(wanted.lines):
        if not any(line.matches(each) for each in seen.lines):
            yield _Difference(("sdp", "lines", index), "a line of the session description", line, "no such line")
