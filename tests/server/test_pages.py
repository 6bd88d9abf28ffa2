"""Guard's own pages: classify, health, readiness, metrics."""

import asyncio
import base64
import io

import pytest
from PIL import Image

from guard.errors import ScorerFailed
from guard.server.app import create_app
from guard.server.health import Readiness
from tests.fakes import FixedScorer
from tests.server.house import SAFE, UNSAFE, Builder, until

_CONTRACT_KEYS = {
    "id",
    "direction",
    "verdict",
    "intended",
    "action",
    "basis",
    "cached",
    "probability",
    "threshold",
    "categories",
    "attacks",
    "cause",
    "images",
    "policy",
    "bundle",
    "latency_ms",
}


def _data_url(size: tuple[int, int] = (8, 8)) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", size, "blue").save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


async def test_classify_answers_an_object_with_the_verdict_object(build: Builder) -> None:
    house = build()

    async with house.client() as client:
        answer = await client.post("/guard/classify", json={"text": UNSAFE, "images": [_data_url()]})

    verdict = answer.json()
    assert answer.status_code == 200
    assert verdict.keys() >= _CONTRACT_KEYS
    assert (verdict["verdict"], verdict["intended"], verdict["images"][0]["judged"]) == ("unsafe", "block", True)
    assert answer.headers["x-guard-verdict"] == "unsafe"


async def test_picture_in_base64_in_a_text_to_classify_is_judged_as_the_picture(build: Builder) -> None:
    house = build()
    picture = _data_url((64, 64))

    async with house.client() as client:
        answer = await client.post("/guard/classify", json={"text": f"look: ![x]({picture})"})

    assert [image["judged"] for image in answer.json()["images"]] == [True]
    assert any(pair.frames for pair in house.scorer.asked)
    assert picture[40:80] not in "".join(pair.text for pair in house.scorer.asked)


async def test_classify_answers_a_list_in_its_order(build: Builder) -> None:
    house = build()

    async with house.client() as client:
        answer = await client.post("/guard/classify", json=[{"text": SAFE}, {"text": UNSAFE}, {"text": SAFE}])

    assert [verdict["verdict"] for verdict in answer.json()] == ["safe", "unsafe", "safe"]


async def test_long_list_to_classify_does_not_hold_up_another_request(build: Builder) -> None:
    house = build(scorer=FixedScorer(delay_s=0.002))

    async with house.client() as client:
        items = [{"text": f"hello {index}"} for index in range(256)]
        long = asyncio.create_task(client.post("/guard/classify", json=items))
        await until(lambda: bool(house.scorer.asked))
        await client.post("/guard/classify", json={"text": "a short one"})
        before = [pair.text for pair in house.scorer.asked].index("a short one")
        answer = await long

    assert before < 50
    assert len(answer.json()) == 256


async def test_classify_says_unjudged_with_status_200(build: Builder) -> None:
    house = build(scorer=FixedScorer(failure=ScorerFailed("broken")))

    async with house.client() as client:
        answer = await client.post("/guard/classify", json={"text": SAFE})

    assert answer.status_code == 200
    verdict = answer.json()
    assert (verdict["verdict"], verdict["intended"], verdict["code"]) == ("unjudged", "block", "scorer_failed")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"3",
        b"[3]",
        b'{"text":3}',
        b'{"images":"x"}',
        b'{"text":"a","text":"b"}',
        b'{"text":"a","image":"/etc/passwd"}',
        b"[" + b"{}," * 256 + b"{}]",
    ],
)
async def test_classify_refuses_what_is_no_pair(build: Builder, body: bytes) -> None:
    house = build()

    async with house.client() as client:
        answer = await client.post("/guard/classify", content=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request_invalid")


async def test_classify_takes_only_post(build: Builder) -> None:
    house = build()

    async with house.client() as client:
        answer = await client.get("/guard/classify")

    assert answer.status_code == 404


async def test_classify_works_without_an_upstream(build: Builder) -> None:
    house = build()
    app = create_app(house.settings, guard=house.guard)
    house.app = app

    async with house.client() as client:
        classified = await client.post("/guard/classify", json={"text": SAFE})
        forwarded = await client.get("/v1/models")

    assert classified.status_code == 200
    assert (forwarded.status_code, forwarded.json()["error"]["code"]) == (404, "unknown_route")


async def test_health_says_that_the_process_answers(build: Builder) -> None:
    house = build(scorer=FixedScorer(failure=ScorerFailed("broken")))

    async with house.client() as client:
        answer = await client.get("/healthz")

    assert answer.status_code == 200


async def test_ready_names_the_bundle_once_the_scorer_has_answered(build: Builder) -> None:
    house = build()

    async with house.client() as client:
        answer = await client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "bundle": "tiny-0.0", "digest": house.guard.bundle.digest}
    assert house.scorer.asked


async def test_not_ready_while_the_scorer_fails(build: Builder) -> None:
    house = build(scorer=FixedScorer(failure=ScorerFailed("broken")))

    async with house.client() as client:
        answer = await client.get("/readyz")

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "guard_unavailable")


async def test_readiness_is_remembered_for_two_seconds(build: Builder) -> None:
    house = build()
    times = iter((0.0, 0.0, 1.9, 2.1, 2.1))  # read before asking, and once more after
    ready = Readiness(house.live, clock=lambda: next(times))
    asked = []
    for _ in range(3):
        await ready.answer()
        asked.append(len(house.scorer.asked))

    assert asked == [1, 1, 2]


async def test_metrics_page_holds_what_was_counted(build: Builder) -> None:
    house = build()

    async with house.client() as client:
        await client.post("/guard/classify", json={"text": UNSAFE})
        page = await client.get("/metrics")

    assert page.headers["content-type"].startswith("text/plain")
    assert (
        'guard_requests_total{action="block",mode="enforce",policy="balanced",route="/guard/classify"} 1.0' in page.text
    )
    assert "guard_bundle_info{" in page.text
