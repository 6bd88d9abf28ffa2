"""The session over real TLS, in real Chromium: the cookie that only this host sets, and only TLS carries."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.certificates import make_certificate
from tests.console.browsing import go, sign_in
from tests.console.site import Site

pytestmark = pytest.mark.servers


def test_browser_takes_the_session_of_this_host_alone_and_keeps_it_from_scripts(
    browser: Browser, tmp_path: Path
) -> None:
    certificate, key = make_certificate(tmp_path, "guard.test")
    with Site(tmp_path / "site", tls={"certificate": certificate, "key": key}) as site:
        context = browser.new_context(ignore_https_errors=True)
        page = sign_in(context, site, "Ada")
        (cookie,) = context.cookies()
        seen = page.evaluate("document.cookie")
        go(page, "review")
        expect(page.get_by_role("heading", name="All reviewed")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        left = context.cookies()
        context.close()

    assert (cookie["name"], cookie["secure"], cookie["httpOnly"]) == ("__Host-guard", True, True)
    assert (cookie["path"], cookie["sameSite"], cookie["domain"]) == ("/", "Strict", "127.0.0.1")
    assert seen == ""
    assert left == []
