"""The API's HTTP: GraphQL, and what only the embedded engine has: reset and metrics."""

from __future__ import annotations

from collections.abc import Collection

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from rating_harness.rating.engine import html
from rating_harness.rating.engine.api.schema import api_schema
from rating_harness.rating.engine.graphql_http import GraphQLEndpoint, detail, json_response, status
from rating_harness.rating.engine.metrics import Metrics
from rating_harness.rating.engine.origins import READ_BY_ALL, may_write, refused
from rating_harness.rating.engine.quirks import Policy
from rating_harness.rating.engine.state import State

__all__ = ["api_app"]

_OPENAPI = {
    "openapi": "3.0.2",
    "info": {"title": "FastAPI", "version": "0.1.0"},
    "paths": {
        "/status": {
            "get": {
                "summary": "Status",
                "operationId": "status_status_get",
                "responses": {"204": {"description": "Successful Response"}},
            }
        }
    },
}


def api_app(state: State, policy: Policy, metrics: Metrics, origins: Collection[str] = ()) -> Starlette:
    """The API.

    :param origins: the web origins whose pages may change something, besides its own; all may read.
    """
    graphql = GraphQLEndpoint(
        api_schema(state, policy),
        state.store,
        page=html.graphiql("API"),
        stored=lambda: state.stored,
        origins=origins,
    )

    async def reset(request: Request) -> Response:
        if not may_write(request.scope, origins):
            return refused()
        state.clear()
        return Response(status_code=204)

    async def exposition(_: Request) -> Response:
        running = sum(len(account.running) for account in state.accounts.records.values())
        return PlainTextResponse(metrics.exposition(running), media_type="text/plain; version=0.0.4")

    app = Starlette(
        routes=[
            Route("/graphql", graphql.__call__, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
            Route("/status", status, methods=["GET"]),
            Route("/openapi.json", lambda _: json_response(_OPENAPI), methods=["GET"]),
            Route("/reset", reset, methods=["POST"]),
            Route("/metrics", exposition, methods=["GET"]),
        ],
        middleware=[Middleware(CORSMiddleware, **READ_BY_ALL)],
        exception_handlers={HTTPException: detail},
    )
    app.router.redirect_slashes = False
    return app
