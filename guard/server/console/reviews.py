"""`/guard/reviews`: what waits for review, and labels for it."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from guard.server.console.access import BEARER, Visitor
from guard.server.console.desk import Desk, away, give_json, query, require_method
from guard.server.console.shown import Document, full, open_case
from guard.server.exchange import Exchange
from guard.store.store import Store
from guard.store.values import MOST_NAME_CHARS, MOST_NOTE_CHARS, Label, LabelKind, Source

ROUTE = "/guard/reviews"
MOST_CASES = 100

DecisionId = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[\x21-\x7e]+$")]


def _printed(text: str) -> str:
    if not all(sign.isprintable() or sign in "\n\t" for sign in text):
        raise ValueError("holds a sign that cannot be printed")
    return text


class Asked(BaseModel, frozen=True, extra="forbid"):
    """Which open reviews are wanted."""

    policy: str | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_CASES)] = 20


class Labelling(BaseModel, frozen=True, extra="forbid"):
    """What a reviewer says about a decision."""

    id: DecisionId
    label: LabelKind | None
    """null takes the latest label of this author back"""
    note: Annotated[str, Field(max_length=MOST_NOTE_CHARS), AfterValidator(_printed)] = ""
    author: Annotated[str, Field(min_length=1, max_length=MOST_NAME_CHARS), AfterValidator(_printed)] | None = None
    """who says so, where the request bears the admin token; in a session it is who signed in"""


class Reviews:
    """The door of `/guard/reviews`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. Raises GuardError, ClientLeft."""
        exchange.route = ROUTE
        visitor = self._desk.access.visitor(exchange)
        require_method(exchange, "GET", "POST")
        store = self._desk.require_store()
        if exchange.method == "GET":
            await give_json(exchange, await away(self._open, store, query(exchange, Asked)))
            return
        given = await self._desk.body(exchange, Labelling)
        await give_json(exchange, await away(self._label, store, visitor, given))

    def _open(self, store: Store, asked: Asked) -> Document:
        now = self._desk.clock()
        waiting = store.count_open(asked.policy)
        cases = [open_case(store, each) for each in store.open_reviews(asked.limit, asked.policy)]
        return {
            "open": waiting.n,
            "oldest_at": waiting.oldest_at,
            "reviews": [full(case, now=now) for case in cases],
        }

    def _label(self, store: Store, visitor: Visitor, given: Labelling) -> Document:
        author = visitor.name if visitor.session is not None else given.author or BEARER
        now = self._desk.clock()
        if given.label is None:
            was_there = store.unlabel(given.id, author, Source.REVIEWER, now)
            return {"id": given.id, "label": None, "author": author, "taken_back": was_there}
        store.label(Label(given.id, given.label, author, Source.REVIEWER, now, given.note))
        return {"id": given.id, "label": given.label.value, "author": author, "at": now}
