"""The agent's OpenAPI description, made from the models of its requests."""

from __future__ import annotations

from typing import Any

from rating_harness.rating.engine.agent.requests import MODELS, Model

__all__ = ["description"]

_TYPES: dict[str, dict[str, Any]] = {
    "tags": {"type": "array", "items": {"type": "string"}},
    "authorized": {"type": "boolean", "default": False},
    "tenant": {"type": "string", "default": "default"},
}
_INSTANT = {"type": "string", "format": "date-time"}
_TEXT = {"type": "string"}


def description() -> dict[str, Any]:
    """OpenAPI 3.0.2."""
    return {
        "openapi": "3.0.2",
        "info": {"title": "rating-agent", "description": "Rating Engine: Agent API", "version": "1.0.0"},
        "paths": {f"/v1/{name}": {"post": _operation(name, model)} for name, model in MODELS.items()},
        "components": {"schemas": {model.name: _schema(model) for model in MODELS.values()} | _ERRORS},
    }


def _operation(name: str, model: Model) -> dict[str, Any]:
    return {
        "tags": ["agent"],
        "summary": name.replace("_", " ").capitalize(),
        "operationId": f"{name}_v1_{name}_post",
        "requestBody": {
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.name}"}}},
            "required": True,
        },
        "responses": {
            "200": {"description": "Successful Response", "content": {"application/json": {"schema": {}}}},
            "400": {"description": "Malformed JSON", "content": {"application/json": {"schema": {}}}},
            "422": {
                "description": "Validation Error",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/HTTPValidationError"}}},
            },
        },
    }


def _schema(model: Model) -> dict[str, Any]:
    properties = {
        name: {"title": name.replace("_", " ").title()}
        | (_TYPES.get(name) or (_INSTANT if name.startswith("timestamp") else _TEXT))
        for name, _ in model.fields
    }
    return {"title": model.name, "required": ["transaction_tag"], "type": "object", "properties": properties}


_ERRORS: dict[str, Any] = {
    "HTTPValidationError": {
        "title": "HTTPValidationError",
        "type": "object",
        "properties": {
            "detail": {"title": "Detail", "type": "array", "items": {"$ref": "#/components/schemas/ValidationError"}}
        },
    },
    "ValidationError": {
        "title": "ValidationError",
        "required": ["loc", "msg", "type"],
        "type": "object",
        "properties": {
            "loc": {
                "title": "Location",
                "type": "array",
                "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            },
            "msg": {"title": "Message", "type": "string"},
            "type": {"title": "Error Type", "type": "string"},
        },
    },
}
