"""Any OpenAI- or Anthropic-shaped API over HTTP, as it is: nothing is added, nothing is unpacked."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from urllib.parse import quote_from_bytes

import aiohttp
from yarl import URL

from guard.core.credentials import key_header, with_key, without_credentials
from guard.core.headers import end_to_end
from guard.errors import ConfigInvalid, RequestInvalid, UpstreamBroken, UpstreamTimeout
from guard.ports import UpstreamRequest
from guard.upstream_settings import DEFAULT, OneUpstream
from guard.upstreams.bodies import payload
from guard.upstreams.keys import own_key, without_keys
from guard.upstreams.sessions import Sessions

# It points clients to a door that is not Guard's.
_DROPPED = frozenset({"alt-svc"})
# RFC 9110, sections 5.1 and 5.5.
_NO_TOKEN = re.compile(rb"[^!#$%&'*+.^_`|~0-9A-Za-z-]")
_CUTS_A_LINE = re.compile(r"[\x00-\x20\x7f]")
_ASCII = "".join(map(chr, range(0x21, 0x7F)))
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Passthrough:
    """An `Upstream` that forwards to one base URL.

    Args:
        settings: `url` is needed; with or without a final `/v1`, requests reach exactly one.
        environment: where the API key and the proxy's login are, if the settings name any.
        name: by which tenants say that a key of theirs is for this API.

    Raises:
        ConfigInvalid: there is no URL, a key is missing, or a certificate cannot be used.
    """

    def __init__(
        self, settings: OneUpstream, environment: Mapping[str, str] | None = None, *, name: str = DEFAULT
    ) -> None:
        if settings.url is None:
            raise ConfigInvalid("upstream.url is not set")
        environment = environment or {}
        self._root = base_url(str(settings.url))
        self._name = name
        self._key = own_key(settings, environment, name=name)
        self._key_header = settings.key_header
        self._silence_s = settings.first_byte_timeout_s
        self._sessions = Sessions(settings, environment)

    async def send(self, request: UpstreamRequest) -> "PassthroughResponse":
        """Return once the head of the answer is here.

        Raises:
            RequestInvalid: the request cannot be written on lines of its own.
            UpstreamUnreachable: no connection: refused, no such name, TLS failed, or the proxy declined.
            UpstreamTimeout: no connection or no head in time.
            UpstreamBroken: the connection was dropped before the head, the head is too long or not one that HTTP lets
                be sent on, or it sends the client elsewhere, past Guard.
        """
        url = self._url(request)
        headers = self._headers(request)
        try:
            data = payload(request.body, silence_s=self._silence_s)
            response = await self._sessions.request(request.method, url, headers, data)
        except TimeoutError as error:
            raise UpstreamTimeout("the upstream did not answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamBroken("the upstream gave no HTTP answer") from error
        except ValueError as error:  # aiohttp's, before anything is sent
            raise RequestInvalid("the request has a sign where HTTP allows none") from error
        if not _is_http(response):
            response.close()
            raise UpstreamBroken("the upstream gave no HTTP answer")
        if "location" in response.headers and 300 <= response.status < 400:
            response.close()
            raise UpstreamBroken(f"the upstream redirects ({response.status}); set upstream.url to where it leads")
        return PassthroughResponse(response)

    def _headers(self, request: UpstreamRequest) -> Mapping[str, str]:
        """Return the headers with the tenant's key for this API, else its own, else with what the caller showed."""
        headers, tenants = request.headers, request.keys.get(self._name)
        if tenants is not None:
            return with_key(headers, self._key_header or key_header(request.path, shown=headers), tenants)
        if self._key is not None:
            return with_key(headers, self._key_header or key_header(request.path), self._key)
        return without_credentials(headers) if request.keys else headers

    def _url(self, request: UpstreamRequest) -> URL:
        # Another key in the query would pay, or decide who asks.
        query = request.query if self._key is None and not request.keys else without_keys(request.query)
        if _CUTS_A_LINE.search(request.path) or _CUTS_A_LINE.search(query):
            raise RequestInvalid("the request's path or query has a sign where HTTP allows none")
        if not query.isascii():
            # Bytes as they came, which yarl would encode once more.
            query = quote_from_bytes(query.encode("latin-1"), safe=_ASCII)
        return URL(f"{self._root}{request.path}{'?' if query else ''}{query}", encoded=True)

    async def close(self) -> None:
        """Close idle connections; idempotent."""
        await self._sessions.close()


class PassthroughResponse:
    """An `UpstreamResponse` over aiohttp's."""

    __slots__ = ("_response",)

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    @property
    def status(self) -> int:
        """HTTP status."""
        return self._response.status

    @property
    def headers(self) -> Sequence[tuple[str, str]]:
        """End-to-end headers in the order of the upstream, names in lower case; repeated ones stay repeated."""
        return end_to_end(self._response.raw_headers, drop=_DROPPED)

    def chunks(self) -> AsyncIterator[bytes]:
        """Return the body as it comes; its items raise UpstreamBroken, UpstreamTimeout."""
        return _Body(self._response.content)

    async def close(self) -> None:
        """Drop the connection if the body was not read to its end; idempotent."""
        self._response.close()


class _Body:
    """The chunks of a body.

    No generator: one that nobody reads to its end takes a task and two turns of the loop to close, for each answer.
    """

    __slots__ = ("_content",)

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    def __aiter__(self) -> "_Body":
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await self._content.readany()
        except TimeoutError as error:
            raise UpstreamTimeout("the upstream stopped in the middle of its answer") from error
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            raise UpstreamBroken("the upstream broke off in the middle of its answer") from error
        if not chunk:
            raise StopAsyncIteration
        return chunk


def _is_http(response: aiohttp.ClientResponse) -> bool:
    """Return whether an answer has a final status and headers that HTTP allows; aiohttp takes more than that."""
    if not 200 <= response.status <= 599:
        return False
    names, values = zip(*response.raw_headers, strict=True) if response.raw_headers else ((), ())
    return b"" not in names and not _NO_TOKEN.search(b"".join(names)) and not _CONTROL.search(b"".join(values))


def base_url(url: str) -> str:
    """Return what a path such as `/v1/models` is appended to: `url` without a final slash and a final `/v1`."""
    return url.rstrip("/").removesuffix("/v1").rstrip("/")
