"""baresip at both ends, in a lab: the same verdicts as with the harness's own ends, for calls of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rating_harness.errors import SippError
from rating_harness.evidence.calls import calls_of
from rating_harness.lab.files import data_directory
from rating_harness.run.options import Options
from rating_harness.scenario.loader import load
from rating_harness.session.session import Outcome, Session
from rating_harness.useragent.agent import OtherStack

pytestmark = pytest.mark.lab

GIVEN = """\
scenario: A call by other people's SIP stack
given:
  accounts: [{account_tag: "1000", type: PREPAID, balance: %(balance)s, max_concurrent_transactions: 10}]
  carriers: [{carrier_tag: first, host: first, protocol: %(protocol)s}, {carrier_tag: second, host: second}]
  pricelists:
    - pricelist_tag: retail
      rates:
        - {carrier_tag: first, prefix: "sip:39", rate: 1}
        - {carrier_tag: second, prefix: "sip:39", rate: 2}
"""
CALL = 'calls: [{id: ana, from: "1000", to: "39040123456"%s}]\n'
BILLED = """\
expect:
  requests: [{call: ana, order: [authorization, begin, end]}]
  transactions: [{call: ana, account_tag: "1000", duration: %s ± 1s, source: "sip:1000@sip.test"}]
"""
UNBILLED = "expect: {not_begun: [ana], accounts: [{account_tag: '1000', balance: %s}]}\n"

ANSWERED = CALL % ", hold: 1s, expect: {reply: 200, provisional: [180], ended_by: caller, carrier: first}"
CUT = CALL % ", transport: %s, hangup: never, expect: {reply: 200, ended_by: kamailio, duration: 2s ± 1s}"
HELD = """\
calls:
  - id: ana
    from: "1000"
    to: "39040123456"
    hold: 2s
    reinvite: [{at: after 500ms, by: %s, sdp: {direction: sendonly}}, {at: after 1s, by: %s, sdp: {}}]
    expect:
      reply: 200
      reinvite_reply: 200
      ended_by: caller
      received:
        - {by: %s, method: INVITE, sdp: unchanged}
        - {by: %s, method: INVITE, sdp: {direction: sendonly}, nth: %d}
"""


def text(rest: str, *, balance: int = 100, protocol: str = "UDP") -> str:
    return GIVEN % {"balance": balance, "protocol": protocol} + rest


KINDS = {
    "answered, the caller hangs up": text(ANSWERED + BILLED % "1s"),
    "the callee hangs up": text(
        CALL % ", hold: 1s, hangup: callee, expect: {reply: 200, ended_by: callee}" + BILLED % "1s"
    ),
    "over TCP at both ends": text(ANSWERED.replace("hold", "transport: tcp, hold"), protocol="TCP"),
    "refused": text(CALL % ", expect: {reply: 403, carriers: []}" + UNBILLED % 0, balance=0),
    "busy": text(
        CALL % ", ring: 300ms, expect: {reply: 486, provisional: [180], carriers: [first]}"
        + "carriers: {first: {refuse: 486}}\n"
        + UNBILLED % 100
    ),
    "unavailable": text(CALL % ", expect: {reply: 480}" + "carriers: {first: {refuse: 480}}\n" + UNBILLED % 100),
    "cancelled": text(CALL % ", cancel: 300ms after ringing, expect: {reply: 487}" + UNBILLED % 100),
    "cancelled at once": text(CALL % ", cancel: at once, expect: {reply: 487}" + UNBILLED % 100),
    "cut at the limit over UDP": text(CUT % "udp" + BILLED % "2s", balance=2),
    "cut at the limit over TCP": text(CUT % "tcp" + BILLED % "2s", balance=2),
    "held by the caller": text(HELD % ("caller", "caller", "callee", "callee", 2)),
    "held by the callee": text(HELD % ("callee", "callee", "caller", "caller", 1)),
    "not answered": text(
        CALL % ", ring: 30s, expect: {reply: 408, provisional: [180]}"
        + "kamailio: {defines: {FR_INV_TIMER: 3000}}\n"
        + UNBILLED % 100
    ),
    "failover": text(
        CALL % ", hold: 1s, expect: {reply: 200, carriers: [second], carrier: second}"
        + "carriers: {first: {absent: true}}\n"
        + BILLED % "1s"
    ),
    "three at once": text(CALL % ", repeat: 3, hold: 1s, expect: {reply: 200, ended_by: caller}"),
}


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    options = Options(lab="local", ends="baresip", persistent_lab="no")
    session = Session(options, lambda plan, evidence, verdict: None)
    yield session
    session.close()


def run(session: Session, tmp_path: Path, content: str) -> Outcome:
    file = tmp_path / "scenario.yaml"
    file.write_text(content, encoding="utf-8")
    return session.run(load(file)[0])


@pytest.mark.parametrize("content", KINDS.values(), ids=KINDS)
def test_calls_of_each_kind_pass(session: Session, tmp_path: Path, content: str) -> None:
    outcome = run(session, tmp_path, content)
    assert outcome.skipped is None
    assert outcome.verdict is not None
    assert outcome.verdict.findings == ()
    assert outcome.evidence is not None
    assert outcome.evidence.lab["ends"] == "baresip 1.1.0"
    for call in calls_of(outcome.evidence):
        own = [each for each in call.messages if each.direction == "sent"]
        assert own, "its trace was read"
        assert {each.header("User-Agent") or each.header("Server") for each in own} == {
            "baresip v1.1.0 (x86_64/linux)"
        }


def test_a_kamailio_that_cuts_too_early_is_found_out(session: Session, tmp_path: Path) -> None:
    name = "rating.cfg"
    right = (data_directory("kamailio") / name).read_text(encoding="utf-8")
    wrong = right.replace('dlg_set_timeout("$var(units)"))', 'dlg_set_timeout("1"))', 1)
    assert wrong != right
    session.change({name: wrong})
    try:
        late = CUT.replace("2s", "9s") % "udp"
        outcome = run(session, tmp_path, text(late, balance=9))
    finally:
        session.change({})
    assert outcome.verdict is not None
    assert "the call's length" in " ".join(finding.message for finding in outcome.verdict.findings)


def test_what_it_can_not_do_is_skipped(session: Session, tmp_path: Path) -> None:
    outcome = run(session, tmp_path, text(CALL % ", bye: wrong_tag"))
    assert outcome.skipped == "--ends baresip: calls[0].bye: baresip 1.1.0 has no means for it"


def test_one_that_can_not_start_says_nothing_of_kamailio(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(session.stack.__dict__, "other", OtherStack("baresip", tmp_path))
    (tmp_path / "usr/lib/none").mkdir(parents=True)
    for name in ("libc.so.6", "ld-linux.so.2"):
        (tmp_path / "usr/lib/none" / name).symlink_to("/bin/false")
    with pytest.raises(SippError, match="baresip on first could not do its work") as error:
        run(session, tmp_path, text(ANSWERED))
    assert "baresip ended with status 1" in str(error.value)
