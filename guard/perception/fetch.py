"""Pictures behind URLs, fetched once and with distrust.

A URL in a prompt is somebody else's wish about where Guard connects to. So every address that a name resolves to must
be public, at every redirect, and the connection goes to the very address that was checked. There is no proxy, cookie
or header of the caller; size is limited while reading, and time over all of it. All network failures look the same
from outside: who sends URLs learns nothing about the network behind Guard.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from guard.config import FetchSettings, ImageSettings
from guard.core.image import ACCEPTED, media_type
from guard.errors import ImageRejected, ImageUnreachable
from guard.perception.addresses import AddressPolicy, is_address
from guard.ports import Spend, spend_freely

# Looks a host name up: all its addresses, in numbers. Raises OSError.
Resolve = Callable[[str], Awaitable[Sequence[str]]]

_UNREACHABLE = "the picture's URL cannot or may not be fetched"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK_BYTES = 2**16
_HEADERS = {"User-Agent": "mllm-guard", "Accept": "image/*", "Accept-Encoding": "identity"}
_AT_ONCE = 32


class HttpFetcher:
    """A `Fetcher` over HTTP and HTTPS.

    Args:
        settings: time, redirects, ports, and the networks that may be reached although they are not public.
        limits: of the picture's bytes.
        resolve: looks names up; every address it returns is checked.
        connector: makes the connector that connects to the checked addresses.

    Raises:
        ConfigInvalid: `allow_networks` holds something that is not a network.
    """

    def __init__(
        self,
        settings: FetchSettings,
        limits: ImageSettings,
        *,
        resolve: Resolve | None = None,
        connector: Callable[[AbstractResolver], aiohttp.BaseConnector] | None = None,
    ) -> None:
        self._settings = settings
        self._limits = limits
        self._policy = AddressPolicy(settings.allow_networks)
        # Of its own: a name server that takes its time would fill the loop's pool, and all that waits there with it.
        self._lookups = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="guard-lookup")
        self._resolver = _CheckedResolver(resolve or self._look_up, self._policy)
        self._connector = connector or self._make_connector
        self._session: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def fetch(self, url: str, spend: Spend = spend_freely) -> bytes:
        """Return the bytes of the picture behind a URL.

        Raises:
            ImageUnreachable: whatever the network, the name, the address, the port, the status or the time did.
            ImageRejected: more bytes than allowed, or not an accepted picture by its first bytes. And what `spend`
                raises.
        """
        try:
            async with asyncio.timeout(self._settings.timeout_s), self._slots:
                return await self._follow(_parse(url), spend)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise ImageUnreachable(_UNREACHABLE) from error

    async def close(self) -> None:
        """Close the session; idempotent."""
        self._lookups.shutdown(wait=False, cancel_futures=True)
        if self._session is not None:
            await self._session.close()

    async def _follow(self, url: URL, spend: Spend) -> bytes:
        for _ in range(self._settings.max_redirects + 1):
            self._check(url)
            async with self._open_session().get(url, allow_redirects=False) as response:
                if response.status not in _REDIRECTS:
                    return await self._read(response, spend)
                url = url.join(_parse(response.headers.get("Location", "")))
        raise ImageUnreachable(_UNREACHABLE)

    def _check(self, url: URL) -> None:
        """Check what the resolver does not get to see: scheme, port, credentials, hosts in numbers."""
        is_web = url.scheme in ("http", "https") and url.port in self._settings.ports
        if not is_web or not url.host or url.user is not None or url.password is not None:
            raise ImageUnreachable(_UNREACHABLE)
        if is_address(url.host) and not self._policy.permits(url.host):
            raise ImageUnreachable(_UNREACHABLE)

    async def _read(self, response: aiohttp.ClientResponse, spend: Spend) -> bytes:
        if response.status != 200 or response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise ImageUnreachable(_UNREACHABLE)
        limit = self._limits.max_bytes
        data = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            spend(len(chunk))
            data += chunk
            if len(data) > limit:
                raise ImageRejected(f"more than {limit:,} bytes")
        picture = bytes(data)
        if media_type(picture) is None:
            raise ImageRejected(f"not a {ACCEPTED} picture")
        return picture

    def _open_session(self) -> aiohttp.ClientSession:
        # Made on first use, since it belongs to the running loop.
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=self._connector(self._resolver),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=_HEADERS,
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout_s),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    def _make_connector(self, resolver: AbstractResolver) -> aiohttp.BaseConnector:
        # One connection a request: a kept one would outlive the check of its address.
        return aiohttp.TCPConnector(
            resolver=resolver, use_dns_cache=False, force_close=True, socket_factory=self._open_socket
        )

    def _open_socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        """Return the socket for a connection, its address checked once more: nothing reaches it by another way."""
        family, kind, protocol, _, (host, *_) = address
        if not self._policy.permits(str(host)):
            raise OSError("an address that may not be reached")
        opened = socket.socket(family, kind, protocol)
        opened.setblocking(False)
        return opened

    async def _look_up(self, host: str) -> list[str]:
        def look_up() -> list[str]:
            return [str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]

        return await asyncio.get_running_loop().run_in_executor(self._lookups, look_up)


class NoFetcher:
    """The `Fetcher` of a configuration with `fetch.enabled: false`: every URL is unreachable."""

    async def fetch(self, url: str, spend: Spend = spend_freely) -> bytes:
        """Raise ImageUnreachable."""
        raise ImageUnreachable("fetching pictures is switched off")

    async def close(self) -> None:
        """Do nothing."""


class _CheckedResolver(AbstractResolver):
    """Gives aiohttp the addresses to connect to: all of them checked, or an error."""

    def __init__(self, resolve: Resolve, policy: AddressPolicy) -> None:
        self._resolve = resolve
        self._policy = policy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        addresses = await self._resolve(host)
        if not addresses or not all(map(self._policy.permits, addresses)):
            raise OSError("a name without addresses, or with one that may not be reached")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        pass


def _parse(url: str) -> URL:
    try:
        return URL(url)
    except (ValueError, TypeError, LookupError) as error:  # yarl 1.25 raises IndexError for "http://[]@"
        raise ImageUnreachable(_UNREACHABLE) from error
