"""The LLM API called while Guard judges (`overlap: true`): the client waits for the slower of the two.

Nothing of the answer reaches the client before the verdict, and a block cancels the call; but the provider has then
seen what was blocked. So a call that may do something by itself, or that is kept, waits for the verdict.
"""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Any

from guard.errors import RequestInvalid
from guard.ports import UpstreamResponse
from guard.server.exchange import Exchange
from guard.server.forward import Forwarder, Relay, outgoing
from guard.server.judge import Judged, Prepared

# Fields that do nothing at the provider but to shape an answer. Unknown ones may search, run code, reach servers or
# other models, or keep what was said: every proxy and server has its own.
_SETTINGS = frozenset({
    "audio", "best_of", "cache_control", "echo", "frequency_penalty", "function_call", "functions", "include",
    "logit_bias", "logprobs", "max_completion_tokens", "max_output_tokens", "max_tokens", "max_tool_calls", "metadata",
    "min_p", "modalities", "model", "n", "output_config", "output_format", "parallel_tool_calls", "prediction",
    "presence_penalty", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning",
    "reasoning_effort", "repetition_penalty", "response_format", "safety_identifier", "seed", "service_tier", "speed",
    "stop", "stop_sequences", "stream", "stream_options", "temperature", "thinking", "tool_choice", "tools", "top_k",
    "top_logprobs", "top_p", "truncation", "user", "verbosity",
})  # fmt: skip
# By API: what is said, which has other meanings elsewhere ("prompt" is one that the responses API has kept).
_SAID = {
    "chat": frozenset({"messages"}),
    "completions": frozenset({"prompt", "suffix"}),
    "messages": frozenset({"messages", "system"}),
    "responses": frozenset({"input", "instructions", "text"}),
}
# Models that search, browse or run code whenever they are asked, by a part of their name: no list of models is whole.
_ACTING_MODEL = re.compile(r"search|:online|browse|compound|sonar|@preset", re.IGNORECASE)

# Tools that the caller runs itself, by type; those of other types may run at the provider, and so may any that has
# other fields: {"googleSearch": {}}.
_CALLERS_TOOLS = frozenset({"function", "custom"})
_TOOL_FIELDS = frozenset({
    "cache_control", "custom", "defer_loading", "description", "eager_input_streaming", "format", "function",
    "input_examples", "input_schema", "name", "parameters", "strict", "type",
})  # fmt: skip
# Items of the responses API that only tell what was said; others bring in tools, or let one that waits go on.
_TOLD = frozenset({
    "message", "reasoning", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output"
})  # fmt: skip
# Turns of the event loop until aiohttp and uvloop have written a request to a connection that is open. Judging begins
# with work that keeps the loop: without them every request leaves a quarter of a millisecond later.
_TURNS_TO_SEND = 3


def may_overlap(api: str, document: Mapping[str, Any], *, model: str = "") -> bool:
    """Return whether a request does nothing at the provider but to be answered, as far as its fields tell.

    A field that is null or false asks for nothing.

    Args:
        api: name of the API.
        document: the request.
        model: that the path names, whatever the request says.
    """
    if api not in _SAID:
        return False
    known = _SETTINGS | _SAID[api]
    if any(value is not None and value is not False and name not in known for name, value in document.items()):
        return False
    # The responses API keeps what it is not told to forget.
    if api == "responses" and document.get("store") is not False:
        return False
    models = (model, document.get("model") or "")
    if any(not isinstance(name, str) or _ACTING_MODEL.search(name) for name in models):
        return False
    given, tools = document.get("input"), document.get("tools") or []
    if isinstance(given, list) and not all(_is_told(item) for item in given):
        return False
    return isinstance(tools, list) and all(_is_callers(tool) for tool in tools)


def _is_told(item: Any) -> bool:
    kind = item.get("type") if isinstance(item, dict) else ""
    return kind is None or (isinstance(kind, str) and kind in _TOLD)


def _is_callers(tool: Any) -> bool:
    if not isinstance(tool, dict) or not tool.keys() <= _TOOL_FIELDS:
        return False
    kind = tool.get("type")
    # The messages API's own have no type, but a schema.
    return "input_schema" in tool if kind is None else isinstance(kind, str) and kind in _CALLERS_TOOLS


class EarlyCall:
    """One call of the LLM API, begun before the verdict where it may be. A context manager that leaves none behind.

    Args:
        path: where the request goes.
        is_read: whether Guard will read the answer.
    """

    def __init__(self, forwarder: Forwarder, exchange: Exchange, path: str, *, is_read: bool) -> None:
        self._forwarder = forwarder
        self._exchange = exchange
        self._path = path
        self._is_read = is_read
        self._call: asyncio.Task[UpstreamResponse] | None = None
        self._began = 0.0
        self._answered: float | None = None

    async def __aenter__(self) -> "EarlyCall":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Give up a call that was not finished."""
        await self.cancel()

    async def begin(self, prepared: Prepared) -> None:
        """Send the request, unless it has to wait for the verdict; an open connection has it when this returns."""
        if not may_overlap(prepared.api.name, prepared.document, model=prepared.wish.model):
            return
        try:
            request = outgoing(
                self._exchange,
                self._path,
                prepared.body,
                is_rewritten=True,
                model=prepared.wish.model or None,
                is_read=self._is_read,
            )
        except RequestInvalid:
            return  # and is refused as such, if it passes
        self._began = time.perf_counter()
        self._call = asyncio.create_task(self._forwarder.send(self._exchange, request))
        self._call.add_done_callback(self._take_note)
        for _ in range(_TURNS_TO_SEND):
            await asyncio.sleep(0)

    async def cancel(self) -> bool:
        """Give up the call, and return whether there was one; it is counted as cancelled.

        It waits until the call has ended, which takes the time that closing its connection takes.
        """
        call, self._call = self._call, None
        if call is None:
            return False
        call.cancel()
        await asyncio.wait({call})
        if not call.cancelled() and call.exception() is None:
            await self._forwarder.abandon(self._exchange, call.result())
        return True

    async def finish(self, judged: Judged, relay: Relay | None) -> None:
        """Pass the answer on, now that the request may be answered. Raises as `Forwarder.forward`."""
        exchange, call = self._exchange, self._call
        if call is None:
            await self._forwarder.forward(
                exchange,
                self._path,
                judged.body,
                is_rewritten=judged.is_rewritten,
                model=judged.wish.model or None,
                relay=relay,
            )
            return
        if exchange.body_read is not None:
            waited = 0.0 if self._answered is None else time.perf_counter() - self._answered
            exchange.added_s = self._began - exchange.body_read + waited
        response = await call
        self._call = None
        await self._forwarder.finish(exchange, response, relay)

    def _take_note(self, call: "asyncio.Task[UpstreamResponse]") -> None:
        self._answered = time.perf_counter()
        if not call.cancelled():
            call.exception()  # raised where it is awaited, or of no interest
