"""Who gets in: the admin token or a session begun with it, and changes from Guard's own pages alone."""

from pathlib import Path

import httpx
import pytest

from guard.server.console.decisions import PICTURE
from guard.server.console.secret import session_secret
from tests.console.conftest import Builder
from tests.console.site import TOKEN, Site

CLOSED = [
    ("GET", "/guard/reviews"),
    ("POST", "/guard/reviews"),
    ("GET", "/guard/decisions"),
    ("GET", "/guard/console/data/session"),
    ("GET", "/guard/console/data/overview"),
    ("GET", "/guard/console/data/thresholds"),
    ("POST", "/guard/console/data/propose"),
    ("POST", "/guard/console/data/allow"),
    ("GET", PICTURE),
    ("POST", "/guard/console/logout"),
]
CHANGE = {"id": "nothing", "label": "safe"}


@pytest.mark.parametrize(("method", "path"), CLOSED)
async def test_page_is_closed_to_whoever_shows_nothing(site: Site, method: str, path: str) -> None:
    async with site.client() as client:
        answer = await client.request(method, path)

    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthorized"


@pytest.mark.parametrize(("method", "path"), [*CLOSED, ("GET", "/guard/console"), ("GET", "/guard/console/login")])
async def test_page_is_closed_to_everybody_without_an_admin_token(build: Builder, method: str, path: str) -> None:
    site = build(admin={})

    async with site.admin() as client:
        answer = await client.request(method, path)

    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "unknown_route"


async def test_another_token_is_refused(site: Site) -> None:
    async with site.client(headers={"authorization": "Bearer another-token-of-length"}) as client:
        answer = await client.get("/guard/reviews")

    assert answer.status_code == 401


async def test_console_leads_to_the_login(site: Site) -> None:
    async with site.client() as client:
        answer = await client.get("/guard/console")

    assert (answer.status_code, answer.headers["location"]) == (303, "console/login")


async def test_login_gives_a_cookie_that_scripts_and_other_sites_do_not_get(site: Site) -> None:
    async with site.client(headers={"origin": "http://guard"}) as client:
        answer = await client.post("/guard/console/login", data={"name": "Ada", "token": TOKEN})
        page = await client.get("/guard/console")

    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert TOKEN not in cookie
    assert page.status_code == 200


async def test_cookie_is_for_tls_alone_where_there_is_tls(site: Site) -> None:
    transport = httpx.ASGITransport(site.app)
    async with httpx.AsyncClient(transport=transport, base_url="https://guard") as client:
        given = {"name": "Ada", "token": TOKEN}
        answer = await client.post("/guard/console/login", data=given, headers={"origin": "https://guard"})

    assert answer.headers["set-cookie"].startswith("__Host-guard=")
    assert "Secure" in answer.headers["set-cookie"].split("; ")


@pytest.mark.parametrize("token", ["", "another-token-of-length", TOKEN[:-1], "tökén", "a" * 5000])
async def test_login_with_another_token_begins_nothing(site: Site, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard.server.console.pages._PAUSE_S", 0.0)
    async with site.client(headers={"origin": "http://guard"}) as client:
        answer = await client.post("/guard/console/login", data={"name": "Ada", "token": token})

    assert (answer.status_code, answer.headers["location"]) == (303, "login#refused")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "origin",
    ["http://elsewhere", "http://guard.elsewhere", "null", "http://guard:81", "http://[::1", "//guard", "guard"],
)
async def test_login_from_another_site_is_refused(site: Site, origin: str) -> None:
    async with site.client(headers={"origin": origin}) as client:
        answer = await client.post("/guard/console/login", data={"name": "Ada", "token": TOKEN})

    assert answer.status_code == 403


async def test_change_in_a_session_needs_its_token(site: Site) -> None:
    async with site.session() as client:
        del client.headers["x-guard-csrf"]
        without = await client.post("/guard/reviews", json=CHANGE)
        other = await client.post("/guard/reviews", json=CHANGE, headers={"x-guard-csrf": "another"})

    assert [without.status_code, other.status_code] == [403, 403]
    assert without.json()["error"]["code"] == "forbidden"


@pytest.mark.parametrize("origin", ["http://elsewhere", "null", ""])
async def test_change_in_a_session_from_another_site_is_refused(site: Site, origin: str) -> None:
    async with site.session() as client:
        answer = await client.post("/guard/reviews", json=CHANGE, headers={"origin": origin})

    assert answer.status_code == 403


async def test_change_in_a_session_from_its_own_page_is_taken(site: Site) -> None:
    async with site.session() as client:
        answer = await client.post("/guard/reviews", json=CHANGE)

    assert answer.json()["error"]["code"] == "decision_unknown"


async def test_signing_out_takes_the_cookie_away(site: Site) -> None:
    async with site.session() as client:
        await client.post("/guard/console/logout", json={})
        answer = await client.get("/guard/console/data/session")

    assert answer.status_code == 401


async def test_pages_run_nothing_but_their_own_scripts(site: Site) -> None:
    async with site.session() as client:
        pages = [await client.get(path) for path in ("/guard/console", "/guard/console/login")]

    for page in pages:
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["x-content-type-options"] == "nosniff"
        assert "<script>" not in page.text
        assert "style=" not in page.text
        assert "http" not in page.text.replace("<!doctype html>", "")


async def test_file_that_the_browser_has_is_not_sent_again(site: Site) -> None:
    async with site.client() as client:
        first = await client.get("/guard/console/static/app.js")
        again = await client.get("/guard/console/static/app.js", headers={"if-none-match": first.headers["etag"]})

    assert first.headers["content-type"].startswith("text/javascript")
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["../access.py", "console.html", "nothing.js", "app.js/"])
async def test_no_other_file_is_served(site: Site, name: str) -> None:
    async with site.client() as client:
        answer = await client.get(f"/guard/console/static/{name}")

    assert answer.status_code == 404


def test_secret_is_kept_for_its_owner_alone_and_found_again(tmp_path: Path) -> None:
    environment = {"XDG_STATE_HOME": str(tmp_path)}

    first, again = session_secret(None, environment), session_secret(None, environment)

    (kept,) = (tmp_path / "guard").iterdir()
    assert first == again == kept.read_bytes()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_secret_that_cannot_be_kept_is_another_one_each_time(tmp_path: Path) -> None:
    (tmp_path / "guard").write_text("a file where the folder would be")
    environment = {"XDG_STATE_HOME": str(tmp_path)}

    assert session_secret(None, environment) != session_secret(None, environment)
