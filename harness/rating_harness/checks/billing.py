"""That each call is billed once, and for what it was: requests to the agent, the engine's records, balances."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rating_harness.checks.agent_answers import fault_of_answer, other_call
from rating_harness.checks.call_ends import goes_on
from rating_harness.checks.model import Case, Finding, broken
from rating_harness.checks.recorded_calls import accounts_with_wrong_records, has_wrong_record, is_number, payers_of
from rating_harness.contract import CONTRACT
from rating_harness.evidence.calls import Call
from rating_harness.evidence.model import Exchange
from rating_harness.scenario.values import duration_text

__all__ = ["BESIDE", "balances_move_by_fees", "begin_and_end"]

_FIELD, _PATH = CONTRACT.fields, CONTRACT.paths

BESIDE = "an end beside the one that the agent took"

_CUT = ("lost", "reset")
"""Faults after which curl itself sends a request again: a connection that was used before closes without a byte."""

_MOMENT = 0.1
"""Seconds from a call's answer to its begin, at most, and from a fault to the note of it."""


def begin_and_end(case: Case) -> Iterator[Finding]:
    """Each answered call is begun once and ended once, as the same call; no other call is begun or ended."""
    for index, planned in enumerate(case.scenario.calls):
        if planned.method != "INVITE":
            continue
        for call in case.of(planned.id):
            if not goes_on(case, call, index):  # which says nothing of Kamailio
                yield from _begin_and_end(case, call, index) if call.answered else _neither(case, call, index)
    for stranger in case.strangers():
        yield broken(
            case,
            "begin_and_end",
            f"{stranger.kind} about a call that nobody made",
            "the Call-ID of one of the scenario's calls",
            f"{stranger.requested(_FIELD.call)!r}, of account {stranger.requested(_FIELD.account)!r}",
        )


def _neither(case: Case, call: Call, index: int) -> Iterator[Finding]:
    """A call that wasn't answered is neither begun nor ended."""
    for word, kind in (("begin", _PATH.begin), ("end", _PATH.end)):
        found = case.exchanges(call, kind)
        if found:
            final = call.final
            message = f"call {call.id} was not answered, but has a {word}"
            seen = f"{len(found)}, and the caller got {final.status if final else 'no reply'}"
            yield broken(case, "begin_and_end", message, "none", seen, call=call, index=index, shown_by=found[0])


def _begin_and_end(case: Case, call: Call, index: int) -> Iterator[Finding]:
    begins, ends = case.exchanges(call, _PATH.begin), case.exchanges(call, _PATH.end)
    finding = partial(broken, case, "begin_and_end", call=call, index=index)
    sent = _without_curls_own(begins)
    if len(sent) != 1 and not (not sent and _is_refused(case, call.answered or 0.0)):
        what, seen = f"call {call.id}: {_PATH.begin}", f"{len(sent) or 'no'} requests"
        yield finding(what, "one request", seen, shown_by=sent[1] if sent else None)
    if not ends:
        yield finding(f"call {call.id}: {_PATH.end}", "one request", "no request: an unbilled call")
    ended = _without_curls_own(ends)
    accepted = [each for each in case.accepted(call, _PATH.end) if each in ended]
    if len(accepted) > 1:
        message = f"call {call.id} was ended more than once"
        yield finding(message, "one", f"{len(accepted)} accepted", shown_by=accepted[1])
    elif accepted and not case.was_restarted:
        again = next((each for each in ended if _is_after(each, accepted[0])), None)
        if again is not None:
            message = f"call {call.id}: {BESIDE}"
            yield finding(message, "none", f"{again.kind} once more", shown_by=again)
    early = _early(begins[0], ends[0]) if begins and ends else 0.0
    if early > 0:
        message = f"call {call.id}: the end was sent before begin was answered"
        seen = f"end {duration_text(round(early, 4))} early"
        yield finding(message, "begin, its answer, end", seen, shown_by=ends[0])
    yield from _none_accepted(case, call, index)
    late = _late(case, call, begins)
    if late > _LATE:
        seen = f"{duration_text(round(late, 1))} after the answer"
        yield finding(f"call {call.id}: begin came late", "with the answer", seen, shown_by=begins[0])
    yield from _same_end(case, call, index, ends)
    yield from _same_call(case, call, index, (*begins, *ends))
    yield from _is_recorded(case, call, index)


_LATE = 1.0
"""Seconds by which a begin may come after its answer, on a machine that is busy (measured: 0.03 s in 115 calls at a
load of 8 to 19 on two cores)."""


def _late(case: Case, call: Call, begins: Sequence[Exchange]) -> float:
    """Seconds from the answer to the begin, beside those in which the harness itself got no processor.

    Nothing is asked under load, where something is broken on purpose, or where the clock was moved.
    """
    disturbed = case.scenario.faults or case.scenario.load or case.was_restarted or case.evidence.skipped
    if disturbed or not begins or call.answered is None or len(case.calls) > _MANY:
        return 0.0
    return begins[0].received - call.answered - case.evidence.stalled


_MANY = 50
"""Calls up to which a begin is judged by its moment."""

_AT_ONCE = 0.5
"""Seconds in which Kamailio surely still waited for an answer."""


def _is_after(end: Exchange, taken: Exchange) -> bool:
    """Whether Kamailio sent an end when it had got the answer to another one."""
    if taken.answered is None or taken.fault is not None or taken.answered > taken.received + _AT_ONCE:
        return False
    return end.received > taken.answered + _MOMENT


def _without_curls_own(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """Without those that are the one before them once more, since its connection broke."""
    before = (None, *exchanges)
    return [each for last, each in zip(before, exchanges, strict=False) if last is None or last.fault not in _CUT]


def _is_refused(case: Case, at: float) -> bool:
    """Whether the scenario had the agent refuse connections then: what is refused doesn't show as a request."""
    return any(
        span.what == "fault refuse" and span.started - _MOMENT <= at and (span.ended is None or at <= span.ended)
        for span in case.evidence.spans
    )


def _none_accepted(case: Case, call: Call, index: int) -> Iterator[Finding]:
    """A begin or an end that the engine didn't take, where its answer alone says whether the call is billed.

    Records that can be read say it better, but of an answer that isn't as the engine's file says: either is wrong.
    What a scenario breaks, and a Kamailio that was restarted, may have an answer that is refused.
    """
    if case.scenario.faults or case.was_restarted:
        return
    for kind in (_PATH.authorization, _PATH.begin, _PATH.end):
        answers = [each for each in case.exchanges(call, kind) if each.status is not None]
        if answers and (other := other_call(answers[-1])):
            yield broken(
                case,
                "begin_and_end",
                f"call {call.id}: the answer to {kind}",
                f"one about this call, {answers[-1].requested(_FIELD.call)}",
                f"about another, {other}",
                call=call,
                index=index,
                hint="the agent is at fault, and not Kamailio, which doesn't compare them",
                shown_by=answers[-1],
            )
            return
        if kind == _PATH.authorization:
            continue
        is_judged = "records" in case.evidence.unobserved or any(each.untranslated for each in answers)
        if not answers or not is_judged or case.accepted(call, kind):
            continue
        last = answers[-1]
        yield broken(
            case,
            "begin_and_end",
            f"call {call.id}: {kind}",
            "accepted by the engine",
            f"not accepted: {last.status} {json.dumps(last.response, ensure_ascii=False)[:80]}",
            call=call,
            index=index,
            hint=fault_of_answer(last),
            shown_by=last,
        )
        return


def _early(begin: Exchange, end: Exchange) -> float:
    """Seconds from the end to begin's answer. One that Kamailio can't wait for to its last byte doesn't count."""
    if begin.answered is None or begin.status is None or begin.fault == "drip":
        return 0.0
    return begin.answered - end.received


def _same_end(case: Case, call: Call, index: int, ends: Sequence[Exchange]) -> Iterator[Finding]:
    """An end that is tried again is the same request: a later timestamp_end would bill the waiting.

    A Kamailio that was restarted may make it anew.
    """
    if case.was_restarted:
        return
    for retried in ends[1:]:
        for key in (_FIELD.began_at, _FIELD.ended_at):
            expected, seen = ends[0].requested(key), retried.requested(key)
            if seen != expected:
                message = f"call {call.id}: {key} in an end that is tried again"
                wanted = f"{expected}, as before"
                yield broken(case, "begin_and_end", message, wanted, str(seen), call=call, index=index)
                return


def _same_call(case: Case, call: Call, index: int, reports: Sequence[Exchange]) -> Iterator[Finding]:
    """Begin and end name the account, the source and the destination that were authorised."""
    authorised = case.first_authorization(call)
    if authorised is None:
        return
    for report in reports:
        for key in _FIELD.parties:
            expected, seen = authorised.requested(key), report.requested(key)
            if seen != expected:
                message = f"call {call.id}: {key} in {report.kind}"
                yield broken(case, "begin_and_end", message, str(expected), str(seen), call=call, index=index)


def _is_recorded(case: Case, call: Call, index: int) -> Iterator[Finding]:
    """An answered call has a record with an end, unless Kamailio hung it up since its begin was refused."""
    if "records" in case.evidence.unobserved:
        return
    message = f"call {call.id}: its record"
    finding = partial(broken, case, "begin_and_end", message, call=call, index=index)
    if case.evidence.after is None:
        yield finding("the engine's record", "it was never read")
    elif _lacks_record(case, call):
        paid = [f"account {tag} has paid {number}" for tag, number in _paid_beside_records(case, call).items()]
        yield finding("one with begin and end", f"none, and {', '.join(paid)}" if paid else "none: an unbilled call")


def _lacks_record(case: Case, call: Call) -> bool:
    """Whether a call that has to be paid has no record with an end; one with half its times is told elsewhere."""
    is_charged = bool(case.accepted(call, _PATH.begin)) or call.ended_by != "kamailio"
    has_end = any(record.get(_FIELD.ended_at) for record in case.records(call))
    return is_charged and not has_end and not has_wrong_record(case, call)


def _paid_beside_records(case: Case, call: Call) -> Mapping[str, int]:
    """What accounts of a call have paid more than the fees of their records."""
    paid = {}
    for tag in payers_of(case, call):
        movement = _movement(case, tag)
        if movement.is_whole and movement.more > 0:
            paid[tag] = movement.more
    return paid


@dataclass(frozen=True, slots=True)
class _Movement:
    """An account's balance before and after, and the fees of its records."""

    start: Any
    end: Any
    fees: tuple[Any, ...]

    @property
    def is_whole(self) -> bool:
        """Whether all are whole numbers; 2.0 is one."""
        return all(is_number(each) and float(each).is_integer() for each in (self.start, self.end, *self.fees))

    @property
    def total(self) -> int:
        return int(sum(self.fees))

    @property
    def more(self) -> int:
        """What was paid beside the fees."""
        return int(self.start - self.end - self.total)


def _movement(case: Case, tag: str) -> _Movement:
    before, after = case.evidence.before, case.evidence.after
    start, end = (each.accounts.get(tag, {}).get(_FIELD.balance) if each else None for each in (before, after))
    records = after.transactions if after else ()
    fees = tuple(each.get(_FIELD.fee) or 0 for each in records if str(each.get(_FIELD.account)) == tag)
    return _Movement(start, end, fees)


def balances_move_by_fees(case: Case) -> Iterator[Finding]:
    """Each account pays the fees of its records, and nothing else.

    Where its records are told as wrong, what it has paid is no second fault.
    """
    before, after = case.evidence.before, case.evidence.after
    if before is None or after is None:
        yield broken(case, "balances", "the engine's accounts", "read before and after", "they were never read")
        return
    wrong = [
        (tag, movement)
        for tag, movement in ((tag, _movement(case, tag)) for tag in before.accounts)
        if movement.start is not None and not (movement.is_whole and movement.more == 0)
    ]
    explained = _explained(case) if wrong else frozenset()
    for tag, movement in wrong:
        if tag in explained:
            continue
        if not movement.is_whole and movement.end is not None:
            seen = ", ".join(map(repr, (movement.start, movement.end, *movement.fees)))
            yield broken(case, "balances", f"balance and fees of account {tag}", "whole numbers", seen)
        else:
            total = movement.total
            wanted = f"{movement.start - total}: {movement.start} less the fees of its records, {total}"
            yield broken(case, "balances", f"balance of account {tag}", wanted, str(movement.end))


def _explained(case: Case) -> frozenset[str]:
    """Accounts of which another check tells that their records are wrong, that they paid without one, or twice."""
    explained = set(accounts_with_wrong_records(case))
    if "begin_and_end" not in case.scenario.invariants:
        for call in case.calls:
            if len(case.accepted(call, _PATH.end)) > 1:
                explained |= payers_of(case, call).keys()
            if call.answered is not None and _lacks_record(case, call):
                explained |= _paid_beside_records(case, call).keys()
    return frozenset(explained)
