"""What a stranger knows of a call."""

from __future__ import annotations

import json

from rating_harness.evidence.model import Unsent
from rating_harness.run.requests import dialog_of, unsent_by_ends
from rating_harness.run.sipp_processes import SippProcess
from rating_harness.sipp.agent import Agent
from rating_harness.useragent.agent import UNSENT, UserAgent
from rating_harness.useragent.dialog import Place
from rating_harness.useragent.script import NEVER_CAME, CalleeScript, Socket
from tests.unit.run.fake_lab import FakeProcess

CALLER = Agent(role="caller", host="caller-ana", address="198.18.0.20", port=5060, scenario="<scenario/>")
CREDENTIALS = 'Digest username="1000", nonce="n", uri="sip:1@sip.test", response="c18cd64a7907e59a843958b861461271"'


def traced(message: str) -> bytes:
    octets = message.replace("\n", "\r\n").encode()
    head = f"{'-' * 50} 2026-11-26 01:00:00.000000\nUDP message sent [{len(octets)}] bytes:\n\n"
    return head.encode() + octets + b"\n"


def test_a_stranger_hears_the_credentials_that_evidence_leaves_out() -> None:
    invite = (
        "INVITE sip:1@sip.test SIP/2.0\nVia: SIP/2.0/UDP 198.18.0.20:5060;branch=z9hG4bK1\n"
        "From: <sip:1000@sip.test>;tag=a\nTo: <sip:1@sip.test>\nCall-ID: one\nCSeq: 2 INVITE\n"
        f"Proxy-Authorization: {CREDENTIALS}\nContent-Length: 0\n\n"
    )
    caller = SippProcess(CALLER, FakeProcess("caller-ana", files={CALLER.trace_file: traced(invite)}))
    assert [message.header("Proxy-Authorization") for message in caller.messages] != [CREDENTIALS]
    dialog = dialog_of(caller, "one")
    assert (dialog.call_id, dialog.authorization) == ("one", CREDENTIALS)


def callee(host: str, unsent: list[tuple[str, int, str]]) -> SippProcess:
    place = Place("198.18.0.21", 5060)
    agent = UserAgent("carrier", host, place.address, 5060, CalleeScript(host, Socket(place, place, "udp"), ()))
    return SippProcess(agent, FakeProcess(host, files={UNSENT: json.dumps(unsent).encode()}))


def test_what_one_callee_sent_no_other_owes() -> None:
    idle = callee("carrier", [("ana", 0, NEVER_CAME), ("ana", 1, NEVER_CAME)])
    busy = callee("desk", [("ana", 1, "the callee had fallen silent")])
    assert unsent_by_ends([idle, busy]) == [Unsent("ana", 1, "the callee had fallen silent")]
    assert unsent_by_ends([idle]) == [Unsent("ana", 0, NEVER_CAME), Unsent("ana", 1, NEVER_CAME)]
