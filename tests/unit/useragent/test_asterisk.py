"""Asterisk as a carrier: its files, its dialplan, and the messages in its log."""

from __future__ import annotations

from pathlib import Path

import pytest

from rating_harness.useragent.asterisk.configuration import dialplan_of, files_of
from rating_harness.useragent.asterisk.sip_log import Logged, messages_of
from rating_harness.useragent.dialog import Place
from rating_harness.useragent.script import CalleeCall, CalleeScript, Socket, Treatment

SOCKET = Socket(Place("198.18.0.66", 5060), Place("198.18.0.12", 5060), "udp")


def script(*calls: CalleeCall) -> CalleeScript:
    return CalleeScript("carrier", SOCKET, calls)


def steps(plan: str) -> list[str]:
    return [line.partition(",")[2] for line in plan.splitlines()[1:]]


def test_a_dialplan_knows_calls_by_their_call_ids_and_attempts_by_their_number() -> None:
    ana = CalleeCall("ana", "^ *1f2e-ana-", (Treatment(refuse="503 Service Unavailable", ring=0.5),), Treatment())
    bob = CalleeCall("bob", "^ *(.*///)?1f2e-bob-[0-9]*3@", (), Treatment(provisional=(), hang_up=2.0))
    assert dialplan_of(script(ana, bob)).splitlines() == [
        "[calls]",
        "exten => _[+0-9a-zA-Z].,1,Set(GLOBAL(INVITES)=$[0${GLOBAL(INVITES)} + 1])",
        " same => n,Set(NUMBER=${GLOBAL(INVITES)})",
        " same => n,Set(CALL=${CHANNEL(pjsip,call-id)})",
        ' same => n,GotoIf($["${CALL}" =~ "1f2e-ana-"]?call0)',
        ' same => n,GotoIf($["${CALL}" =~ "1f2e-bob-[0-9]*3@"]?call1)',
        " same => n,Hangup(1)",
        " same => n(call0),GotoIf($[${NUMBER} = 1]?call0attempt1)",
        " same => n,Goto(call0then)",
        " same => n(call0attempt1),Ringing()",
        " same => n,Wait(0.5)",
        " same => n,Hangup(34)",
        " same => n(call0then),Ringing()",
        " same => n,Answer()",
        " same => n,Wait(86400)",
        " same => n,Hangup()",
        " same => n(call1),Goto(call1then)",
        " same => n(call1then),Answer()",
        " same => n,Wait(1.5)",
        " same => n,Hangup()",
    ]


@pytest.mark.parametrize(("refuse", "cause"), [("486 Busy Here", 17), ("404 Not Found", 1), ("500 Error", 38)])
def test_a_refusal_has_its_cause(refuse: str, cause: int) -> None:
    assert f"Hangup({cause})" in steps(dialplan_of(script(CalleeCall("a", "^a-", (), Treatment(refuse=refuse)))))


def test_it_listens_at_its_own_address_alone(tmp_path: Path) -> None:
    (tmp_path / "usr/lib/x86_64-linux-gnu/asterisk/modules").mkdir(parents=True)
    files = files_of(script(), tmp_path, Path("/work"))
    assert files["etc/pjsip.conf"].count("bind = 198.18.0.66:5060") == 2
    assert "media_address = 198.18.0.66" in files["etc/pjsip.conf"]
    assert f"astmoddir => {tmp_path}/usr/lib/x86_64-linux-gnu/asterisk/modules" in files["etc/asterisk.conf"]
    assert "autoload = no" in files["etc/modules.conf"]
    assert {name.partition("/")[0] for name in files} == {"etc", "run", "log", "spool", "var"}


INVITE = b"INVITE sip:39@sip.test SIP/2.0\r\nCall-ID: 1f2e-ana-1@sip.test\r\nContent-Length: 4\r\n\r\na\r\n\n"
TRYING = b"SIP/2.0 100 Trying\r\nCall-ID: 1f2e-ana-1@sip.test\r\nContent-Length:  0\r\n\r\n"


def record(at: str, way: str, message: bytes, size: int | None = None) -> bytes:
    length = len(message) if size is None else size
    head = f"[2026-11-26 10:18:{at}] VERBOSE[13315] res_pjsip_logger.c: <--- {way} SIP "
    head += f"{'request' if message is INVITE else 'response'} ({length} bytes) "
    head += f"{'from' if way == 'Received' else 'to'} UDP:198.18.0.12:5060 --->\n"
    return head.encode() + message + b"\n"


LOG = (
    b"[2026-11-26 10:18:28.680976] VERBOSE[12792] asterisk.c: Asterisk Ready.\n"
    + record("42.160631", "Received", INVITE)
    + b"[2026-11-26 10:18:42.170226] WARNING[13310] res_pjsip.c: No SIP authenticator registered.\n"
    + record("42.170525", "Transmitting", TRYING)
)


def test_messages_are_read_out_of_its_log() -> None:
    assert list(messages_of(LOG)) == [
        Logged("2026-11-26 10:18:42.160631", False, "udp", "198.18.0.12:5060", INVITE),
        Logged("2026-11-26 10:18:42.170525", True, "udp", "198.18.0.12:5060", TRYING),
    ]


def test_a_message_that_is_cut_off_is_none() -> None:
    assert len(list(messages_of(LOG[:-3]))) == 1
    assert list(messages_of(record("42.1", "Received", INVITE))) == []
