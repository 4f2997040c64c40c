"""That a record is the call, and its fee is right: for whichever engine, with nothing expected of it.

A record's times are in whole seconds (`WHOLE`), Kamailio's own between those of the two ends that saw the message
before and after it; `SLACK` is what may lie between.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard

from rating_harness.checks.call_ends import SLACK, WHOLE, Interval, answer_of, end_of, off
from rating_harness.checks.model import Case, Finding, broken
from rating_harness.checks.rating_oracle import Price, instant, payers, price_of, price_of_record, seconds_charged
from rating_harness.contract import CONTRACT, is_true
from rating_harness.evidence.calls import Call
from rating_harness.evidence.headers import uri_key
from rating_harness.scenario.calls import DEFAULT_HOLD
from rating_harness.scenario.values import duration_text

__all__ = [
    "accounts_with_wrong_records",
    "fees_are_right",
    "has_wrong_record",
    "is_number",
    "payers_of",
    "records_are_the_calls",
]

_FIELD, _PATH = CONTRACT.fields, CONTRACT.paths

_EARLY = 0.05
"""Seconds by which a BYE may seem to be sent before the call was held to its end."""

_A_DAY = 86400
"""Seconds."""

_MANY = 200
"""Calls up to which another one is looked for that a record belongs to."""

Record = Mapping[str, Any]


def records_are_the_calls(case: Case) -> Iterator[Finding]:
    """Each record begins with the 200 and ends with the BYE that was accepted; ringing is never billed."""
    for index, planned in enumerate(case.scenario.calls):
        if planned.method != "INVITE":
            continue
        for call in case.of(planned.id):
            booked = [record for record in case.records(call) if _is_booked(record)]
            if call.answered is None:
                yield from _unanswered(case, call, index, booked)
            else:
                yield from _booked_once(case, call, index, booked)
                for record in _without_doubles(booked):
                    finding = _wrong_times(case, call, index, record) or _wrong_party(case, call, index, record)
                    if finding is not None:
                        yield _with_account(finding, record) if len(booked) > 1 else finding
    yield from _of_strangers(case)


def _with_account(finding: Finding, record: Record) -> Finding:
    """Of a call that several accounts have records of, it says which one it's about."""
    account = f"on account {record.get(_FIELD.account)}"
    return finding if finding.message.endswith(account) else replace(finding, message=f"{finding.message}, {account}")


def _of_strangers(case: Case) -> Iterator[Finding]:
    """Records of calls that nobody made, each Call-ID once. What was asked of the agent is judged as a request."""
    strangers = {str(record.get(_FIELD.call)): record for record in case.strange_records if _is_booked(record)}
    for index, planned in enumerate(case.scenario.calls):
        for call in case.of(planned.id) if strangers else ():
            record = _under_another_call_id(case, call)
            if record is not None and str(record.get(_FIELD.call)) in strangers:
                del strangers[str(record.get(_FIELD.call))]
                message = f"call {call.id}: its record has another Call-ID"
                seen = f"{record.get(_FIELD.call)!r}: {_shown(record)}"
                yield broken(case, "record", message, repr(call.call_id), seen, call=call, index=index)
    for tag, record in strangers.items():
        message = f"a record of a call that nobody made, on account {record.get(_FIELD.account)}"
        yield broken(case, "record", message, "records of the scenario's calls alone", f"{tag!r}: {_shown(record)}")


def _under_another_call_id(case: Case, call: Call) -> Record | None:
    """Of an answered call without a record: a stranger's that begins with it, on an account that pays for it."""
    if call.answered is None or any(_is_booked(record) for record in case.records(call)):
        return None
    if not case.strange_records:
        return None
    answer, booked_on = answer_of(call), payers_of(case, call)
    found: list[tuple[bool, float, Record]] = []
    for record in case.strange_records:
        begin = instant(record.get(_FIELD.began_at))
        is_payers = str(record.get(_FIELD.account)) in booked_on
        if is_payers and begin is not None and _is_booked(record) and not off(begin.timestamp(), answer):
            is_like_it = call.call_id in str(record.get(_FIELD.call))
            found.append((not is_like_it, abs(begin.timestamp() - answer.latest), record))
    # Of several calls that began together, the one whose Call-ID it resembles, or that began nearest.
    return min(found, key=lambda each: each[:2])[2] if found else None


def _is_booked(record: Record) -> bool:
    """Whether it says that a call took place; an authorization alone leaves a record too."""
    return any(record.get(name) for name in (_FIELD.began_at, _FIELD.ended_at, _FIELD.duration, _FIELD.fee))


def _unanswered(case: Case, call: Call, index: int, booked: Sequence[Record]) -> Iterator[Finding]:
    if booked:
        final = call.final
        reply = f"{final.status} {final.reason}" if final else "no final reply"
        message = f"call {call.id} was not answered, but has a record"
        yield broken(
            case, "record", message, f"none: the caller got {reply}", _shown(booked[0]), call=call, index=index
        )


def _booked_once(case: Case, call: Call, index: int, booked: Sequence[Record]) -> Iterator[Finding]:
    """One record for each account that pays, and none for another."""
    by_account: dict[str, int] = {}
    for record in booked:
        account = str(record.get(_FIELD.account))
        by_account[account] = by_account.get(account, 0) + 1
    wanted = payers_of(case, call)
    strange = [account for account in by_account if wanted and account not in wanted]
    for account in strange:
        message = f"call {call.id}: its record is on another account"
        yield broken(case, "record", message, _accounts(wanted), account, call=call, index=index)
    empty = _empty_besides(case, call, by_account)
    for account, number in by_account.items():
        if number > 1 or account in empty:
            message = f"call {call.id}: records on account {account}"
            seen = str(number) if number > 1 else f"{1 + empty[account]}, all but one without a begin and an end"
            yield broken(case, "record", message, "one", seen, call=call, index=index)
    missing = [account for account in wanted if account not in by_account]
    if booked and missing and not strange:
        message = f"call {call.id}: accounts that it's booked on"
        seen = ", ".join(by_account)
        yield broken(case, "record", message, _accounts(wanted), seen, call=call, index=index)


def _without_doubles(booked: Sequence[Record]) -> list[Record]:
    """Records that are the only ones of their account: of several that's the mistake, whatever they say."""
    accounts = [str(record.get(_FIELD.account)) for record in booked]
    return [record for record, account in zip(booked, accounts, strict=True) if accounts.count(account) == 1]


def _empty_besides(case: Case, call: Call, by_account: Mapping[str, int]) -> Mapping[str, int]:
    """Accounts that have records beside the one which is booked, more than authorizations were asked for, and how
    many; each authorization may leave one."""
    asked = len(case.exchanges(call, _PATH.authorization))
    accounts = [str(record.get(_FIELD.account)) for record in case.records(call)]
    besides = {account: accounts.count(account) - number for account, number in by_account.items()}
    return {account: number for account, number in besides.items() if number > max(asked - 1, 0)}


def _accounts(wanted: Mapping[str, bool]) -> str:
    return ", ".join(wanted)


def payers_of(case: Case, call: Call) -> Mapping[str, bool]:
    """Who pays for a call, by what was authorised; empty where ``given`` doesn't say."""
    asked = case.first_authorization(call)
    if asked is None:
        return {}
    account, called = asked.requested(_FIELD.account), asked.requested(_FIELD.called_account)
    return payers(case.scenario.given, account, called)


def _wrong_party(case: Case, call: Call, index: int, record: Record) -> Finding | None:
    """Whom the record says that the call was between, and which side of it the account is."""
    begun = next(iter(case.accepted(call, _PATH.begin)), None)
    account, booked = str(record.get(_FIELD.account)), payers_of(case, call)
    wanted: dict[str, object] = {}
    if begun is not None:
        if account in booked and _was_authorised(case, call):
            wanted[_FIELD.authorized] = True
        wanted |= {key: begun.requested(key) for key in (_FIELD.source, _FIELD.destination)}
        if account in booked:
            named = (begun.requested(_FIELD.account), begun.requested(_FIELD.called_account))
            wanted |= {_FIELD.inbound: booked[account], _FIELD.primary: account in named}
    for key, expected in wanted.items():
        seen = record.get(key)
        if expected is not None and seen not in (None, "", expected) and not _is_same_party(expected, seen):
            message = f"call {call.id}: {key} in its record on account {account}"
            return broken(case, "record", message, _plain(expected), _plain(seen), call=call, index=index)
    return None


def _was_authorised(case: Case, call: Call) -> bool:
    """Whether the engine itself said so, each time that it was asked, as in slices of a call: no fault did."""
    asked = case.exchanges(call, _PATH.authorization)
    return bool(asked) and all(each.fault is None and is_true(each.answer(_FIELD.authorized)) for each in asked)


def _is_same_party(uri: object, seen: object) -> bool:
    """Whether a record's text means a URI: the URI itself, however it's spelled, or its user part alone."""
    if not (isinstance(uri, str) and isinstance(seen, str)):
        return False
    user = uri.partition(":")[2].rpartition("@")[0]
    return uri_key(uri) == uri_key(seen) or (user != "" and user == seen)


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# --- times ----------------------------------------------------------------------------------------------------------


def _wrong_times(case: Case, call: Call, index: int, record: Record) -> Finding | None:
    """The one thing that is wrong with a record's times, in words that say what became of the call."""
    begin, end = instant(record.get(_FIELD.began_at)), instant(record.get(_FIELD.ended_at))
    if begin is None or end is None:
        seen = _shown(record) + (": an unbilled call" if end is None else "")
        message = f"call {call.id}: its record has no begin or no end"
        return broken(case, "record", message, "both, in ISO 8601", seen, call=call, index=index)
    answer, over = answer_of(call), end_of(case, call, index)
    begins, ends = begin.timestamp(), end.timestamp()
    early = off(begins, answer)
    late = off(ends, over) if over is not None else 0.0
    what = _in_words(case, call, begins, ends, answer, early, late) or _too_short(case, call, index, ends - begins)
    if what:
        message = f"call {call.id}: {what}"
        return broken(case, "record", message, _lasted(answer, over), _shown(record), call=call, index=index)
    for kind, key in ((_PATH.begin, _FIELD.began_at), (_PATH.end, _FIELD.ended_at)):
        reported = _reported(case, call, kind, key)
        if reported is not None and reported != instant(record.get(key)):
            message = f"call {call.id}: {key} in its record isn't what Kamailio reported"
            wanted, seen = reported.replace(tzinfo=None).isoformat(), str(record.get(key))
            return broken(case, "record", message, wanted, seen, call=call, index=index)
    charged = seconds_charged(begin, end)
    duration = record.get(_FIELD.duration)
    if not is_number(duration) or not abs(duration - charged) < WHOLE:
        message = f"call {call.id}: the duration in its record disagrees with its timestamps"
        return broken(case, "record", message, f"{charged} s", f"{duration} s", call=call, index=index)
    return None


def is_number(value: object) -> TypeGuard[int | float]:
    """JSON's true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _reported(case: Case, call: Call, kind: str, key: str) -> datetime | None:
    """The time in the report that the engine took; None where it took none, or may have taken several."""
    if case.was_restarted:
        return None
    reports = case.accepted(call, kind)
    value = reports[0].requested(key) if len(reports) == 1 and reports[0].fault is None else None
    if is_number(value):
        return datetime.fromtimestamp(value, UTC)
    return instant(value) if value is not None else None


def _too_short(case: Case, call: Call, index: int, recorded: float) -> str:
    """What is wrong with a record that is shorter than the call was held by the end that hung up.

    A caller waited so long after it had seen the answer, so whole seconds make no less of it than its whole seconds.
    A callee counts from its 200, before Kamailio has handled that: of it the length that was seen counts.
    """
    planned, load = case.scenario.calls[index], case.scenario.load
    hold = (load.hold if load is not None else None) or planned.hold
    least = hold.low if hold is not None else DEFAULT_HOLD
    seen = call.duration
    if planned.sipp is not None or seen is None or call.ended_by != planned.hangup or seen < least - _EARLY:
        return ""
    if recorded >= math.floor(least if planned.hangup == "caller" else min(least, seen)):
        return ""
    return "its record ends when it begins" if not recorded else f"its record is {recorded:g} s long"


def _in_words(case: Case, call: Call, begins: float, ends: float, answer: Interval, early: float, late: float) -> str:
    if not early and not late:
        return ""
    invited = call.invite.at if call.invite else answer.earliest
    if ends < begins or (ends == begins and not early):
        return f"its record ends {'when' if ends == begins else 'before'} it begins"
    if early and late and abs(early - late) <= 2 * (WHOLE + SLACK):
        return f"its record is {_text(early)}"
    if invited - WHOLE - SLACK <= begins < answer.earliest and early:
        return "its record begins before the answer: ringing is billed"
    if early:
        return f"its record begins {_text(early)}"
    other = _ending_then(case, call, ends)
    return f"its record ends when call {other} does" if other else f"its record ends {_text(late)}"


def _ending_then(case: Case, call: Call, ends: float) -> str | None:
    """Another call that ended when this one's record says it did, where this one didn't; not looked for in a load."""
    if len(case.calls) > _MANY:
        return None
    for index, planned in enumerate(case.scenario.calls):
        for other in case.of(planned.id):
            over = end_of(case, other, index) if other.call_id != call.call_id and other.answered else None
            if over is not None and not off(ends, over):
                return other.id if other.id != call.id else f"{other.id} {other.index}"
    return None


def _text(seconds: float) -> str:
    return f"{duration_text(round(abs(seconds)))} {'early' if seconds < 0 else 'late'}"


def _lasted(answer: Interval, over: Interval | None) -> str:
    if over is None:
        return f"the call was answered at {_clock(answer.earliest)}, and no BYE was seen"
    length = duration_text(round(over.earliest - answer.latest, 1))
    return f"the call lasted {length}, from {_clock(answer.earliest)} to {_clock(over.earliest)}"


def _shown(record: Record) -> str:
    begin, end = record.get(_FIELD.began_at), record.get(_FIELD.ended_at)
    of_time = [str(each).rpartition("T")[2] if each else "nothing" for each in (begin, end)]
    return f"the record says {record.get(_FIELD.duration)} s, from {of_time[0]} to {of_time[1]}"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-5]


# --- fees -----------------------------------------------------------------------------------------------------------


def fees_are_right(case: Case) -> Iterator[Finding]:
    """Each record's fee is what a call of the recorded length costs its account.

    Where the record's length is told as wrong, a fee that is right for the call itself isn't told a second time.
    """
    for index, planned in enumerate(case.scenario.calls):
        for call in case.of(planned.id):
            wanted = payers_of(case, call)
            for record in case.records(call):
                account = str(record.get(_FIELD.account))
                begin, end = instant(record.get(_FIELD.began_at)), instant(record.get(_FIELD.ended_at))
                if begin is None or end is None or (wanted and account not in wanted):
                    continue
                price = _price(case, call, record, is_inbound=wanted.get(account, False))
                seconds = seconds_charged(begin, end)
                fee, charged = price.fee(begin, end) if price else 0, record.get(_FIELD.fee)
                # A call that was ended twice is told of as such.
                is_told = "begin_and_end" not in case.scenario.invariants
                times = max(len(case.accepted(call, _PATH.end)), 1) if is_told else 1
                is_right = is_number(charged) and charged in (fee, times * fee)
                if not is_right and not _is_fee_of_the_call(case, call, index, record, price):
                    message = f"call {call.id}: its fee on account {account}"
                    why = f"{seconds} s at {price}" if price else "no rate is for it"
                    yield broken(case, "fee", message, f"{fee}: {why}", str(charged), call=call, index=index)


def _is_fee_of_the_call(case: Case, call: Call, index: int, record: Record, price: Price | None) -> bool:
    """Whether the record's times or duration are told as wrong, and its fee is that of its duration, or of a length
    that the call may have had."""
    charged, duration = record.get(_FIELD.fee), record.get(_FIELD.duration)
    if price is None or not is_number(charged) or not _has_wrong_times(case, call, index, record):
        return False
    if is_number(duration) and duration < 0 and charged <= 0:
        return True  # it ends before it begins, and costs less than nothing
    lengths = {duration} if is_number(duration) and 0 <= duration < _A_DAY else set()
    over, answer = end_of(case, call, index), answer_of(call)
    if over is not None:
        least, most = over.earliest - answer.latest - WHOLE, over.latest - answer.earliest + WHOLE
        lengths |= set(range(max(0, math.floor(least)), math.ceil(most) + 1))
    begin = datetime.fromtimestamp(0, UTC)
    return charged in {price.fee(begin, begin + timedelta(seconds=length)) for length in lengths}


def _has_wrong_times(case: Case, call: Call, index: int, record: Record) -> bool:
    is_judged = "record" not in case.scenario.invariants and case.scenario.calls[index].method == "INVITE"
    return is_judged and call.answered is not None and _wrong_times(case, call, index, record) is not None


def has_wrong_record(case: Case, call: Call) -> bool:
    """Whether a record without a begin or an end, or one that has another Call-ID, is told of by this check."""
    if "record" in case.scenario.invariants or call.answered is None:
        return False
    return any(map(_is_booked, case.records(call))) or _under_another_call_id(case, call) is not None


def accounts_with_wrong_records(case: Case) -> frozenset[str]:
    """Accounts whose records these checks find wrong: what they have paid is told by that."""
    findings: list[Finding] = []
    for name, check in (("record", records_are_the_calls), ("fee", fees_are_right)):
        findings += check(case) if name not in case.scenario.invariants else ()
    wrong = {finding.call_id for finding in findings}
    explained: set[str] = set()
    for call in case.calls:
        if call.call_id in wrong:
            explained |= {*payers_of(case, call), *(str(record.get(_FIELD.account)) for record in case.records(call))}
    return frozenset(explained)


def _price(case: Case, call: Call, record: Record, *, is_inbound: bool) -> Price | None:
    """The price by ``given``; the record's own where the scenario's own requests (``graphql``) may change that."""
    if is_inbound:
        return None
    if case.scenario.given.graphql:
        return price_of_record(record.get(_FIELD.rate))
    asked = (*case.exchanges(call, _PATH.begin), *case.exchanges(call, _PATH.authorization))
    destination = next((str(each.requested(_FIELD.destination)) for each in asked), "")
    return price_of(case.scenario.given, str(record.get(_FIELD.account)), destination)
