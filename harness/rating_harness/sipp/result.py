"""How a SIPp process ended: its exit status and the counts of its statistics file.

The status alone says little (a stopped SIPp says 0 with no call made), so the counts decide.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

from rating_harness.errors import SippError
from rating_harness.evidence.model import SippResult

__all__ = ["EXIT_STATUS", "WORKED", "check_status", "merged", "read_result", "read_statistics"]

EXIT_STATUS: Mapping[int, str] = {
    0: "all calls were successful",
    1: "at least one call failed",
    97: "it was stopped, or its time was over",
    98: "internal error",
    99: "it ended without a call",
    253: "RTP check failed",
    254: "an address was already in use",
    255: "a fatal error: its scenario or its options",
}

WORKED = frozenset({0, 1, 97, 99})
"""Statuses of a SIPp that did its work, whatever became of its calls."""


def read_statistics(text: str) -> dict[str, int] | None:
    """The cumulative counts, ``{column without "(C)": value}``, of the last complete row; None when there's none."""
    rows = list(csv.reader(io.StringIO(text), delimiter=";"))
    header = rows[0] if rows else []
    complete = [row for row in rows[1:] if len(row) >= len(header) - 1]
    if not complete:
        return None
    last = dict(zip(header, complete[-1], strict=False))
    counts = {name.removesuffix("(C)"): value for name, value in last.items() if name.endswith("(C)")}
    counts["TotalCallCreated"] = last.get("TotalCallCreated", "")
    return {name: int(value) for name, value in counts.items() if value.isdigit()}


def read_result(
    host: str,
    role: Literal["caller", "carrier", "stranger"],
    status: int | None,
    statistics: bytes | None,
    errors: bytes | None,
    *,
    stopped: bool = False,
) -> SippResult:
    counts = read_statistics(statistics.decode("utf-8", "replace")) if statistics else None
    counted = counts or {}
    return SippResult(
        host=host,
        role=role,
        status=status,
        created=counted.get("TotalCallCreated"),
        successful=counted.get("SuccessfulCall"),
        failed=counted.get("FailedCall"),
        failures={
            name: number
            for name, number in counted.items()
            if name.startswith("Failed") and name != "FailedCall" and number
        },
        errors=(errors or b"").decode("utf-8", "replace"),
        stopped=stopped,
    )


def merged(results: Iterable[SippResult]) -> tuple[SippResult, ...]:
    """One result for each host, in the order of their first, with the sum of what those of one host have counted.

    What one of them couldn't count is missing from the sum; the highest status is that of all, since a higher one of
    `WORKED` says less.
    """
    found: dict[tuple[str, str], SippResult] = {}
    for each in results:
        before = found.get((each.host, each.role))
        found[each.host, each.role] = each if before is None else _sum(before, each)
    return tuple(found.values())


def _sum(one: SippResult, other: SippResult) -> SippResult:
    statuses = (one.status, other.status)
    return replace(
        one,
        status=None if None in statuses else max(status for status in statuses if status is not None),
        created=_total(one.created, other.created),
        successful=_total(one.successful, other.successful),
        failed=_total(one.failed, other.failed),
        failures=dict(Counter(one.failures) + Counter(other.failures)),
        errors="\n".join(filter(None, (one.errors, other.errors))),
        stopped=one.stopped or other.stopped,
        trace_cut=one.trace_cut or other.trace_cut,
        planned=_total(one.planned, other.planned),
    )


def _total(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


def check_status(result: SippResult, output: str, who: str = "SIPp") -> None:
    """Tell a SIPp that could not work at all from one whose calls failed.

    :param who: the program, for the message.
    :raises SippError: its scenario, its options or its address were refused, or it crashed.
    """
    never_began = result.status == 1 and result.created is None
    if result.stopped or result.status is None or (result.status in WORKED and not never_began):
        return
    if never_began:
        meaning = "it never began"
    elif result.status < 0:
        meaning = f"signal {-result.status}"
    else:
        meaning = EXIT_STATUS.get(result.status, "an unknown status")
    last_lines = "\n".join((output + "\n" + result.errors).strip().splitlines()[-12:])
    raise SippError(
        f"{who} on {result.host} could not do its work",
        found=f"exit status {result.status}: {meaning}",
        detail=last_lines or None,
        hint="the evidence holds what it was to do; this says nothing of Kamailio",
    )
