"""Any OpenAI- or Anthropic-shaped API over HTTP, as it is: nothing is added, nothing is unpacked."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from urllib.parse import urlsplit

from guard.core.headers import end_to_end
from guard.errors import ConfigInvalid, RequestInvalid, UpstreamBroken
from guard.ports import UpstreamRequest
from guard.upstream_settings import OneUpstream
from guard.upstreams.connection import Connection
from guard.upstreams.keys import key_header, read_key, with_key
from guard.upstreams.pool import Pool

# It points clients to a door that is not Guard's.
_DROPPED = frozenset({"alt-svc"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
# What may be sent a second time (RFC 9110, section 9.2.2), where a connection was closed while it was idle.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})


class Passthrough:
    """An `Upstream` that forwards to one base URL.

    Args:
        settings: `url` is needed; with or without a final `/v1`, requests reach exactly one.
        environment: where the API key and the proxy's login are, if the settings name any.

    Raises:
        ConfigInvalid: there is no URL, a key is missing, or a certificate cannot be used.
    """

    def __init__(self, settings: OneUpstream, environment: Mapping[str, str] | None = None) -> None:
        if settings.url is None:
            raise ConfigInvalid("upstream.url is not set")
        environment = environment or {}
        root = base_url(str(settings.url))
        self._origin, self._folder = root[: len(root) - len(urlsplit(root).path)], urlsplit(root).path
        self._key = None
        if settings.key_env is not None:
            self._key = read_key(environment, settings.key_env, setting="upstream.key_env")
        self._settings = settings
        self._pool = Pool(settings, environment)

    async def send(self, request: UpstreamRequest) -> "PassthroughResponse":
        """Return once the head of the answer is here.

        Raises:
            UpstreamUnreachable: no connection: refused, no such name, TLS failed, or the proxy declined.
            UpstreamTimeout: no connection or no head in time.
            UpstreamBroken: the connection was dropped before the head, the head is too long or not one that HTTP lets
                be sent on, or it sends the client elsewhere, past Guard.
        """
        head = self._head(request)
        connection = await self._pool.take()
        try:
            try:
                await self._ask(connection, head, request)
            except UpstreamBroken:
                if connection.uses == 1 or connection.has_answered or not _may_repeat(connection, request):
                    raise
                self._pool.give(connection)
                connection = await self._pool.take(is_new=True)
                await self._ask(connection, head, request)
            response = PassthroughResponse(connection, self._pool)
            _check(response)
        except BaseException:
            connection.abort()
            self._pool.give(connection)
            raise
        return response

    async def _ask(self, connection: Connection, head: bytes, request: UpstreamRequest) -> None:
        await connection.ask(
            head,
            request.body,
            is_head=request.method == "HEAD",
            silence_s=self._settings.first_byte_timeout_s,
            deadline=asyncio.get_running_loop().time() + self._settings.total_timeout_s,
        )

    def _head(self, request: UpstreamRequest) -> bytes:
        """Return request line and headers. Raises RequestInvalid: they cannot be written on lines of their own."""
        headers = request.headers
        if self._key is not None and not request.keeps_key:
            headers = with_key(headers, key_header(request.path, self._settings.key_header), self._key)
        target = f"{self._folder}{request.path}{'?' if request.query else ''}{request.query}"
        if self._pool.is_asked_as_proxy:
            target = f"{self._origin}{target}"
            if self._pool.proxy_login is not None:
                headers = {**headers, "proxy-authorization": self._pool.proxy_login}
        line = f"{request.method} {target} HTTP/1.1".encode("latin-1")
        lines = [f"host: {self._pool.authority}", *(f"{name}: {value}" for name, value in headers.items())]
        if request.body or request.method in _WITH_BODY:
            lines.append(f"content-length: {len(request.body)}")
        head = b"\r\n".join([line, "\r\n".join(lines).encode(), b"", b""])
        if not head.count(b"\n") == head.count(b"\r") == len(lines) + 2 or line.count(b" ") != 2:
            raise RequestInvalid("the request has a line break or a blank where HTTP allows none")
        return head

    async def close(self) -> None:
        """Close idle connections; idempotent."""
        self._pool.close()


class PassthroughResponse:
    """An `UpstreamResponse` over a connection, which it gives back."""

    __slots__ = ("_connection", "_pool", "headers", "status")

    def __init__(self, connection: Connection, pool: Pool) -> None:
        self._connection = connection
        self._pool = pool
        self.status = connection.status
        # End-to-end headers in the order of the upstream, names in lower case; repeated ones stay repeated.
        self.headers: Sequence[tuple[str, str]] = end_to_end(connection.headers, drop=_DROPPED)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes. Raises UpstreamBroken, UpstreamTimeout."""
        while (chunk := await self._connection.read()) is not None:
            yield chunk
        self._pool.give(self._connection)

    async def close(self) -> None:
        """Drop the connection if the body was not read to its end, else give it back; idempotent."""
        self._pool.give(self._connection)


def _may_repeat(connection: Connection, request: UpstreamRequest) -> bool:
    return request.method in _IDEMPOTENT or not connection.has_sent


def _check(response: PassthroughResponse) -> None:
    if not 200 <= response.status <= 599:
        raise UpstreamBroken("the upstream gave no HTTP answer")
    if 300 <= response.status < 400 and any(name == "location" for name, _ in response.headers):
        raise UpstreamBroken(f"the upstream redirects ({response.status}); set upstream.url to where it leads")


def base_url(url: str) -> str:
    """Return what a path such as `/v1/models` is appended to: `url` without a final slash and a final `/v1`."""
    return url.rstrip("/").removesuffix("/v1").rstrip("/")
