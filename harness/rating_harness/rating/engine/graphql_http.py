"""How the real services speak HTTP and GraphQL: Starlette's GraphQL endpoint of 2020, and graphql-core 2."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLError,
    GraphQLID,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInt,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLString,
    NullValueNode,
    OperationDefinitionNode,
    OperationType,
    Visitor,
    execute,
    get_operation_ast,
    parse,
    type_from_ast,
    validate,
    visit,
)
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from rating_harness.errors import EngineError
from rating_harness.rating.engine.origins import from_browser, may_write, refused
from rating_harness.rating.engine.quirks import ClientError
from rating_harness.rating.engine.store import Store

__all__ = [
    "FEWEST_ROWS",
    "LARGEST_BODY",
    "MOST_TOKENS",
    "GraphQLEndpoint",
    "RowBudget",
    "detail",
    "json_response",
    "status",
]

_LOGGER = logging.getLogger(__name__)

_UNREADABLE = "Cannot return null for non-nullable field"
"""How graphql-core says that a record lacks its key (``Quirk.KEYLESS``)."""


MOST_TOKENS = 20_000
"""Tokens of a GraphQL document (words, braces, numbers): validation takes more than linear time."""

FEWEST_ROWS = 10_000
"""Rows that the lists of one request may always have. Beyond it, they may have twice as many as are stored: whoever
reads more reads the same again and again."""

LARGEST_BODY = 16 << 20
"""Bytes of a request's body; a larger one is answered 413, before it is read."""


class _NoNull(Visitor):
    """Refuses the literal null, which graphql-core 2 can't read (``Quirk.NULL_IS_ABSENT``)."""

    def enter_null_value(self, node: NullValueNode, *_: Any) -> None:
        raise GraphQLError('Syntax Error: Unexpected Name "null".', node)


def lenient(value: Any, type_: GraphQLInputType) -> Any:
    """A variable's value as graphql-core 2 takes it: null is absent, scalars are converted, and one value does for a
    list (``Quirk.LENIENT_VARIABLES``, ``Quirk.NULL_IS_ABSENT``). What can't be converted is left to be refused."""
    if isinstance(type_, GraphQLNonNull):
        return lenient(value, type_.of_type)
    if value is None:
        return None
    if isinstance(type_, GraphQLList):
        return [lenient(item, type_.of_type) for item in (value if isinstance(value, list) else [value])]
    if isinstance(type_, GraphQLInputObjectType):
        if not isinstance(value, dict):
            return value
        fields = type_.fields
        return {
            name: lenient(item, fields[name].type) if name in fields else item
            for name, item in value.items()
            if item is not None
        }
    if isinstance(type_, GraphQLEnumType) or isinstance(value, list | dict):
        return value
    if type_ in (GraphQLString, GraphQLID):
        return str(value).lower() if isinstance(value, bool) and type_ is GraphQLString else str(value)
    if type_ is GraphQLBoolean:
        return bool(value)
    if type_ is GraphQLInt:
        return _int(value)
    return value


def _int(value: Any) -> Any:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return value
    return int(number) if math.isfinite(number) else value


class _Prepared:
    """A document that was read and validated once, or what is wrong with it."""

    __slots__ = ("document", "errors")

    def __init__(self, schema: GraphQLSchema, query: str) -> None:
        self.document: DocumentNode | None = None
        try:
            document = parse(query, max_tokens=MOST_TOKENS)
            visit(document, _NoNull())
            self.errors = validate(schema, document)
        except GraphQLError as error:
            self.errors = [error]
        except RecursionError:
            self.errors = [GraphQLError("the query nests too deeply")]
        if not self.errors:
            self.document = document


def _variables(
    schema: GraphQLSchema, document: DocumentNode, name: str | None, given: Mapping[str, Any]
) -> dict[str, Any]:
    operation = get_operation_ast(document, name)
    if not isinstance(operation, OperationDefinitionNode):
        return {}
    variables = {}
    for definition in operation.variable_definitions or ():
        variable = definition.variable.name.value
        type_ = type_from_ast(schema, definition.type)
        value = given.get(variable)
        if value is not None and type_ is not None:
            variables[variable] = lenient(value, type_)  # type: ignore[arg-type]
    return variables


async def detail(_: Request, error: Exception) -> Response:
    """An HTTP error as FastAPI tells it."""
    assert isinstance(error, HTTPException)
    return json_response({"detail": error.detail}, error.status_code)


async def status(_: Request) -> Response:
    """``/status`` of both services."""
    return Response(status_code=204)


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON, as fast as can be."""
    return Response(orjson.dumps(content), status, headers, "application/json")


@dataclass(slots=True)
class RowBudget:
    """How many rows the lists of one request may still have; the resolvers' context."""

    stored: Callable[[], int]
    rows: int = 0

    def spend(self, rows: int) -> None:
        """:raises ClientError: the request reads the same rows more than twice."""
        self.rows += rows
        if self.rows > FEWEST_ROWS and self.rows > (limit := max(FEWEST_ROWS, 2 * self.stored())):
            raise ClientError(f"the lists of one request may have {limit} rows in all: send several requests")


class GraphQLEndpoint:
    """``/graphql``: queries in the query string, in JSON and as ``application/graphql``; a page for browsers.

    :param page: the page that a browser gets.
    :param errors_when_none: whether a success has ``"errors": null``, as the agent's has.
    :param origins: the web origins whose pages may send mutations, besides its own.
    :param stored: how many rows all lists have now, each read once.
    """

    def __init__(
        self,
        schema: GraphQLSchema,
        store: Store,
        *,
        page: str,
        errors_when_none: bool = False,
        stored: Callable[[], int] = lambda: 0,
        origins: Collection[str] = (),
    ) -> None:
        self.schema = schema
        self._store = store
        self._page = page
        self._errors_when_none = errors_when_none
        self._stored = stored
        self._origins = origins
        self._prepare = lru_cache(maxsize=512)(lambda query: _Prepared(schema, query))

    async def __call__(self, request: Request) -> Response:
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(self._page)
        given = await _given(request)
        if isinstance(given, Response):
            return given
        if "query" not in given:
            return PlainTextResponse("No GraphQL query found in the request", 400)
        if from_browser(request.scope) or request.method == "GET":
            writes = self._changes_something(given["query"], given.get("operationName"))
            if writes and not may_write(request.scope, self._origins):
                return refused()
            if writes and request.method == "GET":
                return PlainTextResponse("Method Not Allowed: send mutations by POST", 405, {"allow": "POST"})
        result = self.execute(given["query"], given.get("variables"), given.get("operationName"))
        _report(result)
        if self._store.pending:
            try:
                await self._store.committed()
            except EngineError:
                return _server_error()
        return self._response(result)

    def _changes_something(self, query: Any, operation: Any) -> bool:
        """Whether it's a mutation: a page's image or link is a GET, and browsers send those without an origin."""
        document = self._prepare(query).document if isinstance(query, str) else None
        name = operation if isinstance(operation, str) else None
        definition = document and get_operation_ast(document, name or None)
        return isinstance(definition, OperationDefinitionNode) and definition.operation is OperationType.MUTATION

    def execute(self, query: Any, variables: Any = None, operation: Any = None) -> ExecutionResult:
        """Run one operation of a document."""
        if isinstance(variables, str) and variables:
            try:
                variables = orjson.loads(variables)
            except orjson.JSONDecodeError:
                return _failure("variables are a JSON object")
        if not isinstance(query, str):
            return _failure("query is a string")
        if not isinstance(variables or {}, dict):
            return _failure("variables are a JSON object")
        if not isinstance(operation, str | None):
            return _failure("operationName is a string")
        prepared = self._prepare(query)
        if prepared.document is None:
            return ExecutionResult(None, prepared.errors)
        given = _variables(self.schema, prepared.document, operation or None, variables or {})
        result = execute(
            self.schema,
            prepared.document,
            variable_values=given,
            operation_name=operation or None,
            context_value=RowBudget(self._stored),
        )
        assert isinstance(result, ExecutionResult)
        return result

    def _response(self, result: ExecutionResult) -> Response:
        """Any error makes the status 400 (``Quirk.ANY_ERROR_IS_400``)."""
        content: dict[str, Any] = {"data": result.data}
        if result.errors or self._errors_when_none:
            content["errors"] = [error.formatted for error in result.errors] if result.errors else None
        return json_response(content, 400 if result.errors else 200)


async def _given(request: Request) -> dict[str, Any] | Response:
    """What the request gives of query, variables and operationName; or why it isn't looked at."""
    if request.method == "GET":
        return dict(request.query_params)
    if request.method != "POST":
        return PlainTextResponse("Method Not Allowed", 405)
    kind, body = request.headers.get("content-type", ""), bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            return PlainTextResponse("Request Entity Too Large", 413, {"connection": "close"})
    if "application/json" in kind:
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            if "depth" in error.msg or "recursion" in error.msg.lower():
                return PlainTextResponse("the JSON nests too deeply", 400)
            return _server_error()
        return content if isinstance(content, dict) else _server_error()
    if "application/graphql" in kind:
        return {"query": body.decode("utf-8", "replace")}
    if "query" in request.query_params:
        return dict(request.query_params)
    return PlainTextResponse("Unsupported Media Type", 415)


def _server_error() -> Response:
    """A 500, after which the real server drops the connection (``Quirk.CONNECTION_DROPPED``)."""
    return PlainTextResponse("Internal Server Error", 500, {"connection": "close"})


def _report(result: ExecutionResult) -> None:
    """Log the errors that nothing raises on purpose: the client gets every error in its answer."""
    for error in result.errors or ():
        cause = error.original_error
        meant = isinstance(cause, ClientError | GraphQLError | None) or error.message.startswith(_UNREADABLE)
        if not meant:
            _LOGGER.error("%s failed", error.path, exc_info=cause)


def _failure(message: str) -> ExecutionResult:
    return ExecutionResult(None, [GraphQLError(message)])
