"""A wrong refusal becomes an allow entry for that very content, for some days; and is taken back. Both on record."""

import logging
from typing import Annotated

from pydantic import BaseModel, Field

from guard.server.console.desk import Desk, away, give_json, require_method
from guard.server.console.reviews import DecisionId
from guard.server.exchange import Exchange

ROUTE = "/guard/console/data/allow"
MOST_DAYS = 90
_DAY_S = 86_400.0
_log = logging.getLogger("guard.server")


class Allowing(BaseModel, frozen=True, extra="forbid"):
    """For how many days a decision's content shall pass; 0 ends that."""

    id: DecisionId
    days: Annotated[int, Field(ge=0, le=MOST_DAYS)]


class Allow:
    """The door of allow entries."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. Raises GuardError, ClientLeft."""
        exchange.route = ROUTE
        visitor = self._desk.access.visitor(exchange)
        require_method(exchange, "POST")
        memory = self._desk.require_memory()
        store = memory.store
        asked = await self._desk.body(exchange, Allowing)
        now = self._desk.clock()
        if asked.days:
            until = now + asked.days * _DAY_S
            made = await away(store.allow, asked.id, until=until, by=visitor.name, at=now)
            await away(memory.note_allowances)
            _log.warning("decision %s: its content passes, days: %d, entries: %d", asked.id, asked.days, len(made))
            await give_json(exchange, {"id": asked.id, "until": until, "entries": len(made)})
            return
        ended = await away(store.revoke, asked.id, by=visitor.name, at=now)
        await away(memory.note_allowances)
        _log.warning("decision %s: its content is judged again, entries that ended: %d", asked.id, ended)
        await give_json(exchange, {"id": asked.id, "until": None, "entries": ended})
