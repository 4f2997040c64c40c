"""The ends of calls, in a lab: what they take, and what they can say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rating_harness.errors import ServiceDied
from rating_harness.evidence.model import SipMessage
from rating_harness.run.options import Options
from rating_harness.scenario.loader import load
from rating_harness.session.session import Outcome, Session

pytestmark = pytest.mark.lab

GIVEN = """\
scenario: A call
given:
  accounts: [{account_tag: "1000", type: PREPAID, balance: 1000, max_concurrent_transactions: 10}]
  carriers: [{carrier_tag: carrier, host: carrier}]
  pricelists: [{pricelist_tag: retail, rates: [{carrier_tag: carrier, prefix: "sip:39", rate: 1}]}]
"""

SPELLED = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE scenario SYSTEM "sipp.dtd">
<scenario name="spelled otherwise">
  <send retrans="500">
    <![CDATA[

      INVITE sip:39@sip.test SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch=z9hG4bK-[pid]-[call_number]-i
      Max-Forwards: 70
%s
      Contact: <sip:1000@[local_ip]:[local_port];transport=[transport]>
      Content-Length: 0

    ]]>
  </send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="408" optional="true" next="end"/>
  <recv response="200" rrs="true"/>
  <send>
    <![CDATA[

      ACK [next_url] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch=[branch]
      Max-Forwards: 70
      [routes]
      [last_From:]
      [last_To:]
      Call-ID: [call_id]
      CSeq: 1 ACK
      Content-Length: 0

    ]]>
  </send>
  <pause milliseconds="500"/>
  <send retrans="500">
    <![CDATA[

      BYE [next_url] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];rport;branch=[branch]
      Max-Forwards: 70
      [routes]
      [last_From:]
      [last_To:]
      Call-ID: [call_id]
      CSeq: 2 BYE
      Content-Length: 0

    ]]>
  </send>
  <recv response="200"/>
  <label id="end"/>
  <nop/>
</scenario>
"""


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    session = Session(Options(lab="local", seed=1), lambda plan, evidence, verdict: None)
    yield session
    session.close()


def run(session: Session, file: Path, rest: str) -> Outcome:
    file.write_text(GIVEN + rest)
    (scenario,) = load(file)
    return session.run(scenario)


def passed(outcome: Outcome) -> bool:
    assert outcome.verdict is not None
    assert outcome.verdict.findings == ()
    return outcome.verdict.passed


def messages(outcome: Outcome, host: str, way: str = "received") -> list[SipMessage]:
    assert outcome.evidence is not None
    return [m for m in outcome.evidence.messages if m.host == host and m.direction == way]


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(
            [
                "FROM: <sip:1000@sip.test>;tag=a",
                "to: <sip:39@sip.test>",
                "CALL-ID: [call_id]",
                "CSeq: 1 INVITE",
            ],
            id="other cases",
        ),
        pytest.param(
            ["f: <sip:1000@sip.test>;tag=a", "t: <sip:39@sip.test>", "i: [call_id]", "CSeq: 1 INVITE"],
            id="compact",
        ),
        pytest.param(
            [
                'From: "A;b, \\" <x>" <sip:1000@sip.test>;tag=a',
                'To: "N;o <sip:x@y>" <sip:39@sip.test;user=phone>',
                "Call-ID: [call_id]",
                "CSeq: 1 INVITE",
            ],
            id="quotes and parameters",
        ),
    ],
)
def test_a_carrier_reads_headers_however_they_are_spelled(
    session: Session, tmp_path: Path, headers: list[str]
) -> None:
    (tmp_path / "caller.xml").write_text(SPELLED % "\n".join(f"      {line}" for line in headers))
    outcome = run(
        session,
        tmp_path / "s.yaml",
        'calls: [{id: ana, from: "1000", to: "39", sipp: caller.xml, expect: {reply: 200}}]\n',
    )
    assert passed(outcome)


@pytest.mark.parametrize(
    "call",
    [
        'to: "39040123456", cancel: while ringing, expect: {reply: 487}',
        'to: "39040123456", cancel: at once, expect: {reply: 487}',
        'to: "39040123456", cancel: after 300ms, transport: tcp, expect: {reply: 487}',
        'to: "39040123456;phone-context=+39", expect: {reply: 200}',
        'to: "39040123456", transport: tls, expect: {reply: 200}',
        'to: "39040123456", display: "A; \\"b\\" <c>", hangup: callee, expect: {reply: 200, ended_by: callee}',
    ],
)
def test_a_caller_can_say_it(session: Session, tmp_path: Path, call: str) -> None:
    assert passed(run(session, tmp_path / "s.yaml", f'calls: [{{id: ana, from: "1000", {call}}}]\n'))


@pytest.mark.parametrize("status", [101, 150, 184, 189, 199])
def test_any_provisional_status_is_taken(session: Session, tmp_path: Path, status: int) -> None:
    rest = (
        f"carriers: {{carrier: {{provisional: [{status}]}}}}\n"
        f'calls: [{{id: ana, from: "1000", to: "39", expect: {{reply: 200, provisional: [{status}]}}}}]\n'
    )
    assert passed(run(session, tmp_path / "s.yaml", rest))


@pytest.mark.parametrize("status", [456, 580, 599, 607, 699])
def test_any_final_status_is_taken(session: Session, tmp_path: Path, status: int) -> None:
    rest = (
        f"carriers: {{carrier: {{refuse: {status}}}}}\n"
        f'calls: [{{id: ana, from: "1000", to: "39", expect: {{reply: {status}}}}}]\n'
    )
    outcome = run(session, tmp_path / "s.yaml", rest)
    assert passed(outcome)


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        ("{by: caller, method: BYE, cseq: 1}", 500),
        ("{by: caller, method: INFO}", 200),
        ("{by: caller, method: OPTIONS, at: while ringing}", 200),
        ("{by: callee, method: INFO, at: after 200ms}", 200),
        ("{by: caller, method: BYE, at: 200ms after end}", None),
        ("{by: stranger, method: OPTIONS, uri: 'sip:{kamailio}', route: none, headers: {To: '<sip:x@y>'}}", 200),
    ],
)
def test_requests_are_sent_and_answered(session: Session, tmp_path: Path, request_: str, reply: int | None) -> None:
    rest = (
        'calls: [{id: ana, from: "1000", to: "39040123456", ring: 300ms, hold: 1s, '
        f"requests: [{request_}], expect: {{reply: 200}}}}]\n"
    )
    outcome = run(session, tmp_path / "s.yaml", rest)
    assert outcome.evidence is not None
    assert outcome.evidence.unsent == ()
    own = [m for m in outcome.evidence.messages if "request-0" in (m.header("Via") or "")]
    assert own[0].is_request
    sender = own[0].host
    replies = [
        m.status for m in own if m.host == sender and m.direction == "received" and m.status and m.status >= 200
    ]
    assert len(replies) == 1
    assert reply is None or replies == [reply]


def test_octets_arrive_as_they_are(session: Session, tmp_path: Path) -> None:
    """A NUL in a Call-ID, and a body of HTTP: what Kamailio makes of them is its own affair."""
    octets = (
        "OPTIONS sip:{kamailio} SIP/2.0\\r\\nVia: SIP/2.0/UDP {sender};rport;branch={branch}\\r\\n"
        "From: <sip:a@b>;tag=1\\r\\nTo: <sip:x@y>\\r\\nCall-ID: x\\0y\\r\\nCSeq: 1 OPTIONS\\r\\n"
        "Max-Forwards: 70\\r\\nX-Long: {x*1100}\\r\\nContent-Length: 0\\r\\n\\r\\n"
    )
    rest = f'calls: [{{id: ana, from: "1000", to: "39", requests: [{{by: stranger, bytes: "{octets}"}}]}}]\n'
    outcome = run(session, tmp_path / "s.yaml", rest)
    (sent,) = messages(outcome, "stranger-ana-0", "sent")
    assert sent.call_id == "x\0y"
    assert sent.header("X-Long") == "x" * 1100
    assert passed(outcome)


def test_a_kamailio_that_cannot_start_harms_nobody_else(session: Session, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "kamailio.cfg").write_text('#!KAMAILIO\nloadmodule "no_such_module.so"\nrequest_route { exit; }\n')
    call = 'calls: [{id: ana, from: "1000", to: "39", hold: 200ms}]\n'
    with pytest.raises(ServiceDied) as raised:
        run(session, tmp_path / "broken.yaml", "kamailio: {config: own}\n" + call)
    assert str(raised.value.where).startswith(f"{own / 'kamailio.cfg'}:2:")
    assert "no_such_module" in str(raised.value)
    assert passed(run(session, tmp_path / "fine.yaml", call))
