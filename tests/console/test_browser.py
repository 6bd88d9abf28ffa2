"""The console in real Chromium: every page draws, keys do everything, nothing overflows, and nothing is run or loaded
that is not Guard's own.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from guard.store.values import Content, Label
from tests.console.browsing import go, signed_in, until
from tests.console.site import Site
from tests.console.traffic import fill, make_traffic

pytestmark = pytest.mark.servers

PAGES = ("overview", "review", "explore", "decisions")
LOOKS = [
    ((360, 740), "light"),
    ((360, 740), "dark"),
    ((768, 1024), "light"),
    ((1024, 768), "light"),
    ((1280, 800), "dark"),
    ((1600, 900), "light"),
]
HOSTILE = "</script><img src=x onerror=\"document.title='run'\"><b>take?</b>"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        site = Site(folder / "site")
        assert site.store is not None
        fill(site.store, make_traffic(3000, now=time.time(), bundle=site.bundle.digest))
        with site:
            yield site


@pytest.fixture
def page(browser: Browser, served: Site) -> Iterator[Page]:
    yield from signed_in(browser, served, {"width": 1280, "height": 800}, "light")


def open_count(page: Page) -> int:
    return int(page.locator("#open").inner_text())


@pytest.mark.parametrize(("size", "scheme"), LOOKS, ids=lambda look: str(look))
def test_no_page_is_wider_than_the_window(
    browser: Browser, served: Site, size: tuple[int, int], scheme: str, tmp_path: Path
) -> None:
    for page in signed_in(browser, served, {"width": size[0], "height": size[1]}, scheme):
        for name in PAGES:
            go(page, name)
            page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
            page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
            spare = "document.documentElement.clientWidth - document.documentElement.scrollWidth"
            assert page.evaluate(spare) >= 0, name


def test_overview_shows_rates_with_intervals_and_the_certified_limit(page: Page) -> None:
    card = page.get_by_role("region", name="False refusals")

    expect(card.get_by_role("img")).to_be_visible()
    expect(card).to_contain_text("reviews in the window")
    expect(card).to_contain_text("certified limit 5")
    expect(page.get_by_role("region", name="Bundle and certificate")).to_contain_text("95\u202f% confidence")


def test_overview_says_that_there_are_not_enough_reviews(page: Page) -> None:
    page.get_by_label("1 h", exact=True).check()

    expect(page.get_by_role("region", name="Misses")).to_contain_text("not enough reviews")


def test_timeline_is_read_with_arrow_keys(page: Page) -> None:
    figure = page.locator("figure.focusable")
    figure.focus()
    page.keyboard.press("End")

    expect(figure.locator(".readout")).to_contain_text("refused")
    expect(figure.locator("svg line.hair")).to_have_count(1)


def test_case_is_labelled_undone_and_skipped_with_keys_alone(page: Page, served: Site) -> None:
    def of_ada(id_: str) -> list[Label]:
        assert served.store is not None
        return [each for each in served.store.labels(0) if each.decision_id.startswith(id_) and each.author == "Ada"]

    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.get_by_text("What was sent")).to_be_visible()
    before = open_count(page)
    first = page.locator(".desk code").first.inner_text()

    page.keyboard.press("j")
    expect(page.locator(".where")).to_contain_text("2 of")
    page.keyboard.press("k")
    page.keyboard.press("s")
    expect(page.locator("#open")).to_have_text(str(before - 1))
    until(page, lambda: of_ada(first) != [])
    (label,) = of_ada(first)
    assert label.label.value == "safe"

    page.keyboard.press("z")
    expect(page.locator("#open")).to_have_text(str(before))
    until(page, lambda: of_ada(first) == [])


def test_wrong_refusal_passes_at_the_press_of_a_key(page: Page, served: Site) -> None:
    assert served.store is not None
    go(page, "review")
    for _ in range(60):
        page.keyboard.press("v")
        if page.locator(".side .chip.unsafe").count():
            break
        page.keyboard.press("j")
    page.keyboard.press("s")
    expect(page.locator(".note")).to_contain_text("Let this very content pass for a week?")
    page.keyboard.press("a")
    expect(page.locator(".note").last).to_contain_text("on record")

    (entry,) = served.store.allowances(time.time())
    assert entry.by == "Ada"


def test_picture_that_is_shown_stays_so_while_guard_is_asked(page: Page) -> None:
    go(page, "review")
    for _ in range(40):
        if page.locator(".picture").count():
            break
        page.keyboard.press("j")
    page.keyboard.press("Space")
    page.keyboard.press("v")

    expect(page.locator(".picture.blurred")).to_have_count(0)
    expect(page.locator(".picture")).not_to_have_count(0)


def test_what_guard_said_is_hidden_until_asked_for(page: Page) -> None:
    go(page, "review")
    side = page.get_by_role("region", name="What Guard said")

    expect(side).to_contain_text("Hidden")
    # Refusals are drawn more often: the probability would tell.
    expect(page.locator("main")).not_to_contain_text("Drawn with probability")
    page.keyboard.press("v")
    expect(side).to_contain_text("Threshold")


def test_pictures_are_blurred_until_asked_for(page: Page) -> None:
    go(page, "review")
    for _ in range(40):
        if page.locator(".picture").count():
            break
        page.keyboard.press("j")
    picture = page.locator(".picture").first

    blur = "element => getComputedStyle(element).filter"
    assert "blur" in picture.locator("img").evaluate(blur)
    page.keyboard.press("Space")
    expect(picture.locator("img")).to_have_css("filter", "none")
    expect(picture.locator("img")).to_have_js_property("complete", True)
    assert picture.locator("img").evaluate("element => element.naturalWidth") > 0


def test_what_a_caller_wrote_is_text_and_nothing_else(page: Page, served: Site) -> None:
    assert served.store is not None
    made = next(each for each in make_traffic(500, now=time.time(), bundle=served.bundle.digest, seed=77))
    served.store.add([made.decision], {made.decision.id: Content(HOSTILE, ())})

    go(page, f"decisions?id={made.decision.id}")

    expect(page.locator(".spoken")).to_have_text(HOSTILE)
    assert page.title() != "run"


def test_decision_is_found_by_its_id_and_an_unknown_one_is_not(page: Page, served: Site) -> None:
    assert served.store is not None
    id_ = served.store.open_reviews(1)[0].id
    page.keyboard.press("/")
    field = page.get_by_label("Decision id")
    expect(field).to_be_focused()

    field.fill(id_)
    page.keyboard.press("Enter")
    expect(page.locator(".side")).to_contain_text(id_)
    field.fill("nothing")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("No such decision")


def test_threshold_slides_with_keys_and_only_declared_points_are_certified(page: Page) -> None:
    go(page, "explore")
    card = page.get_by_role("region", name="At this threshold")
    expect(card).to_contain_text("certified: false refusals at most 5 %")

    page.get_by_label("Threshold, in log odds").focus()
    page.keyboard.press("ArrowRight")
    expect(card).to_contain_text("an estimate: not declared")
    page.get_by_role("button", name="permissive").click()
    expect(card).to_contain_text("permissive: an estimate")


def test_proposal_writes_a_candidate_and_leaves_what_judges_alone(page: Page, served: Site) -> None:
    go(page, "explore")
    page.get_by_label("Threshold", exact=True).fill("0.7")
    page.get_by_label("Threshold", exact=True).press("Enter")
    page.get_by_role("button", name="Propose it…").click()
    page.get_by_label("Reason").fill("fewer refusals of cooks")
    page.get_by_role("button", name="Write the candidate").click()

    expect(page.get_by_role("dialog")).to_contain_text("The candidate is written")
    assert served.app.state.live.current.guard.bundle.digest == served.bundle.digest


def test_login_page_says_that_the_token_is_another_one(browser: Browser, served: Site) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{served.address}/guard/console")
    page.get_by_label("Your name").fill("Eve")
    page.get_by_label("Admin token").fill("another-token-of-length")
    page.keyboard.press("Enter")

    expect(page.get_by_role("alert")).to_be_visible()
    context.close()


def test_signing_out_ends_at_the_login(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()

    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_theme_that_was_chosen_stays(page: Page) -> None:
    page.get_by_role("button", name="Theme: auto").click()
    page.get_by_role("button", name="Theme: light").click()
    page.reload()

    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 18, 21)"
