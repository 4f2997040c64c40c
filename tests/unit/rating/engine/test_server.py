"""The engine as a process: addresses, signals, what it keeps, and what it shows of itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import UsageError
from rating_harness.rating.address import Address
from rating_harness.rating.engine import server
from tests.unit.rating.engine.conftest import COMMAND, HTTP, SEED, Engine, Start


@pytest.mark.parametrize("text", ["127.0.0.1:8080", "[::1]:8080", "unix:/run/engine.sock"])
def test_addresses_are_read_and_written_alike(text: str) -> None:
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize("text", ["", "8080", ":8080", "host:", "host:http", "host:65536", "unix:"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="address"):
        Address.parse(text)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    database = tmp_path / "engine.db"
    engine = start("--database", database)
    engine.query(SEED)
    engine.post("authorization", transaction_tag="t", account_tag="alice", destination="3911")
    assert engine.stop(number) == 0
    kept = start("--database", database)
    assert kept.query('{ Transaction(transaction_tag: "t", account_tag: "alice") { authorized } }') == {
        "Transaction": {"authorized": True}
    }


def test_requests_in_flight_are_answered_before_it_ends(start: Start) -> None:
    engine = start()
    host, port = engine.agent.split(":")
    with socket.create_connection((host, int(port)), timeout=60) as client:
        client.sendall(b"POST /v1/end_transaction HTTP/1.1\r\nhost: x\r\ncontent-length: 23\r\n\r\n")
        assert engine.post("end_transaction", transaction_tag="t").status_code == 200
        engine.process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
        client.sendall(b'{"transaction_tag":"t"}')
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
    assert engine.process.wait(timeout=60) == 0


def test_unix_sockets_lead_to_the_same_engine(start: Start, tmp_path: Path) -> None:
    agent, api = tmp_path / "agent.sock", tmp_path / "api.sock"
    engine = start("--agent", f"unix:{agent}", "--api", f"unix:{api}")
    engine.query(SEED)
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(agent))) as client:
        request = {"transaction_tag": "t", "account_tag": "alice", "destination": "3911"}
        assert client.post("http://engine/v1/authorization", json=request).json()["authorized"]
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(api))) as client:
        assert client.get("http://engine/status").status_code == 204
    engine.stop()
    assert not agent.exists()
    assert not api.exists()


def test_a_socket_left_by_a_killed_engine_is_taken(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    start("--agent", f"unix:{path}").stop(signal.SIGKILL)
    assert path.is_socket()
    start("--agent", f"unix:{path}")


def refusal(*options: str) -> str:
    """What an engine says that doesn't start."""
    command = [*COMMAND, "--agent", "127.0.0.1:0", "--api", "127.0.0.1:0", *options]
    result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    return result.stderr


def test_what_is_in_use_is_refused(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    engine = start("--agent", f"unix:{path}", "--database", tmp_path / "engine.db")
    assert "in use" in refusal("--agent", engine.agent)
    assert "in use" in refusal("--agent", f"unix:{path}")
    assert "another engine" in refusal("--database", str(tmp_path / "engine.db"))
    assert path.is_socket()


def test_a_file_is_not_taken_for_a_socket(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("keep me")
    assert "in use" in refusal("--agent", f"unix:{path}")
    assert path.read_text() == "keep me"


def test_a_log_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    assert "the log can't be written" in refusal("--log", str(tmp_path / "missing" / "log"))


def test_reset_forgets_everything(start: Start, tmp_path: Path) -> None:
    engine = start("--database", tmp_path / "engine.db")
    engine.query(SEED)
    engine.post("begin_transaction", transaction_tag="t", account_tag="alice", destination="3911")
    assert HTTP.post(f"http://{engine.api}/reset").status_code == 204
    counts = "{ a: _allAccountsMeta { count } t: _allTransactionsMeta { count } r: _allPricelistRatesMeta { count } }"
    assert engine.query(counts) == {"a": {"count": 0}, "t": {"count": 0}, "r": {"count": 0}}
    assert engine.stop() == 0
    assert start("--database", tmp_path / "engine.db").query(counts)["a"] == {"count": 0}


def test_metrics_count_requests_and_running_transactions(start: Start) -> None:
    engine = start()
    engine.query(SEED)
    engine.post("begin_transaction", transaction_tag="t", account_tag="alice", destination="3911")
    engine.post("nothing/here")
    metrics = HTTP.get(f"http://{engine.api}/metrics").text
    for line in (
        'rating_requests_total{service="agent",path="/v1/begin_transaction",status="200"} 1',
        'rating_requests_total{service="agent",path="other",status="404"} 1',
        'rating_request_seconds_count{service="api",path="/graphql"} 1',
        'rating_request_seconds_bucket{service="api",path="/graphql",le="+Inf"} 1',
        "rating_running_transactions 1",
    ):
        assert line in metrics.splitlines()


def test_the_log_has_a_line_for_each_request(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "requests.jsonl"
    engine = start("--log", log)
    answers = [engine.post("authorization", transaction_tag="t"), engine.post("authorization")]
    # A line is written once its answer is sent.
    await_condition(lambda: log.read_text().count("\n") == 2, Deadline(10), "a line for each request")
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [entry["id"] for entry in entries] == [answer.headers["x-request-id"] for answer in answers]
    assert [entry["status"] for entry in entries] == [200, 422]
    assert {entry["path"] for entry in entries} == {"/v1/authorization"}


def test_pages_and_descriptions_are_served(engine: Engine) -> None:
    for path in ("/docs", "/redoc", "/v1/openapi.json"):
        assert HTTP.get(f"http://{engine.agent}{path}").status_code == 200
    for address in (engine.agent, engine.api):
        page = HTTP.get(f"http://{address}/graphql", headers={"accept": "text/html"})
        assert "GraphiQL" in page.text
        assert "http" not in page.text
    assert HTTP.get(f"http://{engine.agent}/status").content == b""


def test_cors_lets_any_origin_ask(engine: Engine) -> None:
    origin = {"origin": "http://anywhere.test"}
    preflight = origin | {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    for url in (f"http://{engine.api}/graphql", f"http://{engine.agent}/v1/authorization"):
        assert HTTP.options(url, headers=preflight).status_code == 200
        answer = HTTP.post(url, headers=origin, json={"transaction_tag": "t", "query": "{ __typename }"})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] in ("*", origin["origin"])


EVIL = {"origin": "http://evil.test"}
MUTATION = 'mutation {upsertCarrier(carrier_tag: "c", host: "h", port: 5060, protocol: UDP) {id}}'


@pytest.mark.parametrize("headers", [EVIL, {"origin": "null"}, {"sec-fetch-site": "cross-site"}])
def test_a_page_of_another_origin_changes_nothing(engine: Engine, headers: dict[str, str]) -> None:
    api, agent = f"http://{engine.api}", f"http://{engine.agent}"
    assert HTTP.post(f"{api}/graphql", json={"query": MUTATION}).status_code == 200
    carriers = {"query": "{_allCarriersMeta {count}}"}
    before = HTTP.post(f"{api}/graphql", json=carriers).json()
    tag = {"transaction_tag": "t", "account_tag": "a"}
    attempts = [
        HTTP.post(f"{api}/reset", headers=headers),
        HTTP.post(
            f"{api}/graphql", headers=headers, json={"query": 'mutation {deleteCarrier(carrier_tag: "c") {id}}'}
        ),
        HTTP.get(f"{api}/graphql", headers=headers, params={"query": MUTATION}),
        *(
            HTTP.post(f"{agent}/v1/{path}_transaction", headers=headers, json=tag)
            for path in ("begin", "end", "record")
        ),
        HTTP.post(
            f"{agent}/graphql",
            headers=headers,
            json={"query": 'mutation {endTransaction(transaction_tag: "t") {ok}}'},
        ),
    ]
    assert [answer.status_code for answer in attempts[:-1]] == [403] * 6
    assert attempts[-1].status_code in (400, 403)
    assert HTTP.post(f"{api}/graphql", json=carriers).json() == before


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, None])
def test_its_own_page_may_change_something(engine: Engine, headers: dict[str, str] | None) -> None:
    sent = headers or {"origin": f"http://{engine.api}"}
    assert HTTP.post(f"http://{engine.api}/reset", headers=sent).status_code == 204


def test_an_origin_is_let_in_by_name(start: Start) -> None:
    engine = start("--allow-origin", EVIL["origin"])
    assert HTTP.post(f"http://{engine.api}/reset", headers=EVIL).status_code == 204
    assert HTTP.post(f"http://{engine.api}/reset", headers={"origin": "http://other.test"}).status_code == 403


def test_mutations_are_no_gets(engine: Engine) -> None:
    answer = HTTP.get(f"http://{engine.api}/graphql", params={"query": MUTATION})
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("depth", [5000, 100_000])
def test_json_that_nests_too_deeply_is_the_clients_mistake(engine: Engine, depth: int) -> None:
    body = '{"query": "{__typename}", "variables": ' + '{"a":' * depth + "1" + "}" * (depth + 1)
    headers = {"content-type": "application/json"}
    for url in (f"{engine.api}/graphql", f"{engine.agent}/graphql", f"{engine.agent}/v1/authorization"):
        assert HTTP.post(f"http://{url}", content=body, headers=headers).status_code == 400


def test_a_document_too_long_is_refused_before_it_is_validated(engine: Engine) -> None:
    query = "{__typename " + "@include(if: true) " * 10_000 + "}"
    answer = HTTP.post(f"http://{engine.api}/graphql", json={"query": query})
    assert answer.status_code == 400
    assert "more than 20000 tokens" in answer.json()["errors"][0]["message"]


def test_a_request_reads_the_store_no_more_than_twice(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for start in range(0, 3000, 250):
        upserts = " ".join(
            f'a{number}: upsertAccount(account_tag: "{number}", type: PREPAID, balance: 5, tags: []) {{id}}'
            for number in range(start, start + 250)
        )
        assert HTTP.post(f"http://{engine.api}/graphql", json={"query": f"mutation {{{upserts}}}"}).status_code == 200
    lists = [f"a{number}: allAccounts(perPage: 0) {{id}}" for number in range(30)]
    few = HTTP.post(f"http://{engine.api}/graphql", json={"query": f"{{{' '.join(lists[:3])}}}"})
    assert all(len(rows) >= 3000 for rows in few.json()["data"].values())
    many = HTTP.post(f"http://{engine.api}/graphql", json={"query": f"{{{' '.join(lists)}}}"})
    assert many.status_code == 400
    assert "the lists of one request may have 10000 rows in all" in many.json()["errors"][0]["message"]


def test_headers_too_large_end_the_connection(engine: Engine) -> None:
    def answer(headers: int) -> bytes:
        """What a whole request with so many headers of a kilobyte gets; sockets may take all of it, unread."""
        host, port = engine.api.split(":")
        received = b""
        with socket.create_connection((host, int(port)), timeout=60) as client, contextlib.suppress(ConnectionError):
            client.sendall(b"GET /status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n")
            for number in range(headers):
                client.sendall(f"x-{number}: {'x' * 1000}\r\n".encode())
            client.sendall(b"\r\n")
            while part := client.recv(4096):
                received += part
        return received

    assert b"204" in answer(2)
    assert b"204" not in answer(2000)
    assert HTTP.get(f"http://{engine.api}/status").status_code == 204


def test_half_a_request_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REQUEST_SECONDS", 0.2)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("yes")(scope, receive, send)

    whole = b"GET /status HTTP/1.1\r\nhost: x\r\n\r\n"

    async def scene() -> None:
        for unfinished in (whole[:-2], b""):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(unfinished)
            assert await asyncio.wait_for(reader.read(100), 30) == b""
            writer.close()
            await writer.wait_closed()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(whole)
            assert b"yes" in await asyncio.wait_for(reader.readuntil(b"yes"), 30)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.5)
        writer.close()
        await writer.wait_closed()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        async def serving() -> None:
            running = server._server(app)
            task = asyncio.create_task(running.serve(sockets=[listener]))
            await scene()
            running.should_exit = True
            await task

        asyncio.run(serving())


def test_a_500_closes_the_connection(engine: Engine) -> None:
    answer = engine.post("authorization", transaction_tag="t", account_tag="alice")
    assert (answer.status_code, answer.text, answer.headers["connection"]) == (500, "Internal Server Error", "close")


@pytest.mark.parametrize(
    ("service", "path"), [("agent", "/v1/authorization"), ("agent", "/graphql"), ("api", "/graphql")]
)
def test_a_body_too_large_is_refused_before_it_is_read(engine: Engine, service: str, path: str) -> None:
    host, port = (engine.agent if service == "agent" else engine.api).split(":")
    with socket.create_connection((host, int(port)), timeout=60) as client:
        head = (
            f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {1 << 40}\r\n\r\n"
        )
        client.sendall(head.encode())
        with contextlib.suppress(ConnectionError):
            for _ in range(1 << 10):
                client.sendall(b" " * (1 << 16))
        assert client.recv(4096).startswith(b"HTTP/1.1 413")
