"""The language in a JSON value of unknown shape: every string that a model may get to read."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

# Words of JSON schemas and of the APIs: as keys they say nothing that somebody wrote.
_VOCABULARY = frozenset({
    "$defs", "$ref", "additionalProperties", "allOf", "anyOf", "arguments", "const", "content", "custom", "default",
    "definition", "description", "enabled", "enum", "format", "function", "grammar", "input", "items", "json_schema",
    "maxItems", "maxLength", "maximum", "minItems", "minLength", "minimum", "name", "not", "oneOf", "parameters",
    "pattern", "properties", "required", "schema", "strict", "syntax", "text", "title", "type",
})  # fmt: skip
# Keys whose values are names in a protocol, as long as they look like one.
_PROTOCOL = frozenset({
    "approval_request_id", "cache_control", "call_id", "container_id", "detail", "format", "id", "index", "media_type",
    "mime_type", "object", "phase", "role", "status", "syntax", "tool_call_id", "tool_use_id", "ttl", "type",
})  # fmt: skip
# What tools are given. A model wrote it or reads it, so that every key and value in it is language.
_GIVEN = frozenset({"arguments", "input"})
_NAME = re.compile(r"[A-Za-z0-9_.:/+-]{0,64}")
_SEPARATOR = re.compile(r"[_.:/+-]")
# "functions.get_weather:0", "chatcmpl-tool-83ab", "function_call_output"; a sentence has more words or longer ones.
_MOST_NAME_WORDS = 3
_MOST_NAME_LETTERS = 24


def language_in(value: Any) -> Iterator[str]:
    """Yield the strings in a JSON value, in order: values, and keys that are not words of a schema or protocol.

    A string that is itself JSON (arguments of a tool call) is read too, so that its escapes hide nothing. However deep
    the value is nested, the time is linear in its size.
    """
    open_values: list[Iterator[Any]] = [iter((value,))]
    is_given = [False]
    while open_values:
        for below in open_values[-1]:
            inner = _inside(below, is_given[-1])
            if inner is not None:
                open_values.append(inner)
                is_given.append(is_given[-1] or isinstance(below, _Given))
                break
            if isinstance(below, str) and below.strip():
                yield below
        else:
            open_values.pop()
            is_given.pop()


@dataclass(frozen=True, slots=True)
class _Given:
    """A value in which no key is a word of the protocol."""

    value: Any


def _inside(value: Any, is_given: bool) -> Iterator[Any] | None:
    """Return what is to be read in a value; None where it is no list, no object and no string that is JSON."""
    match value:
        case str():
            inner = _inner_json(value)
            return None if inner is None else iter(inner)
        case dict():
            return chain.from_iterable(value.items()) if is_given else _fields(value)
        case list():
            return iter(value)
        case _Given():
            return iter((value.value,))
        case _:
            return None


def _fields(value: dict[str, Any]) -> Iterator[Any]:
    for key, below in value.items():
        if is_protocol(key, below):
            continue
        if key not in _VOCABULARY | _PROTOCOL:
            yield key
        yield _Given(below) if key in _GIVEN else below


def is_protocol(key: str, value: Any) -> bool:
    """Whether a field names something in the API's protocol (an id, a type), rather than telling a model something."""
    return key in _PROTOCOL and isinstance(value, str) and is_name(value)


def is_name(text: str) -> bool:
    """Whether a string can be an id or a name in a protocol, rather than a sentence written without blanks.

    Random ids hold digits in every piece; pieces of letters alone are words, of which names have few.
    """
    if _NAME.fullmatch(text) is None:
        return False
    words = [piece for piece in _SEPARATOR.split(text) if piece.isalpha()]
    return len(words) <= _MOST_NAME_WORDS and sum(map(len, words)) <= _MOST_NAME_LETTERS


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
