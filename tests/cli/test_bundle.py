"""`guard bundle verify` on bundles whose digests are right and which cannot judge."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from guard import cli
from guard.bundle import write_manifest
from tests.tiny_bundle import make_tiny_bundle

Verify = Callable[[Path], tuple[int, str, str]]


@pytest.fixture
def verify(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Verify:
    """Return a function that runs the command: exit code, stdout, stderr."""

    def run(folder: Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["guard", "bundle", "verify", str(folder)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        out, err = capfd.readouterr()
        return int(exit_.value.code or 0), out, err

    return run


def test_verify_says_in_one_line_that_tokens_are_not_those_of_the_graph(verify: Verify, tmp_path: Path) -> None:
    manifest = make_tiny_bundle(tmp_path).manifest
    tokenizer = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    tokenizer.add_tokens(["unheard"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    write_manifest(tmp_path, manifest)

    code, out, err = verify(tmp_path)

    assert (code, err) == (1, "")
    assert out.count("\n") == 1
    assert "bundle_invalid: text.onnx does not run" in out


def test_verify_scores_a_picture_too(verify: Verify, tmp_path: Path) -> None:
    manifest = make_tiny_bundle(tmp_path).manifest
    overflowing = manifest.image.model_copy(update={"mean": (1e300, 1e300, 1e300)})
    write_manifest(tmp_path, manifest.model_copy(update={"image": overflowing}))

    code, out, err = verify(tmp_path)

    assert (code, err) == (1, "")
    assert "scorer_failed" in out
    assert "a picture with text gets no score" in out
