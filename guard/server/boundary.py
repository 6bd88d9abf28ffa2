"""The request boundary: whatever happens inside, the client gets an answer, and the request is counted and logged."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable

from starlette.types import Receive, Scope, Send

from guard.errors import GuardError, Overloaded, RequestInvalid
from guard.server.access_log import log_exchange
from guard.server.body import ClientLeft
from guard.server.exchange import LEFT, REJECTED, Exchange
from guard.server.wire import CLIENT_LEFT, GUARD_UNAVAILABLE, INTERNAL_ERROR, STATUS, error_answer
from guard.telemetry import Telemetry

logger = logging.getLogger("guard.server")

Door = Callable[[Exchange], Awaitable[None]]


class Boundary:
    """An ASGI app around a door."""

    def __init__(self, door: Door, *, telemetry: Telemetry, policy: str, mode: str) -> None:
        self._door = door
        self._telemetry = telemetry
        self._policy = policy
        self._mode = mode

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008, "reason": "not served"})
            return
        exchange = Exchange(scope, receive, send)
        self._telemetry.began()
        try:
            await self._door(exchange)
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
            self._record(exchange)

    def _note_leaving(self, exchange: Exchange) -> None:
        # Clients close a stream at its [DONE], just before its end: nothing is amiss once the answer has begun.
        if exchange.status is None:
            exchange.code = CLIENT_LEFT
            if exchange.decision is None:
                exchange.action = LEFT

    async def _refuse(self, exchange: Exchange, error: GuardError) -> None:
        exchange.code = error.code
        if isinstance(error, RequestInvalid | Overloaded):
            exchange.action = REJECTED
            self._telemetry.rejected(error.code)
        if exchange.status is None:
            code = error.code if error.code in STATUS else GUARD_UNAVAILABLE
            await exchange.answer(error_answer(code, str(error), decision=exchange.decision))

    async def _cut_off(self, exchange: Exchange) -> None:
        exchange.action = REJECTED
        exchange.code = GUARD_UNAVAILABLE
        if exchange.status is None:
            message = "Guard is shutting down and could not wait for this request any longer."
            await exchange.answer(error_answer(GUARD_UNAVAILABLE, message, decision=exchange.decision))

    async def _apologise(self, exchange: Exchange, error: Exception) -> None:
        # The message of a foreign exception may quote what a caller wrote; its type and place do not.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        logger.error("internal error %s at %s:%s (%s)", type(error).__name__, frame.name, frame.lineno, exchange.id)
        exchange.code = INTERNAL_ERROR
        exchange.action = REJECTED
        self._telemetry.failed("other", INTERNAL_ERROR, "block")
        if exchange.status is None:
            message = f"Guard failed on this request; its log has the place under {exchange.id}."
            await exchange.answer(error_answer(INTERNAL_ERROR, message))

    def _record(self, exchange: Exchange) -> None:
        exchange.guard_is_done()
        if exchange.added_s is not None:
            self._telemetry.added_latency(exchange.route, exchange.added_s)
        self._telemetry.request(route=exchange.route, policy=self._policy, mode=self._mode, action=exchange.action)
        log_exchange(exchange, mode=self._mode)
