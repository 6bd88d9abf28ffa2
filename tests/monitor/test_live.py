"""Live rates, from a real store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from guard.monitor.live import measure
from guard.store.store import Store
from guard.store.values import LabelKind, Source, Window
from guard.types import Action, Direction
from tests.monitor.stores import BUNDLE, NOW, a_store, decision, label, reviewed_day


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with a_store(tmp_path) as opened:
        yield opened


def test_rates_are_those_of_the_window_weighted_by_its_traffic(store: Store) -> None:
    reviewed_day(store)

    found = measure(store, "balanced", "24h", bundle=BUNDLE, now=NOW)

    assert (found.n_decisions, found.n_drawn, found.n_reviewed, found.response_ratio) == (1000, 100, 100, 1.0)
    assert found.false_refusal.value == pytest.approx(20 / (20 + 920))
    assert found.block_error.value == pytest.approx(0.25)
    assert found.miss.value == 0.0
    assert found.miss.high is not None
    assert found.miss.high > 0.1
    assert not found.false_refusal.is_worst_case


def test_window_without_enough_reviews_says_so_in_place_of_a_number(store: Store) -> None:
    reviewed_day(store)

    found = measure(store, "balanced", "1h", bundle=BUNDLE, now=NOW)

    assert found.false_refusal.value is found.false_refusal.low is None
    assert found.false_refusal.shortage == "nothing was decided"


def test_few_reviews_are_counted(store: Store) -> None:
    blocked = [decision(intended=Action.BLOCK, chance=1.0) for _ in range(12)]
    store.add(blocked)
    for each in blocked:
        label(store, each.id, LabelKind.SAFE)

    found = measure(store, "balanced", "1h", bundle=BUNDLE, now=NOW)

    assert found.block_error.shortage == "not enough reviews: 12 of 20"


def test_reviews_of_refusals_alone_are_no_false_refusal_rate(store: Store) -> None:
    blocked = [decision(intended=Action.BLOCK, chance=1.0) for _ in range(30)]
    store.add([*blocked, *(decision() for _ in range(500))])
    for each in blocked:
        label(store, each.id, LabelKind.SAFE)

    found = measure(store, "balanced", "1h", bundle=BUNDLE, now=NOW)

    assert found.block_error.value == 1.0
    assert found.false_refusal.shortage == "not enough reviews: none of what was let through"


def test_bounds_are_worst_case_where_a_twentieth_of_the_sample_is_not_reviewed(store: Store) -> None:
    reviewed_day(store, answered=0.94)

    found = measure(store, "balanced", "24h", bundle=BUNDLE, now=NOW)

    assert found.response_ratio == 0.94
    assert found.false_refusal.is_worst_case
    assert found.false_refusal.shortage is None


def test_many_reviewed_passes_make_up_for_no_refusal_that_nobody_reviewed(store: Store) -> None:
    blocked = [decision(intended=Action.BLOCK, chance=0.5, probability=0.9) for _ in range(40)]
    passed = [decision(chance=0.5) for _ in range(400)]
    store.add([*blocked, *passed])
    for each in blocked[:30]:
        label(store, each.id, LabelKind.UNSAFE)
    for each in passed:
        label(store, each.id, LabelKind.SAFE)

    found = measure(store, "balanced", "1h", bundle=BUNDLE, now=NOW)

    assert found.response_ratio == pytest.approx(430 / 440)
    assert found.false_refusal.is_worst_case
    assert found.block_error.is_worst_case
    assert found.false_refusal.high is not None
    assert found.false_refusal.high >= 10 / 410  # the ten may all have been harmless


def test_labels_of_users_are_in_no_estimate(store: Store) -> None:
    reviewed_day(store)
    before = measure(store, "balanced", "24h", bundle=BUNDLE, now=NOW)

    for sample in store.reviewed(Window(0), "balanced"):
        label(store, sample.id, LabelKind.SAFE, author="user", source=Source.USER)

    assert measure(store, "balanced", "24h", bundle=BUNDLE, now=NOW) == before


def test_reviewers_who_contradict_each_other_leave_a_decision_without_a_label(store: Store) -> None:
    reviewed_day(store)
    samples = store.reviewed(Window(0), "balanced")
    for sample in samples[:10]:
        other = LabelKind.SAFE if sample.label is LabelKind.UNSAFE else LabelKind.UNSAFE
        label(store, sample.id, other, author="bob")
    for sample in samples[10:20]:
        assert sample.label is not None
        label(store, sample.id, sample.label, author="bob")

    found = measure(store, "balanced", "24h", bundle=BUNDLE, now=NOW)

    assert found.n_reviewed == 90
    assert found.false_refusal.is_worst_case
    assert (found.agreement.n, found.agreement.observed) == (20, 0.5)


def test_other_policies_directions_and_bundles_are_left_out(store: Store) -> None:
    reviewed_day(store)
    store.add([decision(policy="strict"), decision(direction=Direction.OUTPUT), decision(bundle="c" * 64)])

    day = measure(store, "balanced", "24h", bundle=BUNDLE, now=NOW)
    of_bundle = measure(store, "balanced", "bundle", bundle=BUNDLE, now=NOW)

    assert (day.n_decisions, of_bundle.n_decisions) == (1001, 1000)


def test_share_near_the_threshold_is_of_what_was_scored(store: Store) -> None:
    store.add([decision(zone=zone) for zone in ("near", "far", "far", "far", "unscored")])

    assert measure(store, "balanced", "1h", bundle=BUNDLE, now=NOW).near == 0.25


def test_empty_store_has_no_rates(store: Store) -> None:
    found = measure(store, "balanced", "7d", bundle=BUNDLE, now=NOW)

    assert (found.n_decisions, found.response_ratio, found.near) == (0, None, None)
    assert found.miss.value is None
