"""Numbers of all calls together: replies by code, answer-seizure ratio, average duration, fees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rating_harness.checks.format import seconds
from rating_harness.checks.model import Case, Finding, unmet
from rating_harness.contract import is_true
from rating_harness.evidence.calls import Call
from rating_harness.scenario.matchers import Compared, Matcher, Near

__all__ = ["check_fees", "check_load"]

_LISTED = 5
"""Most statuses that are listed in a finding."""


def check_load(case: Case) -> Iterator[Finding]:
    """What the messages of all calls are to be in sum."""
    calls = [call for call in case.calls if call.invite is not None and call.invite.method == "INVITE"]
    statuses = Counter(call.final.status if call.final is not None else None for call in calls)
    for name, matcher in case.scenario.expect.replies.items():
        low, high = (int(name), int(name)) if name.isdecimal() else (int(name[0]) * 100, int(name[0]) * 100 + 99)
        count = sum(number for status, number in statuses.items() if status is not None and low <= status <= high)
        value = _percent(count, len(calls)) if _is_percentage(matcher) else count
        if not matcher.matches(value):
            seen = f"{count} of {len(calls)} ({_percent(count, len(calls)):.3g}%): {_listed(statuses)}"
            yield unmet(case, ("expect", "replies", name), f"final replies {name}", str(matcher), seen)
    answered = [call for call in calls if call.answered is not None]
    asr, acd = case.scenario.expect.asr, case.scenario.expect.acd
    if asr is not None and not asr.matches(_percent(len(answered), len(calls))):
        seen = f"{_percent(len(answered), len(calls)):.3g}%: {len(answered)} of {len(calls)} calls"
        yield unmet(case, ("expect", "asr"), "answer-seizure ratio", str(asr), seen)
    if acd is not None:
        average = _average(answered)
        if not acd.matches(average):
            seen = "no call was answered and ended" if average is None else seconds(average)
            yield unmet(case, ("expect", "acd"), "average duration of the answered calls", str(acd), seen)


def _is_percentage(matcher: Matcher) -> bool:
    return isinstance(matcher, Near | Compared) and matcher.unit == "%"


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


def _listed(statuses: Counter[int | None]) -> str:
    shown = [f"{number} x {status or 'no reply'}" for status, number in statuses.most_common(_LISTED)]
    return ", ".join(shown) + (", ..." if len(statuses) > _LISTED else "") if shown else "no call was made"


def _average(calls: list[Call]) -> float | None:
    durations = [call.duration for call in calls if call.duration is not None]
    return sum(durations) / len(durations) if durations else None


def check_fees(case: Case) -> Iterator[Finding]:
    """What all calls cost together."""
    wanted = case.scenario.expect.fees
    if wanted is None:
        return
    own = [record for call in case.calls for record in case.records(call) if is_true(record.get("primary"))]
    total = sum(int(record.get("fee") or 0) for record in own)
    if not wanted.matches(total):
        seen = f"{total}, in {len(own)} records"
        yield unmet(case, ("expect", "fees"), "sum of all fees", str(wanted), seen)
