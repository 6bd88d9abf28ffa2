"""Tenants: which one a request is of, by the keys that it shows, and the keys that LLM APIs see in their place."""

import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias

from guard.access_settings import TenantSettings
from guard.config import Settings
from guard.core.credentials import AUTHORIZATION, SHOWN_IN
from guard.errors import ConfigInvalid, Unauthorized
from guard.server.keys import digest, digest_of_key, read_secret
from guard.upstream_settings import DEFAULT

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

# The label of whoever is no tenant, where such are served.
NOBODY = "default"

_OWN_HEADER = b"x-guard-token"
_SHOWN_IN = tuple(name.encode() for name in SHOWN_IN)
_BEARER = re.compile(rb"^bearer(?:\s+|$)", re.IGNORECASE)
# Another scheme, quotes, or several keys in one: an LLM API may find a key in it where Guard finds none.
_UNREADABLE = re.compile(rb"""[^!-~]|["',]""")
_UNREAD = "a key is written in a way that Guard does not read: Bearer and one word, or the word"
# What in a header may be a key with something around it: keys have 16 characters and more.
_FRAGMENT = re.compile(rb"[^\s;,\"'<>(){}\[\]|]{16,}")
_JOINTS = re.compile(rb"bearer|[=:]", re.IGNORECASE)
_MOST_JOINTS = 4  # a header of nothing else would take minutes


@dataclass(frozen=True, slots=True)
class Tenant:
    """Somebody who is known by a key; `upstream_keys`, by upstream, are sent on in place of it."""

    name: str
    upstream_keys: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)


class Tenants:
    """Everybody who is known.

    Args:
        by_key: tenants by the SHA-256 of their keys.
        serves_unknown: whether requests without a key, or with one that nobody has, are served.
        admin_token: the SHA-256 of the token that opens Guard's own pages, and nothing else.
    """

    def __init__(
        self, by_key: Mapping[bytes, Tenant], *, serves_unknown: bool = True, admin_token: bytes | None = None
    ) -> None:
        self._by_key = by_key
        self._admin_token = admin_token
        self._serves_unknown = serves_unknown

    def keep_back(self, headers: Headers) -> None:
        """Return if a request may be sent on to an LLM API. Raises Unauthorized: it shows the admin token."""
        if self._admin_token is None:
            return
        for name, value in headers:
            if name == _OWN_HEADER or name in _SHOWN_IN:
                key = _bare(name, value).strip().decode("latin-1")
                if hmac.compare_digest(digest(key), self._admin_token):
                    raise Unauthorized("the admin token opens Guard's own pages, and no LLM API")

    def find(self, headers: Headers) -> Tenant | None:
        """Return whose request it is, None where that is nobody in particular.

        `x-guard-token` decides alone where it is there. Of all other headers each one counts: a request that shows the
        keys of two would be judged as one's and paid for by the other.

        Raises:
            Unauthorized: unknown where that is refused, an unknown `x-guard-token`, keys of several, or one that is
                written in a way that Guard does not read, or stands where it looks for none.
        """
        if not self._by_key:
            return None
        own = [value for name, value in headers if name == _OWN_HEADER]
        shown = own or [_bare(name, value) for name, value in headers if name in _SHOWN_IN]
        found = {self._of(key.strip()) for key in shown}
        if len(found) > 1:
            raise Unauthorized("the request shows the keys of several callers")
        tenant = found.pop() if found else None
        if tenant is None and (own or not self._serves_unknown):
            raise Unauthorized(
                "no key that this Guard knows (Authorization: Bearer, x-api-key, api-key, x-guard-token)"
            )
        if tenant is None and any(self._is_known(part) for _, value in headers for part in _fragments(value)):
            raise Unauthorized(_UNREAD)
        return tenant

    def _is_known(self, part: bytes) -> bool:
        return digest(part.decode("latin-1")) in self._by_key

    def _of(self, key: bytes) -> Tenant | None:
        tenant = self._by_key.get(digest(key.decode("latin-1")))
        # It would pass for nobody's, and travel on to the LLM API with what it holds.
        if tenant is None and _UNREADABLE.search(key):
            raise Unauthorized(_UNREAD)
        return tenant


def open_tenants(settings: Settings, environment: Mapping[str, str], *, admin_token: bytes | None = None) -> Tenants:
    """Return the tenants of the settings, their keys read. Raises ConfigInvalid: a key cannot be, or is not one's own.

    Args:
        environment: of the process, for keys that lie there.
        admin_token: its SHA-256, None where there is none.
    """
    by_key: dict[bytes, Tenant] = {}
    for name, said in settings.tenants.items():
        place = f"tenants.{name}"
        tenant = Tenant(name, _upstream_keys(settings, said, environment, place))
        for number, reference in enumerate(said.keys):
            key = digest_of_key(reference, environment, place=f"{place}.keys.{number}")
            if key == admin_token:
                raise ConfigInvalid(f"{place}.keys.{number}: the same key as admin.token")
            if key in by_key:
                raise ConfigInvalid(f"{place}.keys.{number}: the same key as one of tenants.{by_key[key].name}")
            by_key[key] = tenant
    return Tenants(by_key, serves_unknown=settings.unknown_tenants == "default", admin_token=admin_token)


def _upstream_keys(
    settings: Settings, said: TenantSettings, environment: Mapping[str, str], place: str
) -> dict[str, str]:
    keys = {}
    for upstream, reference in said.keys_by_upstream.items():
        at = f"{place}.upstream_key" if upstream is None else f"{place}.upstream_keys.{upstream}"
        # A reload changes tenants and leaves the upstreams: what was clear in the file may not be so here.
        why = settings.upstream.why_no_key(upstream)
        if why is not None:
            raise ConfigInvalid(f"{at}: {why}")
        keys[upstream or DEFAULT] = read_secret(reference, environment, place=at)
    return keys


def _bare(name: bytes, value: bytes) -> bytes:
    """Return the key in a header, without the word `Bearer`."""
    return _BEARER.sub(b"", value.strip(), count=1) if name == AUTHORIZATION.encode() else value


def _fragments(value: bytes) -> Iterator[bytes]:
    """Yield what in a header's value a server that reads it freely may take for a key."""
    for found in _FRAGMENT.finditer(value):
        yield found[0]
        for joint in islice(_JOINTS.finditer(found[0]), _MOST_JOINTS):
            yield found[0][joint.end() :]
