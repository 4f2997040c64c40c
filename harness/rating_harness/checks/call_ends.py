"""What became of a call, as its two ends saw it: when it was answered and over, and that both agree on that.

A message counts where a strict peer takes it (`strict_peer`). Nothing is asked of an end that vanished by design, or
that a fault cut off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

from rating_harness.checks.format import reply_text
from rating_harness.checks.model import Case, Finding, broken
from rating_harness.checks.strict_peer import refusals
from rating_harness.contract import CONTRACT, units_of
from rating_harness.evidence.calls import Call, is_of_request
from rating_harness.evidence.headers import tag_of
from rating_harness.evidence.model import SipMessage
from rating_harness.scenario.model import Call as PlannedCall
from rating_harness.scenario.model import Request

__all__ = [
    "SIDES",
    "SLACK",
    "WHOLE",
    "Interval",
    "answer_of",
    "both_ends_agree",
    "end_of",
    "goes_on",
    "has_ended_for",
    "is_gone",
    "is_left_alone",
    "off",
    "time_of_ending",
]

WHOLE = 1.0
"""Seconds that a time may be off because the engine and Kamailio count whole ones."""

SLACK = 0.5
"""Seconds that may pass between a message and Kamailio's note of its time, on a machine that is busy.
(benchmarks/record_times.py; none was measured in 300 records at a load of 15 on two cores.)"""

Side = Literal["caller", "callee"]
SIDES: tuple[Side, Side] = ("caller", "callee")


@dataclass(frozen=True, slots=True)
class Interval:
    """Unix seconds between which something happened: after one host saw what led to it, before another saw what
    followed."""

    earliest: float
    latest: float


def answer_of(call: Call) -> Interval:
    """When Kamailio handled the 2xx: after the carrier sent it, before the caller got it."""
    final = call.final
    got = call.answered or 0.0
    tag = tag_of(final.header("To") or "") if final else None
    sent = [m.at for m in call.carriers if m.direction == "sent" and _is_answer(m, tag) and m.at <= got]
    return Interval(min(sent, default=got), got)


def off(at: float, interval: Interval) -> float:
    """Seconds that a whole second is before (negative) or after an interval that it should be in."""
    earliest, latest = interval.earliest - WHOLE - SLACK, interval.latest + WHOLE + SLACK
    if at < earliest:
        return at - interval.earliest
    return at - interval.latest if at > latest else 0.0


def _is_answer(message: SipMessage, tag: str | None) -> bool:
    is_2xx = message.method == "INVITE" and message.status is not None and 200 <= message.status < 300
    return is_2xx and (tag is None or tag_of(message.header("To") or "") in (tag, None))


# --- BYEs -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bye:
    """A BYE that was sent, or that Kamailio made.

    :param sender: the end that sent it; None for Kamailio.
    :param sent: when it was sent; of Kamailio's, when the first end got it.
    :param arrived: the first that the other end got of it; of Kamailio's, that either got.
    :param reply: the final reply that its sender got; None for none, and for Kamailio's.
    :param is_refused: it reached the other end, where a strict peer refuses it.
    """

    sender: Side | None
    sent: SipMessage
    arrived: SipMessage | None
    reply: SipMessage | None
    is_refused: bool = False

    @property
    def is_accepted(self) -> bool:
        """Whether it ended the call: it was taken on the way at least, whatever became of its reply.

        A peer that answers 408, or nothing, is gone, and so is one that answers 481 (RFC 3261 section 15.1.1). Where
        the BYE never got to it, a 481 is Kamailio's own, and the call goes on.
        """
        if self.is_refused:
            return False
        status = self.reply.status if self.reply else None
        return self.arrived is not None or status is None or status < 300 or status == 408


def byes_of(case: Case, call: Call) -> tuple[Bye, ...]:
    """The BYEs of a call, each once, those that end it or were meant to."""
    refused = {id(refusal.message) for refusal in case.once(call, refusals)}
    found: list[Bye] = []
    for side in SIDES:
        sent: dict[tuple[str, int, str | None], SipMessage] = {}
        for message in _byes(call, side):
            if message.direction == "sent":
                sent.setdefault((message.host, message.cseq, message.header("From")), message)
        for message in sent.values():
            got = [m for m in _byes(call, _other(side)) if m.direction == "received" and m.cseq == message.cseq]
            arrived = next((m for m in got if id(m) not in refused), None)
            is_refused = bool(got) and arrived is None
            found.append(Bye(side, message, arrived, call.reply_to(message), is_refused))
    own = [message for side in SIDES for message in _made_by_kamailio(call, side) if id(message) not in refused]
    if own:
        first = min(own, key=lambda message: message.at)
        found.append(Bye(None, first, first, None))
    return tuple(found)


def _of(call: Call, side: Side) -> tuple[SipMessage, ...]:
    return call.caller if side == "caller" else call.carriers


def _other(side: Side) -> Side:
    return "callee" if side == "caller" else "caller"


def _byes(call: Call, side: Side) -> Iterator[SipMessage]:
    """What that side sent and received of the BYEs of the call."""
    hosts = {message.host for message in _of(call, side)}
    return (message for message in call.byes if message.host in hosts)


def _made_by_kamailio(call: Call, side: Side) -> Iterator[SipMessage]:
    """BYEs that this side got and the other one never sent."""
    sent = {message.cseq for message in _byes(call, _other(side)) if message.direction == "sent"}
    return (m for m in _byes(call, side) if m.direction == "received" and m.cseq not in sent)


def end_of(case: Case, call: Call, index: int) -> Interval | None:
    """When Kamailio handled the BYE that ended the call: after it was sent, before another message showed it.

    Without any BYE, when the limit was reached; None where there was none.
    """
    byes = byes_of(case, call)
    accepted = [bye for bye in byes if bye.is_accepted]
    if not accepted and "strict_peer" in case.scenario.invariants:
        # What a strict peer refuses this one took, and the scenario says why.
        accepted = [bye for bye in byes if bye.reply is not None and (bye.reply.status or 0) < 300]
    if accepted:
        latest = [
            bye.arrived.at if bye.arrived else bye.reply.at if bye.reply else bye.sent.at + _UNANSWERED
            for bye in accepted
        ]
        return Interval(min(bye.sent.at for bye in accepted), min(latest))
    limits = (
        units_of(each.answer(CONTRACT.fields.units)) for each in case.exchanges(call, CONTRACT.paths.authorization)
    )
    limit = next((units for units in limits if isinstance(units, int)), None)
    if limit is None or call.answered is None:
        return None
    return Interval(call.answered + limit - 1, call.answered + limit + _UNANSWERED)


_UNANSWERED = 2.0
"""Seconds in which Kamailio notes a BYE that nobody else saw, and by which its timer for a limit may be late."""


def goes_on(case: Case, call: Call, index: int) -> bool:
    """Whether a call is up when the scenario ends because nobody was to hang up, and no limit was reached.

    A SIPp file that ends without a BYE wasn't to send one.
    """
    planned = case.scenario.calls[index]
    by_hand = planned.sipp is not None and not case.exchanges(call, CONTRACT.paths.end)
    is_hung_up = planned.hangup != "never" and not by_hand
    if call.answered is None or call.byes or is_hung_up or planned.vanish is not None:
        return False
    over = end_of(case, call, index)
    return over is None or case.evidence.ended <= over.latest


# --- both ends ------------------------------------------------------------------------------------------------------


def both_ends_agree(case: Case) -> Iterator[Finding]:
    """An answered call's ACK reached the callee; its BYE reached the other side and was accepted.

    A call that was ended in the engine is over for both.
    """
    for index, planned in enumerate(case.scenario.calls):
        if planned.method != "INVITE":
            continue
        for call in case.of(planned.id):
            if call.answered is not None:
                yield from _acknowledged(case, call, index)
                yield from _passed_on(case, call, index)
                yield from _hung_up(case, call, index)


def _acknowledged(case: Case, call: Call, index: int) -> Iterator[Finding]:
    acks = [m for m in call.caller if m.direction == "sent" and m.method == "ACK" and m.is_request]
    final = call.final
    if not acks or final is None or _is_lossy(case, call, index):
        return
    if is_gone(case, call, index, "callee", Interval(acks[0].at, acks[-1].at)):
        return
    refused = {id(refusal.message): refusal for refusal in case.once(call, refusals)}
    got = [
        m
        for m in call.carriers
        if m.direction == "received"
        and m.method == "ACK"
        and m.is_request
        and m.cseq == final.cseq
        and not _is_of_another_answer(call, m, final)
    ]
    if any(id(message) not in refused for message in got):
        return
    seen = next((f"refused there: {refused[id(m)].reason}" for m in got), "it never arrived")
    message = f"call {call.id}: the ACK to the answer"
    shown_by = got[0] if got else acks[0]
    wanted = "one that the callee takes"
    yield broken(case, "both_ends", message, wanted, seen, call=call, index=index, shown_by=shown_by)


def _is_of_another_answer(call: Call, ack: SipMessage, final: SipMessage) -> bool:
    """Whether it's the ACK to the 2xx of another callee than the one whose 2xx the caller has."""
    tag = tag_of(ack.header("To") or "")
    others = {
        tag_of(m.header("To") or "")
        for m in call.carriers
        if m.direction == "sent" and m.host == ack.host and m.is_final and m.method == "INVITE"
    }
    return tag in others - {tag_of(final.header("To") or "")}


_WITHIN = ("INVITE", "UPDATE", "INFO", "REFER", "NOTIFY", "MESSAGE", "PRACK")
"""Methods of requests that one end of an answered call sends to the other; an OPTIONS may be answered on the way."""

_ORDINARY = frozenset({"at", "by", "method", "sdp", "body", "expect"})
"""What a scenario may say of a request of its own that leaves it one which nobody has a reason to refuse."""


def _passed_on(case: Case, call: Call, index: int) -> Iterator[Finding]:
    """What an end asks the other within the call gets there: only that one may refuse it.

    Nothing is asked where the scenario itself sends requests that may have to be refused, or expects a refusal.
    """
    planned = case.scenario.calls[index]
    is_odd = planned.sipp is not None or planned.bye != "normal" or any(_is_odd(each) for each in planned.requests)
    if is_odd or planned.no_ack or case.was_restarted or _is_lossy(case, call, index):
        return
    refused = {id(refusal.message) for refusal in case.once(call, refusals)}
    for side in SIDES:
        told: set[tuple[str, int]] = set()
        for sent in _of(call, side):
            is_one = sent.direction == "sent" and sent.is_request and sent.is_within_dialog and sent.method in _WITHIN
            key = (sent.method, sent.cseq)
            if not is_one or key in told or sent.is_brief or sent.at < (call.answered or 0.0):
                continue
            told.add(key)
            other = _of(call, _other(side))
            arrivals = [m for m in other if m.direction == "received" and m.is_request and (m.method, m.cseq) == key]
            reply = call.reply_to(sent)
            if any(id(m) not in refused for m in arrivals):
                yield from _taken_back(case, call, index, side, sent)
                continue
            if _is_meant_refused(planned, sent, reply):
                continue
            under_way = Interval(sent.at, reply.at if reply else case.evidence.ended)
            if is_gone(case, call, index, _other(side), under_way) or is_gone(case, call, index, side, under_way):
                continue
            if any(bye.at < under_way.latest for bye in call.byes if reply is not None):
                continue  # they crossed
            message = f"call {call.id}: the {'re-INVITE' if sent.method == 'INVITE' else sent.method} of the {side}"
            seen = f"{'refused there' if arrivals else 'it never arrived'}; its sender got {reply_text(reply)}"
            wanted = f"one that reaches the {_other(side)}"
            shown_by = reply or sent
            yield broken(case, "both_ends", message, wanted, seen, call=call, index=index, shown_by=shown_by)


def _taken_back(case: Case, call: Call, index: int, side: Side, sent: SipMessage) -> Iterator[Finding]:
    """The other end's final reply comes back to the one that asked, and the ACK to that reaches the other one."""
    finding = partial(broken, case, "both_ends", call=call, index=index)
    what = "re-INVITE" if sent.method == "INVITE" else sent.method
    other, key = _of(call, _other(side)), (sent.method, sent.cseq)
    finals = [m for m in other if m.direction == "sent" and m.is_final and (m.method, m.cseq) == key]
    reply = call.reply_to(sent)
    over = min((bye.at for bye in call.byes), default=case.evidence.ended)
    for end in SIDES:
        if is_gone(case, call, index, end, Interval(sent.at, over)):
            return
    if reply is None and finals and finals[0].at < over - _TO_ARRIVE:
        message = f"call {call.id}: the {finals[0].status} of the {_other(side)} to the {what} of the {side}"
        yield finding(message, f"one that reaches the {side}", "it never arrived", shown_by=finals[0])
    acks = [m for m in _of(call, side) if m.direction == "sent" and m.method == "ACK" and m.cseq == sent.cseq]
    is_taken = reply is not None and (reply.status or 0) < 300 and sent.method == "INVITE"
    if not is_taken or not acks or acks[0].at > over - _TO_ARRIVE:
        return
    if not any(m.direction == "received" and m.method == "ACK" and m.cseq == sent.cseq for m in other):
        message = f"call {call.id}: the ACK to the answer to the {what} of the {side}"
        yield finding(message, f"one that reaches the {_other(side)}", "it never arrived", shown_by=acks[0])


_TO_ARRIVE = 1.0
"""Seconds in which a message may still be under way when a call is over."""


def _is_odd(request: Request) -> bool:
    return request.by == "stranger" or not request.model_fields_set <= _ORDINARY


def _is_meant_refused(planned: PlannedCall, sent: SipMessage, reply: SipMessage | None) -> bool:
    """Whether the scenario says what becomes of it, which is judged there."""
    own = (request for number, request in enumerate(planned.requests) if is_of_request(sent, number))
    is_said = any(request.expect is not None for request in own) or (sent.method == "REFER" and planned.transfer)
    is_refused = reply is None or (reply.status or 0) >= 300
    is_renewal = sent.method in ("INVITE", "UPDATE") and planned.expect.reinvite_reply is not None and is_refused
    return bool(is_said or is_renewal) or (reply is not None and (reply.status or 0) in (401, 407))


def _hung_up(case: Case, call: Call, index: int) -> Iterator[Finding]:
    planned, byes = case.scenario.calls[index], byes_of(case, call)
    finding = partial(broken, case, "both_ends", call=call, index=index)
    for bye in byes:
        if bye.sender is None or _is_planned_wrong(planned, call, bye):
            continue
        other = _other(bye.sender)
        under_way = Interval(bye.sent.at, bye.reply.at if bye.reply else case.evidence.ended)
        if is_gone(case, call, index, other, under_way) or _has_hung_up(byes, other) or _is_over(byes, bye):
            continue
        if _is_cut_off(case, call, bye.sender, under_way):
            continue  # it never left, or its reply never came back
        message = f"call {call.id}: the BYE of the {bye.sender}"
        if bye.arrived is None:
            wanted = f"one that reaches the {other}"
            yield finding(message, wanted, _why_not(case, call, bye), shown_by=bye.sent)
        elif not (_is_taken(call, bye, byes) or _is_expected(planned, bye) or _is_lossy(case, call, index)):
            yield finding(message, "200 OK", reply_text(bye.reply), shown_by=bye.reply or bye.sent)
    if case.accepted(call, CONTRACT.paths.end):
        yield from _over_for_both(case, call, index)
    if is_left_alone(case, index) and _ends_before_its_limit(case, call):
        yield from _second_hang_up(case, call, index)


def is_left_alone(case: Case, index: int) -> bool:
    """Whether nothing happens to a call, or to a service, on purpose: each of its BYEs is one that its ends want."""
    planned, scenario = case.scenario.calls[index], case.scenario
    is_disturbed = bool(scenario.faults or scenario.load or case.was_restarted or case.evidence.skipped)
    is_meant = planned.vanish is not None or planned.no_ack or planned.loss or planned.sipp is not None
    return not (is_disturbed or is_meant or planned.requests or planned.transfer is not None)


_NEAR = 2.0
"""Seconds before a call's limit from which on Kamailio may hang it up as well."""


def _ends_before_its_limit(case: Case, call: Call) -> bool:
    """Whether Kamailio has no reason to hang up: the engine took its begin, and its limit is far."""
    limits = (each.answer(CONTRACT.fields.units) for each in case.exchanges(call, CONTRACT.paths.authorization))
    limit = next((units for units in limits if isinstance(units, int)), None)
    is_begun = any(each.answered is not None for each in case.accepted(call, CONTRACT.paths.begin))
    return is_begun and limit is not None and (call.duration or 0.0) < limit - _NEAR


def _second_hang_up(case: Case, call: Call, index: int) -> Iterator[Finding]:
    """A side that hung up, or took the other's BYE, gets no further one (RFC 3261 section 15.1.2)."""
    for side in SIDES:
        wanted = {m.cseq for m in _byes(call, _other(side)) if m.direction == "sent"}
        got: dict[int, SipMessage] = {}
        # On another connection than the call's, it may be a stranger who hung up in that side's name.
        own = [m for m in _byes(call, side) if m.direction == "sent" and m.transport == "udp"]
        over = any(_is_granted(call, m) for m in own)
        further: SipMessage | None = None
        for message in _byes(call, side):
            if message.direction == "received" and message.cseq not in got and not message.is_brief:
                if (over or any(_is_granted(call, m) for m in got.values())) and len(got) >= len(wanted):
                    further = further or message
                got[message.cseq] = message
        if further is not None and not _is_behaviour_by_hand(case, further.host):
            message_ = f"call {call.id}: a BYE of Kamailio's own to the {side}"
            why = "hung up itself" if over else "took one already"
            finding = partial(broken, case, "both_ends", call=call, index=index)
            yield finding(message_, f"none, since the {side} {why}", further.first_line, shown_by=further)


def _is_granted(call: Call, bye: SipMessage) -> bool:
    reply = call.reply_to(bye)
    return reply is not None and (reply.status or 0) in range(200, 300)


def _is_behaviour_by_hand(case: Case, host: str) -> bool:
    behaviour = case.scenario.carriers.get(host)
    return behaviour is not None and behaviour.sipp is not None


def _why_not(case: Case, call: Call, bye: Bye) -> str:
    refused = case.once(call, refusals)
    reason = next((r.reason for r in refused if r.message.method == "BYE" and r.message.cseq == bye.sent.cseq), None)
    reply = f"; its sender got {reply_text(bye.reply)}"
    return (f"refused there: {reason}" if reason else "it never arrived") + reply


def _is_taken(call: Call, bye: Bye, byes: tuple[Bye, ...]) -> bool:
    """Whether its sender got a 2xx, or the other end sent one that is still under way.

    An end that took an earlier BYE, which a strict peer refuses, answers no second one.
    """
    if bye.reply is not None:
        is_late = any(each.is_refused and each.reply is not None and each.reply.status == 200 for each in byes)
        return is_late or 200 <= (bye.reply.status or 0) < 300
    return bye.sent.is_brief or any(
        m.method == "BYE" and m.direction == "sent" and m.status is not None and m.status < 300
        for m in _of(call, _other(bye.sender or "caller"))
    )


def _is_expected(planned: PlannedCall, bye: Bye) -> bool:
    """Whether the scenario expects that reply."""
    matcher = planned.expect.bye_reply
    return matcher is not None and bye.reply is not None and matcher.matches(bye.reply.status)


def _is_planned_wrong(planned: PlannedCall, call: Call, bye: Bye) -> bool:
    """Whether the scenario has the caller send it so that it has to be refused."""
    if planned.bye not in ("wrong_cseq", "wrong_tag") or bye.sender != "caller" or call.invite is None:
        return False
    tags = [tag_of(message.header("From") or "") for message in (bye.sent, call.invite)]
    return bye.sent.cseq <= call.invite.cseq or tags[0] != tags[1]


def _has_hung_up(byes: tuple[Bye, ...], side: Side) -> bool:
    """Whether that side sent a BYE of its own, or got Kamailio's: the two crossed."""
    return any(bye.sender in (side, None) for bye in byes)


def _is_over(byes: tuple[Bye, ...], bye: Bye) -> bool:
    """Whether another BYE was answered before it was sent: there is no dialog any more (RFC 3261 section 15.1.2)."""
    return any(
        each is not bye and each.is_accepted and each.reply is not None and each.reply.at <= bye.sent.at
        for each in byes
    )


def _over_for_both(case: Case, call: Call, index: int) -> Iterator[Finding]:
    planned = case.scenario.calls[index]
    if planned.expect.ended_by == "kamailio":
        return  # that expectation asks for BYEs to both
    for side in SIDES:
        if is_gone(case, call, index, side, time_of_ending(case, call)) or has_ended_for(case, call, side):
            continue
        message = f"call {call.id} was ended in the engine, and goes on for the {side}"
        yield broken(case, "both_ends", message, f"a BYE of the {side}'s, or to it", "none", call=call, index=index)


def has_ended_for(case: Case, call: Call, side: Side) -> bool:
    """Whether the call is over for that side: it hung up, or a BYE that it takes reached it."""
    if any(bye.sender == side for bye in byes_of(case, call)):
        return True
    refused = {id(refusal.message) for refusal in case.once(call, refusals)}
    return any(m.direction == "received" and id(m) not in refused for m in _byes(call, side))


def _is_lossy(case: Case, call: Call, index: int) -> bool:
    """Whether an end loses messages on purpose: an ACK may never arrive then, and a BYE may get no reply."""
    carriers = (case.scenario.carriers.get(message.host) for message in call.carriers)
    return bool(case.scenario.calls[index].loss) or any(carrier is not None and carrier.loss for carrier in carriers)


def is_gone(case: Case, call: Call, index: int, side: Side, within: Interval) -> bool:
    """Whether that end vanished by design: it's told to in the scenario, or a fault cut it off in that time.

    :param within: when it should have got something, or answered.
    """
    planned = case.scenario.calls[index]
    if planned.vanish is not None and planned.vanish.who == side:
        return True
    behaviours = (case.scenario.carriers[host] for host in _hosts(call, side) if host in case.scenario.carriers)
    if any(each.of(call.id, 0).vanish is not None for each in behaviours):
        return True
    return _is_cut_off(case, call, side, within)


def _hosts(call: Call, side: Side) -> set[str]:
    return {m.host for m in _of(call, side)} | ({f"caller-{call.id}"} if side == "caller" else set())


def _is_cut_off(case: Case, call: Call, side: Side, within: Interval) -> bool:
    """Whether a fault kept that end from the network, or from running, at any moment of that time."""
    kinds = {kind for fault in case.scenario.faults if fault.is_outage for kind in fault.actions}
    outages = {f"{kind} {host}" for kind in kinds for host in _hosts(call, side)}
    return any(
        span.started - SLACK <= within.latest and (span.ended is None or within.earliest <= span.ended + SLACK)
        for span in case.evidence.spans
        if span.what in outages
    )


def time_of_ending(case: Case, call: Call) -> Interval:
    """From when the first end or the engine had to do with the call's end, until the last of them had.

    Without a reply to a BYE, or an answer of the engine, until the scenario's end: they may have been tried again.
    """
    byes, ends = byes_of(case, call), case.exchanges(call, CONTRACT.paths.end)
    begun = [*(bye.sent.at for bye in byes), *(end.received for end in ends)]
    over = [
        *(bye.sent.at + _UNANSWERED for bye in byes if bye.sender is None),
        *(bye.reply.at if bye.reply else case.evidence.ended for bye in byes if bye.sender is not None),
        *(end.answered or case.evidence.ended for end in ends),
    ]
    return Interval(min(begun, default=case.evidence.started), max(over, default=case.evidence.ended))
