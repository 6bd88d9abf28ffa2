"""Targets around a real guard with the tiny bundle, in process and over HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from benchmark.bounded import MOST_BYTES
from benchmark.judgement import UNREACHABLE, Judgement
from benchmark.opening import open_target
from benchmark.runner import run_suite
from benchmark.targets import BUNDLE_CHANGED, HttpTarget
from guard import Bundle, Pair, Settings, create_app, open_guard
from guard.errors import BundleInvalid, ConfigInvalid, UsageError
from guard.server.run import address_of, bind, make_server
from guard.suites import load_suite
from guard.types import ImageInput
from tests.benchmark.drawn_suites import GREEN, draw_mmsafeaware, draw_picture, write_pack
from tests.pictures import solid
from tests.tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@contextlib.asynccontextmanager
async def _serving(bundle: Bundle) -> AsyncIterator[str]:
    """Yield the URL of a Guard on loopback that is down after the context."""
    settings = Settings.model_validate({"bundle": str(bundle.path), "ocr": {"mode": "off"}})
    guard = open_guard(settings)
    bound, ready = bind("127.0.0.1", 0), asyncio.Event()
    server = make_server(create_app(settings, guard=guard), settings, ready.set)
    task = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        await ready.wait()
        yield address_of(bound)
    finally:
        server.should_exit = True
        await task
        await guard.aclose()


def _green(tmp_path: Path) -> ImageInput:
    draw_picture(tmp_path / "green.png", GREEN, mark=0)
    return ImageInput(data=(tmp_path / "green.png").read_bytes())


async def test_bundle_is_named_by_its_digest_and_judges_by_its_policy(bundle: Bundle, tmp_path: Path) -> None:
    target = await open_target(f"bundle:{bundle.path}")
    try:
        assert (target.info.kind, target.info.bundle) == ("bundle", bundle.digest)
        assert (target.info.policy, target.info.threshold) == ("balanced", 0.5)
        assert (await target.judge(Pair("how to kill"))).unsafe is True
        assert (await target.judge(Pair("hello cat"))).unsafe is False
        together = await target.judge(Pair("please taste the picture", (_green(tmp_path),)))
        assert (together.unsafe, together.cause) == (True, "together")
    finally:
        await target.close()


@pytest.mark.parametrize("installed", [True, False])
async def test_target_says_by_what_writing_is_read(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    def release(package: str) -> str:
        if not installed:
            raise PackageNotFoundError(package)
        return "9.9"

    monkeypatch.setattr("benchmark.targets.version", release)
    target = await open_target(f"bundle:{bundle.path}")
    await target.close()
    assert target.info.identity()["reader"] == ("rapidocr 9.9" if installed else "none")


async def test_policy_of_the_command_line_moves_the_threshold(bundle: Bundle) -> None:
    target = await open_target(f"bundle:{bundle.path}", policy="strict")
    await target.close()
    assert (target.info.policy, target.info.threshold) == ("strict", 0.3)


async def test_unjudged_content_is_not_a_failure_of_the_target(bundle: Bundle) -> None:
    target = await open_target(f"bundle:{bundle.path}")
    try:
        judgement = await target.judge(Pair("hello", (ImageInput(data=b"not a picture"),)))
        assert (judgement.unsafe, judgement.code, judgement.failed) == (None, "image_rejected", False)
    finally:
        await target.close()


async def test_guard_over_http_says_what_the_bundle_says(bundle: Bundle, tmp_path: Path) -> None:
    suite = load_suite(str(draw_mmsafeaware(tmp_path / "suite")))
    local = await open_target(f"bundle:{bundle.path}")
    inside = await run_suite(suite, local, tmp_path / "inside")
    await local.close()
    async with _serving(bundle) as url:
        remote = await open_target(f"http:{url}")
        outside = await run_suite(suite, remote, tmp_path / "outside")
        broken = await remote.judge(Pair("hello", (ImageInput(data=b"not a picture"),)))
        await remote.close()
    assert remote.info.bundle == bundle.digest
    assert (outside.total, outside.auc, outside.splits) == (inside.total, inside.auc, inside.splits)
    assert (broken.unsafe, broken.code, broken.failed) == (None, "image_rejected", False)


@pytest.mark.parametrize("format_", ["jpeg", "png", "gif", "webp", "bmp", "avif"])
async def test_picture_goes_over_http_under_its_own_media_type(format_: str) -> None:
    received: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        received.extend((await request.json()).get("images", []))
        return web.json_response({"verdict": "safe", "bundle": "0", "policy": "balanced", "threshold": 0.5})

    app = web.Application()
    app.router.add_post("/guard/classify", answer)
    async with TestServer(app) as server:
        target = await open_target(f"http:{server.make_url('/')}")
        await target.judge(Pair("hello", (ImageInput(data=solid("red", format_=format_)),)))
        await target.close()

    assert [url.partition(";")[0] for url in received] == [f"data:image/{format_}"]


async def _said_over_http(*answers: web.Response) -> Judgement:
    """Return what is made of the last answer; the first ones are those to the question that opens a target."""
    left = list(answers)

    async def answer(request: web.Request) -> web.Response:
        return left.pop(0)

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    async with TestServer(app) as server:
        target = await open_target(f"http:{server.make_url('/')}")
        judgement = await target.judge(Pair("hello"))
        await target.close()
    return judgement


def _verdict(**more: object) -> web.Response:
    return web.json_response({"verdict": "safe", "bundle": "0", "policy": "balanced", "threshold": 0.5, **more})


async def test_odd_words_and_numbers_of_a_guard_over_there_do_not_reach_a_report() -> None:
    odd = await _said_over_http(_verdict(), _verdict(probability=1.7, code="\x1b[31mred", cause="<b>" * 99))
    assert (odd.unsafe, odd.probability, odd.code, odd.cause) == (False, None, None, None)
    unjudged = await _said_over_http(_verdict(), _verdict(verdict="unjudged", code="x" * 999))
    assert unjudged.code == "unjudged"


async def test_guard_over_there_that_sends_elsewhere_or_without_end_gives_no_verdict() -> None:
    elsewhere = web.Response(status=307, headers={"location": "/guard/elsewhere"})
    moved = await _said_over_http(_verdict(), elsewhere, _verdict())
    assert (moved.unsafe, moved.code, moved.failed) == (None, "http_307", True)
    endless = _verdict()
    endless.text = f"{endless.text}{' ' * MOST_BYTES}"
    assert (await _said_over_http(_verdict(), endless)).failed


async def test_tiny_guard_needs_both_halves_of_the_drawn_suite(bundle: Bundle, tmp_path: Path) -> None:
    suite = load_suite(str(draw_mmsafeaware(tmp_path / "suite")))
    target = await open_target(f"bundle:{bundle.path}")
    report = await run_suite(suite, target, tmp_path / "run")
    await target.close()
    assert report.total == 1.0
    assert report.auc_typical == 1.0
    assert {report.controls[name].recall for name in ("text_only", "image_only", "blank_image")} == {0.0}


async def test_guard_whose_bundle_changed_during_the_run_gives_no_verdicts(bundle: Bundle) -> None:
    async with _serving(bundle) as url:
        target = await open_target(url)
        assert isinstance(target, HttpTarget)
        target.info = replace(target.info, bundle="0" * 64)
        judgement = await target.judge(Pair("hello"))
        await target.close()
    assert (judgement.unsafe, judgement.code, judgement.failed) == (None, BUNDLE_CHANGED, True)


async def test_server_that_went_away_is_a_failure_of_the_target(bundle: Bundle) -> None:
    async with _serving(bundle) as url:
        target = await open_target(url)
    judgement = await target.judge(Pair("hello"))
    await target.close()
    assert (judgement.code, judgement.failed) == (UNREACHABLE, True)


async def test_pictures_that_cannot_be_decoded_are_unjudged_rows_of_a_run(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n cut short")
    rows: list[dict[str, object]] = [
        {"id": "broken", "text": "hello", "image": "broken.png", "label": "safe"},
        {"id": "text", "text": "hello cat", "label": "safe"},
    ]
    target = await open_target(f"bundle:{bundle.path}")
    report = await run_suite(load_suite(str(write_pack(tmp_path / "pack", rows))), target, tmp_path / "run")
    await target.close()
    assert (report.n, report.unjudged, report.codes) == (1, 1, {"image_rejected": 1})


@pytest.mark.parametrize("address", ["http://me:hunter2@127.0.0.1:9", "http://127.0.0.1:9?key=hunter2"])
async def test_guard_behind_an_address_with_a_secret_is_refused_and_it_is_not_repeated(address: str) -> None:
    with pytest.raises(UsageError, match="the target is an address alone") as refused:
        await open_target(address)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("spec", ["", "embeded", "bundle:", "control:coin", "http:", "embedded:x", "bundle"])
async def test_unknown_targets_are_refused_with_the_ones_there_are(spec: str) -> None:
    with pytest.raises(UsageError, match="not one of embedded, bundle:DIR"):
        await open_target(spec)


async def test_url_where_no_guard_answers_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no Guard answers there \(target_unreachable\)"):
        await open_target("http:http://127.0.0.1:9")


async def test_unusable_bundle_or_policy_is_one_clear_error(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleInvalid, match=r"no readable manifest\.json"):
        await open_target(f"bundle:{tmp_path}")
    with pytest.raises(ConfigInvalid, match="gentle"):
        await open_target(f"bundle:{bundle.path}", policy="gentle")
    with pytest.raises(UsageError, match="only be chosen for a bundle"):
        await open_target("control:always_block", policy="strict")
