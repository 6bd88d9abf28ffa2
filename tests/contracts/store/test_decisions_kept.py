"""What the store keeps to: decisions, found again."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from guard.errors import DecisionUnknown
from guard.store.store import Store
from guard.store.values import (
    Label,
    LabelKind,
    Query,
    Source,
    Window,
)
from guard.types import Action, Basis, Cause, Direction, Hit, ImageResult, RuleKind, Verdict
from tests.store.decisions import START, allowed, stored


def test_decision_comes_back_as_it_was_kept(store: Store, open_one: Callable[[], Store]) -> None:
    kept = stored(
        cause=Cause.TOGETHER,
        rule=Hit(RuleKind.UNSAFE, "violence", 0.98, 0.7, Action.BLOCK),
        code="image_rejected",
        images=(ImageResult(judged=True, ocr_text_chars=3, sha256="ef" * 32), ImageResult(False, "image_rejected")),
        also_blocked=("01" * 32, "02" * 32),
        subject="s" * 32,
        cached=True,
        latency_ms={"score": 2.5},
    )
    store.add([kept])

    found = open_one().decision(kept.id)

    assert found is not None
    assert replace(found, categories={}, attacks={}) == kept
    assert set(found.categories.values()) == {0.017986}


def test_decision_without_scores_comes_back_without(store: Store) -> None:
    kept = stored(scores=None, probability=None, threshold=None, content_digest=None, basis=Basis.ERROR_POLICY)
    store.add([kept])

    assert store.decision(kept.id) == kept


def test_decision_that_is_kept_already_stays_as_it_is(store: Store) -> None:
    kept = stored()
    store.add([kept])
    store.add([replace(kept, policy="strict"), stored()])

    found = store.decision(kept.id)
    assert found is not None
    assert found.policy == "balanced"
    assert len(store.find(Query())) == 2


def test_nothing_to_keep_is_no_error(store: Store) -> None:
    store.add([])

    assert store.find(Query()) == []


def test_unknown_decision_is_none(store: Store) -> None:
    assert store.decision("0" * 32) is None


def test_decisions_are_found_newest_first_page_by_page(store: Store) -> None:
    made = [stored(at=START + number // 2) for number in range(7)]  # pairs of the same time
    store.add(made)

    pages = [store.find(Query(limit=3))]
    while pages[-1]:
        pages.append(store.find(Query(limit=3, after=pages[-1][-1].id)))
    found = [one for page in pages for one in page]

    assert [len(page) for page in pages] == [3, 3, 1, 0]
    assert {one.id for one in found} == {one.id for one in made}
    assert [one.at for one in found] == sorted((one.at for one in made), reverse=True)


def test_page_after_an_unknown_decision_is_refused(store: Store) -> None:
    with pytest.raises(DecisionUnknown, match="go on after"):
        store.find(Query(after="0" * 32))


@pytest.mark.parametrize(
    "query",
    [
        Query(since=START + 5),
        Query(policy="strict"),
        Query(tenant="acme"),
        Query(direction=Direction.OUTPUT),
        Query(intended=Action.ALLOW),
        Query(verdict=Verdict.SAFE),
        Query(stratum="output/allow/near"),
        Query(subject="x" * 32),
        Query(content_digest="12" * 32),
        Query(is_sampled=False),
        Query(most_probability=0.5),
        Query(until=START + 99, since=START + 5, least_probability=0.01, intended=Action.ALLOW),
    ],
)
def test_query_finds_what_fits_it_alone(store: Store, query: Query) -> None:
    wanted = allowed(
        at=START + 10,
        policy="strict",
        tenant="acme",
        direction=Direction.OUTPUT,
        stratum="output/allow/near",
        subject="x" * 32,
        content_digest="12" * 32,
    )
    store.add([stored(), wanted, stored()])

    assert [one.id for one in store.find(query)] == [wanted.id]


def test_decisions_can_be_replayed_oldest_first(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard.store.store._PAGE", 3)
    made = [stored(at=START + number // 3) for number in range(10)]
    store.add(made)

    replayed = list(store.replayable(Window(START, START + 3)))

    assert [one.at for one in replayed] == [one.at for one in made[:9]]
    assert all(one.scores == made[0].scores for one in replayed)


@pytest.mark.parametrize("odd", ["", "a\0b", "\ud800", "x" * 10_000, "'; DROP TABLE guard_decisions; --"])
def test_odd_ids_and_names_are_unknown_and_no_error(store: Store, odd: str) -> None:
    store.add([stored()])

    assert store.decision(odd) is None
    assert store.content(odd) is None
    assert store.labels_of(odd) == ()
    assert store.revoke(odd, by="ann", at=START) == 0
    assert not store.unlabel(odd, odd or "ann", Source.REVIEWER, START)
    for query in (Query(policy=odd), Query(tenant=odd), Query(subject=odd), Query(content_digest=odd)):
        assert store.find(query) == []
    for refused in (
        lambda: store.find(Query(after=odd)),
        lambda: store.label(Label(odd, LabelKind.SAFE, "ann", Source.REVIEWER, START)),
        lambda: store.allow(odd, until=START + 1, by="ann", at=START),
    ):
        with pytest.raises(DecisionUnknown):
            refused()
    assert len(store.find(Query())) == 1


@pytest.mark.parametrize("odd", ["a\0b", "\ud800", "x" * 2001])
def test_note_that_a_database_cannot_take_is_no_label(odd: str) -> None:
    with pytest.raises(ValueError, match="note"):
        Label("0" * 32, LabelKind.SAFE, "ann", Source.REVIEWER, START, odd)


def test_decisions_are_found_by_how_their_ids_begin_and_no_others(store: Store) -> None:
    ids = ["ab12" + "0" * 28, "ab12f" + "f" * 27, "ab13" + "0" * 28, "ab11" + "f" * 28]
    store.add([stored(id=each) for each in ids])

    assert [one.id for one in store.beginning("ab12", 10)] == ids[:2]
    assert [one.id for one in store.beginning("ab12", 1)] == ids[:1]
    assert [one.id for one in store.beginning(ids[1], 10)] == [ids[1]]
    assert store.beginning("ab12f0", 10) == []
