"""What the store keeps to: samples and counts."""

from guard.store.store import Store
from guard.store.values import (
    LabelKind,
    Window,
)
from guard.types import Action, Basis, Direction, ImageResult
from tests.contracts.store.labelling import ALWAYS, labelled
from tests.store.decisions import START, allowed, stored


def test_sample_of_a_window_has_those_without_a_label_too(store: Store) -> None:
    inside, later = stored(at=START + 1), stored(at=START + 9)
    store.add([stored(), inside, later, allowed(at=START + 2), stored(at=START + 1, policy="strict")])
    store.label(labelled(inside, LabelKind.SAFE))

    found = store.reviewed(Window(START + 1, START + 9), policy="balanced", direction=Direction.INPUT)

    assert [(one.id, one.label, one.sampling_probability) for one in found] == [(inside.id, LabelKind.SAFE, 0.5)]


def test_those_drawn_lately_are_counted(store: Store) -> None:
    store.add([stored(at=START - 1), stored(), stored(at=START + 1), allowed(at=START + 1)])

    assert store.count_drawn(START) == 2


def test_sample_can_be_of_one_bundle(store: Store) -> None:
    other = stored(bundle="ff" * 32)
    store.add([stored(), other])

    assert [one.id for one in store.reviewed(Window(0.0, bundle="ff" * 32))] == [other.id]


def test_counts_are_by_kind_and_step_of_time(store: Store) -> None:
    store.add([stored(at=120.0), stored(at=179.9), stored(at=180.0), allowed(at=150.0), allowed(at=900.0)])

    whole = {(one.intended, one.stratum): one.n for one in store.counts(Window(0.0, 800.0))}
    steps = [(one.since, one.intended, one.n) for one in store.counts(Window(0.0, 800.0), step_s=60.0)]

    assert whole == {(Action.BLOCK, "input/block/far"): 3, (Action.ALLOW, "input/allow/far"): 1}
    assert sorted(steps) == [(120.0, Action.ALLOW, 1), (120.0, Action.BLOCK, 2), (180.0, Action.BLOCK, 1)]


def test_log_odds_are_counted_in_bins(store: Store) -> None:
    unscored = {"scores": None, "probability": None, "threshold": None, "basis": Basis.ERROR_POLICY}
    store.add([stored(probability=one) for one in (0.0, 0.5, 0.5, 1.0)] + [stored(**unscored)])

    counted = store.log_odds(ALWAYS)

    assert len(counted) == 64
    assert {bin_: n for bin_, n in enumerate(counted) if n} == {0: 1, 32: 2, 63: 1}


def test_pictures_are_counted_by_what_became_of_them(store: Store) -> None:
    judged, rejected = ImageResult(True, sha256="a"), ImageResult(False, "image_rejected")
    store.add([stored(images=(judged, judged, rejected)), stored(images=(judged,)), stored()])

    assert store.pictures(ALWAYS) == {(True, None): 3, (False, "image_rejected"): 1}
