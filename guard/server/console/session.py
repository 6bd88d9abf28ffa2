"""Sessions of the console: a signed cookie that says who looks until when, and the token that changes carry with it.

Nothing is kept here: every process that has the key knows the same sessions, and another admin token ends them all.
"""

import base64
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson

LIFETIME_S = 10 * 3600.0
MOST_NAME_CHARS = 40
_MOST_COOKIE_CHARS = 1024


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who showed the admin token. `csrf` has to come back with every change."""

    name: str
    until: float  # unix seconds
    csrf: str


class Sessions:
    """Begins sessions and knows them again.

    Args:
        secret: gives at least 32 bytes that nobody but Guard knows; asked when the first session begins.
        clock: unix seconds.
        draw: a random text, new for each session.
    """

    def __init__(
        self,
        secret: Callable[[], bytes],
        *,
        clock: Callable[[], float],
        draw: Callable[[], str] = lambda: secrets.token_urlsafe(18),
    ) -> None:
        self._secret = secret
        self._clock = clock
        self._draw = draw

    def begin(self, name: str, admin_token: bytes) -> str:
        """Return the cookie of a new session. `admin_token` is the SHA-256 of the token that is valid now."""
        said = orjson.dumps({"name": name, "until": self._clock() + LIFETIME_S, "draw": self._draw()})
        payload = _written(said)
        return f"{payload}.{self._sign(b'session', payload, admin_token)}"

    def find(self, cookie: str, admin_token: bytes) -> Session | None:
        """Return the session of a cookie; None for one that is forged, too old, or of before the token changed."""
        payload, _, signature = cookie.partition(".")
        if len(cookie) > _MOST_COOKIE_CHARS or not cookie.isascii():
            return None
        if not hmac.compare_digest(signature, self._sign(b"session", payload, admin_token)):
            return None
        said: dict[str, Any] = orjson.loads(_read(payload))
        if self._clock() >= said["until"]:
            return None
        return Session(said["name"], said["until"], self._sign(b"csrf", payload, admin_token))

    def _sign(self, purpose: bytes, payload: str, admin_token: bytes) -> str:
        key = hmac.digest(self._secret(), b"guard console 1 " + purpose + admin_token, sha256)
        return _written(hmac.digest(key, payload.encode("ascii"), sha256))


def _written(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _read(written: str) -> bytes:
    return base64.urlsafe_b64decode(written + "=" * (-len(written) % 4))
