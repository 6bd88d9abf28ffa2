"""Judgement: the body of a request to any API becomes a decision, and the very document that may be sent on."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from guard.config import Settings
from guard.core.conversation import pairs_to_judge, substitute
from guard.core.image import decode_base64, media_type
from guard.core.policy import Policy
from guard.errors import GuardError, ImageRejected, Overloaded, PreparationTimeout, RequestInvalid, TextTooLong
from guard.pipeline import Guard
from guard.server.admission import Admission, Hold
from guard.server.apis import Api, Wish
from guard.server.body import inflate
from guard.server.wire import Answer, unjudged_answer
from guard.types import Action, Assessment, Basis, Decision, ImageInput, Mode, Pair


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that was read, with its pictures fetched: `body` is what is sent on if it passes."""

    api: Api
    body: bytes
    wish: Wish
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Judged:
    """A decision about a request, and what is sent on if it passes.

    `is_rewritten`: `body` is the `document` that was judged, written anew; else the client's own bytes (shadow mode
    only, where the body could not be judged).
    """

    api: Api
    decision: Decision
    body: bytes
    is_rewritten: bool
    wish: Wish
    document: Mapping[str, Any] = field(default_factory=dict)
    pairs: Sequence[Pair] = field(default=(), repr=False)

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of the pairs that were judged."""
        return tuple(pair.text for pair in self.pairs)


class Judge:
    """Judges requests under a permit."""

    def __init__(self, guard: Guard, settings: Settings, admission: Admission) -> None:
        self._guard = guard
        self._settings = settings
        self._admission = admission

    async def judge(
        self,
        api: Api,
        body: bytes,
        *,
        encoding: str,
        hold: Hold,
        model: str = "",
        on_prepared: Callable[[Prepared], Awaitable[None]] | None = None,
    ) -> Judged:
        """Return the decision about a body as the client sent it.

        Args:
            api: whose request it is.
            body: already accounted for.
            encoding: the head's `content-encoding`.
            hold: accounts for what the body grows by when it is inflated and pictures are fetched into it.
            model: that the path names, whatever the body says.
            on_prepared: awaited as soon as it is known what would be sent on, before it is judged; never where a part
                of it is known by then that cannot be judged, and the policy blocks that.

        Raises:
            RequestInvalid: the body cannot be read as a request to this API. Shadow mode lets it pass, unjudged.
            Overloaded: no permit before the deadline, or no room. Shadow mode lets the request pass, unjudged.
        """
        try:
            async with self._admission.permit():
                plain = inflate(body, encoding, self._settings.limits)
                hold(max(len(plain) - len(body), 0))
                return await self._judge(api, plain, hold, model, on_prepared)
        except (RequestInvalid, Overloaded) as error:
            if self._settings.mode is not Mode.SHADOW:
                raise
            return Judged(api, self._passed_unjudged(error), body, is_rewritten=False, wish=Wish(model=model))

    async def _judge(
        self, api: Api, body: bytes, hold: Hold, model: str, on_prepared: Callable[[Prepared], Awaitable[None]] | None
    ) -> Judged:
        began = time.perf_counter()
        conversation = api.parse(body, max_images=self._settings.images.max_per_request)
        self._guard.telemetry.stage("parse", time.perf_counter() - began)
        if conversation.images:
            conversation = substitute(conversation, await self._guard.resolve(conversation.images, hold=hold))
            hold(max(len(conversation.body) - len(body), 0))
        sent, document = conversation.body, conversation.document
        wish = api.wish(document)
        if model:
            wish = replace(wish, model=model)
        pairs = pairs_to_judge(conversation, judge_system=self._guard.policy.judge_system)
        if on_prepared is not None and not await self._is_sure_to_block(pairs, conversation.images):
            await on_prepared(Prepared(api, sent, wish, document))
        decision = await self._guard.check_all(pairs)
        return Judged(api, decision, sent, is_rewritten=True, wish=wish, document=document, pairs=pairs)

    async def _is_sure_to_block(self, pairs: Iterable[Pair], images: Sequence[ImageInput]) -> bool:
        """Return whether it is known without a score that a request will be blocked.

        The pixels of a picture are not looked at: one that is cut short is found while it is judged.
        """
        policy, most_chars = self._guard.policy, self._guard.bundle.manifest.text.most_chars
        codes = {image.failure for image in images if image.failure is not None}
        for pair in pairs:
            codes.update(pair.unjudged)
            if len(pair.text) > most_chars:
                codes.add(TextTooLong.code)
        if any(_blocks(policy, code) for code in codes):
            return True
        if not _blocks(policy, ImageRejected.code) or not any(image.encoded is not None for image in images):
            return False
        return not await asyncio.to_thread(_look_whole, images, self._settings.images.max_bytes)

    def _passed_unjudged(self, error: GuardError) -> Decision:
        assessment = Assessment(scores=None, code=error.code, failed=isinstance(error, Overloaded))
        decision = self._guard.decide(assessment)
        self._guard.telemetry.decision(decision)
        return decision

    def refusal(self, judged: Judged, *, was_sent_on: bool = False) -> Answer:
        """Return the answer to a blocked request, in the form that was configured and wished for.

        `was_sent_on`: the LLM API may have seen the request.
        """
        api, decision = judged.api, judged.decision
        if decision.basis is Basis.ERROR_POLICY:
            return unjudged_answer(decision, error=api.error, param=api.param, was_sent_on=was_sent_on)
        form = self._settings.refusal if api.refuses == "configured" else api.refuses
        if form == "error":
            return api.refusal_error(decision)
        return api.refusal_message(decision, judged.wish, created=int(time.time()))


def _blocks(policy: Policy, code: str) -> bool:
    """Return whether a policy blocks what has this code of content, or of a picture that was not ready in time."""
    fallback = policy.on_error if code == PreparationTimeout.code else policy.on_unjudged
    return policy.mode is Mode.ENFORCE and fallback is Action.BLOCK


def _look_whole(images: Iterable[ImageInput], most_bytes: int) -> bool:
    """Return whether every picture in base64 is base64 indeed, begins as a picture does, and is not too large."""
    for image in images:
        if image.encoded is None:
            continue
        try:
            data = decode_base64(image.encoded)
        except ImageRejected:
            return False
        if media_type(data) is None or len(data) > most_bytes:
            return False
    return True
