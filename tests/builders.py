"""Evidence for tests, as a run would have left it: messages go through the parser that reads SIPp's traces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from rating_harness.evidence.model import Evidence, Exchange, Records, ServiceState, SipMessage, SippResult
from rating_harness.evidence.sip import parse_message
from rating_harness.scenario.loader import load
from rating_harness.scenario.model import Scenario

__all__ = [
    "CALLER",
    "CALL_ID",
    "CARRIER",
    "LONG_CALL",
    "START",
    "answered_call",
    "evidence_of",
    "exchange",
    "records",
    "refused_call",
    "scenario_of",
    "sip",
]

START = 1_800_000_000.0
"""When runs begin; the builders' times are seconds after it."""
CALL_ID, CALLER, CARRIER = "1f2e-ana-1@sip.test", "caller-ana", "carrier"
_URI = "sip:39040123456@sip.test"

LONG_CALL = """\
scenario: A call that goes on for a while
given:
  accounts: [{account_tag: "1000", type: POSTPAID, balance: 0}]
  carriers: [{carrier_tag: carrier, host: carrier}]
  pricelists: [{pricelist_tag: retail, rates: [{carrier_tag: carrier, prefix: "sip:39", rate: 1}]}]
calls: [{id: ana, from: "1000", to: "39040123456", hold: 5m}]
"""
"""A scenario that is still going on when its run is killed."""


def sip(
    at: float,
    host: str,
    direction: Literal["sent", "received"],
    first: str,
    *,
    cseq: str | None = None,
    call_id: str = CALL_ID,
    to_tag: str | None = None,
    branch: str | None = None,
    headers: Mapping[str, str] | None = None,
    body: str = "",
) -> SipMessage:
    """A message that begins with ``first``: ``INVITE sip:...`` or ``200 OK``, as RFC 3261 has it.

    :param cseq: ``1 INVITE``; of a request ``1`` and its method when not given.
    :param branch: of the Via; one for each host and CSeq when not given.
    """
    is_response = first[0].isdigit()
    cseq = cseq or ("1 INVITE" if is_response else f"1 {first.split(' ')[0]}")
    calling, called = ("<sip:1000@sip.test>", "a1"), (f"<{_URI}>", to_tag)
    # The callee's own requests, and the replies to them, have From and To the other way round.
    is_of_callee = host.startswith("caller-") != (is_response == (direction == "received"))
    sender, receiver = (called, calling) if is_of_callee else (calling, called)
    extra = {"Contact": f"<{_URI}>"} if cseq.endswith("INVITE") and first[0] in "I2" else {}
    extra |= {} if is_response else {"Max-Forwards": "70"}
    extra |= {"Content-Type": "application/sdp"} if body else {}
    lines = [
        f"SIP/2.0 {first}" if is_response else f"{first} SIP/2.0",
        f"Via: SIP/2.0/UDP 198.18.0.5:5060;branch={branch or f'z9hG4bK-{host}-{cseq}'.replace(' ', '-')}",
        f"From: {sender[0]}" + (f";tag={sender[1]}" if sender[1] else ""),
        f"To: {receiver[0]}" + (f";tag={receiver[1]}" if receiver[1] else ""),
        f"Call-ID: {call_id}",
        f"CSeq: {cseq}",
        *(f"{name}: {value}" for name, value in {**extra, **(headers or {})}.items()),
        f"Content-Length: {len(body.encode())}",
    ]
    text = "\r\n".join(lines) + f"\r\n\r\n{body}"
    return parse_message(text, at=START + at, host=host, sent=direction == "sent", transport="udp")


def exchange(
    at: float,
    kind: Literal["authorization", "begin_transaction", "end_transaction"],
    answer: Any = None,
    *,
    status: int | None = 200,
    took: float | None = 0.002,
    fault: str | None = None,
    call_id: str = CALL_ID,
    account: str | None = "1000",
    number: int = 1,
    **request: Any,
) -> Exchange:
    """One with the agent. Without an ``answer`` it authorises for an hour, or says ``ok``."""
    usual = {"authorized": True, "max_available_units": 3600, "carriers": [f"UDP:{CARRIER}:5060"]}
    if answer is None:
        answer = usual if kind == "authorization" else {"ok": True}
    asked = {"transaction_tag": call_id, "account_tag": account, "source": "sip:1000@sip.test", "destination": _URI}
    return Exchange(
        number=number,
        received=START + at,
        answered=None if took is None else START + at + took,
        method="POST",
        path=f"/v1/{kind}",
        request={**asked, **request},
        status=status,
        response=answer,
        fault=fault,
        headers=(("Content-Type", "application/json"),),
    )


def answered_call(
    *,
    at: float = 0.0,
    hold: float = 2.0,
    ended_by: Literal["caller", "callee", "kamailio"] = "caller",
    call_id: str = CALL_ID,
    caller: str = CALLER,
    carrier: str = CARRIER,
) -> tuple[SipMessage, ...]:
    """The messages of a call that rings, is answered after 100 ms, and ended."""
    end = at + 0.1 + hold

    def of(after: float, host: str, direction: Literal["sent", "received"], first: str, **more: Any) -> SipMessage:
        return sip(at + after, host, direction, first, call_id=call_id, **more)

    bye = [
        of(
            end - at, caller, "sent" if ended_by == "caller" else "received", f"BYE {_URI}", cseq="2 BYE", to_tag="b1"
        ),
        of(end - at, caller, "received" if ended_by == "caller" else "sent", "200 OK", cseq="2 BYE", to_tag="b1"),
        of(
            end - at,
            carrier,
            "sent" if ended_by == "callee" else "received",
            f"BYE {_URI}",
            cseq="2 BYE",
            to_tag="b1",
        ),
        of(end - at, carrier, "received" if ended_by == "callee" else "sent", "200 OK", cseq="2 BYE", to_tag="b1"),
    ]
    return (
        of(0.0, caller, "sent", f"INVITE {_URI}"),
        of(0.001, caller, "received", "100 Trying"),
        of(0.005, carrier, "received", f"INVITE {_URI}"),
        of(0.007, carrier, "sent", "180 Ringing", to_tag="b1"),
        of(0.008, caller, "received", "180 Ringing", to_tag="b1"),
        of(0.100, carrier, "sent", "200 OK", to_tag="b1"),
        of(0.101, caller, "received", "200 OK", to_tag="b1"),
        of(0.101, caller, "sent", f"ACK {_URI}", to_tag="b1"),
        of(0.102, carrier, "received", f"ACK {_URI}", to_tag="b1"),
        *(bye if ended_by != "callee" else [*bye[2:], *bye[:2]]),
    )


def refused_call(
    reply: str = "403 Forbidden", *, call_id: str = CALL_ID, caller: str = CALLER
) -> tuple[SipMessage, ...]:
    """The messages of a call that Kamailio itself refuses."""
    return (
        sip(0.0, caller, "sent", f"INVITE {_URI}", call_id=call_id),
        sip(0.001, caller, "received", "100 Trying", call_id=call_id),
        sip(0.006, caller, "received", reply, to_tag="k1", call_id=call_id),
        sip(0.006, caller, "sent", f"ACK {_URI}", to_tag="k1", call_id=call_id),
    )


def records(at: float, balance: int, *transactions: Mapping[str, Any], account: str = "1000") -> Records:
    """The engine's, of one account."""
    known = {"account_tag": account, "balance": balance, "running_transactions": []}
    return Records(START + at, {account: known}, transactions)


def evidence_of(messages: Iterable[SipMessage], exchanges: Iterable[Exchange] = (), **other: Any) -> Evidence:
    """A run with these messages; callers are the hosts named ``caller-CALL``. ``other`` is of `Evidence`."""
    messages = tuple(messages)
    hosts = dict.fromkeys((CALLER, CARRIER, *(message.host for message in messages)))
    call_ids: dict[str, tuple[str, ...]] = {}
    for message in messages:
        if message.host.startswith("caller-"):
            known = call_ids.get(name := message.host.removeprefix("caller-"), ())
            call_ids[name] = (*known, *((message.call_id,) if message.call_id not in known else ()))
    whole: dict[str, Any] = {
        "scenario": "scenario.yaml",
        "started": START,
        "ended": max((message.at for message in messages), default=START) + 0.1,
        "call_ids": call_ids or {"ana": (CALL_ID,)},
        "dialogs_left": 0,
        "tables": {},
        "before": records(0.0, 10),
        "after": records(9.0, 10),
        "sipp": tuple(
            SippResult(host, "caller" if host.startswith("caller-") else "carrier", 0, 1, 1, 0) for host in hosts
        ),
        "services": (ServiceState("kamailio", alive=True),),
        "lab": {"driver": "local", "kamailio": "6.0.1", "seed": "42", "token": "1f2e"},
    }
    return Evidence(messages=messages, exchanges=tuple(exchanges), **{**whole, **other})


_GIVEN = """\
scenario: {title}
given:
  accounts: [{{account_tag: "1000", type: PREPAID, balance: 10, max_concurrent_transactions: 10}}]
  carriers: [{{carrier_tag: carrier, host: carrier}}]
  pricelists: [{{pricelist_tag: retail, rates: [{{carrier_tag: carrier, prefix: "sip:39", rate: 1}}]}}]
"""


def scenario_of(file: Path, rest: str, title: str = "A call is made") -> Scenario:
    """The scenario of ``file``, which is written: an account, a carrier, prices, and then ``rest``."""
    file.write_text(_GIVEN.format(title=title) + rest, encoding="utf-8")
    return load(file)[0]
