"""A request sent to the LLM API, and its answer streamed back as it comes."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from guard.core.credentials import without_sessions
from guard.core.headers import end_to_end
from guard.errors import RequestInvalid, UpstreamFailed
from guard.ports import Upstream, UpstreamRequest, UpstreamResponse
from guard.server.exchange import Exchange
from guard.telemetry import Telemetry

# Some servers take these for the path or the method, in place of those that were judged.
_LEADS_ELSEWHERE = {
    "x-original-url", "x-rewrite-url", "x-http-method", "x-http-method-override", "x-method-override"
}  # fmt: skip
_NEVER_SENT = frozenset(
    {
        "host",
        "content-length",
        "expect",
        "x-guard-verdict",
        "x-guard-action",
        "x-guard-id",
        "x-guard-csrf",
        "x-guard-token",
        *_LEADS_ELSEWHERE,
    }
)
_REWRITTEN = _NEVER_SENT | {"content-type", "content-encoding"}
_NEVER_RETURNED = frozenset({"x-guard-verdict", "x-guard-action", "x-guard-id"})
# Such answers may state the length of a body that they do not have.
_EMPTY = frozenset({204, 304})
_NEVER_RETURNED_EMPTY = _NEVER_RETURNED | {"content-length"}
_CANCELLED = "cancelled"
# In the scope of a request: the keys of its tenant, by the upstream that each is for.
UPSTREAM_KEYS = "guard.upstream_keys"


Relay = Callable[[Exchange, UpstreamResponse], Awaitable[None]]


class Forwarder:
    """Sends requests on and answers in the upstream's words.

    An answer that breaks off is never ended cleanly: an event stream gets one last event with the error, in the form of
    its API, and then the connection is dropped in the middle of its chunked body, as for every other answer.
    """

    def __init__(self, upstream: Upstream, telemetry: Telemetry) -> None:
        self._upstream = upstream
        self._telemetry = telemetry

    async def forward(
        self,
        exchange: Exchange,
        path: str,
        body: bytes,
        *,
        is_rewritten: bool,
        model: str | None = None,
        relay: Relay | None = None,
    ) -> None:
        """Send the request of `exchange` to `path` with `body`, and the answer to its client.

        Args:
            is_rewritten: the body is JSON that Guard wrote, rather than the client's own bytes.
            model: the one that was judged, which decides who gets the request; None where nobody read it.
            relay: passes the answer on, in place of `stream_back`; it raises as that does. The upstream is then asked
                for an answer that is not compressed.

        Raises:
            UpstreamFailed: no answer; nothing was sent to the client.
            RequestInvalid: a header that cannot be sent on as it came, or a model that no upstream serves.
        """
        request = outgoing(exchange, path, body, is_rewritten=is_rewritten, model=model, is_read=relay is not None)
        exchange.guard_is_done()
        response = await self.send(exchange, request)
        await self.finish(exchange, response, relay)

    async def send(self, exchange: Exchange, request: UpstreamRequest) -> UpstreamResponse:
        """Return the answer as soon as its head is here; then call `finish` or `abandon`.

        A failure is counted, and so is a call that is cancelled while it waits. Raises as `Upstream.send`.
        """
        sent = time.perf_counter()
        try:
            response = await self._upstream.send(request)
        except UpstreamFailed as error:
            self._count(exchange, error.code)
            raise
        except asyncio.CancelledError:
            self._count(exchange, _CANCELLED)
            raise
        exchange.upstream_s = time.perf_counter() - sent
        exchange.upstream = response.status
        self._telemetry.stage("upstream", exchange.upstream_s)
        return response

    async def finish(self, exchange: Exchange, response: UpstreamResponse, relay: Relay | None = None) -> None:
        """Send an answer to the client, count it, and give up its connection.

        Raises:
            UpstreamFailed: it broke off before anything of it was sent; later, the client's answer breaks off, too.
        """
        outcome: int | str = response.status
        try:
            await (stream_back if relay is None else relay)(exchange, response)
        except UpstreamFailed as error:
            exchange.code = outcome = error.code
            if exchange.status is None:
                raise
        finally:
            self._count(exchange, outcome)
            await response.close()

    async def abandon(self, exchange: Exchange, response: UpstreamResponse) -> None:
        """Give up an answer that its client must not see; it counts as cancelled."""
        self._count(exchange, _CANCELLED)
        await response.close()

    def _count(self, exchange: Exchange, outcome: int | str) -> None:
        exchange.upstream = outcome
        self._telemetry.upstream(outcome)


def outgoing(
    exchange: Exchange, path: str, body: bytes, *, is_rewritten: bool, model: str | None = None, is_read: bool = False
) -> UpstreamRequest:
    """Return the request of `exchange` as it goes to the upstream; `is_read`: its answer must not be compressed.

    Raises:
        RequestInvalid: a header that cannot be sent on as it came.
    """
    headers = _request_headers(exchange, is_rewritten=is_rewritten)
    if is_read:
        headers["accept-encoding"] = "identity"
    if exchange.trace is not None:
        headers |= exchange.trace.outgoing()
    return UpstreamRequest(
        method=exchange.method,
        path=path,
        query=exchange.scope["query_string"].decode("latin-1"),
        headers=headers,
        body=body,
        model=model,
        keys=exchange.scope.get(UPSTREAM_KEYS, {}),
    )


async def stream_back(exchange: Exchange, response: UpstreamResponse) -> None:
    """Send an answer to the client as it comes.

    Raises:
        UpstreamFailed: it broke off; what the client has got is not ended.
    """
    dropped = _NEVER_RETURNED_EMPTY if response.status in _EMPTY else _NEVER_RETURNED
    returned = [
        (name.encode("utf-8", "surrogateescape"), value.encode("utf-8", "surrogateescape"))
        for name, value in response.headers
        if name not in dropped
    ]
    await exchange.start(response.status, returned)
    missing = _stated_length(returned)
    try:
        async for chunk in response.chunks():
            missing -= len(chunk)
            if missing == 0:
                await exchange.finish(chunk)
                return
            await exchange.send_part(chunk)
    except UpstreamFailed as error:
        if _takes_events(returned):
            await exchange.send_part(exchange.api.error_event(error.code, str(error)))
        raise
    await exchange.finish()


def _stated_length(headers: Sequence[tuple[bytes, bytes]]) -> int:
    """Return how long the answer's body will be, -1 where nothing says so."""
    return next((int(value) for name, value in headers if name == b"content-length" and value.isdigit()), -1)


def _takes_events(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Return whether an event can be added: not to a body that is compressed, or whose length is stated."""
    named = dict(headers)
    is_stream = named.get(b"content-type", b"").startswith(b"text/event-stream")
    return is_stream and not {b"content-encoding", b"content-length"} & named.keys()


def _request_headers(exchange: Exchange, *, is_rewritten: bool) -> dict[str, str]:
    kept: dict[str, str] = {}
    for name, value in end_to_end(exchange.scope["headers"], drop=_REWRITTEN if is_rewritten else _NEVER_SENT):
        if not (value.isascii() or _is_unicode(value)):
            raise RequestInvalid("a header is neither ASCII nor UTF-8")
        separator = "; " if name == "cookie" else ", "
        kept[name] = f"{kept[name]}{separator}{value}" if name in kept else value
    if cookies := without_sessions(kept.pop("cookie", "")):
        kept["cookie"] = cookies
    if is_rewritten:
        kept["content-type"] = "application/json"
    return kept


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
