"""What a scenario leaves behind: nothing that runs, and a Kamailio that is well."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rating_harness.checks.call_ends import SIDES, Interval, has_ended_for, is_gone, time_of_ending
from rating_harness.checks.model import Case, Finding, broken
from rating_harness.contract import CONTRACT
from rating_harness.evidence.calls import Call
from rating_harness.evidence.memory_shortage import memory_shortages
from rating_harness.evidence.model import LogLine
from rating_harness.evidence.tables import HANGING_UP, Entry, left_over, overstayed

__all__ = ["kamailio_is_well", "no_dialog_left", "nothing_left_running", "nothing_left_waiting"]

_GRAVE = ("ALERT", "BUG", "CRITICAL", "ERROR", "WARNING", "")
"""Levels at which Kamailio's modules say that they have no memory; what it writes before it has a log has none."""

_SPINS = 100
"""Events of forgotten sockets, more of which are no accident: the process that gets them does nothing else. Each
request may have one more: on a busy machine a connection is closed while it's looked at (over 100 of 2,240 calls)."""

_AS_IT_FIRES = "update_dlg_timer(): Trying to update a bogus dlg"
"""A timeout is set just as the dialog's timer fires: nothing is set, and the timer does what it's there for (dialog's
dlg_timer.c). What becomes of the call, others judge."""


def nothing_left_running(case: Case) -> Iterator[Finding]:
    before, after = case.evidence.before, case.evidence.after
    for tag, account in (after.accounts if after else {}).items():
        given = _running(before.accounts.get(tag, {}) if before else {})
        left = [entry for entry in _running(account) if entry not in given]
        if left:
            yield broken(
                case, "running", f"running transactions of account {tag}", "none left", f"{len(left)}: {left[0]}..."
            )


def _running(account: Mapping[str, Any]) -> list[str]:
    """Tags of an account's running transactions."""
    running = account.get(CONTRACT.fields.running) or ()
    return [str(entry.get(CONTRACT.fields.call) if isinstance(entry, dict) else entry) for entry in running]


_PATIENCE = "an end is tried for RATING_END_PATIENCE seconds: kamailio: {defines: {RATING_END_PATIENCE: 2}}"


def nothing_left_waiting(case: Case) -> Iterator[Finding]:
    """Kamailio has nothing left to do for a call that is over, and keeps no more of it than is documented."""
    tables = case.evidence.tables
    if tables is None:
        if case.evidence.dialogs_left is not None:
            yield broken(case, "tables", "Kamailio's tables of calls", "read in the end", "Kamailio did not say")
        return
    names = {call.call_id: call for call in case.calls}
    places = {planned.id: index for index, planned in enumerate(case.scenario.calls)}
    for entry in left_over(tables):
        call = names.get(entry.key)
        if call is not None and case.evidence.dialogs_left and not call.byes:
            continue  # it isn't over: the check of the dialogs says so
        who = f"call {call.id}" if call else f"a call {entry.key}"
        index = places.get(call.id) if call else None
        if entry.table.startswith(HANGING_UP) and call is not None and _is_unheard(case, call, index or 0):
            continue  # nobody is there to answer the BYE
        message = f"{who} is over, and still {entry.meaning}"
        tried = entry.table == "rating_later" and case.scenario.faults and case.scenario.kamailio.config is None
        hint = _PATIENCE if tried else ""
        seen = _shown(entry, call)
        yield broken(case, "tables", message, "nothing left to do", seen, call=call, index=index, hint=hint)
    ages = {name: case.evidence.ended - _over(case, call) for name, call in names.items()}
    for entry in overstayed(tables, ages):
        call = names[entry.key]
        message = f"call {call.id} is over since {ages[entry.key]:.0f} s, and still {entry.meaning}"
        seen = _shown(entry, call)
        yield broken(case, "tables", message, "nothing", seen, call=call, index=places.get(call.id))


_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


def _shown(entry: Entry, call: Call | None) -> str:
    """A table's value: a moment by what the call's ladder has, and the parts of others apart."""
    if entry.due is not None and call is not None and call.invite is not None:
        return f"due {entry.due - call.invite.at:.0f} s after its INVITE"
    return ", ".join(part for part in _UNPRINTABLE.split(entry.value) if part)[:200]


def _over(case: Case, call: Call) -> float:
    """When a call was over for all: its refusal, or the last that was said of its end."""
    if call.answered is None:
        return call.final.at if call.final else case.evidence.ended
    return time_of_ending(case, call).latest


def _is_unheard(case: Case, call: Call, index: int) -> bool:
    """Whether Kamailio's BYE is for an end that vanished, or one for which the call was over before: SIPp is gone."""
    is_over = all(has_ended_for(case, call, side) for side in SIDES)
    waited = Interval(time_of_ending(case, call).earliest, case.evidence.ended)
    return is_over or any(is_gone(case, call, index, side, waited) for side in SIDES)


def no_dialog_left(case: Case) -> Iterator[Finding]:
    left = case.evidence.dialogs_left
    if left != 0:
        seen = "Kamailio did not say" if left is None else f"{left} active"
        yield broken(case, "dialogs", "dialogs in Kamailio after the last call", "none", seen)


def kamailio_is_well(case: Case) -> Iterator[Finding]:
    for service in case.evidence.services:
        if service.name == CONTRACT.services.kamailio and not service.alive:
            yield broken(case, "kamailio", "Kamailio", "running", f"ended with status {service.exit_status}")
    said = case.scenario.kamailio
    shortages = memory_shortages(line.text for line in case.evidence.log if line.level in _GRAVE)
    for shortage in shortages:
        yield broken(
            case,
            "kamailio",
            f"Kamailio ran out of {shortage.what}",
            "room for every call",
            shortage.text[:200],
            hint=shortage.remedy(said.memory, said.package_memory),
        )
    known = {shortage.text for shortage in shortages}
    for line in _while_it_should_run(case):
        if line.text not in known and line.level in ("CRITICAL", "BUG") and _AS_IT_FIRES not in line.text:
            yield broken(case, "kamailio", "Kamailio's log", "nothing at critical level", line.text[:200])
            break
    lost = sum("Cell for handler" in line.text for line in case.evidence.log)
    if lost > _SPINS + len(case.evidence.exchanges):
        yield broken(
            case,
            "kamailio",
            "Kamailio's http_async_client spins",
            "sockets that are forgotten with their requests",
            f"{lost} events of sockets whose requests are over",
            hint="after a broken connection requests are mixed up (Kamailio issue 4701); cured in 6.0.7 and 6.1.2",
        )


def _while_it_should_run(case: Case) -> Iterator[LogLine]:
    """Without the lines between a signal that the scenario asked for and the next start: processes that end one after
    the other complain of each other."""
    going_down = False
    for line in case.evidence.log:
        if case.was_restarted and "sig_usr(): signal" in line.text:
            going_down = True
        elif "Listening on" in line.text:
            going_down = False
        if not going_down:
            yield line
