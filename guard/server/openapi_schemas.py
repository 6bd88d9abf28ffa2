"""The shapes in Guard's OpenAPI document. Requests of LLM APIs: as far as Guard holds them to it."""

from collections.abc import Mapping
from typing import Any

from guard.core.taxonomies import OPENAI
from guard.server.admin import SwapRequest
from guard.server.classify import ClassifyItem
from guard.server.items import MAX_ITEMS
from guard.server.wire import STATUS
from guard.types import ATTACKS, SCENARIOS, Action, Basis, Cause, Direction, RuleKind, Verdict

Schema = dict[str, Any]

_PROBABILITY: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}


def ref(name: str) -> Schema:
    """Return a reference to one of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Mapping[str, Schema], *, optional: tuple[str, ...] = (), **more: Any) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": dict(properties), "required": required, **more}


def _each_of(names: tuple[str, ...]) -> Schema:
    return {"type": "object", "properties": dict.fromkeys(names, _PROBABILITY), "additionalProperties": False}


def _words(kind: Any) -> Schema:
    return {"type": "string", "enum": [each.value for each in kind]}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


_CODE: Schema = {"type": "string", "description": f"one of {', '.join(STATUS)}, or the code of what was not judged"}
_CONTENT: Schema = {"type": ["string", "array", "null"]}
_RULE = _object(
    {
        "kind": _words(RuleKind),
        "name": {"type": "string"},
        "probability": _PROBABILITY,
        "threshold": _PROBABILITY,
        "action": _words(Action),
    }
)
_IMAGE = _object(
    {
        "judged": {"type": "boolean"},
        "reason": _MAYBE_TEXT,
        "ocr_text_chars": {"type": ["integer", "null"]},
        "sha256": _MAYBE_TEXT,
    }
)
_MESSAGES: Schema = {
    "type": "array",
    "minItems": 1,
    "items": _object({"role": {"type": "string"}, "content": _CONTENT}, optional=("content",)),
}

_PART = _object({"type": {"type": "string"}})
_TEXTS: Schema = {"type": ["array", "null"], "items": {"type": "string"}}


def _of_openai(each: Schema) -> Schema:
    return _object(dict.fromkeys(OPENAI, each))


SCHEMAS: Mapping[str, Schema] = {
    "Verdict": _object(
        {
            "id": {"type": "string"},
            "direction": _words(Direction),
            "verdict": _words(Verdict),
            "intended": _words(Action),
            "action": _words(Action),
            "basis": _words(Basis),
            "code": _MAYBE_TEXT,
            "cached": {"type": "boolean"},
            "probability": _or_null(_PROBABILITY),
            "threshold": _or_null(_PROBABILITY),
            "categories": _each_of(SCENARIOS),
            "attacks": _each_of(ATTACKS),
            "cause": _or_null(_words(Cause)),
            "rule": _or_null(_RULE),
            "images": {"type": "array", "items": _IMAGE},
            "policy": {"type": "string"},
            "bundle": {"type": "string", "description": "digest of the bundle"},
            "latency_ms": {"type": "object", "additionalProperties": {"type": "number"}},
        }
    ),
    "Error": _object(
        {
            "error": _object(
                {
                    "message": {"type": "string"},
                    "type": {"type": "string", "enum": ["invalid_request_error", "api_error"]},
                    "param": _MAYBE_TEXT,
                    "code": _CODE,
                }
            ),
            "guard": ref("Verdict"),
        },
        optional=("guard",),
    ),
    "AnthropicError": _object(
        {
            "type": {"const": "error"},
            "error": _object({"type": {"type": "string"}, "message": {"type": "string"}, "code": _CODE}),
            "guard": ref("Verdict"),
        },
        optional=("guard",),
    ),
    "ClassifyItem": ClassifyItem.model_json_schema() | {"minProperties": 1},
    "ClassifyRequest": {
        "oneOf": [
            ref("ClassifyItem"),
            {"type": "array", "items": ref("ClassifyItem"), "minItems": 1, "maxItems": MAX_ITEMS},
        ]
    },
    "ClassifyAnswer": {"oneOf": [ref("Verdict"), {"type": "array", "items": ref("Verdict")}]},
    "ModerationRequest": _object(
        {
            "input": {
                "oneOf": [
                    {"type": "string"},
                    {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MAX_ITEMS},
                    {"type": "array", "items": _PART, "minItems": 1, "maxItems": MAX_ITEMS},
                ]
            },
            "model": _MAYBE_TEXT,
        },
        optional=("model",),
        additionalProperties=False,
    ),
    "ModerationAnswer": _object(
        {
            "id": {"type": "string"},
            "model": {"type": "string"},
            "results": {
                "type": "array",
                "items": _object(
                    {
                        "flagged": {"type": "boolean"},
                        "categories": _of_openai({"type": "boolean"}),
                        "category_scores": _of_openai(_PROBABILITY),
                        "category_applied_input_types": _of_openai(
                            {"type": "array", "items": {"type": "string", "enum": ["text", "image"]}}
                        ),
                        "guard": ref("Verdict"),
                    }
                ),
            },
        }
    ),
    "GuardrailRequest": _object(
        {
            "input_type": {"type": "string", "enum": ["request", "response"]},
            "texts": _TEXTS,
            "images": _TEXTS,
            "tools": {"type": ["array", "null"], "items": {"type": "object"}},
            "tool_calls": {"type": ["array", "null"]},
            "structured_messages": {"type": ["array", "null"], "items": {"type": "object"}},
        },
        optional=("texts", "images", "tools", "tool_calls", "structured_messages"),
    ),
    "GuardrailAnswer": _object(
        {
            "action": {"type": "string", "enum": ["NONE", "BLOCKED", "GUARDRAIL_INTERVENED"]},
            "blocked_reason": {"type": "string"},
            "images": {"type": "array", "items": {"type": "string"}},
            "structured_messages": {"type": "array", "items": {"type": "object"}},
            "guard": ref("Verdict"),
        },
        optional=("blocked_reason", "images", "structured_messages"),
    ),
    "SwapRequest": SwapRequest.model_json_schema(),
    "BundleState": _object(
        {
            "bundle": {"type": "string"},
            "digest": {"type": "string"},
            "gate": {"type": "string"},
            "mode": {"type": "string"},
            "policy": {"type": "string"},
            "workers": {
                "type": "array",
                "items": _object({"pid": {"type": "integer"}, "digest": {"type": "string"}}),
            },
        }
    ),
    "Ready": _object({"status": {"const": "ready"}, "bundle": {"type": "string"}, "digest": {"type": "string"}}),
    "Alive": _object({"status": {"const": "ok"}}),
    "chat": _object({"messages": _MESSAGES}),
    "completions": _object({"prompt": {"type": ["string", "array"]}}, optional=("prompt",)),
    "responses": _object({"input": {"type": ["string", "array"]}}, optional=("input",)),
    "messages": _object({"messages": _MESSAGES, "system": {"type": ["string", "array"]}}, optional=("system",)),
    "messages_batch": _object(
        {"requests": {"type": "array", "minItems": 1, "items": _object({"params": {"type": "object"}})}}
    ),
}
# What APIs ask for that is asked beside another one, with the same body.
SAME_BODY: Mapping[str, str] = {"responses_beside": "responses", "messages_tokens": "messages"}
