"""A store that is locked, full or gone while Guard serves: answered as policy says, and made good where it can be."""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guard.store.memory import Memory
from guard.store.store import Store
from guard.store.values import Query
from tests.server.house import SAFE, UNSAFE, Builder, House, chat, until


@contextlib.contextmanager
def _locked(store: Store) -> Iterator[None]:
    holder = sqlite3.connect(store.place, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    yield
    holder.execute("ROLLBACK")
    holder.close()


@contextlib.contextmanager
def _full(store: Store) -> Iterator[None]:
    """Let the file grow no more, for every connection of the store."""
    _limit_pages(store, 1)
    yield
    _limit_pages(store, 1_000_000)


def _limit_pages(store: Store, most: int) -> None:
    connections = [store._link.engine.connect() for _ in range(5)]
    for connection in connections:
        connection.exec_driver_sql(f"PRAGMA max_page_count={most}").close()
        connection.close()


@contextlib.contextmanager
def _gone(store: Store) -> Iterator[None]:
    store.checkpoint(whole=True)
    place = Path(store.place)
    place.rename(place.with_name("away"))
    yield
    for rest in place.parent.glob(f"{place.name}-*"):
        rest.unlink()
    place.with_name("away").rename(place)


FAULTS: dict[str, Callable[[Store], contextlib.AbstractContextManager[None]]] = {
    "locked": _locked,
    "full": _full,
    "gone": _gone,
}


@contextlib.contextmanager
def _serving(build: Builder, folder: Path, **store: object) -> Iterator[tuple[House, Memory]]:
    house = build(store={"url": str(folder / "guard.db"), "wait_s": 0.3, **store})
    memory: Memory = house.app.state.memory
    memory.start()
    try:
        yield house, memory
    finally:
        memory.stop()


@pytest.mark.parametrize("fault", FAULTS)
async def test_best_effort_serves_on_and_makes_good_what_was_missed(build: Builder, tmp_path: Path, fault: str) -> None:
    with _serving(build, tmp_path) as (house, memory):
        async with house.client() as client:
            for _ in range(40):  # the file is so full that one more decision needs a page
                await client.post("/v1/chat/completions", json=chat(UNSAFE))
            with FAULTS[fault](memory.store):
                answers = [
                    await client.post("/v1/chat/completions", json=chat(f"{UNSAFE} {number}")) for number in range(30)
                ]
                waited_s = []
                for _ in range(10):
                    began = time.perf_counter()
                    answers.append(await client.post("/v1/chat/completions", json=chat(UNSAFE)))
                    waited_s.append(time.perf_counter() - began)
                passed = await client.post("/v1/chat/completions", json=chat(SAFE))
                assert memory.failure is not None
            await until(lambda: memory.failure is None)
            await until(lambda: len(memory.store.find(Query(limit=1000))) == 81)

    assert {answer.status_code for answer in answers} == {400}
    assert passed.status_code == 200
    assert min(waited_s) < 0.3  # only the first one waited: the store's `wait_s`
    assert house.metric("guard_audit_dropped_total") == 0


@pytest.mark.parametrize("fault", FAULTS)
async def test_required_audit_refuses_until_the_store_is_back(build: Builder, tmp_path: Path, fault: str) -> None:
    with _serving(build, tmp_path, audit="required") as (house, memory):
        async with house.client() as client:
            for _ in range(40):
                await client.post("/v1/chat/completions", json=chat(UNSAFE))
            with FAULTS[fault](memory.store):
                refused = [
                    await client.post("/v1/chat/completions", json=chat(f"{SAFE} {number}")) for number in range(10)
                ]
            for _ in range(100):  # a commit in time is what a busy machine may miss
                again = await client.post("/v1/chat/completions", json=chat(SAFE))
                if again.status_code == 200:
                    break

    assert {(one.status_code, one.json()["error"]["code"]) for one in refused[-3:]} == {(503, "audit_unavailable")}
    assert again.status_code == 200
    assert len(house.upstream.sent) == 1 + sum(one.status_code == 200 for one in refused)


async def test_guard_that_refuses_for_want_of_its_store_is_not_ready(build: Builder, tmp_path: Path) -> None:
    now = [1000.0]
    with _serving(build, tmp_path, audit="required", wait_s=2.0) as (house, memory):
        memory.now = lambda: now[0]
        async with house.client() as client:

            async def asked() -> tuple[int, int]:
                answer = await client.post("/v1/chat/completions", json=chat(SAFE))
                return answer.status_code, (await client.get("/readyz")).status_code

            seen = [await asked()]
            with _gone(memory.store):
                seen.append(await asked())
                now[0] += 60
                lately = (await client.get("/readyz")).status_code
            seen.append(await asked())

    assert seen == [(200, 200), (503, 503), (200, 200)]
    assert lately == 200  # else nobody would send what finds out that the store works again
