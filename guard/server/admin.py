"""`/guard/bundle`: which bundle judges, and another one in its place while requests go on. Behind the admin token."""

import hmac
from dataclasses import asdict

from pydantic import BaseModel, Field, ValidationError

from guard.errors import RequestInvalid, Unauthorized, UnknownRoute
from guard.server.admission import Admission
from guard.server.control import Control
from guard.server.exchange import Exchange
from guard.server.gateway import read_request_body
from guard.server.keys import digest
from guard.server.live import Live
from guard.server.wire import json_answer
from guard.types import Action

ROUTE = "/guard/bundle"


class SwapRequest(BaseModel, frozen=True, extra="forbid"):
    """Which bundle shall judge."""

    bundle: str = Field(min_length=1, max_length=4096)
    """a bundle directory on the server, or "embedded" """
    digest: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """the digest that it must have; none takes what is there"""


def check_token(exchange: Exchange, expected: bytes | None) -> None:
    """Return if a request bears the admin token, whose SHA-256 is `expected`.

    Raises:
        UnknownRoute: there is no admin token, and so nothing behind it.
        Unauthorized: another token, or none. The comparison takes as long for a token that is nearly right.
    """
    if expected is None:
        raise UnknownRoute("no admin token is configured (admin.token): this page is closed")
    scheme, _, token = exchange.header(b"authorization").partition(" ")
    if not hmac.compare_digest(digest(token.strip()), expected) or scheme.lower() != "bearer":
        raise Unauthorized("the admin token is missing or another one (Authorization: Bearer ...)")


class BundleDoor:
    """The door of `/guard/bundle`."""

    def __init__(self, live: Live, control: Control, admission: Admission) -> None:
        self._live = live
        self._control = control
        self._admission = admission

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. Raises GuardError, ClientLeft."""
        exchange.route = ROUTE
        check_token(exchange, self._live.current.admin_token)
        if exchange.method == "POST":
            await self._swap(exchange)
        elif exchange.method != "GET":
            raise UnknownRoute(f"{ROUTE} takes GET and POST")
        exchange.action = Action.ALLOW.value
        await exchange.answer(json_answer(await self._state()))

    async def _swap(self, exchange: Exchange) -> None:
        settings = self._live.current.settings
        with self._admission.account() as hold:
            asked = _parse(await read_request_body(exchange, settings, hold))
        await self._control.swap(asked.bundle, digest=asked.digest)

    async def _state(self) -> dict[str, object]:
        now = self._live.current
        return {
            "bundle": now.guard.bundle.label,
            "digest": now.guard.bundle.digest,
            "gate": now.opened.gate,
            "mode": now.settings.mode.value,
            "policy": now.guard.policy.name,
            "workers": [asdict(worker) for worker in await self._control.workers()],
        }


def _parse(body: bytes) -> SwapRequest:
    try:
        return SwapRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) if first["type"] != "extra_forbidden" else "another key"
        raise RequestInvalid(f"{place or 'top level'}: {first['msg']}") from None
