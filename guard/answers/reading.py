"""Every string in a JSON value that a person may get to see, whether or not this version knows the field it stands in.

Left out are names of the protocol, which are closed lists of keys with values that look like names, and what a provider
encrypted for itself. Pictures are pictures; audio, files and other blobs are named as what nobody judged.
"""

import re
from typing import Any

from guard.answers.found import Found, Piece, Strand
from guard.core.formats.ciphertext import is_opaque
from guard.core.formats.language import is_name
from guard.core.formats.pictures import image_input
from guard.errors import AnswerUnreadable
from guard.types import ImageInput

# Keys whose values name something to the client, as long as they look like a name.
_PROTOCOL = frozenset({
    "call_id", "code", "container_id", "created_at", "detail", "effort", "event", "file_id", "finish_reason", "format",
    "id", "item_id", "model", "native_finish_reason", "object", "phase", "previous_response_id", "prompt_cache_key",
    "prompt_cache_retention", "provider", "response_id", "role", "service_tier", "severity", "status", "stop_reason",
    "syntax", "system_fingerprint", "tool_call_id", "tool_use_id", "truncation", "type", "verbosity",
})  # fmt: skip
# And those of which it holds in a text that grows: of the others, a server might send a sentence word by word.
_PROTOCOL_OF_PIECES = frozenset({"call_id", "id", "object", "phase", "role", "status", "tool_call_id", "type"})
# What a provider padded: no client reads it, and no model wrote it. Nor what it encrypted for itself.
_PADDING = "obfuscation"
_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]*")
_BLOB_CHARS = 1024
_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w.+=-]+)*;base64,", re.IGNORECASE)
# Prose is prose: it may begin with a data URL, which it explains, or be one long word.
_PROSE = frozenset({"arguments", "content", "delta", "reasoning", "reasoning_content", "refusal", "text", "thinking"})
_BLOBS = frozenset({"b64_json", "image_base64", "partial_image_b64"})
_JSON_KEYS = frozenset({"arguments", "partial_json"})
_MOST_DEPTH = 64


def read_value(found: Found, value: Any, *, choice: int = 0, strand: Strand = (), grows: bool = False) -> None:
    """Add what a JSON value says to `found`.

    Args:
        choice: to which of several answers it belongs.
        strand: where in it the value stands; with `grows`, texts at one place of several events are one text.
        grows: its texts are pieces, rather than texts in full.
    """
    match value:
        case str():
            _read_text(found, value, choice, strand, grows)
        case dict():
            if len(strand) > _MOST_DEPTH:
                found.unseen.append(AnswerUnreadable.code)
                return
            for key, below in value.items():
                if not is_name(key):
                    found.wholes.append(key)
                if not _is_unread(value, key, below, grows):
                    read_value(found, below, choice=choice, strand=(*strand, key), grows=grows)
        case list():
            if len(strand) > _MOST_DEPTH:
                found.unseen.append(AnswerUnreadable.code)
                return
            for place, below in enumerate(value):
                given = below.get("index") if isinstance(below, dict) else None
                index = given if type(given) is int else place
                read_value(found, below, choice=choice, strand=(*strand, index), grows=grows)


def _is_unread(holder: dict[str, Any], key: str, value: Any, grows: bool) -> bool:
    """Whether a field holds nothing that a person could read."""
    if isinstance(value, list) and value and is_opaque(holder, key):
        return all(isinstance(text, str) and _BASE64.fullmatch(text) for text in value)
    if not isinstance(value, str):
        return False
    if key in (_PROTOCOL_OF_PIECES if grows else _PROTOCOL):
        return is_name(value)
    return (key == _PADDING or is_opaque(holder, key)) and _BASE64.fullmatch(value) is not None


def _read_text(found: Found, text: str, choice: int, strand: Strand, grows: bool) -> None:
    if not text:
        return
    key = strand[-1] if strand else ""
    if key not in _PROSE and _DATA_URL.match(text):
        image = image_input(text, "")
        if image.failure is None:
            found.images.append(image)
        else:
            found.unseen.append("file_part")
    elif key == "data" and "audio" in strand:
        found.unseen.append("audio_part")
    elif key in _BLOBS:
        found.images.append(ImageInput(encoded=text))
    elif len(text) >= _BLOB_CHARS and key not in _PROSE and _BASE64.fullmatch(text):
        found.unseen.append("file_part")
    elif grows:
        found.pieces.append(Piece(choice, strand, text, is_json=key in _JSON_KEYS))
    else:
        found.wholes.append(text)
