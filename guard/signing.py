"""Signatures over the files of a bundle: ed25519 (RFC 8032), by the package `cryptography` of the extra [signing].

A signature is one line of text beside what it covers, `manifest.sig` beside `manifest.json`:

    ed25519 KEY-ID BASE64

It covers the exact bytes of the file behind a line that says what kind of file it is, so that a signed record never
passes for a manifest. The key id is for messages alone: nothing rests on it. Where no key is configured, `cryptography`
is not imported.
"""

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from guard.errors import BundleUntrusted, KeyInvalid
from guard.plain_files import read_plain

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_INLINE = "ed25519:"
_LINE = re.compile(rb"ed25519 ([0-9a-f]{16}) ([A-Za-z0-9+/]{86}==)\n?")
_MOST_BYTES = 4096  # of a signature, and of a file with a key
_PRIME = 2**255 - 19
_EIGHTH = 0x5FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
# Second coordinates of the points of small order. For a key there, a placeholder of zeros among them, anybody finds
# signatures in a few tries, and the library lets them pass.
_WEAK = frozenset({0, 1, _PRIME - 1, _EIGHTH, _PRIME - _EIGHTH})
_HOW_TO_INSTALL = "cryptography is not installed: pip install 'mllm-guard[signing]'"


class Signed(Enum):
    """What a signature is about: the first line of the message that is signed."""

    MANIFEST = b"guard bundle manifest v1\n"
    RECORD = b"guard gate record v1\n"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key of ed25519: 32 bytes."""

    raw: bytes

    @property
    def id(self) -> str:
        """The first 16 hexadecimal digits of its SHA-256."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    def __str__(self) -> str:
        return _INLINE + base64.b64encode(self.raw).decode()


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A private key of ed25519, as `cryptography` holds it."""

    key: "Ed25519PrivateKey" = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """The key that checks its signatures."""
        return PublicKey(self.key.public_key().public_bytes_raw())


def make_private_key() -> PrivateKey:
    """Return a new key from the system's randomness. Raises KeyInvalid where `cryptography` is missing."""
    _require_package()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return PrivateKey(Ed25519PrivateKey.generate())


def write_private_key(key: PrivateKey, path: Path) -> None:
    """Write a private key into a new file that its owner alone may read (PKCS 8, PEM). Raises KeyInvalid."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    content = key.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise KeyInvalid(f"{path}: exists, and a key is never overwritten") from error
    except OSError as error:
        raise KeyInvalid(f"{path}: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def read_private_key(path: Path) -> PrivateKey:
    """Return the private key in a file. Raises KeyInvalid: unreadable, encrypted, or not one of ed25519."""
    content = _read(path)
    _require_package()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(content, password=None)
    except TypeError as error:
        raise KeyInvalid(f"{path}: is encrypted, and Guard asks for no password") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyInvalid(f"{path}: not a private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyInvalid(f"{path}: not a key of ed25519")
    return PrivateKey(key)


def read_public_key(written: str) -> PublicKey:
    """Return the key behind `ed25519:BASE64`, or in a file that holds such a line or PEM. Raises KeyInvalid."""
    if written.startswith(_INLINE):
        return parse_public_key(written)
    content = _read(Path(written))
    if not content.lstrip().startswith(b"-----BEGIN "):
        return parse_public_key(content.decode("ascii", "replace"), place=written)
    _require_package()
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(content)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyInvalid(f"{written}: not a public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyInvalid(f"{written}: not a key of ed25519")
    return _strong(key.public_bytes_raw(), written)


def parse_public_key(text: str, *, place: str = "key") -> PublicKey:
    """Return the key written as `ed25519:BASE64`; needs no package. Raises KeyInvalid, with `place` in the message."""
    kind, colon, written = text.strip().partition(":")
    try:
        raw = base64.b64decode(written, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if f"{kind}{colon}" != _INLINE or len(raw) != 32:
        raise KeyInvalid(f"{place}: not a public key: ed25519: and 32 bytes in base64")
    return _strong(raw, place)


def sign(data: bytes, about: Signed, key: PrivateKey) -> bytes:
    """Return the line of text that goes beside `data`."""
    signature = key.key.sign(about.value + data)
    return f"ed25519 {key.public.id} {base64.b64encode(signature).decode()}\n".encode()


def verify(data: bytes, about: Signed, path: Path, keys: Sequence[PublicKey]) -> PublicKey:
    """Return the key among `keys` that signed `data`, according to the signature at `path`.

    Raises:
        BundleUntrusted: there is no signature, it is damaged, or it is by none of the keys or of other bytes.
        KeyInvalid: `cryptography` is missing.
    """
    if not path.exists() and not path.is_symlink():
        raise BundleUntrusted(f"{path}: missing: not signed")
    line = _LINE.fullmatch(read_plain(path, _MOST_BYTES))
    if line is None:
        raise BundleUntrusted(f"{path}: damaged: not a line `ed25519 KEY-ID BASE64`")
    _require_package()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    signature = base64.b64decode(line[2])
    for key in keys:
        with suppress(InvalidSignature, ValueError):
            Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, about.value + data)
            return key
    claimed = line[1].decode()
    if claimed in {key.id for key in keys}:
        raise BundleUntrusted(f"{path}: is not over these bytes of {path.with_suffix('.json').name}")
    raise BundleUntrusted(f"{path}: by key {claimed}, which is not among the public keys given")


def _strong(raw: bytes, place: str) -> PublicKey:
    point = int.from_bytes(raw, "little") % 2**255  # the topmost bit is a sign
    if point in _WEAK or point >= _PRIME:
        raise KeyInvalid(f"{place}: a key for which anybody can sign")
    return PublicKey(raw)


def _read(path: Path) -> bytes:
    """Return a file with a key. Links are followed: Kubernetes mounts secrets as such."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise KeyInvalid(f"{path}: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise KeyInvalid(f"{path}: more than {_MOST_BYTES:,} bytes: not a key")
    return content


def _require_package() -> None:
    try:
        import cryptography  # noqa: F401 - the extra [signing] brings it
    except ImportError as error:
        raise KeyInvalid(_HOW_TO_INSTALL) from error
