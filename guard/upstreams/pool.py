"""The connections to one upstream: kept, handed out again, made anew, over TLS or through a proxy."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import aiohappyeyeballs
from aiohttp import encode_basic_auth

from guard.errors import ConfigInvalid, UpstreamBroken, UpstreamFailed, UpstreamTimeout, UpstreamUnreachable
from guard.upstream_settings import OneUpstream
from guard.upstreams.connection import Connection
from guard.upstreams.keys import read_key
from guard.upstreams.tls import tls_context

_PORTS = {"http": 80, "https": 443}
_FIRST_PAUSE_S = 0.05
# As RFC 8305 recommends: then the next address is tried beside the first.
_NEXT_ADDRESS_S = 0.25


class Pool:
    """Hands out connections to the host of one base URL, at most `max_connections` at once.

    Args:
        settings: of the upstream; `url` is set.
        environment: where the proxy's login is.

    Raises:
        ConfigInvalid: a certificate cannot be used, or the proxy's login is missing.
    """

    def __init__(self, settings: OneUpstream, environment: Mapping[str, str]) -> None:
        url = urlsplit(str(settings.url))
        self._host, self._port = url.hostname or "", url.port or _PORTS[url.scheme]
        self.authority = url.netloc
        self._tls = tls_context(settings.tls) if url.scheme == "https" else None
        self._proxy = None if settings.proxy is None else urlsplit(str(settings.proxy))
        self._proxy_login = _proxy_login(settings, environment)
        self._settings = settings
        self._permits = asyncio.Semaphore(settings.max_connections)
        self._idle: list[tuple[float, Connection]] = []  # since when; the one used last stands last
        self._busy: set[Connection] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    @property
    def is_asked_as_proxy(self) -> bool:
        """Whether requests go to a proxy that reads them: without TLS, there is no tunnel."""
        return self._proxy is not None and self._tls is None

    @property
    def proxy_login(self) -> str | None:
        """Value of `proxy-authorization`."""
        return self._proxy_login

    async def take(self, *, is_new: bool = False) -> Connection:
        """Return a connection that nobody else uses; then `give` it back.

        Args:
            is_new: none that was used before.

        Raises:
            UpstreamUnreachable: no connection can be made: refused, no such name, TLS failed, or the proxy declined.
            UpstreamTimeout: none in time, the wait for a free one included.
        """
        if not self._permits.locked():
            await self._permits.acquire()
            connection = None if is_new else self._take_idle()
            if connection is not None:
                return connection
        else:
            await self._wait_for_permit()
        try:
            connection = (None if is_new else self._take_idle()) or await self._connect()
        except BaseException:
            self._permits.release()
            raise
        self._busy.add(connection)
        return connection

    def give(self, connection: Connection) -> None:
        """Take a connection back: it is kept where it can be asked again, and dropped elsewhere; idempotent."""
        if connection not in self._busy:
            return
        self._busy.discard(connection)
        self._permits.release()
        if not connection.is_reusable:
            connection.abort()
            return
        loop = asyncio.get_running_loop()
        self._idle.append((loop.time(), connection))
        if self._sweeper is None:
            self._sweeper = loop.call_later(self._settings.idle_timeout_s, self._sweep)

    def close(self) -> None:
        """Drop every connection; idempotent."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in (*self._busy, *(connection for _, connection in self._idle)):
            connection.abort()
        self._idle.clear()

    def _take_idle(self) -> Connection | None:
        since = asyncio.get_running_loop().time() - self._settings.idle_timeout_s
        while self._idle:
            idle_since, connection = self._idle.pop()
            if idle_since > since and connection.is_reusable:
                self._busy.add(connection)
                return connection
            connection.abort()
        return None

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        since = loop.time() - self._settings.idle_timeout_s
        for idle_since, connection in self._idle:
            if idle_since <= since or not connection.is_reusable:
                connection.abort()
        self._idle = [one for one in self._idle if one[0] > since and one[1].is_reusable]
        again = bool(self._idle)
        self._sweeper = loop.call_later(self._settings.idle_timeout_s, self._sweep) if again else None

    async def _wait_for_permit(self) -> None:
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await self._permits.acquire()
        except TimeoutError as error:
            raise UpstreamTimeout("every connection to the upstream is taken (upstream.max_connections)") from error

    async def _connect(self) -> Connection:
        """Make a connection, and again where it failed; certificates that nobody vouches for are not tried twice."""
        attempt = 0
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                while True:
                    try:
                        return await self._open()
                    except (OSError, UpstreamFailed) as error:  # an ssl.SSLError is an OSError
                        attempt += 1
                        if attempt > self._settings.connect_retries or isinstance(error, ssl.SSLError):
                            raise UpstreamUnreachable("no connection to the upstream") from error
                    await asyncio.sleep(_FIRST_PAUSE_S * 2 ** (attempt - 1))
        except TimeoutError as error:
            kind = UpstreamUnreachable if attempt else UpstreamTimeout
            raise kind("no connection to the upstream in time") from error

    async def _open(self) -> Connection:
        if self._proxy is None:
            return await _open_connection(self._host, self._port, self._tls)
        connection = await _open_connection(self._proxy.hostname or "", self._proxy.port or _PORTS["http"], None)
        return connection if self._tls is None else await self._tunnel(connection, self._tls)

    async def _tunnel(self, connection: Connection, tls: ssl.SSLContext) -> Connection:
        host = f"[{self._host}]" if ":" in self._host else self._host
        target = f"{host}:{self._port}"
        login = f"proxy-authorization: {self._proxy_login}\r\n" if self._proxy_login else ""
        head = f"CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n{login}\r\n".encode()
        loop = asyncio.get_running_loop()
        silence_s = self._settings.connect_timeout_s
        # As for HEAD, nothing comes behind the head that belongs to the answer.
        await connection.ask(head, b"", is_head=True, silence_s=silence_s, deadline=loop.time() + silence_s)
        if connection.status != 200:
            connection.abort()
            raise UpstreamBroken(f"the proxy makes no tunnel ({connection.status})")
        inner = Connection()
        transport = connection.hand_over()
        try:
            inner.connection_made(
                await loop.start_tls(transport, inner, tls, server_hostname=self._host)  # type: ignore[arg-type]
            )
        except BaseException:
            transport.abort()
            raise
        return inner


async def _open_connection(host: str, port: int, tls: ssl.SSLContext | None) -> Connection:
    loop = asyncio.get_running_loop()
    addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    connected = await aiohappyeyeballs.start_connection(addresses, happy_eyeballs_delay=_NEXT_ADDRESS_S)
    try:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = None if tls is None else host
        _, connection = await loop.create_connection(Connection, sock=connected, ssl=tls, server_hostname=name)
    except BaseException:
        connected.close()
        raise
    return connection


def _proxy_login(settings: OneUpstream, environment: Mapping[str, str]) -> str | None:
    if settings.proxy_login_env is None:
        return None
    login = read_key(environment, settings.proxy_login_env, setting="upstream.proxy_login_env")
    user, colon, password = login.partition(":")
    if not colon:
        raise ConfigInvalid(f"upstream.proxy_login_env: {settings.proxy_login_env} must hold USER:PASSWORD")
    return encode_basic_auth(user, password)
