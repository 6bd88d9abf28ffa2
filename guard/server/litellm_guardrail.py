"""`POST /beta/litellm_basic_guardrail_api`: LiteLLM's generic guardrail, which asks Guard before and after each call.

The answer is HTTP 200 whenever there is a decision, also where Guard could not judge and policy blocks: LiteLLM may be
told to go on when a guardrail answers with an error, and a decision is none. Nothing is kept between calls: a caller of
LiteLLM may choose `litellm_call_id`, so an answer is judged by itself, in the direction "output".
"""

from dataclasses import replace
from typing import Any

from guard.core.conversation import Conversation, pairs_to_judge, substitute
from guard.core.document import write_document
from guard.core.formats.guardrail import GuardrailRequest, direction_asked, parse_guardrail
from guard.errors import ContentUnjudged, ImageRejected, UnknownPart
from guard.server.admission import Hold
from guard.server.exchange import Exchange
from guard.server.items import OwnDoor, received
from guard.server.refusals import TEXT
from guard.server.wire import Answer, json_answer
from guard.types import Action, Assessment, Basis, Decision, Direction, ImageResult

# Fields that hold pictures.
_PICTURES = ("images", "structured_messages")
ROUTE = "/beta/litellm_basic_guardrail_api"


class LiteLlmGuardrail(OwnDoor):
    """The door of LiteLLM's generic guardrail."""

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. Raises GuardError where there is no decision: no permit, or not the contract."""
        async with received(exchange, ROUTE, self.settings, self.admission) as (body, hold):
            try:
                asked = parse_guardrail(body, max_images=self.settings.images.max_per_request)
            except (UnknownPart, ContentUnjudged) as error:
                decision = self._undecided(error, direction_asked(body))
                exchange.decide(decision)
                await exchange.keep(decision)
                await exchange.answer(_blocked(decision) if decision.action is Action.BLOCK else _passed(decision))
                return
            decision, conversation = await self._judge(asked, hold, exchange)
        exchange.decide(decision)
        if decision.action is Action.BLOCK:
            await exchange.answer(_blocked(decision))
        else:
            await exchange.answer(_passed(decision, asked.conversation, conversation))

    async def _judge(self, asked: GuardrailRequest, hold: Hold, exchange: Exchange) -> tuple[Decision, Conversation]:
        conversation = asked.conversation
        if conversation.images:
            conversation = substitute(conversation, await self.guard.resolve(conversation.images, hold=hold))
        pairs = pairs_to_judge(conversation, judge_system=self.guard.policy.judge_system)
        directed = tuple(replace(pair, direction=asked.direction) for pair in pairs)
        decision = await self.guard.check_all(directed)
        await exchange.keep(decision, directed, conversation.document)
        return decision, conversation

    def _undecided(self, error: UnknownPart | ContentUnjudged, direction: Direction) -> Decision:
        """Return what policy says about content of a kind that Guard does not know, or too much: it is not judged."""
        decision = self.guard.decide(Assessment(scores=None, code=error.code), direction=direction)
        self.guard.telemetry.decision(decision)
        if error.code == ImageRejected.code:  # one for all of them: nobody looked at any
            self.guard.telemetry.image(ImageResult(judged=False, reason=error.code))
        else:
            self.guard.telemetry.unjudged_part(error.code)
        return decision


def _blocked(decision: Decision) -> Answer:
    reason = TEXT
    if decision.basis is Basis.ERROR_POLICY:
        reason = f"This request could not be judged ({decision.code}), and the policy refuses what is not judged."
    answer = json_answer({"action": "BLOCKED", "blocked_reason": reason, "guard": decision.to_dict()})
    return replace(answer, code=decision.code)


def _passed(decision: Decision, asked: Conversation | None = None, judged: Conversation | None = None) -> Answer:
    """Return that the call may go on; with the bytes that were judged in the place of each picture's URL.

    LiteLLM writes the messages that come back changed into the request.
    """
    document: dict[str, Any] = {"action": "NONE", "guard": decision.to_dict()}
    if asked is not None and judged is not None and judged.document is not asked.document:
        given, sent = asked.document, judged.document
        changed = {key: sent[key] for key in _PICTURES if key in given and sent[key] is not given[key]}
        document |= {"action": "GUARDRAIL_INTERVENED", **changed}
    return Answer(200, write_document(document))
