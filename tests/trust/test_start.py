"""A start with a bundle that may not judge: one line, a stable code, exit 2."""

import sys
from pathlib import Path

import pytest

from guard import cli
from guard.binding import bind
from guard.bundle import Bundle, write_manifest
from tests.trust.bundles import OURS, keep_record, swap_the_tokenizer


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ("bundle_keys: [OURS]", "bundle_untrusted"),
        ("require_gate: passed", "config_invalid"),
        ("bundle_keys: [absent.pub]", "config_invalid"),
        ("require_gate: none", "bundle_mismatch"),
    ],
)
@pytest.mark.parametrize("command", ["serve --port 0 --config", "config check"])
def test_start_ends_with_2_one_line_and_a_stable_code(
    bundle: Bundle,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fields: str,
    code: str,
    command: str,
) -> None:
    calibration = bundle.manifest.calibration.model_copy(update={"binding": bind(bundle.manifest)})
    manifest = bundle.manifest.model_copy(update={"calibration": calibration})
    keep_record(swap_the_tokenizer(write_manifest(bundle.path, manifest)), "failed")
    (tmp_path / "guard.yaml").write_text(f"bundle: {bundle.path}\n{fields.replace('OURS', f'{str(OURS.public)!r}')}\n")
    monkeypatch.setattr(sys, "argv", ["guard", *command.split(), str(tmp_path / "guard.yaml")])

    with pytest.raises(SystemExit) as exit_:
        cli.main()

    out, err = capfd.readouterr()
    assert (exit_.value.code, out) == (2, "")
    assert err.startswith(f"error: {code}: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["serve --port 0 --bundle", "classify --text hello --bundle"])
def test_failed_bundle_is_classified_with_and_not_served(
    bundle: Bundle, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    keep_record(bundle, "failed")
    monkeypatch.setattr(sys, "argv", ["guard", *command.split(), str(bundle.path)])

    with pytest.raises(SystemExit) as exit_:
        cli.main()

    out, err = capfd.readouterr()
    if command.startswith("serve"):
        assert (exit_.value.code, out) == (2, "")
        assert err.startswith("error: gate_not_passed: ")
        assert err.count("\n") == 1
    else:
        assert (exit_.value.code, err) == (0, "")
