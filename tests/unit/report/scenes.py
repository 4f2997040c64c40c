"""Runs that went wrong, for the texts that tell of them."""

from __future__ import annotations

from pathlib import Path

from rating_harness.checks import Verdict, judge
from rating_harness.evidence.model import Evidence, LogLine, Span
from rating_harness.scenario.model import Scenario
from tests.builders import (
    CALL_ID,
    START,
    answered_call,
    evidence_of,
    exchange,
    records,
    refused_call,
    scenario_of,
    sip,
)

__all__ = ["begin_failed", "failover", "refused", "retransmitted", "verdict_of"]

_URI = "sip:39040123456@sip.test"


def refused(file: Path) -> tuple[Scenario, Evidence]:
    """The author expected an answer; the account has no money."""
    scenario = scenario_of(
        file,
        """\
calls:
  - id: ana
    from: "1000"
    to: "39040123456"
    expect:
      reply: 200
      ended_by: caller
expect:
  accounts:
    - {account_tag: "1000", balance: 8}
""",
    )
    no = {
        "authorized": False,
        "unauthorized_reason": "BALANCE_INSUFFICIENT",
        "max_available_units": 0,
        "carriers": [],
    }
    reason = f"{{{CALL_ID}}} <script>: rating: not authorized: call={CALL_ID} reason=BALANCE_INSUFFICIENT"
    return scenario, evidence_of(
        refused_call("403 Forbidden -- insufficient balance"),
        [exchange(0.002, "authorization", no)],
        log=(
            LogLine("kamailio", reason, "NOTICE"),
            LogLine("kamailio", f"{{{CALL_ID}}} <script>: too much to read", "DEBUG"),
            LogLine("kamailio", "{other@sip.test} <script>: of another call", "ALERT"),
        ),
    )


def begin_failed(file: Path) -> tuple[Scenario, Evidence]:
    """The agent answers 500 to begin, and the call goes on unbilled."""
    scenario = scenario_of(file, 'calls:\n  - {id: ana, from: "1000", to: "39040123456", hold: 2s}\n')
    exchanges = [
        exchange(0.002, "authorization"),
        exchange(0.101, "begin_transaction", "", status=500, fault="status"),
        exchange(2.101, "end_transaction", {"ok": False}, took=None, status=None),
    ]
    spans = (Span("call ana", START), Span("unplug carrier", START + 1.0, START + 1.5), Span("kill", START + 60.0))
    return scenario, evidence_of(answered_call(), exchanges, spans=spans, after=records(9.0, 9))


def failover(file: Path) -> tuple[Scenario, Evidence]:
    """Two carriers, of which the first doesn't answer: its INVITE is sent again and again."""
    scenario = scenario_of(file, 'calls:\n  - {id: ana, from: "1000", to: "39040123456"}\n')
    messages = [
        sip(0.0, "caller-ana", "sent", f"INVITE {_URI}"),
        *(sip(at, "carrier-b", "received", f"INVITE {_URI}", branch="z9hG4bK-1") for at in (0.004, 0.504, 1.504)),
        sip(2.0, "carrier", "received", f"INVITE {_URI}", branch="z9hG4bK-2"),
        sip(2.01, "carrier", "sent", "486 Busy Here", to_tag="c", branch="z9hG4bK-2"),
        sip(2.012, "caller-ana", "received", "486 Busy Here", to_tag="c"),
        sip(2.012, "caller-ana", "sent", f"ACK {_URI}", to_tag="c"),
    ]
    return scenario, evidence_of(messages, [exchange(0.002, "authorization")])


def retransmitted(times: int) -> Evidence:
    """A call whose 200 is sent again; and ``times`` requests in the dialog, so that its ladder is long."""
    oks = [sip(0.6, "carrier", "sent", "200 OK", to_tag="b1"), sip(1.6, "carrier", "sent", "200 OK", to_tag="b1")]
    infos = [
        sip(2 + number / 100, "caller-ana", "sent", f"INFO {_URI}", cseq=f"{number + 2} INFO", to_tag="b1")
        for number in range(times)
    ]
    return evidence_of([*answered_call(hold=9.0), *oks, *infos])


def verdict_of(scenario: Scenario, evidence: Evidence) -> Verdict:
    return judge(scenario, evidence)
