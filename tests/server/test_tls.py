"""TLS on Guard's own address."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from guard.access_settings import TlsSettings
from guard.errors import ConfigInvalid
from guard.server.run import bind, make_server
from guard.server.tls import open_tls, serving
from tests.certificates import make_certificate
from tests.server.house import Builder


def _settings(pair: tuple[str, str], *, clients: str | None = None) -> TlsSettings:
    return TlsSettings(certificate=pair[0], key=pair[1], client_authorities=clients)


async def _served(
    build: Builder, tls: ssl.SSLContext | None, ask: Callable[[int], Awaitable[None]], **settings: object
) -> None:
    house = build(**settings)  # type: ignore[arg-type]
    bound = bind("127.0.0.1", 0)
    is_ready = asyncio.Event()
    server = make_server(house.app, house.settings, is_ready.set, tls=tls)
    serving_ = asyncio.create_task(server.serve(sockets=[bound]))
    await is_ready.wait()
    try:
        await ask(bound.getsockname()[1])
    finally:
        server.should_exit = True
        await serving_


async def _health(port: int, trusted: str, name: str, client: tuple[str, str] | None = None) -> bytes:
    context = ssl.create_default_context(cafile=trusted)
    if client is not None:
        context.load_cert_chain(*client)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    try:
        answer = await reader.read()
    except (ssl.SSLError, ConnectionError):
        return b""
    finally:
        writer.close()
    return answer.partition(b"\r\n")[0]


async def test_guard_is_served_over_tls_with_its_own_certificate(build: Builder, tmp_path: Path) -> None:
    pair = make_certificate(tmp_path, "guard.test")

    async def ask(port: int) -> None:
        assert await _health(port, pair[0], "guard.test") == b"HTTP/1.1 200 OK"
        with pytest.raises(ssl.SSLCertVerificationError):
            await _health(port, pair[0], "other.test")

    await _served(build, open_tls(_settings(pair)), ask)


async def test_connection_that_never_shakes_hands_is_dropped(build: Builder, tmp_path: Path) -> None:
    async def ask(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(60):
            assert await reader.read() == b""
        writer.close()

    tls = open_tls(_settings(make_certificate(tmp_path, "guard.test")))
    await _served(build, tls, ask, limits={"head_timeout_s": 0.1})


async def test_certificate_that_was_renewed_is_shown_to_new_connections(build: Builder, tmp_path: Path) -> None:
    old, new = make_certificate(tmp_path, "old.test"), make_certificate(tmp_path, "new.test")
    shown = open_tls(_settings(old))
    outer = serving(lambda: shown)

    async def ask(port: int) -> None:
        nonlocal shown
        before = await _health(port, old[0], "old.test")
        shown = open_tls(_settings(new))
        assert (before, await _health(port, new[0], "new.test")) == (b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK")

    await _served(build, outer, ask)


async def test_clients_without_a_certificate_are_not_served_where_one_is_asked_for(
    build: Builder, tmp_path: Path
) -> None:
    pair, client, stranger = (
        make_certificate(tmp_path, "guard.test"),
        make_certificate(tmp_path, "client"),
        make_certificate(tmp_path, "stranger"),
    )

    async def ask(port: int) -> None:
        assert await _health(port, pair[0], "guard.test", client) == b"HTTP/1.1 200 OK"
        for other in (None, stranger):
            assert await _health(port, pair[0], "guard.test", other) == b""

    context = open_tls(_settings(pair, clients=client[0]))
    await _served(build, serving(lambda: context), ask)


def _shake_hands(
    client: ssl.SSLContext, server: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> ssl.SSLSession | None:
    """Return the session that a client keeps of a connection. Raises SSLError: it was not served."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server, server_side=False, session=session)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    open_ = [asking, answering]
    while open_:
        for end in tuple(open_):
            try:
                end.do_handshake()
                open_.remove(end)
            except ssl.SSLWantReadError:
                pass
    answering.write(b"x")
    assert asking.read(1) == b"x"
    return asking.session


def _client(version: ssl.TLSVersion, pair: tuple[str, str] | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    if pair is not None:
        context.load_cert_chain(*pair)
    return context


_VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@_VERSIONS
def test_client_whose_authority_a_reload_removed_is_not_served_by_its_old_session(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    pair, removed, added = (make_certificate(tmp_path, name) for name in ("guard.test", "removed", "added"))
    now = open_tls(_settings(pair, clients=removed[0]))
    outer, client = serving(lambda: now), _client(version, removed)
    assert outer is not None
    session = _shake_hands(client, outer)

    now = open_tls(_settings(pair, clients=added[0]))

    for kept in (None, session):
        with pytest.raises(ssl.SSLError):
            _shake_hands(client, outer, kept)
    _shake_hands(_client(version, added), outer)


@_VERSIONS
def test_reload_that_begins_to_ask_for_certificates_asks_every_client(tmp_path: Path, version: ssl.TLSVersion) -> None:
    pair, known = make_certificate(tmp_path, "guard.test"), make_certificate(tmp_path, "known")
    now = open_tls(_settings(pair))
    outer, client = serving(lambda: now), _client(version)
    assert outer is not None
    session = _shake_hands(client, outer)

    now = open_tls(_settings(pair, clients=known[0]))

    for kept in (None, session):
        with pytest.raises(ssl.SSLError):
            _shake_hands(client, outer, kept)
    _shake_hands(_client(version, known), outer)


def test_no_certificate_means_no_tls() -> None:
    assert open_tls(TlsSettings()) is None
    assert serving(lambda: None) is None


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [
        ("/no/such/file", None, "tls.certificate: /no/such/file: No such file"),
        ("good.crt", "/no/such/file", "tls.key: /no/such/file: No such file"),
        ("good.crt", None, "tls.certificate: "),
        ("good.crt", "other.key", "key values mismatch"),
        ("good.crt", "locked.key", "tls.certificate: "),
        ("empty", "good.key", "tls.certificate: "),
    ],
)
def test_files_that_make_no_pair_are_one_line(tmp_path: Path, certificate: str, key: str | None, said: str) -> None:
    make_certificate(tmp_path, "good")
    make_certificate(tmp_path, "other")
    make_certificate(tmp_path, "locked", password="secret99")
    (tmp_path / "empty").touch()
    settings = TlsSettings(certificate=str(tmp_path / certificate), key=None if key is None else str(tmp_path / key))

    with pytest.raises(ConfigInvalid) as raised:
        open_tls(settings)

    assert said in str(raised.value)
    assert "\n" not in str(raised.value)
