"""`/guard/reviews`, `/guard/decisions`, `/guard/feedback` and allow entries, asked as programs ask them."""

import time
from dataclasses import replace
from typing import Any

import pytest

from guard.server.exchange import id_of_answer
from guard.store.values import Content, Source
from guard.types import Action, Basis, Direction, Verdict
from tests.console.conftest import Builder
from tests.console.site import Site
from tests.console.traffic import Made, fill, make_traffic
from tests.pictures import solid

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def keep(site: Site, n: int = 40, **options: Any) -> list[Made]:
    """Keep some traffic that nobody has labelled."""
    assert site.store is not None
    traffic = make_traffic(n, now=time.time(), bundle=site.bundle.digest, **options)
    site.store.add([each.decision for each in traffic])
    return traffic


async def test_open_reviews_come_oldest_first_with_what_was_judged(site: Site) -> None:
    assert site.store is not None
    traffic = make_traffic(300, now=time.time(), bundle=site.bundle.digest)
    fill(site.store, traffic, reviewed=0.0)

    async with site.admin() as client:
        found = (await client.get("/guard/reviews", params={"limit": 5})).json()

    times = [each["at"] for each in found["reviews"]]
    assert len(times) == 5
    assert times == sorted(times)
    assert times[0] == found["oldest_at"]
    assert found["open"] == sum(each.decision.is_sampled for each in traffic)
    assert all("take?" in each["content"]["text"] or "kettle" in each["content"]["text"] for each in found["reviews"])


async def test_label_is_kept_under_the_name_of_who_signed_in(site: Site) -> None:
    id_ = keep(site)[0].decision.id

    async with site.session("Ada") as client:
        answer = await client.post("/guard/reviews", json={"id": id_, "label": "safe", "author": "Eve"})

    assert site.store is not None
    assert answer.json()["author"] == "Ada"
    assert [(each.author, each.source) for each in site.store.labels_of(id_)] == [("Ada", Source.REVIEWER)]


async def test_labels_by_several_people_are_all_shown_and_what_most_say_counts(site: Site) -> None:
    id_ = keep(site)[0].decision.id

    async with site.admin() as client:
        for author, label in (("Ada", "safe"), ("Ben", "unsafe")):
            await client.post("/guard/reviews", json={"id": id_, "label": label, "author": author})
        found = (await client.get("/guard/decisions", params={"id": id_})).json()

        await client.post("/guard/reviews", json={"id": id_, "label": "unsafe", "author": "Cleo"})
        settled = (await client.get("/guard/decisions", params={"id": id_})).json()

    assert [(each["author"], each["label"]) for each in found["labels"]] == [("Ada", "safe"), ("Ben", "unsafe")]
    assert found["label"] == "unsure"  # even
    assert settled["label"] == "unsafe"


async def test_label_that_is_taken_back_counts_no_more(site: Site) -> None:
    id_ = keep(site)[0].decision.id

    async with site.admin() as client:
        await client.post("/guard/reviews", json={"id": id_, "label": "safe"})
        back = await client.post("/guard/reviews", json={"id": id_, "label": None})
        again = await client.post("/guard/reviews", json={"id": id_, "label": None})
        found = (await client.get("/guard/decisions", params={"id": id_})).json()

    assert [back.json()["taken_back"], again.json()["taken_back"]] == [True, False]
    assert found["label"] is None


async def test_label_after_a_purge_is_for_an_unknown_decision(site: Site) -> None:
    id_ = keep(site)[0].decision.id
    assert site.store is not None
    site.store.purge(before=time.time() + 1)

    async with site.admin() as client:
        answer = await client.post("/guard/reviews", json={"id": id_, "label": "safe"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "decision_unknown")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"id": "x"},
        {"id": "x", "label": "harmless"},
        {"id": "", "label": "safe"},
        {"id": "a b", "label": "safe"},
        {"id": "x", "label": "safe", "more": 1},
        {"id": "x", "label": "safe", "note": "n" * 2001},
        {"id": "x", "label": "safe", "note": "a\x00b"},
        {"id": "x", "label": "safe", "author": "\x1b[2J"},
        [],
    ],
)
async def test_label_that_says_something_else_is_refused(site: Site, body: object) -> None:
    async with site.admin() as client:
        answer = await client.post("/guard/reviews", json=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request_invalid")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/guard/reviews", '{"id": "x", "label": "safe", "label": "unsafe"}'),
        ("/guard/reviews", '{"id": "x", "label": "safe", "note": "\\ud800"}'),
        ("/guard/console/data/allow", '{"id": "x", "days": true}'),
        ("/guard/console/data/allow", '{"id": "x", "days": "1"}'),
        ("/guard/console/data/allow", '{"id": "x", "days": 91}'),
    ],
)
async def test_body_with_two_readings_is_refused(site: Site, path: str, body: str) -> None:
    async with site.admin() as client:
        answer = await client.post(path, content=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request_invalid")


async def test_content_that_is_no_text_hides_neither_itself_nor_others(site: Site) -> None:
    assert site.store is not None
    drawn = [each for each in make_traffic(300, now=time.time(), bundle=site.bundle.digest) if each.decision.is_sampled]
    odd, even = drawn[:2]
    written = "\ud800 half a sign, \ud83d\ude00 a whole one"
    site.store.add([odd.decision], {odd.decision.id: Content(written, ())})
    site.store.add([even.decision], {even.decision.id: Content("as it should be", ())})

    async with site.admin() as client:
        queue = (await client.get("/guard/reviews")).json()["reviews"]
        one = (await client.get("/guard/decisions", params={"id": odd.decision.id})).json()

    assert [each["id"] for each in queue] == [odd.decision.id, even.decision.id]
    assert one["content"]["text"] == "\ufffd half a sign, \U0001f600 a whole one"


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "what=1", "id=a&id=b", "label=harmless", "since=soon"])
async def test_query_that_says_something_else_is_refused(site: Site, query: str) -> None:
    async with site.admin() as client:
        answer = await client.get(f"/guard/decisions?{query}")

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request_invalid")


async def test_decisions_are_found_by_what_was_done_with_them(busy: Site) -> None:
    async with busy.admin() as client:
        found = (await client.get("/guard/decisions", params={"intended": "block", "label": "safe"})).json()

    assert found["decisions"]
    assert {(each["intended"], each["label"]) for each in found["decisions"]} == {("block", "safe")}


async def test_pages_of_decisions_follow_on_each_other(busy: Site) -> None:
    async with busy.admin() as client:
        first = (await client.get("/guard/decisions", params={"limit": 10})).json()["decisions"]
        query = {"limit": 10, "after": first[-1]["id"]}
        second = (await client.get("/guard/decisions", params=query)).json()["decisions"]

    assert not {each["id"] for each in first} & {each["id"] for each in second}
    assert second[0]["at"] <= first[-1]["at"]


async def test_feedback_is_a_users_word_and_closes_no_review(site: Site) -> None:
    made = next(each for each in keep(site, 200) if each.decision.is_sampled)

    async with site.client() as client:
        answer = await client.post("/guard/feedback", json={"id": made.decision.id, "label": "safe"})

    assert site.store is not None
    assert answer.status_code == 200
    assert [each.source for each in site.store.labels_of(made.decision.id)] == [Source.USER]
    assert made.decision.id in {each.id for each in site.store.open_reviews(1000)}


async def test_feedback_is_no_place_to_write_without_end(site: Site) -> None:
    id_ = keep(site)[0].decision.id

    async with site.client() as client:
        same = [await client.post("/guard/feedback", json={"id": id_, "label": "safe"}) for _ in range(10)]
        labels = ["unsafe", "safe"] * 10
        turning = [await client.post("/guard/feedback", json={"id": id_, "label": label}) for label in labels]

    assert site.store is not None
    assert {each.status_code for each in [*same, *turning]} == {200}
    assert [each.label.value for each in site.store.labels_of(id_)] == ["safe"]


async def test_feedback_on_a_refused_answer_is_about_the_answer(site: Site) -> None:
    request = next(each.decision for each in keep(site) if each.decision.intended is Action.ALLOW)
    answer = replace(
        request,
        id=id_of_answer(request.id),
        direction=Direction.OUTPUT,
        verdict=Verdict.UNSAFE,
        intended=Action.BLOCK,
        action=Action.BLOCK,
    )
    assert site.store is not None
    site.store.add([answer])

    async with site.client() as client:
        await client.post("/guard/feedback", json={"id": request.id, "label": "safe"})

    assert [len(site.store.labels_of(id_)) for id_ in (request.id, answer.id)] == [0, 1]


async def test_allow_entry_holds_at_once(site: Site) -> None:
    blocked = next(
        each.decision
        for each in keep(site, 400)
        if each.decision.intended is Action.BLOCK and each.decision.basis is Basis.SCORE
    )
    asked: list[str] = []
    memory = site.app.state.memory
    memory.note_allowances = lambda: asked.append("looked")

    async with site.admin() as client:
        for days in (1, 0):
            await client.post("/guard/console/data/allow", json={"id": blocked.id, "days": days})

    assert asked == ["looked", "looked"]


async def test_feedback_on_another_tenants_decision_is_on_an_unknown_one(
    build: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP", "a-key-of-the-shop-1")
    site = build(tenants={"shop": {"keys": ["env:SHOP"]}})
    of_nobody = keep(site)[0].decision.id

    async with site.client(headers={"authorization": "Bearer a-key-of-the-shop-1"}) as client:
        other = await client.post("/guard/feedback", json={"id": of_nobody, "label": "safe"})
        unknown = await client.post("/guard/feedback", json={"id": "nothing", "label": "safe"})

    assert (other.status_code, unknown.status_code) == (404, 404)
    assert other.json()["error"]["message"].replace(of_nobody, "nothing") == unknown.json()["error"]["message"]


async def test_wrong_refusal_passes_for_some_days_and_is_taken_back_on_record(site: Site) -> None:
    blocked = next(
        each.decision
        for each in keep(site, 400)
        if each.decision.intended is Action.BLOCK and each.decision.basis is Basis.SCORE
    )
    assert site.store is not None

    async with site.session("Ada") as client:
        await client.post("/guard/console/data/allow", json={"id": blocked.id, "days": 7})
        held = site.store.allowances(time.time())
        await client.post("/guard/console/data/allow", json={"id": blocked.id, "days": 0})

    assert [(each.by, each.content_digest) for each in held] == [("Ada", blocked.content_digest)]
    assert site.store.allowances(time.time()) == []
    assert site.store.allowances()[0].revoked_by == "Ada"


async def test_what_was_let_through_cannot_be_allowed(site: Site) -> None:
    passed = next(each.decision for each in keep(site) if each.decision.intended is Action.ALLOW)

    async with site.admin() as client:
        answer = await client.post("/guard/console/data/allow", json={"id": passed.id, "days": 7})

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_allowable")


@pytest.mark.parametrize(
    ("data", "kind"),
    [(solid("red"), "image/png"), (solid("red", format_="JPEG"), "image/jpeg"), (SVG, "application/octet-stream")],
)
async def test_kept_picture_is_shown_as_pixels_or_not_at_all(site: Site, data: bytes, kind: str) -> None:
    assert site.store is not None
    (made,) = make_traffic(1, now=time.time(), bundle=site.bundle.digest)
    site.store.add([made.decision], {made.decision.id: Content("text", (data,))})

    async with site.admin() as client:
        answer = await client.get("/guard/console/data/picture", params={"id": made.decision.id, "place": 0})
        beyond = await client.get("/guard/console/data/picture", params={"id": made.decision.id, "place": 1})

    assert answer.content == data
    assert answer.headers["content-type"] == kind
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert (beyond.status_code, beyond.json()["error"]["code"]) == (404, "content_not_kept")


async def test_guard_without_a_store_says_so(build: Builder) -> None:
    site = build(has_store=False)

    async with site.admin() as client:
        reviews = await client.get("/guard/reviews")
        overview = await client.get("/guard/console/data/overview")

    assert reviews.status_code == 404
    assert overview.json()["store"] is False
    assert overview.json()["bundle"]["label"] == site.bundle.label


async def test_decisions_are_found_by_how_an_id_begins_whatever_its_case(site: Site) -> None:
    id_ = keep(site)[0].decision.id

    async with site.admin() as client:
        found = (await client.get("/guard/decisions", params={"begins": id_[:12].upper()})).json()
        none = (await client.get("/guard/decisions", params={"begins": "0000beef0000"})).json()
        odd = [await client.get("/guard/decisions", params={"begins": each}) for each in ("abc", "%%%%", "xyzxyz")]

    assert [each["id"] for each in found["decisions"]] == [id_]
    assert none["decisions"] == []
    assert [each.status_code for each in odd] == [400, 400, 400]
