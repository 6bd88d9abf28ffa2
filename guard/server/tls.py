"""TLS on Guard's own address: certificate and key from files, read anew by a reload without closing a connection."""

import ssl
from collections.abc import Callable
from pathlib import Path

from guard.access_settings import TlsSettings
from guard.errors import ConfigInvalid


def open_tls(settings: TlsSettings) -> ssl.SSLContext | None:
    """Return what serves TLS, None where no certificate is configured.

    Raises:
        ConfigInvalid: a file cannot be read, holds nothing of its kind, or key and certificate are of two pairs.
    """
    if settings.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for place, file in (("certificate", settings.certificate), ("key", settings.key or settings.certificate)):
        _require_file(place, file)
    try:
        # Without an answer OpenSSL would ask for a password on the terminal.
        context.load_cert_chain(settings.certificate, settings.key, password=lambda: b"")
    except (ssl.SSLError, OSError) as error:
        raise ConfigInvalid(f"tls.certificate: {settings.certificate}: {_reason(error)}") from error
    if settings.client_authorities is not None:
        _require_file("client_authorities", settings.client_authorities)
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(settings.client_authorities)
        except ssl.SSLError as error:
            raise ConfigInvalid(f"tls.client_authorities: {settings.client_authorities}: {_reason(error)}") from error
    return context


def serving(now: Callable[[], ssl.SSLContext | None]) -> ssl.SSLContext | None:
    """Return a context whose connections are wholly under the one of now; None where there is none at the start."""
    first = now()
    if first is None:
        return None
    outer = _OfNow(ssl.PROTOCOL_TLS_SERVER)
    outer.now = lambda: now() or first
    return outer


class _OfNow(ssl.SSLContext):
    """Lends itself to a socket once, and makes each connection under another context.

    Not by `sni_callback`: a connection that changes its context there keeps the old one's way of asking for a
    certificate, and its sessions, which are resumed without looking at one.
    """

    now: Callable[[], ssl.SSLContext]

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Return a connection; asyncio and uvloop ask for theirs here."""
        return self.now().wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def _require_file(place: str, file: str) -> None:
    try:
        with Path(file).open("rb"):
            pass
    except OSError as error:
        raise ConfigInvalid(f"tls.{place}: {file}: {error.strerror}") from error


def _reason(error: ssl.SSLError | OSError) -> str:
    """Return why OpenSSL refused, without a word of what the file holds."""
    reason = getattr(error, "reason", None)
    return str(reason).replace("_", " ").lower() if reason else "not a certificate and its key in PEM"
