"""The request boundary: whatever happens inside, the client gets an answer, and the request is counted and logged."""

import asyncio
import logging
import traceback
from collections.abc import Callable
from typing import TypeAlias

from starlette.types import Receive, Scope, Send

from guard.errors import AuditUnavailable, GuardError, Overloaded, RateLimited, RequestInvalid, Unauthorized
from guard.ports import Recorder
from guard.server.access_log import log_exchange
from guard.server.body import ClientLeft
from guard.server.exchange import LEFT, REJECTED, Exchange
from guard.server.live import Entrance, Generation, Live
from guard.server.routes import OTHER, resolve
from guard.server.wire import CLIENT_LEFT, GUARD_UNAVAILABLE, INTERNAL_ERROR, STATUS
from guard.telemetry import Telemetry
from guard.tracing import Served, Tracing

logger = logging.getLogger("guard.server")

# Which entrance of the generation that judges now a request takes. Raises RequestInvalid: none.
Choose: TypeAlias = Callable[[Generation, Exchange], Entrance]


class Boundary:
    """An ASGI app around the doors of one path.

    Args:
        path: by which the door is found in an entrance.
        choose: the entrance.
        recorder: remembers what is decided behind it; None for doors that decide nothing, or where nobody does.
        tracing: None traces nothing.
    """

    def __init__(
        self,
        live: Live,
        path: str,
        *,
        choose: Choose,
        telemetry: Telemetry,
        recorder: Recorder | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self._live = live
        self._path = path
        self._choose = choose
        self._telemetry = telemetry
        self._recorder = recorder
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Whatever is swapped meanwhile, it is judged by what judged at its beginning."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008, "reason": "not served"})
            return
        exchange = Exchange(scope, receive, send)
        if self._tracing is not None:
            exchange.trace = self._tracing.begin(exchange.header(b"traceparent"))
        self._telemetry.began()
        with self._live.taken() as generation:
            entrance = generation.entrance
            try:
                entrance = self._choose(generation, exchange)
                exchange.recorder, exchange.tenant = self._recorder, entrance.tenant
                exchange.mode = generation.settings.mode
                await self._enter(entrance, exchange)
            except ClientLeft:
                self._note_leaving(exchange)
            except GuardError as error:
                await self._refuse(exchange, error)
            except asyncio.CancelledError:
                # The server's drain took too long. The task ends here anyway; its client is owed an answer.
                await self._cut_off(exchange)
            except Exception as error:  # noqa: BLE001 - the request boundary
                await self._apologise(exchange, error)
            finally:
                self._telemetry.ended()
                self._record(exchange, entrance)

    async def _enter(self, entrance: Entrance, exchange: Exchange) -> None:
        door = entrance.doors[self._path]
        if entrance.allowance is None:
            await door(exchange)
            return
        with entrance.allowance.taken():
            await door(exchange)

    def _note_leaving(self, exchange: Exchange) -> None:
        # Clients close a stream at its [DONE], just before its end: nothing is amiss once the answer has begun.
        if exchange.status is None:
            exchange.code = CLIENT_LEFT
            if exchange.decision is None:
                exchange.action = LEFT

    async def _refuse(self, exchange: Exchange, error: GuardError) -> None:
        exchange.code = error.code
        if isinstance(error, Unauthorized | RateLimited) and exchange.route == OTHER:
            # Before any door: nobody has looked yet whose API it is.
            target = resolve(exchange.method, exchange.path)
            exchange.route, exchange.api = target.label, target.api or exchange.api
        if isinstance(error, RequestInvalid | Overloaded | AuditUnavailable):
            exchange.action = REJECTED
            self._telemetry.rejected(error.code)
        if exchange.status is None:
            code = error.code if error.code in STATUS else GUARD_UNAVAILABLE
            await exchange.answer(exchange.api.error(code, str(error), decision=exchange.decision))

    async def _cut_off(self, exchange: Exchange) -> None:
        exchange.action = REJECTED
        exchange.code = GUARD_UNAVAILABLE
        if exchange.status is None:
            message = "Guard is shutting down and could not wait for this request any longer."
            await exchange.answer(exchange.api.error(GUARD_UNAVAILABLE, message, decision=exchange.decision))

    async def _apologise(self, exchange: Exchange, error: Exception) -> None:
        # The message of a foreign exception may quote what a caller wrote; its type and place do not.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        logger.error("internal error %s at %s:%s (%s)", type(error).__name__, frame.name, frame.lineno, exchange.id)
        exchange.code = INTERNAL_ERROR
        exchange.action = REJECTED
        self._telemetry.failed("other", INTERNAL_ERROR, "block")
        if exchange.status is None:
            message = f"Guard failed on this request; its log has the place under {exchange.id}."
            await exchange.answer(exchange.api.error(INTERNAL_ERROR, message))

    def _record(self, exchange: Exchange, entrance: Entrance) -> None:
        exchange.guard_is_done()
        if exchange.added_s is not None:
            self._telemetry.added_latency(exchange.route, exchange.added_s)
        policy, mode = entrance.policy, entrance.mode
        self._telemetry.request(route=exchange.route, policy=policy, mode=mode, action=exchange.action)
        self._telemetry.tenant(entrance.tenant, exchange.action)
        log_exchange(exchange, mode=mode, tenant=entrance.tenant)
        if exchange.trace is not None:
            exchange.trace.end(_served(exchange, policy, mode))


def _served(exchange: Exchange, policy: str, mode: str) -> Served:
    return Served(
        method=exchange.method,
        route=exchange.route,
        status=exchange.status,
        action=exchange.action,
        policy=policy,
        mode=mode,
        code=exchange.code,
        decision=exchange.decision,
        added_s=exchange.added_s,
        upstream=exchange.upstream,
        upstream_s=exchange.upstream_s,
    )
