"""A tap in a thread, an agent behind it, and a client that sees every byte."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from rating_harness.lab.protocol import Endpoint
from rating_harness.rating.address import Address
from rating_harness.tap.client import TapClient
from rating_harness.tap.server import serve

AUTHORIZED = {"authorized": True, "max_available_units": 10, "carriers": ["UDP:carrier:5060"]}
LOCAL = Address("127.0.0.1")


@dataclass
class Agent:
    """An engine's agent that says yes to everything, and remembers what it was asked."""

    url: str = ""
    status: int = 200
    body: bytes = field(default_factory=lambda: json.dumps(AUTHORIZED).encode())
    answers: Callable[[int], bytes] | None = None
    requests: list[tuple[str, str, bytes, dict[str, str]]] = field(default_factory=list)


@contextmanager
def running_agent() -> Iterator[Agent]:
    agent = Agent()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"] or 0))
            agent.requests.append((self.command, self.path, body, dict(self.headers.items())))
            answer = agent.answers(len(agent.requests)) if agent.answers else agent.body
            self.send_response(agent.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("X-Engine", "yes")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 512

    with Server(("127.0.0.1", 0), Handler) as server:
        agent.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield agent
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Seen:
    """What a client received, and how it ended: FIN, RST, or still open when it lost patience."""

    data: bytes
    end: Literal["fin", "reset", "open"]
    seconds: float

    @property
    def status(self) -> int:
        return int(self.data.split()[1])

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        for line in self.data.partition(b"\r\n\r\n")[0].decode().splitlines()[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        return None


@dataclass
class Tap:
    """A running tap."""

    address: Address
    client: TapClient
    control: Address

    def connect(self) -> socket.socket:
        return socket.create_connection((self.address.host, self.address.port), timeout=30)

    def post(
        self,
        path: str = "/v1/authorization",
        fields: Mapping[str, Any] | None = None,
        *,
        patience: float = 5.0,
        method: str = "POST",
    ) -> Seen:
        """Send a request on a connection of its own, and read until the end or for so many seconds."""
        with self.connect() as client:
            begun = time.monotonic()
            client.sendall(request(path, fields, method=method, keep_alive=False))
            return read(client, patience, begun)


def request(
    path: str = "/v1/authorization",
    fields: Mapping[str, Any] | None = None,
    *,
    method: str = "POST",
    keep_alive: bool = True,
) -> bytes:
    body = json.dumps({"transaction_tag": "call-1"} if fields is None else dict(fields)).encode()
    connection = "" if keep_alive else "Connection: close\r\n"
    headers = f"Host: agent\r\nX-Client: kamailio\r\n{connection}Content-Length: {len(body)}\r\n"
    return f"{method} {path} HTTP/1.1\r\n{headers}\r\n".encode() + body


def read(client: socket.socket, patience: float, begun: float | None = None) -> Seen:
    """What comes until the connection ends or so many seconds have passed."""
    data, begun = b"", time.monotonic() if begun is None else begun
    while True:
        left = begun + patience - time.monotonic()
        client.settimeout(max(left, 0.001))
        try:
            chunk = client.recv(65536)
        except ConnectionResetError:
            return Seen(data, "reset", time.monotonic() - begun)
        except TimeoutError:
            return Seen(data, "open", time.monotonic() - begun)
        if not chunk:
            return Seen(data, "fin", time.monotonic() - begun)
        data += chunk


def ask(client: socket.socket, path: str = "/v1/authorization") -> Seen:
    """Send a request on a connection that is kept alive, and read its answer."""
    begun = time.monotonic()
    client.sendall(request(path))
    response = http.client.HTTPResponse(client, method="POST")
    response.begin()
    head = f"HTTP/1.1 {response.status} {response.reason}\r\n".encode() + bytes(response.headers)
    return Seen(head + response.read(), "open", time.monotonic() - begun)


@contextmanager
def running_tap(upstream: str | None = None, *more: Address) -> Iterator[Tap]:
    addresses: Future[tuple[list[Address], list[Address], asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        await serve(
            [LOCAL, *more],
            [LOCAL],
            upstream,
            ready=lambda listeners, control_listeners: addresses.set_result(
                (list(listeners), list(control_listeners), loop, stop)
            ),
            stop=stop,
        )

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    listeners, control_listeners, loop, stop = addresses.result(timeout=30)
    try:
        with TapClient(Endpoint(f"http://{control_listeners[0]}")) as client:
            yield Tap(listeners[0], client, control_listeners[0])
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=30)
        assert not thread.is_alive()
