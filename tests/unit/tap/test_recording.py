"""What the tap records, and how it passes requests on."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from rating_harness.deadline import Deadline
from rating_harness.errors import LabError, Timeout
from rating_harness.lab.protocol import Endpoint
from rating_harness.tap.client import TapClient
from rating_harness.tap.control import PAGE
from rating_harness.tap.exchange import Exchange
from rating_harness.tap.faults import Answer, Close, Fault
from tests.unit.tap.bench import AUTHORIZED, Agent, Tap, ask, read, request, running_agent, running_tap


def test_an_exchange_is_recorded_whole(tap: Tap, agent: Agent) -> None:
    before = time.time()
    tap.post("/v1/begin_transaction?x=1", {"transaction_tag": "a@b", "account_tag": "1000"})
    tap.post("/v1/end_transaction", {})
    tap.post("/v1/end_transaction", {})
    begin, end, again = tap.client.exchanges().exchanges
    assert (begin.method, begin.path, begin.query) == ("POST", "/v1/begin_transaction", "x=1")
    assert begin.endpoint == "begin_transaction"
    assert ("X-Client", "kamailio") in begin.headers
    assert json.loads(begin.body) == begin.json == {"transaction_tag": "a@b", "account_tag": "1000"}
    assert (begin.outcome, begin.status, begin.answer_json) == ("answered", 200, AUTHORIZED)
    assert begin.upstream[0].status == 200
    assert json.loads(begin.upstream[0].body) == AUTHORIZED
    assert begin.answered is not None
    sent, answered = begin.upstream[0].sent, begin.upstream[0].answered
    assert before <= begin.received <= sent <= answered <= begin.answered <= time.time()
    assert (begin.fault, begin.kind, begin.client_gone, begin.error, begin.pending) == (None, None, False, "", False)
    assert [(each.number, each.nth) for each in (begin, end, again)] == [(1, 1), (2, 1), (3, 2)]
    assert len({begin.connection, end.connection, again.connection}) == 3


def test_the_agent_gets_what_the_client_sent(tap: Tap, agent: Agent) -> None:
    tap.post("/v1/authorization?a=b%20c", {"account_tag": "ü"})
    ((method, path, body, headers),) = agent.requests
    assert (method, path, json.loads(body)) == ("POST", "/v1/authorization?a=b%20c", {"account_tag": "ü"})
    assert headers["X-Client"] == "kamailio"
    assert headers["host"] == agent.url.removeprefix("http://")
    assert "Connection" not in headers


def test_kept_alive_requests_share_a_connection(tap: Tap) -> None:
    with tap.connect() as client:
        for _ in range(3):
            assert ask(client).status == 200
    assert len({each.connection for each in tap.client.exchanges().exchanges}) == 1


def test_pipelined_requests_are_answered_in_order(tap: Tap) -> None:
    tap.client.set_faults(Fault(delay=0.2, count=1), Fault(Answer(204), nth=2))
    with tap.connect() as client:
        client.sendall(request() + request(keep_alive=False))
        seen = read(client, 30)
    assert seen.data.index(b"HTTP/1.1 200") < seen.data.index(b"HTTP/1.1 204")


def test_what_follows_on_a_connection_that_the_tap_closed_is_no_request(tap: Tap, agent: Agent) -> None:
    tap.client.set_faults(Fault(Close(), count=1))
    with tap.connect() as client:
        client.sendall(request() * 2)
        assert read(client, 30).data == b""
    assert [each.outcome for each in tap.client.exchanges().exchanges] == ["closed"]
    assert agent.requests == []


def test_a_request_in_pieces(tap: Tap, agent: Agent) -> None:
    data = request(fields={"a": "b"}, keep_alive=False)
    with tap.connect() as client:
        for start in range(0, len(data), 16):
            client.sendall(data[start : start + 16])
            time.sleep(0.001)
        assert read(client, 30).status == 200
    assert json.loads(agent.requests[0][2]) == {"a": "b"}


def test_a_chunked_request_that_expects_to_go_on(tap: Tap, agent: Agent) -> None:
    head = b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    with tap.connect() as client:
        client.sendall(head)
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"3\r\n{}\n\r\n0\r\n\r\n")
        assert read(client, 30).status == 200
    assert agent.requests[0][2] == b"{}\n"
    assert tap.client.exchanges().exchanges[0].body == "{}\n"


def test_what_is_no_http_is_recorded(tap: Tap, agent: Agent) -> None:
    with tap.connect() as client:
        client.sendall(b"INVITE sip:1@example.test SIP/2.0\r\n\r\n")
        assert read(client, 30).status == 400
    (exchange,) = tap.client.exchanges().exchanges
    assert (exchange.method, exchange.status, agent.requests) == ("", 400, [])
    assert exchange.body.startswith("INVITE sip:")
    assert exchange.error.startswith("not HTTP")


def test_bytes_that_are_no_text(tap: Tap) -> None:
    with tap.connect() as client:
        client.sendall(b"POST /x HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n\r\n\xff\x00a")
        read(client, 30)
    (exchange,) = tap.client.exchanges().exchanges
    assert (exchange.body, exchange.json) == ("\\xff\x00a", None)


def test_nothing_is_lost_under_concurrency(tap: Tap, agent: Agent) -> None:
    agent.answers = lambda number: json.dumps({"number": number}).encode()
    with httpx.Client(base_url=f"http://{tap.address}") as client, ThreadPoolExecutor(20) as pool:

        def call(tag: int) -> tuple[str, int]:
            answer = client.post("/v1/authorization", json={"transaction_tag": str(tag)})
            return str(tag), answer.json()["number"]

        answered = dict(pool.map(call, range(1000)))
    exchanges = tap.client.exchanges().exchanges
    assert {each.json["transaction_tag"]: each.answer_json["number"] for each in exchanges} == answered
    assert [each.number for each in exchanges] == list(range(1, 1001))
    assert sorted(each.nth for each in exchanges) == list(range(1, 1001))
    assert len(answered) == len(agent.requests) == 1000


def test_no_agent(tap: Tap) -> None:
    tap.client.set_upstream(None)
    assert tap.post().status == 502
    tap.client.set_upstream("http://127.0.0.1:9")
    assert tap.post().status == 502
    none, unreachable = tap.client.exchanges().exchanges
    assert (none.status, none.upstream, none.error) == (502, (), "the tap has no upstream")
    assert "127.0.0.1:9" in unreachable.error


def test_an_agent_that_answers_after_the_client_has_gone(tap: Tap, agent: Agent) -> None:
    go_on = threading.Event()
    agent.answers = lambda number: b"{}" if go_on.wait(5) else b""
    assert tap.post(patience=0.1).data == b""
    (exchange,) = tap.client.exchanges(wait=30).exchanges
    assert (exchange.pending, exchange.upstream) == (True, ())
    go_on.set()
    exchange = tap.client.wait_for(lambda each: not each.pending, Deadline(30), "the agent's answer")
    assert (exchange.outcome, exchange.upstream[0].body, exchange.client_gone) == ("gone", "{}", True)


@pytest.mark.parametrize("answer", [b"", b"not http\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"])
def test_an_agent_that_breaks_off(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, running_tap(_url(server)) as tap, tap.connect() as client:
        client.sendall(request(keep_alive=False))
        agent, _ = server.accept()
        with agent:
            agent.recv(65536)
            agent.sendall(answer)
        assert read(client, 30).status == 502
        (exchange,) = tap.client.exchanges().exchanges
        assert (exchange.status, exchange.upstream) == (502, ())
        assert exchange.error.startswith(_url(server))


def test_an_agent_whose_answer_ends_with_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, running_tap(_url(server)) as tap, tap.connect() as client:
        client.sendall(request(keep_alive=False))
        agent, _ = server.accept()
        with agent:
            agent.recv(65536)
            agent.sendall(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 203 Fine\r\n\r\nwhole")
        seen = read(client, 30)
    assert (seen.data.splitlines()[0], seen.body) == (b"HTTP/1.1 203 Fine", b"whole")


def _url(server: socket.socket) -> str:
    return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_another_agent(tap: Tap, agent: Agent) -> None:
    tap.post()
    with running_agent() as other:
        tap.client.set_upstream(other.url + "/below/")
        assert tap.client.upstream() == other.url + "/below/"
        tap.post()
        tap.client.set_upstream(None)
    assert (len(agent.requests), [path for _, path, *_ in other.requests]) == (1, ["/below/v1/authorization"])


def test_no_connection_to_the_agent_is_used_after_an_error(tap: Tap, agent: Agent) -> None:
    agent.status = 500
    with tap.connect() as client:
        for _ in range(20):
            assert ask(client).status == 500
    assert all(each.error == "" for each in tap.client.exchanges().exchanges)


def test_without_an_upstream_only_faults_answer() -> None:
    with running_tap() as tap:
        tap.client.set_faults(Fault(Answer(200, {"ok": True}), path="begin_transaction"))
        assert tap.post("/v1/begin_transaction").json == {"ok": True}
        assert tap.post("/v1/end_transaction").status == 502


class TestReading:
    def test_a_pending_exchange_shows_and_then_its_end(self, tap: Tap) -> None:
        tap.client.set_faults(Fault(delay=1.5))
        with tap.connect() as client:
            client.sendall(request())
            news = tap.client.exchanges(wait=30)
            assert [(each.number, each.outcome, each.duration) for each in news.exchanges] == [(1, "pending", None)]
            news = tap.client.exchanges(news.cursor, wait=30)
            assert [(each.number, each.outcome) for each in news.exchanges] == [(1, "answered")]
            begun = time.monotonic()
            assert tap.client.exchanges(news.cursor, wait=0.1).exchanges == ()
            assert 0.1 <= time.monotonic() - begun < 20

    def test_a_late_end_is_seen_by_who_has_read_past_its_number(self, tap: Tap) -> None:
        tap.client.set_faults(Fault(delay=1.5, count=1))
        with tap.connect() as slow:
            slow.sendall(request("/slow"))
            tap.client.exchanges(wait=30)
            tap.post("/fast")
            news = tap.client.exchanges()
            assert [(each.path, each.pending) for each in news.exchanges] == [("/slow", True), ("/fast", False)]
            news = tap.client.exchanges(news.cursor, wait=30)
        assert [(each.path, each.pending) for each in news.exchanges] == [("/slow", False)]

    def test_wait_for(self, tap: Tap) -> None:
        with ThreadPoolExecutor(1) as pool:
            found = pool.submit(tap.client.wait_for, lambda each: each.path == "/b", Deadline(30), "a request to /b")
            tap.post("/a")
            tap.post("/b")
            assert found.result().number == 2
        with pytest.raises(Timeout, match=r"a request to /c did not happen within 0\.1 s") as caught:
            tap.client.wait_for(lambda each: each.path == "/c", Deadline(0.1), "a request to /c")
        assert caught.value.found == "2 requests in all"

    def test_clear(self, tap: Tap) -> None:
        tap.client.set_faults(Fault(delay=1.5, count=1))
        with tap.connect() as client:
            client.sendall(request("/a", keep_alive=False))
            cursor = tap.client.exchanges(wait=30).cursor
            tap.client.clear()
            assert tap.client.exchanges().exchanges == ()
            assert read(client, 30).status == 200
        assert tap.client.exchanges(cursor).exchanges == ()
        tap.post("/a")
        (exchange,) = tap.client.exchanges(cursor).exchanges
        assert (exchange.number, exchange.nth) == (2, 1)

    def test_more_than_a_page(self, tap: Tap) -> None:
        tap.client.set_faults(Fault(Answer(204)))
        count = PAGE // 2 + 10
        with tap.connect() as client:
            client.sendall(request() * (count - 1) + request(keep_alive=False))
            read(client, 10)
        exchanges = tap.client.exchanges().exchanges
        assert [each.number for each in exchanges] == list(range(1, count + 1))
        assert {each.outcome for each in exchanges} == {"answered"}


class TestControl:
    def test_refusals_are_errors(self, tap: Tap) -> None:
        with pytest.raises(LabError, match="/faults/none") as caught:
            tap.client.remove_fault("none")
        assert caught.value.detail == "there is no fault 'none'"
        tap.client.add_faults(Fault(id="a"))
        with pytest.raises(LabError) as caught:
            tap.client.add_faults(Fault(id="a"))
        assert "there is a fault 'a' already" in str(caught.value)
        with pytest.raises(LabError) as caught:
            tap.client.set_upstream("ftp://agent")
        assert "http://HOST[:PORT][/PREFIX]" in str(caught.value)

    @pytest.mark.parametrize(
        ("method", "path", "body", "status"),
        [
            ("GET", "/status", None, 204),
            ("GET", "/exchanges?after=x", None, 400),
            ("GET", "/exchanges?wait=inf", None, 400),
            ("PUT", "/faults", "nonsense", 400),
            ("PUT", "/faults/a/armed", "1", 400),
            ("PUT", "/upstream", "5", 400),
            ("GET", "/nothing", None, 404),
        ],
    )
    def test_over_plain_http(self, tap: Tap, method: str, path: str, body: str | None, status: int) -> None:
        answer = httpx.request(method, f"http://{tap.control}{path}", content=body)
        assert answer.status_code == status
        assert status == 204 or answer.json()["error"]

    def test_ids(self, tap: Tap) -> None:
        assert tap.client.set_faults(Fault(), Fault(id="f2"), Fault(id="a/b"), Fault()) == ("f1", "f2", "a/b", "f3")
        assert tap.client.add_faults(Fault()) == ("f4",)
        tap.client.arm("a/b", False)
        tap.client.remove_fault("f2")
        assert [(each.fault.id, each.fault.armed) for each in tap.client.faults()] == [
            ("f1", True),
            ("a/b", False),
            ("f3", True),
            ("f4", True),
        ]

    def test_a_tap_that_is_not_there(self) -> None:
        with TapClient(Endpoint("http://127.0.0.1:9")) as client, pytest.raises(LabError):
            client.check()


def test_exchange_values() -> None:
    exchange = Exchange(1, 1, 1, 10.0, "POST", "/v1/end_transaction", "", (), "no json")
    assert (exchange.endpoint, exchange.json, exchange.duration, exchange.pending) == (
        "end_transaction",
        None,
        None,
        True,
    )


def test_what_was_read_can_be_forgotten(tap: Tap, agent: Agent) -> None:
    tap.post("/v1/begin_transaction", {})
    read_to = tap.client.exchanges().cursor
    tap.post("/v1/end_transaction", {})
    tap.client.forget(read_to)
    assert [each.endpoint for each in tap.client.exchanges().exchanges] == ["end_transaction"]
    assert [each.number for each in tap.client.exchanges(read_to).exchanges] == [2]


def test_a_pending_exchange_isnt_forgotten(tap: Tap, agent: Agent) -> None:
    tap.client.set_faults(Fault(Answer(200, "{}"), delay=1.5))
    with ThreadPoolExecutor() as pool:
        posted = pool.submit(tap.post, "/v1/begin_transaction", {})
        pending = tap.client.wait_for(lambda each: each.pending, Deadline(30), "a pending exchange")
        reached = tap.client.exchanges().cursor
        tap.client.forget(reached)
        posted.result()
    assert [(each.number, each.pending) for each in tap.client.exchanges(reached).exchanges] == [
        (pending.number, False)
    ]
