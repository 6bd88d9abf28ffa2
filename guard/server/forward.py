"""A request sent to the LLM API, and its answer streamed back as it comes."""

import asyncio
import time
from collections.abc import Sequence

import orjson

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
    {"host", "content-length", "expect", "x-guard-verdict", "x-guard-action", "x-guard-id", *_LEADS_ELSEWHERE}
)
_REWRITTEN = _NEVER_SENT | {"content-type", "content-encoding"}
_NEVER_RETURNED = frozenset({"x-guard-verdict", "x-guard-action", "x-guard-id"})
# Such answers may state the length of a body that they do not have.
_EMPTY = frozenset({204, 304})
_NEVER_RETURNED_EMPTY = _NEVER_RETURNED | {"content-length"}
_CANCELLED = "cancelled"


class Forwarder:
    """Sends requests on and answers in the upstream's words.

    An answer that breaks off is never ended cleanly: an event stream gets one last event with the error, in OpenAI's
    form, and then the connection is dropped in the middle of its chunked body, as for every other answer.
    """

    def __init__(self, upstream: Upstream, telemetry: Telemetry) -> None:
        self._upstream = upstream
        self._telemetry = telemetry

    async def forward(self, exchange: Exchange, path: str, body: bytes, *, is_rewritten: bool) -> None:
        """Send the request of `exchange` to `path` with `body`, and the answer to its client.

        Args:
            is_rewritten: the body is JSON that Guard wrote, rather than the client's own bytes.

        Raises:
            UpstreamFailed: no answer; nothing was sent to the client.
            RequestInvalid: a header that cannot be sent on as it came.
        """
        request = UpstreamRequest(
            method=exchange.method,
            path=path,
            query=exchange.scope["query_string"].decode("latin-1"),
            headers=_request_headers(exchange, is_rewritten=is_rewritten),
            body=body,
        )
        exchange.guard_is_done()
        try:
            await self._relay(exchange, request)
        except UpstreamFailed as error:
            exchange.upstream = error.code
            if exchange.status is None:
                raise
            exchange.code = error.code
        except asyncio.CancelledError:
            if exchange.upstream is None:
                exchange.upstream = _CANCELLED
            raise
        finally:
            if exchange.upstream is not None:
                self._telemetry.upstream(exchange.upstream)

    async def _relay(self, exchange: Exchange, request: UpstreamRequest) -> None:
        sent = time.perf_counter()
        response = await self._upstream.send(request)
        exchange.upstream_s = time.perf_counter() - sent
        exchange.upstream = response.status
        self._telemetry.stage("upstream", exchange.upstream_s)
        try:
            await _stream_back(exchange, response)
        finally:
            await response.close()


async def _stream_back(exchange: Exchange, response: UpstreamResponse) -> None:
    dropped = _NEVER_RETURNED_EMPTY if response.status in _EMPTY else _NEVER_RETURNED
    headers = [
        (name.encode("utf-8", "surrogateescape"), value.encode("utf-8", "surrogateescape"))
        for name, value in response.headers
        if name not in dropped
    ]
    await exchange.start(response.status, headers)
    missing = _stated_length(headers)
    try:
        async for chunk in response.chunks():
            missing -= len(chunk)
            if missing == 0:
                await exchange.finish(chunk)
                return
            await exchange.send_part(chunk)
    except UpstreamFailed as error:
        if _takes_events(headers):
            await exchange.send_part(_error_event(error))
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
    if is_rewritten:
        kept["content-type"] = "application/json"
    return kept


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _error_event(error: UpstreamFailed) -> bytes:
    body = {"error": {"message": str(error), "type": "api_error", "param": None, "code": error.code}}
    # The blank lines before it end an event that broke off in its middle.
    return b"\n\ndata: " + orjson.dumps(body) + b"\n\n"
