"""API keys and logins: those of upstreams, read from the environment, and those that callers put into a query."""

from collections.abc import Mapping
from urllib.parse import unquote_plus

from guard.errors import ConfigInvalid

# Where Google's and Azure's APIs, and gateways before others, look for a key beside the headers; in lower case.
_IN_QUERY = frozenset({
    "key", "api-key", "api_key", "apikey", "x-api-key", "x-goog-api-key", "subscription-key",
    "ocp-apim-subscription-key", "access_token", "access-token", "oauth_token", "auth_token", "authorization", "token",
    "code",
})  # fmt: skip


def without_keys(query: str) -> str:
    """Return a query without the parameters in which an LLM API would look for a key."""
    parts = query.replace(";", "&").split("&")
    kept = [part for part in parts if unquote_plus(part.partition("=")[0]).strip().lower() not in _IN_QUERY]
    return query if len(kept) == len(parts) else "&".join(kept)


def read_key(environment: Mapping[str, str], name: str, *, setting: str) -> str:
    """Return the value of an environment variable. Raises ConfigInvalid, which names the variable: it is not set."""
    value = environment.get(name, "").strip()
    if not value or not value.isprintable() or not value.isascii():
        raise ConfigInvalid(f"{setting}: the environment variable {name} is not set, or holds no key")
    return value
