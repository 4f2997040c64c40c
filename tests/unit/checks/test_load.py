"""Numbers of all calls together: each expectation is met by one run, and by another it isn't."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating_harness.checks import judge
from rating_harness.evidence.model import Evidence, Records
from tests.builders import START, answered_call, evidence_of, refused_call, scenario_of, sip

IDS = tuple(f"1f2e-ana-{number}@sip.test" for number in range(1, 11))


def run() -> Evidence:
    """Ten calls: six of 2 s are answered, three are busy, one has no reply."""
    messages = [m for call_id in IDS[:6] for m in answered_call(call_id=call_id, hold=2.0)]
    messages += [m for call_id in IDS[6:9] for m in refused_call("486 Busy Here", call_id=call_id)]
    messages.append(sip(0.0, "caller-ana", "sent", "INVITE sip:39@sip.test", call_id=IDS[9]))
    fees = [{"transaction_tag": call_id, "account_tag": "1000", "primary": True, "fee": 2} for call_id in IDS[:6]]
    linked = [{**record, "account_tag": "company", "primary": False} for record in fees]
    return evidence_of(messages, after=Records(START + 9, {}, (*fees, *linked)))


def findings(tmp_path: Path, expect: str, evidence: Evidence | None = None) -> list[tuple[str, str, str]]:
    rest = f'calls: [{{id: ana, from: "1000", to: "39", repeat: 10}}]\nexpect: {expect}\n'
    found = judge(scenario_of(tmp_path / "s.yaml", rest), evidence or run()).findings
    return [
        (each.check, each.expected, each.seen)
        for each in found
        if each.check.split(".")[:2][-1] in ("replies", "asr", "acd", "fees")
    ]


@pytest.mark.parametrize(
    "expect",
    [
        "{replies: {200: 6, 486: 3, 4xx: 3, 5xx: 0}}",
        "{replies: {200: 60%, 486: 25% ± 5%, 4xx: at most 30%, 5xx: 0%}}",
        "{asr: 60%}",
        "{asr: at least 55%, acd: 2s ± 100ms, fees: 12}",
        "{acd: below 3s, fees: 10 ± 2}",
    ],
)
def test_numbers_as_expected(tmp_path: Path, expect: str) -> None:
    assert findings(tmp_path, expect) == []


@pytest.mark.parametrize(
    ("expect", "found"),
    [
        (
            "{replies: {200: 7}}",
            ("expect.replies.200", "7", "6 of 10 (60%): 6 x 200, 3 x 486, 1 x no reply"),
        ),
        (
            "{replies: {4xx: at most 20%}}",
            ("expect.replies.4xx", "at most 20%", "3 of 10 (30%): 6 x 200, 3 x 486, 1 x no reply"),
        ),
        ("{asr: 70% ± 5%}", ("expect.asr", "70% ± 5%", "60%: 6 of 10 calls")),
        ("{acd: 3s ± 500ms}", ("expect.acd", "3s ± 500ms", "1.999s")),
        ("{fees: 24}", ("expect.fees", "24", "12, in 6 records")),
    ],
)
def test_numbers_that_differ(tmp_path: Path, expect: str, found: tuple[str, str, str]) -> None:
    assert findings(tmp_path, expect) == [found]


def test_of_no_answered_call_there_is_no_average(tmp_path: Path) -> None:
    evidence = evidence_of(refused_call(call_id=IDS[0]))
    assert findings(tmp_path, "{acd: any, asr: 0%}", evidence) == [
        ("expect.acd", "any", "no call was answered and ended")
    ]
