"""What the store keeps to: allow entries, canaries, content, purges, and several at once."""

import threading
from collections.abc import Callable

import pytest

from guard.errors import ContentLocked, DecisionUnknown, NotAllowable
from guard.store.box import Box
from guard.store.opening import open_store
from guard.store.store import Store
from guard.store.values import (
    CanaryResult,
    Content,
    LabelKind,
    Query,
)
from guard.types import Action, Basis
from tests.contracts.store.labelling import ALWAYS, labelled
from tests.store.decisions import START, stored


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
        store.label(labelled(one, LabelKind.SAFE))
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
