"""Who may look and who may change: the admin token itself, or a session begun with it, from Guard's own pages only."""

import hmac
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from guard.core.credentials import COOKIE, SECURE_COOKIE
from guard.errors import Forbidden, Unauthorized, UnknownRoute
from guard.server.admin import check_token
from guard.server.console.session import LIFETIME_S, Session, Sessions
from guard.server.exchange import Exchange
from guard.server.live import Live

# What a label says when it came by the bare token.
BEARER = "admin"
_CSRF = b"x-guard-csrf"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks. `session` is None where the request bears the admin token itself."""

    name: str
    session: Session | None = None


class Access:
    """Checks every request to the console and to the pages behind the admin token."""

    def __init__(self, live: Live, sessions: Sessions) -> None:
        self._live = live
        self.sessions = sessions

    @property
    def token(self) -> bytes:
        """The SHA-256 of the admin token. Raises UnknownRoute: there is none, and so nothing behind it."""
        expected = self._live.current.admin_token
        if expected is None:
            raise UnknownRoute("no admin token is configured (admin.token): this page is closed")
        return expected

    def session(self, exchange: Exchange) -> Session | None:
        """Return the session that a request's cookie is of. Raises UnknownRoute."""
        cookie, expected = _cookie(exchange), self.token
        return None if cookie is None else self.sessions.find(cookie, expected)

    def visitor(self, exchange: Exchange) -> Visitor:
        """Return who asks.

        A request that changes something, in a session, shows that it comes from Guard's own page: by its origin and by
        the session's token. One with the admin token itself was not made by a browser on somebody else's behalf.

        Raises:
            UnknownRoute: there is no admin token.
            Unauthorized: neither the token nor a session.
            Forbidden: a change without the session's token, or from another origin.
        """
        expected = self.token
        if exchange.header(b"authorization"):
            check_token(exchange, expected)
            return Visitor(BEARER)
        session = self.session(exchange)
        if session is None:
            raise Unauthorized("sign in at /guard/console, or send the admin token (Authorization: Bearer ...)")
        if exchange.method not in ("GET", "HEAD"):
            require_own_page(exchange)
            if not hmac.compare_digest(exchange.header(_CSRF).encode("latin-1"), session.csrf.encode("ascii")):
                raise Forbidden("the change lacks the session's token (x-guard-csrf): load the page anew")
        return Visitor(session.name, session)


def require_own_page(exchange: Exchange) -> None:
    """Return if a browser says that a page of this very Guard sent the request. Raises Forbidden."""
    origin = exchange.header(b"origin")
    if origin:
        own = exchange.header(b"host").lower()
        is_own = bool(own) and origin.lower() in {f"http://{own}", f"https://{own}"}
    else:
        is_own = exchange.header(b"sec-fetch-site") == "same-origin"
    if not is_own:
        raise Forbidden("the request comes from another site's page")


def set_cookie(exchange: Exchange, cookie: str) -> tuple[bytes, bytes]:
    """Return the header that gives a browser its session; an empty cookie takes it away."""
    age = int(LIFETIME_S) if cookie else 0
    parts = [f"{_name(exchange)}={cookie}", "Path=/", f"Max-Age={age}", "HttpOnly", "SameSite=Strict"]
    return b"set-cookie", "; ".join([*parts, "Secure"] if _is_secure(exchange) else parts).encode("ascii")


def _cookie(exchange: Exchange) -> str | None:
    try:
        found = SimpleCookie(exchange.header(b"cookie")).get(_name(exchange))
    except CookieError:
        return None
    return None if found is None else found.value


def _is_secure(exchange: Exchange) -> bool:
    return bool(exchange.scope.get("scheme") == "https")


def _name(exchange: Exchange) -> str:
    # A browser takes a cookie with this prefix from this very host by TLS alone.
    return SECURE_COOKIE if _is_secure(exchange) else COOKIE
