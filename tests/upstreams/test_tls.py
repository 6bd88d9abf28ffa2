"""TLS to the upstream: whom Guard trusts, as whom it shows itself, and what stops the start."""

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from guard.errors import ConfigInvalid, UpstreamUnreachable
from guard.ports import UpstreamRequest
from guard.upstream_settings import TlsSettings, UpstreamSettings
from guard.upstreams.passthrough import Passthrough
from guard.upstreams.tls import tls_context
from tests.upstreams.raw_api import answers, raw_api, remembering

_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
_GET = UpstreamRequest("GET", "/v1/models", "", {}, b"")


class Authority:
    """An authority with the files of a server and of a client that it vouches for."""

    def __init__(self, folder: Path) -> None:
        self.made = trustme.CA()
        self.ca = folder / "ca.pem"
        self.made.cert_pem.write_to_path(str(self.ca))
        issued = self.made.issue_cert("guard@example.org")
        self.certificate, self.key, self.both = folder / "guard.pem", folder / "guard.key", folder / "both.pem"
        issued.cert_chain_pems[0].write_to_path(str(self.certificate))
        issued.private_key_pem.write_to_path(str(self.key))
        issued.private_key_and_cert_chain_pem.write_to_path(str(self.both))

    def server(self, *, wants_certificate: bool = False) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.made.issue_cert("localhost").configure_cert(context)
        if wants_certificate:
            self.made.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def _status(url: str, handler_settings: dict[str, object]) -> int:
    upstream = Passthrough(UpstreamSettings.model_validate({"url": url, **handler_settings}))
    try:
        response = await upstream.send(_GET)
        await response.close()
        return response.status
    finally:
        await upstream.close()


async def test_upstream_of_an_own_authority_is_reached_with_its_file(authority: Authority) -> None:
    async with raw_api(answers(_OK), tls=authority.server()) as url:
        assert await _status(url, {"tls": {"ca_file": str(authority.ca)}}) == 200


async def test_upstream_that_nobody_vouches_for_is_unreachable_and_gets_no_request(authority: Authority) -> None:
    asked: list[str] = []

    async with raw_api(remembering(asked, _OK), tls=authority.server()) as url:
        with pytest.raises(UpstreamUnreachable):
            await _status(url, {})

    assert asked == []


async def test_upstream_with_another_name_in_its_certificate_is_unreachable(authority: Authority) -> None:
    async with raw_api(answers(_OK), tls=authority.server()) as url:
        with pytest.raises(UpstreamUnreachable):
            await _status(url.replace("localhost", "127.0.0.1"), {"tls": {"ca_file": str(authority.ca)}})


async def test_certificate_of_a_stranger_is_not_tried_a_second_time(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    handshakes = 0
    wrap = ssl.SSLContext.wrap_bio

    def counted(context: ssl.SSLContext, *args: Any, **more: Any) -> ssl.SSLObject:
        nonlocal handshakes
        handshakes += context.protocol is ssl.PROTOCOL_TLS_CLIENT
        return wrap(context, *args, **more)

    monkeypatch.setattr(ssl.SSLContext, "wrap_bio", counted)
    async with raw_api(answers(_OK), tls=authority.server()) as url:
        with pytest.raises(UpstreamUnreachable):
            await _status(url, {"connect_retries": 5})

    assert handshakes == 1


@pytest.mark.parametrize("form", ["two files", "one file"])
async def test_client_certificate_is_shown_to_an_upstream_that_wants_one(authority: Authority, form: str) -> None:
    shown = (
        {"certificate_file": str(authority.certificate), "key_file": str(authority.key)}
        if form == "two files"
        else {"certificate_file": str(authority.both)}
    )

    async with raw_api(answers(_OK), tls=authority.server(wants_certificate=True)) as url:
        assert await _status(url, {"tls": {"ca_file": str(authority.ca), **shown}}) == 200


def test_files_that_cannot_be_used_stop_the_start_and_name_the_setting(authority: Authority, tmp_path: Path) -> None:
    missing, empty = tmp_path / "missing.pem", tmp_path / "empty.pem"
    empty.write_bytes(b"")

    for settings, message in (
        (TlsSettings(ca_file=missing), "upstream.tls.ca_file: No such file or directory"),
        (TlsSettings(ca_file=empty), "upstream.tls.ca_file: no certificates in PEM"),
        (TlsSettings(certificate_file=missing), "upstream.tls.certificate_file, key_file: No such file"),
        (TlsSettings(certificate_file=authority.certificate), "no certificate and its own, unencrypted key"),
        (TlsSettings(certificate_file=authority.ca, key_file=authority.key), "no certificate and its own"),
    ):
        with pytest.raises(ConfigInvalid, match=message):
            tls_context(settings)
