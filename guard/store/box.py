"""Content at rest: sealed with AES-256-GCM, each piece bound to its decision, so that none opens under another's id."""

import hashlib
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from guard.errors import ConfigInvalid, ContentLocked
from guard.store.values import Content

LEAST_SECRET_BYTES = 32
_NONCE_BYTES = 12
_PURPOSE = b"guard store content v1"
_SIZE = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Sealed:
    """Content that nobody can read without the key; `key_id` tells keys apart and nothing about them."""

    key_id: str
    data: bytes


class Box:
    """Seals with one key and opens with that and earlier ones.

    Args:
        secret: at least 32 bytes that nobody can guess; the key is derived from it.
        earlier: secrets that sealed before, to open what they sealed.

    Raises:
        ConfigInvalid: a secret is too short, or the package `cryptography` is missing.
    """

    def __init__(self, secret: bytes, earlier: Sequence[bytes] = ()) -> None:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        except ModuleNotFoundError as error:
            raise ConfigInvalid("store.content needs a package: pip install 'mllm-guard[content]'") from error
        keys = [_derived(one) for one in (secret, *earlier)]
        self._ciphers = {_id_of(key): AESGCM(key) for key in keys}
        self._key_id = _id_of(keys[0])

    def seal(self, content: Content, decision_id: str) -> Sealed:
        """Return content so that only this box, and only under this decision, opens it."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[self._key_id].encrypt(nonce, _packed(content), decision_id.encode())
        return Sealed(self._key_id, nonce + sealed)

    def open(self, sealed: Sealed, decision_id: str) -> Content:
        """Return what was sealed. Raises ContentLocked: another key's, another decision's, or tampered with."""
        from cryptography.exceptions import InvalidTag

        cipher = self._ciphers.get(sealed.key_id)
        if cipher is None:
            raise ContentLocked(f"content of decision {decision_id}: sealed with key {sealed.key_id}, not configured")
        nonce, data = sealed.data[:_NONCE_BYTES], sealed.data[_NONCE_BYTES:]
        try:
            return _unpacked(cipher.decrypt(nonce, data, decision_id.encode()))
        except InvalidTag as error:
            raise ContentLocked(f"content of decision {decision_id}: not what was sealed") from error


def _derived(secret: bytes) -> bytes:
    if len(secret) < LEAST_SECRET_BYTES:
        raise ConfigInvalid(f"store.content.key: {len(secret)} bytes, at least {LEAST_SECRET_BYTES} are needed")
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), 32, salt=None, info=_PURPOSE).derive(secret)


def _id_of(key: bytes) -> str:
    return hashlib.blake2b(key, digest_size=8, person=b"guard key id").hexdigest()


def _packed(content: Content) -> bytes:
    # A text that came with half a surrogate pair is kept as it came.
    parts = (bytes([content.is_whole]), content.text.encode(errors="surrogatepass"), *content.pictures)
    return b"".join(_SIZE.pack(len(part)) + part for part in parts)


def _unpacked(data: bytes) -> Content:
    parts, start = [], 0
    while start < len(data):
        (size,) = _SIZE.unpack_from(data, start)
        start += _SIZE.size
        parts.append(data[start : start + size])
        start += size
    is_whole, text, *pictures = parts
    return Content(text.decode(errors="surrogatepass"), tuple(pictures), is_whole == b"\1")
