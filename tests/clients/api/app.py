"""The stand-in as a server: it answers in OpenAI's and Anthropic's forms, and shows what it was sent.

The model's name says what it does: "tools" calls one, "reasoning" thinks aloud first, "breaks" drops a stream in its
middle, "status-429" answers with that status and an error of the API's own. "unsafe", "unsafe-tools" and
"unsafe-reasoning" say what nobody should read.

    GET /seen      the requests since the last DELETE: [{"method", "path", "query", "headers", "body"}]
    DELETE /seen   forgets them
"""

from collections.abc import Callable
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.clients.api.chat import answer_chat, answer_completion
from tests.clients.api.messages import answer_count, answer_messages
from tests.clients.api.responses import answer_responses
from tests.clients.api.words import CREATED

_OPENAI_ERRORS = {
    401: ("invalid_request_error", "invalid_api_key"),
    429: ("tokens", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("server_error", None),
}
_ANTHROPIC_ERRORS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}
MODELS = ("plain", "tools", "reasoning")


class LlmApi:
    """The API; `seen` are the requests that reached it."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        post = ["POST"]
        self.app = Starlette(
            routes=[
                Route("/seen", self._show, methods=["GET"]),
                Route("/seen", self._forget, methods=["DELETE"]),
                Route("/v1/chat/completions", self._door(answer_chat), methods=post),
                Route("/openai/deployments/{name}/chat/completions", self._door(answer_chat), methods=post),
                Route("/v1/completions", self._door(answer_completion), methods=post),
                Route("/openai/deployments/{name}/completions", self._door(answer_completion), methods=post),
                Route("/v1/responses", self._door(answer_responses), methods=post),
                Route("/openai/v1/responses", self._door(answer_responses), methods=post),
                Route("/openai/responses", self._door(answer_responses), methods=post),
                Route("/v1/messages", self._door(answer_messages), methods=post),
                Route("/v1/messages/count_tokens", self._door(lambda _: answer_count()), methods=post),
                Route("/v1/models", self._models),
                Route("/v1/models/{name}", self._model),
            ],
            exception_handlers={404: _unknown, 405: _unknown},
        )

    async def _show(self, request: Request) -> Response:
        return JSONResponse(self.seen)

    async def _forget(self, request: Request) -> Response:
        self.seen.clear()
        return JSONResponse(None)

    async def _models(self, request: Request) -> Response:
        if "anthropic-version" in request.headers:
            listed = [{"type": "model", "id": name, "display_name": name} for name in MODELS]
            dated = [model | {"created_at": "2026-01-01T00:00:00Z"} for model in listed]
            return JSONResponse({"data": dated, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]})
        return JSONResponse({"object": "list", "data": [_model(name) for name in MODELS]})

    async def _model(self, request: Request) -> Response:
        return JSONResponse(_model(request.path_params["name"]))

    def _door(self, answer: Callable[[dict[str, Any]], Response]) -> Callable[[Request], Any]:
        async def door(request: Request) -> Response:
            document = orjson.loads(await request.body())
            url = request.url
            self.seen.append(
                {
                    "method": request.method,
                    "path": url.path,
                    "query": url.query,
                    "headers": dict(request.headers),
                    "body": document,
                }
            )
            # Azure's paths name the deployment in place of the model.
            document.setdefault("model", request.path_params.get("name", "plain"))
            model = str(document["model"])
            if model.startswith("status-"):
                return _error(int(model.removeprefix("status-")), is_anthropic=url.path.startswith("/v1/messages"))
            return answer(document)

        return door


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "nobody"}


async def _unknown(request: Request, error: Exception) -> Response:
    return _error(404, is_anthropic="/messages" in request.url.path)


def _error(status: int, *, is_anthropic: bool) -> Response:
    headers = {"x-request-id": "req_7", "x-should-retry": "false", "x-ratelimit-remaining-requests": "0"}
    if is_anthropic:
        kind = _ANTHROPIC_ERRORS.get(status, "invalid_request_error")
        return JSONResponse({"type": "error", "error": {"type": kind, "message": "no more"}}, status, headers)
    kind, code = _OPENAI_ERRORS.get(status, ("invalid_request_error", None))
    return JSONResponse({"error": {"message": "no more", "type": kind, "param": None, "code": code}}, status, headers)
