"""Tenants: which one a request is of, by the keys that it shows, and the key that the LLM API sees in their place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from guard.config import Settings
from guard.core.credentials import AUTHORIZATION, CREDENTIALS, SHOWN_IN, key_header
from guard.errors import ConfigInvalid, Unauthorized
from guard.server.keys import digest, digest_of_key, read_secret

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

# The label of whoever is no tenant, where such are served.
NOBODY = "default"

_OWN_HEADER = b"x-guard-token"
_SHOWN_IN = tuple(name.encode() for name in SHOWN_IN)
_GOES_WITH_KEY = frozenset(name.encode() for name in CREDENTIALS)


@dataclass(frozen=True, slots=True)
class Tenant:
    """Somebody who is known by a key; `upstream_key` is sent on in place of it."""

    name: str
    upstream_key: bytes | None = None


class Tenants:
    """Everybody who is known.

    Args:
        by_key: tenants by the SHA-256 of their keys.
        serves_unknown: whether requests without a key, or with one that nobody has, are served.
    """

    def __init__(self, by_key: Mapping[bytes, Tenant], *, serves_unknown: bool = True) -> None:
        self._by_key = by_key
        self._serves_unknown = serves_unknown

    def find(self, headers: Headers) -> Tenant | None:
        """Return whose request it is, None where that is nobody in particular.

        `x-guard-token` decides alone where it is there. Of all other headers each one counts: a request that shows the
        keys of two would be judged as one's and paid for by the other.

        Raises:
            Unauthorized: unknown where that is refused, an unknown `x-guard-token`, or keys of several.
        """
        if not self._by_key:
            return None
        own = [value for name, value in headers if name == _OWN_HEADER]
        shown = own or [_bare(name, value) for name, value in headers if name in _SHOWN_IN]
        found = {self._by_key.get(digest(key.strip().decode("latin-1"))) for key in shown}
        if len(found) > 1:
            raise Unauthorized("the request shows the keys of several callers")
        tenant = found.pop() if found else None
        if tenant is None and (own or not self._serves_unknown):
            raise Unauthorized(
                "no key that this Guard knows (Authorization: Bearer, x-api-key, api-key, x-guard-token)"
            )
        return tenant


def open_tenants(settings: Settings, environment: Mapping[str, str]) -> Tenants:
    """Return the tenants of the settings, their keys read. Raises ConfigInvalid: a key cannot be, or is not one's own.

    Args:
        environment: of the process, for keys that lie there.
    """
    by_key: dict[bytes, Tenant] = {}
    for name, said in settings.tenants.items():
        place = f"tenants.{name}"
        upstream = said.upstream_key
        sent = None if upstream is None else read_secret(upstream, environment, place=f"{place}.upstream_key")
        tenant = Tenant(name, None if sent is None else sent.encode("ascii"))
        for number, reference in enumerate(said.keys):
            key = digest_of_key(reference, environment, place=f"{place}.keys.{number}")
            if key in by_key:
                raise ConfigInvalid(f"{place}.keys.{number}: the same key as one of tenants.{by_key[key].name}")
            by_key[key] = tenant
    return Tenants(by_key, serves_unknown=settings.unknown_tenants == "default")


def with_upstream_key(headers: Headers, path: str, key: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers of a request with a tenant's key of the LLM API, where the caller showed its own.

    Where it showed it in `x-guard-token`, the key goes where the API of the path expects it.
    """
    shown = [name for name, _ in headers if name in _SHOWN_IN]
    header = shown[0] if shown else key_header(path).encode()
    kept = [(name, value) for name, value in headers if name not in _GOES_WITH_KEY and name != _OWN_HEADER]
    return [*kept, (header, b"Bearer " + key if header == AUTHORIZATION.encode() else key)]


def _bare(name: bytes, value: bytes) -> bytes:
    """Return the key in a header, without the word `Bearer`."""
    scheme, _, rest = value.strip().partition(b" ")
    return rest if name == AUTHORIZATION.encode() and scheme.lower() == b"bearer" else value
