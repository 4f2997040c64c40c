"""The agent's HTTP: five operations, their description, and GraphQL."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from rating_harness.errors import EngineError
from rating_harness.rating.engine import html
from rating_harness.rating.engine.agent.openapi import description
from rating_harness.rating.engine.agent.requests import MODELS, Invalid, Malformed, Model, invalid, read
from rating_harness.rating.engine.agent.schema import agent_schema
from rating_harness.rating.engine.calls import CallRequest
from rating_harness.rating.engine.graphql_http import (
    LARGEST_BODY,
    GraphQLEndpoint,
    detail,
    json_response,
    status,
)
from rating_harness.rating.engine.operations import OperationError, Operations
from rating_harness.rating.engine.origins import READ_BY_ALL, WritingFor, from_browser
from rating_harness.rating.engine.quirks import Refused
from rating_harness.rating.engine.store import Store

__all__ = ["agent_app"]

_JSON = (b"content-type", b"application/json")
_TEXT = (b"content-type", b"text/plain; charset=utf-8")
_DROPPED = (b"connection", b"close")
_TOO_LARGE = (413, [_TEXT, _DROPPED], b"Request Entity Too Large")


class CallEndpoint:
    """One operation as an ASGI application of its own: a call's set-up time has no room for more.

    :param work: what answers a request. Its answer is sent once the store has what it says.
    :param acknowledged: whether the answer waits for the store.
    """

    def __init__(
        self, model: Model, work: Callable[[CallRequest], dict[str, Any]], store: Store, *, acknowledged: bool
    ) -> None:
        self._model = model
        self._work = work
        self._store = store
        self._acknowledged = acknowledged

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive)
        if body is None:
            return
        code, headers, content = _TOO_LARGE if len(body) > LARGEST_BODY else await self._answer(body)
        headers = [*headers, (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": code, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        try:
            answer = self._work(read(self._model, body))
            if self._acknowledged and self._store.pending:
                await self._store.committed()
        except Malformed:
            return 400, [_JSON], b'{"detail":"There was an error parsing the body"}'
        except Invalid as mistakes:
            return 422, [_JSON], orjson.dumps({"detail": mistakes.errors})
        except Refused as refusal:
            mistake = invalid(refusal.field or "transaction_tag", str(refusal), "value_error")
            return 422, [_JSON], orjson.dumps({"detail": mistake.errors})
        except (OperationError, EngineError):
            return 500, [_TEXT, _DROPPED], b"Internal Server Error"
        return 200, [_JSON], orjson.dumps(answer)


async def _body(receive: Receive) -> bytes | None:
    """The request's body, or the beginning of one that is too large; None when the client has gone."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if not message.get("more_body") or size > LARGEST_BODY:
            return b"".join(chunks)


def acknowledgement(operation: Callable[[CallRequest], bool]) -> Callable[[CallRequest], dict[str, Any]]:
    """An operation with its answer: whether it was done, and the request's names. The answer never says why not."""

    def answer(request: CallRequest) -> dict[str, Any]:
        return {
            "ok": operation(request),
            "tenant": request.tenant,
            "transaction_tag": request.transaction_tag,
            "account_tag": request.account_tag,
            "destination_account_tag": request.destination_account_tag,
        }

    return answer


def handlers(operations: Operations) -> dict[str, Callable[[CallRequest], dict[str, Any]]]:
    """The five, by the last part of their path."""
    return {
        "authorization": operations.authorize,
        "begin_transaction": acknowledgement(operations.begin),
        "end_transaction": acknowledgement(operations.end),
        "rollback_transaction": acknowledgement(operations.rollback),
        "record_transaction": acknowledgement(operations.record),
    }


def agent_app(operations: Operations, store: Store, origins: Collection[str] = ()) -> ASGIApp:
    """The agent.

    A request for one of the five operations goes straight to it; what needs more (another path, another method, a
    browser) takes the way through Starlette, to the same operation.

    :param origins: the web origins whose pages may change something, besides its own; all may read and authorise.
    """
    work = handlers(operations)
    endpoints = {
        f"/v1/{name}": CallEndpoint(model, work[name], store, acknowledged=name != "authorization")
        for name, model in MODELS.items()
    }
    guarded = {
        path: endpoint if path == "/v1/authorization" else WritingFor(origins, endpoint)
        for path, endpoint in endpoints.items()
    }
    graphql = GraphQLEndpoint(
        agent_schema(work), store, page=html.graphiql("Agent"), errors_when_none=True, origins=origins
    )
    openapi = description()
    starlette = Starlette(
        routes=[
            *(Route(path, guarded[path], methods=["POST"]) for path in endpoints),
            Route("/graphql", graphql.__call__, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
            Route("/status", status, methods=["GET"]),
            Route("/v1/openapi.json", lambda _: json_response(openapi), methods=["GET"]),
            Route("/docs", lambda _: HTMLResponse(html.reference(openapi)), methods=["GET"]),
            Route("/redoc", lambda _: HTMLResponse(html.reference(openapi)), methods=["GET"]),
        ],
        middleware=[Middleware(CORSMiddleware, **READ_BY_ALL)],
        exception_handlers={HTTPException: detail},
    )
    starlette.router.redirect_slashes = False

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = endpoints.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if endpoint is None or from_browser(scope):
            await starlette(scope, receive, send)
        else:
            await endpoint(scope, receive, send)

    return app
