"""Which bundles may judge: those whose thresholds were chosen for what they hold."""

import logging
import shutil

import pytest

from guard import open_guard
from guard.binding import bind
from guard.bundle import Bundle, write_manifest
from guard.config import Settings
from guard.errors import BundleMismatch
from guard.manifest import Manifest
from guard.trust import objections, open_trusted
from tests.trust.bundles import keep_record, settings_of, swap_the_tokenizer


@pytest.fixture
def bound(bundle: Bundle) -> Bundle:
    """The bundle with its calibration and every threshold bound, but "strict"."""
    binding = bind(bundle.manifest, data_sha256="d" * 64)
    points = {
        name: point if name == "strict" else point.model_copy(update={"binding": binding})
        for name, point in bundle.manifest.operating_points.items()
    }
    return write_manifest(bundle.path, bundle.manifest.model_copy(update={"operating_points": points}))


def test_bundle_as_it_was_calibrated_judges(bound: Bundle) -> None:
    open_guard(settings_of(bound))


def test_swapped_tokenizer_stops_the_start_and_shadow_mode_serves_it(
    bound: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    swapped = swap_the_tokenizer(bound)

    expected = r"threshold 'balanced' was chosen for other files: not for tokenizer\.json that it holds now"
    with pytest.raises(BundleMismatch, match=expected):
        open_guard(settings_of(swapped))
    with caplog.at_level(logging.WARNING):
        open_guard(settings_of(swapped, mode="shadow"))
    assert "served in shadow mode only: bundle_mismatch" in caplog.text


def test_all_that_changed_is_named(bound: Bundle) -> None:
    image = bound.manifest.image.model_copy(update={"mean": (0.4, 0.4, 0.4)})
    swapped = swap_the_tokenizer(write_manifest(bound.path, bound.manifest.model_copy(update={"image": image})))

    with pytest.raises(BundleMismatch, match=r"not for tokenizer\.json and the preparation of texts and pictures"):
        open_guard(settings_of(swapped))


def test_calibration_of_another_model_stops_the_start_under_an_own_threshold_too(bundle: Bundle) -> None:
    calibration = bundle.manifest.calibration.model_copy(update={"binding": bind(bundle.manifest)})
    changed = swap_the_tokenizer(
        write_manifest(bundle.path, bundle.manifest.model_copy(update={"calibration": calibration}))
    )

    with pytest.raises(BundleMismatch, match="the calibration was chosen for other files"):
        open_guard(settings_of(changed, policy={"threshold": 0.5}))


def test_threshold_that_is_not_in_use_stops_nothing(bound: Bundle) -> None:
    open_guard(settings_of(swap_the_tokenizer(bound), policy={"name": "strict"}))


def test_every_reason_is_found_at_once(bound: Bundle) -> None:
    swapped = swap_the_tokenizer(bound)
    keep_record(swapped, "failed")
    trusted = open_trusted(settings_of(swapped))

    found = objections(trusted, swapped.manifest.operating_points, settings_of(swapped))

    assert [error.code for error in found] == ["bundle_mismatch", "bundle_mismatch", "gate_not_passed"]


def test_thresholds_of_the_cpu_do_not_hold_for_other_graphs_on_a_gpu(bound: Bundle) -> None:
    shutil.copyfile(bound.path / "text.onnx", bound.path / "text_gpu.onnx")
    both = write_manifest(bound.path, bound.manifest)
    points = {"balanced": both.manifest.operating_points["balanced"]}
    trusted = open_trusted(settings_of(both))

    assert objections(trusted, points, settings_of(both)) == ()
    (error,) = objections(trusted, points, settings_of(both, provider="cuda"))
    assert "not for the graphs for GPUs" in str(error)


def test_embedded_bundle_may_enforce() -> None:
    trusted = open_trusted(Settings())

    assert objections(trusted, trusted.bundle.manifest.operating_points, Settings()) == ()
    Manifest.model_validate(trusted.bundle.manifest.model_dump())
