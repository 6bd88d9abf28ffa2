"""What the store keeps to: whose label counts."""

import threading

import pytest

from guard.errors import DecisionUnknown
from guard.store.store import Store
from guard.store.values import (
    LabelKind,
    OpenReviews,
    Query,
    Source,
)
from tests.contracts.store.labelling import ALWAYS, labelled, review
from tests.store.decisions import START, allowed, stored


def test_label_counts_and_takes_the_decision_out_of_the_queue(store: Store) -> None:
    first, second = stored(), stored(at=START + 1)
    store.add([first, second, allowed()])
    assert store.count_open() == OpenReviews(2, START)

    store.label(labelled(first, LabelKind.SAFE, note="a hunter's question"))

    assert [one.id for one in store.open_reviews(10)] == [second.id]
    assert store.count_open() == OpenReviews(1, START + 1)
    assert review(store, first) is LabelKind.SAFE
    assert [one.note for one in store.labels_of(first.id)] == ["a hunter's question"]
    assert [one.id for one in store.find(Query(label="safe"))] == [first.id]
    assert [one.id for one in store.find(Query(label="any"))] == [first.id]


def test_nothing_waits_where_nothing_was_drawn(store: Store) -> None:
    store.add([allowed()])

    assert store.count_open() == OpenReviews(0, None)
    assert store.open_reviews(10) == []


def test_label_for_an_unknown_decision_is_refused(store: Store) -> None:
    with pytest.raises(DecisionUnknown):
        store.label(labelled(stored(), LabelKind.SAFE))
    assert store.labels(0.0) == []


def test_label_after_a_purge_is_refused(store: Store) -> None:
    kept = stored()
    store.add([kept])
    store.purge(before=START + 1)

    with pytest.raises(DecisionUnknown, match="purged"):
        store.label(labelled(kept, LabelKind.SAFE))


def test_latest_label_of_an_author_counts_and_all_are_kept(store: Store) -> None:
    kept = stored()
    store.add([kept])
    store.label(labelled(kept, LabelKind.SAFE))
    store.label(labelled(kept, LabelKind.UNSAFE, at=START + 1))

    assert review(store, kept) is LabelKind.UNSAFE
    assert [one.label for one in store.labels_of(kept.id)] == [LabelKind.SAFE, LabelKind.UNSAFE]


def test_two_reviewers_are_both_kept_for_their_agreement(store: Store) -> None:
    kept = stored()
    store.add([kept])
    store.label(labelled(kept, LabelKind.SAFE, "ann"))
    store.label(labelled(kept, LabelKind.UNSAFE, "bob", START + 1))

    sample = store.reviewed(ALWAYS)[0]
    assert sample.labels == {"ann": LabelKind.SAFE, "bob": LabelKind.UNSAFE}
    assert sample.label is LabelKind.UNSURE


def test_decision_that_reviewers_contradict_each_other_on_waits_until_one_more_decides(store: Store) -> None:
    kept, settled = stored(), stored(at=START + 1)
    store.add([kept, settled])
    for number, (author, kind) in enumerate([("ann", "unsure"), ("bob", "unsure")]):
        store.label(labelled(settled, LabelKind(kind), author, START + number))
    store.label(labelled(kept, LabelKind.SAFE, "ann"))
    assert store.open_reviews(10) == []

    store.label(labelled(kept, LabelKind.UNSAFE, "bob", START + 1))
    assert [one.id for one in store.open_reviews(10)] == [kept.id]
    store.label(labelled(kept, LabelKind.UNSURE, "cid", START + 2))
    assert store.count_open().n == 1

    store.label(labelled(kept, LabelKind.UNSAFE, "eve", START + 3))
    assert store.count_open().n == 0
    assert review(store, kept) is LabelKind.UNSAFE


def test_most_reviewers_are_right_each_by_their_latestlabelled(store: Store) -> None:
    kept = stored()
    store.add([kept])
    for number, (author, kind) in enumerate([("ann", "safe"), ("bob", "unsafe"), ("eve", "unsafe"), ("ann", "unsafe")]):
        store.label(labelled(kept, LabelKind(kind), author, START + number))
    assert review(store, kept) is LabelKind.UNSAFE

    store.label(labelled(kept, LabelKind.SAFE, "eve", START + 9))
    store.label(labelled(kept, LabelKind.SAFE, "bob", START + 9))
    assert review(store, kept) is LabelKind.SAFE


def test_label_of_a_user_counts_in_no_estimate(store: Store) -> None:
    kept = stored()
    store.add([kept])
    store.label(labelled(kept, LabelKind.SAFE, "user", source=Source.USER))

    assert review(store, kept) is None
    assert store.reviewed(ALWAYS)[0].labels == {}
    assert store.count_open().n == 1
    assert [one.source for one in store.labels_of(kept.id)] == [Source.USER]


def test_user_has_one_label_for_a_decision_however_often_they_say_it(store: Store) -> None:
    kept = stored()
    store.add([kept])
    for number in range(5):
        store.label(labelled(kept, LabelKind.SAFE, "acme", START + number, source=Source.USER))
    store.label(labelled(kept, LabelKind.UNSAFE, "other", source=Source.USER))
    store.label(labelled(kept, LabelKind.UNSAFE, "acme"))

    assert sorted((one.author, one.source, one.at) for one in store.labels_of(kept.id)) == [
        ("acme", Source.REVIEWER, START),
        ("acme", Source.USER, START + 4),
        ("other", Source.USER, START),
    ]


def test_label_taken_back_lets_the_one_before_count_again(store: Store) -> None:
    kept = stored()
    store.add([kept])
    store.label(labelled(kept, LabelKind.SAFE))
    store.label(labelled(kept, LabelKind.UNSAFE, at=START + 1))

    assert store.unlabel(kept.id, "ann", Source.REVIEWER, START + 2)
    assert review(store, kept) is LabelKind.SAFE
    assert store.unlabel(kept.id, "ann", Source.REVIEWER, START + 3)
    assert review(store, kept) is None
    assert not store.unlabel(kept.id, "ann", Source.REVIEWER, START + 4)


def test_labels_are_listed_by_time_and_policy(store: Store) -> None:
    one, other = stored(), stored(policy="strict")
    store.add([one, other])
    store.label(labelled(one, LabelKind.SAFE))
    store.label(labelled(other, LabelKind.UNSURE, at=START + 5))

    assert [label.decision_id for label in store.labels(START)] == [one.id, other.id]
    assert [label.decision_id for label in store.labels(START + 1)] == [other.id]
    assert [label.decision_id for label in store.labels(0.0, "balanced")] == [one.id]


def test_labels_given_at_once_by_many_are_all_kept_and_one_of_them_counts(store: Store) -> None:
    kept = stored()
    store.add([kept])
    kinds = [LabelKind.SAFE, LabelKind.SAFE, LabelKind.UNSAFE]
    threads = [
        threading.Thread(target=store.label, args=(labelled(kept, kinds[number % 3], f"r{number}", START + number),))
        for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(store.labels_of(kept.id)) == 12
    assert review(store, kept) is LabelKind.SAFE
