"""Lines of Kamailio's log."""

from __future__ import annotations

from collections.abc import Iterator

from rating_harness.checks.format import asked
from rating_harness.checks.model import Case, Finding
from rating_harness.evidence.model import LogLine
from rating_harness.scenario.matchers import Exactly
from rating_harness.scenario.model import LogExpectation

__all__ = ["check_log"]


def check_log(case: Case) -> Iterator[Finding]:
    for index, expect in enumerate(case.scenario.expect.log):
        found = [line for line in case.evidence.log if _logged(case, expect, line)]
        what = "a line of Kamailio's log" + (f" at level {expect.level}" if expect.level else "")
        at = asked(case.scenario, "log", index)
        if expect.absent:
            if found:
                yield Finding(message=what, expected=f"none with {expect.line}", seen=found[0].text, **at)
        elif not (expect.count.matches(len(found)) if expect.count is not None else found):
            seen = f"{len(found)} of {len(case.evidence.log)} lines"
            yield Finding(
                message=what, expected=f"{expect.count or 'at least 1'} with {expect.line}", seen=seen, **at
            )


def _logged(case: Case, expect: LogExpectation, line: LogLine) -> bool:
    if expect.level is not None and line.level.lower() != expect.level:
        return False
    if expect.call is not None and not any(call.call_id in line.text for call in case.of(expect.call)):
        return False
    if isinstance(expect.line, Exactly):
        return str(expect.line.value) in line.text
    return expect.line.matches(line.text)
