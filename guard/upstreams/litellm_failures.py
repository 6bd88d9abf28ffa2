"""What litellm raises, told apart: the provider's own error, which is an answer, and the lack of one.

httpx, openai and aiohttp come with litellm. This module is imported beside it, and nowhere else.
"""

from collections.abc import Iterator

import aiohttp
import httpx
import openai

from guard.errors import UpstreamBroken, UpstreamFailed, UpstreamTimeout, UpstreamUnreachable

_LATE = (TimeoutError, httpx.TimeoutException, openai.APITimeoutError)
_NO_CONNECTION = (httpx.ConnectError, aiohttp.ClientConnectorError)
_DROPPED = (httpx.TransportError, aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)


def failure(error: Exception) -> UpstreamFailed | None:
    """Return why the provider gave no answer; None where the error is its answer."""
    causes = list(_causes(error))
    if any(isinstance(cause, _LATE) for cause in causes):
        return UpstreamTimeout("the provider did not answer in time")
    if any(isinstance(cause, _NO_CONNECTION) for cause in causes):
        return UpstreamUnreachable("no connection to the provider")
    if any(isinstance(cause, _DROPPED) for cause in causes):
        return UpstreamBroken("the provider broke off before its answer")
    if isinstance(error, openai.APIConnectionError) or not 400 <= status_of(error) <= 599:
        return UpstreamBroken("the provider's answer cannot be translated")
    return None


def status_of(error: Exception) -> int:
    """Return the HTTP status that an error stands for, 0 for none."""
    status = getattr(error, "status_code", 0)
    return status if isinstance(status, int) else 0


def message_of(error: Exception) -> str:
    """Return what an error says."""
    return str(getattr(error, "message", error))


def retry_after(error: Exception) -> str | None:
    """Return how long the provider asks its clients to wait."""
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    wait = headers.get("retry-after") or (getattr(error, "litellm_response_headers", None) or {}).get("retry-after")
    return wait if isinstance(wait, str) and wait.isprintable() else None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
