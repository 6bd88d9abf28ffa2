"""What runs where weights or keys are missing: tiny random models, and an API on loopback that answers at random.

They show that the way to a rival works, and nothing about the rival.
"""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from aiohttp import web

from benchmark.judgement import Target
from benchmark.mllm.asking import Asking
from benchmark.mllm.target import MllmTarget
from benchmark.opening import open_target
from benchmark.rivals.asker import LLM_GUARD, RivalAsker
from guard.errors import UsageError

_MODEL = "stand-in"
_LARGEST = 2**28  # bytes of a request: pictures travel in base64


@dataclass(frozen=True, slots=True)
class StandIn:
    """Something in a rival's place, and what it is."""

    words: str
    open: Callable[[Path, Asking], AbstractAsyncContextManager[Target]]  # with an empty folder of its own


@contextlib.asynccontextmanager
async def _endpoint(_folder: Path, asking: Asking) -> AsyncIterator[Target]:
    async with _serving() as base, _closing(open_target(f"moderation:{_MODEL}", asking=_at(asking, base))) as target:
        yield target


@contextlib.asynccontextmanager
async def _nemo(_folder: Path, asking: Asking) -> AsyncIterator[Target]:
    spec = f"rival:nemo-guardrails:{_MODEL}"
    async with _serving() as base, _closing(open_target(spec, asking=_at(asking, base))) as target:
        yield target


@contextlib.asynccontextmanager
async def _llm_guard(folder: Path, asking: Asking) -> AsyncIterator[Target]:
    asker = await RivalAsker.open(LLM_GUARD, asking, stand_in=folder)
    target = MllmTarget(f"rival:{LLM_GUARD}", asker, asking)
    try:
        yield target
    finally:
        await target.close()


@contextlib.asynccontextmanager
async def _llama_guard(folder: Path, asking: Asking) -> AsyncIterator[Target]:
    async with _closing(_local("make_llama_guard", folder, asking)) as target:
        yield target


@contextlib.asynccontextmanager
async def _llama_guard_4(folder: Path, asking: Asking) -> AsyncIterator[Target]:
    async with _closing(_local("make_llama_guard_4", folder, asking)) as target:
        yield target


@contextlib.asynccontextmanager
async def _shieldgemma(folder: Path, asking: Asking) -> AsyncIterator[Target]:
    async with _closing(_local("make_shieldgemma2", folder, asking)) as target:
        yield target


ENDPOINT = StandIn("an endpoint on loopback that flags at random", _endpoint)
NEMO = StandIn("the package itself, with an LLM on loopback that answers at random", _nemo)
RANDOM_LLM_GUARD = StandIn("the package itself, with tiny random classifiers", _llm_guard)
LLAMA_GUARD = StandIn("a tiny random Mllama", _llama_guard)
LLAMA_GUARD_4 = StandIn("a tiny random Llama 4", _llama_guard_4)
SHIELDGEMMA = StandIn("a tiny random ShieldGemma 2", _shieldgemma)


async def _local(maker: str, folder: Path, asking: Asking) -> Target:
    try:
        # Imported where it is asked for: torch and transformers take seconds to load, and may not be installed.
        from benchmark.rivals import tiny_models
    except ModuleNotFoundError as error:
        raise UsageError(f"{error.name} is not installed (extra vlm)") from error
    getattr(tiny_models, maker)(folder)
    return await open_target(f"hf:{folder}", asking=replace(asking, max_tokens=4))


def _at(asking: Asking, base: str) -> Asking:
    return replace(asking, api_base=base)


@contextlib.asynccontextmanager
async def _closing(opening: Awaitable[Target]) -> AsyncIterator[Target]:
    target = await opening
    try:
        yield target
    finally:
        await target.close()


@contextlib.asynccontextmanager
async def _serving() -> AsyncIterator[str]:
    """Yield the base URL of an API on loopback in OpenAI's shape: chats, and moderations."""
    app = web.Application(client_max_size=_LARGEST)
    app.router.add_post("/v1/moderations", _moderate)
    app.router.add_post("/v1/chat/completions", _chat)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


async def _moderate(request: web.Request) -> web.Response:
    score = _chance(await request.read())
    result = {"flagged": score >= 0.5, "category_scores": {"harm": score}}
    return web.json_response({"id": _MODEL, "model": _MODEL, "results": [result]})


async def _chat(request: web.Request) -> web.Response:
    message = {"role": "assistant", "content": "Yes" if _chance(await request.read()) >= 0.5 else "No"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    head = {"id": _MODEL, "object": "chat.completion", "created": 0, "model": _MODEL}
    return web.json_response({**head, "choices": [choice]})


def _chance(body: bytes) -> float:
    """Return a number in [0, 1) that is the same for the same request."""
    return int.from_bytes(hashlib.sha256(body).digest()[:6]) / 2**48
