"""What a provider encrypted for itself to decrypt: reasoning, signatures, results of its own tools.

A caller cannot write it, and no model reads it as it stands. So what is not ciphertext is judged: a value that does not
look random, and text within its bytes.
"""

import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from guard.core.image import media_type

# Fields that hold it, at Anthropic, OpenAI and Google, and as LiteLLM passes it on.
_FIELDS: Final = frozenset({
    "encrypted_content", "encrypted_index", "encrypted_stdout", "signature", "thoughtSignature", "thought_signature",
    "thought_signatures",
})  # fmt: skip
# Types of objects whose `data` is it: Anthropic's, and OpenRouter's.
_TYPES: Final = ("redacted_thinking", "reasoning.encrypted")

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")
_WINDOW: Final = 64
_MOST_CHARS: Final = 1_000_000  # more is judged as the text that it is, and is too long for that
_HEAD_CHARS: Final = 32
_LEAST_OF_A_CASE: Final = 8
# 3,000 random bytes hold 16 that are text once in a hundred times, and 20 once in thousands.
_READABLE_BYTES: Final = 20
_UNREADABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd]+")
_STANDARD: Final = str.maketrans("-_", "+/")


def is_opaque(holder: Mapping[str, Any], key: str) -> bool:
    """Whether a field of an object is one for the provider alone to read."""
    return key in _FIELDS or (key == "data" and holder.get("type") in _TYPES)


def said_in(text: str) -> list[str]:
    """Return what a model could read in such a field: of ciphertext nothing but text in its bytes."""
    data = _ciphertext(text)
    if data is None or is_file(text):
        return [text]
    pieces = _UNREADABLE.split(data.decode("utf-8", "replace"))
    return [piece for piece in pieces if len(piece.encode()) >= _READABLE_BYTES]


def is_file(text: str) -> bool:
    """Return whether a text is a picture or PDF in base64, by its first bytes."""
    head = text[:_HEAD_CHARS]
    if len(text) < _WINDOW or _BASE64.fullmatch(head) is None:
        return False
    data = b64decode(head.translate(_STANDARD))
    return media_type(data) is not None or data.startswith(b"%PDF-")


def _ciphertext(text: str) -> bytes | None:
    """Return the bytes of base64 that is as mixed everywhere as random bytes make it; None for anything else."""
    if not _WINDOW <= len(text) <= _MOST_CHARS or _BASE64.fullmatch(text) is None:
        return None
    whole = len(text) // _WINDOW * _WINDOW
    if not (_is_mixed(text[:whole]) and _is_mixed(text[-_WINDOW:])):
        return None
    bare = text.rstrip("=").translate(_STANDARD)
    padded = bare[:-1] if len(bare) % 4 == 1 else bare
    return b64decode(padded + "=" * (-len(padded) % 4))


def _is_mixed(text: str) -> bool:
    """Return whether every window of a text of whole windows holds both cases often, and something else."""
    windows = np.frombuffer(text.encode("ascii"), np.uint8).reshape(-1, _WINDOW)
    upper = ((windows >= ord("A")) & (windows <= ord("Z"))).sum(axis=1)
    lower = ((windows >= ord("a")) & (windows <= ord("z"))).sum(axis=1)
    # Of 64 random symbols some 26 are of each case: fewer than 8 come once in a million times.
    return bool((np.minimum(upper, lower) >= _LEAST_OF_A_CASE).all() and (upper + lower < _WINDOW).all())
