"""Pictures of every page of the console, for people to look at: `python -m tests.console.screenshots OUT`."""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, ViewportSize, sync_playwright

from tests.console.site import TOKEN, Site
from tests.console.traffic import fill, make_traffic

SIZES = [(360, 740), (768, 1024), (1440, 900), (1600, 900)]
PAGES = ("overview", "review", "explore", "decisions")


def main() -> None:
    """Write one PNG for each page, size and scheme into the folder that the command line names."""
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_STATE_HOME"] = folder
        site = Site(Path(folder) / "site")
        if site.store is not None:
            fill(site.store, make_traffic(6000, now=time.time(), bundle=site.bundle.digest))
        with site, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            for width, height in SIZES:
                for scheme in ("light", "dark"):
                    _shoot(browser, site, out, {"width": width, "height": height}, scheme)
            browser.close()


def _shoot(browser: Browser, site: Site, out: Path, size: ViewportSize, scheme: str) -> None:
    context = browser.new_context(viewport=size, color_scheme="dark" if scheme == "dark" else "light")
    page = context.new_page()
    page.goto(f"{site.address}/guard/console")
    page.screenshot(path=out / f"login-{size['width']}-{scheme}.png")
    for typed, key in (("Ada", "Tab"), (TOKEN, "Enter")):
        page.keyboard.type(typed)
        page.keyboard.press(key)
    page.wait_for_selector(".rate")
    for name in PAGES:
        page.goto(f"{site.address}/guard/console#/{name}")
        page.wait_for_selector("main .card")
        page.wait_for_timeout(600)
        page.screenshot(path=out / f"{name}-{size['width']}-{scheme}.png", full_page=True)
    context.close()


if __name__ == "__main__":
    main()
