"""What reached an end of a call, judged as RFC 3261 has a peer judge it. SIPp takes nearly anything.

A message that a strict peer would refuse, or pass over, doesn't count as having arrived. It's a finding where
Kamailio made it so; what the other end sent that way already is that end's (`Refusal.is_inherited`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from rating_harness.checks.model import Case, Finding, broken
from rating_harness.evidence.calls import Call
from rating_harness.evidence.headers import (
    MalformedHeader,
    branch_of,
    parse_address,
    parse_addresses,
    parse_cseq,
    parse_via,
    split_values,
    tag_of,
    uri_key,
)
from rating_harness.evidence.model import SipMessage

__all__ = ["Refusal", "arrivals_are_valid", "malformed", "refusals"]

_ONCE = ("From", "To", "Call-ID", "CSeq")
"""Headers that every message has once (RFC 3261 section 8.1.1)."""

_NOT_TWICE = ("Expires", "Max-Forwards", "Retry-After")
"""Headers of a single value (RFC 3261 section 7.3.1), which Kamailio may add."""

_IN_FLIGHT = 1.0
"""Seconds after a target refresh in which a request may still come to the target before."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A message that a strict peer doesn't take.

    :param reason: what is wrong with it, and what the peer would do.
    :param part: the header that is wrong, or ``uri``, or ``transport``.
    :param is_inherited: the other end sent it like that, and Kamailio passed it on.
    """

    message: SipMessage
    reason: str
    part: str
    is_inherited: bool = False


def arrivals_are_valid(case: Case) -> Iterator[Finding]:
    """No request and no reply of Kamailio's making reaches an end that a strict peer would refuse there."""
    for index, planned in enumerate(case.scenario.calls):
        for call in case.of(planned.id):
            for refusal in case.once(call, refusals):
                if not refusal.is_inherited:
                    message = refusal.message
                    what = f"{message.first_line}{'' if message.is_request else f' to {message.method}'}"
                    yield broken(
                        case,
                        "strict_peer",
                        f"call {call.id}: what {message.host} got: {what}",
                        "a message that a peer takes (RFC 3261)",
                        refusal.reason,
                        call=call,
                        index=index,
                        shown_by=message,
                    )


def refusals(call: Call) -> tuple[Refusal, ...]:
    """Of a call whose messages were traced in full, those that an end should have refused; each once."""
    by_host: dict[str, list[SipMessage]] = {}
    for message in call.messages:
        if not message.is_brief:
            by_host.setdefault(message.host, []).append(message)

    def judged(taken: frozenset[int]) -> tuple[Refusal, ...]:
        found = [r for host, messages in by_host.items() for r in _Peer(host, taken).refusals(messages)]
        return tuple(_attributed(call, refusal) for refusal in found)

    found = judged(frozenset())
    # A name that the other end wrote badly, and Kamailio passed on: peers are lenient with it.
    taken = frozenset(id(r.message) for r in found if r.is_inherited and r.part in _NAMES and malformed(r.message))
    return judged(taken) if taken else found


_NAMES = ("From", "To")


def _attributed(call: Call, refusal: Refusal) -> Refusal:
    """The refusal, with whether an end of the call is to blame.

    It is where the other one sent the same, and where a reply repeats what this one's own request has.
    """
    message, part = refusal.message, refusal.part
    if part in ("Route", "transport"):
        return refusal
    is_inherited = (
        _repeats_own_to(call, message, part)
        or _repeats_own_via(call, refusal)
        or any(
            other.direction == "sent"
            and (other.method, other.cseq) == (message.method, message.cseq)
            and (other.status == message.status if other.host != message.host else other.is_request)
            and (other.host != message.host or (not message.is_request and part != "To"))
            and _part(other, part) == _part(message, part)
            for other in call.messages
        )
    )
    return Refusal(message, refusal.reason, part, is_inherited)


def _repeats_own_to(call: Call, message: SipMessage, part: str) -> bool:
    """Whether To of a reply is the request's, malformed as that was, and a tag (RFC 3261 section 8.2.6.2)."""
    if part != "To" or message.is_request:
        return False
    sent = [m for m in call.messages if m.direction == "sent" and m.is_request and m.host == message.host]
    asked = [m.header("To") or "" for m in sent if m.cseq == message.cseq and (malformed(m) or ("",))[0] == "To"]
    return any((message.header("To") or "").startswith(each) for each in asked)


def _repeats_own_via(call: Call, refusal: Refusal) -> bool:
    """Whether Via of a reply has twice what servers add (RFC 3261 section 18.2.1): its request had it already."""
    reply = refusal.message
    if refusal.part != "Via" or reply.is_request or "twice" not in refusal.reason:
        return False
    own = [m for m in call.messages if m.direction == "sent" and m.is_request and m.host == reply.host]
    tops = [_vias(m)[0] for m in own if (m.method, m.cseq) == (reply.method, reply.cseq) and _vias(m)]
    return any(_ADDED_BY_SERVERS.search(top) for top in tops)


_ADDED_BY_SERVERS = re.compile(r";\s*(?:received\s*=|rport\s*=\s*\d)", re.IGNORECASE)


def _part(message: SipMessage, part: str) -> tuple[str, ...]:
    if part == "uri":
        return (message.uri,)
    body = (message.body,) if part == "Content-Length" else ()
    return body + message.values(part)


# --- the peer -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Peer:
    """A user agent as strict as RFC 3261 lets it be, which sees what one host of a call sent and received.

    :param taken: messages (by `id`) that it takes though a header is malformed.
    :param tags: its own, by which it knows its dialogs.
    :param remote: tags of the other side, by its own of the same dialog.
    :param sequence: the highest CSeq number that came in a dialog, by its own tag there.
    :param targets: by its own tag of a dialog, where it may be reached, by the Contacts that it sent, and from when;
        the last one holds.
    :param transports: by which it sent something.
    :param requests: those it sent, by branch and method.
    :param branches: of the INVITEs that came, initial or not.
    :param record_routes: of its own INVITEs: proxies behind which it says it is.
    :param seen: what came before, with its branch, so that a retransmission isn't judged twice.
    """

    host: str
    taken: frozenset[int] = frozenset()
    tags: set[str] = field(default_factory=set)
    remote: dict[str, set[str]] = field(default_factory=dict)
    sequence: dict[str, int] = field(default_factory=dict)
    targets: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    transports: set[str] = field(default_factory=set)
    requests: dict[tuple[str | None, str], SipMessage] = field(default_factory=dict)
    invites: dict[str | None, SipMessage] = field(default_factory=dict)
    branches: set[str | None] = field(default_factory=set)
    answers: dict[tuple[str, int], int] = field(default_factory=dict)
    options: set[str] = field(default_factory=set)
    record_routes: set[str] = field(default_factory=set)
    seen: set[tuple[object, ...]] = field(default_factory=set)
    offered: set[tuple[object, ...]] = field(default_factory=set)

    def refusals(self, messages: list[SipMessage]) -> Iterator[Refusal]:
        # What it supports it supports before it says so: a callee says it in reply to the INVITE that requires it.
        for message in messages:
            if message.direction == "sent":
                self.options |= _options(message, "Supported") | _options(message, "Require")
        for message in messages:
            if message.direction == "sent":
                self.transports.add(message.transport)
                self._sends(message)
                continue
            key = (message.status, message.method, message.cseq, message.header("Via"), message.header("To"))
            if key in self.seen:
                continue
            self.seen.add(key)
            if message.is_request and message.method == "INVITE":
                self.branches.add(branch_of(message.header("Via")))
            if message.is_request and message.method == "INVITE" and not message.is_within_dialog:
                self.invites[branch_of(message.header("Via"))] = message  # a refused one can be cancelled too
            refusal = self._judge(message)
            if refusal is not None:
                yield refusal
            elif message.is_request:
                self._takes(message)
            else:
                self._takes_reply(message)

    # what it knows

    def _sends(self, message: SipMessage) -> None:
        own, other = ("From", "To") if message.is_request else ("To", "From")
        tag, remote = tag_of(message.header(own) or ""), tag_of(message.header(other) or "")
        if tag is not None and message.method != "CANCEL":
            self.tags.add(tag)
            if remote is not None:
                self.remote.setdefault(tag, set()).add(remote)
        if message.is_request:
            branch = branch_of(message.header("Via"))
            for method in {message.method, *(message.header("CSeq") or "").split()[1:]}:
                self.requests[branch, method] = message
            self.record_routes |= {_route_key(each) for each in _split(message, "Record-Route")}
        elif tag is not None and message.is_final and message.method == "INVITE":  # a CANCEL has the same number
            self.answers[tag, message.cseq] = message.status or 0
        if not message.is_request and tag is not None and message.method == "INVITE":
            # The request that made the dialog is the first in its order.
            self.sequence.setdefault(tag, message.cseq)
        if tag is not None:
            self._offers(message, tag)

    def _offers(self, message: SipMessage, tag: str) -> None:
        """Take note of where it says that it's reached: in an INVITE, an UPDATE, and the replies that accept them."""
        if message.method not in ("INVITE", "UPDATE") or (message.status is not None and message.status >= 300):
            return
        contacts = [each for value in message.values("Contact") for each in split_values(value)]
        is_answer = message.method == "INVITE" and message.status is not None and message.status >= 200
        if not (contacts or is_answer) or self._is_retransmission(message):
            return
        targets = self.targets.setdefault(tag, [])
        target = _target_of(contacts) if contacts else None
        if target is None:
            targets.clear()  # whoever needs one has to guess
        elif not targets or targets[-1][1] != target:
            targets.append((message.at, target))

    def _is_retransmission(self, message: SipMessage) -> bool:
        """Whether it's a retransmission, which says nothing new (RFC 3261 section 13.3.1.4)."""
        key = (message.status, message.cseq, branch_of(message.header("Via")), message.header("To"))
        was_sent = key in self.offered
        self.offered.add(key)
        return was_sent

    def _takes(self, request: SipMessage) -> None:
        tag = tag_of(request.header("To") or "")
        if tag is not None and request.method not in ("ACK", "CANCEL"):
            self.sequence[tag] = max(self.sequence.get(tag, 0), request.cseq)

    def _takes_reply(self, reply: SipMessage) -> None:
        own, remote = tag_of(reply.header("From") or ""), tag_of(reply.header("To") or "")
        if own is not None and remote is not None:
            self.remote.setdefault(own, set()).add(remote)
        refused = self.requests.get((branch_of(reply.header("Via")), reply.method))
        if own is not None and refused is not None and refused.is_within_dialog and (reply.status or 0) >= 300:
            # Its target stays what it was (RFC 3261 section 12.2.1.2).
            self.targets[own] = [each for each in self.targets.get(own, []) if each[0] != refused.at]

    # what it refuses

    def _judge(self, message: SipMessage) -> Refusal | None:
        wrong = malformed(message)
        if wrong is not None and id(message) not in self.taken:
            part, reason = wrong
            return Refusal(message, f"400: {reason}" if message.is_request else f"passed over: {reason}", part)
        for part, question in _OF_REQUESTS if message.is_request else _OF_REPLIES:
            reason = question(self, message)
            if reason:
                return Refusal(message, reason, part)
        return None

    def require(self, request: SipMessage) -> str:
        """RFC 3261 section 8.2.2.3."""
        unknown = _options(request, "Require") - self.options
        if not unknown or request.method in ("ACK", "CANCEL"):
            return ""
        return f"420: Require: {', '.join(sorted(unknown))}, which {self.host} doesn't say that it supports"

    def contact(self, message: SipMessage) -> str:
        """What makes a dialog says where its sender is reached (RFC 3261 sections 8.1.1.8 and 12.1)."""
        needs_one = message.method == "INVITE" and (message.is_request or 200 <= (message.status or 0) < 300)
        if not needs_one:
            return ""
        contacts = [each for value in message.values("Contact") for each in split_values(value)]
        if len(contacts) != 1:
            return f"{len(contacts) or 'no'} Contacts, where one is needed for a dialog"
        return ""

    def own_tag(self, request: SipMessage) -> str:
        """Requests inside a dialog name it by both tags (RFC 3261 section 12.2.2)."""
        tag = tag_of(request.header("To") or "")
        if tag is None and self.tags and request.method in _WITHIN_ALONE:
            return "481: no tag in To"
        is_known = tag is None or not self.tags or tag in self.tags
        return "" if is_known else f"481: the tag of To, {tag}, is none of {self.host}'s"

    def other_tag(self, request: SipMessage) -> str:
        known = self.remote.get(tag_of(request.header("To") or "") or "")
        tag = tag_of(request.header("From") or "")
        return f"481: the tag of From, {tag}, isn't the other side's" if known and tag not in known else ""

    def sequence_of(self, request: SipMessage) -> str:
        """CSeq rises within a dialog; ACK and CANCEL have that of their INVITE (RFC 3261 sections 12.2.2 and 9.1)."""
        to = tag_of(request.header("To") or "")
        if to is None or request.method == "CANCEL":
            return ""
        if request.method == "ACK":
            is_known = (to, request.cseq) in self.answers or to not in self.tags
            return "" if is_known else f"no INVITE has CSeq {request.cseq} of this ACK"
        before = self.sequence.get(to)
        if before is None or request.cseq > before:
            return ""
        return f"500: CSeq {request.cseq} isn't above {before}, which came before"

    def cancelled(self, request: SipMessage) -> str:
        """A CANCEL has the branch of what it cancels (RFC 3261 section 9.2)."""
        if request.method != "CANCEL" or branch_of(request.header("Via")) in self.invites:
            return ""
        return "481: its branch is that of no INVITE"

    def target(self, request: SipMessage) -> str:
        """Requests inside a dialog go to the other side's target (RFC 3261 section 12.2.1.1)."""
        to = tag_of(request.header("To") or "")
        targets = self.targets.get(to or "")
        refused = request.method == "ACK" and self.answers.get((to or "", request.cseq), 200) >= 300
        if not targets or request.method == "CANCEL" or refused:
            return ""
        since, current = targets[-1]
        valid = {current} | {target for _, target in targets[:-1] if request.at <= since + _IN_FLIGHT}
        if uri_key(request.uri) in valid:
            return ""
        return f"404: {request.uri} isn't where {self.host} said it's reached, {current}"

    def transport(self, request: SipMessage) -> str:
        """A request inside a dialog comes by the transport that the target names (RFC 3263 section 4.1), or by that
        of the end's own messages (RFC 5923). Behind a proxy it comes as that has it."""
        to = tag_of(request.header("To") or "")
        targets = self.targets.get(to or "")
        if not targets or self.record_routes or request.transport in self.transports:
            return ""
        since, _ = targets[-1]
        known = [target for at, target in targets if target == targets[-1][1] or request.at <= since + _IN_FLIGHT]
        named = {_transport_of(target) for target in known}
        # What is too long for a datagram may come by TCP instead (RFC 3261 section 18.1.1).
        if request.transport in named or (request.transport == "tcp" and "udp" in named):
            return ""
        return f"it came by {request.transport.upper()}, and {self.host} is reached at {targets[-1][1]}"

    def hops(self, request: SipMessage) -> str:
        """Who makes a request says how far it may go (RFC 3261 section 8.1.1.6); not one from hop to hop."""
        is_of_a_hop = request.method == "CANCEL" or (
            request.method == "ACK" and branch_of(request.header("Via")) in self.branches
        )
        return "" if is_of_a_hop or request.values("Max-Forwards") else "Max-Forwards is missing"

    def route(self, request: SipMessage) -> str:
        """The last proxy takes the last Route off (RFC 3261 section 16.12), which those are behind it that the end
        itself says it is behind."""
        routes = [each for each in _split(request, "Route") if _route_key(each) not in self.record_routes]
        return f"a Route is left: {routes[0]}" if routes and request.is_within_dialog else ""

    def via(self, reply: SipMessage) -> str:
        """A reply has one Via, its receiver's own (RFC 3261 section 8.1.3.3); those of its request (section 8.2.6.2),
        where the end plays a proxy that has others before it."""
        vias = _vias(reply)
        request = self.requests.get((branch_of(vias[0]), reply.method)) if vias else None
        if len(vias) != (len(_vias(request)) if request is not None else 1):
            return f"passed over: {len(vias)} Vias"
        if request is None:
            return f"passed over: its branch is that of no {reply.method} that {self.host} sent"
        own, seen = (_sent_by(_vias(each)[0]) for each in (request, reply))
        return "" if own == seen else f"passed over: its Via is of {seen}, and was of {own} (RFC 3261 section 18.1.2)"

    def transaction(self, reply: SipMessage) -> str:
        """CSeq and From's tag are the request's (RFC 3261 sections 8.2.6.2 and 17.1.3)."""
        request = self.requests[branch_of(reply.header("Via")), reply.method]
        if reply.cseq != request.cseq:
            return f"passed over: CSeq {reply.cseq} of a reply to CSeq {request.cseq}"
        return ""

    def transport_of_reply(self, reply: SipMessage) -> str:
        """A reply comes by the transport of its request (RFC 3261 section 18.2.2)."""
        request = self.requests[branch_of(reply.header("Via")), reply.method]
        sent, seen = request.transport, reply.transport
        return "" if sent == seen else f"it came by {seen.upper()}, and the {reply.method} was sent by {sent.upper()}"

    def tag_of_from(self, reply: SipMessage) -> str:
        request = self.requests[branch_of(reply.header("Via")), reply.method]
        sent, seen = (tag_of(each.header("From") or "") for each in (request, reply))
        return "" if sent == seen else f"passed over: the tag of From is {seen}, and was {sent}"

    def tag_of_to(self, reply: SipMessage) -> str:
        """A reply but 100 has a tag in To, and the request's where that had one (RFC 3261 section 8.2.6.2)."""
        request = self.requests[branch_of(reply.header("Via")), reply.method]
        sent, seen = (tag_of(each.header("To") or "") for each in (request, reply))
        if sent is not None and seen != sent:
            return f"the tag of To is {seen}, and was {sent}"
        if seen is None and (reply.status or 0) > 100 and reply.method != "CANCEL":
            return "no tag in To"
        return ""

    def require_of_reply(self, reply: SipMessage) -> str:
        unknown = _options(reply, "Require") - self.options
        if not unknown:
            return ""
        return f"Require: {', '.join(sorted(unknown))}, which {self.host} never said that it supports"


_WITHIN_ALONE = ("ACK", "BYE", "INFO", "PRACK", "UPDATE")
"""Methods of requests that there are within a dialog alone, or, of an ACK, with the tag of what it acknowledges."""


_Question = Callable[[_Peer, SipMessage], str]
"""What is wrong with a message; an empty text where nothing is."""

_OF_REQUESTS: Sequence[tuple[str, _Question]] = (
    ("Require", _Peer.require),
    ("Contact", _Peer.contact),
    ("To", _Peer.own_tag),
    ("From", _Peer.other_tag),
    ("CSeq", _Peer.sequence_of),
    ("Via", _Peer.cancelled),
    ("uri", _Peer.target),
    ("transport", _Peer.transport),
    ("Max-Forwards", _Peer.hops),
    ("Route", _Peer.route),
)
_OF_REPLIES: Sequence[tuple[str, _Question]] = (
    ("Via", _Peer.via),
    ("transport", _Peer.transport_of_reply),
    ("CSeq", _Peer.transaction),
    ("From", _Peer.tag_of_from),
    ("To", _Peer.tag_of_to),
    ("Require", _Peer.require_of_reply),
    ("Contact", _Peer.contact),
)
"""By the part of the message that is wrong where there's an answer. The first answer is the one."""


# --- headers --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def malformed(message: SipMessage) -> tuple[str, str] | None:
    """The header of a message that RFC 3261 doesn't have so, and what is wrong with it; None where all are well."""
    for name in _ONCE:
        number = len(message.values(name))
        if number != 1:
            return name, f"{name} {'is missing' if not number else f'stands there {number} times'}"
    for name in _NOT_TWICE:
        number = len(message.values(name))
        if number > 1:
            return name, f"{name} stands there {number} times"
    try:
        for name, values in _parsed(message):
            if not values:
                return name, f"{name} is missing"
    except MalformedHeader as error:
        name = str(error).partition(": ")[0]
        return name, str(error)
    for name in _NAMES:
        if tag_of(message.header(name) or "") == "":
            return name, f"the tag of {name} is empty"
    if tag_of(message.header("From") or "") is None:
        return "From", "From has no tag"
    for name in ("Content-Length", "Max-Forwards"):
        number_said = message.header(name)
        if number_said is not None and not number_said.isdecimal():
            return name, f"{name} is {number_said!r}"
    if message.body.strip() and message.header("Content-Type") is None and not message.is_brief:
        return "Content-Type", "Content-Type is missing, and there is a body"
    length = message.header("Content-Length")
    if length is not None and not _can_be_length(message.body, int(length)):
        size = len(_octets(message.body))
        return "Content-Length", f"Content-Length is {length}, its body has {size} bytes"
    _, method = parse_cseq(message.header("CSeq") or "")
    if message.is_request and method != message.method:
        return "CSeq", f"CSeq is of {method}, the request is {message.method}"
    return None


def _octets(body: str) -> bytes:
    return body.replace("\n", "\r\n").encode("utf-8", "surrogatepass")


def _can_be_length(body: str, length: int) -> bool:
    """A trace has line feeds for whatever ended a line, and may have more of them at its end."""
    text = body.rstrip("\n")
    return len(text.encode("utf-8", "surrogatepass")) <= length <= len(_octets(f"{text}\n" if text else ""))


_PARSERS: Mapping[str, Callable[[str], object]] = {
    "Via": lambda value: [parse_via(each) for each in split_values(value)],
    "From": parse_address,
    "To": parse_address,
    "CSeq": parse_cseq,
    "Contact": lambda value: [] if value == "*" else parse_addresses(value),
    "Route": parse_addresses,
    "Record-Route": parse_addresses,
}
_NEEDED = ("Via", "From", "To", "CSeq")


def _parsed(message: SipMessage) -> Iterator[tuple[str, list[object]]]:
    """:raises MalformedHeader: its text begins with the header's name."""
    for name, parser in _PARSERS.items():
        values = []
        for value in message.values(name):
            try:
                values.append(parser(value))
            except MalformedHeader as error:
                raise MalformedHeader(f"{name}: {error}") from None
        if name in _NEEDED:
            yield name, values


def _vias(message: SipMessage) -> list[str]:
    return [each for value in message.values("Via") for each in split_values(value)]


def _split(message: SipMessage, name: str) -> list[str]:
    return [each for value in message.values(name) for each in split_values(value)]


def _sent_by(via: str) -> str:
    parsed = parse_via(via)
    return f"{parsed.host.lower()}:{parsed.port or (5061 if parsed.transport.upper() == 'TLS' else 5060)}"


def _route_key(route: str) -> str:
    try:
        return uri_key(parse_address(route).uri)
    except MalformedHeader:
        return route


def _transport_of(target: str) -> str:
    """The transport that a URI names, in the form of `uri_key` (RFC 3263 section 4.1)."""
    named = [each.partition("=")[2] for each in target.split(";")[1:] if each.startswith("transport=")]
    return named[0] if named else "tls" if target.startswith("sips:") else "udp"


_REACHED = re.compile(r"sips?:([^@]*@)?(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:\d+)?([;?].*)?")
"""A URI, as `uri_key` writes it, that a request inside of a dialog can be sent to (RFC 3261 section 12.1.1)."""


def _target_of(contacts: list[str]) -> str | None:
    """Where one Contact says that its sender is reached; None where that can't be known: two of them, ``*``, tel:."""
    if len(contacts) != 1:
        return None
    try:
        target = uri_key(parse_address(contacts[0]).uri)
    except MalformedHeader:
        return None
    return target if _REACHED.fullmatch(target) else None


def _options(message: SipMessage, name: str) -> set[str]:
    """Option tags in a Require or a Supported."""
    tags = (tag.strip().lower() for value in message.values(name) for tag in value.split(","))
    return {tag for tag in tags if tag}
