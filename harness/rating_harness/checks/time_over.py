"""Calls that the scenario itself has go on for longer than it waits for them, whatever they lack because of that."""

from __future__ import annotations

from collections.abc import Iterator

from rating_harness.checks.call_ends import end_of, goes_on
from rating_harness.checks.model import Case, Finding, broken
from rating_harness.evidence.calls import Call
from rating_harness.scenario.calls import DEFAULT_HOLD
from rating_harness.scenario.foreseen import LONGEST_CALL
from rating_harness.scenario.model import Call as PlannedCall
from rating_harness.scenario.values import duration_text

__all__ = ["NOBODY", "RINGING", "UP", "beyond_their_time"]

NOBODY = "nobody ever hung up"
UP, RINGING = "still up when the scenario's time was over", "still ringing when the scenario's time was over"
"""Ends of messages."""

_SLACK = 1.0
"""Seconds by which a call may be late, on a busy machine."""


def beyond_their_time(case: Case, index: int) -> Iterator[Finding]:
    """The first of a planned call's calls that is so."""
    planned = case.scenario.calls[index]
    for call in case.of(planned.id):
        told = next(_going_on(case, planned, index, call), None)
        if told is not None:
            what, wanted, seen, hint = told
            message = f"call {call.id}: {what}"
            yield broken(case, "calls", message, wanted, seen, call=call, index=index, hint=hint)
            return


_LONGER = "a longer 'timeout', or a shorter call"


def _going_on(case: Case, planned: PlannedCall, index: int, call: Call) -> Iterator[tuple[str, str, str, str]]:
    """What it's called, what is expected, what was seen, and what to do."""
    if goes_on(case, call, index):
        yield _endless(case, planned, index, call)
    timeout = case.scenario.timeout
    if timeout is None or case.scenario.load is not None or planned.sipp is not None:
        return
    over = case.evidence.started + timeout + case.evidence.skipped
    wanted = f"over within {duration_text(timeout)}, the scenario's timeout"
    if planned.start.event is None and planned.start.delay > timeout + case.evidence.skipped:
        yield "begun when the scenario's time was over", wanted, f"it starts after {planned.start}", _LONGER
    rings = _rings_until(case, planned, call, over)
    if call.final is None and rings is not None and rings > over:
        seconds = duration_text(round(case.evidence.ended - (call.invite.at if call.invite else over), 1))
        yield RINGING, wanted, f"no final reply in {seconds}: {call.tried[-1]} sent none in time", _LONGER
    due = _due(case, planned, call)
    lasted = (call.byes[0].at if call.byes else case.evidence.ended) - (call.answered or 0.0)
    if due is not None and call.answered is not None and min(due, call.answered + lasted) > over + _SLACK:
        so_long = duration_text(round(lasted, 1))
        seen = f"hung up {so_long} after its answer" if call.byes else f"no BYE in {so_long}"
        yield UP, wanted, seen, _LONGER


def _endless(case: Case, planned: PlannedCall, index: int, call: Call) -> tuple[str, str, str, str]:
    seconds = duration_text(round(case.evidence.ended - (call.answered or 0.0), 1))
    over = end_of(case, call, index)
    limit = round(over.earliest - (call.answered or 0.0)) + 1 if over is not None else LONGEST_CALL
    if limit < LONGEST_CALL and planned.sipp is None:
        seen = f"hangup: never, a limit of {limit}s, and no BYE in {seconds}"
        return UP, "an end of the call", seen, "a smaller balance, a longer 'timeout', or a 'clock'"
    why = "hangup: never" if planned.sipp is None else f"{planned.sipp.file} hangs up nobody"
    return NOBODY, "an end of the call", f"{why}, no limit, and no BYE in {seconds}", ""


def _rings_until(case: Case, planned: PlannedCall, call: Call, over: float) -> float | None:
    """When the callee that rings is to reply; None where none does, or has sent its final reply by then."""
    host = call.tried[-1] if call.tried else ""
    end = case.scenario.carriers.get(host) or case.scenario.phones.get(host)
    invites = [m for m in call.carriers if m.host == host and m.method == "INVITE"]
    behaviour = end.of(call.id, 0) if end is not None else None
    has_replied = any(m.is_final and m.at <= over for m in invites)
    if not invites or has_replied or (behaviour is not None and behaviour.silent):
        return None
    ring = planned.ring or (behaviour.ring if behaviour else None)
    waits = [ring, behaviour.answer_after if behaviour else None]
    return invites[0].at + sum(each.high for each in waits if each is not None)


def _due(case: Case, planned: PlannedCall, call: Call) -> float | None:
    """When one of its ends is to hang up; None where none is."""
    if planned.hangup == "never" or call.answered is None or planned.vanish is not None:
        return None
    return call.answered + (planned.hold.high if planned.hold else DEFAULT_HOLD)
