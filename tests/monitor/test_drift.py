"""Drift of live scores, from a real store."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from guard.manifest import Calibration, Reference
from guard.monitor.drift import binned, measure_drift
from guard.store.store import Store
from tests.monitor.stores import NOW, a_store, decision
from tests.pipeline.guards import BUNDLE

HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with a_store(tmp_path) as opened:
        yield opened


def _scored(store: Store, began: float, mean: float, n: int = 600, over: float = 20 * HOUR) -> None:
    random = np.random.default_rng(int(began) % 1000)
    probabilities = 1 / (1 + np.exp(-random.normal(mean, 1.5, n)))
    times = began + random.uniform(0, over, n)
    store.add(
        [
            decision(at=at, probability=probability, bundle=BUNDLE.digest)
            for at, probability in zip(times.tolist(), probabilities.tolist(), strict=True)
        ]
    )


def test_traffic_like_that_of_the_first_day_is_no_drift(store: Store) -> None:
    _scored(store, NOW - 5 * DAY, -2)
    _scored(store, NOW - 0.9 * DAY, -2)

    found = measure_drift(store, "balanced", bundle=BUNDLE, now=NOW, against="first_day")

    assert found is not None
    assert (found.n, found.n_reference) == (600, 600)
    assert not found.is_drifting


def test_scores_that_moved_since_the_first_day_are_a_drift(store: Store) -> None:
    _scored(store, NOW - 5 * DAY, -2)
    _scored(store, NOW - 0.9 * DAY, 0)

    found = measure_drift(store, "balanced", bundle=BUNDLE, now=NOW, against="first_day")

    assert found is not None
    assert found.is_drifting


def test_change_within_the_hour_is_a_drift_of_the_hour_before_it_is_one_of_the_day(store: Store) -> None:
    _scored(store, NOW - 5 * DAY, -2, 4000)
    _scored(store, NOW - 0.9 * DAY, -2, 4000)
    _scored(store, NOW - 0.9 * HOUR, 0, 300, over=0.8 * HOUR)

    of_day, of_hour = (
        measure_drift(store, "balanced", bundle=BUNDLE, now=NOW, against="first_day", window_s=window_s)
        for window_s in (DAY, HOUR)
    )

    assert of_day is not None
    assert of_hour is not None
    assert of_hour.is_drifting
    assert not of_day.is_drifting


def test_first_day_is_not_measured_against_itself(store: Store) -> None:
    _scored(store, NOW - 0.9 * DAY, -2)

    assert measure_drift(store, "balanced", bundle=BUNDLE, now=NOW, against="first_day") is None


def test_bundle_without_a_histogram_is_not_measured_against_its_calibration(store: Store) -> None:
    _scored(store, NOW - 0.9 * DAY, -2)

    assert measure_drift(store, "balanced", bundle=BUNDLE, now=NOW, against="calibration") is None


def _calibrated(*, safe_mean: float, unsafe_mean: float, edges: int = 20) -> Calibration:
    random = np.random.default_rng(2)
    scores = np.concatenate([random.normal(safe_mean, 1.5, 4000), random.normal(unsafe_mean, 1.5, 4000)])
    places = np.unique(np.quantile(scores, np.arange(1, edges) / edges))
    counts = [
        np.bincount(np.searchsorted(places, half, "right"), minlength=edges).tolist() for half in np.split(scores, 2)
    ]
    reference = Reference(edges=tuple(places.tolist()), safe=tuple(counts[0]), unsafe=tuple(counts[1]))
    return Calibration(kind="platt", reference=reference)


@pytest.mark.parametrize(("safe_mean", "is_drifting"), [(-2.0, False), (0.0, True)])
def test_drift_from_the_calibration_allows_for_another_share_of_unsafe_traffic(
    store: Store, safe_mean: float, is_drifting: bool
) -> None:
    calibration = _calibrated(safe_mean=safe_mean, unsafe_mean=3)
    bundle = replace(BUNDLE, manifest=BUNDLE.manifest.model_copy(update={"calibration": calibration}))
    _scored(store, NOW - 0.9 * DAY, -2, 970)
    _scored(store, NOW - 0.8 * DAY, 3, 30)

    found = measure_drift(store, "balanced", bundle=bundle, now=NOW, against="calibration")

    assert found is not None
    assert found.is_drifting is is_drifting


def test_rows_of_a_reference_all_find_a_bin_close_to_their_score() -> None:
    calibration = _calibrated(safe_mean=-2, unsafe_mean=3)
    assert calibration.reference is not None

    safe, unsafe = binned(calibration.reference, calibration)

    middles = -8 + 0.25 * (np.arange(64) + 0.5)
    assert (safe.sum(), unsafe.sum()) == pytest.approx((4000, 4000))
    assert (safe >= 0).all()
    assert np.average(middles, weights=safe) == pytest.approx(-2, abs=0.3)
    assert np.average(middles, weights=unsafe) == pytest.approx(3, abs=0.3)


def test_flat_parts_of_an_isotonic_calibration_are_bins_like_others() -> None:
    reference = Reference(edges=(-1.0, 0.0, 1.0), safe=(10, 10, 5, 0), unsafe=(0, 5, 10, 10))
    calibration = Calibration(kind="isotonic", scores=(-0.5, 0.5), probabilities=(0.0, 1.0), reference=reference)

    safe, unsafe = binned(reference, calibration)

    assert (safe.sum(), unsafe.sum()) == pytest.approx((25, 25))
    assert np.isfinite(safe).all()
