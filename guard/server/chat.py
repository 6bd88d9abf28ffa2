"""The chat door's judgement: a body becomes a decision, and the very document that may be sent on."""

import time
from dataclasses import dataclass

from guard.config import Settings
from guard.core.chat import parse_chat
from guard.core.conversation import pairs_to_judge, substitute
from guard.errors import GuardError, Overloaded, RequestInvalid
from guard.pipeline import Guard
from guard.server.admission import Admission, Hold
from guard.server.body import inflate
from guard.server.refusals import ChatWish, refusal_error, refusal_message
from guard.server.wire import Answer, unjudged_answer
from guard.types import Assessment, Basis, Decision, Mode


@dataclass(frozen=True, slots=True)
class Judged:
    """A decision about a chat request, and what is sent on if it passes.

    `is_rewritten`: `body` is the document that was judged, written anew; else the client's own bytes (shadow mode only,
    where the body could not be judged).
    """

    decision: Decision
    body: bytes
    is_rewritten: bool
    wish: ChatWish


class ChatJudge:
    """Judges chat requests under a permit."""

    def __init__(self, guard: Guard, settings: Settings, admission: Admission) -> None:
        self._guard = guard
        self._settings = settings
        self._admission = admission

    async def judge(self, body: bytes, *, encoding: str, hold: Hold) -> Judged:
        """Return the decision about a body as the client sent it.

        Args:
            body: already accounted for.
            encoding: the head's `content-encoding`.
            hold: accounts for what the body grows by when it is inflated and pictures are fetched into it.

        Raises:
            RequestInvalid: the body cannot be read as a chat request. Shadow mode lets it pass, unjudged.
            Overloaded: no permit before the deadline, or no room. Shadow mode lets the request pass, unjudged.
        """
        try:
            async with self._admission.permit():
                plain = inflate(body, encoding, self._settings.limits)
                hold(max(len(plain) - len(body), 0))
                return await self._judge(plain, hold)
        except (RequestInvalid, Overloaded) as error:
            if self._settings.mode is not Mode.SHADOW:
                raise
            return Judged(self._passed_unjudged(error), body, is_rewritten=False, wish=ChatWish())

    async def _judge(self, body: bytes, hold: Hold) -> Judged:
        began = time.perf_counter()
        conversation = parse_chat(body, max_images=self._settings.images.max_per_request)
        self._guard.telemetry.stage("parse", time.perf_counter() - began)
        if conversation.images:
            conversation = substitute(conversation, await self._guard.resolve(conversation.images))
            hold(max(len(conversation.body) - len(body), 0))
        pairs = pairs_to_judge(conversation, judge_system=self._guard.policy.judge_system)
        decision = await self._guard.check_all(pairs)
        return Judged(decision, conversation.body, is_rewritten=True, wish=ChatWish.of(conversation.document))

    def _passed_unjudged(self, error: GuardError) -> Decision:
        assessment = Assessment(scores=None, code=error.code, failed=isinstance(error, Overloaded))
        decision = self._guard.decide(assessment)
        self._guard.telemetry.decision(decision)
        return decision

    def refusal(self, judged: Judged) -> Answer:
        """Return the answer to a blocked request, in the form that was configured and wished for."""
        if judged.decision.basis is Basis.ERROR_POLICY:
            return unjudged_answer(judged.decision)
        if self._settings.refusal == "error":
            return refusal_error(judged.decision)
        return refusal_message(judged.decision, judged.wish, created=int(time.time()))
