"""Replays the recorded session of the real services against a running engine, and compares the answers.

    python -m tests.unit.rating.engine.contract.replay --api HOST:PORT --agent HOST:PORT [-v]

The engine must start from an empty store. Every step is sent, in order; a step without a recorded answer is sent and
not compared. What counts as equal is said in docs/engine.md.
"""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

GOLDEN = Path(__file__).with_name("golden.jsonl")
Step = dict[str, Any]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NOW = re.compile(time.strftime("%Y-") + r"\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered; ``value`` is the JSON, or else the text."""

    status: int
    value: Any
    headers: http.client.HTTPMessage


class Service:
    """A connection to the agent or to the API."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=15)

    def send(self, step: Step) -> Answer:
        headers = dict(step.get("request_headers") or {})
        request: Any = step.get("request")
        body = None
        if "request_content_type" in step:
            body, headers["Content-Type"] = request.encode(), step["request_content_type"]
        elif request is not None:
            body, headers["Content-Type"] = json.dumps(request).encode(), "application/json"
        path = quote(step["path"], safe="/?={}()%&:,")
        try:
            answer, raw = self._exchange(step["method"], path, body, headers)
        except (http.client.HTTPException, OSError):  # dropped after a 500: once more, on a new connection
            self._connection.close()
            answer, raw = self._exchange(step["method"], path, body, headers)
        value: Any = raw.decode("utf-8", "replace") or None
        if value and "json" in answer.headers.get("content-type", ""):
            value = json.loads(value)
        return Answer(answer.status, value, answer.headers)

    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[http.client.HTTPResponse, bytes]:
        self._connection.request(method, path, body=body, headers=headers)
        answer = self._connection.getresponse()
        return answer, answer.read()

    def close(self) -> None:
        self._connection.close()


def steps() -> list[Step]:
    """The recorded session."""
    return [json.loads(line) for line in GOLDEN.read_text().splitlines()]


def replay(api: str, agent: str) -> Iterator[tuple[Step, str | None]]:
    """Send every step. For those that were recorded: the step, and what differs."""
    services = {"api": Service(api), "agent": Service(agent)}
    try:
        for step in steps():
            answer = services[step["service"]].send(step)
            if "status" in step:
                yield step, difference(step, answer)
    finally:
        for service in services.values():
            service.close()


def difference(step: Step, answer: Answer) -> str | None:
    """None when the answer agrees with the recorded one, else what differs."""
    want, value = step["response"], answer.value
    if answer.status != step["status"]:
        malformed = step["path"].startswith("/v1/") and isinstance(step["request"], str)
        if malformed and {answer.status, step["status"]} <= {400, 422}:
            return None
        return f"status {answer.status}, recorded {step['status']}"
    for name in step.get("response_headers") or {}:
        if name != "access-control-allow-methods" and answer.headers.get(name) is None:
            return f"no header {name}"
    described = step["path"].startswith(("/openapi", "/v1/openapi", "/docs")) or "introspection" in step["name"]
    if described or not isinstance(want, dict):
        return None
    if not isinstance(value, dict):
        return f"not a JSON object: {value!r}"
    if step["path"].startswith("/graphql"):
        if bool(value.get("errors")) != bool(want.get("errors")):
            return f"errors {value.get('errors')}, recorded {want.get('errors')}"
        return _compared(value.get("data"), want.get("data"))
    if answer.status == 422:
        return _compared(_fields(value.get("detail")), _fields(want.get("detail")))
    return None if answer.status >= 400 else _compared(value, want)


def _compared(got: Any, recorded: Any) -> str | None:
    masked = _mask(got)
    return None if masked == recorded else f"{json.dumps(masked)[:600]}, recorded {json.dumps(recorded)[:600]}"


def _fields(detail: Any) -> list[str] | None:
    """The fields that a 422 complains about, whatever else its format says."""
    if not isinstance(detail, list):
        return None
    return sorted(str(error["loc"][-1]) for error in detail if error["loc"][-1] not in ("body", "request"))


def _mask(value: Any) -> Any:
    if isinstance(value, str):
        return _NOW.sub("<now>", _UUID.sub("<uuid>", value))
    if isinstance(value, list):
        return [_mask(item) for item in value]
    if isinstance(value, dict):
        return {name: _mask(item) for name, item in value.items()}
    return value


@click.command()
@click.option("--api", required=True, metavar="HOST:PORT")
@click.option("--agent", required=True, metavar="HOST:PORT")
@click.option("-v", "--verbose", is_flag=True, help="Say what differs.")
def main(api: str, agent: str, verbose: bool) -> None:
    """Replay the session; fails when an answer differs."""
    results = list(replay(api, agent))
    differing = [(step, text) for step, text in results if text is not None]
    if verbose:
        for step, text in differing:
            click.echo(f"step {step['step']} {step['name']}: {text}")
    click.echo(f"{len(results) - len(differing)} of {len(results)} compared steps agree")
    raise SystemExit(1 if differing or not results else 0)


if __name__ == "__main__":
    main()
