"""What can be seen of the engine from outside: metrics in Prometheus' format, and a log of requests."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import accumulate, count
from typing import Any

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Log", "Metrics", "observed"]

Log = Callable[[bytes], Any]
"""Takes one line of the log."""

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)


class Metrics:
    """Counts requests by service, path and status, and their latency by service and path."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._latency: dict[tuple[str, str], list[int]] = {}
        self._seconds: defaultdict[tuple[str, str], float] = defaultdict(float)

    def observe(self, service: str, path: str, status: int, seconds: float) -> None:
        """Count one request."""
        # A path that isn't served is no label: anybody could make as many as they like.
        label = path if status != 404 else "other"
        self._requests[service, label, status] += 1
        buckets = self._latency.get((service, label))
        if buckets is None:
            buckets = self._latency[service, label] = [0] * (len(_BOUNDS) + 1)
        buckets[bisect_left(_BOUNDS, seconds)] += 1
        self._seconds[service, label] += seconds

    def exposition(self, running: int) -> str:
        """The metrics as text."""
        lines = ["# TYPE rating_requests_total counter"]
        for (service, path, status), requests in sorted(self._requests.items()):
            labels = f'service="{service}",path="{path}",status="{status}"'
            lines.append(f"rating_requests_total{{{labels}}} {requests}")
        lines.append("# TYPE rating_request_seconds histogram")
        for (service, path), buckets in sorted(self._latency.items()):
            labels = f'service="{service}",path="{path}"'
            for bound, below in zip((*_BOUNDS, "+Inf"), accumulate(buckets), strict=True):
                lines.append(f'rating_request_seconds_bucket{{{labels},le="{bound}"}} {below}')
            lines.append(f"rating_request_seconds_sum{{{labels}}} {self._seconds[service, path]:.6f}")
            lines.append(f"rating_request_seconds_count{{{labels}}} {sum(buckets)}")
        lines += ["# TYPE rating_running_transactions gauge", f"rating_running_transactions {running}"]
        return "\n".join(lines) + "\n"


def observed(app: ASGIApp, service: str, metrics: Metrics, log: Log | None = None) -> ASGIApp:
    """``app``, with its requests counted, and logged when there is a log: one JSON object per line, with an ``id``
    that the answer has as its ``x-request-id``."""
    ids = count(1)

    async def observing(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500
        id_ = f"{service}-{next(ids)}" if log else ""

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if id_:
                    message["headers"] = [*message["headers"], (b"x-request-id", id_.encode())]
            await send(message)

        try:
            await app(scope, receive, noting)
        finally:
            seconds = time.perf_counter() - began
            metrics.observe(service, scope["path"], status, seconds)
            if log:
                entry = {
                    "id": id_,
                    "time": time.time(),
                    "service": service,
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status,
                    "milliseconds": round(seconds * 1000, 3),
                }
                log(orjson.dumps(entry) + b"\n")

    return observing
