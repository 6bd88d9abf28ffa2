"""`POST /v1/moderations`: OpenAI's moderation, answered by Guard.

A text, a list of texts (a result each), or a list of parts, which is one item: its words and pictures are judged
together. `flagged` is the policy's answer. The scores are those of Guard's own categories for which OpenAI's names
stand; a category without a counterpart is never flagged and has no input types. The whole verdict stands under `guard`.
"""

from uuid import uuid4

from guard.core.conversation import Turn
from guard.core.formats.moderations import parse_moderations
from guard.core.taxonomies import OPENAI
from guard.server.exchange import Exchange
from guard.server.items import MAX_ITEMS, OwnDoor, judge_items, received
from guard.server.wire import json_answer, unjudged_answer
from guard.types import Action, Basis, Decision, Verdict

ROUTE = "/v1/moderations"


class Moderations(OwnDoor):
    """The door of `/v1/moderations`."""

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. What could not be judged is an error where policy blocks it. Raises GuardError."""
        async with received(exchange, ROUTE, self.settings, self.admission) as (body, hold):
            items = parse_moderations(body, max_images=self.settings.images.max_per_request, max_items=MAX_ITEMS)
            decisions = await judge_items(self.guard, items, hold, exchange)
        exchange.decide(max(decisions, key=lambda decision: decision.intended.strictness))
        refused = next((decision for decision in decisions if _is_refused(decision)), None)
        if refused is not None:
            exchange.decide(refused)
            await exchange.answer(unjudged_answer(refused, param="input"))
            return
        results = [result(item, decision) for item, decision in zip(items, decisions, strict=True)]
        await exchange.answer(
            json_answer({"id": f"modr-{uuid4().hex}", "model": self.guard.bundle.label, "results": results})
        )


def result(item: Turn, decision: Decision) -> dict[str, object]:
    """Return one of `results`: OpenAI's, and the verdict."""
    is_flagged = decision.verdict is Verdict.UNSAFE and decision.intended is not Action.ALLOW
    scores = {name: _score(decision, own) for name, own in OPENAI.items()}
    types = [kind for kind, has in (("text", any(map(str.strip, item.texts))), ("image", item.images)) if has]
    return {
        "flagged": is_flagged,
        "categories": {name: is_flagged and _is_reached(decision, own) for name, own in OPENAI.items()},
        "category_scores": scores,
        "category_applied_input_types": {name: types if own else [] for name, own in OPENAI.items()},
        "guard": decision.to_dict(),
    }


def _is_refused(decision: Decision) -> bool:
    return decision.basis is Basis.ERROR_POLICY and decision.action is Action.BLOCK


def _score(decision: Decision, own: tuple[str, ...]) -> float:
    """Return the highest probability of the categories, but none above that of "unsafe" itself."""
    likeliest = max((decision.categories.get(name, 0.0) for name in own), default=0.0)
    return min(likeliest, decision.probability or 0.0)


def _is_reached(decision: Decision, own: tuple[str, ...]) -> bool:
    """Return whether one of the categories decided, or is as likely as what the policy calls unsafe."""
    if decision.rule is not None and decision.rule.name in own:
        return True
    threshold = 1.0 if decision.threshold is None else decision.threshold
    return any(decision.categories.get(name, 0.0) >= threshold for name in own)
