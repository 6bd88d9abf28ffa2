"""`/guard/decisions`: one decision by its id, or the latest that fit; and the pictures of one, where they were kept."""

import math
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from guard.errors import ContentNotKept, DecisionUnknown
from guard.server.console.desk import Desk, away, give, give_json, query, require_method
from guard.server.console.files import NOT_KEPT, NOT_SNIFFED, OWN_ORIGIN
from guard.server.console.reviews import DecisionId
from guard.server.console.shown import Document, full, label_of, open_case, summary
from guard.server.exchange import Exchange
from guard.server.wire import Answer
from guard.store.store import Store
from guard.store.values import Query
from guard.types import Action, Direction, Verdict

ROUTE = "/guard/decisions"
PICTURE = "/guard/console/data/picture"
# What browsers decode as pixels and nothing else: an SVG is a document.
_PICTURES = (
    (0, b"\xff\xd8\xff", b"image/jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", b"image/png"),
    (0, b"GIF8", b"image/gif"),
    (8, b"WEBP", b"image/webp"),
    (0, b"BM", b"image/bmp"),
    (4, b"ftypavif", b"image/avif"),
)
_UNKNOWN = b"application/octet-stream"


class Asked(BaseModel, frozen=True, extra="forbid"):
    """Which decisions are wanted."""

    id: DecisionId | None = None
    begins: Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{4,64}$")] | None = None
    """hexadecimal digits that an id begins with"""
    policy: str | None = None
    tenant: str | None = None
    direction: Direction | None = None
    intended: Action | None = None
    verdict: Verdict | None = None
    label: Literal["any", "none", "safe", "unsafe", "unsure"] | None = None
    since: float = -math.inf
    until: float = math.inf
    after: DecisionId | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 50


class Wanted(BaseModel, frozen=True, extra="forbid"):
    """Which picture is wanted."""

    id: DecisionId
    place: Annotated[int, Field(ge=0, le=10_000)] = 0


class Decisions:
    """The door of `/guard/decisions`."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. Raises GuardError, ClientLeft."""
        exchange.route = ROUTE
        self._desk.access.visitor(exchange)
        require_method(exchange, "GET")
        store, asked = self._desk.require_store(), query(exchange, Asked)
        found = self._list(store, asked) if asked.id is None else self._one(store, asked.id)
        await give_json(exchange, await found)

    async def _one(self, store: Store, id_: str) -> Document:
        def read() -> Document:
            decision = store.decision(id_)
            if decision is None:
                raise DecisionUnknown(f"the store has no decision {id_}")
            return full(open_case(store, decision, allowed=store.allowances()), now=self._desk.clock())

        return await away(read)

    async def _list(self, store: Store, asked: Asked) -> Document:
        given = asked.model_dump(exclude={"id", "begins"})

        def read() -> Document:
            begins = asked.begins
            found = store.find(Query(**given)) if begins is None else store.beginning(begins.lower(), asked.limit)
            return {"decisions": [summary(each, label_of(store.labels_of(each.id))) for each in found]}

        return await away(read)


class Picture:
    """The door of one kept picture, for the console's pages."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. Raises GuardError, ClientLeft."""
        exchange.route = PICTURE
        self._desk.access.visitor(exchange)
        require_method(exchange, "GET")
        store, wanted = self._desk.require_store(), query(exchange, Wanted)
        content = await away(store.content, wanted.id)
        if content is None or wanted.place >= len(content.pictures):
            raise ContentNotKept("this picture was not kept")
        data = content.pictures[wanted.place]
        await give(exchange, Answer(200, data, _type_of(data), _HEADERS))


# What a caller sent is shown as pixels or not at all, whatever it claims to be.
_HEADERS = (
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    NOT_SNIFFED,
    OWN_ORIGIN,
    NOT_KEPT,
)


def _type_of(data: bytes) -> bytes:
    return next((kind for start, mark, kind in _PICTURES if data[start : start + len(mark)] == mark), _UNKNOWN)
