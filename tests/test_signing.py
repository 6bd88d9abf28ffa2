"""Keys and signatures: what is accepted, what is refused in one line, and what serving does not load."""

import base64
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from guard.errors import BundleUntrusted, KeyInvalid
from guard.signing import (
    Signed,
    make_private_key,
    parse_public_key,
    read_private_key,
    read_public_key,
    sign,
    verify,
    write_private_key,
)

PEM = serialization.Encoding.PEM


def test_private_key_is_its_owners_alone_and_reads_back(tmp_path: Path) -> None:
    key = make_private_key()

    write_private_key(key, tmp_path / "guard.key")

    assert stat.S_IMODE((tmp_path / "guard.key").stat().st_mode) == 0o600
    assert read_private_key(tmp_path / "guard.key").public == key.public


def test_key_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "guard.key").write_text("the only copy")

    with pytest.raises(KeyInvalid, match=r"guard\.key: exists"):
        write_private_key(make_private_key(), tmp_path / "guard.key")

    assert (tmp_path / "guard.key").read_text() == "the only copy"


def test_private_key_is_not_shown() -> None:
    key = make_private_key()

    assert repr(key) == "PrivateKey()"


def test_public_key_is_read_inline_from_a_file_and_from_pem_by_openssl(tmp_path: Path) -> None:
    key = make_private_key()
    (tmp_path / "line.pub").write_text(f"{key.public}\n")
    pem = key.key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "pem.pub").write_bytes(pem)

    for written in (str(key.public), str(tmp_path / "line.pub"), str(tmp_path / "pem.pub")):
        assert read_public_key(written) == key.public


@pytest.mark.parametrize(
    "written",
    [
        "ed25519:",
        "ed25519:AAAA",
        "ed25519:" + "A" * 43,
        "ed25519:" + base64.b64encode(bytes(33)).decode(),
        "ed25519:!" + base64.b64encode(bytes(32)).decode(),
        "rsa:" + base64.b64encode(bytes(32)).decode(),
        "",
    ],
)
def test_text_that_is_no_public_key_is_refused(written: str) -> None:
    with pytest.raises(KeyInvalid, match="32 bytes in base64"):
        parse_public_key(written)


PRIME = 2**255 - 19
EIGHTH = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")


@pytest.mark.parametrize("sign_bit", [0, 2**255])
@pytest.mark.parametrize("point", [0, 1, PRIME - 1, PRIME, PRIME + 1, EIGHTH, PRIME - EIGHTH])
def test_key_for_which_anybody_can_sign_is_refused(point: int, sign_bit: int) -> None:
    raw = (point + sign_bit).to_bytes(32, "little")

    with pytest.raises(KeyInvalid, match="anybody can sign"):
        parse_public_key(f"ed25519:{base64.b64encode(raw).decode()}")


def test_placeholder_of_zeros_would_verify_what_nobody_signed() -> None:
    """Why weak keys are refused: the library itself takes a made-up signature for about every fourth message."""
    key = ed25519.Ed25519PublicKey.from_public_bytes(bytes(32))
    forged = 0
    for number in range(64):
        with suppress(InvalidSignature):
            key.verify(b"\x01" + bytes(63), b"message %d" % number)
            forged += 1
    assert forged > 0


def test_file_that_is_no_key_of_ed25519_is_refused_in_one_line(tmp_path: Path) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    private = other.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    public = other.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    locked = ed25519.Ed25519PrivateKey.generate().private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"word")
    )
    files = {
        "curve.key": private,
        "locked.key": locked,
        "text.key": b"hello",
        "large.key": b"-----BEGIN " + b"A" * 10_000,
        "empty.key": b"",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    for name in (*files, "absent.key"):
        with pytest.raises(KeyInvalid, match=name) as refused:
            read_private_key(tmp_path / name)
        assert "\n" not in str(refused.value)
    files["curve.key"] = public
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(KeyInvalid, match=name):
            read_public_key(str(tmp_path / name))


def test_signature_verifies_with_the_key_that_made_it_and_names_it(tmp_path: Path) -> None:
    ours, theirs = make_private_key(), make_private_key()
    (tmp_path / "manifest.sig").write_bytes(sign(b"{}", Signed.MANIFEST, ours))

    assert verify(b"{}", Signed.MANIFEST, tmp_path / "manifest.sig", [theirs.public, ours.public]) == ours.public


def test_signature_is_plain_ed25519_over_a_line_and_the_bytes_so_that_other_tools_can_check_it() -> None:
    key = make_private_key()

    kind, key_id, written = sign(b"data", Signed.RECORD, key).split()

    assert (kind, key_id.decode()) == (b"ed25519", key.public.id)
    plain = ed25519.Ed25519PublicKey.from_public_bytes(key.public.raw)
    plain.verify(base64.b64decode(written), b"guard gate record v1\ndata")


@pytest.mark.parametrize(
    ("about", "data", "message"),
    [
        (Signed.MANIFEST, b"{ }", "is not over these bytes of manifest.json"),
        (Signed.RECORD, b"{}", "is not over these bytes"),
    ],
)
def test_signature_over_other_bytes_or_another_kind_of_file_is_refused(
    tmp_path: Path, about: Signed, data: bytes, message: str
) -> None:
    key = make_private_key()
    (tmp_path / "manifest.sig").write_bytes(sign(b"{}", Signed.MANIFEST, key))

    with pytest.raises(BundleUntrusted, match=message):
        verify(data, about, tmp_path / "manifest.sig", [key.public])


def test_signature_by_another_key_or_none_is_refused_and_says_which(tmp_path: Path) -> None:
    ours, theirs = make_private_key(), make_private_key()
    path = tmp_path / "manifest.sig"
    with pytest.raises(BundleUntrusted, match=r"manifest\.sig: missing: not signed"):
        verify(b"{}", Signed.MANIFEST, path, [ours.public])
    path.write_bytes(sign(b"{}", Signed.MANIFEST, theirs))
    with pytest.raises(BundleUntrusted, match=f"by key {theirs.public.id}, which is not among"):
        verify(b"{}", Signed.MANIFEST, path, [ours.public])
    # Claiming the configured key's id does not help.
    path.write_bytes(path.read_bytes().replace(theirs.public.id.encode(), ours.public.id.encode()))
    with pytest.raises(BundleUntrusted, match="is not over these bytes"):
        verify(b"{}", Signed.MANIFEST, path, [ours.public])


def test_every_truncation_of_a_signature_is_refused(tmp_path: Path) -> None:
    key = make_private_key()
    whole = sign(b"{}", Signed.MANIFEST, key)
    for length in range(len(whole) - 1):
        (tmp_path / "manifest.sig").write_bytes(whole[:length])
        with pytest.raises(BundleUntrusted, match="damaged"):
            verify(b"{}", Signed.MANIFEST, tmp_path / "manifest.sig", [key.public])


def test_missing_package_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = make_private_key()
    (tmp_path / "manifest.sig").write_bytes(sign(b"{}", Signed.MANIFEST, key))
    monkeypatch.setitem(sys.modules, "cryptography", None)

    with pytest.raises(KeyInvalid, match=r"mllm-guard\[signing\]"):
        verify(b"{}", Signed.MANIFEST, tmp_path / "manifest.sig", [key.public])


def test_serving_without_a_key_does_not_load_the_package() -> None:
    program = (
        "import sys, guard.server.app, guard.cli, guard.records, guard.signing;"
        "from guard import Settings, open_guard; open_guard(Settings());"
        "print('cryptography' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
