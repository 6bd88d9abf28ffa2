"""Remembering results by digest: what a result depended on, and a bounded memory of the last ones."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from guard.types import ImageInput, Pair

Key = TypeVar("Key")
Value = TypeVar("Value")


class LruCache(Generic[Key, Value]):
    """The `size` values that were used last; with size 0 it remembers nothing. Not safe across threads."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[Key, Value] = OrderedDict()

    def get(self, key: Key) -> Value | None:
        """Return the value and count it as used, or None."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: Key, value: Value) -> None:
        """Remember a value, and forget the one that was unused for longest."""
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._size:
            self._values.popitem(last=False)

    def __len__(self) -> int:
        return len(self._values)


def fingerprint(scope: bytes, pair: Pair) -> bytes:
    """Return a SHA-256 of everything in a pair that its scores depend on.

    `scope` stands for what is the same for all pairs of a process: bundle, OCR and picture settings. Each part is
    preceded by its length, so that no two pairs run together into the same bytes. A picture counts by its bytes as they
    came: plain and in base64 they are two entries.

    Raises:
        ValueError: a picture is still a URL; the bytes behind it may change.
    """
    digest = hashlib.sha256()
    _feed(digest.update, scope, pair.text.encode(errors="surrogatepass"), str(len(pair.images)).encode())
    for image in pair.images:
        _feed(digest.update, *_identity(image))
    _feed(digest.update, *(code.encode() for code in pair.unjudged))
    return digest.digest()


def _identity(image: ImageInput) -> tuple[bytes, bytes]:
    if image.data is not None:
        return b"data", hashlib.sha256(image.data).digest()
    if image.encoded is not None:
        return b"encoded", hashlib.sha256(image.encoded.encode(errors="surrogatepass")).digest()
    if image.failure is not None:
        return b"failure", image.failure.encode()
    raise ValueError("a picture that was not fetched has no fingerprint")


def _feed(update: Callable[[bytes], None], *parts: bytes) -> None:
    for part in parts:
        update(len(part).to_bytes(8))
        update(part)
