"""A real client against a real server on loopback. Names resolve to public addresses, and only the last step, the
connection, is led to the server: so every check is the one that production makes."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from guard.config import FetchSettings, ImageSettings
from guard.errors import ImageRejected, ImageUnreachable
from guard.perception.fetch import HttpFetcher, NoFetcher
from tests.pictures import solid

PUBLIC = "93.184.216.34"
PICTURE = solid("red")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _LedTo(AbstractResolver):
    """Lets another resolver check, then leads the connection to a port on loopback."""

    def __init__(self, inner: AbstractResolver, port: int) -> None:
        self._inner = inner
        self._port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        return [{**result, "host": "127.0.0.1", "port": self._port, "family": socket.AF_INET} for result in found]

    async def close(self) -> None:
        await self._inner.close()


class House:
    """Pictures at pictures.test, and fetchers that reach it."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.handler: Handler = self.give_picture
        self.addresses: dict[str, Sequence[str]] = {"pictures.test": [PUBLIC]}
        self.port = 0
        self._fetchers: list[HttpFetcher] = []

    async def give_picture(self, _: web.Request) -> web.StreamResponse:
        return web.Response(body=PICTURE)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        return await self.handler(request)

    async def resolve(self, host: str) -> Sequence[str]:
        if host not in self.addresses:
            raise OSError("unknown name")
        return self.addresses[host]

    def fetcher(self, *, max_bytes: int = 100_000, **settings: object) -> HttpFetcher:
        fetcher = HttpFetcher(
            FetchSettings.model_validate({"timeout_s": 60, **settings}),
            ImageSettings(max_bytes=max_bytes),
            resolve=self.resolve,
            connector=lambda resolver: aiohttp.TCPConnector(
                resolver=_LedTo(resolver, self.port), use_dns_cache=False, force_close=True
            ),
        )
        self._fetchers.append(fetcher)
        return fetcher

    async def close(self) -> None:
        for fetcher in self._fetchers:
            await fetcher.close()


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", house.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    house.port = runner.addresses[0][1]
    yield house
    await house.close()
    await runner.cleanup()


def _redirect(*locations: str) -> Handler:
    left = list(locations)

    async def handle(_: web.Request) -> web.StreamResponse:
        if left:
            return web.Response(status=302, headers={"Location": left.pop(0)})
        return web.Response(body=PICTURE)

    return handle


def _body(body: bytes, **options: object) -> Handler:
    async def handle(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, **options)  # type: ignore[arg-type]

    return handle


async def test_picture_is_fetched_without_anything_of_the_caller(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    assert await house.fetcher().fetch("http://pictures.test/a.png?x=1") == PICTURE
    (request,) = house.requests
    assert request.path_qs == "/a.png?x=1"
    assert set(request.headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://127.0.0.1:80/a.png", "http://[::1]/", "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/", "http://0/", "http://0.0.0.0/", "http://10.0.0.1/",
        "http://[64:ff9b::7f00:1]/", "http://168.63.129.16/", "http://[fe80::1%25lo]/",
    ],
)  # fmt: skip
async def test_address_in_the_url_that_is_not_public_is_refused(house: House, url: str) -> None:
    with pytest.raises(ImageUnreachable):
        await house.fetcher().fetch(url)

    assert house.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "ftp://pictures.test/a", "file:///etc/passwd", "gopher://pictures.test/", "//pictures.test/a", "pictures.test",
        "", "http://", "http:///a.png", "http://user@pictures.test/", "http://user:pw@pictures.test/",
        "http://pictures.test:8080/a.png", "http://pictures.test:22/", "http://pictures.test:99999/", "http://[::1", "http://[]@",
        "\x00", "http://pictures.test\\@127.0.0.1/", "http://\ud800.test/", "http://" + "a" * 300 + ".test/",
    ],
)  # fmt: skip
async def test_url_that_is_no_plain_web_address_is_refused(house: House, url: str) -> None:
    with pytest.raises(ImageUnreachable):
        await house.fetcher().fetch(url)

    assert house.requests == []


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], [PUBLIC, "10.0.0.1"], ["::ffff:127.0.0.1"], ["169.254.169.254"], ["fe80::1%lo"], []]
)
async def test_name_with_any_address_that_is_not_public_is_refused(house: House, addresses: list[str]) -> None:
    house.addresses["inside.test"] = addresses

    with pytest.raises(ImageUnreachable):
        await house.fetcher().fetch("http://inside.test/")

    assert house.requests == []


async def test_name_in_disguise_of_a_number_is_looked_up_and_checked(house: House) -> None:
    house.addresses["2130706433"] = ["127.0.0.1"]  # what a resolver makes of it

    with pytest.raises(ImageUnreachable):
        await house.fetcher().fetch("http://2130706433/")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "127.0.0.1.", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "0",
        "localhost", "LOCALHOST.", "ip6-localhost", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]", "[::1%25lo]", "①②⑦.⓪.⓪.①", "１２７.0.0.1", "127。0。0。1", "١٢٧.0.0.1",
        "%31%32%37.0.0.1", "ⓛocalhost", "127.0.0.1%00.pictures.test",
    ],
)  # fmt: skip
async def test_no_spelling_of_this_machine_reaches_it_through_the_systems_own_resolver(house: House, host: str) -> None:
    fetcher = HttpFetcher(FetchSettings(timeout_s=60, ports=(house.port,)), ImageSettings())

    with pytest.raises(ImageUnreachable):
        await fetcher.fetch(f"http://{host}:{house.port}/a.png")

    assert house.requests == []
    await fetcher.close()


async def test_address_is_checked_once_more_when_the_socket_is_opened(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetcher = HttpFetcher(FetchSettings(timeout_s=60, ports=(house.port,)), ImageSettings())
    monkeypatch.setattr(fetcher, "_check", lambda url: None)  # as if a spelling of an address had passed it

    with pytest.raises(ImageUnreachable):
        await fetcher.fetch(f"http://127.0.0.1:{house.port}/a.png")

    assert house.requests == []
    await fetcher.close()


async def test_allowed_network_is_reached_by_the_connector_of_production(house: House) -> None:
    settings = FetchSettings(timeout_s=60, ports=(house.port,), allow_networks=("127.0.0.0/8",))
    fetcher = HttpFetcher(settings, ImageSettings())

    assert await fetcher.fetch(f"http://127.0.0.1:{house.port}/a.png") == PICTURE
    await fetcher.close()


async def test_name_server_that_never_answers_holds_up_nobody_but_fetching(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers.wait(60) and [])
    fetcher = HttpFetcher(FetchSettings(timeout_s=0.2), ImageSettings())
    lost = asyncio.gather(
        *(fetcher.fetch(f"http://{number}.slow.test/") for number in range(40)), return_exceptions=True
    )
    await asyncio.sleep(0.05)

    other = await asyncio.wait_for(asyncio.to_thread(lambda: "work in the loop's own threads"), timeout=60)

    assert other
    assert {type(error) for error in await lost} == {ImageUnreachable}
    answers.set()
    await fetcher.close()


async def test_name_is_checked_anew_for_every_request(house: House) -> None:
    fetcher = house.fetcher()
    await fetcher.fetch("http://pictures.test/")
    house.addresses["pictures.test"] = ["127.0.0.1"]

    with pytest.raises(ImageUnreachable):
        await fetcher.fetch("http://pictures.test/")

    assert len(house.requests) == 1


async def test_allowed_network_may_be_reached(house: House) -> None:
    house.addresses["inside.test"] = ["10.1.2.3"]

    assert await house.fetcher(allow_networks=("10.1.0.0/16",)).fetch("http://inside.test/") == PICTURE


async def test_redirects_to_public_places_are_followed(house: House) -> None:
    house.addresses["other.test"] = [PUBLIC]
    house.handler = _redirect("/b.png", "http://other.test/c.png")

    assert await house.fetcher().fetch("http://pictures.test/a.png") == PICTURE
    assert [(request.host, request.path) for request in house.requests] == [
        ("pictures.test", "/a.png"),
        ("pictures.test", "/b.png"),
        ("other.test", "/c.png"),
    ]


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1/",
        "http://inside.test/",
        "file:///etc/passwd",
        "http://pictures.test:8080/",
        "",
        "http://u@pictures.test/",
    ],
)
async def test_every_redirect_is_checked(house: House, location: str) -> None:
    house.addresses["inside.test"] = ["192.168.0.1"]
    house.handler = _redirect(*[location] * 9)

    with pytest.raises(ImageUnreachable):
        await house.fetcher().fetch("http://pictures.test/")


async def test_more_redirects_than_allowed_are_refused(house: House) -> None:
    house.handler = _redirect("/1", "/2")

    with pytest.raises(ImageUnreachable):
        await house.fetcher(max_redirects=1).fetch("http://pictures.test/")

    assert len(house.requests) == 2


async def test_size_is_limited_while_reading(house: House) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1000):
            await response.write(PICTURE + bytes(65_536))
            sent += 65_536
        return response

    house.handler = endless

    with pytest.raises(ImageRejected, match=r"^more than 200,000 bytes$"):
        await house.fetcher(max_bytes=200_000).fetch("http://pictures.test/")

    assert sent < 20_000_000


async def test_every_piece_is_spent_before_the_next_is_read(house: House) -> None:
    spent: list[int] = []
    house.handler = _body(PICTURE + bytes(200_000))

    await house.fetcher(max_bytes=300_000).fetch("http://pictures.test/", spent.append)

    assert sum(spent) == len(PICTURE) + 200_000
    assert max(spent) <= 65_536


async def test_time_is_limited_over_all_of_it(house: House) -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for byte in PICTURE:
            await response.write(bytes([byte]))
            await asyncio.sleep(0.05)
        return response

    house.handler = slow
    started = asyncio.get_running_loop().time()

    with pytest.raises(ImageUnreachable):
        await house.fetcher(timeout_s=0.3).fetch("http://pictures.test/")

    assert asyncio.get_running_loop().time() - started < 3


@pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 401, 404, 500, 503])
async def test_other_status_than_200_is_unreachable(house: House, status: int) -> None:
    house.handler = _body(PICTURE if status not in (204, 304) else b"", status=status)

    with pytest.raises(ImageUnreachable):
        await house.fetcher().fetch("http://pictures.test/")


async def test_compressed_body_is_refused_rather_than_inflated(house: House) -> None:
    house.handler = _body(PICTURE, headers={"Content-Encoding": "gzip"})

    with pytest.raises(ImageUnreachable):
        await house.fetcher().fetch("http://pictures.test/")


@pytest.mark.parametrize("body", [b"", b"<html>not found</html>", b"<svg xmlns='http://x.test'/>"])
async def test_body_that_is_no_picture_is_rejected_whatever_its_type_says(house: House, body: bytes) -> None:
    house.handler = _body(body, content_type="image/png")

    with pytest.raises(ImageRejected, match="not a JPEG"):
        await house.fetcher().fetch("http://pictures.test/")


async def test_every_network_failure_looks_the_same(house: House) -> None:
    house.addresses["inside.test"] = ["10.0.0.1"]

    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    messages = set()
    for url, handler in [
        ("http://nowhere.test/", house.give_picture),
        ("http://inside.test/", house.give_picture),
        ("http://127.0.0.1/", house.give_picture),
        ("http://pictures.test:81/", house.give_picture),
        ("http://pictures.test/", cut),
        ("http://pictures.test/", _body(b"", status=404)),
        ("http://pictures.test/", _redirect(*["/x"] * 9)),
        ("https://pictures.test/", house.give_picture),
    ]:
        house.handler = handler
        with pytest.raises(ImageUnreachable) as caught:
            await house.fetcher().fetch(url)
        messages.add(str(caught.value))

    assert len(messages) == 1


async def test_cookies_are_not_kept(house: House) -> None:
    house.handler = _body(PICTURE, headers={"Set-Cookie": "a=b"})
    fetcher = house.fetcher()
    await fetcher.fetch("http://pictures.test/")
    await fetcher.fetch("http://pictures.test/")

    assert "Cookie" not in house.requests[1].headers


async def test_switched_off_fetching_reaches_nothing() -> None:
    with pytest.raises(ImageUnreachable, match="switched off"):
        await NoFetcher().fetch("http://pictures.test/")
