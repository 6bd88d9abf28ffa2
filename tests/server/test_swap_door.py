"""`/guard/bundle`: another bundle takes the place of the one that judges, while requests go on."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from guard.bundle import Bundle
from guard.config import Settings
from guard.errors import SwapRefused
from guard.server.app import create_app
from guard.server.live import Live
from guard.telemetry import Telemetry
from guard.wiring import Opened, open_unannounced
from tests.fakes import FakeUpstream
from tests.server.house import SAFE, chat, live, until
from tests.tiny_bundle import make_tiny_bundle

TOKEN = "an-admin-token-of-length"
BEARER = {"authorization": f"Bearer {TOKEN}"}
USER = {"authorization": "Bearer sk-of-a-user"}
CHAT, DOOR = "/v1/chat/completions", "/guard/bundle"


class Site:
    """Guard on a real bundle, with another one to take its place."""

    def __init__(self, first: Bundle, second: Bundle, upstream: FakeUpstream, **settings: Any) -> None:
        self.first, self.second, self.upstream = first, second, upstream
        given = {"bundle": str(first.path), "admin": {"token": "env:ADMIN"}, "ocr": {"mode": "off"}, "threads": 1}
        self.settings = Settings.model_validate(given | settings)
        self.app = create_app(self.settings, upstream=upstream)
        self.live: Live = self.app.state.live

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://guard", headers=BEARER, timeout=30
        )

    def metric(self, name: str, **labels: str) -> float | None:
        return self.live.current.guard.telemetry.registry.get_sample_value(name, labels)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Bundle]:
    folder = tmp_path_factory.mktemp("bundles")
    return make_tiny_bundle(folder / "first"), make_tiny_bundle(folder / "second", seed=1)


@pytest.fixture
async def site(bundles: tuple[Bundle, Bundle], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    monkeypatch.setenv("ADMIN", TOKEN)
    built = Site(*bundles, FakeUpstream())
    yield built
    await built.live.aclose()


async def test_page_says_which_bundle_judges(site: Site) -> None:
    async with site.client() as client:
        answer = await client.get(DOOR)

    assert answer.status_code == 200
    said = answer.json()
    labels = {"route": DOOR, "policy": "balanced", "mode": "enforce", "action": "allow"}
    assert site.metric("guard_requests_total", **labels) == 1
    assert (said["bundle"], said["digest"], said["policy"]) == ("tiny-0.0", site.first.digest, "balanced")
    assert [worker["digest"] for worker in said["workers"]] == [site.first.digest]


async def test_another_bundle_judges_after_the_swap(site: Site) -> None:
    async with site.client() as client:
        swapped = await client.post(DOOR, json={"bundle": str(site.second.path)})
        verdict = await client.post("/guard/classify", json={"text": "hello"})
        ready = await client.get("/readyz")
        page = await client.get("/metrics")

    assert (swapped.status_code, swapped.json()["digest"]) == (200, site.second.digest)
    assert verdict.json()["bundle"] == site.second.digest
    assert ready.json()["digest"] == site.second.digest
    assert f'bundle="tiny-0.1",digest="{site.second.digest}"' in page.text
    assert site.first.digest not in page.text


async def test_counters_go_on_across_a_swap(site: Site) -> None:
    labels = {"route": "/guard/classify", "policy": "balanced", "mode": "enforce", "action": "allow"}
    async with site.client() as client:
        await client.post("/guard/classify", json={"text": "hello"})
        await client.post(DOOR, json={"bundle": str(site.second.path)})
        await client.post("/guard/classify", json={"text": "hello"})

    assert site.metric("guard_requests_total", **labels) == 2
    assert site.metric("guard_cache_requests_total", result="miss") == 2


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"bundle": "/no/such/bundle"}, "bundle_invalid: /no/such/bundle"),
        ({"bundle": "SECOND", "digest": "0" * 64}, "not the one that was asked for"),
    ],
)
async def test_bundle_that_cannot_take_the_place_is_409_and_the_old_one_stays(
    site: Site, asked: dict[str, str], said: str
) -> None:
    asked = {key: value.replace("SECOND", str(site.second.path)) for key, value in asked.items()}

    async with site.client() as client:
        answer = await client.post(DOOR, json=asked)
        verdict = await client.post("/guard/classify", json={"text": "hello"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "swap_refused")
    assert said in answer.json()["error"]["message"]
    assert verdict.json()["bundle"] == site.first.digest
    assert site.metric("guard_bundle_info", **_info(site)) == 1


def _info(site: Site) -> dict[str, str]:
    given = {"bundle": "tiny-0.0", "digest": site.first.digest, "backend": "onnxruntime", "gate": "none"}
    return given | {"provider": "CPUExecutionProvider", "precision": "fp32"}


async def test_bundle_without_the_policy_in_use_is_409(
    bundles: tuple[Bundle, Bundle], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from guard.bundle import copy_bundle

    monkeypatch.setenv("ADMIN", TOKEN)
    points = {"strict": bundles[1].manifest.operating_points["strict"]}
    poorer = copy_bundle(
        bundles[1], tmp_path / "poorer", manifest=bundles[1].manifest.model_copy(update={"operating_points": points})
    )
    site = Site(*bundles, FakeUpstream())

    async with site.client() as client:
        answer = await client.post(DOOR, json={"bundle": str(poorer.path)})
    await site.live.aclose()

    assert answer.status_code == 409
    assert "config_invalid: policy.name: tiny-0.1 has strict, not 'balanced'" in answer.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"[]", b'{"bundle":""}', b'{"bundle":"x","force":true}', b'{"digest":"0"}'])
async def test_body_that_is_no_wish_for_a_swap_is_400(site: Site, body: bytes) -> None:
    async with site.client() as client:
        answer = await client.post(DOOR, content=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request_invalid")


@pytest.mark.parametrize(
    "shown", [None, "", "Bearer", "Bearer another-token-altogether", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nobody_without_the_admin_token_gets_in(site: Site, shown: str | None, method: str) -> None:
    transport = httpx.ASGITransport(site.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://guard") as client:
        headers = {} if shown is None else {"authorization": shown}
        answer = await client.request(method, DOOR, headers=headers, json={"bundle": str(site.second.path)})

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert site.live.current.guard.bundle.digest == site.first.digest


async def test_without_a_configured_token_the_page_is_closed(bundles: tuple[Bundle, Bundle]) -> None:
    site = Site(*bundles, FakeUpstream(), admin={})

    async with site.client() as client:
        answer = await client.get(DOOR, headers={"authorization": "Bearer "})
    await site.live.aclose()

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_route")


async def test_request_under_way_keeps_the_bundle_that_it_began_with(site: Site) -> None:
    site.upstream.body, site.upstream.delay_s = (b"{", b"}"), 0.3
    first = site.live.current.model
    closed = _note_closing(first.guard)

    async with live(site.app, site.settings) as url, httpx.AsyncClient(base_url=url, headers=BEARER) as client:
        asking = asyncio.create_task(client.post(CHAT, json=chat(SAFE), headers=USER))
        await until(lambda: bool(site.upstream.sent))
        await client.post(DOOR, json={"bundle": str(site.second.path)})
        was_open = not closed
        answer = await asking
        await until(lambda: bool(closed))

    assert (answer.status_code, answer.content) == (200, b"{}")
    assert was_open


async def test_bundle_that_changed_while_it_was_opened_is_refused_and_closed(bundles: tuple[Bundle, Bundle]) -> None:
    first, second = bundles
    closed: list[list[bool]] = []

    def open_first(settings: Settings, telemetry: Telemetry) -> Opened:
        opened = open_unannounced(settings.model_copy(update={"bundle": str(first.path)}), telemetry)
        closed.append(_note_closing(opened.guard))
        return opened

    settings = Settings.model_validate({"bundle": str(first.path), "ocr": {"mode": "off"}, "threads": 1})
    app = create_app(settings, upstream=FakeUpstream(), open_=open_first)

    with pytest.raises(SwapRefused, match="changed while it was opened"):
        await app.state.control.swap(str(second.path))

    assert closed == [[], [True]]
    await app.state.live.aclose()


async def test_bundle_that_nobody_uses_is_closed_after_the_swap(site: Site) -> None:
    closed = _note_closing(site.live.current.model.guard)

    async with site.client() as client:
        await client.post(DOOR, json={"bundle": str(site.second.path)})
    await until(lambda: bool(closed))

    assert site.live.retired == 0


async def test_swaps_wait_while_streams_hold_three_earlier_bundles(site: Site) -> None:
    site.upstream.body, site.upstream.delay_s = (b"{", b"}"), 1.0
    wanted = [site.second, site.first, site.second, site.first]

    async with live(site.app, site.settings) as url, httpx.AsyncClient(base_url=url, headers=BEARER) as client:
        asking, statuses = [], []
        for number, bundle in enumerate(wanted):
            asking.append(asyncio.create_task(client.post(CHAT, json=chat(SAFE), headers=USER)))
            await until(lambda number=number: len(site.upstream.sent) > number)  # type: ignore[misc]
            statuses.append((await client.post(DOOR, json={"bundle": str(bundle.path)})).status_code)
        answers = await asyncio.gather(*asking)
        await until(lambda: site.live.retired == 0)

    assert statuses == [200, 200, 200, 409]
    assert {answer.status_code for answer in answers} == {200}


async def test_not_one_request_fails_while_bundles_are_swapped_under_load(site: Site) -> None:
    digests: set[str] = set()
    statuses: set[int] = set()
    is_over = False

    async def ask(client: httpx.AsyncClient, worker: int) -> None:
        number = 0
        while not is_over:
            number += 1
            text = f"hello the cat {worker} {number % 7}"
            classified = await client.post("/guard/classify", json={"text": text})
            chatted = await client.post(CHAT, json=chat(text), headers=USER)
            statuses.update((classified.status_code, chatted.status_code))
            digests.add(classified.json()["bundle"])

    async with live(site.app, site.settings) as url, httpx.AsyncClient(base_url=url, headers=BEARER) as client:
        asking = [asyncio.create_task(ask(client, worker)) for worker in range(8)]
        for bundle in (site.second, site.first, site.second, site.first):
            swapped = await client.post(DOOR, json={"bundle": str(bundle.path)}, timeout=60)
            statuses.add(swapped.status_code)
            await until(lambda: site.live.retired == 0)
        is_over = True
        await asyncio.gather(*asking)

    assert statuses == {200}
    assert digests == {site.first.digest, site.second.digest}


def _note_closing(guard: Any) -> list[bool]:
    closed: list[bool] = []
    close = guard.aclose

    async def noted() -> None:
        closed.append(True)
        await close()

    guard.aclose = noted
    return closed
