"""What Kamailio asked the agent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rating_harness.checks.format import asked, field, shown
from rating_harness.checks.model import Case, Finding
from rating_harness.evidence.model import Exchange
from rating_harness.scenario.matchers import MISSING, Matcher
from rating_harness.scenario.model import RequestExpectation, Scenario

__all__ = ["check_requests"]

PATHS = {"authorization": "authorization", "begin": "begin_transaction", "end": "end_transaction"}


def check_requests(case: Case) -> Iterator[Finding]:
    for index, expect in enumerate(case.scenario.expect.requests):
        calls = case.of(expect.call) if expect.call else None
        groups = [case.exchanges(call) for call in calls] if calls is not None else [case.evidence.exchanges]
        ids = [call.call_id for call in calls] if calls is not None else [None]
        for exchanges, call_id in zip(groups, ids, strict=True):
            for finding in _requests(case.scenario, index, expect, exchanges):
                yield Finding(**finding, call_id=call_id)


def _requests(
    scenario: Scenario, index: int, expect: RequestExpectation, exchanges: Sequence[Exchange]
) -> Iterator[dict[str, Any]]:
    kind = PATHS[expect.path] if expect.path else None
    found = [exchange for exchange in exchanges if kind is None or exchange.kind == kind]
    what = f"{expect.path or ''} requests".strip() + (f" of call {expect.call}" if expect.call else "")
    if expect.order is not None:
        wanted = [PATHS[path] for path in expect.order]
        seen = [exchange.kind for exchange in exchanges]
        if wanted != seen:
            at = asked(scenario, "requests", index, "order")
            yield {
                "message": f"order of the {what}",
                "expected": ", ".join(wanted),
                "seen": ", ".join(seen) or "none",
                **at,
            }
    if expect.absent:
        if found:
            at = asked(scenario, "requests", index, "absent")
            yield {"message": what, "expected": "none", "seen": _requested(found), **at}
        return
    number: Matcher | None = expect.count
    if not (number.matches(len(found)) if number is not None else found) and expect.order is None:
        at = asked(scenario, "requests", index, "count")
        yield {
            "message": f"number of {what}",
            "expected": str(number or "at least 1"),
            "seen": _requested(found),
            **at,
        }
    for exchange in found:
        body = exchange.request if isinstance(exchange.request, dict) else {}
        for name, matcher in expect.fields.items():
            value = field(body, name)
            if not matcher.matches(value):
                at = asked(scenario, "requests", index, "fields", name)
                yield {"message": f"{name} in {exchange.kind}", "expected": str(matcher), "seen": shown(value), **at}
        if expect.status is not None and not expect.status.matches(
            MISSING if exchange.status is None else exchange.status
        ):
            at = asked(scenario, "requests", index, "status")
            yield {
                "message": f"status of {exchange.kind}",
                "expected": str(expect.status),
                "seen": str(exchange.status or "no answer"),
                **at,
            }


def _requested(exchanges: Sequence[Exchange]) -> str:
    return f"{len(exchanges)}: {', '.join(exchange.kind for exchange in exchanges[:6])}" if exchanges else "none"
