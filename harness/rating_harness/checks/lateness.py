"""What our own ends did later than the scenario has it: on a machine that is too busy, say.

Where the outcome depends on the moment of a call or a request, one that came late proves nothing of Kamailio.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rating_harness.checks.model import Case
from rating_harness.evidence.calls import Call, event_of, host_of_stranger, is_of_request
from rating_harness.evidence.model import SipMessage
from rating_harness.scenario.model import Call as PlannedCall
from rating_harness.scenario.values import Moment, duration_text

__all__ = ["PUNCTUAL", "STALLED", "LateDeed", "late_deeds"]

PUNCTUAL = 0.25
"""Seconds by which a call or a request may come after its moment."""

STALLED = 0.5
"""Seconds for which the harness itself may get no processor: nor may Kamailio have got one then."""


@dataclass(frozen=True, slots=True)
class LateDeed:
    """Something that came too late.

    :param index: of the call in the scenario.
    :param due, at: Unix seconds.
    """

    what: str
    index: int
    due: float
    at: float

    def __str__(self) -> str:
        return f"{self.what} {duration_text(round(self.at - self.due, 1))} late"


def late_deeds(case: Case) -> tuple[LateDeed, ...]:
    """Everything that came more than `PUNCTUAL` seconds after its moment, the latest first.

    Not under load, whose rate is a matter of its own, and not while the clock is put forward, or a service starts
    again, which is awaited.
    """
    if case.scenario.load is not None or case.evidence.skipped:
        return ()
    found = (deed for index, planned in enumerate(case.scenario.calls) for deed in _deeds(case, index, planned))
    late = [deed for deed in found if deed.at - deed.due > PUNCTUAL and not _is_held_up(case, deed)]
    if case.evidence.stalled > STALLED:
        late.append(LateDeed("the harness itself went on", 0, 0.0, case.evidence.stalled))
    return tuple(sorted(late, key=lambda deed: deed.due - deed.at))


def _is_held_up(case: Case, deed: LateDeed) -> bool:
    """Whether something that was broken or mended meanwhile had to be waited for."""
    services = {service.name for service in case.evidence.services}
    spans = (span for span in case.evidence.spans if span.what.partition(" ")[2] in services)
    return any(span.started < deed.at and (span.ended is None or span.ended > deed.due) for span in spans)


def _deeds(case: Case, index: int, planned: PlannedCall) -> Iterator[LateDeed]:
    """What a call's own ends, and strangers, did at moments of the scenario's."""
    call = next(iter(case.of(planned.id)), None)
    if call is None or planned.sipp is not None or any(message.is_brief for message in call.messages):
        return
    due = _due(case, planned.start, call)
    if call.invite is not None and due is not None and (planned.start != Moment(None) or _counts_from_start(case)):
        yield LateDeed(f"call {call.id} began", index, due, call.invite.at)
    if planned.cancel is not None:
        due, sent = _due(case, planned.cancel, call), _first(call.caller, "CANCEL")
        if due is not None and sent is not None:
            yield LateDeed(f"call {call.id} was given up", index, due, sent)
    yield from _hang_up(planned, index, call)
    yield from _requests(case, planned, index, call)


def _counts_from_start(case: Case) -> bool:
    """Whether something is to happen so long after the first calls began: else their own moment is any."""
    moments = [call.start for call in case.scenario.calls]
    moments += [each for fault in case.scenario.faults for each in (fault.when, fault.until) if each is not None]
    return any(moment.event is None and moment.delay for moment in moments)


def _due(case: Case, moment: Moment, own: Call) -> float | None:
    """The Unix second of a moment; None where its event didn't happen."""
    if moment.event is None:
        return case.evidence.started + moment.delay
    call = next(iter(case.of(moment.call)), None) if moment.call is not None else own
    if call is None:
        return None
    at = next((m.at for m in call.caller if event_of(m) == moment.event), None)
    return None if at is None else at + moment.delay


def _first(messages: tuple[SipMessage, ...], method: str) -> float | None:
    return next((m.at for m in messages if m.is_request and m.method == method and m.direction == "sent"), None)


def _hang_up(planned: PlannedCall, index: int, call: Call) -> Iterator[LateDeed]:
    """The BYE after `hold`, of a call in which nothing else goes on."""
    held = planned.hold
    is_plain = not (planned.reinvite or planned.requests or planned.transfer or planned.no_ack or planned.loss)
    if held is None or not held.fixed or not is_plain or call.answered is None or planned.hangup == "never":
        return
    side = call.caller if planned.hangup == "caller" else call.carriers
    acked = next((m.at for m in side if m.is_request and m.method == "ACK"), None)
    sent = _first(side, "BYE")
    if acked is not None and sent is not None and call.ended_by == planned.hangup:
        yield LateDeed(f"call {call.id} was hung up", index, acked + held.low, sent)


def _requests(case: Case, planned: PlannedCall, index: int, call: Call) -> Iterator[LateDeed]:
    for number, request in enumerate(planned.requests):
        due = _due(case, request.at, call)
        if request.by == "stranger":
            host, what = host_of_stranger(call.id, number), f"request {number} of call {call.id}"
            sent = [m.at for m in case.evidence.messages if m.host == host and m.direction == "sent"]
            sent += [each.at for each in case.evidence.octets if each.host == host and each.direction == "sent"]
        else:
            what = f"the {request.method} of call {call.id}'s {request.by}"
            side = call.caller if request.by == "caller" else call.carriers
            sent = [m.at for m in side if m.direction == "sent" and m.is_request and is_of_request(m, number)]
        if due is not None and sent:
            yield LateDeed(f"{what} was sent", index, due, min(sent))
