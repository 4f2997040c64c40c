"""Whether what should have gone wrong did go wrong: a fault that never befell anybody proves nothing."""

from __future__ import annotations

from collections.abc import Iterator

from rating_harness.checks.model import Case, Finding

__all__ = ["check_faults"]


def check_faults(case: Case) -> Iterator[Finding]:
    for index in case.evidence.idle:
        fault = case.scenario.faults[index]
        yield Finding(
            check=f"faults[{index}]",
            message=f"a fault of {fault.on} that never befell anybody",
            expected=f"{', '.join(fault.actions)}, at least once",
            seen="never: its moment didn't come, or no request met it",
            where=case.scenario.where("faults", index),
            hint="is its `when` an event that happens, and its `path` and `nth` a request that is made?",
        )
