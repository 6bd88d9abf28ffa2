"""`/guard/feedback`: an app says that a decision about one of its own requests was wrong.

Users speak up where they were refused, so what they say is kept apart from reviewers' labels and is in no estimate.
"""

from typing import Literal

from pydantic import BaseModel

from guard.errors import DecisionUnknown
from guard.server.console.desk import Desk, away, give_json, require_method
from guard.server.console.reviews import DecisionId
from guard.server.exchange import Exchange, id_of_answer
from guard.server.live import Entrance, Generation
from guard.server.tenants import NOBODY
from guard.store.store import Store
from guard.store.values import Label, LabelKind, Source
from guard.types import Action

ROUTE = "/guard/feedback"


class Feedback(BaseModel, frozen=True, extra="forbid"):
    """What a user says about a decision: `safe` calls a refusal wrong, `unsafe` a pass."""

    id: DecisionId
    label: Literal["safe", "unsafe"]


class FeedbackDoor:
    """The door of `/guard/feedback`, open to whoever may send requests, for decisions about their own."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. Raises GuardError, ClientLeft."""
        exchange.route = ROUTE
        require_method(exchange, "POST")
        tenant = _tenant(self._desk.live.current, exchange)
        store = self._desk.require_store()
        said = await self._desk.body(exchange, Feedback)
        await away(_keep, store, said, tenant, self._desk.clock())
        await give_json(exchange, {"id": said.id, "label": said.label})

    def entrance(self, generation: Generation, exchange: Exchange) -> Entrance:
        """Return the way in: its tenant's, whose limits count. Raises Unauthorized."""
        name = _tenant(generation, exchange)
        own = generation.of_tenant[name] if name != NOBODY else generation.entrance
        return Entrance({ROUTE: self}, own.policy, own.mode, name, own.allowance)


def _tenant(generation: Generation, exchange: Exchange) -> str:
    found = generation.tenants.find(exchange.scope["headers"])
    return NOBODY if found is None else found.name


def _keep(store: Store, said: Feedback, tenant: str, now: float) -> None:
    decision = store.decision(said.id)
    # Another tenant's decision is as unknown as none at all: ids tell nothing.
    if decision is None or decision.tenant != tenant:
        raise DecisionUnknown(f"there is no decision {said.id} about a request of yours")
    # An app knows its request's id. Where not that but its answer was refused, the report is about the answer.
    answer = store.decision(id_of_answer(said.id))
    if answer is not None and answer.intended is Action.BLOCK and decision.intended is not Action.BLOCK:
        decision = answer
    given = [one for one in store.labels_of(decision.id) if (one.source, one.author) == (Source.USER, tenant)]
    # The store keeps one label of each user; whoever repeats it writes nothing.
    if not given or given[-1].label.value != said.label:
        store.label(Label(decision.id, LabelKind(said.label), tenant, Source.USER, now))
