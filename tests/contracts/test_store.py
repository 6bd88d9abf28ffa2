"""What the store keeps to, on SQLite and on a real PostgreSQL server."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from guard.errors import ContentLocked, DecisionUnknown, NotAllowable
from guard.store.box import Box
from guard.store.opening import open_store
from guard.store.store import Store
from guard.store.values import (
    CanaryResult,
    Content,
    Label,
    LabelKind,
    OpenReviews,
    Query,
    Source,
    StoredDecision,
    Window,
)
from guard.types import Action, Basis, Cause, Direction, Hit, ImageResult, RuleKind, Verdict
from tests.store.decisions import START, allowed, stored
from tests.store.postgres import PostgresServer, postgres_server

BOX = Box(b"k" * 32)
ALWAYS = Window(0.0)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.servers)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'guard.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def open_one(address: str) -> Iterator[Callable[[], Store]]:
    """Open the store once more, as another process would."""
    opened: list[Store] = []

    def open_() -> Store:
        opened.append(open_store(address, box=BOX))
        return opened[-1]

    yield open_
    for store in opened:
        store.close()


@pytest.fixture
def store(open_one: Callable[[], Store]) -> Store:
    return open_one()


def _label(decision: StoredDecision, kind: LabelKind, author: str = "ann", at: float = START, **said: object) -> Label:
    return replace(Label(decision.id, kind, author, Source.REVIEWER, at), **said)  # type: ignore[arg-type]


def _review(store: Store, decision: StoredDecision) -> LabelKind | None:
    return next(sample.label for sample in store.reviewed(ALWAYS) if sample.id == decision.id)


# Decisions


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


# Labels


def test_label_counts_and_takes_the_decision_out_of_the_queue(store: Store) -> None:
    first, second = stored(), stored(at=START + 1)
    store.add([first, second, allowed()])
    assert store.count_open() == OpenReviews(2, START)

    store.label(_label(first, LabelKind.SAFE, note="a hunter's question"))

    assert [one.id for one in store.open_reviews(10)] == [second.id]
    assert store.count_open() == OpenReviews(1, START + 1)
    assert _review(store, first) is LabelKind.SAFE
    assert [one.note for one in store.labels_of(first.id)] == ["a hunter's question"]
    assert [one.id for one in store.find(Query(label="safe"))] == [first.id]
    assert [one.id for one in store.find(Query(label="any"))] == [first.id]


def test_nothing_waits_where_nothing_was_drawn(store: Store) -> None:
    store.add([allowed()])

    assert store.count_open() == OpenReviews(0, None)
    assert store.open_reviews(10) == []


def test_label_for_an_unknown_decision_is_refused(store: Store) -> None:
    with pytest.raises(DecisionUnknown):
        store.label(_label(stored(), LabelKind.SAFE))
    assert store.labels(0.0) == []


def test_label_after_a_purge_is_refused(store: Store) -> None:
    kept = stored()
    store.add([kept])
    store.purge(before=START + 1)

    with pytest.raises(DecisionUnknown, match="purged"):
        store.label(_label(kept, LabelKind.SAFE))


def test_latest_label_of_an_author_counts_and_all_are_kept(store: Store) -> None:
    kept = stored()
    store.add([kept])
    store.label(_label(kept, LabelKind.SAFE))
    store.label(_label(kept, LabelKind.UNSAFE, at=START + 1))

    assert _review(store, kept) is LabelKind.UNSAFE
    assert [one.label for one in store.labels_of(kept.id)] == [LabelKind.SAFE, LabelKind.UNSAFE]


def test_two_reviewers_are_both_kept_for_their_agreement(store: Store) -> None:
    kept = stored()
    store.add([kept])
    store.label(_label(kept, LabelKind.SAFE, "ann"))
    store.label(_label(kept, LabelKind.UNSAFE, "bob", START + 1))

    sample = store.reviewed(ALWAYS)[0]
    assert sample.labels == {"ann": LabelKind.SAFE, "bob": LabelKind.UNSAFE}
    assert sample.label is LabelKind.UNSURE


def test_decision_that_reviewers_contradict_each_other_on_waits_until_one_more_decides(store: Store) -> None:
    kept, settled = stored(), stored(at=START + 1)
    store.add([kept, settled])
    for number, (author, kind) in enumerate([("ann", "unsure"), ("bob", "unsure")]):
        store.label(_label(settled, LabelKind(kind), author, START + number))
    store.label(_label(kept, LabelKind.SAFE, "ann"))
    assert store.open_reviews(10) == []

    store.label(_label(kept, LabelKind.UNSAFE, "bob", START + 1))
    assert [one.id for one in store.open_reviews(10)] == [kept.id]
    store.label(_label(kept, LabelKind.UNSURE, "cid", START + 2))
    assert store.count_open().n == 1

    store.label(_label(kept, LabelKind.UNSAFE, "eve", START + 3))
    assert store.count_open().n == 0
    assert _review(store, kept) is LabelKind.UNSAFE


def test_most_reviewers_are_right_each_by_their_latest_label(store: Store) -> None:
    kept = stored()
    store.add([kept])
    for number, (author, kind) in enumerate([("ann", "safe"), ("bob", "unsafe"), ("eve", "unsafe"), ("ann", "unsafe")]):
        store.label(_label(kept, LabelKind(kind), author, START + number))
    assert _review(store, kept) is LabelKind.UNSAFE

    store.label(_label(kept, LabelKind.SAFE, "eve", START + 9))
    store.label(_label(kept, LabelKind.SAFE, "bob", START + 9))
    assert _review(store, kept) is LabelKind.SAFE


def test_label_of_a_user_counts_in_no_estimate(store: Store) -> None:
    kept = stored()
    store.add([kept])
    store.label(_label(kept, LabelKind.SAFE, "user", source=Source.USER))

    assert _review(store, kept) is None
    assert store.reviewed(ALWAYS)[0].labels == {}
    assert store.count_open().n == 1
    assert [one.source for one in store.labels_of(kept.id)] == [Source.USER]


def test_user_has_one_label_for_a_decision_however_often_they_say_it(store: Store) -> None:
    kept = stored()
    store.add([kept])
    for number in range(5):
        store.label(_label(kept, LabelKind.SAFE, "acme", START + number, source=Source.USER))
    store.label(_label(kept, LabelKind.UNSAFE, "other", source=Source.USER))
    store.label(_label(kept, LabelKind.UNSAFE, "acme"))

    assert sorted((one.author, one.source, one.at) for one in store.labels_of(kept.id)) == [
        ("acme", Source.REVIEWER, START),
        ("acme", Source.USER, START + 4),
        ("other", Source.USER, START),
    ]


def test_label_taken_back_lets_the_one_before_count_again(store: Store) -> None:
    kept = stored()
    store.add([kept])
    store.label(_label(kept, LabelKind.SAFE))
    store.label(_label(kept, LabelKind.UNSAFE, at=START + 1))

    assert store.unlabel(kept.id, "ann", Source.REVIEWER, START + 2)
    assert _review(store, kept) is LabelKind.SAFE
    assert store.unlabel(kept.id, "ann", Source.REVIEWER, START + 3)
    assert _review(store, kept) is None
    assert not store.unlabel(kept.id, "ann", Source.REVIEWER, START + 4)


def test_labels_are_listed_by_time_and_policy(store: Store) -> None:
    one, other = stored(), stored(policy="strict")
    store.add([one, other])
    store.label(_label(one, LabelKind.SAFE))
    store.label(_label(other, LabelKind.UNSURE, at=START + 5))

    assert [label.decision_id for label in store.labels(START)] == [one.id, other.id]
    assert [label.decision_id for label in store.labels(START + 1)] == [other.id]
    assert [label.decision_id for label in store.labels(0.0, "balanced")] == [one.id]


def test_labels_given_at_once_by_many_are_all_kept_and_one_of_them_counts(store: Store) -> None:
    kept = stored()
    store.add([kept])
    kinds = [LabelKind.SAFE, LabelKind.SAFE, LabelKind.UNSAFE]
    threads = [
        threading.Thread(target=store.label, args=(_label(kept, kinds[number % 3], f"r{number}", START + number),))
        for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(store.labels_of(kept.id)) == 12
    assert _review(store, kept) is LabelKind.SAFE


# Figures


def test_sample_of_a_window_has_those_without_a_label_too(store: Store) -> None:
    inside, later = stored(at=START + 1), stored(at=START + 9)
    store.add([stored(), inside, later, allowed(at=START + 2), stored(at=START + 1, policy="strict")])
    store.label(_label(inside, LabelKind.SAFE))

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


# Allow entries


def test_allow_entry_is_for_every_pair_that_was_blocked(store: Store) -> None:
    blocked = stored(also_blocked=("01" * 32, "cd" * 32))
    store.add([blocked])

    made = store.allow(blocked.id, until=START + 60, by="ann", at=START)

    assert {one.content_digest for one in made} == {"cd" * 32, "01" * 32}
    assert {one.policy for one in made} == {"balanced"}
    assert set(store.allowances(START + 59)) == set(made)
    assert store.allowances(START + 60) == []
    assert set(store.allowances()) == set(made)


def test_allow_entry_can_be_revoked_and_stays_written_down(store: Store) -> None:
    blocked = stored()
    store.add([blocked])
    store.allow(blocked.id, until=START + 60, by="ann", at=START)

    assert store.revoke(blocked.id, by="bob", at=START + 5) == 1
    assert store.revoke(blocked.id, by="bob", at=START + 6) == 0
    assert store.allowances(START + 6) == []
    assert [(one.revoked_by, one.revoked_at) for one in store.allowances()] == [("bob", START + 5)]


@pytest.mark.parametrize(
    "said",
    [
        {"intended": Action.ALLOW, "action": Action.ALLOW},
        {"basis": Basis.ERROR_POLICY, "code": "image_rejected"},
        {"code": "image_unreachable"},  # blocked by the score of its text, beside what was not judged
        {"content_digest": None},
    ],
)
def test_what_was_not_blocked_by_its_score_cannot_be_allowed(store: Store, said: dict[str, object]) -> None:
    kept = stored(**said)
    store.add([kept])

    with pytest.raises(NotAllowable):
        store.allow(kept.id, until=START + 60, by="ann", at=START)


def test_allow_entry_that_has_ended_already_or_for_nothing_is_refused(store: Store) -> None:
    kept = stored()
    store.add([kept])

    with pytest.raises(NotAllowable):
        store.allow(kept.id, until=START, by="ann", at=START)
    with pytest.raises(DecisionUnknown):
        store.allow("0" * 32, until=START + 60, by="ann", at=START)


# Canaries, content, purges


def test_canaries_are_kept_in_their_order(store: Store) -> None:
    runs = [CanaryResult(START + n, "ab" * 32, "probes", 30, n, 20, 2 * n, "balanced") for n in range(3)]
    for run in reversed(runs):
        store.add_canary(run)

    assert store.canaries() == runs
    assert store.canaries(START + 1) == runs[1:]


def test_content_comes_back_as_it_came_and_only_with_its_key(store: Store, address: str) -> None:
    kept, content = stored(), Content("half a pair \ud800, and a name", (b"\x89PNG", b""))
    store.add([kept, stored()], {kept.id: content})
    stranger, nobody = open_store(address, box=Box(b"x" * 32)), open_store(address)

    assert store.content(kept.id) == content
    assert store.content("0" * 32) is None
    for other in (stranger, nobody):
        with pytest.raises(ContentLocked):
            other.content(kept.id)
        other.close()


def test_content_cannot_be_kept_without_a_key(address: str) -> None:
    store, kept = open_store(address), stored()
    with pytest.raises(ContentLocked):
        store.add([kept], {kept.id: Content("a")})

    assert store.decision(kept.id) is None
    store.close()


def test_purge_by_age_takes_all_that_hangs_on_a_decision_and_nothing_younger(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("guard.store.purging._AT_ONCE", 2)
    old = [stored(at=START + number) for number in range(5)]
    young = stored(at=START + 100)
    store.add([*old, young], {one.id: Content("a") for one in (old[0], young)})
    for one in (old[0], young):
        store.label(_label(one, LabelKind.SAFE))
        store.allow(one.id, until=one.at + 10, by="ann", at=one.at)

    purged = store.purge(before=START + 50)

    assert (purged.decisions, purged.labels, purged.contents) == (5, 1, 1)
    assert [one.id for one in store.find(Query())] == [young.id]
    assert [one.decision_id for one in store.labels(0.0)] == [young.id]
    assert [one.because_of for one in store.allowances()] == [young.id]
    assert store.content(old[0].id) is None
    assert store.content(young.id) is not None


def test_purge_by_subject_takes_that_subject_alone(store: Store) -> None:
    mine = [stored(subject="m" * 32, at=START + number) for number in range(3)]
    other = stored(subject="o" * 32)
    store.add([*mine, other], {mine[0].id: Content("a")})
    store.allow(mine[0].id, until=START + 10, by="ann", at=START)

    purged = store.purge(subject="m" * 32)

    assert (purged.decisions, purged.contents) == (3, 1)
    assert [one.id for one in store.find(Query())] == [other.id]
    assert store.allowances() == []


def test_purge_is_by_one_of_both(store: Store) -> None:
    for said in ({}, {"before": 1.0, "subject": "s"}):
        with pytest.raises(ValueError, match="by age or by subject"):
            store.purge(**said)  # type: ignore[arg-type]


def test_content_can_be_forgotten_before_its_decision(store: Store) -> None:
    old, young = stored(), stored(at=START + 9)
    store.add([old, young], {old.id: Content("a"), young.id: Content("b")})

    assert store.purge_content(START + 5) == 1
    assert store.content(old.id) is None
    assert store.content(young.id) == Content("b")
    assert store.decision(old.id) is not None


# Several at once


def test_two_that_open_a_new_store_at_once_both_find_it_made(address: str) -> None:
    opened: list[Store] = []
    threads = [threading.Thread(target=lambda: opened.append(open_store(address))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(opened) == 4
    opened[0].add([stored()])
    assert all(len(store.find(Query())) == 1 for store in opened)
    for store in opened:
        store.close()


def test_several_processes_worth_of_writers_lose_nothing(open_one: Callable[[], Store]) -> None:
    stores = [open_one() for _ in range(4)]

    def write(store: Store) -> None:
        for _ in range(25):
            store.add([stored()])

    threads = [threading.Thread(target=write, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(one.n for one in stores[0].counts(ALWAYS)) == 100


def test_reader_sees_one_state_while_another_writes(store: Store, open_one: Callable[[], Store]) -> None:
    store.add([stored() for _ in range(10)])
    other = open_one()
    with store._link.reading() as connection:
        before = len(connection.exec_driver_sql("SELECT id FROM guard_decisions").all())
        other.add([stored()])  # does not wait for the reader

    assert before == 10
    assert len(store.find(Query())) == 11
