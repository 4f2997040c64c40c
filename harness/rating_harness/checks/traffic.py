"""What reached the carriers, and how fast calls were set up."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rating_harness.checks.format import asked
from rating_harness.checks.model import Case, Finding
from rating_harness.scenario.matchers import Matcher
from rating_harness.scenario.values import duration_text

__all__ = ["check_carriers", "check_setup"]


def check_carriers(case: Case) -> Iterator[Finding]:
    for index, expect in enumerate(case.scenario.expect.carriers):
        invites = {
            (message.call_id, message.header("Via"))
            for message in case.evidence.messages
            if message.host == expect.host
            and message.direction == "received"
            and message.method == "INVITE"
            and message.is_request
            and "tag=" not in (message.header("To") or "")
        }
        if not expect.invites.matches(len(invites)):
            yield Finding(
                message=f"INVITEs that reached {expect.host}",
                expected=str(expect.invites),
                seen=str(len(invites)),
                **asked(case.scenario, "carriers", index, "invites"),
            )


def check_setup(case: Case) -> Iterator[Finding]:
    percentiles = case.scenario.expect.setup
    if percentiles is None:
        return
    times = sorted(call.setup for call in case.calls if call.setup is not None)
    for key, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)):
        matcher: Matcher | None = getattr(percentiles, key)
        if matcher is None:
            continue
        seen = times[max(0, math.ceil(share * len(times)) - 1)] if times else None
        if not matcher.matches(seen):
            yield Finding(
                check=f"expect.setup.{key}",
                message=f"set-up time of the calls, {key}",
                expected=str(matcher),
                seen="no call was set up" if seen is None else duration_text(round(seen, 4)),
                where=case.scenario.where("expect", "setup", key),
            )
