"""What Kamailio itself said: its dialogs, its log, and the routes that it ran."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from rating_harness.checks.agent_answers import agent_at_fault
from rating_harness.checks.format import seconds, shown
from rating_harness.checks.model import Case, Finding, broken, unmet
from rating_harness.checks.strict_peer import malformed
from rating_harness.evidence.calls import Call
from rating_harness.evidence.model import Dialog, LogLine
from rating_harness.scenario.matchers import MISSING, Exactly, Matcher, PartOfList, PartOfMapping
from rating_harness.scenario.model import DialogExpectation, LogExpectation

__all__ = ["check_dialogs", "check_log", "check_routes", "check_rpc", "no_alarm"]

_STATES = {"early": (2,), "confirmed_na": (3,), "confirmed": (4,), "deleted": (5,)}


def check_dialogs(case: Case) -> Iterator[Finding]:
    """Dialogs as Kamailio listed them while the calls went on."""
    by_call_id = {dialog.call_id: dialog for dialog in case.evidence.dialogs}
    for index, expect in enumerate(case.scenario.expect.dialogs):
        for call in case.of(expect.call):
            dialog = by_call_id.get(call.call_id)
            is_wanted = expect.gone is None or expect.timeout is not None or expect.state is not None
            if expect.absent or (dialog is None and is_wanted):
                yield from _presence(case, index, expect, call, dialog)
            else:
                yield from _timeout(case, index, expect, call, dialog)
                yield from _state(case, index, expect, call, dialog)
                yield from _gone(case, index, expect, call)


def _presence(
    case: Case, index: int, expect: DialogExpectation, call: Call, dialog: Dialog | None
) -> Iterator[Finding]:
    if expect.absent == (dialog is None):
        return
    seen = "none was listed" if dialog is None else f"one, with a timeout of {dialog.lifetime} s"
    wanted = "none" if expect.absent else "one that Kamailio lists"
    path = ("expect", "dialogs", index, "absent" if expect.absent else "call")
    yield unmet(case, path, f"the dialog of call {call.id}", wanted, seen, call=call)


def _timeout(
    case: Case, index: int, expect: DialogExpectation, call: Call, dialog: Dialog | None
) -> Iterator[Finding]:
    if dialog is None or expect.timeout is None or expect.timeout.matches(dialog.lifetime):
        return
    message = f"the timeout of the dialog of call {call.id}"
    path = ("expect", "dialogs", index, "timeout")
    yield unmet(case, path, message, str(expect.timeout), seconds(dialog.lifetime), call=call)


def _state(case: Case, index: int, expect: DialogExpectation, call: Call, dialog: Dialog | None) -> Iterator[Finding]:
    if dialog is None or expect.state is None or set(_STATES[expect.state]) & set(dialog.states):
        return
    message = f"the dialog of call {call.id} was never in that state"
    seen = ", ".join(map(str, dialog.states))
    yield unmet(case, ("expect", "dialogs", index, "state"), message, expect.state, seen, call=call)


def _gone(case: Case, index: int, expect: DialogExpectation, call: Call) -> Iterator[Finding]:
    left = case.evidence.dialogs_left
    if expect.gone is None or left is None or (left == 0) == expect.gone:
        return
    message, wanted = f"the dialog of call {call.id} in the end", "gone" if expect.gone else "there"
    yield unmet(case, ("expect", "dialogs", index, "gone"), message, wanted, f"{left} active", call=call)


def check_log(case: Case) -> Iterator[Finding]:
    """Lines that Kamailio had to log, or was not to."""
    for index, expect in enumerate(case.scenario.expect.log):
        found = [line for line in case.evidence.log if _is_meant(case, expect, line)]
        message = "a line of Kamailio's log" + (f" at level {expect.level}" if expect.level else "")
        path = ("expect", "log", index)
        if expect.absent:
            if found:
                yield unmet(case, path, message, f"none with {expect.line}", found[0].text)
        elif not (expect.count.matches(len(found)) if expect.count is not None else found):
            wanted = f"{expect.count or 'at least 1'} with {expect.line}"
            yield unmet(case, path, message, wanted, f"{len(found)} of {len(case.evidence.log)} lines")


def _is_meant(case: Case, expect: LogExpectation, line: LogLine) -> bool:
    if expect.level is not None and line.level.lower() != expect.level:
        return False
    if expect.call is not None and not any(call.call_id in line.text for call in case.of(expect.call)):
        return False
    if isinstance(expect.line, Exactly):
        return str(expect.line.value) in line.text
    return expect.line.matches(line.text)


_ALARM = re.compile(r"<script>: rating: ")
"""What rating.cfg logs at level ALERT: money is at stake."""

_MISUSED = re.compile(
    r"\b(auth|cfgutils|dialog|htable|jansson|maxfwd|pv|registrar|rr|rtimer|siputils|sqlops|textops|tmx|usrloc|xlog)"
    r" \["
    r"|<core> \[[^\]]*\]: get_(int|str)_fparam\("
)
"""Modules whose errors say that a route uses them wrongly, and a function's parameter that is of another type; errors
of others may come from the network."""

_BROKEN = re.compile(
    r"\b(cfgutils|htable|pv|rtimer|textops|xlog) \[|failed to prepare statement: (?!database is locked)"
)
"""Those that have nothing to do with what a scenario breaks, and SQL that no database takes."""


_READS = re.compile(r"\b(auth|dialog|maxfwd|pv|registrar|rr|siputils|textops|tmx) \[")
"""Those that read messages, and say so where one can't be read."""


def no_alarm(case: Case) -> Iterator[Finding]:
    """No module reports an error of its use and, where a scenario breaks nothing, rating.cfg raises no alarm.

    Not under load, where a busy machine breaks something by itself; lines that the scenario expects are none. Of a
    call of which an end sent a malformed message, a module that reads messages may say so.
    """
    if case.scenario.load is not None:
        return
    breaks = bool(case.scenario.faults) or case.was_restarted
    odd = {call.call_id for call in case.calls if any(m.direction == "sent" and malformed(m) for m in call.messages)}
    for line in case.evidence.log:
        is_one = not breaks and line.level == "ALERT" and _ALARM.search(line.text)
        if not is_one and not (line.level == "ERROR" and (_BROKEN if breaks else _MISUSED).search(line.text)):
            continue
        if odd and _READS.search(line.text) and ("pars" in line.text or any(each in line.text for each in odd)):
            continue
        if not any(_is_meant(case, expect, line) for expect in case.scenario.expect.log if not expect.absent):
            wanted = "no alarm and no module's error, since the scenario breaks nothing"
            if breaks:
                wanted = "no module's error, whatever the scenario breaks"
            seen = f"{line.level}: {line.text[-200:]}"
            hint = agent_at_fault(case, case.calls)
            yield broken(case, "alarms", "a line of Kamailio's log", wanted, seen, hint=hint)
            return


def check_routes(case: Case) -> Iterator[Finding]:
    """Routes of kamailio.cfg that had to run, or were not to."""
    expect, seen = case.scenario.expect.routes, case.evidence.routes
    if expect is None:
        return
    for key, names, wanted in (("run", expect.run, True), ("not_run", expect.not_run, False)):
        for index, name in enumerate(names):
            if seen is not None and (name in seen) == wanted:
                continue
            yield unmet(
                case,
                ("expect", "routes", key, index),
                f"route {name}",
                "run" if wanted else "not run",
                "Kamailio was not traced" if seen is None else "run" if name in seen else "not run",
                hint=_similar(name, list(seen)) if seen and wanted else "",
            )


def check_rpc(case: Case) -> Iterator[Finding]:
    """What Kamailio answered to commands of its RPC: a finding for each value that's another one."""
    answers = case.evidence.rpc
    for index, expect in enumerate(case.scenario.expect.rpc):
        path = ("expect", "rpc", index)
        command = " ".join(map(str, (expect.command, *expect.parameters)))
        answer = next((a for a in answers if (a.command, a.parameters) == (expect.command, expect.parameters)), None)
        what = f"what Kamailio answers to {command}"
        if answer is None:
            yield unmet(case, path, what, str(expect.error or expect.result or "any"), "no answer")
        elif expect.error is not None:
            if not expect.error.matches(answer.error or MISSING):
                seen = answer.error or shown(answer.result)[:200]
                yield unmet(case, (*path, "error"), what, f"an error: {expect.error}", seen)
        elif answer.error:
            yield unmet(case, path, what, str(expect.result or "any"), answer.error)
        elif expect.result is not None:
            for place, wanted, found in _unlike(expect.result, answer.result):
                yield unmet(case, (*path, "result"), f"{place} in {what}" if place else what, wanted, found)


def _unlike(wanted: Matcher, seen: object, place: str = "") -> Iterator[tuple[str, str, str]]:
    """The values that are other ones: where, what was expected, what was seen."""
    if wanted.matches(seen):
        return
    if isinstance(wanted, PartOfMapping) and isinstance(seen, Mapping):
        for name, value in wanted.values.items():
            yield from _unlike(value, seen.get(name, MISSING), f"{place}.{name}".lstrip("."))
    elif isinstance(wanted, PartOfList) and isinstance(seen, list):
        for item in wanted.items:
            if not any(map(item.matches, seen)):
                yield from _unlike_all(item, seen, place)
    else:
        yield place, str(wanted), shown(seen)[:200]


def _unlike_all(item: Matcher, seen: list[object], place: str) -> Iterator[tuple[str, str, str]]:
    """Of the items of a list the one that was meant, by its first key, is another one; or there is none."""
    if isinstance(item, PartOfMapping) and item.values:
        name, first = next(iter(item.values.items()))
        for each in seen:
            if isinstance(each, Mapping) and first.matches(each.get(name, MISSING)):
                yield from _unlike(item, each, f"{place}[{name} {first}]")
                return
    yield place, f"one like {item}", f"none of {len(seen)}"


def _similar(name: str, ran: list[str]) -> str:
    close = get_close_matches(name, ran, n=1)
    return f"did you mean {close[0]!r}?" if close else f"these ran: {', '.join(sorted(ran)[:8])}"
