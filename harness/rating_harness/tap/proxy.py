"""What the tap does with a request: pass it on and record it, or carry out a fault."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Mapping
from dataclasses import replace

import orjson

from rating_harness.rating.json_path import with_value, without
from rating_harness.tap.connections import Connection
from rating_harness.tap.exchange import UpstreamAnswer, parse_json
from rating_harness.tap.fault_set import FaultSet
from rating_harness.tap.faults import (
    Action,
    Answer,
    Close,
    Drip,
    Duplicate,
    Edit,
    Encoded,
    Fault,
    Garbage,
    Malformed,
    Partial,
    RegexTimeout,
    Reset,
    Silence,
)
from rating_harness.tap.messages import Headers, Request, Response, json_response, parse_text, render
from rating_harness.tap.recorder import Recorder, Result
from rating_harness.tap.upstream import Upstream, UpstreamFailed

__all__ = ["Proxy"]


class Proxy:
    """Handles the requests of the agent's clients."""

    def __init__(self, recorder: Recorder, faults: FaultSet, upstream: Upstream) -> None:
        self._recorder = recorder
        self._faults = faults
        self._upstream = upstream

    async def handle(self, request: Request, connection: Connection) -> None:
        """Answer a request, or don't, and record what became of it."""
        fault, unusable = None, ""
        try:
            fault = None if request.error else self._faults.choose(request)
        except RegexTimeout as error:
            unusable = str(error.message)
        number = self._recorder.received(request, fault)
        if unusable:
            self._recorder.failed(number, unusable)
        handling = _ExchangeHandler(self._recorder, self._upstream, number, request, connection)
        if request.error:
            result = handling.reject()
        elif fault:
            result = await handling.apply(fault)
        else:
            result = await handling.forward()
        self._recorder.ended(number, result, client_gone=connection.gone)


class _ExchangeHandler:
    """One exchange under way."""

    def __init__(
        self, recorder: Recorder, upstream: Upstream, number: int, request: Request, connection: Connection
    ) -> None:
        self._recorder = recorder
        self._upstream = upstream
        self._number = number
        self._request = request
        self._connection = connection

    def reject(self) -> Result:
        """Answer what could not be parsed."""
        return self._answer(Response(self._request.refusal, self._request.error.encode()))

    async def forward(self) -> Result:
        return self._answer(await self._ask())

    async def apply(self, fault: Fault) -> Result:
        if fault.late:
            await asyncio.sleep(fault.late)
        response = await self._response(fault.action)
        if fault.delay:
            await self._connection.until_gone(fault.delay)
        return await self._send(fault.action, response)

    async def _response(self, action: Action) -> Response:
        match action:
            case Answer():
                return _own(action)
            case Edit():
                return self._edited(await self._ask(), action)
            case Malformed():
                response = await self._ask()
                return replace(response, body=response.body[: len(response.body) // 2])
            case Encoded(encoding="gzip"):
                return _compressed(await self._ask())
            case Duplicate():
                first, last = await self._ask(), await self._ask()
                return first if action.answer == "first" else last
            case Silence(after="request") | Reset(after="request") | Close(after="request") | Garbage():
                return _NOT_FORWARDED
            case _:
                return await self._ask()

    async def _send(self, action: Action, response: Response) -> Result:
        connection = self._connection
        match action:
            case Silence():
                await connection.until_gone()
                return Result("silence")
            case _ if connection.gone:
                return Result("gone")
            case Reset():
                connection.reset()
                return Result("reset")
            case Close():
                connection.close()
                return Result("closed")
            case Garbage():
                data = action.data.encode()
                connection.send(data)
                connection.close()
                return Result("garbage", answer=data)
            case Partial():
                return await self._send_part(response, action)
            case Drip():
                return await self._drip(response, action)
            case Encoded(encoding="chunked"):
                return self._answer(response, chunk=_CHUNK)
            case _:
                return self._answer(response)

    async def _ask(self) -> Response:
        """The agent's answer, recorded; 502 with the reason when there is none."""
        sent = time.time()
        try:
            response = await self._upstream.ask(self._request)
        except UpstreamFailed as error:
            self._recorder.failed(self._number, str(error))
            return _bad_gateway(str(error))
        self._recorder.upstream_answered(
            self._number, UpstreamAnswer(response.status, parse_text(response.body), sent, time.time())
        )
        return response

    def _answer(self, response: Response, *, chunk: int = 0) -> Result:
        connection, keep_alive = self._connection, self._request.keep_alive
        if connection.gone:
            return Result("gone")
        connection.send(render(response, keep_alive=keep_alive, chunk=chunk))
        if not keep_alive:
            connection.close()
        return Result("answered", response.status, response.body)

    def _edited(self, response: Response, edit: Edit) -> Response:
        fields = parse_json(response.body)
        if not isinstance(fields, dict):
            error = f"nothing to edit: the agent's answer is no JSON object: {parse_text(response.body[:200])}"
            self._recorder.failed(self._number, error)
            return _bad_gateway(error)
        for where in edit.remove:
            fields = without(fields, where)
        for where, value in edit.set.items():
            fields = with_value(fields, where, value)
        return replace(response, body=orjson.dumps(fields))

    async def _send_part(self, response: Response, partial: Partial) -> Result:
        body = response.body[: len(response.body) // 2 if partial.size is None else partial.size]
        self._connection.send(render(response).removesuffix(response.body) + body)
        if partial.then == "hang":
            await self._connection.until_gone()
        else:
            self._connection.close()
        return Result("partial", response.status, body)

    async def _drip(self, response: Response, drip: Drip) -> Result:
        data = render(response, keep_alive=False)
        for start in range(0, len(data), drip.size):
            self._connection.send(data[start : start + drip.size])
            if await self._connection.until_gone(drip.interval):
                sent = data[: start + drip.size].partition(b"\r\n\r\n")[2]
                return Result("partial", response.status, sent)
        self._connection.close()
        return Result("answered", response.status, response.body)


_NOT_FORWARDED = Response(0)
_CHUNK = 16
"""Octets: every answer has several chunks."""


def _compressed(response: Response) -> Response:
    headers = (*response.headers, ("content-encoding", "gzip"))
    return replace(response, body=gzip.compress(response.body, mtime=0), headers=headers)


def _own(answer: Answer) -> Response:
    if isinstance(answer.body, str):
        return Response(answer.status, answer.body.encode(), _with_type(answer.headers, "text/plain; charset=utf-8"))
    return Response(answer.status, orjson.dumps(answer.body), _with_type(answer.headers, "application/json"))


def _with_type(headers: Mapping[str, str], default: str) -> Headers:
    if any(name.lower() == "content-type" for name in headers):
        return tuple(headers.items())
    return (("content-type", default), *headers.items())


def _bad_gateway(error: str) -> Response:
    return json_response(502, orjson.dumps({"error": error}))
