"""What Kamailio's JSON-RPC says, and what it can't say."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from rating_harness.kamailio.rpc import HttpTransport, KamailioClient, RpcError, RpcRefused
from rating_harness.lab.protocol import Endpoint


class FakeTransport:
    """Tables of so many entries; a dump of more than ``largest`` is never answered."""

    def __init__(self, largest: int, **sizes: int) -> None:
        self.largest = largest
        self.sizes = sizes
        self.dumped: list[str] = []

    def exchange(self, request: bytes) -> bytes:
        asked = json.loads(request)
        if asked["method"] == "htable.stats":
            return self._answer([{"name": name, "all": size} for name, size in self.sizes.items()])
        (name,) = asked["params"]
        self.dumped.append(name)
        if self.sizes[name] > self.largest:
            raise RpcError("Kamailio's JSON-RPC socket doesn't answer")
        entries = [{"slot": [{"name": f"call-{number}", "value": "ended"}]} for number in range(self.sizes[name])]
        return self._answer(entries)

    def _answer(self, result: Any) -> bytes:
        return json.dumps({"jsonrpc": "2.0", "result": result}).encode()

    def close(self) -> None:
        pass


def test_a_table_that_is_too_large_for_a_datagram_is_left_out_and_tried_once() -> None:
    transport = FakeTransport(300, rating_state=560, rating_cseq=40, other=5)
    client = KamailioClient(transport)
    for _ in range(3):
        assert {name: len(held) for name, held in client.tables("rating_").items()} == {"rating_cseq": 40}
        assert client.unread_tables == {"rating_state": 560}
    assert transport.dumped == ["rating_state", "rating_cseq", "rating_cseq", "rating_cseq"]
    transport.sizes["rating_state"] = 250
    assert len(client.tables("rating_")["rating_state"]) == 250, "it has become smaller"
    assert client.unread_tables == {}
    transport.sizes["rating_state"] = 3000
    assert "rating_state" not in client.tables("rating_")
    assert client.unread_tables == {"rating_state": 3000}


def test_a_small_table_that_is_not_told_is_a_kamailio_that_does_not_answer() -> None:
    client = KamailioClient(FakeTransport(50, rating_state=60))
    with pytest.raises(RpcError, match="doesn't answer"):
        client.tables("rating_")


def answering(monkeypatch: pytest.MonkeyPatch, status: int, content: bytes = b"") -> KamailioClient:
    def answer(client: httpx.Client, url: str, **_: object) -> httpx.Response:
        return httpx.Response(status, content=content, request=httpx.Request("POST", url))

    monkeypatch.setattr(httpx.Client, "post", answer)
    return KamailioClient(HttpTransport(Endpoint("http://10.0.0.2:8060")))


@pytest.mark.parametrize(
    ("status", "content", "message", "hint"),
    [
        (403, b"", "is forbidden to this machine (403 Forbidden)", "RPC_NETWORKS"),
        (401, b"", "is forbidden to this machine (401 Unauthorized)", "without a password"),
        (404, b"", "is answered, and not by JSON-RPC (404 Not Found)", "jsonrpc_dispatch() for /RPC"),
        (302, b"", "is answered, and not by JSON-RPC (302 Found)", "jsonrpc_dispatch() for /RPC"),
        (200, b"<html>", "is answered, and not by JSON-RPC (200 OK)", "jsonrpc_dispatch() for /RPC"),
    ],
)
def test_http_that_is_not_json_rpc_is_a_refusal(
    monkeypatch: pytest.MonkeyPatch, status: int, content: bytes, message: str, hint: str
) -> None:
    client = answering(monkeypatch, status, content)
    try:
        with pytest.raises(RpcRefused) as raised:
            client.uptime()
    finally:
        client.close()
    assert f"http://10.0.0.2:8060/RPC {message}" in raised.value.message
    assert hint in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("status", "content"), [(503, b"starting"), (500, b'{"error": {"message": "no", "code": 1}}')]
)
def test_what_may_be_answered_otherwise_later_is_no_refusal(
    monkeypatch: pytest.MonkeyPatch, status: int, content: bytes
) -> None:
    client = answering(monkeypatch, status, content)
    try:
        with pytest.raises(RpcError) as raised:
            client.uptime()
    finally:
        client.close()
    assert not isinstance(raised.value, RpcRefused)
