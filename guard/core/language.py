"""The language in a JSON value of unknown shape: every string that a model may get to read."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

# Words of JSON schemas and of the APIs: as keys they say nothing that somebody wrote.
_VOCABULARY = frozenset({
    "$defs", "$ref", "additionalProperties", "allOf", "anyOf", "arguments", "const", "content", "custom", "default",
    "definition", "description", "enum", "format", "function", "grammar", "input", "items", "json_schema", "maxItems",
    "maxLength", "maximum", "minItems", "minLength", "minimum", "name", "not", "oneOf", "parameters", "pattern",
    "properties", "required", "schema", "strict", "syntax", "text", "title", "type",
})  # fmt: skip
# Keys whose values are names in a protocol, as long as they look like one.
_PROTOCOL = frozenset({
    "cache_control", "call_id", "detail", "format", "id", "index", "media_type", "mime_type", "object", "role",
    "status", "syntax", "tool_call_id", "ttl", "type",
})  # fmt: skip
_TOKEN = re.compile(r"[^\s]{0,64}")


def language_in(value: Any) -> Iterator[str]:
    """Yield the strings in a JSON value, in order: values, and keys that are not words of a schema or protocol.

    A string that is itself JSON (arguments of a tool call) is read too, so that its escapes hide nothing. However deep
    the value is nested, the time is linear in its size.
    """
    open_values = [iter((value,))]
    while open_values:
        for below in open_values[-1]:
            if isinstance(below, str):
                inner = _inner_json(below)
                if inner is not None:
                    open_values.append(iter(inner))
                    break
                if below.strip():
                    yield below
            elif isinstance(below, dict):
                open_values.append(_fields(below))
                break
            elif isinstance(below, list):
                open_values.append(iter(below))
                break
        else:
            open_values.pop()


def _fields(value: dict[str, Any]) -> Iterator[Any]:
    for key, below in value.items():
        if is_protocol(key, below):
            continue
        if key not in _VOCABULARY | _PROTOCOL:
            yield key
        yield below


def is_protocol(key: str, value: Any) -> bool:
    """Whether a field names something in the API's protocol (an id, a type), rather than telling a model something."""
    return key in _PROTOCOL and isinstance(value, str) and _TOKEN.fullmatch(value) is not None


def _inner_json(text: str) -> list[Any] | None:
    """Return what JSON in a string says: objects become lists of keys and values, so that a key may occur twice."""
    if not text.lstrip().startswith(("{", "[", '"')):
        return None
    try:
        inner = json.loads(text, object_pairs_hook=_flat)
    except (ValueError, RecursionError):
        return None
    return inner if isinstance(inner, list) else [inner]


def _flat(pairs: Sequence[tuple[str, Any]]) -> list[Any]:
    return [part for pair in pairs for part in pair]
