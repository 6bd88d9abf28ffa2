"""The door to the LLM APIs: finds out which request it is, and has it judged, forwarded or refused."""

from guard.config import Settings
from guard.errors import RequestInvalid, UnknownRoute
from guard.server.admission import Admission, Hold
from guard.server.answering import Answering
from guard.server.apis import Api
from guard.server.apis.messages import MESSAGES
from guard.server.body import read_body
from guard.server.client import until_client_leaves
from guard.server.exchange import FORWARDED, Exchange
from guard.server.forward import Forwarder
from guard.server.judge import Judge
from guard.server.overlap import EarlyCall
from guard.server.routes import Handling, Target, resolve
from guard.types import Action, Mode


class Gateway:
    """Everything that is not a page of Guard's own.

    Args:
        answering: judges what comes back.
        forwarder: None where no LLM API is configured; then every request is answered 404.
    """

    def __init__(
        self,
        settings: Settings,
        admission: Admission,
        judge: Judge,
        answering: Answering,
        forwarder: Forwarder | None,
    ) -> None:
        self._settings = settings
        self._admission = admission
        self._judge = judge
        self._answering = answering
        self._forwarder = forwarder

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. Raises GuardError, ClientLeft."""
        target = resolve(exchange.method, exchange.path)
        exchange.route = target.label
        exchange.api = target.api or _api_of(exchange)
        if self._forwarder is None:
            raise UnknownRoute("no LLM API is configured behind this Guard (upstream.url)")
        self._check_path(exchange.method, target)
        if self._settings.mode is Mode.ENFORCE:
            self._admission.check()
        with self._admission.account() as hold:
            body = await read_request_body(exchange, self._settings, hold)
            async with until_client_leaves(exchange):
                await self._serve(exchange, target, body, self._forwarder, hold)

    def _check_path(self, method: str, target: Target) -> None:
        if target.handling is Handling.NOWHERE:
            raise UnknownRoute("this path is Guard's own, or servers read it in two ways: it is never forwarded")
        if self._settings.mode is not Mode.ENFORCE:
            return
        if target.handling is Handling.UNJUDGED:
            raise UnknownRoute("this path takes prompts that Guard does not judge: mode enforce never forwards it")
        if target.handling in (Handling.STORED, Handling.KEPT) and self._settings.judge_output.enabled:
            raise UnknownRoute("answers that the LLM API kept are not judged: with judge_output they are not forwarded")
        if target.handling in (Handling.UNKNOWN, Handling.KEPT) and self._settings.unknown_routes == "deny":
            raise UnknownRoute(f"Guard forwards no {method} request to this path (unknown_routes: deny)")

    async def _serve(self, exchange: Exchange, target: Target, body: bytes, forwarder: Forwarder, hold: Hold) -> None:
        if target.api is None or self._settings.mode is Mode.OFF:
            has_no_body = target.handling in (Handling.FORWARD, Handling.STORED)
            if body and has_no_body and self._settings.mode is Mode.ENFORCE:
                raise RequestInvalid("a request to this path has no body")
            exchange.action = FORWARDED
            await forwarder.forward(exchange, target.path, body, is_rewritten=False)
            return
        settings = self._settings
        is_read = settings.judge_output.enabled
        encoding = exchange.header(b"content-encoding")
        async with EarlyCall(forwarder, exchange, target.path, is_read=is_read) as call:
            judged = await self._judge.judge(
                target.api,
                body,
                encoding=encoding,
                hold=hold,
                model=target.model,
                on_prepared=call.begin if settings.overlap else None,
            )
            exchange.decide(judged.decision)
            await exchange.keep(judged.decision, judged.pairs, judged.document)
            if judged.decision.action is Action.BLOCK:
                was_sent_on = await call.cancel()
                await exchange.answer(self._judge.refusal(judged, was_sent_on=was_sent_on))
                return
            await call.finish(judged, self._answering.relay_for(judged, hold))


def _api_of(exchange: Exchange) -> Api:
    """Return the API in whose shape a client is answered whose request is to none that is judged."""
    return MESSAGES if exchange.header(b"anthropic-version") else exchange.api


async def read_request_body(exchange: Exchange, settings: Settings, hold: Hold) -> bytes:
    """Return the body of a request, its bytes accounted for by `hold` as they come. Raises as `read_body`."""

    def count(size_bytes: int) -> None:
        hold(size_bytes)
        exchange.body_bytes += size_bytes

    length = exchange.header(b"content-length")
    announced = int(length) if length.isascii() and length.isdigit() else None
    body = await read_body(exchange.receive, settings.limits, announced=announced, hold=count)
    exchange.has_body()
    return body
