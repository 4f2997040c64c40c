"""What reached the carriers, and how fast calls were set up."""

from __future__ import annotations

from collections.abc import Iterator

from rating_harness.checks.format import seconds
from rating_harness.checks.model import Case, Finding, unmet
from rating_harness.evidence.statistics import percentile
from rating_harness.scenario.matchers import Matcher

__all__ = ["check_carriers", "check_setup"]


def check_carriers(case: Case) -> Iterator[Finding]:
    """How many first INVITEs reached each carrier; one that comes again counts once, and a re-INVITE is none."""
    for index, expect in enumerate(case.scenario.expect.carriers):
        arrived = [
            message
            for message in case.evidence.messages
            if message.host == expect.host
            and message.direction == "received"
            and message.method == "INVITE"
            and message.is_request
        ]
        first, within = (
            {(message.call_id, message.header("Via")) for message in arrived if message.is_within_dialog is is_within}
            for is_within in (False, True)
        )
        if not expect.invites.matches(len(first)):
            message = f"first INVITEs that reached {expect.host}"
            path = ("expect", "carriers", index, "invites")
            hint = f"re-INVITEs aren't counted here ({len(within)} came); 'received' has 'count'" if within else ""
            yield unmet(case, path, message, str(expect.invites), str(len(first)), hint=hint)


def check_setup(case: Case) -> Iterator[Finding]:
    """How fast calls were set up, over all of them."""
    percentiles = case.scenario.expect.setup
    if percentiles is None:
        return
    times = sorted(call.setup for call in case.calls if call.setup is not None)
    for key, share in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)):
        matcher: Matcher | None = getattr(percentiles, key)
        seen = percentile(times, share)
        if matcher is not None and not matcher.matches(seen):
            shown = "no call was set up" if seen is None else seconds(seen)
            message = f"set-up time of the calls, {key}"
            yield unmet(case, ("expect", "setup", key), message, str(matcher), shown)
