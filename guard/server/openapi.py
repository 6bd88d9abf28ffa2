"""Guard's own OpenAPI document, made from its tables of routes and statuses, and served at `/guard/openapi.json`."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from guard.server import admin, classify, litellm_guardrail, moderations
from guard.server.apis import Api
from guard.server.console import described
from guard.server.openapi_schemas import SAME_BODY, SCHEMAS, ref
from guard.server.routes import MODEL, MODELS, Handling, listed

ROUTE = "/guard/openapi.json"

_Operation = dict[str, Any]

# What Guard itself may answer at any door, before the request is judged or because it could not be.
_ANYWHERE = (400, 401, 404, 408, 413, 415, 429, 500, 503)
_BEHIND = (502, 504)
_TENANT_KEYS: list[dict[str, list[str]]] = [
    {"bearer": []},
    {"x-api-key": []},
    {"api-key": []},
    {"x-guard-token": []},
    {},
]
_VERDICT_HEADERS = {
    name: {"schema": {"type": "string", **kind}}
    for name, kind in {
        "x-guard-verdict": {"enum": ["safe", "unsafe", "unjudged"]},
        "x-guard-action": {"enum": ["allow", "flag", "review", "block"]},
        "x-guard-id": {},
    }.items()
}


def document(version: str) -> dict[str, Any]:
    """Return the whole document."""
    paths: dict[str, dict[str, _Operation]] = {}
    for path, method, operation in (*_own(), *_of_llm_apis()):
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in re.findall(r"\{(\w+)\}", path)
        ]
        paths.setdefault(path, {})[method.lower()] = operation | ({"parameters": parameters} if parameters else {})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Guard",
            "version": version,
            "description": "A guardrail in front of LLM APIs: requests are judged, and sent on where they pass.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(SCHEMAS),
            "securitySchemes": {
                "admin": {"type": "http", "scheme": "bearer", "description": "the setting admin.token"},
                "bearer": {"type": "http", "scheme": "bearer", "description": "a tenant's key"},
                **{
                    name: {"type": "apiKey", "in": "header", "name": name}
                    for name in ("x-api-key", "api-key", "x-guard-token")
                },
            },
        },
    }


def _own() -> list[tuple[str, str, _Operation]]:
    judged = _errors(_ANYWHERE)
    classifying = {
        "summary": "Verdicts, without any LLM API",
        "security": _TENANT_KEYS,
        "requestBody": _body("ClassifyRequest"),
        "responses": {"200": _json("the verdict object, or a list in the same order", "ClassifyAnswer"), **judged},
    }
    moderating = {
        "summary": "OpenAI's moderation, answered by Guard",
        "security": _TENANT_KEYS,
        "requestBody": _body("ModerationRequest"),
        "responses": {"200": _json("a result for each item", "ModerationAnswer"), **judged},
    }
    guarding = {
        "summary": "LiteLLM's generic guardrail: BLOCKED stands in an answer 200",
        "security": _TENANT_KEYS,
        "requestBody": _body("GuardrailRequest"),
        "responses": {"200": _json("whether the call may go on", "GuardrailAnswer"), **judged},
    }
    closed: _Operation = {"security": [{"admin": []}]}
    state = _json("which bundle judges", "BundleState")
    looking = closed | {"summary": "Which bundle judges", "responses": {"200": state, **judged}}
    swapping = closed | {
        "summary": "Another bundle in the place of the one that judges",
        "requestBody": _body("SwapRequest"),
        "responses": {"200": state, **_errors((*_ANYWHERE, 409))},
    }
    alive = {"summary": "The process answers", "responses": {"200": _json("it does", "Alive")}}
    ready = {
        "summary": "The scorer gives scores",
        "responses": {"200": _json("it does", "Ready"), **_errors((503,))},
    }
    figures = {
        "summary": "Figures for Prometheus",
        "responses": {
            "200": {
                "description": "text, or OpenMetrics where the scraper asks for it",
                "content": {
                    kind: {"schema": {"type": "string"}} for kind in ("text/plain", "application/openmetrics-text")
                },
            },
            **_errors((503,)),
        },
    }
    this = {
        "summary": "This document",
        "responses": {"200": {"description": "it", "content": {"application/json": {"schema": {"type": "object"}}}}},
    }
    return [
        (classify.ROUTE, "POST", classifying),
        (moderations.ROUTE, "POST", moderating),
        (litellm_guardrail.ROUTE, "POST", guarding),
        (admin.ROUTE, "GET", looking),
        (admin.ROUTE, "POST", swapping),
        (ROUTE, "GET", this),
        *described.operations(judged, _errors((403,)), _TENANT_KEYS),
        ("/healthz", "GET", alive),
        ("/readyz", "GET", ready),
        ("/metrics", "GET", figures),
    ]


def _of_llm_apis() -> list[tuple[str, str, _Operation]]:
    forwarded = [("GET", MODELS, Handling.FORWARD, None), ("GET", MODEL, Handling.FORWARD, None), *listed()]
    return [(path, method, _forwarded(handling, api, path)) for method, path, handling, api in forwarded]


def _forwarded(handling: Handling, api: Api | None, path: str) -> _Operation:
    error = "AnthropicError" if "messages" in path else "Error"
    what = {
        Handling.JUDGED: "Judged, and sent on where it passes",
        Handling.STORED: "Sent on; answers that the LLM API kept, refused while answers are judged",
    }.get(handling, "Sent on")
    operation: _Operation = {
        "summary": what,
        "security": _TENANT_KEYS,
        "responses": {
            "200": {
                "description": "the LLM API's answer as it came; or a refusal as a message, under `refusal: message`",
                "headers": _VERDICT_HEADERS,
                "content": {"application/json": {}, "text/event-stream": {}},
            },
            **_errors_beside_the_apis_own(error),
            "default": {"description": "the LLM API's answer as it came", "headers": _VERDICT_HEADERS},
        },
    }
    if api is not None:
        operation["requestBody"] = _body(SAME_BODY.get(api.name, api.name))
    return operation


def _errors(statuses: tuple[int, ...], schema: str = "Error") -> Mapping[str, Any]:
    return {str(status): _json(HTTPStatus(status).phrase, schema) for status in statuses}


def _errors_beside_the_apis_own(schema: str) -> Mapping[str, Any]:
    """Return what an LLM API or a proxy in front of it may answer as well, in words and types of its own."""
    either = {
        "application/json": {"schema": {"anyOf": [ref(schema), {"type": "object"}]}},
        "*/*": {"schema": {}},
    }
    return {
        str(status): {
            "description": f"{HTTPStatus(status).phrase}: of Guard, or of the LLM API as it came",
            "content": either,
        }
        for status in (*_ANYWHERE, *_BEHIND)
    }


def _json(description: str, schema: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": ref(schema)}}}


def _body(schema: str) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": ref(schema)}}}
