"""Which bundles may judge: those that a configured key signed."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from guard import open_guard
from guard.bundle import Bundle, write_manifest
from guard.errors import BundleUntrusted, ConfigInvalid
from guard.manifest import OperatingPoint
from guard.trust import open_trusted, sign_bundle
from tests.tiny_bundle import make_tiny_bundle
from tests.trust.bundles import OURS, THEIRS, settings_of, with_our_key


def test_bundle_signed_by_a_configured_key_judges(bundle: Bundle) -> None:
    sign_bundle(bundle, OURS)

    assert open_guard(with_our_key(bundle)).bundle == bundle
    assert open_trusted(with_our_key(bundle)).signed_by == OURS.public


def _unsigned(bundle: Bundle) -> None:
    pass


def _downgraded(bundle: Bundle) -> None:
    sign_bundle(bundle, OURS).unlink()


def _signed_by_another(bundle: Bundle) -> None:
    sign_bundle(bundle, THEIRS)


def _cut_short(bundle: Bundle) -> None:
    path = sign_bundle(bundle, OURS)
    path.write_bytes(path.read_bytes()[:50])


def _threshold_moved(bundle: Bundle) -> None:
    signature = sign_bundle(bundle, OURS).read_bytes()
    point = OperatingPoint(threshold=1.0, chosen_on="nobody's data")
    write_manifest(bundle.path, bundle.manifest.model_copy(update={"operating_points": {"balanced": point}}))
    (bundle.path / "manifest.sig").write_bytes(signature)


def _signature_of_another_bundle(bundle: Bundle) -> None:
    other = make_tiny_bundle(bundle.path.parent / "other", seed=1)
    shutil.copyfile(sign_bundle(other, OURS), bundle.path / "manifest.sig")


@pytest.mark.parametrize("mode", ["enforce", "shadow", "off"])
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_unsigned, "missing: not signed"),
        (_downgraded, "missing: not signed"),
        (_signed_by_another, "by key THEIRS, which is not among"),
        (_cut_short, "damaged"),
        (_threshold_moved, r"is not over these bytes of manifest\.json"),
        (_signature_of_another_bundle, r"is not over these bytes of manifest\.json"),
    ],
)
def test_bundle_that_no_configured_key_signed_is_opened_in_no_mode(
    bundle: Bundle, spoil: Callable[[Bundle], None], message: str, mode: str
) -> None:
    spoil(bundle)

    with pytest.raises(BundleUntrusted, match=message.replace("THEIRS", THEIRS.public.id)):
        open_guard(with_our_key(bundle, mode=mode))


def test_key_may_be_in_a_file_and_one_of_several(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "ours.pub").write_text(str(OURS.public))
    sign_bundle(bundle, OURS)

    trusted = open_trusted(settings_of(bundle, bundle_keys=[str(THEIRS.public), str(tmp_path / "ours.pub")]))

    assert trusted.signed_by == OURS.public


@pytest.mark.parametrize("written", ["ed25519:AAAA", "absent.pub", ""])
def test_key_that_cannot_be_read_stops_the_start_and_says_which(bundle: Bundle, written: str) -> None:
    with pytest.raises(ConfigInvalid, match=r"^bundle_keys\.1: "):
        open_guard(settings_of(bundle, bundle_keys=[str(OURS.public), written]))
