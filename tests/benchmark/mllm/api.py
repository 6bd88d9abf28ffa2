"""A stand-in for an LLM API in OpenAI's shape, as good or as bad as a test wants it."""

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

Body = Mapping[str, Any]


@dataclass
class Api:
    """Answers every chat with `say`, and remembers bodies. `fail_first` responses are given before any answer."""

    say: Callable[[Body], str] = lambda body: "Yes"
    logprobs: Callable[[Body], Sequence[tuple[str, Mapping[str, float]]]] | None = None
    finish_reason: str = "stop"
    refusal: str | None = None
    lists_alternatives: bool = True
    hangs_s: float = 0.0
    fail_first: list[web.Response] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)

    async def chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        await asyncio.sleep(self.hangs_s)
        if self.fail_first:
            return self.fail_first.pop(0)
        message = {"role": "assistant", "content": self.say(body), "refusal": self.refusal}
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": self.finish_reason}
        if self.logprobs is not None and body.get("logprobs"):
            places = [_place(*place) for place in self.logprobs(body)]
            if not self.lists_alternatives:
                places = [{**place, "top_logprobs": []} for place in places]
            choice["logprobs"] = {"content": places}
        usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
        head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"]}
        return web.json_response({**head, "choices": [choice], "usage": usage})

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Yield the base URL, with `/v1`."""
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/chat/completions", self.chat)
        async with TestServer(app) as server:
            yield str(server.make_url("/v1"))


def sentence_of(body: Body) -> str:
    """Return what stands in quotes in the question."""
    content = body["messages"][-1]["content"]
    text = content if isinstance(content, str) else content[-1]["text"]
    return str(text[text.find('"') + 1 : text.rfind('"')])


def error(status: int, message: str = "no", **headers: str) -> web.Response:
    """Return an error in OpenAI's shape."""
    document = {"error": {"message": message, "type": "error", "code": None}}
    return web.json_response(document, status=status, headers={k.replace("_", "-"): v for k, v in headers.items()})


def half_json() -> web.Response:
    """Return the first half of an answer."""
    text = json.dumps({"id": "chatcmpl-1", "choices": [{"index": 0, "message": {"role": "assistant"}}]})
    return web.Response(text=text[: len(text) // 2], content_type="application/json")


def _place(token: str, listed: Mapping[str, float]) -> dict[str, Any]:
    tops = [{"token": name, "logprob": math.log(share), "bytes": None} for name, share in listed.items()]
    return {"token": token, "logprob": math.log(listed[token]), "bytes": None, "top_logprobs": tops}
