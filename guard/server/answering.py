"""Answers of the LLM, judged on their way to the client: documents as a whole, streams window by window.

A stream that is refused ends as its API ends refused answers, with what was shown so far standing. One that cannot be
judged, where policy blocks that, ends with an error event and a dropped connection, as one that breaks off does.
"""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from guard.answers.apis import form_of
from guard.answers.exact import parse_answer
from guard.answers.forms import Ending, Form
from guard.answers.held import HeldStream, Look, look_at
from guard.answers.strands import Windows
from guard.config import Settings
from guard.core.policy import strictest
from guard.errors import AnswerUnreadable, AuditUnavailable, Overloaded, RequestInvalid
from guard.output_settings import OutputSettings
from guard.pipeline import Guard
from guard.ports import UpstreamResponse
from guard.server.admission import Admission, Hold
from guard.server.body import inflate
from guard.server.exchange import Exchange, id_of_answer
from guard.server.forward import Relay, stream_back
from guard.server.judge import Judged
from guard.server.passing import Held, Passed, after, read_whole, without_framing
from guard.server.repeated import Repeated
from guard.server.wire import CONTENT_FILTER, Answer, unjudged_answer
from guard.types import Action, Basis, Decision, Direction, Pair, Verdict

WITHHELD = "The rest of this answer was withheld by the content filter behind this model."
_UNREADABLE = Look((), unseen=(AnswerUnreadable.code,))
# Parts of one answer that are judged in one turn, so that other requests come between.
_AT_ONCE = 16


class _Dropped(Exception):
    """The answer ends here, and not cleanly."""


@dataclass(slots=True)
class _Answer:
    """One answer on its way: what was decided about it so far, and how long it waited for that."""

    guard: Guard
    admission: Admission
    judged: Judged  # the request
    hold: Hold
    exchange: Exchange
    worst: Decision | None = None
    pairs: Sequence[Pair] = ()  # that `worst` is about
    waited_s: float = 0.0
    is_kept: bool = False

    async def judge(self, look: Look) -> Decision:
        """Return the decision about a part of the answer, each few pairs under a permit of their own.

        It waits for permits as long as it has to: an answer that is being shown is not broken off for those to come.
        """
        pairs = [Pair(text, direction=Direction.OUTPUT) for text in look.texts]
        if look.images or look.unseen:
            pairs.append(Pair("", look.images, Direction.OUTPUT, look.unseen))
        began = time.perf_counter()
        decisions: list[Decision] = []
        for first in range(0, max(len(pairs), 1), _AT_ONCE):
            async with self.admission.turn():
                decisions.append(await self.guard.check_all(pairs[first : first + _AT_ONCE]))
            if decisions[-1].intended is Action.BLOCK:
                break
        decision = decisions[0]
        if len(decisions) > 1:
            turn = (worst := strictest(decisions)).decisive
            decision = replace(worst, decisive=_AT_ONCE * turn + decisions[turn].decisive)
        self.waited_s += time.perf_counter() - began
        if self.worst is None or decision.intended.strictness > self.worst.intended.strictness:
            self.worst, self.pairs = decision, pairs
        if decision.action is Action.BLOCK:
            return await self.keep() or decision
        return decision

    async def keep(self) -> Decision | None:
        """Have the decision about the answer remembered, once and under an id of its own.

        Returns:
            What is decided in its place where it cannot be, and nothing may pass that is not: a block. The model has
            answered, so this is no failure that a client should try again for.
        """
        if self.worst is None or self.is_kept:
            return None
        self.is_kept = True
        try:
            decision = replace(self.worst, id=id_of_answer(self.exchange.id))
            await self.exchange.keep(decision, self.pairs, self.judged.document)
        except AuditUnavailable as error:
            self.guard.telemetry.rejected(error.code)
            self.worst = replace(
                self.worst,
                verdict=Verdict.UNJUDGED,
                intended=Action.BLOCK,
                action=Action.BLOCK,
                basis=Basis.ERROR_POLICY,
                code=error.code,
            )
            return self.worst
        return None

    def keep_late(self) -> None:
        """Have it remembered now that the answer has ended, if it was not before."""
        if self.worst is not None and not self.is_kept:
            self.is_kept = True
            self.exchange.keep_late(replace(self.worst, id=id_of_answer(self.exchange.id)), self.judged.document)

    @property
    def repeats(self) -> Repeated:
        """What tells the request's own texts."""
        judges_system = self.guard.policy.judge_system
        return Repeated(self.judged.document, self.judged.texts, judges_system=judges_system)

    def note(self, exchange: Exchange) -> None:
        """Leave what was decided with the exchange, for head and log: under the id that the client was told."""
        worst, before = self.worst, exchange.decision
        if worst is None or (before is not None and worst.intended.strictness <= before.intended.strictness):
            return
        exchange.decision = replace(worst, id=exchange.id)
        if worst.action is Action.BLOCK:
            exchange.action = worst.action.value
            exchange.code = exchange.code or (CONTENT_FILTER if worst.basis.is_verdict else worst.code)


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
        answer = _Answer(self._guard, self._admission, judged, hold, exchange)
        try:
            if dict(response.headers).get("content-type", "").lower().startswith("text/event-stream"):
                await self._pass_stream(form, answer, exchange, response)
            else:
                await self._pass_document(form, answer, exchange, response)
        except _Dropped:
            pass
        finally:
            self._guard.telemetry.stage("answer", answer.waited_s)
            answer.note(exchange)
            answer.keep_late()

    async def _pass_document(self, form: Form, answer: _Answer, exchange: Exchange, response: UpstreamResponse) -> None:
        headers, chunks = dict(response.headers), response.chunks()
        most_bytes = self._settings.judge_output.max_bytes
        came, is_whole = await read_whole(chunks, most_bytes, answer.hold)
        look, body = _UNREADABLE, came
        if is_whole:
            try:
                limits = self._settings.limits.model_copy(update={"max_body_bytes": most_bytes})
                plain = inflate(came, headers.get("content-encoding", ""), limits)
                answer.hold(max(len(plain) - len(came), 0))
                document, body = parse_answer(plain)
                look = look_at(form.read(document), self._windows, answer.repeats) or Look(())
            except (RequestInvalid, Overloaded):
                look = _UNREADABLE if came else Look(())
        if look != Look(()):
            decision = await answer.judge(look)
            if decision.action is not Action.BLOCK:
                decision = await answer.keep() or decision
            if decision.action is Action.BLOCK:
                exchange.decide(replace(decision, id=exchange.id))
                await exchange.answer(self._refusal(replace(answer.judged, decision=decision)))
                return
            answer.note(exchange)  # before the head, which says so
        if body is came:
            await stream_back(exchange, Passed(response.status, response.headers, after(came, chunks)))
            return
        kept = [*without_framing(response.headers), ("content-length", str(len(body)))]
        await stream_back(exchange, Passed(response.status, kept, after(body, chunks)))

    async def _pass_stream(self, form: Form, answer: _Answer, exchange: Exchange, response: UpstreamResponse) -> None:
        encoding = dict(response.headers).get("content-encoding", "identity").lower()
        if encoding != "identity":  # although nobody asked for it
            decision = await answer.judge(_UNREADABLE)
            if decision.action is Action.BLOCK:
                exchange.decide(replace(decision, id=exchange.id))
                await exchange.answer(self._refusal(replace(answer.judged, decision=decision)))
                return
            await stream_back(exchange, response)
            return
        shown = self._shown(form, answer, exchange, response.chunks())
        await stream_back(exchange, Passed(response.status, without_framing(response.headers), shown))

    async def _shown(
        self, form: Form, answer: _Answer, exchange: Exchange, chunks: AsyncIterator[bytes]
    ) -> AsyncIterator[bytes]:
        """Yield what the client may see of a stream, as soon as it may. Raises _Dropped."""
        ending = form.start(answer.judged.wish)
        held, in_memory = HeldStream(form, ending, self._windows, answer.repeats), Held(answer.hold)
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
                decision = await answer.judge(_UNREADABLE)
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
                decision = await answer.judge(look)
                if decision.action is not Action.BLOCK:
                    held.passed()
                elif decision.basis.is_verdict:
                    yield self._refused(ending, answer, exchange, decision)
                    return
                else:
                    yield _failure(exchange, decision)
                    raise _Dropped
            if shown := held.shown():
                in_memory.went(len(shown))
                yield shown

    def _refused(self, ending: Ending, answer: _Answer, exchange: Exchange, decision: Decision) -> bytes:
        refuses = answer.judged.api.refuses
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
