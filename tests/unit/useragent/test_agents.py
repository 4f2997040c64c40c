"""A caller and a callee of the harness's own, face to face over loopback, and a peer that neither of them knows."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Literal

import pytest

from rating_harness.deadline import Deadline, await_condition
from rating_harness.evidence.model import SipMessage
from rating_harness.plan.render import certificates
from rating_harness.scenario.values import CSeq
from rating_harness.sipp.trace import parse_trace
from rating_harness.useragent.agent import FAILED
from rating_harness.useragent.dialog import Place, SipRequest
from rating_harness.useragent.message import Message, tag_of
from rating_harness.useragent.script import (
    CalleeCall,
    CalleeScript,
    CallerScript,
    CallerVariant,
    Fork,
    Happening,
    Registration,
    Renewal,
    Script,
    SenderScript,
    Socket,
    TimedRequest,
    Treatment,
    from_json,
    to_json,
)

SDP = "v=0\no=- 1 1 IN IP[local_ip_type] [local_ip]\ns=-\nc=IN IP4 [local_ip]\nt=0 0\nm=audio 6000 RTP/AVP 8"


_numbers = count(1)


def place() -> Place:
    """A loopback address that no other test has, side by side ones included."""
    process, number = os.getpid(), next(_numbers)
    return Place(f"127.{1 + process % 254}.{process // 254 % 254}.{number}", 5060)


@dataclass
class Program:
    process: subprocess.Popen[bytes]
    directory: Path

    def messages(self) -> list[SipMessage]:
        return list(parse_trace((self.directory / "messages.log").read_bytes(), self.directory.name))

    def sent(self) -> list[str]:
        return [named(message) for message in self.messages() if message.direction == "sent"]

    def received(self) -> list[str]:
        return [named(message) for message in self.messages() if message.direction == "received"]

    def errors(self) -> str:
        path = self.directory / "errors.log"
        return path.read_text() if path.exists() else ""

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


def named(message: SipMessage) -> str:
    return message.method if message.is_request else f"{message.status}/{message.method}"


@dataclass
class Stage:
    """Two ports, each of whose owners takes the other for Kamailio."""

    directory: Path
    caller: Place = field(default_factory=place)
    callee: Place = field(default_factory=place)
    programs: list[Program] = field(default_factory=list)

    def start(self, name: str, script: Script) -> Program:
        directory = self.directory / name
        directory.mkdir()
        (directory / "script.json").write_text(to_json(script))
        for file, content in certificates().items():
            (directory / file).write_bytes(content)
        process = subprocess.Popen(
            [sys.executable, "-m", "rating_harness.useragent", "script.json"],
            cwd=directory,
            stderr=subprocess.DEVNULL,
        )
        self.programs.append(Program(process, directory))
        begun = directory / "statistics.csv"
        await_condition(lambda: begun.exists() or process.poll() is not None, Deadline(10), "the agent's beginning")
        assert begun.exists(), (directory / "errors.log").read_text()
        return self.programs[-1]

    def callee_script(self, treatment: Treatment = Treatment(), **more: object) -> CalleeScript:  # noqa: B008
        requests: tuple[TimedRequest, ...] = more.pop("requests", ())  # type: ignore[assignment]
        call = CalleeCall("ana", "^t-ana-", (), treatment, requests)
        script = CalleeScript("carrier", Socket(self.callee, self.caller, "udp"), (call,))
        return replace(script, **more)  # type: ignore[arg-type]

    def caller_script(self, **more: object) -> CallerScript:
        script = CallerScript(
            name="t-ana",
            call="ana",
            socket=Socket(self.caller, self.callee, "udp"),
            call_ids=("t-ana-1@sip.test",),
            invite=SipRequest("INVITE", uri="sip:39@sip.test", cseq=CSeq(1)),
            from_value="<sip:1000@sip.test>",
            to_value="<sip:39@sip.test>",
            holds=(0.2,),
            sdp=SDP,
            patience=5.0,
        )
        return replace(script, **more)  # type: ignore[arg-type]

    def call(self, caller: CallerScript, callee: CalleeScript) -> tuple[Program, Program]:
        """Make the call, and wait for its end."""
        there = self.start("carrier", callee)
        here = self.start("caller", caller)
        assert here.process.wait(30) == 0, here.errors()
        assert there.end() == 0, there.errors()
        return here, there


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    for program in stage.programs:
        program.process.kill()
        program.process.wait(10)


def test_scripts_survive_json() -> None:
    stage = Stage(Path())
    request = TimedRequest(0, Happening("ringing", 0.5), SipRequest("BYE", headers={"X": ("1", "2"), "Via": ()}))
    for script in (
        stage.caller_script(requests=(request,), renewals=(Renewal(1.0, "UPDATE"),), cancel=Happening(None)),
        stage.callee_script(Treatment(refuse="486 Busy Here", headers=(("A", "b"),)), requests=(request,)),
        stage.callee_script(Treatment(forks=(Fork(("183 X",), late_answer=1.0), Fork(delay=0.5)))),
        SenderScript("s", Socket(stage.caller, stage.callee, "tcp"), ("\x00\xff",)),
    ):
        assert from_json(to_json(script)) == script


def test_a_call(stage: Stage) -> None:
    caller, carrier = stage.call(stage.caller_script(), stage.callee_script(Treatment(sdp=SDP)))
    assert caller.sent() == ["INVITE", "ACK", "BYE"]
    assert caller.received() == ["180/INVITE", "200/INVITE", "200/BYE"]
    assert carrier.received() == ["INVITE", "ACK", "BYE"]
    (answer,) = [m for m in caller.messages() if m.status == 200 and m.method == "INVITE"]
    assert f"c=IN IP4 {stage.callee.address}" in answer.body


@pytest.mark.parametrize("direction", ["", "a=sendonly"])
def test_an_offer_in_the_answer_is_answered_in_the_ack(stage: Stage, direction: str) -> None:
    offer = f"{SDP}\n{direction}".rstrip()
    asks = TimedRequest(0, Happening("answered", 0.1), SipRequest("INVITE"))
    script = stage.caller_script(sdp="", requests=(asks,), holds=(0.8,))
    _, carrier = stage.call(script, stage.callee_script(Treatment(sdp=offer)))
    acks = [m for m in carrier.messages() if m.method == "ACK"]
    assert len(acks) == 2
    for ack in acks:
        assert ack.header("Content-Type") == "application/sdp"
        assert f"c=IN IP4 {stage.caller.address}" in ack.body
        assert "m=audio 6000 RTP/AVP 8" in ack.body
        assert ("a=recvonly" in ack.body) == bool(direction)


def test_an_ack_has_no_answer_where_the_invite_had_the_offer(stage: Stage) -> None:
    asks = TimedRequest(0, Happening("answered", 0.1), SipRequest("INVITE", body=SDP))
    script = stage.caller_script(requests=(asks,), holds=(0.8,))
    _, carrier = stage.call(script, stage.callee_script(Treatment(sdp=SDP)))
    assert [m.body for m in carrier.messages() if m.method == "ACK"] == ["", ""]


@pytest.mark.parametrize(
    ("caller", "callee", "sent", "received"),
    [
        ({}, Treatment(refuse="486 Busy Here"), ["INVITE", "ACK"], ["180/INVITE", "486/INVITE"]),
        (
            {},
            Treatment(provisional=("150 X", "199 Y"), refuse="699 Z"),
            None,
            ["150/INVITE", "199/INVITE", "699/INVITE"],
        ),
        (
            {"cancel": Happening("ringing")},
            Treatment(ring=9.0),
            ["INVITE", "CANCEL", "ACK"],
            ["180/INVITE", "200/CANCEL", "487/INVITE"],
        ),
        (
            {"cancel": Happening("ringing")},
            Treatment(ring=600.0, answer_cancelled=True),
            ["INVITE", "CANCEL", "ACK", "BYE"],
            ["180/INVITE", "200/CANCEL", "200/INVITE", "200/BYE"],
        ),
        (
            {"hangup": False},
            Treatment(hang_up=0.2),
            ["INVITE", "ACK", "200/BYE"],
            ["180/INVITE", "200/INVITE", "BYE"],
        ),
        (
            {"renewals": (Renewal(0.1, "UPDATE"),), "holds": (0.4,)},
            Treatment(renewals=(Renewal(0.2, "INVITE"),)),
            ["INVITE", "ACK", "UPDATE", "200/INVITE", "BYE"],
            ["180/INVITE", "200/INVITE", "200/UPDATE", "INVITE", "ACK", "200/BYE"],
        ),
        (
            {"renewals": (Renewal(0.1, "INVITE"), Renewal(0.2, "UPDATE", sdp=SDP)), "holds": (0.5,)},
            "refuses",
            ["INVITE", "ACK", "INVITE", "ACK", "UPDATE", "BYE"],
            ["180/INVITE", "200/INVITE", "488/INVITE", "200/UPDATE", "200/BYE"],
        ),
        ({"bye": "wrong_cseq"}, Treatment(), ["INVITE", "ACK", "BYE", "BYE"], None),
        ({"bye": "wrong_tag"}, Treatment(), None, ["180/INVITE", "200/INVITE", "481/BYE", "200/BYE"]),
        (
            {"twice": ("INVITE", "ACK", "BYE")},
            Treatment(ring=0.2),
            ["INVITE", "INVITE", "ACK", "ACK", "BYE", "BYE"],
            None,
        ),
    ],
)
def test_what_each_side_can_do(
    stage: Stage,
    caller: dict[str, object],
    callee: Treatment | str,
    sent: list[str] | None,
    received: list[str] | None,
) -> None:
    there = stage.callee_script(callee if isinstance(callee, Treatment) else Treatment())
    if callee == "refuses":
        there = replace(there, calls=tuple(replace(each, refusals=("488 No", "")) for each in there.calls))
    program, _ = stage.call(stage.caller_script(**caller), there)
    assert sent is None or program.sent() == sent
    assert received is None or program.received() == received


def test_a_re_invite_that_meets_another_is_refused_with_491(stage: Stage) -> None:
    """Each side's goes out before the other's has come: a peer between them holds both back."""
    carrier = stage.start("carrier", stage.callee_script(Treatment(renewals=(Renewal(0.2, "INVITE", sdp=SDP),))))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
        caller.bind((stage.caller.address, stage.caller.port))
        caller.settimeout(10)
        there = (stage.callee.address, stage.callee.port)

        def read(start: str, method: str) -> Message:
            while True:
                message = Message.parse(caller.recv(65536))
                if message.method == method and message.start.startswith(start):
                    return message

        def request(method: str, number: int, to: str) -> bytes:
            lines = [
                f"{method} sip:39@{there[0]} SIP/2.0",
                f"Via: SIP/2.0/UDP {stage.caller.address}:5060;branch=z9hG4bK-{method}-{number}",
                "From: <sip:1000@sip.test>;tag=a", f"To: {to}", "Call-ID: t-ana-1@sip.test",
                f"CSeq: {number} {method}", f"Contact: <sip:1000@{stage.caller.address}>", "Content-Length: 0",
            ]  # fmt: skip
            return ("\r\n".join(lines) + "\r\n\r\n").encode()

        caller.sendto(request("INVITE", 1, "<sip:39@sip.test>"), there)
        to = read("SIP/2.0 200", "INVITE").header("To") or ""
        caller.sendto(request("ACK", 1, to), there)
        read("INVITE", "INVITE")
        caller.sendto(request("INVITE", 2, to), there)
        assert read("SIP/2.0 4", "INVITE").status == 491
    carrier.end()


def test_a_request_that_is_no_invite_ends_with_its_reply(stage: Stage) -> None:
    invite = SipRequest("MESSAGE", uri="sip:39@sip.test", cseq=CSeq(1))
    program, _ = stage.call(stage.caller_script(invite=invite, sdp=""), stage.callee_script())
    assert program.sent() == ["MESSAGE"]


def test_of_two_signals_at_once_the_request_that_is_first_in_the_file_goes_first(stage: Stage) -> None:
    requests = tuple(TimedRequest(n, Happening(None), SipRequest("INFO", body=f"{n}")) for n in range(3))
    there = stage.start("carrier", stage.callee_script())
    here = stage.start("caller", stage.caller_script(requests=requests, holds=(3.0,)))
    await_condition(lambda: "ACK" in here.sent(), Deadline(10), "the answer")
    here.process.send_signal(signal.SIGSTOP)
    for number in range(3):
        here.process.send_signal(signal.SIGRTMIN + number)
    here.process.send_signal(signal.SIGCONT)
    assert here.process.wait(30) == 0, here.errors()
    assert there.end() == 0
    assert [m.body for m in here.messages() if m.method == "INFO" and m.is_request] == ["0", "1", "2"]


def test_a_cancelled_call_keeps_the_tag_of_its_answer(stage: Stage) -> None:
    caller, _ = stage.call(
        stage.caller_script(cancel=Happening("ringing")),
        stage.callee_script(Treatment(ring=600.0, answer_cancelled=True)),
    )
    tags = {m.method: tag_of(m.header("To") or "") for m in caller.messages() if m.direction == "sent"}
    (answer,) = [m for m in caller.messages() if m.status == 200 and m.method == "INVITE"]
    assert tags["ACK"] == tags["BYE"] == tag_of(answer.header("To") or "") is not None
    assert tags["CANCEL"] is None


def request_at(event: str, request: SipRequest, delay: float = 0.1) -> TimedRequest:
    return TimedRequest(0, Happening(event, delay), request)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        (request_at("answered", SipRequest("BYE", cseq=CSeq(1))), "500/BYE"),
        (request_at("answered", SipRequest("BYE", cseq=CSeq(0))), "500/BYE"),
        (request_at("answered", SipRequest("INFO", cseq=CSeq(2**31))), "400/INFO"),
        (request_at("answered", SipRequest("INFO", headers={"Require": ("x,y",)})), "420/INFO"),
        (request_at("answered", SipRequest("FOO")), "405/FOO"),
        (request_at("answered", SipRequest("INFO", swap=True)), "481/INFO"),
        (request_at("answered", SipRequest("MESSAGE", body="hello")), "200/MESSAGE"),
        (request_at("ringing", SipRequest("UPDATE"), 0.0), "200/UPDATE"),
        (request_at("ended", SipRequest("BYE")), "481/BYE"),
    ],
)
def test_a_carrier_keeps_to_the_rules(stage: Stage, request_: TimedRequest, reply: str) -> None:
    """RFC 3261 sections 8.1.1.5, 8.2.1, 8.2.2.3, 12.2.2 and 15.1.2; the call itself goes on as it should."""
    caller, _ = stage.call(
        stage.caller_script(requests=(request_,), holds=(0.5,)), stage.callee_script(Treatment(ring=0.2))
    )
    assert reply in caller.received()
    assert "200/INVITE" in caller.received()
    (own,) = [m for m in caller.messages() if m.is_request and "request-0" in (m.header("Via") or "")]
    assert own.method == reply.split("/")[1]
    (answer,) = [m for m in caller.messages() if m.header("Via") == own.header("Via") and m.status]
    assert answer.status == int(reply[:3])
    assert tag_of(answer.header("To") or "") is not None


DIALOG = "t-ana-1@sip.test;to-tag=first;from-tag=t-ana-1"


@pytest.mark.parametrize(
    ("replaces", "hold", "reply"),
    [
        (DIALOG, 9.0, "200/INVITE"),
        (DIALOG.replace("first", "second"), 1.2, "481/INVITE"),
        (DIALOG.replace("from-tag=t-ana-1", "from-tag=x"), 1.2, "481/INVITE"),
        (f"{DIALOG};early-only", 1.2, "486/INVITE"),
        ("t-ana-1@sip.test;to-tag=first", 1.2, "400/INVITE"),
        (DIALOG, 0.1, "603/INVITE"),
    ],
)
def test_a_callee_gives_a_call_up_for_the_one_that_replaces_it(
    stage: Stage, replaces: str, hold: float, reply: str
) -> None:
    """RFC 3891 section 3."""
    invite = SipRequest("INVITE", uri="sip:39@sip.test", cseq=CSeq(1))
    plain = CallerVariant(invite, "<sip:1000@sip.test>", "<sip:39@sip.test>")
    replacing = replace(plain, invite=replace(invite, headers={"Replaces": (replaces,)}))
    caller, _ = stage.call(
        stage.caller_script(
            call_ids=("t-ana-1@sip.test", "t-ana-2@sip.test"),
            variants=(plain, replacing),
            holds=(hold, 0.2),
            spacing=0.6,
        ),
        stage.callee_script(
            calls=(
                CalleeCall("ana", "^t-ana-1", (), Treatment(), tag="first"),
                CalleeCall("bob", "^t-ana-2", (), Treatment()),
            )
        ),
    )
    first, second = ([m for m in caller.messages() if m.call_id == f"t-ana-{number}@sip.test"] for number in (1, 2))
    finals = [named(m) for m in second if m.is_final and m.method == "INVITE"]
    assert finals == [reply]
    is_replaced = reply == "200/INVITE"
    byes = [m.direction for m in first if m.is_request and m.method == "BYE"]
    assert byes == ["received" if is_replaced else "sent"]
    answers = [m for m in second if m.status == 200 and m.method == "INVITE"]
    assert [m.header("Supported") for m in answers] == (["replaces"] if is_replaced else [])


def test_a_callee_sends_requests_too(stage: Stage) -> None:
    info = request_at("answered", SipRequest("INFO", body="x", headers={"Content-Type": ("text/plain",)}))
    caller, _ = stage.call(stage.caller_script(holds=(0.5,)), stage.callee_script(requests=(info,)))
    assert caller.received()[2] == "INFO"


def test_a_request_that_is_signalled_goes_out_then(stage: Stage) -> None:
    waiting = TimedRequest(3, Happening(None), SipRequest("OPTIONS"))
    carrier = stage.start("carrier", stage.callee_script())
    caller = stage.start("caller", stage.caller_script(requests=(waiting,), holds=(2.0,)))
    await_condition(lambda: "ACK" in caller.sent(), Deadline(10), "the caller's ACK")
    assert "OPTIONS" not in caller.sent()
    os.kill(caller.process.pid, signal.SIGRTMIN + 3)
    assert caller.process.wait(20) == 0, caller.errors()
    assert "200/OPTIONS" in caller.received()
    assert json.loads((caller.directory / "unsent.json").read_text()) == []
    carrier.end()


def test_a_request_whose_moment_never_comes_is_told_with_the_reason(stage: Stage) -> None:
    never = TimedRequest(0, Happening("answered"), SipRequest("BYE"))
    unknown = TimedRequest(1, Happening("started"), SipRequest("BYE", headers={"X": ("{to_tag}",)}))
    caller, _ = stage.call(
        stage.caller_script(requests=(never, unknown), patience=1.0, holds=(0.1,)),
        stage.callee_script(Treatment(delay=0.3, refuse="486 Busy Here")),
    )
    unsent = {index: why for _, index, why in json.loads((caller.directory / "unsent.json").read_text())}
    assert "never came" in unsent[0]
    assert "to_tag" in unsent[1]


def test_a_request_is_sent_as_often_as_it_is_said(stage: Stage) -> None:
    flood = request_at("answered", SipRequest("OPTIONS", times=20, every=0.01))
    caller, _ = stage.call(stage.caller_script(requests=(flood,), holds=(1.0,)), stage.callee_script())
    assert caller.sent().count("OPTIONS") == 20
    assert len({m.header("Via") for m in caller.messages() if m.is_request and m.method == "OPTIONS"}) == 1


def test_a_caller_who_hangs_up_by_a_request_of_his_own_waits_for_no_other_bye(stage: Stage) -> None:
    bye = TimedRequest(0, Happening("answered", 0.1), SipRequest("BYE"))
    began = time.monotonic()
    here, there = stage.call(stage.caller_script(hangup=False, requests=(bye,), patience=20.0), stage.callee_script())
    assert time.monotonic() - began < 15, "not until its patience is over"
    assert here.sent() == ["INVITE", "ACK", "BYE"]
    assert here.received()[-1] == "200/BYE"
    assert there.received() == ["INVITE", "ACK", "BYE"]


@pytest.mark.parametrize(("lingers", "replies"), [(2.0, ["481/BYE"]), (0.0, [])])
def test_a_caller_that_lingers_refuses_what_comes_after_its_call(
    stage: Stage, lingers: float, replies: list[str]
) -> None:
    late = TimedRequest(0, Happening("ended", 0.3), SipRequest("BYE"))
    here, there = stage.call(stage.caller_script(lingers=lingers), stage.callee_script(requests=(late,)))
    assert there.received() == ["INVITE", "ACK", "BYE", *replies]
    assert here.sent()[3:] == replies


def test_who_has_vanished_says_nothing(stage: Stage) -> None:
    caller, _ = stage.call(
        stage.caller_script(vanish=Happening("answered", 0.1), hangup=False),
        stage.callee_script(Treatment(hang_up=0.4)),
    )
    assert caller.sent() == ["INVITE", "ACK"]


def test_a_phone_registers_with_credentials_and_leaves_nothing_behind(stage: Stage) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as registrar:
        registrar.bind((stage.caller.address, stage.caller.port))
        registrar.settimeout(10)
        request = SipRequest(
            "REGISTER", uri="sip:sip.test", headers={"Expires": ("60",)}, username="2000", password="secret"
        )
        registration = Registration(request, "reg@x", "<sip:2000@sip.test>", 60)
        directory = stage.directory / "carrier"
        directory.mkdir()
        (directory / "s.json").write_text(to_json(stage.callee_script(registration=registration)))
        process = subprocess.Popen([sys.executable, "-m", "rating_harness.useragent", "s.json"], cwd=directory)
        stage.programs.append(Program(process, directory))
        seen = []
        for _ in range(2):
            seen.append(answer(registrar, "401 Unauthorized", 'WWW-Authenticate: Digest realm="r", nonce="n"'))
            seen.append(answer(registrar, "200 OK"))
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert [message.header("Expires") for message in seen] == ["60", "60", "0", "0"]
    assert [message.cseq[0] for message in seen] == [1, 2, 3, 4]
    assert 'username="2000"' in (seen[1].header("Authorization") or "")
    assert seen[0].header("Contact") is not None


def answer(registrar: socket.socket, status: str, *headers: str) -> Message:
    data, peer = registrar.recvfrom(65535)
    message = Message.parse(data)
    copied = [f"{name}: {message.header(name)}" for name in ("Via", "From", "To", "Call-ID", "CSeq")]
    registrar.sendto("\r\n".join([f"SIP/2.0 {status}", *copied, *headers, "", ""]).encode(), peer)
    return message


def test_a_stranger_sends_octets_and_takes_down_what_comes_back(stage: Stage) -> None:
    carrier = stage.start("carrier", stage.callee_script())
    own = place()
    lines = [
        *(
            "OPTIONS sip:x SIP/2.0",
            f"Via: SIP/2.0/UDP {own};branch=z9hG4bK-s",
            "From: <sip:a@b>;tag=1",
            "To: <sip:x@y>",
        ),
        *("Call-ID: a\x00b", "CSeq: 1 OPTIONS", "", ""),
    ]
    script = SenderScript(
        "s", Socket(own, stage.callee, "udp"), ("\r\n".join(lines), "\x00\xff"), times=3, listens=0.5
    )
    stranger = stage.start("stranger", script)
    assert stranger.process.wait(10) == 0, stranger.errors()
    assert stranger.sent() == ["OPTIONS"] * 3
    assert stranger.received() == ["200/OPTIONS"] * 3
    assert (stranger.directory / "octets.log").read_bytes().count(b"\x00\xff") == 3
    assert {message.call_id for message in carrier.messages()} == {"a\x00b"}
    carrier.end()


def test_an_invite_that_comes_again_is_one_call(stage: Stage) -> None:
    carrier = stage.start("carrier", stage.callee_script(Treatment(ring=0.3)))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind((stage.caller.address, stage.caller.port))
        peer.settimeout(5)
        lines = [
            *("INVITE sip:x SIP/2.0", f"v: SIP/2.0/UDP {stage.caller};branch=z9hG4bK-i", "f: <sip:a@b>;tag=1"),
            *("to : <sip:x;user=phone@y>", "i: t-ana-1@x", "cseq: 1 INVITE", "m: <sip:a@127.0.0.1>", "", ""),
        ]
        for _ in range(3):
            peer.sendto("\r\n".join(lines).encode(), (stage.callee.address, stage.callee.port))
        replies = [Message.parse(peer.recv(65535)) for _ in range(4)]
    assert {reply.status for reply in replies} == {180, 200}
    assert len({tag_of(reply.header("To") or "") for reply in replies}) == 1
    assert (replies[0].header("To") or "").startswith("<sip:x;user=phone@y>;tag=")
    carrier.end()


def test_one_that_cannot_do_its_work_says_so(stage: Stage) -> None:
    carrier = stage.start("carrier", stage.callee_script())
    second = stage.directory / "second"
    second.mkdir()
    (second / "script.json").write_text(to_json(stage.callee_script()))
    process = subprocess.run(
        [sys.executable, "-m", "rating_harness.useragent", "script.json"],
        cwd=second,
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert process.returncode == FAILED
    assert "address already in use" in (second / "errors.log").read_text().lower()
    assert carrier.end() == 0


def test_a_caller_with_a_tag_of_its_own_has_no_other(stage: Stage) -> None:
    caller, _ = stage.call(stage.caller_script(from_value='"x" <sip:1000@sip.test>;tag=own'), stage.callee_script())
    assert {m.header("From") for m in caller.messages() if m.is_request} == {'"x" <sip:1000@sip.test>;tag=own'}


@pytest.mark.parametrize("loss", [100, 0])
def test_what_is_lost_arrives_nowhere(stage: Stage, loss: float) -> None:
    _, carrier = stage.call(stage.caller_script(loss=loss, patience=1.0), stage.callee_script())
    assert (carrier.received() == []) is (loss == 100)


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_over_a_stream(stage: Stage, transport: Literal["tcp", "tls"]) -> None:
    caller, callee = stage.caller_script(), stage.callee_script()
    here, _ = stage.call(
        replace(caller, socket=replace(caller.socket, transport=transport)),
        replace(callee, socket=replace(callee.socket, transport=transport)),
    )
    assert here.received() == ["180/INVITE", "200/INVITE", "200/BYE"]
    assert {message.transport for message in here.messages()} == {transport}


def _invite(**headers: tuple[str, ...]) -> SipRequest:
    return SipRequest("INVITE", uri="sip:39@sip.test", cseq=CSeq(1), headers=dict(headers))


@pytest.mark.parametrize(
    ("header", "reliable", "pracks", "final"),
    [
        ("Require", "where required", 2, "200/INVITE"),
        ("Require", "where supported", 2, "200/INVITE"),
        ("Require", "never", 0, "420/INVITE"),
        ("Supported", "where required", 0, "200/INVITE"),
        ("Supported", "where supported", 2, "200/INVITE"),
        ("Supported", "never", 0, "200/INVITE"),
    ],
)
def test_provisional_replies_are_reliable_where_they_have_to_be(
    stage: Stage, header: str, reliable: str, pracks: int, final: str
) -> None:
    treatment = Treatment(provisional=("183 X", "180 Y"), early_sdp=SDP, sdp=SDP, reliable=reliable)  # type: ignore[arg-type]
    invite = _invite(**{header: ("timer, 100rel" if header == "Supported" else "100rel",)})
    caller, carrier = stage.call(stage.caller_script(invite=invite), stage.callee_script(treatment))
    assert carrier.received().count("PRACK") == pracks
    assert caller.received().count("200/PRACK") == pracks
    assert final in caller.received()
    reliably = [m for m in caller.messages() if m.status in (180, 183) and m.header("RSeq")]
    assert [m.header("RSeq") for m in reliably] == ["1", "2"][:pracks]
    assert [m.header("RAck") for m in carrier.messages() if m.method == "PRACK" and m.is_request] == [
        "1 1 INVITE", "2 1 INVITE",
    ][:pracks]  # fmt: skip


@pytest.mark.parametrize("side", ["caller", "callee"])
def test_an_update_before_the_answer(stage: Stage, side: str) -> None:
    renewal = (Renewal(0.1, "UPDATE", "ringing", SDP),)
    treatment = Treatment(ring=0.4, sdp=SDP, renewals=renewal if side == "callee" else ())
    script = stage.caller_script(renewals=renewal if side == "caller" else ())
    caller, carrier = stage.call(script, stage.callee_script(treatment))
    there = carrier if side == "caller" else caller
    (update,) = [m for m in there.messages() if m.method == "UPDATE" and m.is_request]
    (answer,) = [m for m in caller.messages() if m.method == "INVITE" and m.status == 200]
    assert update.body
    assert update.at < answer.at
    assert "BYE" in carrier.received()


def _tags(messages: list[SipMessage], name: str) -> list[str]:
    """Which callee each message is of: ``call``, ``fork-1`` and so on, by the tag of its To."""
    tags = [tag_of(m.header("To") or "") or "" for m in messages if named(m) == name]
    return [f"fork-{tag.partition('-fork-')[2]}" if "-fork-" in tag else "call" for tag in tags]


def test_an_invite_that_is_forked_has_a_dialog_for_each_callee(stage: Stage) -> None:
    forks = (Fork(("183 X",), early_sdp=SDP), Fork(("180 X",), delay=0.2))
    treatment = Treatment(ring=0.6, sdp=SDP, forks=forks)
    caller, carrier = stage.call(stage.caller_script(), stage.callee_script(treatment))
    assert caller.received() == ["180/INVITE", "183/INVITE", "180/INVITE", "200/INVITE", "200/BYE"]
    assert _tags(caller.messages(), "180/INVITE") == ["call", "fork-2"]
    assert _tags(caller.messages(), "183/INVITE") == ["fork-1"]
    assert [bool(m.body) for m in caller.messages() if m.status in (180, 183)] == [False, True, False]
    contacts = [m.header("Contact") for m in caller.messages() if m.direction == "received" and m.method == "INVITE"]
    assert len(set(contacts)) == 3
    assert contacts[0] == contacts[-1]
    assert _tags(carrier.messages(), "ACK") == ["call"]
    assert _tags(carrier.messages(), "BYE") == ["call"]


def test_each_early_dialog_has_pracks_of_its_own(stage: Stage) -> None:
    treatment = Treatment(
        ring=0.5, sdp=SDP, reliable="where required", forks=(Fork(("183 X", "180 X"), early_sdp=SDP),)
    )
    caller, carrier = stage.call(
        stage.caller_script(invite=_invite(Require=("100rel",))), stage.callee_script(treatment)
    )
    assert sorted(_tags(carrier.messages(), "PRACK")) == ["call", "fork-1", "fork-1"]
    assert caller.received().count("200/PRACK") == 3
    assert caller.sent()[-2:] == ["ACK", "BYE"]


def test_a_second_answer_is_acknowledged_and_hung_up(stage: Stage) -> None:
    treatment = Treatment(sdp=SDP, forks=(Fork((), late_answer=0.2),))
    caller, carrier = stage.call(stage.caller_script(holds=(1.5,)), stage.callee_script(treatment))
    assert _tags(caller.messages(), "200/INVITE") == ["call", "fork-1"]
    assert _tags(carrier.messages(), "ACK") == ["call", "fork-1"]
    assert sorted(_tags(carrier.messages(), "BYE")) == ["call", "fork-1"]
    assert caller.received().count("200/BYE") == 2


@pytest.mark.parametrize("refuse", ["", "486 Busy Here"])
def test_forks_ring_no_more_once_the_call_is_cancelled_or_refused(stage: Stage, refuse: str) -> None:
    treatment = Treatment(ring=0.2 if refuse else 5.0, refuse=refuse, forks=(Fork(delay=1.2, late_answer=0.1),))
    later = TimedRequest(0, Happening("ended", 1.6), SipRequest("OPTIONS"))
    script = stage.caller_script(cancel=None if refuse else Happening("ringing", 0.1), requests=(later,))
    caller, _ = stage.call(script, stage.callee_script(treatment))
    assert caller.received().count("180/INVITE") == 1
    assert caller.received()[-1] == "200/OPTIONS"
    assert "200/INVITE" not in caller.received()


def test_a_tag_of_the_authors_own_is_kept(stage: Stage) -> None:
    caller, _ = stage.call(
        stage.caller_script(from_value='"A" <sip:1000@sip.test>;tag=mine'), stage.callee_script(Treatment(sdp=SDP))
    )
    assert {m.header("From") for m in caller.messages()} == {'"A" <sip:1000@sip.test>;tag=mine'}
