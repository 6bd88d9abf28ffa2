"""Remembering results by digest: what a result depended on, and a bounded memory of the last ones."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
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


class BytesCache:
    """The byte strings that were used last, up to `most_bytes` of them together. Not safe across threads."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._size_bytes = 0
        self._values: OrderedDict[bytes, bytes] = OrderedDict()

    def get(self, key: bytes) -> bytes | None:
        """Return the value and count it as used, or None."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: bytes, value: bytes) -> None:
        """Remember a value, and forget those that were unused for longest."""
        self._size_bytes += len(value) - len(self._values.pop(key, b""))
        self._values[key] = value
        while self._size_bytes > self._most_bytes:
            _, forgotten = self._values.popitem(last=False)
            self._size_bytes -= len(forgotten)


def fingerprint(scope: bytes, pair: Pair, pictures: Sequence[bytes]) -> bytes:
    """Return a SHA-256 of everything in a pair that its scores depend on.

    Each part is preceded by its length, so that no two pairs run together into the same bytes.

    Args:
        scope: stands for what is the same for all pairs of a process: bundle, OCR and picture settings.
        pair: its text, and the codes of what is unjudged in it.
        pictures: `identity` of each of its pictures, which pairs of one request may share.
    """
    digest = hashlib.sha256()
    _feed(digest.update, scope, pair.text.encode(errors="surrogatepass"), str(len(pictures)).encode())
    _feed(digest.update, *pictures)
    _feed(digest.update, *(code.encode() for code in pair.unjudged))
    return digest.digest()


def identity(image: ImageInput) -> bytes:
    """Return a SHA-256 that tells pictures apart by their bytes as they came: plain and in base64 they are two.

    Raises:
        ValueError: the picture is still a URL; the bytes behind it may change.
    """
    if image.url is not None:
        raise ValueError("a picture that was not fetched has no identity")
    if image.failure is not None:
        return hashlib.sha256(b"failure " + image.failure.encode()).digest()
    digest = hashlib.sha256(b"data " if image.encoded is None else b"encoded ")
    digest.update(image.data or b"" if image.encoded is None else image.encoded.encode(errors="surrogatepass"))
    return digest.digest()


def _feed(update: Callable[[bytes], None], *parts: bytes) -> None:
    for part in parts:
        update(len(part).to_bytes(8))
        update(part)
