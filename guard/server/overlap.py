"""The LLM API called while Guard judges (`overlap: true`): the client waits for the slower of the two.

Nothing of the answer reaches the client before the verdict, and a block cancels the call; but the provider has then
seen what was blocked. So a call that does something by itself, or that is kept, waits for the verdict.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from guard.errors import RequestInvalid
from guard.ports import UpstreamResponse
from guard.server.exchange import Exchange
from guard.server.forward import Forwarder, Relay, outgoing
from guard.server.judge import Judged, Prepared

# Tools that the caller runs itself, by type; those of other types may run at the provider.
_CALLERS_TOOLS = frozenset({None, "function", "custom"})
# Fields that let the provider search, run code, reach servers, or keep what was said.
_ACTS = frozenset({
    "background", "container", "conversation", "extra_body", "mcp_servers", "plugins", "search_parameters",
    "web_search", "web_search_options",
})  # fmt: skip
_APIS = frozenset({"chat", "completions", "messages", "responses"})


def may_overlap(api: str, document: Mapping[str, Any]) -> bool:
    """Return whether a request does nothing at the provider but to be answered."""
    if api not in _APIS or any(document.get(name) not in (None, False) for name in _ACTS):
        return False
    # The responses API keeps what it is not told to forget.
    keeps = document.get("store")
    if keeps is not False and (keeps is not None or api == "responses"):
        return False
    tools = document.get("tools")
    if not tools:
        return True
    return isinstance(tools, list) and all(_is_callers(tool) for tool in tools)


def _is_callers(tool: Any) -> bool:
    kind = tool.get("type") if isinstance(tool, dict) else ""
    return (kind is None or isinstance(kind, str)) and kind in _CALLERS_TOOLS


class EarlyCall:
    """One call of the LLM API, begun before the verdict where it may be. A context manager that leaves none behind.

    Args:
        path: where the request goes.
        is_on: whether it may begin before the verdict at all.
        is_read: whether Guard will read the answer.
    """

    def __init__(self, forwarder: Forwarder, exchange: Exchange, path: str, *, is_on: bool, is_read: bool) -> None:
        self._forwarder = forwarder
        self._exchange = exchange
        self._path = path
        self._is_on = is_on
        self._is_read = is_read
        self._call: asyncio.Task[UpstreamResponse] | None = None
        self._began = 0.0
        self._answered: float | None = None

    async def __aenter__(self) -> "EarlyCall":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cancel()

    def begin(self, prepared: Prepared) -> None:
        """Send the request, unless it has to wait for the verdict."""
        if not self._is_on or not may_overlap(prepared.api.name, prepared.document):
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

    async def cancel(self) -> None:
        """Give up the call, if there is one; it is counted as cancelled."""
        call, self._call = self._call, None
        if call is None:
            return
        call.cancel()
        await asyncio.wait({call})
        if not call.cancelled() and call.exception() is None:
            await self._forwarder.abandon(self._exchange, call.result())

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
