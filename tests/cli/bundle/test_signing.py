"""`guard bundle keygen`, `sign` and `verify`: who signed what, and whether it is what it says."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from guard.bundle import Bundle, write_manifest
from guard.records import Record, write_record
from guard.signing import make_private_key, read_private_key, write_private_key
from guard.trust import sign_bundle
from tests.cli.bundle.commands import Run, fits


def test_bundle_is_signed_by_a_new_key_and_verified_with_its_public_half(
    run: Run, bundle: Bundle, tmp_path: Path
) -> None:
    code, out, _ = run("keygen", tmp_path / "guard.key")
    public = (tmp_path / "guard.key.pub").read_text().strip()
    assert code == 0
    assert public in out
    assert stat.S_IMODE((tmp_path / "guard.key").stat().st_mode) == 0o600
    assert "PRIVATE KEY" not in out

    assert run("verify", bundle.path, "--public-key", public)[0] == 1
    code, out, _ = run("sign", bundle.path, "--key", tmp_path / "guard.key")
    assert (code, out.count("\n")) == (0, 1)
    for key in (public, tmp_path / "guard.key.pub"):
        code, out, err = run("verify", bundle.path, "--public-key", key)
        assert (code, err) == (0, "")
        assert "signed by" in out
        assert fits(out)


def test_keygen_overwrites_neither_half_of_a_key(run: Run, tmp_path: Path) -> None:
    for name in ("private", "public.pub"):
        (tmp_path / name).write_text("the only copy")

    for file in ("private", "public"):
        code, _, err = run("keygen", tmp_path / file)
        assert (code, err.startswith("error: key_invalid: ")) == (2, True)

    assert {path.name for path in tmp_path.iterdir()} == {"private", "public.pub"}


def test_keygen_in_a_folder_that_is_not_there_is_one_line(run: Run, tmp_path: Path) -> None:
    code, _, err = run("keygen", tmp_path / "nowhere" / "guard.key")

    assert (code, err.count("\n")) == (2, 1)


def test_sign_says_what_it_signed_as_json(run: Run, bundle: Bundle, tmp_path: Path) -> None:
    write_private_key(make_private_key(), tmp_path / "k")

    code, out, _ = run("sign", bundle.path, "--key", tmp_path / "k", "--json")

    assert code == 0
    assert json.loads(out) == {
        "path": str(bundle.path / "manifest.sig"),
        "digest": bundle.digest,
        "signed_by": read_private_key(tmp_path / "k").public.id,
    }


def test_embedded_bundle_is_not_signed_in_place(run: Run, tmp_path: Path) -> None:
    write_private_key(make_private_key(), tmp_path / "k")

    code, _, err = run("sign", "embedded", "--key", tmp_path / "k")

    assert code == 2
    assert "sign a copy" in err


def test_damaged_bundle_is_not_signed(run: Run, bundle: Bundle, tmp_path: Path) -> None:
    write_private_key(make_private_key(), tmp_path / "k")
    (bundle.path / "card.md").write_text("another card")

    code, _, err = run("sign", bundle.path, "--key", tmp_path / "k")

    assert (code, err.startswith("error: bundle_invalid: ")) == (2, True)
    assert not (bundle.path / "manifest.sig").exists()


@pytest.mark.parametrize("as_json", [False, True])
def test_verify_says_no_to_a_signature_by_another_key(run: Run, bundle: Bundle, as_json: bool) -> None:
    sign_bundle(bundle, make_private_key())
    options = ["--json"] if as_json else []

    code, out, err = run("verify", bundle.path, "--public-key", make_private_key().public, *options)

    assert (code, err) == (1, "")
    assert "bundle_untrusted" in out
    assert not as_json or json.loads(out)["ok"] is False


def test_verify_with_a_key_that_is_none_is_bad_usage(run: Run, bundle: Bundle) -> None:
    code, out, err = run("verify", bundle.path, "--public-key", "ed25519:AAAA")

    assert (code, out) == (2, "")
    assert err.startswith("error: key_invalid: ")


def test_verify_says_in_one_line_that_tokens_are_not_those_of_the_graph(run: Run, bundle: Bundle) -> None:
    tokenizer = Tokenizer.from_file(str(bundle.path / "tokenizer.json"))
    tokenizer.add_tokens(["unheard"])
    tokenizer.save(str(bundle.path / "tokenizer.json"))
    write_manifest(bundle.path, bundle.manifest)

    code, out, err = run("verify", bundle.path)

    assert (code, err) == (1, "")
    assert out.count("\n") == 1
    assert "bundle_invalid: text.onnx does not run" in out


def test_verify_scores_a_picture_too(run: Run, bundle: Bundle) -> None:
    overflowing = bundle.manifest.image.model_copy(update={"mean": (1e300, 1e300, 1e300)})
    write_manifest(bundle.path, bundle.manifest.model_copy(update={"image": overflowing}))

    code, out, err = run("verify", bundle.path)

    assert (code, err) == (1, "")
    assert "scorer_failed" in out
    assert "a picture with text gets no score" in out


def test_verify_says_no_to_a_damaged_record_and_tells_the_gate_of_a_failed_one(run: Run, bundle: Bundle) -> None:
    path = write_record(bundle, Record(bundle.digest, "0" * 64, "failed", datetime.now(UTC), {}))

    code, out, _ = run("verify", bundle.path)
    assert (code, "gate failed" in out) == (0, True)

    path.write_bytes(path.read_bytes().replace(b"failed", b"passed "))
    code, out, _ = run("verify", bundle.path)
    assert (code, out.count("\n")) == (1, 1)
    assert f"bundle_untrusted: {path}: damaged" in out
