"""Each fault, as a client at the socket sees it, and as it is recorded."""

from __future__ import annotations

import gzip
import json
import socket
import time
from typing import Any

import pytest

from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import UsageError
from rating_harness.rating.address import Address
from rating_harness.tap.exchange import Exchange
from rating_harness.tap.faults import (
    Answer,
    Close,
    Drip,
    Duplicate,
    Edit,
    Encoded,
    Fault,
    Garbage,
    Malformed,
    Partial,
    Refuse,
    Regex,
    Reset,
    Silence,
    parse_faults,
)
from tests.unit.tap.bench import AUTHORIZED, Agent, Tap, ask, read, request, running_tap


def ended(tap: Tap) -> Exchange:
    """The first exchange, once it has ended."""
    return tap.client.wait_for(lambda exchange: not exchange.pending, Deadline(30), "the end of an exchange")


def test_without_a_fault_the_agent_answers(tap: Tap, agent: Agent) -> None:
    seen = tap.post()
    assert (seen.status, seen.json, seen.header("x-engine"), seen.end) == (200, AUTHORIZED, "yes", "fin")
    assert ended(tap).fault is None


def test_delay_comes_after_the_agent_has_done_its_work(tap: Tap, agent: Agent) -> None:
    tap.client.set_faults(Fault(delay=1.5))
    seen = tap.post()
    assert (seen.status, seen.json) == (200, AUTHORIZED)
    assert seen.seconds >= 1.5
    exchange = ended(tap)
    assert exchange.kind == "delay"
    assert exchange.upstream[0].answered - exchange.received < 1.4
    assert exchange.duration is not None
    assert exchange.duration >= 1.5


def test_delay_beyond_the_clients_patience(tap: Tap, agent: Agent) -> None:
    tap.client.set_faults(Fault(delay=30))
    assert tap.post(patience=0.1).data == b""
    exchange = ended(tap)
    assert (exchange.outcome, exchange.status, exchange.client_gone) == ("gone", None, True)
    assert [answer.status for answer in exchange.upstream] == [200]


def test_late_reaches_the_agent_although_the_client_has_gone(tap: Tap, agent: Agent) -> None:
    tap.client.set_faults(Fault(late=0.6))
    assert tap.post(patience=0.1).data == b""
    assert agent.requests == []
    exchange = ended(tap)
    assert (exchange.kind, exchange.outcome, len(agent.requests)) == ("late", "gone", 1)


@pytest.mark.parametrize(("after", "asked"), [("request", 0), ("upstream", 1)])
def test_silence_lasts_until_the_client_goes(tap: Tap, agent: Agent, after: str, asked: int) -> None:
    tap.client.set_faults(*parse_faults(json.dumps([{"action": {"kind": "silence", "after": after}}]).encode()))
    with tap.connect() as client:
        client.sendall(request())
        assert read(client, 0.2).end == "open"
        (pending,) = tap.client.exchanges().exchanges
        assert (pending.pending, pending.kind, len(agent.requests)) == (True, "silence", asked)
    exchange = ended(tap)
    assert (exchange.outcome, exchange.client_gone, len(exchange.upstream)) == ("silence", True, asked)


def test_status(tap: Tap, agent: Agent) -> None:
    tap.client.set_faults(Fault(Answer(503, "busy", headers={"Retry-After": "2"})))
    seen = tap.post()
    assert (seen.status, seen.body, seen.header("retry-after")) == (503, b"busy", "2")
    exchange = ended(tap)
    assert (exchange.status, exchange.answer, exchange.upstream, agent.requests) == (503, "busy", (), [])


def test_body_that_is_no_text_is_sent_as_json(tap: Tap) -> None:
    tap.client.set_faults(Fault(Answer(body={"authorized": "perhaps"})))
    seen = tap.post()
    assert (seen.status, seen.header("content-type")) == (200, "application/json")
    assert seen.json == {"authorized": "perhaps"} == ended(tap).answer_json


def test_edit_sets_wrong_types_and_removes_fields(tap: Tap) -> None:
    tap.client.set_faults(Fault(Edit(set={"max_available_units": "ten"}, remove=("carriers",))))
    seen = tap.post()
    assert (seen.json, seen.header("x-engine")) == ({"authorized": True, "max_available_units": "ten"}, "yes")
    exchange = ended(tap)
    assert json.loads(exchange.upstream[0].body) == AUTHORIZED
    assert exchange.answer_json == seen.json


def test_edit_of_what_is_no_json_is_said(tap: Tap, agent: Agent) -> None:
    agent.body = b"Internal Server Error"
    tap.client.set_faults(Fault(Edit(remove=("carriers",))))
    assert tap.post().status == 502
    assert "Internal Server Error" in ended(tap).error


def test_malformed_is_sound_http_and_broken_json(tap: Tap) -> None:
    tap.client.set_faults(Fault(Malformed()))
    seen = tap.post()
    assert (seen.status, seen.header("content-length"), seen.end) == (200, str(len(seen.body)), "fin")
    with pytest.raises(ValueError):
        json.loads(seen.body)
    assert json.dumps(AUTHORIZED).encode().startswith(seen.body)


def test_partial_then_close(tap: Tap) -> None:
    tap.client.set_faults(Fault(Partial()))
    seen = tap.post()
    whole = json.dumps(AUTHORIZED).encode()
    assert (seen.end, seen.header("content-length")) == ("fin", str(len(whole)))
    assert seen.body == whole[: len(whole) // 2]
    assert ended(tap).outcome == "partial"


def test_partial_then_hang(tap: Tap) -> None:
    tap.client.set_faults(Fault(Partial("hang", size=7)))
    seen = tap.post(patience=0.5)
    assert (seen.end, len(seen.body)) == ("open", 7)
    exchange = ended(tap)
    assert (exchange.outcome, len(exchange.answer), exchange.client_gone) == ("partial", 7, True)


def test_drip_is_whole_and_slow(tap: Tap) -> None:
    tap.client.set_faults(Fault(Drip(size=40, interval=0.05)))
    seen = tap.post()
    assert (seen.json, seen.end) == (AUTHORIZED, "fin")
    assert seen.seconds >= len(seen.data) // 40 * 0.05
    assert ended(tap).outcome == "answered"


def test_drip_that_the_client_does_not_wait_for(tap: Tap) -> None:
    tap.client.set_faults(Fault(Drip(size=8, interval=0.05)))
    assert tap.post(patience=0.12).end == "open"
    exchange = ended(tap)
    assert (exchange.outcome, exchange.client_gone) == ("partial", True)


def test_chunked_is_whole_in_several_chunks(tap: Tap) -> None:
    tap.client.set_faults(Fault(Encoded("chunked")))
    seen = tap.post(patience=0.5)
    whole = json.dumps(AUTHORIZED).encode()
    assert (seen.header("transfer-encoding"), seen.header("content-length")) == ("chunked", None)
    body, chunks = seen.body, []
    while body:
        size, _, body = body.partition(b"\r\n")
        chunk, end, body = body[: int(size, 16)], body[int(size, 16) :][:2], body[int(size, 16) + 2 :]
        assert end == b"\r\n"
        chunks.append(chunk)
    assert len(chunks) > 2
    assert chunks[-1] == b""
    assert b"".join(chunks) == whole
    exchange = ended(tap)
    assert (exchange.outcome, exchange.answer) == ("answered", whole.decode())


def test_gzip_is_the_answer_compressed(tap: Tap) -> None:
    tap.client.set_faults(Fault(Encoded("gzip")))
    seen = tap.post()
    assert seen.header("content-encoding") == "gzip"
    assert seen.header("content-length") == str(len(seen.body))
    assert json.loads(gzip.decompress(seen.body)) == AUTHORIZED
    assert ended(tap).outcome == "answered"


@pytest.mark.parametrize(("after", "asked"), [("request", 0), ("upstream", 1)])
def test_reset(tap: Tap, agent: Agent, after: str, asked: int) -> None:
    tap.client.set_faults(*parse_faults(json.dumps([{"action": {"kind": "reset", "after": after}}]).encode()))
    seen = tap.post()
    assert (seen.end, seen.data, len(agent.requests)) == ("reset", b"", asked)
    assert (ended(tap).outcome, ended(tap).status) == ("reset", None)


def test_close_without_an_answer(tap: Tap, agent: Agent) -> None:
    tap.client.set_faults(Fault(Close(after="upstream")))
    seen = tap.post()
    assert (seen.end, seen.data, len(agent.requests)) == ("fin", b"", 1)
    assert ended(tap).outcome == "closed"


def test_garbage(tap: Tap, agent: Agent) -> None:
    tap.client.set_faults(Fault(Garbage("SSH-2.0-no\r\n")))
    seen = tap.post()
    assert (seen.data, seen.end, agent.requests) == (b"SSH-2.0-no\r\n", "fin", [])
    assert (ended(tap).outcome, ended(tap).answer) == ("garbage", "SSH-2.0-no\r\n")


@pytest.mark.parametrize(("answer", "ok"), [("first", True), ("last", False)])
def test_duplicate(tap: Tap, agent: Agent, answer: str, ok: bool) -> None:
    agent.answers = lambda number: json.dumps({"ok": number == 1}).encode()
    fault = {"action": {"kind": "duplicate", "answer": answer}}
    tap.client.set_faults(*parse_faults(json.dumps([fault]).encode()))
    assert tap.post("/v1/end_transaction").json == {"ok": ok}
    assert agent.requests[0][:3] == agent.requests[1][:3]
    assert [json.loads(each.body)["ok"] for each in ended(tap).upstream] == [True, False]


def test_delay_goes_with_other_faults(tap: Tap) -> None:
    tap.client.set_faults(Fault(Answer(500), delay=0.2), Fault(Reset(), path="/other", delay=0.2))
    answered, reset = tap.post(), tap.post("/other")
    assert (answered.status, answered.seconds >= 0.2) == (500, True)
    assert (reset.status, tap.client.faults()[1].applied) == (500, 0)


def test_refuse_closes_the_door_until_it_is_disarmed(tap: Tap) -> None:
    with tap.connect() as idle:
        assert ask(idle).status == 200
        (fault,) = tap.client.set_faults(Fault(Refuse()))
        assert read(idle, 30).end == "fin"
    with pytest.raises(ConnectionRefusedError):
        tap.connect()
    tap.client.arm(fault, False)
    assert tap.post().status == 200
    tap.client.arm(fault)
    with pytest.raises(ConnectionRefusedError):
        tap.connect()
    tap.client.remove_faults()
    assert tap.post().status == 200


def test_refuse_lets_the_request_in_hand_be_answered(tap: Tap) -> None:
    tap.client.set_faults(Fault(delay=1.5))
    with tap.connect() as client:
        client.sendall(request())
        tap.client.wait_for(lambda exchange: exchange.pending, Deadline(30), "a request")
        tap.client.add_faults(Fault(Refuse()))
        seen = read(client, 30)
    assert (seen.status, seen.end) == (200, "fin")


def test_refuse_on_a_unix_socket(socket_path: str, agent: Agent) -> None:
    with running_tap(agent.url, Address(path=socket_path)) as tap, socket.socket(socket.AF_UNIX) as client:
        tap.client.set_faults(Fault(Refuse()))
        with pytest.raises(ConnectionRefusedError):
            client.connect(socket_path)
        tap.client.remove_faults()
        client.connect(socket_path)
        client.sendall(request(keep_alive=False))
        assert read(client, 30).status == 200


class TestSelection:
    """Which requests a fault is applied to. A fault answers 599, the agent 200."""

    def statuses(self, tap: Tap, *requests: tuple[str, dict[str, Any]]) -> list[bool]:
        return [tap.post(path, fields).status == 599 for path, fields in requests]

    def test_path_whole_or_last_segment(self, tap: Tap) -> None:
        paths: list[tuple[str, dict[str, Any]]] = [
            ("/v1/authorization", {}),
            ("/v2/authorization", {}),
            ("/v1/authorization/x", {}),
        ]
        tap.client.set_faults(Fault(Answer(599), path="authorization"))
        assert self.statuses(tap, *paths) == [True, True, False]
        tap.client.set_faults(Fault(Answer(599), path="/v1/authorization"))
        assert self.statuses(tap, *paths) == [True, False, False]

    @pytest.mark.parametrize(
        ("nth", "count", "hit"),
        [
            (1, None, [True, True, True, True]),
            (1, 3, [True, True, True, False]),
            (2, 1, [False, True, False, False]),
            (3, None, [False, False, True, True]),
        ],
    )
    def test_number(self, tap: Tap, nth: int, count: int | None, hit: list[bool]) -> None:
        tap.client.set_faults(Fault(Answer(599), path="end_transaction", nth=nth, count=count))
        end: tuple[str, dict[str, Any]] = ("/v1/end_transaction", {})
        assert self.statuses(tap, ("/v1/begin_transaction", {}), *[end] * 4) == [False, *hit]
        (state,) = tap.client.faults()
        assert (state.seen, state.applied) == (4, sum(hit))

    def test_fields(self, tap: Tap) -> None:
        tap.client.set_faults(Fault(Answer(599), match={"account_tag": "1000", "transaction_tag": Regex("^a.*z$")}))
        fit: dict[str, Any] = {"account_tag": "1000", "transaction_tag": "abz"}
        others: list[dict[str, Any]] = [{"account_tag": "1001"}, {"account_tag": 1000}, {"transaction_tag": "ab"}]
        bodies = [fit, *(fit | other for other in others), {}]
        assert self.statuses(tap, *(("/x", body) for body in bodies)) == [True, False, False, False, False]

    def test_first_in_the_list_alone_is_applied(self, tap: Tap) -> None:
        tap.client.set_faults(Fault(Answer(599), count=1, id="once"), Fault(Answer(598), nth=2, count=5, id="after"))
        assert [tap.post().status for _ in range(3)] == [599, 598, 598]
        assert [(each.fault.id, each.seen, each.applied) for each in tap.client.faults()] == [
            ("once", 3, 1),
            ("after", 3, 2),
        ]

    def test_armed_and_disarmed(self, tap: Tap) -> None:
        (fault,) = tap.client.set_faults(Fault(Answer(599), armed=False))
        assert tap.post().status == 200
        tap.client.arm(fault)
        assert tap.post().status == 599
        tap.client.arm(fault, False)
        assert tap.post().status == 200
        assert tap.client.faults()[0].applied == 1


class TestValues:
    def test_json_form_is_the_same_in_both_directions(self, tap: Tap) -> None:
        faults = [
            Fault(Answer(500, {"a": [1]}, {"X": "y"}), path="authorization", match={"a": Regex("b")}, id="one"),
            Fault(Edit({"a": None}, ("b",)), late=0.5, delay=1.5, nth=2, count=3, armed=False, id="two"),
            Fault(Partial("hang", 3), match={"a": "b", "c": 1, "d": True, "e": None}, id="three"),
            Fault(Duplicate("last"), id="four"),
            Fault(Silence("upstream"), id="five"),
        ]
        tap.client.set_faults(*faults)
        assert [state.fault for state in tap.client.faults()] == faults

    def test_they_can_be_looked_up(self) -> None:
        answer, edit = Fault(Answer(500, {"a": []}, {"X": "y"}), match={"a": "b"}), Fault(Edit({"a": []}))
        assert {answer: 1, edit: 2}[Fault(Answer(500, {"a": []}, {"X": "y"}), match={"a": "b"})] == 1

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("{", "Invalid JSON"),
            ("{}", "array"),
            ('[{"action": {"kind": "dely"}}]', "'pass', 'silence'"),
            ('[{"action": {"kind": "drip", "speed": 1}}]', "speed"),
            ('[{"pth": "x"}]', "pth"),
            ('[{"nth": 0}]', "'nth'"),
            ('[{"delay": -1}]', "'delay'"),
            ('[{"match": {"a": {"regex": "("}}}]', "'('"),
            ('[{"action": {"kind": "answer", "status": 100}}]', "200 to 999"),
            ('[{"action": {"kind": "refuse"}, "path": "x"}]', "'refuse'"),
        ],
    )
    def test_mistakes_are_named(self, text: str, said: str) -> None:
        with pytest.raises(UsageError) as caught:
            parse_faults(text.encode())
        assert said in str(caught.value)


def test_waiting_faults_do_not_hold_the_stop_up(agent: Agent) -> None:
    begun = time.monotonic()
    with running_tap(agent.url) as tap, tap.connect() as client:
        tap.client.set_faults(Fault(late=60))
        client.sendall(request())
        await_condition(lambda: tap.client.exchanges().exchanges, Deadline(30), "the request's arrival")
    assert time.monotonic() - begun < 50
