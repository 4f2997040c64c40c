"""A rating engine with paths and names of its own, as `minimal-rest.yaml` describes it: small, and honest."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from rating_harness.lab.files import data_directory

__all__ = ["OwnEngineServer", "own_configuration", "running_engine"]

WORDS = {
    "/v1/authorization": "/billing/authorize",
    "/v1/begin_transaction": "/billing/start",
    "/v1/end_transaction": "/billing/stop",
    '"transaction_tag"': '"call_id"',
    '"account_tag"': '"customer"',
    '"source"': '"from"',
    '"destination"': '"to"',
    '"timestamp_begin"': '"started"',
    '"timestamp_end"': '"stopped"',
    '"authorized"': '"allowed"',
    '"unauthorized_reason"': '"why"',
    "max_available_units": "seconds",
    '"carriers"': '"gateways"',
    '"carriers[': '"gateways[',
    '"ok"': '"done"',
    '"NOT_FOUND"': '"unknown customer"',
    '"BALANCE_INSUFFICIENT"': '"no credit"',
}
"""What the project's configuration says, and what this engine takes."""


def own_configuration(directory: Path) -> Path:
    """The project's configuration in this engine's words."""
    for file in data_directory("kamailio").glob("*.cfg"):
        text = file.read_text(encoding="utf-8")
        for theirs, own in WORDS.items():
            text = text.replace(theirs, own)
        (directory / file.name).write_text(text, encoding="utf-8")
    return directory


@dataclass
class OwnEngineServer:
    """Its records; ``loses_ends``, ``overcharges`` and ``books_twice`` make it a bad one."""

    url: str = ""
    customers: dict[str, int] = field(default_factory=dict)
    gateways: dict[str, str] = field(default_factory=dict)
    prices: list[dict[str, Any]] = field(default_factory=list)
    calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    loses_ends: bool = False
    overcharges: int = 0
    books_twice: bool = False
    lock: Lock = field(default_factory=Lock)

    def answer(self, method: str, path: str, body: Any) -> Any:
        with self.lock:
            match method, *path.strip("/").split("/"):
                case "POST", "empty":
                    for records in (self.customers, self.gateways, self.prices, self.calls):
                        records.clear()
                case "PUT", "gateways", tag:
                    self.gateways[tag] = body["address"]
                case "PUT", "prices":
                    self.prices.append(body)
                case "PUT", "customers", name:
                    self.customers[name] = body["credit"]
                case "GET", "customers":
                    return {"customers": [{"name": name, "credit": left} for name, left in self.customers.items()]}
                case "GET", "calls":
                    return {"calls": list(self.calls.values()) * (1 + self.books_twice)}
                case "POST", "billing", "authorize":
                    return self.authorize(body)
                case "POST", "billing", "start":
                    self.calls[body["call_id"]] = {
                        "id": body["call_id"],
                        "customer": body["customer"],
                        "from": body["from"],
                        "to": body["to"],
                        "started": body["started"],
                        "stopped": None,
                    }
                    return {"done": True}
                case "POST", "billing", "stop":
                    return {"done": self.loses_ends or self.stop(body)}
                case _:
                    raise KeyError(path)
            return {}

    def price(self, called: str) -> dict[str, Any] | None:
        fitting = [price for price in self.prices if called.startswith(price["prefix"])]
        return max(fitting, key=lambda price: len(price["prefix"]), default=None)

    def authorize(self, body: Any) -> dict[str, Any]:
        credit, price = self.customers.get(body["customer"]), self.price(body["to"])
        if credit is None:
            return {"allowed": False, "why": "unknown customer"}
        if price is None:
            return {"allowed": False, "why": "no price"}
        if credit < price["price"]:
            return {"allowed": False, "why": "no credit"}
        seconds = credit // price["price"] * price["step"]
        return {"allowed": True, "seconds": seconds, "gateways": [self.gateways[price["gateway"]]]}

    def stop(self, body: Any) -> bool:
        call = self.calls.get(body["call_id"])
        price = self.price(body["to"])
        if call is None or call["stopped"] is not None or price is None:
            return False
        seconds = max(0, body.get("stopped", int(time.time())) - call["started"])
        cost = math.ceil(seconds / price["step"]) * price["price"] + self.overcharges
        self.customers[call["customer"]] -= cost * (1 + self.books_twice)
        call |= {"stopped": call["started"] + seconds, "seconds": seconds, "cost": cost}
        return True


@contextmanager
def running_engine() -> Iterator[OwnEngineServer]:
    engine = OwnEngineServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_request(self) -> None:
            sent = self.rfile.read(int(self.headers["content-length"] or 0))
            try:
                status, answer = 200, engine.answer(self.command, self.path, json.loads(sent) if sent else None)
            except KeyError as error:
                status, answer = 404, {"error": f"no {error}"}
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self.handle_request()

        def do_POST(self) -> None:
            self.handle_request()

        def do_PUT(self) -> None:
            self.handle_request()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        engine.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield engine
        finally:
            server.shutdown()
            thread.join()
