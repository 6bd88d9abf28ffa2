"""What quick, wrong and impatient hands do to the console, in real Chromium."""

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from guard.store.values import Label, LabelKind, Source, StoredDecision
from guard.types import Action
from tests.console.browsing import go, sign_in, signed_in, until
from tests.console.site import Site
from tests.console.traffic import fill, make_traffic

pytestmark = pytest.mark.servers


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("hands")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        policies = {"shop": {"threshold": 0.6}, "lab": {"threshold": 0.6}}
        limits = {"balanced": 0.03, "shop": 0.02}
        site = Site(folder / "site", policies=policies, monitor={"false_refusal_limits": limits})
        assert site.store is not None
        fill(site.store, make_traffic(2000, now=time.time(), bundle=site.bundle.digest))
        with site:
            yield site


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    yield from signed_in(browser, site, {"width": 1280, "height": 800}, "light")


def labels_of(site: Site, author: str) -> list[Label]:
    assert site.store is not None
    return [each for each in site.store.labels(0) if each.author == author]


def waiting(site: Site) -> list[StoredDecision]:
    assert site.store is not None
    return site.store.open_reviews(1000)


def pressed_at_once(page: Page, key: str, times: int) -> None:
    """Press a key so quickly that nothing is answered in between."""
    press = "document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))"
    page.evaluate(f"([key, times]) => {{ for (let n = 0; n < times; n += 1) {press}; }}", [key, times])


def test_each_of_six_quick_keys_labels_the_case_that_was_seen_and_undo_takes_all_back(
    browser: Browser, site: Site
) -> None:
    first = [each.id for each in waiting(site)[:6]]
    for page in signed_in(browser, site, {"width": 1280, "height": 800}, "light", "Zoe"):
        go(page, "review")
        expect(page.get_by_text("What was sent")).to_be_visible()
        before = int(page.locator("#open").inner_text())
        pressed_at_once(page, "u", 6)
        expect(page.locator("#open")).to_have_text(str(before - 6))
        until(page, lambda: len(labels_of(site, "Zoe")) == 6)
        assert [(each.decision_id, each.label) for each in labels_of(site, "Zoe")] == [
            (id_, LabelKind.UNSAFE) for id_ in first
        ]

        pressed_at_once(page, "z", 6)
        expect(page.locator("#open")).to_have_text(str(before))
        until(page, lambda: labels_of(site, "Zoe") == [])
        assert [each.id for each in waiting(site)[:6]] == first


def test_key_that_is_held_down_labels_one_case(page: Page) -> None:
    go(page, "review")
    expect(page.get_by_text("What was sent")).to_be_visible()
    before = int(page.locator("#open").inner_text())
    page.keyboard.down("u")
    page.keyboard.down("u")
    page.keyboard.down("u")
    page.keyboard.up("u")

    expect(page.locator("#open")).to_have_text(str(before - 1))


def test_label_that_the_store_refuses_comes_back_to_the_queue(browser: Browser, site: Site) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = sign_in(context, site, "Ada")
    go(page, "review")
    shown = page.locator(".desk code").first.inner_text()
    before = page.locator("#open").inner_text()
    page.route("**/guard/reviews", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    page.keyboard.press("u")

    expect(page.locator(".note.bad")).to_contain_text("Guard does not answer")
    expect(page.locator("#open")).to_have_text(before)
    expect(page.locator(".desk code").first).to_have_text(shown)
    context.close()


@pytest.mark.parametrize("name", ["overview", "review", "explore", "decisions"])
def test_page_whose_figures_cannot_be_read_says_so_and_tries_again(browser: Browser, site: Site, name: str) -> None:
    context = browser.new_context()
    page = sign_in(context, site, "Ada")
    go(page, "decisions" if name == "overview" else "overview")
    gone = {"error": {"code": "store_unavailable", "message": "the store does not answer"}}
    paths = re.compile(r"/guard/(console/data/(overview|thresholds)|reviews|decisions)(\?|$)")
    page.route(paths, lambda route: route.fulfill(status=503, json=gone))
    go(page, name)
    said = page.get_by_role("heading", name="This cannot be shown now")
    expect(said).to_be_visible()
    expect(page.locator("main")).to_contain_text("the store does not answer")
    expect(page.locator("main")).not_to_contain_text("All reviewed")

    page.unroute(paths)
    page.get_by_role("button", name="Try again").click()
    expect(said).to_have_count(0)
    expect(page.locator("main .card").first).to_be_visible()
    context.close()


def test_offer_to_let_pass_is_gone_once_taken(page: Page, site: Site) -> None:
    refused = next(each for each in waiting(site) if each.intended is Action.BLOCK and each.basis.is_verdict)
    go(page, "review")
    for _ in range(60):
        if page.locator(".desk code").first.inner_text() == refused.id[:12]:
            break
        page.keyboard.press("j")
    page.keyboard.press("s")
    offer = page.get_by_role("button", name="Let it pass (a)")
    expect(offer).to_be_visible()
    page.keyboard.press("a")

    expect(page.locator(".note").last).to_contain_text("on record")
    expect(offer).to_have_count(0)


def test_case_that_reviewers_contradict_says_so_and_not_who_said_what(page: Page, site: Site) -> None:
    assert site.store is not None
    case = waiting(site)[0]
    for author, label in (("Ben", LabelKind.SAFE), ("Cleo", LabelKind.UNSAFE)):
        site.store.label(Label(case.id, label, author, Source.REVIEWER, time.time()))
    go(page, "review")
    for _ in range(60):
        if page.locator(".desk code").first.inner_text() == case.id[:12]:
            break
        page.keyboard.press("j")

    said = page.locator(".case .callout").first
    expect(said).to_contain_text("contradicted")
    expect(said).to_contain_text("One more opinion settles it")
    expect(page.locator(".case")).not_to_contain_text("Ben")


@pytest.mark.parametrize("typed", ["{id:.12}", "{ID}", " x-guard-id: {id} "])
def test_decision_is_found_by_what_lists_and_headers_show_of_its_id(page: Page, site: Site, typed: str) -> None:
    id_ = waiting(site)[0].id
    page.keyboard.press("/")
    page.get_by_label("Decision id").fill(typed.format(id=id_, ID=id_.upper()))
    page.keyboard.press("Enter")

    expect(page.locator(".side")).to_contain_text(id_)


def test_text_that_is_no_id_is_told_what_one_looks_like(page: Page) -> None:
    page.keyboard.press("/")
    page.get_by_label("Decision id").fill("nothing")
    page.keyboard.press("Enter")

    expect(page.locator("main")).to_contain_text("An id has 32 signs")


@pytest.mark.parametrize(("typed", "stays"), [("2", "1.0000"), ("-3", "0.0000"), ("", "0.5000")])
def test_threshold_field_shows_what_is_meant(page: Page, typed: str, stays: str) -> None:
    go(page, "explore")
    field = page.get_by_label("Threshold", exact=True)
    field.fill(typed)
    field.press("Enter")

    expect(field).to_have_value(stays)
    expect(page.get_by_role("region", name="At this threshold")).to_contain_text("A threshold is a number from 0 to 1.")


def test_wrong_token_keeps_the_name(browser: Browser, site: Site) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{site.address}/guard/console")
    page.get_by_label("Your name").fill("Eve")
    page.get_by_label("Admin token").fill("another-token-of-length")
    page.keyboard.press("Enter")

    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Your name")).to_have_value("Eve")
    expect(page.get_by_label("Admin token")).to_be_focused()
    context.close()


def test_decision_that_was_not_drawn_says_why_its_content_is_not_there(page: Page, site: Site) -> None:
    made = next(
        each
        for each in make_traffic(50, now=time.time(), bundle=site.bundle.digest, seed=5)
        if not each.decision.is_sampled
    )
    assert site.store is not None
    site.store.add([made.decision])
    go(page, f"decisions?id={made.decision.id}")

    expect(page.get_by_role("region", name="Content")).to_contain_text(
        "not drawn for review, and only what is drawn is kept"
    )


def test_overview_tells_a_declared_limit_from_a_certified_one_and_from_none(page: Page) -> None:
    rate, bundle = (page.get_by_role("region", name=name) for name in ("False refusals", "Bundle and certificate"))
    expect(rate).to_contain_text("◆ certified limit 5")
    expect(rate).to_contain_text("○ declared limit 3")

    page.get_by_label("Policy").select_option("shop")
    expect(rate).to_contain_text("○ declared limit 2\u202f%, not proven")
    expect(rate).not_to_contain_text("certified")
    expect(bundle).to_contain_text("It is what is wanted, and proves nothing")

    page.get_by_label("Policy").select_option("lab")
    expect(bundle).to_contain_text("no alert on them can fire")
