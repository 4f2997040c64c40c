"""The tap's exchanges as evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rating_harness.checks.agent_answers import fault_of_answer
from rating_harness.run.exchanges import as_exchange
from rating_harness.tap.exchange import Exchange


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ('{"ok": true}', {"ok": True}),
        ('{"ok": false, "ok": true}', '{"ok": false, "ok": true}'),
        ('{"ok": true, "units": 9223372036854775807}', {"ok": True, "units": 2**63 - 1}),
        ('{"ok": true, "units": 9223372036854775808}', '{"ok": true, "units": 9223372036854775808}'),
        ('{"ok": true, "units": -10000000000000000000000000}', '{"ok": true, "units": -10000000000000000000000000}'),
        ('{"ok": NaN}', '{"ok": NaN}'),
        ("", ""),
    ],
)
def test_an_answer_is_read_as_kamailio_reads_it(answer: str, read: Any) -> None:
    seen = Exchange(1, 1, 1, 5.0, "POST", "/v1/end_transaction", "", (), "{}", outcome="answered", status=200)
    exchange = as_exchange(replace(seen, answer=answer))
    assert exchange.response == read
    assert bool(fault_of_answer(exchange)) == isinstance(read, str)
