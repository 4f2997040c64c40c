"""Judging takes time in proportion to the calls, be they traced in full or in brief."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rating_harness.checks import judge
from rating_harness.evidence.model import Evidence, SipMessage
from tests.builders import answered_call, evidence_of, exchange, records, scenario_of


def _whole(message: SipMessage) -> SipMessage:
    return message


def _brief(message: SipMessage) -> SipMessage:
    """As SIPp's short trace has it."""
    return replace(message, headers=(("Call-ID", message.call_id), ("CSeq", f"{message.cseq} {message.method}")))


def _load(calls: int, trace: Callable[[SipMessage], SipMessage]) -> Evidence:
    ids = [f"1f2e-ana-{number}@sip.test" for number in range(1, calls + 1)]
    record = {
        "account_tag": "1000", "duration": 2, "fee": 2,
        "timestamp_begin": "2027-01-15T08:00:00", "timestamp_end": "2027-01-15T08:00:02",
    }  # fmt: skip
    kinds = (("authorization", 0.002), ("begin_transaction", 0.11), ("end_transaction", 2.11))
    return evidence_of(
        [trace(message) for call_id in ids for message in answered_call(call_id=call_id)],
        [exchange(at, kind, call_id=call_id) for call_id in ids for kind, at in kinds],  # type: ignore[arg-type]
        after=records(9.0, 10 - 2 * calls, *({**record, "transaction_tag": call_id} for call_id in ids)),
    )


@pytest.mark.parametrize(("trace", "calls"), [(_whole, 40), (_brief, 150)])
def test_four_times_the_calls_take_four_times_as_long(
    tmp_path: Path, trace: Callable[[SipMessage], SipMessage], calls: int
) -> None:
    def took(number: int) -> float:
        rest = f'calls: [{{id: ana, from: "1000", to: "39040123456", repeat: {number}}}]\n'
        scenario, run = scenario_of(tmp_path / "s.yaml", rest), _load(number, trace)
        times = []
        for _ in range(3):
            started = time.process_time()
            assert judge(scenario, run).findings == ()
            times.append(time.process_time() - started)
        return min(times)

    assert took(4 * calls) < 10 * took(calls), "a quadratic one takes 16 times as long"
