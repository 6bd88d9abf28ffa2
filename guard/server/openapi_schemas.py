"""The shapes in Guard's OpenAPI document. Requests of LLM APIs: as far as Guard holds them to it."""

from collections.abc import Mapping
from typing import Any

from guard.server.admin import SwapRequest
from guard.server.classify import MAX_ITEMS, ClassifyItem
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
