"""Content that Guard judges for its own sake, without an LLM API behind it: how it is received, and judged in turns."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from guard.config import Settings
from guard.core.conversation import Turn, pairs_of
from guard.core.together import together
from guard.errors import UnknownRoute
from guard.pipeline import Guard
from guard.server.admission import Admission, Hold
from guard.server.body import inflate
from guard.server.client import until_client_leaves
from guard.server.exchange import Exchange
from guard.server.gateway import read_request_body
from guard.types import Decision

MAX_ITEMS = 256
# Items of one list judged at once, so that the requests of others come between them.
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class OwnDoor:
    """A door behind which Guard judges for its own sake; each kind answers requests in words of its own."""

    guard: Guard
    settings: Settings
    admission: Admission


@asynccontextmanager
async def received(
    exchange: Exchange, route: str, settings: Settings, admission: Admission
) -> AsyncIterator[tuple[bytes, Hold]]:
    """Hold a permit, and the body of a POST to `route`, inside the block; yields it with what accounts for more bytes.

    Raises:
        UnknownRoute: another method.
        Overloaded, RequestInvalid, ClientLeft: from reading the body.
    """
    exchange.route = route
    if exchange.method != "POST":
        raise UnknownRoute(f"{route} takes POST")
    admission.check()
    with admission.account() as hold:
        body = await read_request_body(exchange, settings, hold)
        async with until_client_leaves(exchange), admission.permit():
            plain = inflate(body, exchange.header(b"content-encoding"), settings.limits)
            hold(max(len(plain) - len(body), 0))
            yield plain, hold


async def judge_items(guard: Guard, items: Sequence[Turn], hold: Hold, exchange: Exchange) -> list[Decision]:
    """Return the decision about each item, in order, each of them remembered; few of them are under way at once.

    Raises:
        AuditUnavailable: one cannot be remembered, and nothing may be answered that is not.
    """
    turns = asyncio.Semaphore(_AT_ONCE)

    async def judge(item: Turn) -> Decision:
        async with turns:
            images = await guard.resolve(item.images, hold=hold)
            pairs = tuple(pairs_of(replace(item, images=images)))
            decision = await guard.check_all(pairs)
            await exchange.keep(decision, pairs)
            return decision

    return await together(map(judge, items))
