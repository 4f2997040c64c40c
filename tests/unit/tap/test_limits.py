"""What a client can't do to the tap: fill its memory, hold its connections, or spin its processor."""

from __future__ import annotations

import socket
import time

import pytest

from rating_harness.tap import connections, faults
from rating_harness.tap.faults import Fault, Regex, Silence
from tests.unit.tap.bench import Agent, Tap


def read_all(client: socket.socket) -> bytes:
    data = b""
    try:
        while piece := client.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


def test_a_body_too_large_is_refused_and_dropped(tap: Tap, agent: Agent) -> None:
    with tap.connect() as client:
        size = connections.LARGEST_BODY + 1
        client.sendall(f"POST /v1/authorization HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
        try:
            for _ in range(size // (1 << 20) + 1):
                client.sendall(b" " * (1 << 20))
        except ConnectionError:
            pass
        assert read_all(client)[:13] in (b"HTTP/1.1 413 ", b"")
    (exchange,) = tap.client.exchanges().exchanges
    assert (exchange.status, exchange.body) == (413, "")
    assert exchange.error == f"the body is longer than {connections.LARGEST_BODY} bytes"
    assert agent.requests == []


def test_headers_too_large_are_refused(tap: Tap, agent: Agent) -> None:
    with tap.connect() as client:
        client.sendall(b"POST /v1/authorization HTTP/1.1\r\nX: ")
        try:
            for _ in range(80):
                client.sendall(b"x" * 1024)
        except ConnectionError:
            pass
        assert read_all(client)[:13] in (b"HTTP/1.1 431 ", b"")
    (exchange,) = tap.client.exchanges().exchanges
    assert exchange.status == 431
    assert agent.requests == []


def test_a_large_request_within_the_limits_passes(tap: Tap, agent: Agent) -> None:
    answer = tap.post(fields={"transaction_tag": "x" * 1_000_000})
    assert answer.status == 200
    assert len(agent.requests[0][2]) > 1_000_000


def test_half_a_request_is_given_up(tap: Tap, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.2)
    with tap.connect() as half, tap.connect() as silent:
        half.sendall(b"POST /v1/authorization HTTP/1.1\r\nContent-Length: 10\r\n\r\n{")
        assert read_all(half).startswith(b"HTTP/1.1 408 ")
        assert read_all(silent) == b""
    (exchange,) = tap.client.exchanges().exchanges
    assert exchange.error == "no complete request within 0.2 s"


def test_a_kept_alive_connection_may_rest_between_requests(
    tap: Tap, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.2)
    request = b"POST /v1/authorization HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    with tap.connect() as client:
        for _ in range(2):
            client.sendall(request)
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
            client.settimeout(0.5)
            with pytest.raises(TimeoutError):
                client.recv(1)


def test_a_regex_that_backtracks_for_ever_is_given_up(tap: Tap, agent: Agent) -> None:
    tap.client.set_faults(Fault(Silence(), match={"source": Regex("^(a|aa)+$")}))
    began = time.monotonic()
    answer = tap.post(fields={"source": "a" * 60 + "!"})
    assert answer.status == 200
    assert time.monotonic() - began < faults.REGEX_SECONDS + 15
    (exchange,) = tap.client.exchanges().exchanges
    assert exchange.error.startswith("fault f1: the regular expression '^(a|aa)+$' took longer than")
