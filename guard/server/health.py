"""Pages for machines: is the process alive, can it judge, and what are its figures."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.metadata import version

from starlette.requests import Request
from starlette.responses import Response

from guard.errors import SupervisorLost
from guard.pipeline import Guard
from guard.server import openapi
from guard.server.control import Control
from guard.server.live import Live
from guard.server.wire import GUARD_UNAVAILABLE, Answer, error_answer, json_answer

Page = Callable[[Request], Awaitable[Response]]

# Kubernetes asks every second from several places; the scorer is asked once in this time.
_READY_FOR_S = 2.0


def health_page() -> Page:
    """Return `/healthz`: the process answers."""

    async def healthz(request: Request) -> Response:
        return _response(json_answer({"status": "ok"}))

    return healthz


def metrics_page(control: Control) -> Page:
    """Return `/metrics`, in the format that the scraper asks for; 503 while the figures cannot be had."""

    async def metrics(request: Request) -> Response:
        try:
            page, content_type = await control.metrics(request.headers.get("accept", ""))
        except SupervisorLost as error:
            return _response(error_answer(error.code, str(error)))
        return Response(page, media_type=None, headers={"content-type": content_type})

    return metrics


def openapi_page() -> Page:
    """Return `/guard/openapi.json`, made when somebody first asks for it."""

    @cache
    def page() -> Answer:
        return json_answer(openapi.document(version("mllm-guard")))

    async def described(request: Request) -> Response:
        return _response(page())

    return described


class Readiness:
    """`/readyz`: 200 while the scorer gives a real pair a score, 503 otherwise, and while Guard is about to stop.

    What the scorer said is kept for two seconds.

    Args:
        refuses: whether every request is refused at the moment, since no decision can be kept.
    """

    def __init__(
        self, live: Live, *, refuses: Callable[[], bool] = lambda: False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._live = live
        self._refuses = refuses
        self._clock = clock
        self._asking = asyncio.Lock()
        self._answer = error_answer(GUARD_UNAVAILABLE, "not asked yet")
        self._valid_until = float("-inf")
        self._asked = ""  # the digest of its bundle

    async def page(self, request: Request) -> Response:
        """Answer one request."""
        return _response(await self.answer())

    async def answer(self) -> Answer:
        """Return the answer: the last one, or a new one when that is too old or about another bundle."""
        if self._live.is_leaving:
            return error_answer(GUARD_UNAVAILABLE, "this Guard is about to stop")
        if self._refuses():
            return error_answer(GUARD_UNAVAILABLE, "decisions cannot be kept, and store.audit is required")
        async with self._asking:
            with self._live.taken() as generation:
                digest = generation.guard.bundle.digest
                if self._clock() >= self._valid_until or self._asked != digest:
                    self._answer = await _ask(generation.guard)
                    self._asked = digest
                    self._valid_until = self._clock() + _READY_FOR_S
        return self._answer


async def _ask(guard: Guard) -> Answer:
    if not await guard.ready():
        return error_answer(GUARD_UNAVAILABLE, "the scorer does not answer")
    return json_answer({"status": "ready", "bundle": guard.bundle.label, "digest": guard.bundle.digest})


def _response(answer: Answer) -> Response:
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, answer.status, headers, answer.content_type.decode())
