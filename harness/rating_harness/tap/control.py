"""The tap's control API: JSON over HTTP.

==========================  =====================================================================================
``GET /status``             204
``GET /exchanges``          ``?after=CURSOR&wait=SECONDS``: what changed since, waited for; all of it without both
``DELETE /exchanges``       forget all of them, or ``?until=CURSOR`` those that had ended by then; 204
``GET /faults``             each with how many requests it fits so far, and how often it was applied
``PUT /faults``             have these faults (a list) and no others; returns their ids
``POST /faults``            add these faults (a list); returns their ids
``DELETE /faults[/ID]``     remove one or all; 204
``PUT /faults/ID/armed``    ``true`` or ``false``; 204
``GET /upstream``           the agent's URL, or null
``PUT /upstream``           change it; null for none; 204
==========================  =====================================================================================

A mistake is answered with 400 (404 for an id that isn't there) and ``{"error": ...}``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, unquote

import orjson

from rating_harness.errors import UsageError
from rating_harness.tap.connections import Connection
from rating_harness.tap.fault_set import FaultSet
from rating_harness.tap.faults import parse_faults
from rating_harness.tap.messages import Request, Response, json_response, render
from rating_harness.tap.recorder import Recorder
from rating_harness.tap.upstream import Upstream

__all__ = ["PAGE", "Control"]

PAGE = 5000
"""Changes in one answer, at most; ``more`` says that there are further ones."""

_DONE = Response(204)


class Control:
    """Handles the requests of the control API.

    :param refuse: makes the agent's address refuse connections, or accept them again.
    """

    def __init__(
        self, recorder: Recorder, faults: FaultSet, upstream: Upstream, refuse: Callable[[bool], Awaitable[None]]
    ) -> None:
        self._recorder = recorder
        self._faults = faults
        self._upstream = upstream
        self._refuse = refuse

    async def handle(self, request: Request, connection: Connection) -> None:
        try:
            response = await self._respond(request)
            await self._refuse(self._faults.refusing)
        except UsageError as error:
            response = _error(400, str(error))
        except KeyError as error:
            response = _error(404, f"there is no fault {error}")
        connection.send(render(response, keep_alive=request.keep_alive))
        if not request.keep_alive:
            connection.close()

    async def _respond(self, request: Request) -> Response:
        if request.error:
            return _error(request.refusal, request.error)
        match request.method, *(unquote(part) for part in request.path.strip("/").split("/")):
            case "GET", "status":
                return _DONE
            case "GET", "exchanges":
                return await self._exchanges(request.query)
            case "DELETE", "exchanges":
                self._forget(request.query)
                return _DONE
            case "GET", "faults":
                return _json(self._faults.states)
            case "PUT", "faults":
                return _json(self._faults.replace(parse_faults(request.body)))
            case "POST", "faults":
                return _json(self._faults.add(parse_faults(request.body)))
            case "DELETE", "faults":
                self._faults.remove()
                return _DONE
            case "DELETE", "faults", fault_id:
                self._faults.remove(fault_id)
                return _DONE
            case "PUT", "faults", fault_id, "armed":
                self._faults.arm(fault_id, _value(request.body, bool, "true or false"))
                return _DONE
            case "GET", "upstream":
                return _json(self._upstream.url)
            case "PUT", "upstream":
                self._upstream.url = _value(request.body, str | None, "a URL, or null")
                return _DONE
            case _:
                return _error(404, f"the tap has no {request.method} {request.path}")

    def _forget(self, query: str) -> None:
        if "until" in parse_qs(query):
            self._recorder.forget(int(_number(query, "until")))
        else:
            self._recorder.clear()

    async def _exchanges(self, query: str) -> Response:
        cursor, wait = int(_number(query, "after")), _number(query, "wait")
        if wait:
            await self._recorder.changed(cursor, wait)
        reached, exchanges = self._recorder.since(cursor, PAGE)
        return _json({"cursor": reached, "more": reached < self._recorder.cursor, "exchanges": exchanges})


def _number(query: str, name: str) -> float:
    text = parse_qs(query).get(name, ["0"])[-1]
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise UsageError(f"{name!r} takes a number, 0 or more", found=text)
    return number


def _value(body: bytes, kind: Any, expected: str) -> Any:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise UsageError("the body is no JSON", expected=expected) from None
    if not isinstance(value, kind):
        raise UsageError("the body has a wrong type", expected=expected, found=str(value))
    return value


def _json(value: Any) -> Response:
    return json_response(200, orjson.dumps(value))


def _error(status: int, text: str) -> Response:
    return json_response(status, orjson.dumps({"error": text}))
