"""What judges now: a generation, which each request takes for its whole life, and which another one may replace."""

import asyncio
import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from guard.config import Settings
from guard.pipeline import Guard
from guard.server.allowance import Allowance
from guard.server.exchange import Door
from guard.server.memory import give_back
from guard.server.tenants import NOBODY, Tenants
from guard.wiring import Opened

_log = logging.getLogger("guard.server")


@dataclass(frozen=True, slots=True)
class Entrance:
    """What the requests of one kind of caller meet: a door for each path, and the policy that judges behind them."""

    doors: Mapping[str, Door]
    policy: str
    mode: str
    tenant: str = NOBODY
    allowance: Allowance | None = None


class Model:
    """Graphs and caches that generations share, given up once they are retired and no request uses them.

    Args:
        is_kept: somebody else opened the guard, and closes it.
    """

    def __init__(self, guard: Guard, *, is_kept: bool = False) -> None:
        self.guard = guard
        self.is_kept = is_kept
        self.is_retired = False
        self.users = 0


@dataclass(frozen=True, slots=True)
class Generation:
    """Everything that a swap or a reload replaces, at once and for new requests only."""

    settings: Settings
    model: Model
    opened: Opened
    tenants: Tenants
    entrance: Entrance  # of those who are no tenant
    of_tenant: Mapping[str, Entrance]  # by name
    admin_token: bytes | None = None  # its SHA-256
    tls: ssl.SSLContext | None = None

    @property
    def guard(self) -> Guard:
        """The guard under its default policy."""
        return self.opened.guard


class Live:
    """The generation that judges now, and those whose last requests are not answered yet."""

    def __init__(self, first: Generation) -> None:
        self.current = first
        self.is_leaving = False
        self._retired: set[Model] = set()
        self._closing: set[asyncio.Task[None]] = set()

    def leave(self) -> None:
        """Say on `/readyz` that this Guard is about to stop."""
        self.is_leaving = True

    @property
    def retired(self) -> int:
        """How many models do not judge any more and are still in memory."""
        return len(self._retired)

    @contextmanager
    def taken(self) -> Iterator[Generation]:
        """Yield the current generation; its model stays open until the block ends."""
        generation = self.current
        model = generation.model
        model.users += 1
        try:
            yield generation
        finally:
            model.users -= 1
            if model.is_retired:
                self._close_if_unused(model)

    def retire(self, model: Model) -> None:
        """Close a model that judges no more, now or after its last request."""
        model.is_retired = True
        self._retired.add(model)
        self._close_if_unused(model)

    async def aclose(self) -> None:
        """Close every model."""
        for model in (self.current.model, *self._retired):
            if not model.is_kept:
                await model.guard.aclose()
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _close_if_unused(self, model: Model) -> None:
        if model.users or model not in self._retired:
            return
        self._retired.discard(model)
        if not model.is_kept:
            closing = asyncio.create_task(_close(model.guard))
            self._closing.add(closing)
            closing.add_done_callback(self._is_closed)

    def _is_closed(self, closing: "asyncio.Task[None]") -> None:
        self._closing.discard(closing)
        if not closing.cancelled() and closing.exception() is not None:
            _log.error("a retired bundle was not closed: %s", type(closing.exception()).__name__)


async def _close(guard: Guard) -> None:
    await guard.aclose()
    await asyncio.to_thread(give_back)
