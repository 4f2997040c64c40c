"""Kamailio's own view of calls, as it comes from a real one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rating_harness.evidence.model import CapturedMessage, Evidence
from rating_harness.run.options import Options
from rating_harness.scenario.loader import load
from rating_harness.session.session import Session

pytestmark = pytest.mark.lab

SCENARIOS = Path(__file__).parents[2] / "scenarios"


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    session = Session(Options(lab="local", seed=1), lambda plan, evidence, verdict: None)
    yield session
    session.close()


def run(session: Session, file: str) -> Evidence:
    scenario = load(SCENARIOS / file)[0]
    outcome = session.run(scenario)
    assert outcome.verdict is not None
    assert outcome.verdict.passed, outcome.verdict.findings
    assert outcome.evidence is not None
    return outcome.evidence


def passed(evidence: Evidence) -> list[tuple[str, str, str]]:
    """Direction, peer and first line, without URIs."""
    assert evidence.captured is not None

    def line(each: CapturedMessage) -> str:
        assert each.message is not None
        return each.message.method if each.message.is_request else f"{each.message.status} {each.message.method}"

    return [(each.direction, each.peer, line(each)) for each in evidence.captured]


def test_each_message_at_the_ends_is_one_of_kamailios_and_what_it_made_itself_is_there(session: Session) -> None:
    evidence = run(session, "dialog/balance-runs-out.yaml")
    assert sorted(passed(evidence)) == sorted(
        [
            ("received", "caller-ana", "INVITE"),
            ("sent", "caller-ana", "100 INVITE"),
            ("sent", "carrier", "INVITE"),
            ("received", "carrier", "180 INVITE"),
            ("sent", "caller-ana", "180 INVITE"),
            ("received", "carrier", "200 INVITE"),
            ("sent", "caller-ana", "200 INVITE"),
            ("received", "caller-ana", "ACK"),
            ("sent", "carrier", "ACK"),
            ("sent", "caller-ana", "BYE"),
            ("sent", "carrier", "BYE"),
            ("received", "caller-ana", "200 BYE"),
            ("received", "carrier", "200 BYE"),
        ]
    )
    ends = {(m.host, m.direction, m.first_line) for m in evidence.messages}
    opposite = {"sent": "received", "received": "sent"}
    own = {(e.peer, opposite[e.direction], e.message.first_line) for e in evidence.captured or () if e.message}
    assert ends == own


def test_what_is_sent_again_is_folded(session: Session) -> None:
    evidence = run(session, "routing/dead-carrier.yaml")
    assert evidence.captured is not None
    (first,) = [e for e in evidence.captured if e.message and e.message.method == "INVITE" and e.repeated]
    assert first.direction == "sent"
    # Timer A: after 0.5 s, then after 1 s more, until fr_timer ends it after 2 s (RFC 3261 section 17.1.1.2).
    assert [round(at - first.at, 1) for at in first.repeated] == pytest.approx([0.5, 1.5], abs=0.25)


def test_one_scenario_has_nothing_of_another(session: Session) -> None:
    for _ in range(2):
        evidence = run(session, "unanswered/busy.yaml")
        assert evidence.captured
        assert {e.message.call_id for e in evidence.captured if e.message} <= {
            call_id for call_ids in evidence.call_ids.values() for call_id in call_ids
        }
