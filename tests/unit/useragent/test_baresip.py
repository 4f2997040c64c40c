"""baresip as an end: its control interface, its files, its trace, and what it's made to do at which moment."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rating_harness.useragent.baresip.configuration import MODULES, accounts_of, configuration_of, user_of
from rating_harness.useragent.baresip.ends import Callee, Caller, call_of
from rating_harness.useragent.baresip.netstring import Decoder, NetstringError, encode
from rating_harness.useragent.baresip.process import BaresipError, CallState
from rating_harness.useragent.baresip.sip_trace import Traced, TraceReader
from rating_harness.useragent.dialog import Place, SipRequest
from rating_harness.useragent.message import Message
from rating_harness.useragent.script import (
    CalleeCall,
    CalleeScript,
    CallerScript,
    Happening,
    Renewal,
    Socket,
    Treatment,
)

SOCKET = Socket(Place("198.18.0.66", 5060), Place("198.18.0.12", 5060), "udp")


# --- netstrings -----------------------------------------------------------------------------------------------------


@given(st.lists(st.dictionaries(st.text(), st.text() | st.booleans()), max_size=4), st.data())
def test_what_is_encoded_is_decoded_however_it_is_cut(values: list[dict[str, Any]], data: st.DataObject) -> None:
    stream = b"".join(map(encode, values))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    decoder = Decoder()
    pieces = [stream[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert [each for piece in pieces for each in decoder.feed(piece)] == values


def test_a_command_is_a_netstring_of_json() -> None:
    assert encode({"command": "hangup"}) == b'21:{"command": "hangup"},'


@pytest.mark.parametrize("stream", [b"x:{},", b"-1:{},", b"2:{};", b"3:[1],", b"2:{],", b"12345678901", b"9999999:{"])
def test_what_is_no_netstring_of_an_object_is_an_error(stream: bytes) -> None:
    with pytest.raises(NetstringError):
        list(Decoder().feed(stream))


def test_names_in_any_octets_are_taken() -> None:
    assert list(Decoder().feed(b'11:{"id":"\xff\t"},')) == [{"id": "\ufffd\t"}]


# --- the trace ------------------------------------------------------------------------------------------------------

BYE = (
    b"BYE sip:1000-0x55556fe9cc90@198.18.0.66:5060 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 198.18.0.12;branch=z9hG4bK753e.1\r\n"
    b"To: <sip:1000@sip.test>;tag=2640234b354b425e\r\n"
    b"From: <sip:39040123456@sip.test>;tag=24c6844367767920\r\n"
    b"Call-ID: e064f156b53d76c5\r\n"
    b"CSeq: 32607 BYE\r\n"
    b"Content-Length: 0\r\n"
    b"\r\n"
)
ANSWER = (
    b"SIP/2.0 200 OK\r\n"
    b"Via: SIP/2.0/UDP 198.18.0.12;branch=z9hG4bK753e.1\r\n"
    b"Call-ID: e064f156b53d76c5\r\n"
    b"CSeq: 32607 BYE\r\n"
    b"l: 9\r\n"
    b"\r\n"
    b"\x1b[;m\nrest"
)
"""Its body has what ends a message in the trace."""
UNSAID = b"MESSAGE sip:1000@198.18.0.66 SIP/2.0\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\n\r\nwithout a length"
PRINTED = (
    b"baresip is ready.\n\x1b[31mplay: /usr/share/baresip/ringback.wav: No such file or directory\n\x1b[;m"
    b"\r[0:00:02] audio=0/0 (bit/s)    \r"
    b"\x1b[36;1m#\nUDP 198.18.0.12:5060 -> 198.18.0.66:5060\n" + BYE + b"\x1b[;m\n"
    b"call: session closed\n"
    b"\x1b[36;1m#\nUDP 198.18.0.66:5060 -> 198.18.0.12:5060\n" + ANSWER + b"\x1b[;m\n"
    b"\x1b[36;1m#\nwhat is no line of addresses\n"
    b"\x1b[36;1m#\nTCP 198.18.0.12:42526 -> 198.18.0.12:5060\n" + UNSAID + b"\x1b[;m\n"
    b"terminated by signal 15\n"
)
MESSAGES = [
    Traced("udp", "198.18.0.12:5060", "198.18.0.66:5060", BYE),
    Traced("udp", "198.18.0.66:5060", "198.18.0.12:5060", ANSWER),
    Traced("tcp", "198.18.0.12:42526", "198.18.0.12:5060", UNSAID),
]


@given(st.lists(st.integers(0, len(PRINTED)), max_size=8))
def test_messages_are_read_out_of_all_that_is_printed_however_it_is_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(PRINTED)]
    reader = TraceReader()
    pieces = [PRINTED[begin:end] for begin, end in pairwise(places)]
    assert [each for piece in pieces for each in reader.feed(piece)] == MESSAGES


def test_a_message_that_is_cut_off_is_none() -> None:
    whole = b"\x1b[36;1m#\nUDP 1.2.3.4:5 -> 1.2.3.5:5\n" + BYE + b"\x1b[;m\n"
    assert list(TraceReader().feed(whole[:-1])) == []
    assert len(list(TraceReader().feed(whole))) == 1


def test_what_is_sent_is_told_from_what_is_received_over_tcp_too() -> None:
    sent = [each.is_sent_by("198.18.0.66", to="198.18.0.12:5060") for each in MESSAGES]
    assert sent == [False, True, True]


# --- files ----------------------------------------------------------------------------------------------------------


def caller(**others: Any) -> CallerScript:
    fields = {
        "name": "1f2e-ana",
        "call": "ana",
        "socket": SOCKET,
        "call_ids": ("1f2e-ana-1@sip.test",),
        "invite": SipRequest("INVITE", uri="sip:39040123456@sip.test"),
        "from_value": "<sip:1000@sip.test>",
        "to_value": "<sip:39040123456@sip.test>",
        "holds": (0.0,),
    }
    return CallerScript(**{**fields, **others})


def callee(*calls: tuple[str, tuple[str, str], Treatment]) -> CalleeScript:
    made = tuple(CalleeCall(name, f"^{name}", (), treatment, users=(users,)) for name, users, treatment in calls)
    return CalleeScript("carrier", SOCKET, made)


def test_its_configuration_loads_what_is_needed_and_limits_nothing() -> None:
    settings = [line.split("\t") for line in configuration_of(SOCKET, Path("/root/modules")).splitlines()]
    known = dict(settings)
    assert known["sip_listen"] == "198.18.0.66:5060"
    assert known["ctrl_tcp_listen"] == "198.18.0.66:4444"
    assert known["module_path"] == "/root/modules"
    assert [value for name, value in settings if name.startswith("module") and name != "module_path"] == [*MODULES]
    assert (known["call_max_calls"], known["call_local_timeout"], known["call_hold_other_calls"]) == ("0", "0", "no")


def test_a_callers_account_has_kamailio_for_its_outbound_proxy() -> None:
    tcp = Socket(SOCKET.local, SOCKET.kamailio, "tcp")
    invite = SipRequest("INVITE", uri="sip:39@sip.test", username="u", password="p")
    assert accounts_of(caller(socket=tcp, invite=invite)) == (
        '<sip:1000@sip.test>;regint=0;outbound="sip:198.18.0.12:5060;transport=tcp";auth_user=u;auth_pass=p\n'
    )
    assert "auth" not in accounts_of(caller())


def test_a_callee_has_an_account_for_each_number() -> None:
    plain = Treatment()
    accounts = accounts_of(callee(("a", ("1", "39"), plain), ("b", ("2", "39"), plain), ("c", ("1", "44"), plain)))
    assert [line.partition(">")[0] for line in accounts.splitlines()] == [
        "<sip:39@198.18.0.66",
        "<sip:44@198.18.0.66",
    ]


@pytest.mark.parametrize(
    ("value", "user"),
    [
        ('"Ana" <sip:1000@sip.test>;tag=1', "1000"),
        ("sip:1000@sip.test;tag=1", "1000"),
        ("<SIPS:+39@sip.test:5061;user=phone>", "+39"),
        ("<sip:sip.test>", ""),
        ("<tel:+39>", ""),
    ],
)
def test_users_are_read_out_of_from_and_to(value: str, user: str) -> None:
    assert user_of(value) == user


# --- what it's made to do -------------------------------------------------------------------------------------------


class FakeBaresip:
    """Takes commands as baresip does, and lets the test say what happens then."""

    def __init__(self, on: Callable[[FakeBaresip, str, str], None]) -> None:
        self._on = on
        self.done: list[str] = []
        self.calls: dict[str, CallState] = defaultdict(CallState)
        self.incoming: asyncio.Queue[str] = asyncio.Queue()

    async def command(self, name: str, parameters: str = "") -> str:
        self.done.append(f"{name} {parameters}".strip())
        self._on(self, name, parameters)
        return "call id: c1\n" if name == "dial" else ""

    async def command_of(self, call_id: str, *names: str) -> None:
        for name in names:
            if not self.calls[call_id].closed.is_set():
                await self.command(name, call_id)

    async def resume(self, call_id: str) -> None:
        await self.command("resume", call_id)


def answers(baresip: FakeBaresip, name: str, call_id: str) -> None:
    """Of a call: it's answered at once, and over once it's hung up."""
    if name in ("dial", "accept"):
        baresip.calls["c1" if name == "dial" else call_id].answered.set()
    if name == "hangup":
        baresip.calls[call_id].closed.set()


def rings(baresip: FakeBaresip, name: str, call_id: str) -> None:
    if name == "dial":
        baresip.calls["c1"].ringing.set()
    if name == "hangup":
        baresip.calls[call_id].closed.set()


def is_refused(baresip: FakeBaresip, name: str, call_id: str) -> None:
    baresip.calls["c1"].closed.set()


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


def called(script: CallerScript, on: Callable[[FakeBaresip, str, str], None]) -> list[str]:
    async def work() -> None:
        baresip = FakeBaresip(on)
        await Caller(script, baresip).run()  # type: ignore[arg-type]
        done.extend(baresip.done)

    done: list[str] = []
    run(work())
    return done


def renewal(direction: str) -> Renewal:
    return Renewal(0.0, "INVITE", sdp=f"v=0\na={direction}\n")


@pytest.mark.parametrize(
    ("script", "on", "done"),
    [
        (caller(), answers, ["dial sip:39040123456@sip.test", "hangup c1"]),
        (caller(), is_refused, ["dial sip:39040123456@sip.test"]),
        (caller(cancel=Happening("ringing")), rings, ["dial sip:39040123456@sip.test", "hangup c1"]),
        (caller(cancel=Happening("started"), hangup=False), rings, ["dial sip:39040123456@sip.test", "hangup c1"]),
        (caller(hangup=False, patience=0.0), answers, ["dial sip:39040123456@sip.test"]),
        (
            caller(renewals=(renewal("sendonly"), renewal("sendrecv")), holds=(0.5,)),
            answers,
            ["dial sip:39040123456@sip.test", "hold c1", "resume c1", "hangup c1"],
        ),
        (
            caller(renewals=(renewal("sendrecv"),), holds=(0.5,)),
            answers,
            ["dial sip:39040123456@sip.test", "callfind c1", "reinvite", "hangup c1"],
        ),
    ],
)
def test_a_caller_does_what_its_script_says(
    script: CallerScript, on: Callable[[FakeBaresip, str, str], None], done: list[str]
) -> None:
    assert called(script, on) == done


def test_what_is_cancelled_too_late_goes_on() -> None:
    assert called(caller(cancel=Happening("started", 0.0), holds=(0.2,)), answers).count("hangup c1") == 1


def test_a_caller_ends_when_its_requests_have_their_replies() -> None:
    ended: list[str] = []

    async def work() -> None:
        def hangs_up(baresip: FakeBaresip, name: str, call_id: str) -> None:
            answers(baresip, name, call_id)
            if name == "hangup":
                baresip.calls["c1"].note(Message.parse(BYE), sent=True)

        baresip = FakeBaresip(hangs_up)
        task = asyncio.ensure_future(Caller(caller(), baresip).run())  # type: ignore[arg-type]
        task.add_done_callback(lambda task: ended.append("caller"))
        while "hangup c1" not in baresip.done:
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        ended.append("reply")
        baresip.calls["c1"].note(Message.parse(ANSWER), sent=False)
        await task

    run(work())
    assert ended == ["reply", "caller"]


def test_a_call_that_can_not_be_made_is_an_error() -> None:
    def refuses(baresip: FakeBaresip, name: str, call_id: str) -> None:
        raise BaresipError("baresip refused")

    with pytest.raises(ExceptionGroup) as error:
        called(caller(), refuses)
    assert error.group_contains(BaresipError)


INVITE = "INVITE sip:{to}@sip.test SIP/2.0\r\nFrom: <sip:{from_}@sip.test>;tag=1\r\nTo: <sip:{to}@sip.test>\r\n\r\n"


def invite(from_: str, to: str) -> Message:
    return Message.parse(INVITE.format(from_=from_, to=to).encode())


def test_a_callee_knows_calls_by_their_users() -> None:
    script = callee(("ana", ("1000", "39"), Treatment()), ("bob", ("1000", "44"), Treatment()))
    names = [(call_of(script, invite(*users)) or CalleeCall("none", "", (), Treatment())).name for users in USERS]
    assert names == ["ana", "bob", "none"]


USERS = (("1000", "39"), ("1000", "44"), ("1001", "39"))


@pytest.mark.parametrize(
    ("treatment", "done"),
    [
        (Treatment(), ["accept c1"]),
        (Treatment(refuse="486 Busy Here"), ["hangup c1"]),
        (Treatment(hang_up=0.0), ["accept c1", "hangup c1"]),
        (Treatment(renewals=(renewal("sendonly"),), hang_up=0.5), ["accept c1", "hold c1", "hangup c1"]),
        (Treatment(refuse="480 Temporarily Unavailable"), ["dnd true", "hangup c1"]),
    ],
)
def test_a_callee_treats_calls_as_its_script_says(treatment: Treatment, done: list[str]) -> None:
    seen: list[str] = []

    async def work() -> None:
        baresip = FakeBaresip(answers)
        end = Callee(callee(("ana", ("1000", "39"), treatment)), baresip)  # type: ignore[arg-type]
        await end.begin()
        baresip.calls["c1"].invite = invite("1000", "39")
        baresip.incoming.put_nowait("c1")
        task = asyncio.ensure_future(end.run())
        while len(baresip.done) < len(done):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert end.made == 1
        seen.extend(baresip.done)

    run(work())
    assert seen == done


def test_a_call_that_is_none_of_the_scenarios_is_refused() -> None:
    seen: list[str] = []

    async def work() -> None:
        baresip = FakeBaresip(answers)
        end = Callee(callee(("ana", ("1000", "39"), Treatment())), baresip)  # type: ignore[arg-type]
        baresip.calls["c1"].invite = invite("1001", "39")
        baresip.incoming.put_nowait("c1")
        task = asyncio.ensure_future(end.run())
        while not baresip.done:
            await asyncio.sleep(0)
        assert not end.has_open_calls
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        seen.extend(baresip.done)

    run(work())
    assert seen == ["hangup c1"]
