"""Every decision is remembered before it is acted upon, whichever door it was made behind."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from guard.errors import StoreFull
from guard.store.memory import Memory
from guard.store.store import Store
from guard.store.values import Query
from guard.types import Action, Basis, Direction, Mode
from tests.fakes import FakeUpstream, FixedScorer
from tests.server.house import SAFE, UNSAFE, Builder, House, chat, until


def _answering(text: str) -> FakeUpstream:
    said = '{"choices":[{"index":0,"message":{"role":"assistant","content":"%s"}}]}' % text  # noqa: UP031
    return FakeUpstream(headers={"content-type": "application/json"}, body=[said.encode()])


def _written(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob("guard.db*"))


@contextlib.asynccontextmanager
async def _remembering(build: Builder, folder: Path, **more: Any) -> AsyncIterator[tuple[House, Store]]:
    """Yield a house with a store; leaving writes what is queued."""
    store = {"url": str(folder / "guard.db"), **more.pop("store", {})}
    house = build(store=store, **more)
    memory: Memory = house.app.state.memory
    memory.start()
    try:
        yield house, memory.store
    finally:
        memory.stop()


async def test_blocked_decision_is_in_the_store_before_its_refusal_is_sent(build: Builder, tmp_path: Path) -> None:
    async with _remembering(build, tmp_path) as (house, store), house.client() as client:
        answer = await client.post("/v1/chat/completions", json=chat(UNSAFE))
        kept = store.decision(answer.headers["x-guard-id"])

    assert answer.status_code == 400
    assert kept is not None
    assert (kept.intended, kept.basis, kept.route) == (Action.BLOCK, Basis.SCORE, "/v1/chat/completions")
    assert kept.scores is not None
    assert kept.scores.unsafe == 4.0
    assert kept.sampling_probability == 0.5


async def test_refusal_is_not_sent_while_its_decision_is_not_written(
    build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _remembering(build, tmp_path) as (house, store), house.client() as client:
        gate, adding = threading.Event(), store.add

        def add(*said: Any) -> None:
            gate.wait()
            adding(*said)

        monkeypatch.setattr(store, "add", add)
        asking = asyncio.create_task(client.post("/v1/chat/completions", json=chat(UNSAFE)))
        await asyncio.sleep(0.5)
        assert not asking.done()
        gate.set()

        assert (await asking).status_code == 400


async def test_allowed_decision_is_in_the_store_soon_after(build: Builder, tmp_path: Path) -> None:
    async with _remembering(build, tmp_path) as (house, store), house.client() as client:
        answer = await client.post("/v1/chat/completions", json=chat(SAFE))
        await until(lambda: bool(store.find(Query())))
        kept = store.find(Query())

    assert [one.id for one in kept] == [answer.headers["x-guard-id"]]
    assert kept[0].intended is Action.ALLOW


async def test_nothing_of_the_content_is_in_the_file_unless_it_was_asked_for(build: Builder, tmp_path: Path) -> None:
    secret = "how to make a bomb in Timbuktu"
    async with _remembering(build, tmp_path) as (house, _), house.client() as client:
        await client.post("/v1/chat/completions", json=chat(secret, user="somebody@example.com"))
        await client.post("/v1/chat/completions", json=chat("a picture of Timbuktu"))

    written = _written(tmp_path)
    assert b"Timbuktu" not in written
    assert b"somebody" not in written


async def test_every_item_of_a_list_is_a_decision_of_its_own(build: Builder, tmp_path: Path) -> None:
    async with _remembering(build, tmp_path) as (house, store), house.client() as client:
        answer = await client.post("/guard/classify", json=[{"text": SAFE}, {"text": UNSAFE}])
        await client.post("/v1/moderations", json={"input": [SAFE, UNSAFE]})
        await client.post("/beta/litellm_basic_guardrail_api", json={"texts": [UNSAFE], "input_type": "request"})
        await until(lambda: len(store.find(Query())) == 5)
        kept = {one.id: one for one in store.find(Query())}

    assert {verdict["id"] for verdict in answer.json()} <= kept.keys()
    assert sorted(one.route for one in kept.values() if one.intended is Action.BLOCK) == [
        "/beta/litellm_basic_guardrail_api",
        "/guard/classify",
        "/v1/moderations",
    ]


async def test_shadow_mode_remembers_what_would_have_been_done(build: Builder, tmp_path: Path) -> None:
    async with _remembering(build, tmp_path, mode="shadow") as (house, store), house.client() as client:
        answer = await client.post("/v1/chat/completions", json=chat(UNSAFE))
        kept = store.decision(answer.headers["x-guard-id"])

    assert answer.status_code == 200
    assert kept is not None
    assert (kept.mode, kept.intended, kept.action) == (Mode.SHADOW, Action.BLOCK, Action.ALLOW)
    assert kept.stratum == "input/block/far"


@pytest.mark.parametrize(("text", "intended"), [(UNSAFE, Action.BLOCK), (SAFE, Action.ALLOW)])
async def test_answer_is_a_second_decision(build: Builder, tmp_path: Path, text: str, intended: Action) -> None:
    more = {"judge_output": True, "upstream": _answering(text)}
    async with _remembering(build, tmp_path, **more) as (house, store), house.client() as client:
        await client.post("/v1/chat/completions", json=chat(SAFE))
        await until(lambda: len(store.find(Query())) == 2)
        kept = {one.direction: one for one in store.find(Query())}

    assert kept[Direction.INPUT].intended is Action.ALLOW
    assert kept[Direction.OUTPUT].intended is intended
    assert kept[Direction.OUTPUT].id != kept[Direction.INPUT].id


async def test_allow_entry_lets_that_content_pass_and_no_other(build: Builder, tmp_path: Path) -> None:
    async with _remembering(build, tmp_path) as (house, store), house.client() as client:
        refused = await client.post("/v1/chat/completions", json=chat(UNSAFE))
        memory: Memory = house.app.state.memory
        store.allow(refused.headers["x-guard-id"], until=memory.now() + 60, by="me", at=memory.now())
        memory.note_allowances()
        passed = await client.post("/v1/chat/completions", json=chat(UNSAFE))
        other = await client.post("/v1/chat/completions", json=chat(UNSAFE + " today"))
        await until(lambda: store.decision(passed.headers["x-guard-id"]) is not None)
        kept = store.decision(passed.headers["x-guard-id"])

    assert (refused.status_code, passed.status_code, other.status_code) == (400, 200, 400)
    assert kept is not None
    assert kept.basis is Basis.ALLOW_LIST


async def test_allowed_answer_is_no_allowed_prompt(build: Builder, tmp_path: Path) -> None:
    more = {"judge_output": True, "upstream": _answering(UNSAFE)}
    async with _remembering(build, tmp_path, **more) as (house, store), house.client() as client:
        memory: Memory = house.app.state.memory
        refused = await client.post("/v1/chat/completions", json=chat(SAFE))
        [blocked] = store.find(Query(intended=Action.BLOCK))
        store.allow(blocked.id, until=memory.now() + 60, by="me", at=memory.now())
        memory.note_allowances()
        passed = await client.post("/v1/chat/completions", json=chat(SAFE))
        asked = await client.post("/v1/chat/completions", json=chat(UNSAFE))

    assert (refused.status_code, passed.status_code, asked.status_code) == (400, 200, 400)


async def test_allow_entry_ends_when_it_was_said_to(build: Builder, tmp_path: Path) -> None:
    async with _remembering(build, tmp_path) as (house, store), house.client() as client:
        refused = await client.post("/v1/chat/completions", json=chat(UNSAFE))
        memory: Memory = house.app.state.memory
        began = memory.now()
        store.allow(refused.headers["x-guard-id"], until=began + 60, by="me", at=began)
        memory.note_allowances()
        memory._upkeep._now = lambda: began + 61
        memory.note_allowances()
        again = await client.post("/v1/chat/completions", json=chat(UNSAFE))

    assert again.status_code == 400


def _full(*_: object) -> None:
    raise StoreFull("no room left")


@pytest.mark.parametrize("text", [SAFE, UNSAFE])
@pytest.mark.parametrize("route", ["/v1/chat/completions", "/guard/classify"])
async def test_required_audit_lets_nothing_pass_that_cannot_be_kept(
    build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, route: str
) -> None:
    body = chat(text) if route.startswith("/v1") else {"text": text}
    async with _remembering(build, tmp_path, store={"audit": "required"}) as (house, store), house.client() as client:
        monkeypatch.setattr(store, "add", _full)
        answer = await client.post(route, json=body)

    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.json()["error"]["code"] == "audit_unavailable"
    assert (answer.headers["x-guard-verdict"], answer.headers["x-guard-action"]) == ("unjudged", "block")
    assert house.upstream.sent == []
    assert house.metric("guard_rejected_total", reason="audit_unavailable") == 1


async def test_required_audit_keeps_allowed_decisions_before_they_are_sent_on(build: Builder, tmp_path: Path) -> None:
    async with _remembering(build, tmp_path, store={"audit": "required"}) as (house, store), house.client() as client:
        answer = await client.post("/v1/chat/completions", json=chat(SAFE))

        assert store.decision(answer.headers["x-guard-id"]) is not None


async def test_best_effort_answers_all_the_same_and_writes_once_there_is_room_again(
    build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _remembering(build, tmp_path) as (house, store), house.client() as client:
        with monkeypatch.context() as full:
            full.setattr(store, "add", _full)
            refused = await client.post("/v1/chat/completions", json=chat(UNSAFE))
            passed = await client.post("/v1/chat/completions", json=chat(SAFE))
        await until(lambda: len(store.find(Query())) == 2)

    assert (refused.status_code, passed.status_code) == (400, 200)
    assert house.metric("guard_audit_dropped_total") == 0


async def test_decision_of_a_client_that_leaves_while_it_waits_is_kept_all_the_same(
    build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _remembering(build, tmp_path) as (house, store), house.client() as client:
        with monkeypatch.context() as slow:
            is_busy, gate, adding = threading.Event(), threading.Event(), store.add
            writer = house.app.state.memory._writer
            committing, waiting = writer.commit, list[None]()

            def add(*said: Any) -> None:
                is_busy.set()
                gate.wait()
                adding(*said)

            async def commit(*said: Any) -> None:
                waiting.append(None)
                await committing(*said)

            slow.setattr(store, "add", add)
            slow.setattr(writer, "commit", commit)
            first = asyncio.create_task(client.post("/v1/chat/completions", json=chat(UNSAFE)))
            await asyncio.to_thread(is_busy.wait)
            second = asyncio.create_task(client.post("/v1/chat/completions", json=chat(UNSAFE)))
            await until(lambda: len(waiting) == 2)
            second.cancel()
            gate.set()
            await asyncio.wait({first, second})
        await until(lambda: len(store.find(Query())) == 2)

    assert house.metric("guard_audit_dropped_total") == 0


async def test_decisions_beyond_the_queue_are_counted(
    build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _remembering(build, tmp_path, store={"queue": 2}) as (house, store), house.client() as client:
        monkeypatch.setattr(store, "add", _full)
        for _ in range(5):
            await client.post("/v1/chat/completions", json=chat(SAFE))

        assert house.metric("guard_audit_dropped_total") == 3


async def test_subject_is_a_hash_of_tenant_and_end_user(
    build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUBJECTS", "s" * 32)
    async with _remembering(build, tmp_path, store={"subject_key": "env:SUBJECTS"}) as (house, store):
        async with house.client() as client:
            ids = [
                (await client.post("/v1/chat/completions", json=chat(UNSAFE, **who))).headers["x-guard-id"]
                for who in ({"user": "u1"}, {"user": "u2"}, {"user": "u1"}, {})
            ]
        first, second, again, nobody = (store.decision(id_).subject for id_ in ids)  # type: ignore[union-attr]

    assert first == again != second
    assert nobody is None
    assert first is not None
    assert len(first) == 32


async def test_content_is_kept_sealed_where_that_is_asked_for(
    build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTENT", "c" * 32)
    content = {"keep": "blocked", "key": "env:CONTENT"}
    async with _remembering(build, tmp_path, store={"content": content}) as (house, store), house.client() as client:
        refused = await client.post("/v1/chat/completions", json=chat(UNSAFE))
        passed = await client.post("/v1/chat/completions", json=chat(SAFE))
        kept = store.content(refused.headers["x-guard-id"])

        assert kept is not None
        assert kept.text == UNSAFE
        assert store.content(passed.headers["x-guard-id"]) is None
    assert UNSAFE.encode() not in _written(tmp_path)


async def test_content_is_that_of_the_pair_that_decided(
    build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTENT", "c" * 32)
    said = [("system", "be kind"), ("user", SAFE), ("assistant", UNSAFE), ("user", "and " * 700)]
    messages = [{"role": role, "content": text} for role, text in said]
    content = {"keep": "blocked", "key": "env:CONTENT"}
    async with _remembering(build, tmp_path, store={"content": content}) as (house, store), house.client() as client:
        refused = await client.post("/v1/chat/completions", json={"model": "m", "messages": messages})
        kept = store.content(refused.headers["x-guard-id"])

    assert refused.status_code == 400
    assert kept is not None
    assert kept.text.startswith(UNSAFE)
    assert "be kind" not in kept.text


async def test_content_of_an_answer_in_many_parts_is_the_part_that_decided(
    build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTENT", "c" * 32)
    content = {"keep": "blocked", "key": "env:CONTENT"}
    more = {"judge_output": True, "store": {"content": content}, "upstream": _answering(f"{SAFE}. " * 3000 + UNSAFE)}
    async with _remembering(build, tmp_path, **more) as (house, store), house.client() as client:
        await client.post("/v1/chat/completions", json=chat(SAFE))
        [blocked] = store.find(Query(intended=Action.BLOCK))
        kept = store.content(blocked.id)

    assert kept is not None
    assert UNSAFE in kept.text


async def test_failed_check_is_remembered_too(build: Builder, tmp_path: Path) -> None:
    scorer = FixedScorer(failure=RuntimeError("broken"))
    async with _remembering(build, tmp_path, scorer=scorer) as (house, store), house.client() as client:
        answer = await client.post("/v1/chat/completions", json=chat(SAFE))
        kept = store.decision(answer.headers["x-guard-id"])

    assert kept is not None
    assert (kept.basis, kept.code, kept.scores) == (Basis.ERROR_POLICY, "scorer_failed", None)
    assert kept.stratum == "input/block/unscored"


async def test_settings_made_by_hand_remember_nothing(build: Builder) -> None:
    assert build().app.state.memory is None
