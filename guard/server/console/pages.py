"""The console's page, its files, and the way in and out."""

import asyncio
import hmac
import logging
from collections.abc import Mapping
from urllib.parse import parse_qs

from guard.errors import RequestInvalid
from guard.server.console.access import Access, require_own_page, set_cookie
from guard.server.console.desk import Desk, away, give, give_json, require_method
from guard.server.console.files import NOT_KEPT, File
from guard.server.console.session import MOST_NAME_CHARS
from guard.server.exchange import Exchange
from guard.server.gateway import read_request_body
from guard.server.keys import digest
from guard.server.wire import Answer

PAGE = "/guard/console"
LOGIN, LOGOUT, SESSION = f"{PAGE}/login", f"{PAGE}/logout", f"{PAGE}/data/session"
STATIC = f"{PAGE}/static"
# Tokens have at least 16 characters; this keeps guessing at a pace that the log shows.
_PAUSE_S = 0.5
_MOST_FORM_BYTES = 8192
_log = logging.getLogger("guard.server")


class Page:
    """The door of the console's page, which holds nothing before it asks for it."""

    def __init__(self, access: Access, page: File) -> None:
        self._access = access
        self._page = page

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. Raises UnknownRoute."""
        exchange.route = PAGE
        require_method(exchange, "GET")
        is_known = self._access.session(exchange) is not None
        await give(exchange, self._page.page() if is_known else _redirect("console/login"))


class Login:
    """The door of the login: a form, and what it sends."""

    def __init__(self, desk: Desk, page: File) -> None:
        self._desk = desk
        self._page = page

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. Raises GuardError, ClientLeft."""
        exchange.route = LOGIN
        expected = self._desk.access.token
        require_method(exchange, "GET", "POST")
        if exchange.method == "GET":
            await give(exchange, self._page.page())
            return
        require_own_page(exchange)
        name, token = await self._read(exchange)
        if not name or not hmac.compare_digest(_digest(token), expected):
            _log.warning("console: somebody showed another admin token")
            await asyncio.sleep(_PAUSE_S)
            await give(exchange, _redirect("login#refused"))
            return
        cookie = self._desk.access.sessions.begin(name, expected)
        await give(exchange, _redirect("../console", set_cookie(exchange, cookie)))

    async def _read(self, exchange: Exchange) -> tuple[str, str]:
        with self._desk.admission.account() as hold:
            body = await read_request_body(exchange, self._desk.live.current.settings, hold)
        if len(body) > _MOST_FORM_BYTES:
            raise RequestInvalid(f"the form has {len(body):,} bytes, limit is {_MOST_FORM_BYTES:,}")
        try:
            form = parse_qs(body.decode("ascii"), max_num_fields=8)
        except ValueError:
            raise RequestInvalid("this is not a login form") from None
        name = "".join(sign for sign in form.get("name", [""])[0].strip() if sign.isprintable())
        return name[:MOST_NAME_CHARS], form.get("token", [""])[0].strip()


class Logout:
    """The door out: the browser forgets its session."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. Raises GuardError."""
        exchange.route = LOGOUT
        self._desk.access.visitor(exchange)
        require_method(exchange, "POST")
        await give(exchange, Answer(200, b"{}", headers=(NOT_KEPT, set_cookie(exchange, ""))))


class SessionData:
    """The door of what the page begins with: who looks, and at what."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. Raises GuardError."""
        exchange.route = SESSION
        visitor = self._desk.access.visitor(exchange)
        require_method(exchange, "GET")
        now, store = self._desk.live.current, self._desk.store
        waiting = None if store is None else await away(store.count_open)
        await give_json(
            exchange,
            {
                "name": visitor.name,
                "csrf": "" if visitor.session is None else visitor.session.csrf,
                "bundle": now.guard.bundle.label,
                "digest": now.guard.bundle.digest,
                "mode": now.settings.mode.value,
                "policy": now.guard.policy.name,
                "policies": sorted(now.guard.policies),
                "store": store is not None,
                "keeps": now.settings.store.content.keep,
                "open_reviews": 0 if waiting is None else waiting.n,
            },
        )


class Static:
    """The door of one file of the pages. They are the same for everybody, and hold nothing of this Guard's."""

    def __init__(self, access: Access, file: File) -> None:
        self._access = access
        self._file = file

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request. Raises UnknownRoute: there is no admin token, and so no console."""
        exchange.route = STATIC
        _ = self._access.token
        require_method(exchange, "GET", "HEAD")
        await give(exchange, self._file.answer(exchange.header(b"if-none-match")))


def static_doors(access: Access, files: Mapping[str, File]) -> dict[str, Static]:
    """Return a door for each file, by path."""
    return {f"{STATIC}/{name}": Static(access, file) for name, file in files.items() if not name.endswith(".html")}


def _redirect(where: str, *headers: tuple[bytes, bytes]) -> Answer:
    return Answer(303, b"", b"text/plain", ((b"location", where.encode("ascii")), NOT_KEPT, *headers))


def _digest(token: str) -> bytes:
    # A token is printed ASCII; whatever else was typed is another one.
    return digest(token) if token.isascii() else b""
