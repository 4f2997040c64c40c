"""What reached the carriers, and how fast calls were set up."""

from __future__ import annotations

from collections.abc import Iterator

from rating_harness.checks.format import seconds
from rating_harness.checks.model import Case, Finding, unmet
from rating_harness.evidence.statistics import percentile
from rating_harness.scenario.matchers import Matcher

__all__ = ["check_carriers", "check_setup"]


def check_carriers(case: Case) -> Iterator[Finding]:
    """How many INVITEs reached each carrier; one that comes again counts once."""
    for index, expect in enumerate(case.scenario.expect.carriers):
        invites = {
            (message.call_id, message.header("Via"))
            for message in case.evidence.messages
            if message.host == expect.host
            and message.direction == "received"
            and message.method == "INVITE"
            and message.is_request
            and not message.is_within_dialog
        }
        if not expect.invites.matches(len(invites)):
            message = f"INVITEs that reached {expect.host}"
            path = ("expect", "carriers", index, "invites")
            yield unmet(case, path, message, str(expect.invites), str(len(invites)))


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
