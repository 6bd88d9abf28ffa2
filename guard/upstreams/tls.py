"""The TLS settings of an upstream as Python's `ssl` takes them."""

import ssl

from guard.errors import ConfigInvalid
from guard.upstream_settings import TlsSettings


def tls_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return a client's context: certificates and host names are checked, TLS 1.2 or newer.

    Raises:
        ConfigInvalid: a file cannot be read, holds no PEM, or key and certificate do not belong together.
    """
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:  # SSLError is one
        raise ConfigInvalid(f"upstream.tls.ca_file: {_reason(error, 'no certificates in PEM')}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # As aiohttp's own context: HTTP/1.1 is all that is spoken.
    context.set_alpn_protocols(["http/1.1"])
    if settings.certificate_file is not None:
        try:
            context.load_cert_chain(settings.certificate_file, settings.key_file, password=_no_password)
        except OSError as error:
            reason = _reason(error, "no certificate and its own, unencrypted key in PEM")
            raise ConfigInvalid(f"upstream.tls.certificate_file, key_file: {reason}") from error
    return context


def _reason(error: OSError, wrong_content: str) -> str:
    return wrong_content if isinstance(error, ssl.SSLError) else str(error.strerror)


def _no_password() -> str:
    # Without this, OpenSSL would ask the terminal for the password of an encrypted key.
    return ""
