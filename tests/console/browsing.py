"""A browser at the console: how somebody signs in and goes to a page, and what has to be wrong with none of them."""

import shutil
from collections.abc import Callable, Iterator

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from tests.console.site import TOKEN, Site

# What is awaited comes at once on a machine with nothing else to do; tests share theirs, at times with ten others.
MOST_MS = 120_000
expect.set_options(timeout=MOST_MS)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def sign_in(context: BrowserContext, site: Site, name: str) -> Page:
    """Return the console's page for somebody who signed in by keys alone."""
    context.set_default_timeout(MOST_MS)
    page = context.new_page()
    page.goto(f"{site.address}/guard/console")
    for typed, key in ((name, "Tab"), (TOKEN, "Enter")):
        page.keyboard.type(typed)
        page.keyboard.press(key)
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    return page


def signed_in(browser: Browser, site: Site, size: ViewportSize, scheme: str, name: str = "Ada") -> Iterator[Page]:
    """Yield the same with a window of this size. In the end nothing may have gone wrong."""
    context = browser.new_context(viewport=size, color_scheme="dark" if scheme == "dark" else "light")
    complaints: list[str] = []
    # A violation of the content security policy is an error of the console too.
    context.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on("request", lambda request: complaints.append(request.url) if site.address not in request.url else None)
    yield sign_in(context, site, name)
    context.close()
    assert complaints == []


def go(page: Page, name: str) -> None:
    """Go to one of the console's pages by its address."""
    page.goto(page.url.partition("#")[0] + f"#/{name}")
    page.wait_for_selector("main .card")


def until(page: Page, holds: Callable[[], bool]) -> None:
    """Wait until what was typed has been sent and is kept."""
    for _ in range(2400):
        if holds():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it never came to be so")
