"""Answers of the LLM, judged on their way to the client: documents as a whole, streams window by window.

A stream that is refused ends as its API ends refused answers, with what was shown so far standing. One that cannot be
judged, where policy blocks that, ends with an error event and a dropped connection, as one that breaks off does.
"""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial

from guard.answers.apis import form_of
from guard.answers.exact import parse_answer
from guard.answers.forms import Ending, Form
from guard.answers.held import HeldStream, Look, look_at
from guard.answers.strands import Windows
from guard.config import Settings
from guard.errors import AnswerUnreadable, Overloaded, RequestInvalid
from guard.output_settings import OutputSettings
from guard.pipeline import Guard
from guard.ports import UpstreamResponse
from guard.server.admission import Admission, Hold
from guard.server.body import inflate
from guard.server.exchange import Exchange
from guard.server.forward import Relay, stream_back
from guard.server.judge import Judged
from guard.server.passing import Held, Passed, after, read_whole, without_framing
from guard.server.reply import Reply
from guard.server.wire import Answer, unjudged_answer
from guard.types import Action, Decision

WITHHELD = "The rest of this answer was withheld by the content filter behind this model."
_UNREADABLE = Look((), unseen=(AnswerUnreadable.code,))


class _Dropped(Exception):
    """The answer ends here, and not cleanly."""


class Answering:
    """Judges the answers of allowed requests.

    Args:
        admission: whose permits each look at an answer takes.
        refusal: what answers a blocked request; it answers for a blocked answer, as long as nothing of it was sent.
    """

    def __init__(
        self, guard: Guard, settings: Settings, admission: Admission, refusal: Callable[[Judged], Answer]
    ) -> None:
        self._guard = guard
        self._settings = settings
        self._admission = admission
        self._refusal = refusal
        self._windows = windows_of(settings.judge_output)

    def relay_for(self, judged: Judged, hold: Hold) -> Relay | None:
        """Return what judges the answer to a request and passes it on; None where answers are not judged.

        Args:
            judged: the request.
            hold: accounts for the bytes of the answer in memory. One for which there is no room is unjudged.
        """
        if not self._settings.judge_output.enabled:
            return None
        return partial(self._relay, form_of(judged.api.name), judged, hold)

    async def _relay(
        self, form: Form, judged: Judged, hold: Hold, exchange: Exchange, response: UpstreamResponse
    ) -> None:
        if not 200 <= response.status < 300:  # an error: the provider's words about the request
            await stream_back(exchange, response)
            return
        reply = Reply(self._guard, self._admission, judged, hold, exchange)
        try:
            if dict(response.headers).get("content-type", "").lower().startswith("text/event-stream"):
                await self._pass_stream(form, reply, exchange, response)
            else:
                await self._pass_document(form, reply, exchange, response)
        except _Dropped:
            pass
        finally:
            self._guard.telemetry.stage("answer", reply.waited_s)
            reply.note(exchange)
            reply.keep_late()

    async def _pass_document(self, form: Form, reply: Reply, exchange: Exchange, response: UpstreamResponse) -> None:
        headers, chunks = dict(response.headers), response.chunks()
        most_bytes = self._settings.judge_output.max_bytes
        came, is_whole = await read_whole(chunks, most_bytes, reply.hold)
        look, body = _UNREADABLE, came
        if is_whole:
            try:
                limits = self._settings.limits.model_copy(update={"max_body_bytes": most_bytes})
                plain = inflate(came, headers.get("content-encoding", ""), limits)
                reply.hold(max(len(plain) - len(came), 0))
                document, body = parse_answer(plain)
                look = look_at(form.read(document), self._windows, reply.repeats) or Look(())
            except (RequestInvalid, Overloaded):
                look = _UNREADABLE if came else Look(())
        if look != Look(()):
            decision = await reply.judge(look)
            if decision.action is not Action.BLOCK:
                decision = await reply.keep() or decision
            if decision.action is Action.BLOCK:
                exchange.decide(replace(decision, id=exchange.id))
                await exchange.answer(self._refusal(replace(reply.judged, decision=decision)))
                return
            reply.note(exchange)  # before the head, which says so
        if body is came:
            await stream_back(exchange, Passed(response.status, response.headers, after(came, chunks)))
            return
        kept = [*without_framing(response.headers), ("content-length", str(len(body)))]
        await stream_back(exchange, Passed(response.status, kept, after(body, chunks)))

    async def _pass_stream(self, form: Form, reply: Reply, exchange: Exchange, response: UpstreamResponse) -> None:
        encoding = dict(response.headers).get("content-encoding", "identity").lower()
        if encoding != "identity":  # although nobody asked for it
            decision = await reply.judge(_UNREADABLE)
            if decision.action is Action.BLOCK:
                exchange.decide(replace(decision, id=exchange.id))
                await exchange.answer(self._refusal(replace(reply.judged, decision=decision)))
                return
            await stream_back(exchange, response)
            return
        shown = self._shown(form, reply, exchange, response.chunks())
        await stream_back(exchange, Passed(response.status, without_framing(response.headers), shown))

    async def _shown(
        self, form: Form, reply: Reply, exchange: Exchange, chunks: AsyncIterator[bytes]
    ) -> AsyncIterator[bytes]:
        """Yield what the client may see of a stream, as soon as it may. Raises _Dropped."""
        ending = form.start(reply.judged.wish)
        held, in_memory = HeldStream(form, ending, self._windows, reply.repeats), Held(reply.hold)
        has_ended = False
        while not has_ended:
            chunk = await anext(chunks, None)
            try:
                if chunk is None:
                    has_ended = True
                    held.end()
                else:
                    held.feed(chunk)
                    in_memory.came(len(chunk))
            except (AnswerUnreadable, Overloaded):
                decision = await reply.judge(_UNREADABLE)
                if decision.action is Action.BLOCK:
                    yield _failure(exchange, decision)
                    raise _Dropped from None
                yield held.unjudged()
                async for rest in chunks:
                    yield rest
                return
            while (look := held.look()) is not None:
                if shown := held.shown():
                    in_memory.went(len(shown))
                    yield shown
                decision = await reply.judge(look)
                if decision.action is not Action.BLOCK:
                    held.passed()
                elif decision.basis.is_verdict:
                    yield self._refused(ending, reply, exchange, decision)
                    return
                else:
                    yield _failure(exchange, decision)
                    raise _Dropped
            if shown := held.shown():
                in_memory.went(len(shown))
                yield shown

    def _refused(self, ending: Ending, reply: Reply, exchange: Exchange, decision: Decision) -> bytes:
        refuses = reply.judged.api.refuses
        form = self._settings.refusal if refuses == "configured" else refuses
        verdict = replace(decision, id=exchange.id).to_dict()
        text = WITHHELD if form == "message" else None
        return ending.refuse(verdict, id_=exchange.id, created=int(time.time()), text=text)


def windows_of(settings: OutputSettings) -> Windows:
    """Return how streams are cut."""
    return Windows(settings.window_chars, settings.context_chars, settings.hold_back_chars)


def _failure(exchange: Exchange, decision: Decision) -> bytes:
    code = unjudged_answer(decision).code or AnswerUnreadable.code
    return exchange.api.error_event(code, "The rest of this answer could not be judged, and is withheld.")
