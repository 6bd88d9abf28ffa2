"""Every other provider, through litellm: chat completions in OpenAI's shape are translated there and back.

Importing litellm takes seconds, so this module is imported where it is configured, and nowhere else.
"""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import httpx

from guard.errors import Unauthorized, UnknownModel, UpstreamTimeout
from guard.litellm_ready import GLOBAL_LOGGING_WORKER, litellm, make_ready
from guard.ports import UpstreamRequest
from guard.upstream_settings import DEFAULT, OneUpstream
from guard.upstreams import litellm_answer as shape
from guard.upstreams.by_model import best_pattern
from guard.upstreams.keys import own_key
from guard.upstreams.listing import Listing, listing, one_model
from guard.upstreams.litellm_failures import failure, message_of, retry_after, status_of
from guard.upstreams.litellm_request import chat_arguments, provider_model
from guard.upstreams.litellm_response import LitellmResponse, Stream

_MODELS = "/v1/models"
_CHAT = "/chat/completions"
_KEY_HEADERS = ("authorization", "x-api-key", "api-key")


class ThroughLitellm:
    """An `Upstream` that asks the providers of a model map.

    Args:
        settings: `litellm` is the map.
        environment: where the API key is, if the settings name one.
        name: by which tenants say that a key of theirs is for these providers.

    Raises:
        ConfigInvalid: the key is missing.
    """

    def __init__(self, settings: OneUpstream, environment: Mapping[str, str], *, name: str = DEFAULT) -> None:
        self._settings = settings
        self._name = name
        self._key = own_key(settings, environment, name=name)
        make_ready(next(iter(settings.litellm.values()), ""))
        self._timeout = _timeout(settings)

    async def send(self, request: UpstreamRequest) -> LitellmResponse | Listing:
        """Return once the answer is here, or the first chunk of a stream.

        Raises:
            UnknownModel: the map does not have it, or the path is not one of chat completions.
            RequestInvalid: the request cannot be translated.
            Unauthorized: there is no key for the provider.
            UpstreamUnreachable, UpstreamTimeout, UpstreamBroken: the provider gave no answer.
        """
        if request.method == "GET" and request.path.startswith(_MODELS):
            return self._models(request.path)
        if request.method != "POST" or not request.path.endswith(_CHAT):
            raise UnknownModel("this model is reached through litellm, which serves chat completions alone")
        arguments = chat_arguments(request.body)
        arguments |= self._settings.litellm_options
        arguments |= self._fixed(request)
        deadline = asyncio.get_running_loop().time() + self._settings.total_timeout_s
        try:
            async with asyncio.timeout(min(self._settings.first_byte_timeout_s, self._settings.total_timeout_s)):
                result = await litellm.acompletion(**arguments)
                if not hasattr(result, "__anext__"):
                    return LitellmResponse(200, shape.answer(result.model_dump(exclude_none=True), request.model or ""))
                stream = Stream(result, request.model or "", deadline, self._settings.first_byte_timeout_s)
                await stream.begin()
                return LitellmResponse(200, stream)
        except TimeoutError as error:
            raise UpstreamTimeout("the provider did not answer in time") from error
        except Exception as error:  # translating what a provider says, litellm raises whatever it meets
            why = failure(error)
            if why is not None:
                raise why from error
            return _error(error)

    async def close(self) -> None:
        """Close litellm's connections, which every upstream through it shares; idempotent."""
        await litellm.close_litellm_async_clients()
        await GLOBAL_LOGGING_WORKER.stop()

    def _fixed(self, request: UpstreamRequest) -> dict[str, Any]:
        """Return the arguments that neither callers nor options decide."""
        fixed: dict[str, Any] = {
            "model": provider_model(request.model, self._settings.litellm),
            "timeout": self._timeout,
            # What may have been sent is never sent twice.
            "max_retries": 0,
            "num_retries": 0,
            # Looks for tools of litellm's proxy, and imports a package that litellm does not bring along.
            "_skip_mcp_handler": True,
        }
        if self._settings.url is not None:
            fixed["api_base"] = str(self._settings.url).rstrip("/")
        if not self._settings.litellm_environment:
            key = request.keys.get(self._name, self._key)
            if key is None and not request.keys:
                key = _callers_key(request.headers)
            if not key:
                raise Unauthorized("no API key for the provider of this model: send one, or set upstream.key")
            fixed["api_key"] = key
        return fixed

    def _models(self, path: str) -> Listing:
        if path == _MODELS:
            return listing(self._settings.litellm)
        name = unquote(path.removeprefix(f"{_MODELS}/"))
        if best_pattern(name, self._settings.litellm) is None:
            raise UnknownModel("the model is not in the map (upstream.litellm)")
        return one_model(name)


def _timeout(settings: OneUpstream) -> httpx.Timeout:
    silence_s = settings.first_byte_timeout_s
    return httpx.Timeout(silence_s, connect=settings.connect_timeout_s, pool=settings.connect_timeout_s)


def _callers_key(headers: Mapping[str, str]) -> str | None:
    shown = next((headers[name] for name in _KEY_HEADERS if name in headers), "")
    return shown.removeprefix("Bearer ").strip() or None


def _error(error: Exception) -> LitellmResponse:
    wait = retry_after(error)
    body = shape.error(status_of(error), message_of(error))
    return LitellmResponse(status_of(error), body, more=[("retry-after", wait)] if wait else [])
