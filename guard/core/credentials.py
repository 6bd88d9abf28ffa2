"""API keys as they stand in headers: where clients show theirs, and where the LLM API of a path looks for it."""

import re
from collections.abc import Iterable, Mapping

AUTHORIZATION = "authorization"
# Where clients of LLM APIs put their keys.
SHOWN_IN = (AUTHORIZATION, "x-api-key", "api-key", "x-goog-api-key", "ocp-apim-subscription-key")
# What else tells an LLM API who asks and who pays. Nothing of this is sent beside the key of somebody else.
CREDENTIALS = frozenset({*SHOWN_IN, "cookie", "openai-organization", "openai-project"})

# Sessions of Guard's console: a browser shows them to everything on Guard's address, and no LLM API may see them.
COOKIE, SECURE_COOKIE = "guard-console", "__Host-guard"

# OpenAI has messages, too: /v1/threads/{id}/messages.
_ANTHROPIC = re.compile(r"/v1/messages(?:/|$)|/anthropic/", re.IGNORECASE)
_AZURE = re.compile(r"/openai/", re.IGNORECASE)


def key_header(path: str, shown: Iterable[str] = ()) -> str:
    """Return the header in which the API behind a path reads its key, as its provider has it.

    Args:
        path: as it is sent.
        shown: names of headers, in lower case; where the path says nothing, the first that bears a key is taken.
    """
    if _ANTHROPIC.match(path):
        return "x-api-key"
    if _AZURE.match(path):
        return "api-key"
    return next((name for name in shown if name in SHOWN_IN), AUTHORIZATION)


def without_credentials(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that tell nobody who asks; names are in lower case."""
    return {name: value for name, value in headers.items() if name not in CREDENTIALS}


def with_key(headers: Mapping[str, str], header: str, key: str) -> dict[str, str]:
    """Return the headers with a key in place of all that tells who asks."""
    return {**without_credentials(headers), header: f"Bearer {key}" if header == AUTHORIZATION else key}


def without_sessions(cookies: str) -> str:
    """Return the value of a `Cookie` header without sessions of the console; "" where nothing is left."""
    kept = [pair for pair in cookies.split(";") if pair.partition("=")[0].strip() not in {COOKIE, SECURE_COOKIE}]
    return ";".join(kept).strip()
