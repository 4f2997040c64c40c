"""The engine as a process: addresses, signals, what it keeps, and what it shows of itself."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import UsageError
from rating_harness.rating.address import Address
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
    with socket.create_connection((host, int(port)), timeout=10) as client:
        client.sendall(b"POST /v1/end_transaction HTTP/1.1\r\nhost: x\r\ncontent-length: 23\r\n\r\n")
        assert engine.post("end_transaction", transaction_tag="t").status_code == 200
        engine.process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
        client.sendall(b'{"transaction_tag":"t"}')
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
    assert engine.process.wait(timeout=10) == 0


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
    assert result.returncode == 1
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


def test_a_500_closes_the_connection(engine: Engine) -> None:
    answer = engine.post("authorization", transaction_tag="t", account_tag="alice")
    assert (answer.status_code, answer.text, answer.headers["connection"]) == (500, "Internal Server Error", "close")


@pytest.mark.parametrize(
    ("service", "path"), [("agent", "/v1/authorization"), ("agent", "/graphql"), ("api", "/graphql")]
)
def test_a_body_too_large_is_refused_before_it_is_read(engine: Engine, service: str, path: str) -> None:
    host, port = (engine.agent if service == "agent" else engine.api).split(":")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        head = (
            f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {1 << 40}\r\n\r\n"
        )
        client.sendall(head.encode())
        with contextlib.suppress(ConnectionError):
            for _ in range(1 << 10):
                client.sendall(b" " * (1 << 16))
        assert client.recv(4096).startswith(b"HTTP/1.1 413")
