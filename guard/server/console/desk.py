"""What every page of the console needs at hand, and how its requests and answers are read and written."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from urllib.parse import parse_qsl

import orjson
from pydantic import BaseModel, ValidationError

from guard.core.document import read_document
from guard.errors import RequestInvalid, UnknownRoute
from guard.server.admission import Admission
from guard.server.console.access import Access
from guard.server.console.files import NOT_KEPT, NOT_SNIFFED, OWN_ORIGIN
from guard.server.exchange import Exchange
from guard.server.gateway import read_request_body
from guard.server.live import Live
from guard.server.wire import Answer
from guard.types import Action

if TYPE_CHECKING:
    from guard.store.memory import Memory
    from guard.store.store import Store

_Asked = TypeVar("_Asked", bound=BaseModel)
_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")
_MOST_QUERY_CHARS = 4096


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the console's pages find what they show.

    Args:
        memory: has the store; None where Guard keeps nothing.
        clock: unix seconds.
    """

    live: Live
    access: Access
    admission: Admission
    memory: "Memory | None"
    clock: Callable[[], float]

    @property
    def store(self) -> "Store | None":
        """The store; None where Guard keeps nothing."""
        return None if self.memory is None else self.memory.store

    def require_memory(self) -> "Memory":
        """Return what remembers. Raises UnknownRoute: Guard keeps nothing."""
        if self.memory is None:
            raise UnknownRoute("this Guard keeps no decisions (store.url: none): there is nothing to show")
        return self.memory

    def require_store(self) -> "Store":
        """Return the store. Raises UnknownRoute: Guard keeps nothing."""
        return self.require_memory().store

    async def body(self, exchange: Exchange, kind: type[_Asked]) -> _Asked:
        """Return what a request asks for in its JSON body. Raises RequestInvalid, BodyTooLarge, BodyTimeout."""
        with self.admission.account() as hold:
            raw = await read_request_body(exchange, self.live.current.settings, hold)
        read_document(raw)  # two readings of one body are refused here as anywhere: a key twice, half a character
        try:
            return kind.model_validate_json(raw, strict=True)
        except ValidationError as error:
            raise RequestInvalid(_first_fault(error)) from None


def query(exchange: Exchange, kind: type[_Asked]) -> _Asked:
    """Return what a request asks for in its query string. Raises RequestInvalid."""
    written = exchange.scope.get("query_string", b"").decode("latin-1")
    if len(written) > _MOST_QUERY_CHARS:
        raise RequestInvalid(f"the query has {len(written):,} characters, limit is {_MOST_QUERY_CHARS:,}")
    pairs = parse_qsl(written, keep_blank_values=False)
    if len({name for name, _ in pairs}) < len(pairs):
        raise RequestInvalid("a parameter is given twice")
    try:
        return kind.model_validate_strings(dict(pairs))
    except ValidationError as error:
        raise RequestInvalid(_first_fault(error)) from None


def require_method(exchange: Exchange, *methods: str) -> None:
    """Return if the request has one of these methods. Raises UnknownRoute."""
    if exchange.method not in methods:
        raise UnknownRoute(f"{exchange.route} takes {' and '.join(methods)}")


async def give(exchange: Exchange, answer: Answer) -> None:
    """Send a complete answer."""
    exchange.action = Action.ALLOW.value
    await exchange.answer(answer)


async def give_json(exchange: Exchange, document: object) -> None:
    """Send a JSON document that no cache keeps and no other site reads."""
    await give(exchange, Answer(200, orjson.dumps(document), headers=(NOT_KEPT, NOT_SNIFFED, OWN_ORIGIN)))


async def away(work: Callable[_Given, _Found], *args: _Given.args, **named: _Given.kwargs) -> _Found:
    """Return what a call returns that may wait for a disk or a database, while other requests go on."""
    return await asyncio.to_thread(work, *args, **named)


def _first_fault(error: ValidationError) -> str:
    # The input stays out of the message.
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"]) if first["type"] != "extra_forbidden" else "another key"
    return f"{place or 'top level'}: {first['msg']}"
