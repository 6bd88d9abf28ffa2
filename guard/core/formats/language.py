"""The language in a JSON value of unknown shape: every string that a model may get to read, and what numbers spell."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import chain
from typing import Any

from guard.core.formats.ciphertext import is_opaque, said_in
from guard.core.formats.codes import Codes

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
# Fields that hold a JSON Schema. Who offers a tool or asks for a form of answer writes any words there for types.
_SCHEMAS = frozenset({
    "guided_json", "inputSchema", "input_schema", "outputSchema", "output_schema", "parameters", "properties", "schema",
})  # fmt: skip
# Words of JSON Schema and OpenAPI, in any case, by the key that they stand under.
_SCHEMA_WORDS = {
    "type": frozenset({"array", "boolean", "integer", "null", "number", "object", "string"}),
    "format": frozenset({
        "binary", "byte", "date", "date-time", "double", "duration", "email", "float", "hostname", "idn-email",
        "idn-hostname", "int32", "int64", "ipv4", "ipv6", "iri", "iri-reference", "json-pointer", "password", "regex",
        "relative-json-pointer", "time", "uri", "uri-reference", "uri-template", "uuid",
    }),
}  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9_.:/+-]{0,64}")
_SEPARATOR = re.compile(r"[_.:/+-]")
# "functions.get_weather:0", "chatcmpl-tool-83ab", "function_call_output"; a sentence has more words or longer ones.
_MOST_NAME_WORDS = 3
_MOST_NAME_LETTERS = 24


class _Manner(Enum):
    """How an object is read: which of its keys and values only name something in a protocol."""

    API = auto()
    SCHEMA = auto()  # types and formats, in words of their own
    GIVEN = auto()  # none


@dataclass(frozen=True, slots=True)
class _Read:
    """A value that is read in another manner than what is around it."""

    value: Any
    manner: _Manner


def language_in(value: Any, *, key: str = "") -> Iterator[str]:
    """Yield the strings in a JSON value, in order: values, and keys that are not words of a schema or protocol.

    A string that is itself JSON (arguments of a tool call) is read too, so that its escapes hide nothing. Last comes
    what numbers spell as codes of characters. However deep the value is nested, the time is linear in its size.

    Args:
        value: any JSON value.
        key: of the field that holds it, if any.
    """
    codes = Codes()
    codes.enter()
    is_closed = isinstance(value, str) and is_opaque({}, key)
    open_values: list[Iterator[Any]] = [iter(said_in(value) if is_closed else (value,))]
    manners = [_manner_in(key, _Manner.API)]
    while open_values:
        for below in open_values[-1]:
            inner = _inside(below, manners[-1])
            if inner is not None:
                open_values.append(inner)
                manners.append(below.manner if isinstance(below, _Read) else manners[-1])
                codes.enter()
                break
            codes.add(below)
            if isinstance(below, str) and below.strip():
                yield below
        else:
            open_values.pop()
            manners.pop()
            codes.leave()
    yield from codes.texts()


def _inside(value: Any, manner: _Manner) -> Iterator[Any] | None:
    """Return what is to be read in a value; None where it is no list, no object and no string that is JSON."""
    match value:
        case str():
            inner = _inner_json(value)
            return None if inner is None else iter(inner)
        case dict():
            return chain.from_iterable(value.items()) if manner is _Manner.GIVEN else _fields(value, manner)
        case list():
            return iter(value)
        case _Read():
            return iter((value.value,))
        case _:
            return None


def _fields(value: dict[str, Any], manner: _Manner) -> Iterator[Any]:
    for key, below in value.items():
        if _is_schema_word(key, below) if manner is _Manner.SCHEMA else is_protocol(key, below):
            continue
        if manner is _Manner.API and is_opaque(value, key) and _is_text(below):
            yield from chain.from_iterable(map(said_in, [below] if isinstance(below, str) else below))
            continue
        if key not in _VOCABULARY and key not in _PROTOCOL:
            yield key
        inner = _manner_in(key, manner)
        yield below if inner is manner else _Read(below, inner)


def _is_text(value: Any) -> bool:
    """Whether a value is a text, or texts alone."""
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(text, str) for text in value))


def _manner_in(key: str, around: _Manner) -> _Manner:
    if around is not _Manner.API:
        return around  # a schema may describe fields of any name
    return _Manner.GIVEN if key in _GIVEN else _Manner.SCHEMA if key in _SCHEMAS else around


def _is_schema_word(key: str, value: Any) -> bool:
    return isinstance(value, str) and value.casefold() in _SCHEMA_WORDS.get(key, ())


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
