"""API keys on their way to an upstream: read from the environment, and put in place of what the caller sent."""

from collections.abc import Mapping

from guard.errors import ConfigInvalid

# Headers by which LLM APIs know who pays. What a caller wrote in them is not sent beside another's key.
CREDENTIALS = frozenset({
    "authorization", "x-api-key", "api-key", "x-goog-api-key", "ocp-apim-subscription-key", "cookie",
    "openai-organization", "openai-project"
})  # fmt: skip


def read_key(environment: Mapping[str, str], name: str, *, setting: str) -> str:
    """Return the value of an environment variable. Raises ConfigInvalid, which names the variable: it is not set."""
    value = environment.get(name, "").strip()
    if not value or not value.isprintable() or not value.isascii():
        raise ConfigInvalid(f"{setting}: the environment variable {name} is not set, or holds no key")
    return value


def key_header(path: str, chosen: str | None) -> str:
    """Return the header in which the API behind `path` reads its key: the one chosen, else the API's own."""
    if chosen is not None:
        return chosen
    if path.startswith("/v1/messages"):
        return "x-api-key"
    return "api-key" if path.startswith("/openai/") else "authorization"


def with_key(headers: Mapping[str, str], header: str, key: str) -> dict[str, str]:
    """Return the headers with a key of the operator's in place of the caller's credentials."""
    kept = {name: value for name, value in headers.items() if name not in CREDENTIALS}
    kept[header] = f"Bearer {key}" if header == "authorization" else key
    return kept
