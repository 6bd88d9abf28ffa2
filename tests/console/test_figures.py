"""What the overview and the explorer draw: the monitor's estimates, the store's counts, the bundle's certificate."""

import time
from pathlib import Path

import orjson
import pytest

from guard.bundle import Bundle
from guard.monitor.live import measure
from guard.server.console.proposal import MOST_CANDIDATES
from guard.store.values import Window
from guard.types import Action, Direction
from tests.console.conftest import Builder
from tests.console.site import Site
from tests.console.traffic import make_traffic

OVERVIEW, THRESHOLDS = "/guard/console/data/overview", "/guard/console/data/thresholds"
PROPOSE = "/guard/console/data/propose"


async def test_overview_has_the_monitors_estimates(busy: Site) -> None:
    assert busy.store is not None

    async with busy.admin() as client:
        found = (await client.get(OVERVIEW, params={"window": "7d"})).json()

    expected = measure(busy.store, "balanced", "7d", bundle=busy.bundle.digest, now=found["now"])
    assert found["rates"]["false_refusal"]["value"] == expected.false_refusal.value
    assert found["rates"]["false_refusal"]["high"] == expected.false_refusal.high
    assert found["rates"]["miss"]["n"] == expected.miss.n_reviewed
    assert found["response"]["rate"] == expected.response_ratio


async def test_overview_says_why_there_is_no_rate(site: Site) -> None:
    async with site.admin() as client:
        found = (await client.get(OVERVIEW, params={"window": "1h"})).json()

    rate = found["rates"]["false_refusal"]
    assert (rate["value"], rate["low"], rate["high"]) == (None, None, None)
    assert rate["why"] == "nothing was decided"


@pytest.mark.parametrize("window", ["1h", "24h", "7d", "bundle"])
async def test_columns_hold_every_decision_of_the_window(busy: Site, window: str) -> None:
    assert busy.store is not None

    async with busy.admin() as client:
        found = (await client.get(OVERVIEW, params={"window": window})).json()

    buckets, long_s = found["timeline"]["buckets"], {"1h": 3600, "24h": 86_400}.get(window, 8 * 86_400)
    counts = busy.store.counts(Window(found["now"] - long_s))
    assert sum(each["n"] for each in buckets) == sum(each.n for each in counts)
    assert sum(each["refused"] + each["unjudged"] for each in buckets) == sum(
        each.n for each in counts if each.intended is Action.BLOCK
    )
    assert len(buckets) <= 62


async def test_users_reports_are_beside_the_rates_and_not_in_them(busy: Site) -> None:
    async with busy.admin() as client:
        found = (await client.get(OVERVIEW, params={"window": "bundle"})).json()

    assert found["reports"] == {"wrong_refusal": 9, "wrong_pass": 0}


async def test_overview_shows_the_certificate_of_the_policy_and_of_no_other(busy: Site) -> None:
    async with busy.admin() as client:
        balanced = (await client.get(OVERVIEW)).json()["bundle"]
        other = await client.get(OVERVIEW, params={"policy": "nothing"})

    assert balanced["limits"] == {"false_refusal": 0.05, "miss": None}
    assert balanced["certificates"][0]["n_groups"] == 412
    assert other.status_code == 400


async def test_first_day_that_is_over_has_no_end_to_wait_for(busy: Site) -> None:
    async with busy.admin() as client:
        found = (await client.get(OVERVIEW)).json()

    assert found["first_day_ends"] is None
    assert found["drift"]["first_day"] is not None
    # No bundle but one of `guard calibrate` says how its data scored.
    assert (found["has_reference"], found["drift"]["calibration"]) == (False, None)


async def test_first_day_that_has_begun_ends_a_day_later(site: Site) -> None:
    assert site.store is not None
    made = make_traffic(1, now=time.time() - 7200, bundle=site.bundle.digest, days=0.0)
    site.store.add([each.decision for each in made])

    async with site.admin() as client:
        found = (await client.get(OVERVIEW)).json()

    # A day begins with the hour of its first decision.
    assert 0 <= made[0].decision.at + 86_400 - found["first_day_ends"] <= 3600


async def test_declared_limit_stands_apart_from_what_is_certified(build: Builder) -> None:
    wanted = {"false_refusal_limits": {"shop": 0.02}}
    site = build(monitor=wanted, policies={"shop": {"threshold": 0.6}, "lab": {"threshold": 0.6}})
    async with site.session() as client:
        shop, lab = [
            (await client.get("/guard/console/data/overview", params={"policy": name})).json()["bundle"]
            for name in ("shop", "lab")
        ]

    assert (shop["limits"]["false_refusal"], shop["declared_limit"]) == (None, 0.02)
    assert (lab["limits"]["false_refusal"], lab["declared_limit"]) == (None, None)


async def test_explorer_tells_declared_points_from_estimates(busy: Site) -> None:
    assert busy.store is not None

    async with busy.admin() as client:
        found = (await client.get(THRESHOLDS)).json()

    points = {each["name"]: each["certified"] for each in found["points"]}
    assert points == {"balanced": True, "permissive": False, "strict": False}
    histogram = busy.store.log_odds(Window(time.time() - 604_800), "balanced", Direction.INPUT)
    assert found["histogram"] == list(histogram)
    refusals = [each["false_refusal"]["value"] for each in found["reviewed"]]
    assert refusals == sorted(refusals, reverse=True)


async def test_curve_of_another_bundle_is_not_shown(busy: Site) -> None:
    report = busy.bundle.path / "report.json"
    document = orjson.loads(report.read_bytes())
    document["written"]["sha256"] = "0" * 64
    report.write_bytes(orjson.dumps(document))

    async with busy.admin() as client:
        found = (await client.get(THRESHOLDS)).json()

    assert found["curve"] is None


async def test_proposal_is_a_bundle_whose_threshold_is_an_estimate(busy: Site) -> None:
    async with busy.session("Ada") as client:
        given = {"policy": "balanced", "threshold": 0.7, "why": "fewer refusals of cooks"}
        answer = (await client.post(PROPOSE, json=given)).json()

    folder = Path(answer["folder"])
    candidate = Bundle.load(folder)
    point = candidate.manifest.operating_points["proposed"]
    assert (point.threshold, point.certificate) == (0.7, None)
    assert "Ada" in point.chosen_on
    assert "an estimate" in point.chosen_on
    assert candidate.manifest.operating_points["balanced"] == busy.bundle.manifest.operating_points["balanced"]
    assert orjson.loads((folder.parent / "proposal.json").read_bytes())["why"] == "fewer refusals of cooks"
    # What is proposed is what the commands ask about, and not the point that judges.
    replay, gate, export = (
        next(line for line in answer["commands"] if word in line) for word in ("replay", "gate", "export")
    )
    # This Guard's store is not the default one, and only its configuration says where it is.
    assert replay.endswith("--config FILE")
    assert export.endswith("--config FILE")
    assert "--policy balanced=proposed" in replay
    assert "--policy proposed" in gate
    assert "--baseline-policy balanced" in gate


async def test_proposal_never_moves_what_judges(busy: Site) -> None:
    before = {path.name: path.read_bytes() for path in busy.bundle.path.iterdir() if path.is_file()}

    async with busy.session() as client:
        await client.post(PROPOSE, json={"policy": "balanced", "threshold": 0.7})
        bundle = (
            await client.get("/guard/bundle", headers={"authorization": "Bearer an-admin-token-of-length"})
        ).json()

    assert bundle["digest"] == busy.bundle.digest
    assert {path.name: path.read_bytes() for path in busy.bundle.path.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    "given",
    [
        {"policy": "../../etc", "threshold": 0.7},
        {"policy": "balanced", "threshold": 1.5},
        {"policy": "balanced", "threshold": 0.7, "out": "/tmp/elsewhere"},
        {"policy": "balanced"},
    ],
)
async def test_proposal_that_says_something_else_is_refused(busy: Site, given: dict[str, object]) -> None:
    async with busy.session() as client:
        answer = await client.post(PROPOSE, json=given)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "request_invalid")


async def test_candidates_do_not_fill_the_disk(build: Builder, tmp_path: Path) -> None:
    candidates = tmp_path / "candidates"
    for number in range(MOST_CANDIDATES):
        (candidates / str(number)).mkdir(parents=True)
    site = build(admin={"token": "env:CONSOLE_TOKEN", "candidates": str(candidates)})

    async with site.admin() as client:
        answer = await client.post(PROPOSE, json={"policy": "balanced", "threshold": 0.7})

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "proposal_refused")
    assert len(list(candidates.iterdir())) == MOST_CANDIDATES


async def test_store_that_is_gone_is_answered_503(busy: Site) -> None:
    assert busy.store is not None
    for path in busy.bundle.path.parent.glob("guard.db*"):
        path.unlink()
    busy.app.state.memory.store.close()

    async with busy.admin() as client:
        answers = [await client.get(path) for path in (OVERVIEW, "/guard/reviews", "/guard/decisions")]

    assert {answer.status_code for answer in answers} == {503}
    assert {answer.json()["error"]["code"][:6] for answer in answers} == {"store_"}
