"""Any OpenAI-shaped API over HTTP, as it is: nothing is added, nothing is unpacked, connections are reused."""

import asyncio
import io
import re
from collections.abc import AsyncIterator, Sequence

import aiohttp
from yarl import URL

from guard.config import UpstreamSettings
from guard.core.headers import end_to_end
from guard.errors import ConfigInvalid, UpstreamBroken, UpstreamTimeout, UpstreamUnreachable
from guard.ports import UpstreamRequest

# Below the 5 s after which uvicorn, and with it vLLM, drops an idle connection: a request sent into a connection that
# is being dropped is lost, and a POST cannot safely be sent twice.
_KEEP_ALIVE_S = 4.0
_READ_BUFFER_BYTES = 2**18
_ONE_WRITE_BYTES = 2**18
_MAX_HEADER_BYTES = 2**16

# It points clients to a door that is not Guard's.
_DROPPED = frozenset({"alt-svc"})
# RFC 9110, sections 5.1 and 5.5.
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_ADDED_BY_AIOHTTP = ("accept", "accept-encoding", "content-type", "user-agent")


class Passthrough:
    """An `Upstream` that forwards to one base URL.

    Args:
        settings: `url` is needed; with or without a final `/v1`, requests reach exactly one.

    Raises:
        ConfigInvalid: there is no URL.
    """

    def __init__(self, settings: UpstreamSettings) -> None:
        if settings.url is None:
            raise ConfigInvalid("upstream.url is not set")
        self._settings = settings
        self._root = base_url(str(settings.url))
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: UpstreamRequest) -> "PassthroughResponse":
        """Return once the head of the answer is here.

        Raises:
            UpstreamUnreachable: no connection: refused, no such name, or TLS failed.
            UpstreamTimeout: no connection or no head in time.
            UpstreamBroken: the connection was dropped before the head, the head is too long or not one that HTTP lets
                be sent on, or it sends the client elsewhere, past Guard.
        """
        query = f"?{request.query}" if request.query else ""
        url = URL(f"{self._root}{request.path}{query}", encoded=True)
        try:
            response = await self._open().request(
                request.method, url, headers=request.headers, data=_payload(request.body), allow_redirects=False
            )
        except TimeoutError as error:
            raise UpstreamTimeout("the upstream did not answer in time") from error
        except aiohttp.ClientConnectorError as error:
            raise UpstreamUnreachable("no connection to the upstream") from error
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamBroken("the upstream gave no HTTP answer") from error
        if not _is_http(response):
            response.close()
            raise UpstreamBroken("the upstream gave no HTTP answer")
        if "location" in response.headers and 300 <= response.status < 400:
            response.close()
            raise UpstreamBroken(f"the upstream redirects ({response.status}); set upstream.url to where it leads")
        return PassthroughResponse(response)

    async def close(self) -> None:
        """Close idle connections; idempotent."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        # Made on first use: a session belongs to the running loop.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=self._settings.max_connections, keepalive_timeout=_KEEP_ALIVE_S, ttl_dns_cache=30
                ),
                timeout=aiohttp.ClientTimeout(
                    total=self._settings.total_timeout_s,
                    connect=self._settings.connect_timeout_s,
                    sock_read=self._settings.first_byte_timeout_s,
                ),
                skip_auto_headers=_ADDED_BY_AIOHTTP,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                read_bufsize=_READ_BUFFER_BYTES,
                max_line_size=_MAX_HEADER_BYTES,
                max_field_size=_MAX_HEADER_BYTES,
            )
        return self._session


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

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes. Raises UpstreamBroken, UpstreamTimeout."""
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except TimeoutError as error:
            raise UpstreamTimeout("the upstream stopped in the middle of its answer") from error
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            raise UpstreamBroken("the upstream broke off in the middle of its answer") from error

    async def close(self) -> None:
        """Drop the connection if the body was not read to its end; idempotent."""
        self._response.close()


def _is_http(response: aiohttp.ClientResponse) -> bool:
    """Return whether an answer has a final status and headers that HTTP allows; aiohttp takes more than that."""
    is_clean = not any(_CONTROL.search(value) or not _TOKEN.fullmatch(name) for name, value in response.raw_headers)
    return 200 <= response.status <= 599 and is_clean


def _payload(body: bytes) -> bytes | io.BytesIO | None:
    # A large body in one piece would hold up every other request while it is written.
    return io.BytesIO(body) if len(body) > _ONE_WRITE_BYTES else body or None


def base_url(url: str) -> str:
    """Return what a path such as `/v1/models` is appended to: `url` without a final slash and a final `/v1`."""
    return url.rstrip("/").removesuffix("/v1").rstrip("/")
