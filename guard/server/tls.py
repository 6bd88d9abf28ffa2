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
    """Return a context whose handshakes show the certificate of now; None where there is none at the start."""
    first = now()
    if first is None:
        return None

    def choose(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        connection.context = now() or first

    first.sni_callback = choose  # called without a name, too
    return first


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
