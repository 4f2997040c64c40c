"""Asterisk as the carrier, in a lab; where its root filesystem hasn't been made, this is skipped: it has 270 MB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rating_harness.evidence.calls import calls_of
from rating_harness.lab import rootfs
from rating_harness.run.options import Options
from rating_harness.scenario.loader import load
from rating_harness.session.session import Session
from tests.lab.test_baresip import ANSWERED, BILLED, CALL, CUT, UNBILLED, text

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(
        rootfs.cached_stack("asterisk") is None,
        reason="its root filesystem isn't made: `rating-harness run scenarios --ends asterisk` makes it",
    ),
]

KINDS = {
    "answered, the caller hangs up": text(ANSWERED + BILLED % "1s"),
    "the callee hangs up": text(
        CALL % ", hold: 1s, hangup: callee, expect: {reply: 200, ended_by: callee, duration: 1s ± 1s}" + BILLED % "1s"
    ),
    "over TCP at both ends": text(ANSWERED.replace("hold", "transport: tcp, hold"), protocol="TCP"),
    "busy": text(
        CALL % ", ring: 300ms, expect: {reply: {code: 486, reason: Busy Here}, provisional: [180], carriers: [first]}"
        + "carriers: {first: {refuse: 486}}\n"
        + UNBILLED % 100
    ),
    "cancelled": text(CALL % ", cancel: 300ms after ringing, expect: {reply: 487}" + UNBILLED % 100),
    "cut at the limit": text(CUT % "udp" + BILLED % "2s", balance=2),
    "failover": text(
        CALL % ", hold: 1s, expect: {reply: 200, carriers: [first, second], carrier: second}"
        + "carriers: {first: {refuse: 503}}\n"
        + BILLED % "1s"
    ),
}


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    session = Session(
        Options(lab="local", ends="asterisk", persistent_lab="no"), lambda plan, evidence, verdict: None
    )
    yield session
    session.close()


@pytest.mark.parametrize("content", KINDS.values(), ids=KINDS)
def test_calls_of_each_kind_pass(session: Session, tmp_path: Path, content: str) -> None:
    file = tmp_path / "scenario.yaml"
    file.write_text(content, encoding="utf-8")
    outcome = session.run(load(file)[0])
    assert outcome.skipped is None
    assert outcome.verdict is not None
    assert outcome.verdict.findings == ()
    assert outcome.evidence is not None
    assert outcome.evidence.lab["ends"].startswith("asterisk 22.")
    for call in calls_of(outcome.evidence):
        own = [each for each in call.carriers if each.direction == "sent" and not each.is_request]
        assert own, "its trace was read"
        assert all((each.header("Server") or "").startswith("Asterisk PBX 22.") for each in own)
