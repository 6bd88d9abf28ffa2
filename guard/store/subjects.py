"""End users by a keyed hash: a purge finds them, and nobody without the key can try out names."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from guard.errors import ConfigInvalid

_FEWEST_BYTES = 32


class Subjects:
    """Makes the hash of an end user of a tenant.

    Args:
        secret: at least 32 bytes; another one makes other hashes.

    Raises:
        ConfigInvalid: it is too short.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < _FEWEST_BYTES:
            raise ConfigInvalid(f"store.subject_key: {len(secret)} bytes, at least {_FEWEST_BYTES} are needed")
        self._secret = secret

    def of(self, tenant: str, user: str) -> str | None:
        """Return the hash, 32 hexadecimal digits; None for nobody."""
        if not user:
            return None
        named = f"{tenant}\0{user}".encode(errors="surrogatepass")
        return hmac.new(self._secret, named, hashlib.sha256).hexdigest()[:32]


def end_user(document: Mapping[str, Any]) -> str:
    """Return whom a request says that it is for: `safety_identifier`, `user` or `metadata.user_id`; "" for nobody."""
    metadata = document.get("metadata")
    of_metadata = metadata.get("user_id") if isinstance(metadata, Mapping) else None
    named = (document.get("safety_identifier"), document.get("user"), of_metadata)
    return next((name for name in named if isinstance(name, str) and name), "")
