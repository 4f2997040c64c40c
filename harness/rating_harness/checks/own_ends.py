"""What our own callers and carriers sent, and what they wrote down: what is wrong there says nothing of Kamailio.

The ends are SIPp, and what they send is made by templates; here it's read by a parser that isn't theirs. Ends with a
SIPp scenario of the author's own send what its author wants, so only what SIPp itself does is judged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from rating_harness.checks.format import seconds
from rating_harness.checks.model import Case
from rating_harness.checks.strict_peer import malformed, refusals
from rating_harness.errors import EndpointError
from rating_harness.evidence.calls import Call, is_of_request
from rating_harness.evidence.headers import (
    MalformedHeader,
    Via,
    branch_of,
    parse_address,
    parse_via,
    split_values,
    tag_of,
    uri_key,
)
from rating_harness.evidence.model import SipMessage, SippResult
from rating_harness.evidence.statistics import Histogram
from rating_harness.scenario.behaviour import CarrierBehaviour
from rating_harness.scenario.calls import DEFAULT_HOLD
from rating_harness.scenario.model import Call as PlannedCall

__all__ = ["CLOCKS", "check_own_ends"]

CLOCKS = 1.0
"""Seconds that a message may arrive before it was sent: two processes write down times of their own (measured: 0.2 s
with both cores busy)."""


def check_own_ends(case: Case) -> None:
    """:raises EndpointError: an end of ours isn't well-formed, gave up, or its trace can't be believed."""
    for error in _errors(case):
        raise error


def _errors(case: Case) -> Iterator[EndpointError]:
    yield from _lost_generators(case)
    for result in case.evidence.sipp:
        yield from _cut(case, result)
    yield from _unreadable(case)
    yield from _untraced(case)
    yield from _stood_still(case)
    yield from _replies_to_nothing(case)
    yield from _cut_targets(case)
    for index, planned in enumerate(case.scenario.calls):
        for call in case.of(planned.id):
            if any(message.is_brief for message in call.messages):
                continue
            yield from _malformed(case, planned, index, call)
            yield from _lost(case, planned, index, call)
            yield from _clocks(case, index, call)
            yield from _not_done(case, planned, index, call)
    yield from _unread(case)
    yield from _given_up(case)


def _is_ours(case: Case, planned: PlannedCall, host: str) -> bool:
    """Whether an end does what a template of ours says."""
    if host in case.callers:
        return planned.sipp is None
    behaviour = case.scenario.carriers.get(host)
    return behaviour is None or behaviour.sipp is None


# --- what they send -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _End:
    """An end of a call, and what it sent and received."""

    host: str
    messages: tuple[SipMessage, ...]

    def request_of(self, reply: SipMessage) -> SipMessage | None:
        """The request that a reply is to, by its CSeq and its branch."""
        branch = branch_of(reply.header("Via"))
        same = [
            m
            for m in self.messages
            if m.is_request and m.direction == "received" and (m.method, m.cseq) == (reply.method, reply.cseq)
        ]
        return next((m for m in same if branch_of(m.header("Via")) == branch), same[0] if same else None)


def _malformed(case: Case, planned: PlannedCall, index: int, call: Call) -> Iterator[EndpointError]:
    by_host: dict[str, list[SipMessage]] = {}
    for message in call.messages:
        by_host.setdefault(message.host, []).append(message)
    ends = {host: _End(host, tuple(each)) for host, each in by_host.items() if _is_ours(case, planned, host)}
    for message in call.messages:
        if message.host in ends and message.direction == "sent" and not _is_meant(planned, message):
            reason = _wrong(ends[message.host], message, planned, _said(case, planned, message))
            if reason:
                yield _sent_malformed(case, message.host, _name(message), reason, index)


def _sent_malformed(case: Case, host: str, what: str, reason: str, index: int | None = None) -> EndpointError:
    return EndpointError(
        f"{_whose(case)} {host} sent a malformed {what}",
        expected="what RFC 3261 has",
        found=reason,
        where=case.scenario.where("scenario") if index is None else case.scenario.where("calls", index),
        hint=f"this is {_fault_of(case)}'s fault, and says nothing of Kamailio",
    )


def _ends_of_templates(case: Case) -> frozenset[str]:
    """Callers, carriers and phones that do what a template of ours says, and whose whole messages are there."""
    by_hand = {f"caller-{planned.id}" for planned in case.scenario.calls if planned.sipp is not None}
    by_hand |= {host for host, behaviour in case.scenario.carriers.items() if _is_by_hand(behaviour)}
    brief = {message.host for message in case.evidence.messages if message.is_brief}
    return frozenset(each.host for each in case.evidence.sipp if each.role != "stranger") - by_hand - brief


def _is_by_hand(behaviour: CarrierBehaviour) -> bool:
    return any(each.sipp is not None for each in (behaviour, *behaviour.calls.values(), *behaviour.attempts))


def _unreadable(case: Case) -> Iterator[EndpointError]:
    """What an end sent is SIP, unless the scenario has it send other octets."""
    if any(request.bytes is not None for planned in case.scenario.calls for request in planned.requests):
        return
    ends = _ends_of_templates(case)
    for each in case.evidence.octets:
        if each.direction == "sent" and each.host in ends:
            yield _sent_malformed(case, each.host, "message", f"no SIP message: {each.data[:60]!r}")


def _replies_to_nothing(case: Case) -> Iterator[EndpointError]:
    """A reply has the Call-ID and the CSeq of a request (RFC 3261 section 8.2.6.2)."""
    ends = _ends_of_templates(case)
    got: set[tuple[object, ...]] = set()
    for message in case.evidence.messages:
        if message.host in ends and message.direction == "received" and message.is_request:
            got.add((message.host, message.call_id, message.cseq, message.method))
    for message in case.evidence.messages:
        key = (message.host, message.call_id, message.cseq, message.method)
        if message.host in ends and message.direction == "sent" and not message.is_request and key not in got:
            reason = f"it got no {message.method} with CSeq {message.cseq} and Call-ID {message.call_id}"
            yield _sent_malformed(case, message.host, _name(message), reason)


def _cut_targets(case: Case) -> Iterator[EndpointError]:
    """SIPp takes for ``[next_url]`` what stands behind the first ``<`` of a Contact, in a quoted name too."""
    by_hand = {
        f"caller-{each.id}": number for number, each in enumerate(case.scenario.calls) if each.sipp is not None
    }
    ends = by_hand.keys() | {host for host, behaviour in case.scenario.carriers.items() if _is_by_hand(behaviour)}
    named: set[str] = set()
    for message in case.evidence.messages:
        contact = message.header("Contact") or ""
        if message.direction == "received" and "<" in _QUOTED.findall(contact):
            named.add(message.call_id)
        is_cut = message.is_request and message.direction == "sent" and set(message.uri) & set('"<> ')
        if is_cut and message.host in ends and message.call_id in named:
            reason = f"its Request-URI is {message.uri[:60]!r}: [next_url] is cut where the Contact's name has a '<'"
            yield _sent_malformed(case, message.host, message.method, reason, by_hand.get(message.host))


_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*?(<)')
"""A ``<`` within a name in quotes."""


def _fault_of(case: Case) -> str:
    return case.evidence.lab.get("ends", "the harness")


def _whose(case: Case) -> str:
    """Of whose making an end is."""
    ends = case.evidence.lab.get("ends")
    return f"{ends} on" if ends else "our own end"


def _name(message: SipMessage) -> str:
    return message.method if message.is_request else f"{message.status} to {message.method}"


def _is_meant(planned: PlannedCall, message: SipMessage) -> bool:
    """Whether the scenario wants a message to be wrong."""
    if not message.is_request:
        return False
    if any(is_of_request(message, number) for number in range(len(planned.requests))):
        return True
    is_wrong_bye = message.method == "BYE" and planned.bye in ("wrong_cseq", "wrong_tag")
    return is_wrong_bye or (planned.method == "BYE" and message.method == "BYE")


def _said(case: Case, planned: PlannedCall, message: SipMessage) -> frozenset[str]:
    """Headers, in small letters, that the scenario itself gives a message, as wrong as its author wants."""
    if message.host in case.callers:
        words = {"contact": planned.contact, "from": planned.display, "cseq": planned.cseq != 1 or None}
        return frozenset(
            {*map(str.lower, planned.headers), *(name for name, word in words.items() if word is not None)}
        )
    ends = (each.get(message.host) for each in (case.scenario.carriers, case.scenario.phones))
    behaviours = [each for end in ends if end is not None for each in (end, *end.calls.values(), *end.attempts)]
    return frozenset(name.lower() for each in behaviours for name in each.headers)


def _wrong(end: _End, message: SipMessage, planned: PlannedCall, said: frozenset[str]) -> str:
    wrong = malformed(message)
    if wrong is not None and wrong[0].lower() not in said and not _is_copied(end, message, wrong[0]):
        return wrong[1]
    length = message.header("Content-Length")
    size = len(message.body.replace("\n", "\r\n").encode("utf-8", "surrogatepass"))
    if length is not None and length.isdecimal() and int(length) != size:
        return f"Content-Length is {length}, its body has {size} bytes"
    if not message.is_request:
        return _wrong_reply(end, message)
    reason = _wrong_request(end, message, said) or (
        "" if _is_authors(planned, message) else _wrong_number(end, message)
    )
    if reason or not message.is_within_dialog or message.method == "CANCEL" or _is_authors(planned, message):
        return reason
    return "" if message.method == "ACK" and not _is_ack_of_2xx(end, message) else _wrong_way(end, message)


def _is_copied(end: _End, message: SipMessage, part: str) -> bool:
    """Whether From or To is malformed as the end got it: a reply has the request's, a later request the dialog's."""
    if part not in ("From", "To"):
        return False
    got = {m.header(name) or "" for m in end.messages if m.direction == "received" for name in ("From", "To")}
    value = message.header(part) or ""
    return value in got or any(each and value.startswith(f"{each};tag=") for each in got)


def _is_authors(planned: PlannedCall, request: SipMessage) -> bool:
    """Whether the scenario itself has such a request sent, which may go wherever its author wants."""
    methods = {each.method for each in planned.requests}
    # The ACK of a 2xx goes as its INVITE was said.
    return bool(planned.loss) or request.method in methods or (request.method == "ACK" and "INVITE" in methods)


def _is_ack_of_2xx(end: _End, ack: SipMessage) -> bool:
    return any(
        m.direction == "received"
        and m.method == "INVITE"
        and m.cseq == ack.cseq
        and (m.status or 0) in range(200, 300)
        for m in end.messages
    )


def _wrong_request(end: _End, request: SipMessage, said: frozenset[str]) -> str:
    if not (branch_of(request.header("Via")) or "").startswith("z9hG4bK"):
        return "the branch of its Via doesn't begin with z9hG4bK"
    if request.header("Max-Forwards") is None and "max-forwards" not in said:
        return "Max-Forwards is missing"
    if request.method == "INVITE" and request.header("Contact") is None and "contact" not in said:
        return "an INVITE without a Contact"
    if request.method == "ACK":
        return _wrong_ack(end, request)
    return _wrong_tag(end, request) if request.is_within_dialog else ""


def _wrong_number(end: _End, request: SipMessage) -> str:
    """A request's CSeq is higher than that of the INVITE which began its dialog (RFC 3261 section 12.2.1.1)."""
    if request.method in ("ACK", "CANCEL") or not request.is_within_dialog:
        return ""
    own = tag_of(request.header("From") or "")
    begun = [
        m.cseq
        for m in end.messages
        if m.direction == "sent" and m.is_request and m.method == "INVITE" and not m.is_within_dialog
        if tag_of(m.header("From") or "") == own
    ]
    least = min(begun, default=request.cseq - 1) + 1
    return "" if request.cseq >= least else f"its CSeq is {request.cseq}, and has to be {least} at least"


def _keys(uris: Iterable[str]) -> tuple[str, ...]:
    """Of URIs whose parameters stand in any order (RFC 3261 section 19.1.4)."""
    return tuple(map(uri_key, uris))


def _wrong_way(end: _End, request: SipMessage) -> str:
    """A request inside a dialog goes to the other side's target, by the route set (RFC 3261 section 12.2.1.1)."""
    dialog = _dialog_before(end, request)
    if dialog is None:
        return ""
    if uri_key(request.uri) not in dialog.targets:
        return f"it goes to {request.uri}, and the other side's last Contact is {dialog.contact}"
    routes = tuple(parse_address(each).uri for each in _all(request, "Route"))
    if _keys(routes) not in map(_keys, dialog.routes):
        return (
            f"its Route is {', '.join(routes) or 'none'}, and the route set {', '.join(dialog.routes[-1]) or 'empty'}"
        )
    return ""


@dataclass(slots=True)
class _Dialog:
    """What an end knows of a dialog.

    :param contact: the other side's last one.
    :param targets: where a request may go: more than one while nothing is confirmed.
    :param routes: route sets that a request may have.
    """

    contact: str
    targets: set[str]
    routes: list[tuple[str, ...]]


def _dialog_before(end: _End, request: SipMessage) -> _Dialog | None:
    """The INVITE's dialog of a request, as it was when the end first sent that; None where it saw none begin."""
    branch = branch_of(request.header("Via"))
    tags = (tag_of(request.header("From") or ""), tag_of(request.header("To") or ""))
    initial = {
        (m.direction, m.cseq)
        for m in end.messages
        if m.method == "INVITE" and m.is_request and not m.is_within_dialog
    }
    dialog: _Dialog | None = None
    offered: dict[int, str] = {}
    for message in end.messages:
        if message.direction == "sent" and message.is_request and branch_of(message.header("Via")) == branch:
            return dialog
        if message.method not in ("INVITE", "UPDATE"):
            continue
        if message.direction == "sent" and message.cseq in offered and not message.is_request:
            if dialog is not None and (message.status or 0) in range(200, 300):
                dialog.contact = offered.pop(message.cseq)
                dialog.targets = {uri_key(dialog.contact)}
            continue
        begins = message.method == "INVITE" and not message.is_within_dialog and message.is_request
        pair = (tag_of(message.header("From") or ""), tag_of(message.header("To") or ""))
        if message.direction == "received" and begins:
            if pair[0] == tags[1]:  # the end is the callee
                dialog = _known(message, _routes(message))
        elif message.direction == "received" and not message.is_request:
            is_first = message.method == "INVITE" and ("sent", message.cseq) in initial
            if pair == tags and (message.status or 0) in range(101, 300):
                dialog = _after_reply(dialog, message, is_first)
        elif message.direction == "received" and pair == tags[::-1] and dialog is not None:
            # It holds from the reply that accepts it on.
            contact = _contact(message)
            if contact is not None and message.is_request:
                offered[message.cseq] = contact
    return dialog


def _after_reply(dialog: _Dialog | None, reply: SipMessage, is_first: bool) -> _Dialog | None:
    """The dialog once the end has got a reply; the first INVITE's replies say the route set too."""
    contact, is_2xx = _contact(reply), (reply.status or 0) >= 200
    routes = _routes(reply)[::-1]
    if is_2xx and contact is None:
        return None
    if dialog is None:
        return _known(reply, routes) if is_first else None
    if contact is not None and (is_2xx or is_first):
        dialog.contact = contact
        dialog.targets = {*(dialog.targets if is_first else ()), uri_key(contact)}
    if is_first:
        dialog.routes = [routes] if is_2xx else [*dialog.routes, routes]
    return dialog


def _known(message: SipMessage, routes: tuple[str, ...]) -> _Dialog | None:
    contact = _contact(message)
    return None if contact is None else _Dialog(contact, {uri_key(contact)}, [routes])


def _contact(message: SipMessage) -> str | None:
    """The URI of the Contact; None where there isn't one that can be read."""
    contacts = _all(message, "Contact")
    try:
        return parse_address(contacts[0]).uri if len(contacts) == 1 else None
    except MalformedHeader:
        return None


def _routes(message: SipMessage, name: str = "Record-Route") -> tuple[str, ...]:
    """The URIs of a header; as they stand where they can't be read."""
    values = _all(message, name)
    try:
        return tuple(parse_address(each).uri for each in values)
    except MalformedHeader:
        return values


def _wrong_ack(end: _End, ack: SipMessage) -> str:
    """The To tag of an ACK is that of the reply which it's to (RFC 3261 sections 13.2.2.4 and 17.1.1.3)."""
    finals = [
        m
        for m in end.messages
        if m.direction == "received" and m.is_final and m.method == "INVITE" and m.cseq == ack.cseq
    ]
    tags = {tag_of(final.header("To") or "") for final in finals}
    tag = tag_of(ack.header("To") or "")
    if finals and tag not in tags:
        return f"the tag of To in its ACK is {tag}, that of the reply was {', '.join(map(str, tags))}"
    return ""


def _wrong_tag(end: _End, request: SipMessage) -> str:
    """A request inside a dialog has the tags of that dialog (RFC 3261 section 12.2.1.1)."""
    own, other = tag_of(request.header("From") or ""), tag_of(request.header("To") or "")
    # An end knows its own tag, whatever the replies make of it: those of its INVITEs name its dialogs as well.
    called = {m.cseq: tag_of(m.header("From") or "") for m in end.messages if m.direction == "sent" and _begins(m)}
    dialogs = {
        (tag, tag_of(m.header("To") or ""))
        for m in end.messages
        if m.method == "INVITE" and not m.is_request and m.is_within_dialog
        for tag in (tag_of(m.header("From") or ""), called.get(m.cseq) if m.direction == "received" else None)
    }
    pairs = {pair for dialog in dialogs for pair in (dialog, dialog[::-1])}
    if pairs and (own, other) not in pairs:
        return f"{request.method} with the tags {own} and {other}, which are those of no dialog of its"
    return ""


def _begins(message: SipMessage) -> bool:
    return message.is_request and message.method == "INVITE" and not message.is_within_dialog


def _wrong_reply(end: _End, reply: SipMessage) -> str:
    """From, To, Call-ID, CSeq and Via are the request's (RFC 3261 section 8.2.6.2)."""
    request = end.request_of(reply)
    if request is None:
        return ""
    for name in ("From", "To"):
        if _is_copied(end, reply, name) and malformed(request) is not None:
            continue
        sent, got = (parse_address(message.header(name) or "") for message in (reply, request))
        if uri_key(sent.uri) != uri_key(got.uri):
            return f"{name} is {sent.uri}, and was {got.uri}"
        others = [{k: v for k, v in each.parameters.items() if k != "tag"} for each in (sent, got)]
        if others[0] != others[1]:
            return f"the parameters of {name} are {_shown(others[0])}, and were {_shown(others[1])}"
        if (name == "From" or request.is_within_dialog) and sent.parameters.get("tag") != got.parameters.get("tag"):
            return f"the tag of {name} is {sent.parameters.get('tag')}, and was {got.parameters.get('tag')}"
    if (reply.status or 0) > 100 and not reply.is_within_dialog and reply.method != "CANCEL":
        return "no tag in To"
    if (reply.status or 0) in range(200, 300) and reply.method == "INVITE":
        if reply.header("Contact") is None:
            return "an answer without a Contact"
        lost = [each for each in _keys(_routes(request)) if each not in _keys(_routes(reply))]
        if lost and not request.is_within_dialog:
            return f"it lacks Record-Routes of the request: {', '.join(lost)}"
    if _ways_back(reply) != _ways_back(request):
        return f"its Vias aren't the request's: {'; '.join(_all(reply, 'Via'))}"
    return ""


_WRITTEN_BY_SERVERS = frozenset({"received", "rport"})
"""Parameters that a server may add to the topmost Via (RFC 3261 section 18.2.1, RFC 3581 section 4)."""


def _ways_back(message: SipMessage) -> list[Via | str]:
    """Its Vias: their parameters mean the same in any order."""
    ways: list[Via | str] = []
    for value in _all(message, "Via"):
        try:
            via = parse_via(value)
        except MalformedHeader:
            ways.append(value)
            continue
        own = frozenset() if ways else _WRITTEN_BY_SERVERS
        kept = {name: text for name, text in via.parameters.items() if name not in own}
        ways.append(replace(via, parameters=kept))
    return ways


def _shown(parameters: Mapping[str, str | None]) -> str:
    return ";".join(name if value is None else f"{name}={value}" for name, value in parameters.items()) or "none"


def _all(message: SipMessage, name: str) -> tuple[str, ...]:
    return tuple(each for value in message.values(name) for each in split_values(value))


# --- what isn't known of them ---------------------------------------------------------------------------------------


def _lost_generators(case: Case) -> Iterator[EndpointError]:
    """What a machine that is gone had begun, nobody ends: that says nothing of Kamailio."""
    generators = case.evidence.generators
    lost = [each for each in generators if each.lost]
    if not lost:
        return
    others = [each for each in generators if not each.lost]
    setup = sum((Histogram(each.setup) for each in others), Histogram()).percentile(0.95)
    made = f"the others made {sum(each.made for each in others)} of {sum(each.planned for each in others)} calls"
    made += "" if setup is None else f", set-up p95 {seconds(setup)}"
    found = [
        f"generator {each.number} on {each.node}: of {each.planned} calls {each.over} were over, "
        f"{each.made - each.over} begun, {each.planned - each.made} not made"
        for each in lost
    ]
    yield EndpointError(
        f"{len(lost)} of {len(generators)} generators {'was' if len(lost) == 1 else 'were'} lost in mid-run",
        expected="each to make all calls of its share, and to say what became of them",
        found="; ".join(found),
        where=case.scenario.where("load"),
        detail="\n".join((*(f"generator {each.number}: {each.lost}" for each in lost), made)),
        hint="see to its machine, and run this once more; calls that it left end by their limits. This says nothing "
        "of Kamailio",
    )


# --- what they wrote down -------------------------------------------------------------------------------------------


def _cut(case: Case, result: SippResult) -> Iterator[EndpointError]:
    if result.trace_cut:
        yield EndpointError(
            f"the trace of SIPp on {result.host} is cut off within a message",
            expected="whole messages",
            found="a part of one at its end",
            where=case.scenario.where("scenario"),
            hint="is the disk full, or was SIPp killed?",
        )


def _not_done(case: Case, planned: PlannedCall, index: int, call: Call) -> Iterator[EndpointError]:
    """A caller that was started makes its call, and hangs it up where that is its part."""
    result = next((each for each in case.evidence.sipp if each.host == f"caller-{planned.id}"), None)
    if result is None or result.failed or planned.sipp is not None or any(f.is_outage for f in case.scenario.faults):
        return
    sent = [m for m in call.caller if m.direction == "sent" and m.is_request and m.method != "ACK"]
    what = ""
    if not sent and call.index == 1 and planned.transport == "udp" and not result.created:
        what = "made no call"
    elif (
        planned.hangup == "caller"
        and not result.successful
        and call.answered is not None
        and not call.byes
        and planned.vanish is None
    ):
        due = call.answered + _longest(case, planned) + _TO_HANG_UP
        is_over = result.status is not None or case.evidence.ended > due
        if is_over and all(call.reply_to(m) is not None for m in sent) and not any(m.method == "BYE" for m in sent):
            what = "never hung up"
    if what:
        yield EndpointError(
            f"{_whose(case)} {result.host} {what}",
            expected="what the scenario has it do",
            found="it still ran" if result.status is None else f"it ended with status {result.status}",
            where=case.scenario.where("calls", index),
            hint=f"was its program stopped? This is {_fault_of(case)}'s fault, and says nothing of Kamailio",
        )


_TO_HANG_UP = 5.0
"""Seconds by which a caller may be late to hang up."""


def _longest(case: Case, planned: PlannedCall) -> float:
    hold = (case.scenario.load.hold if case.scenario.load is not None else None) or planned.hold
    return hold.high if hold is not None else DEFAULT_HOLD


def _untraced(case: Case) -> Iterator[EndpointError]:
    """What Kamailio got from an end is in that end's trace: else that was cut, or lacks messages."""
    ends = _ends_of_templates(case) - {each.host for each in case.evidence.sipp if each.failed}
    sent = {_passed(message) for message in case.evidence.messages if message.direction == "sent"}
    known = {call.call_id for call in case.calls}
    for each in case.evidence.captured or ():
        message = each.message
        if each.direction != "received" or each.peer not in ends or message is None or message.call_id not in known:
            continue
        if _passed(message) not in sent and not _is_lossy(case):
            yield EndpointError(
                f"the trace of {each.peer} lacks the {_name(message)} that Kamailio got from it",
                expected="what an end sent, in its trace",
                found="a trace that lacks messages",
                where=case.scenario.where("scenario"),
                hint="is the disk full, or was the program killed?",
            )


def _stood_still(case: Case) -> Iterator[EndpointError]:
    """A caller that still runs reads what Kamailio sends it over UDP, and sends again, since no reply comes.

    It can't where that went to another place than those from which it sends over UDP in that call: over TCP it hears
    no datagram, whatever the port. A carrier that stands still is found when it's ended.
    """
    running = {each.host for each in case.evidence.sipp if each.role == "caller" and each.status is None}
    is_meant = any(call.vanish is not None for call in case.scenario.calls)
    is_meant = is_meant or any(fault.is_outage for fault in case.scenario.faults) or _is_lossy(case)
    ends = frozenset() if is_meant else running & _ends_of_templates(case)
    got = {(message.host, *_passed(message)) for message in case.evidence.messages if message.direction == "received"}
    places = {
        (each.message.call_id, each.transport, each.source)
        for each in case.evidence.captured or ()
        if each.direction == "received" and each.message is not None
    }
    for each in case.evidence.captured or ():
        message = each.message
        is_repeated = each.direction == "sent" and each.transport == "udp" and len(each.repeated) > 1
        if message is None or not is_repeated or each.peer not in ends:
            continue
        if (message.call_id, each.transport, each.target) not in places:
            continue
        if (each.peer, *_passed(message)) not in got:
            yield EndpointError(
                f"{_whose(case)} {each.peer} never read the {_name(message)} that Kamailio sent it",
                expected="an end that reads what it gets",
                found=f"it was sent {len(each.repeated) + 1} times",
                where=case.scenario.where("scenario"),
                hint=f"was its program stopped? This is {_fault_of(case)}'s fault, and says nothing of Kamailio",
            )


def _passed(message: SipMessage) -> tuple[object, ...]:
    return (message.call_id, message.method, message.status, message.cseq)


def _is_lossy(case: Case) -> bool:
    """Whether an end loses messages on purpose, of which its trace may say nothing."""
    calls, carriers = case.scenario.calls, case.scenario.carriers.values()
    return any(call.loss for call in calls) or any(carrier.loss for carrier in carriers)


def _lost(case: Case, planned: PlannedCall, index: int, call: Call) -> Iterator[EndpointError]:
    """What one end got, and only the other can have sent, that one sent: else its trace lacks it.

    The ACK to the answer that a caller took is its own (RFC 3261 section 13.2.2.4).
    """
    is_meant = planned.sipp is not None or planned.loss or planned.no_ack or planned.vanish is not None
    if is_meant or call.answered is None or call.final is None:
        return
    tag = tag_of(call.final.header("To") or "")
    acked = {m.cseq for m in call.caller if m.method == "ACK" and m.direction == "sent"}
    for message in call.carriers:
        is_ack = message.method == "ACK" and message.direction == "received" and _is_of_an_answer(call, message)
        if is_ack and tag_of(message.header("To") or "") == tag:
            if message.cseq not in acked:
                yield EndpointError(
                    f"the trace of caller {planned.id} lacks the ACK that {message.host} got",
                    expected="what an end sent, in its trace",
                    found="a trace that ends before, or was cut",
                    where=case.scenario.where("calls", index),
                    hint="is the disk full, or was SIPp killed?",
                )
            return


def _is_of_an_answer(call: Call, ack: SipMessage) -> bool:
    return any(
        m.host == ack.host
        and m.direction == "sent"
        and m.method == "INVITE"
        and m.cseq == ack.cseq
        and m.status is not None
        and 200 <= m.status < 300
        for m in call.carriers
    )


def _clocks(case: Case, index: int, call: Call) -> Iterator[EndpointError]:
    """Nothing arrives before it was sent: where it seems so, the clock of one end is off.

    A 100 is of one hop alone (RFC 3261 section 16.7): that which arrives is Kamailio's. One of another transaction
    isn't the same message: a stranger may have said it before.
    """
    sent: dict[tuple[object, ...], SipMessage] = {}
    messages = [message for message in call.messages if message.status != 100]
    for message in messages:
        if message.direction == "sent":
            sent.setdefault(_same(message), message)
    for message in messages:
        first = sent.get(_same(message)) if message.direction == "received" else None
        is_forwarded = len(message.branches) > 1
        if first is None or (is_forwarded and first.branches and first.branches[-1] not in message.branches):
            continue
        at = first.at
        if message.at < at - CLOCKS:
            yield EndpointError(
                f"the clocks of the ends differ: {message.host} got a {_name(message)} before it was sent",
                expected="one clock for all ends",
                found=f"{at - message.at:.1f} s before",
                where=case.scenario.where("calls", index),
                hint="times of calls and records mean nothing; set the clocks of the machines that run the ends",
            )
            return


def _same(message: SipMessage) -> tuple[object, ...]:
    tags = (tag_of(message.header("From") or ""), tag_of(message.header("To") or ""))
    return (message.method, message.status, message.cseq, *tags, message.status is None and message.method)


# --- what they gave up ----------------------------------------------------------------------------------------------

_UNEXPECTED = re.compile(r"received 'SIP/2\.0 (?P<status>\d{3})[^']*?(?P<reason>[^\r\n']*)", re.DOTALL)
_CALL_ID = re.compile(r"Call-I[Dd][:' ]+(?P<id>[^\s':,]+@[^\s',:]+)")


_UNREAD = re.compile(r"No valid Cseq header in request .*?^(?P<header>CSeq[ \t]*:[^\r\n]*)", re.I | re.S | re.M)
"""What SIPp says of a CSeq in other letters than it looks for (RFC 3261 section 7.3.1 has them all)."""


def _unread(case: Case) -> Iterator[EndpointError]:
    """A SIPp that doesn't find what the request has, and gives its call up for it later on."""
    for result in case.evidence.sipp:
        match = _UNREAD.search(result.errors) if result.failed else None
        if match is not None:
            yield EndpointError(
                f"SIPp on {result.host} finds no CSeq in a request that has one",
                expected="CSeq, cseq or CSEQ",
                found=match["header"],
                where=case.scenario.where("scenario"),
                hint="this says nothing of Kamailio: write it so in the SIPp file that sends it",
            )


def _given_up(case: Case) -> Iterator[EndpointError]:
    """A SIPp that gives up at a reply which it could have taken: its scenario, a template of ours, lacks it."""
    ours = {f"caller-{planned.id}": planned for planned in case.scenario.calls if planned.sipp is None}
    for result in case.evidence.sipp:
        planned = ours.get(result.host)
        if planned is None or not result.failures.get("FailedUnexpectedMessage"):
            continue
        match = _UNEXPECTED.search(result.errors)
        status = int(match["status"]) if match else None
        if status is not None and any(_is_open(case, call, status) for call in case.of(planned.id)):
            yield EndpointError(
                f"SIPp on {result.host} gave up at a reply that it has to take: {status}",
                expected="any registered status",
                found=f"an unexpected message: {status}",
                where=case.scenario.where("calls", case.scenario.calls.index(planned)),
                hint="this is the harness's fault, and says nothing of Kamailio",
            )


def _is_open(case: Case, call: Call, status: int) -> bool:
    """Whether the reply with that status came to a request which no other final reply had come to, and is one."""
    refused = {id(refusal.message) for refusal in case.once(call, refusals) if not refusal.is_inherited}
    for message in call.caller:
        if message.direction == "received" and message.status == status and id(message) not in refused:
            finals = [
                m
                for m in call.caller
                if m.direction == "received"
                and m.is_final
                and (m.method, m.cseq) == (message.method, message.cseq)
                and m.at < message.at
            ]
            return not finals
    return False
