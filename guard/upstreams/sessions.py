"""The connections to one upstream: reused, over TLS or a proxy, and made anew where that is safe."""

import asyncio
import time
from collections.abc import Mapping

import aiohttp
from aiohttp import encode_basic_auth
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from guard.errors import UpstreamTimeout, UpstreamUnreachable
from guard.upstream_settings import OneUpstream
from guard.upstreams.keys import proxy_login
from guard.upstreams.tls import tls_context

_READ_BUFFER_BYTES = 2**18
_MAX_HEADER_BYTES = 2**16
_DNS_S = 30
_FIRST_PAUSE_S = 0.05
_ADDED_BY_AIOHTTP = ("accept", "accept-encoding", "content-type", "user-agent")
# What a new attempt would meet again: the other end is there, and is not whom Guard trusts.
_PERMANENT = (
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ClientConnectorSSLError,
    aiohttp.ServerFingerprintMismatch,
)


class CleanConnector(aiohttp.TCPConnector):
    """A connector that hands out no connection on which something was said that nobody asked for.

    aiohttp would take it for the answer to the next request (`test_late_answer_to_nothing_is_nobodys`).
    """

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        while (connection := await super()._get(key, traces)) is not None:
            if connection.protocol is not None and not connection.protocol.should_close:
                break
            connection.close()
        return connection


class Sessions:
    """Sends requests over one pool of connections.

    Args:
        settings: of the upstream.
        environment: where the proxy's login is.

    Raises:
        ConfigInvalid: a certificate cannot be used, or the proxy's login is missing.
    """

    def __init__(self, settings: OneUpstream, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._tls = tls_context(settings.tls)
        self._proxy = None if settings.proxy is None else URL(str(settings.proxy))
        self._proxy_headers = _proxy_headers(settings, environment)
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self, method: str, url: URL, headers: Mapping[str, str], data: bytes | aiohttp.Payload | None
    ) -> aiohttp.ClientResponse:
        """Return once the head of the answer is here.

        A connection that cannot be made is tried anew: nothing of the request was sent. Behind that, aiohttp repeats
        only what HTTP calls idempotent, in a connection that was closed while it was idle.

        Raises:
            UpstreamUnreachable: no connection: refused, no such name, TLS failed, or the proxy declined.
            UpstreamTimeout: no connection in time.
            TimeoutError, aiohttp.ClientError, OSError: whatever else went wrong, when the request may have been sent.
        """
        if self._proxy_headers and url.scheme == "http":
            headers = {**headers, **self._proxy_headers}  # the proxy reads the request itself
        deadline = time.monotonic() + self._settings.connect_timeout_s
        attempt = 0
        while True:
            try:
                return await self._open().request(
                    method,
                    url,
                    headers=headers,
                    data=data,
                    allow_redirects=False,
                    proxy=self._proxy,
                    proxy_headers=self._proxy_headers or None,
                )
            except aiohttp.ConnectionTimeoutError as error:
                raise UpstreamTimeout("no connection to the upstream in time") from error
            except (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError) as error:
                pause = _FIRST_PAUSE_S * 2**attempt
                attempt += 1
                is_last = attempt > self._settings.connect_retries or time.monotonic() + pause > deadline
                if is_last or isinstance(error, _PERMANENT):
                    raise UpstreamUnreachable("no connection to the upstream") from error
            await asyncio.sleep(pause)

    async def close(self) -> None:
        """Close idle connections; idempotent."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        # Made on first use: a session belongs to the running loop.
        if self._session is None:
            settings = self._settings
            self._session = aiohttp.ClientSession(
                connector=CleanConnector(
                    limit=settings.max_connections,
                    keepalive_timeout=settings.idle_timeout_s,
                    ttl_dns_cache=_DNS_S,
                    ssl=self._tls,
                ),
                timeout=aiohttp.ClientTimeout(
                    total=settings.total_timeout_s,
                    connect=settings.connect_timeout_s,
                    sock_read=settings.first_byte_timeout_s,
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


def _proxy_headers(settings: OneUpstream, environment: Mapping[str, str]) -> dict[str, str]:
    login = proxy_login(settings, environment)
    return {} if login is None else {"proxy-authorization": encode_basic_auth(*login)}
