"""Keys that callers show: kept as digests, where they are only compared."""

import hashlib
from collections.abc import Mapping

from guard.errors import ConfigInvalid
from guard.secrets import read_secret as read_secret

_FEWEST_CHARS = 16


def digest_of_key(reference: str, environment: Mapping[str, str], *, place: str) -> bytes:
    """Return the SHA-256 of a key, which may also be given as `sha256:HEX`. Raises ConfigInvalid, as `read_secret`."""
    kind, _, written = reference.partition(":")
    if kind == "sha256":
        return bytes.fromhex(written)
    secret = read_secret(reference, environment, place=place)
    if len(secret) < _FEWEST_CHARS:
        raise ConfigInvalid(f"{place}: {reference} has {len(secret)} characters, a key needs {_FEWEST_CHARS}")
    return digest(secret)


def digest(secret: str) -> bytes:
    """Return the SHA-256 of a secret as a header bears it."""
    return hashlib.sha256(secret.encode("latin-1")).digest()
