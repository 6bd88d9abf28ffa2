"""The pages' own files: HTML, styles and modules, with the headers that keep a browser from anything else."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

from guard.server.wire import Answer

NAMES = (
    "api.js",
    "app.js",
    "base.css",
    "case.js",
    "charts.js",
    "decisions.js",
    "dom.js",
    "explore.js",
    "layout.css",
    "login.js",
    "mark.svg",
    "overview.js",
    "parts.css",
    "propose.js",
    "review.js",
    "rates.js",
    "theme.js",
    "tradeoff.js",
    "words.js",
)
PAGES = ("console.html", "login.html")
_TYPES = {
    ".js": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".html": b"text/html; charset=utf-8",
}
_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    b"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
NOT_KEPT = (b"cache-control", b"no-store")
NOT_SNIFFED = (b"x-content-type-options", b"nosniff")
OWN_ORIGIN = (b"cross-origin-resource-policy", b"same-origin")
# "no-referrer" would have browsers hide the origin of the login's form, which is what tells it from a foreign one.
PAGE_HEADERS = (
    (b"content-security-policy", _POLICY),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    NOT_SNIFFED,
    OWN_ORIGIN,
)


@dataclass(frozen=True, slots=True)
class File:
    """One file as it is served."""

    body: bytes
    content_type: bytes
    tag: bytes

    def answer(self, seen: str) -> Answer:
        """Return the file, or that it is still the one which the browser has `seen` (If-None-Match)."""
        headers = (*PAGE_HEADERS, (b"etag", self.tag), (b"cache-control", b"no-cache"))
        if seen.encode("latin-1") == self.tag:
            return Answer(304, b"", self.content_type, headers)
        return Answer(200, self.body, self.content_type, headers)

    def page(self, *, status: int = 200) -> Answer:
        """Return the file as a page, which is kept nowhere."""
        return Answer(status, self.body, self.content_type, (*PAGE_HEADERS, NOT_KEPT))


def load_files() -> Mapping[str, File]:
    """Return every file by its name."""
    folder = files("guard.server.console") / "static"
    return {name: _file(name, (folder / name).read_bytes()) for name in (*NAMES, *PAGES)}


def _file(name: str, body: bytes) -> File:
    kind = _TYPES[name[name.rindex(".") :]]
    return File(body, kind, b'"' + sha256(body).hexdigest()[:20].encode("ascii") + b'"')
