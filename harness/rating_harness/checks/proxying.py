"""What a proxy has to do with what it passes on (RFC 3261 section 16): Via, Max-Forwards, Record-Route, and a 100.

Only what carries the Via of the end that sent it was passed on by a proxy: where Kamailio makes messages of its own
of those that it gets, or hides who sent them, nothing is asked of them. Of each kind of mistake the first is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rating_harness.checks.model import Case, Finding, broken
from rating_harness.checks.own_ends import CLOCKS
from rating_harness.evidence.calls import Call
from rating_harness.evidence.headers import (
    MalformedHeader,
    branch_of,
    branches_of,
    parse_address,
    split_values,
    tag_of,
    uri_key,
)
from rating_harness.evidence.model import SipMessage

__all__ = ["proxied_as_it_should_be"]

_MOST_HOPS = 255

_OF_EACH_HOP = frozenset({"via", "from", "to", "call-id", "cseq", "content-length"})
"""Headers, in small letters, that each 100 has, whoever made it."""


@dataclass(frozen=True, slots=True)
class _Passed:
    """A request as an end sent it, and as it reached the other one."""

    sent: SipMessage
    got: SipMessage

    @property
    def added(self) -> tuple[str, ...]:
        """The Record-Routes that it got on its way."""
        before, after = (_routes(each) for each in (self.sent, self.got))
        return after[: len(after) - len(before)]


def proxied_as_it_should_be(case: Case) -> Iterator[Finding]:
    """Each request is passed on as RFC 3261 section 16.6 says, and a 100 isn't passed on at all (section 16.7)."""
    told: set[str] = set()
    for index, planned in enumerate(case.scenario.calls):
        for call in case.of(planned.id):
            if any(message.is_brief for message in call.messages):
                continue
            for kind, about, wanted, seen, message in _mistakes(case, call):
                if kind not in told:
                    told.add(kind)
                    what = f"call {call.id}: {about}"
                    yield broken(case, "forwarding", what, wanted, seen, call=call, index=index, shown_by=message)


_Mistake = tuple[str, str, str, str, SipMessage]
"""Its kind, what it is about, what was expected, what was seen, and the message."""


def _mistakes(case: Case, call: Call) -> Iterator[_Mistake]:
    is_rated = bool(case.exchanges(call))
    for passed in _passed(call):
        yield from _vias(passed)
        if is_rated:
            yield from _hops(passed)
        if passed.got.method == "INVITE" and not passed.got.is_within_dialog:
            yield from _record_routes(passed)
            yield from _way_back(case, call, passed)
            yield from _tag(passed)
        yield from _required(call, passed)
    yield from _trying(call)


def _passed(call: Call) -> Iterator[_Passed]:
    sent = {
        branch: message
        for message in call.messages
        if message.is_request and message.direction == "sent" and (branch := branch_of(message.header("Via")))
    }
    for message in call.messages:
        if message.is_request and message.direction == "received":
            above = branches_of(_all(message, "Via"))
            origin = next((sent[each] for each in above if each in sent), None)
            if origin is not None and origin.host != message.host and origin.method == message.method:
                yield _Passed(origin, message)


def _vias(passed: _Passed) -> Iterator[_Mistake]:
    """A proxy puts its own on top, and leaves those that are there (step 8)."""
    own, all_ = (branches_of(_all(each, "Via")) for each in (passed.sent, passed.got))
    about = f"the Vias of the {passed.got.method} that {passed.got.host} got"
    if len(set(all_)) < len(all_):
        twice = next(each for each in all_ if all_.count(each) > 1)
        yield "via", about, "each proxy's once", f"one twice: {twice}", passed.got
    elif all_[len(all_) - len(own) :] != own:
        lost = [each for each in own if each not in all_]
        seen = f"without {', '.join(lost)}" if lost else "in another order"
        yield "via", about, f"those that {passed.sent.host} sent, and the proxy's", seen, passed.got
    elif len(all_) == len(own):
        seen = "no proxy's: it went past Kamailio"
        yield "past", about, f"those that {passed.sent.host} sent, and the proxy's", seen, passed.got


def _hops(passed: _Passed) -> Iterator[_Mistake]:
    """A proxy takes one off Max-Forwards (step 3).

    A plain one that nobody is charged for isn't held to it: a Kamailio without the module maxfwd doesn't do that.
    """
    before, after = (_number(each) for each in (passed.sent, passed.got))
    if before is None or after is None or not 0 < before <= _MOST_HOPS or after < before:
        return
    about = f"Max-Forwards of the {passed.got.method} that {passed.got.host} got"
    yield "hops", about, f"{before - 1} at most: {passed.sent.host} sent {before}", str(after), passed.got


def _number(message: SipMessage) -> int | None:
    values = _all(message, "Max-Forwards")
    return int(values[0]) if len(values) == 1 and values[0].isdecimal() else None


def _record_routes(passed: _Passed) -> Iterator[_Mistake]:
    """A proxy puts its own on top of those that are there (step 4)."""
    before, after = (_routes(each) for each in (passed.sent, passed.got))
    about = f"the Record-Routes of the INVITE that {passed.got.host} got"
    if after[len(after) - len(before) :] != before:
        wanted = f"those that {passed.sent.host} sent, and the proxy's on top"
        yield "record-route", about, wanted, ", ".join(after) or "none", passed.got
    elif (
        len(set(passed.added)) < len(passed.added) and len(branches_of(_all(passed.got, "Via"))) == _ways(passed) + 1
    ):
        twice = next(each for each in passed.added if passed.added.count(each) > 1)
        yield "record-route", about, "the proxy's once", f"one twice: {twice}", passed.got


def _ways(passed: _Passed) -> int:
    return len(branches_of(_all(passed.sent, "Via")))


def _way_back(case: Case, call: Call, passed: _Passed) -> Iterator[_Mistake]:
    """What comes within a call that is billed comes by way of Kamailio: else it never knows of its end.

    Our own ends send all they have to say to Kamailio, whatever the route set is: telephones don't.
    """
    invite, answer = passed.got, _answer(call, passed.got)
    if answer is None or call.final is None or not case.exchanges(call):
        return
    to_caller = next((m for m in call.caller if _is_same_answer(m, answer)), None)
    if to_caller is None:
        return
    wanted = "a Record-Route of Kamailio's, so that the call's requests come by way of it"
    if _routes(invite) == _routes(passed.sent) and _contact(invite) == _contact(passed.sent):
        yield "past", "the INVITE", wanted, "none: the callee's BYE would go past Kamailio", invite
    elif len(_routes(to_caller)) < len(_routes(answer)) and _contact(to_caller) == _contact(answer):
        seen = f"{len(_routes(to_caller)) or 'none'} of {len(_routes(answer))}"
        about = f"the Record-Routes of the {to_caller.status} that {to_caller.host} got"
        yield (
            "record-route",
            about,
            "those that the callee sent",
            f"{seen}: the caller's requests go astray",
            to_caller,
        )


def _tag(passed: _Passed) -> Iterator[_Mistake]:
    """The tag of From names the dialog for both ends (section 16.6: what isn't named there stays)."""
    own, seen = (tag_of(each.header("From") or "") for each in (passed.sent, passed.got))
    if own != seen:
        yield "tag", f"the tag of From of the INVITE that {passed.got.host} got", str(own), str(seen), passed.got


def _required(call: Call, passed: _Passed) -> Iterator[_Mistake]:
    """A proxy takes no option that an end requires of the other from a reply (RFC 3262 section 3)."""
    branch = branch_of(passed.got.header("Via"))
    for reply in call.messages:
        is_of_it = reply.host == passed.got.host and reply.direction == "sent" and reply.method == passed.got.method
        wanted = _all(reply, "Require") if is_of_it and branch_of(reply.header("Via")) == branch else ()
        came = next((m for m in call.messages if m.host == passed.sent.host and _is_same_reply(m, reply)), None)
        if reply.status is not None and wanted and came is not None:
            left = {each.lower() for each in _all(came, "Require")}
            if any(each.lower() not in left for each in wanted):
                about = f"Require of the {came.status} that {came.host} got"
                seen = ", ".join(_all(came, "Require")) or "none"
                yield "require", about, f"{', '.join(wanted)}, as {reply.host} sent", seen, came


def _is_same_reply(message: SipMessage, sent: SipMessage) -> bool:
    key = (sent.method, sent.cseq, sent.status, sent.to_tag, sent.header("RSeq"))
    is_one = message.direction == "received" and message.status is not None
    return is_one and (message.method, message.cseq, message.status, message.to_tag, message.header("RSeq")) == key


def _answer(call: Call, invite: SipMessage) -> SipMessage | None:
    """The 2xx to an INVITE that a callee got."""
    branch = branch_of(invite.header("Via"))
    return next(
        (
            m
            for m in call.messages
            if m.host == invite.host
            and m.direction == "sent"
            and m.method == "INVITE"
            and 200 <= (m.status or 0) < 300
            and branch_of(m.header("Via")) == branch
        ),
        None,
    )


def _is_same_answer(message: SipMessage, answer: SipMessage) -> bool:
    is_one = message.direction == "received" and message.method == "INVITE" and message.status == answer.status
    return is_one and (message.cseq, message.to_tag) == (answer.cseq, answer.to_tag)


def _trying(call: Call) -> Iterator[_Mistake]:
    """A 100 is of one hop alone (section 16.7, step 5). One that is passed on has what its sender wrote into it."""
    sent = [m for m in call.messages if m.direction == "sent" and m.status == 100]
    for message in call.messages if sent else ():
        if message.direction != "received" or message.status != 100:
            continue
        before = (m for m in sent if m.host != message.host and m.at <= message.at + CLOCKS)
        origin = next((m for m in before if m.cseq == message.cseq), None)
        if origin is not None and _marks(origin) and _marks(message) == _marks(origin):
            about = f"the 100 that {message.host} got"
            yield "100", about, "one of Kamailio's own", f"the one that {origin.host} sent", message


def _marks(trying: SipMessage) -> Mapping[str, str]:
    """What a 100 has beside the headers that each one has."""
    marks = {name.lower(): value for name, value in trying.headers if name.lower() not in _OF_EACH_HOP}
    return {**marks, "tag": trying.to_tag} if trying.to_tag else marks


def _routes(message: SipMessage) -> tuple[str, ...]:
    """The URIs in Record-Route, as `uri_key` has them without their parameters, which a proxy may edit."""
    return tuple(_bare(each) for each in _all(message, "Record-Route"))


def _bare(address: str) -> str:
    try:
        uri = parse_address(address).uri
    except MalformedHeader:
        return address
    transport = [each for each in uri.lower().split(";")[1:] if each.startswith("transport=")]
    return ";".join((uri_key(uri.partition(";")[0]), *transport))


def _contact(message: SipMessage) -> str | None:
    try:
        return uri_key(parse_address(message.header("Contact") or "").uri)
    except MalformedHeader:
        return None


def _all(message: SipMessage, name: str) -> tuple[str, ...]:
    return tuple(each for value in message.values(name) for each in split_values(value))
