"""The steps of a canyan-tester file that are HTTP requests, and the answers that they store."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any
from uuid import uuid4

import httpx

from rating_harness.canyan.model import Step, XhttpRequest
from rating_harness.canyan.placeholders import resolved
from rating_harness.canyan.site import Site
from rating_harness.deadline import Deadline, await_condition
from rating_harness.errors import Timeout
from rating_harness.evidence.model import HttpStep
from rating_harness.lab.protocol import Endpoint, Process, Program
from rating_harness.scenario.values import Unfit

__all__ = ["Accepted", "Requests"]

Accepted = Callable[[Step, HttpStep], bool]
"""Whether an answer is as the step expects."""

_POST = ("python", "-m", "rating_harness.canyan.post")

_PATIENCE = 30.0
"""Seconds that one request may take."""

_SETTLING = 5.0
"""Seconds within which records arrive: a query is sent until its answer is the one expected."""


class Requests:
    """Sends them, one after the other, and keeps what they were answered.

    :param eager: queries are sent once only, as canyan-tester does, and GET isn't sent.
    """

    def __init__(self, site: Site, accepted: Accepted, *, eager: bool, caller: str) -> None:
        self._site = site
        self._accepted = accepted
        self._eager = eager
        self._host: str | None = None
        self._numbers = count(1)
        self.stored: dict[str, Any] = {"random": {"uuid4": str(uuid4())}, "ipaddr": {"ip": caller}}
        self.http_steps: list[HttpStep] = []

    def api(self, section: str, index: int, step: Step) -> bool:
        """Do a step, as often as it takes. Whether the answer is as it expects."""
        time.sleep(step.delay)
        self.stored["random"] = {"uuid4": str(uuid4())}
        self._host = step.host or self._host
        if step.method == "GET" and self._eager:
            return True
        answers: list[HttpStep] = []

        def ask() -> bool:
            answers.append(self._ask(section, index, step))
            return self._accepted(step, answers[-1])

        within = Deadline(_SETTLING if step.expected_response and _is_question(step) and not self._eager else 0.0)
        with suppress(Timeout):  # the check says what the answer was
            await_condition(ask, within, "the expected answer", interval=0.2)
        exchange = replace(answers[-1], tries=len(answers))
        self.http_steps.append(exchange)
        if step.store_response and exchange.status == 200:
            self.stored[step.store_response] = exchange.response
        return self._accepted(step, exchange)

    def _ask(self, section: str, index: int, step: Step) -> HttpStep:
        endpoint = self._site.api(self._host)
        exchange = HttpStep(
            section, index, time.time(), step.method, endpoint.url + step.uri, step.payload, None, None
        )
        try:
            url = endpoint.url.rstrip("/") + resolved(step.uri, self.stored)
            exchange = replace(exchange, url=url, request=resolved(step.payload, self.stored))
            response = _send(endpoint, exchange)
        except Unfit as unfit:
            return replace(exchange, error=f"{unfit}: {unfit.hint}")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return replace(exchange, error=str(error) or type(error).__name__)
        return replace(exchange, status=response.status_code, response=_read(response.text))

    def kamailio(self, section: str, index: int, request: XhttpRequest) -> None:
        """Send a request to Kamailio's HTTP, from inside of the lab."""
        self.finish(self.start(section, index, request))

    def start(self, section: str, index: int, request: XhttpRequest) -> tuple[HttpStep, Process | None]:
        """Send it, without waiting for the answer; `finish` does that."""
        exchange = HttpStep(section, index, time.time(), "POST", request.uri, request.payload, None, None)
        try:
            url = self._site.kamailio_url(resolved(request.uri, self.stored))
            exchange = replace(exchange, url=url, request=resolved(request.payload, self.stored))
        except Unfit as unfit:
            return replace(exchange, error=f"{unfit}: {unfit.hint}"), None
        name = f"http-{next(self._numbers)}"
        files = {"body.json": json.dumps(exchange.request).encode()}
        host = self._site.lab.host(name)
        return exchange, self._site.lab.run(Program(name, "harness", (*_POST, url, "body.json"), host, files))

    def finish(self, sent: tuple[HttpStep, Process | None]) -> None:
        exchange, process = sent
        if process is not None:
            try:
                process.wait(Deadline(_PATIENCE + 5))
                exchange = _with_answer(exchange, process.output())
            finally:
                process.remove()
                self._site.lab.release(process.name)
        self.http_steps.append(exchange)


def _with_answer(exchange: HttpStep, output: str) -> HttpStep:
    """With what `rating_harness.canyan.post` printed."""
    said = _read(output)
    if not isinstance(said, dict) or "error" in said:
        return replace(exchange, error=said["error"] if isinstance(said, dict) else output[-500:])
    return replace(exchange, status=said["status"], response=_read(said["text"]))


def _is_question(step: Step) -> bool:
    """Whether it may be sent again: a GET, or a GraphQL query."""
    query = (step.payload or {}).get("query")
    return step.method == "GET" or (
        step.method == "POST"
        and isinstance(query, str)
        and not query.lstrip().startswith(("mutation", "subscription"))
    )


def _send(endpoint: Endpoint, exchange: HttpStep) -> httpx.Response:
    with httpx.Client(
        transport=httpx.HTTPTransport(uds=endpoint.socket_path), timeout=_PATIENCE, follow_redirects=True
    ) as client:
        has_body = exchange.method == "POST" and exchange.request is not None
        content = json.dumps(exchange.request).encode() if has_body else None
        headers = {"content-type": "application/json"} if has_body else {}
        return client.request(exchange.method, exchange.url, content=content, headers=headers)


def _read(text: str) -> Any:
    """JSON where it is JSON, else the text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
