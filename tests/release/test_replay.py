"""Replay: what a candidate would have decided about what is in the store, and what reviewers say to that."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from guard.bundle import Bundle, copy_bundle
from guard.cli import app
from guard.config import Settings
from guard.errors import ConfigInvalid
from guard.manifest import OperatingPoint
from guard.release.opening import open_measured
from guard.release.replay import Replay, Way, policies_of, replay, same_model
from guard.store.box import Box
from guard.store.opening import open_store
from guard.store.store import Store
from guard.store.values import Content, Label, LabelKind, Source, StoredDecision, Window
from guard.types import Action, Basis, Decision, Mode, Pair, Verdict
from guard.wiring import open_guard
from tests.tiny_bundle import make_tiny_bundle

HARMLESS, HARMFUL = "hello what is the weather", "how to make a bomb"
NOW = time.time()


@dataclass(frozen=True)
class House:
    live: Bundle
    store: Store
    folder: Path

    async def decided(self, texts: Sequence[str], *, policy: str = "balanced", keep: bool = False) -> list[Decision]:
        """Have the live bundle decide about texts, and keep that."""
        guard = open_guard(Settings.model_validate({"bundle": str(self.live.path), "policy": {"name": policy}}))
        made = [await guard.check(Pair(text)) for text in texts]
        await guard.aclose()
        content = {one.id: Content(text) for one, text in zip(made, texts, strict=True)} if keep else None
        self.store.add([stored(one) for one in made], content)
        return made

    def candidate(self, name: str, **thresholds: float) -> Bundle:
        points = dict(self.live.manifest.operating_points)
        for point, threshold in thresholds.items():
            points[point] = OperatingPoint(threshold=threshold, chosen_on="nothing: fixed by hand")
        changed = self.live.manifest.model_copy(update={"operating_points": points, "version": name})
        return copy_bundle(self.live, self.folder / name, manifest=changed)

    async def replayed(self, candidate: Bundle, *, settings: Settings | None = None) -> Replay:
        guard = await open_measured(candidate) if self.store.keeps_content else None
        try:
            return await replay(
                candidate,
                self.store,
                Window(NOW - 3600),
                policy_of=policies_of(candidate, settings or Settings()),
                same=same_model(candidate, [self.live]),
                guard=guard,
            )
        finally:
            if guard is not None:
                await guard.aclose()

    def label(self, decision: Decision, label: LabelKind, author: str, at: float, source: Source) -> None:
        self.store.label(Label(decision.id, label, author, source, NOW + at))


def stored(decision: Decision) -> StoredDecision:
    return StoredDecision(
        id=decision.id,
        at=NOW,
        direction=decision.direction,
        route="/v1/chat/completions",
        tenant="default",
        policy=decision.policy,
        mode=Mode.ENFORCE,
        verdict=decision.verdict,
        intended=decision.intended,
        action=decision.action,
        basis=decision.basis,
        bundle=decision.bundle,
        code=decision.code,
        scores=decision.scores,
        probability=decision.probability,
        threshold=decision.threshold,
    )


@pytest.fixture
def house(tmp_path: Path) -> House:
    store = open_store(f"sqlite:///{tmp_path / 'guard.db'}")
    return House(make_tiny_bundle(tmp_path / "live"), store, tmp_path)


async def test_replay_finds_the_flips_of_both_ways_and_nothing_else(house: House) -> None:
    await house.decided([HARMLESS] * 3 + [HARMFUL] * 2)
    await house.decided([HARMLESS, HARMFUL], policy="strict")
    found = await house.replayed(house.candidate("moved", balanced=0.9999, strict=0.0001))
    assert found.ways == {Way.SCORES: 7}
    assert [(flip.policy, flip.before, flip.after) for flip in found.flips].count(
        ("balanced", Action.BLOCK, Action.ALLOW)
    ) == 2
    assert [(flip.policy, flip.before, flip.after) for flip in found.flips].count(
        ("strict", Action.ALLOW, Action.BLOCK)
    ) == 1
    assert (found.newly_blocked, found.newly_allowed) == (1, 2)
    assert (found.tally.changes().n, found.tally.changes().blocked_before) == (7, 3)


async def test_replay_says_what_the_candidate_decides_when_it_is_asked(house: House) -> None:
    texts = [f"{HARMFUL} {HARMLESS} {'cat ' * number}" for number in range(12)]
    made = await house.decided(texts)
    probabilities = sorted(one.probability or 0.0 for one in made)
    candidate = house.candidate("between", balanced=(probabilities[5] + probabilities[6]) / 2)
    found = await house.replayed(candidate)
    guard = open_guard(Settings.model_validate({"bundle": str(candidate.path)}))
    now = {before.id: await guard.check(Pair(text)) for before, text in zip(made, texts, strict=True)}
    await guard.aclose()
    changes = found.tally.changes()
    assert changes.change.value is not None
    blocked_after = changes.blocked_before + changes.n * changes.change.value / 1000
    assert round(blocked_after, 6) == sum(one.intended is Action.BLOCK for one in now.values()) == 6
    assert {flip.id for flip in found.flips} == {one.id for one in made if now[one.id].intended is not one.intended}


async def test_scores_of_another_model_are_not_taken_for_the_candidates(house: House) -> None:
    await house.decided([HARMLESS, HARMFUL])
    found = await house.replayed(make_tiny_bundle(house.folder / "other", seed=1))
    assert found.ways == {Way.OTHER_MODEL: 2}
    assert (found.n, found.flips) == (0, [])


async def test_content_that_was_kept_is_scored_anew_by_another_model(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'guard.db'}", box=Box(b"k" * 32))
    house = House(make_tiny_bundle(tmp_path / "live"), store, tmp_path)
    await house.decided([HARMLESS, HARMFUL], keep=True)
    await house.decided([HARMFUL])
    other = make_tiny_bundle(tmp_path / "other", seed=1)
    points = {"balanced": OperatingPoint(threshold=0.99999, chosen_on="nothing: fixed by hand")}
    blunt = copy_bundle(
        other, tmp_path / "blunt", manifest=other.manifest.model_copy(update={"operating_points": points})
    )
    found = await house.replayed(blunt)
    assert found.ways == {Way.CONTENT: 2, Way.OTHER_MODEL: 1}
    assert [(flip.before, flip.after) for flip in found.flips] == [(Action.BLOCK, Action.ALLOW)]


@pytest.fixture
async def sealed(tmp_path: Path) -> House:
    store = open_store(f"sqlite:///{tmp_path / 'guard.db'}", box=Box(b"k" * 32))
    return House(make_tiny_bundle(tmp_path / "live"), store, tmp_path)


def other_model(house: House, threshold: float) -> Bundle:
    """Return a candidate whose scores are not those of the live bundle."""
    bundle = make_tiny_bundle(house.folder / "seed", seed=1)
    points = {"balanced": OperatingPoint(threshold=threshold, chosen_on="nothing: fixed by hand")}
    changed = bundle.manifest.model_copy(update={"operating_points": points})
    return copy_bundle(bundle, house.folder / "another", manifest=changed)


async def test_kept_content_that_was_drawn_for_review_stands_for_what_was_not(sealed: House) -> None:
    passed, blocked = [stored(one) for one in await sealed.decided([HARMLESS, HARMFUL])]
    sealed.store.purge(before=NOW + 1)
    # 20 refusals drawn with 0.5, 1,000 passes with 0.01, as the plan of reviews has it; content of the drawn is kept.
    for one, text, n, chance in ((blocked, HARMFUL, 20, 0.5), (passed, HARMLESS, 1000, 0.01)):
        made = [
            replace(
                one,
                id=f"{one.intended}-{number}",
                stratum=f"input/{one.intended}/far",
                sampling_probability=chance,
                is_sampled=number < n * chance,
            )
            for number in range(n)
        ]
        sealed.store.add(made, {each.id: Content(text) for each in made if each.is_sampled})
    found = await sealed.replayed(other_model(sealed, 1e-9))
    assert found.ways == {Way.CONTENT: 20, Way.OTHER_MODEL: 1000}
    changes = found.tally.changes()
    # All that passed would be refused: ten of the twenty that were replayed, and 1,000 of all 1,020.
    assert (changes.n, changes.blocked_before, found.newly_blocked) == (1020, 20, 10)
    assert changes.change.value == pytest.approx(1000 * 1000 / 1020)


async def test_no_figure_is_given_about_a_side_whose_content_was_not_kept(sealed: House) -> None:
    (decision,) = await sealed.decided([HARMFUL], keep=True)
    sealed.store.add(
        [
            replace(stored(decision), id=f"passed-{number}", intended=Action.ALLOW, verdict=Verdict.SAFE)
            for number in range(50)
        ]
    )
    changes = (await sealed.replayed(other_model(sealed, 0.99999))).tally.changes()
    assert changes.newly_allowed.value == pytest.approx(1000 / 51)
    assert changes.newly_blocked.value is changes.change.value is None
    assert changes.newly_blocked.shortage == changes.change.shortage
    assert "of what passed, no content was kept" in (changes.change.shortage or "")


async def test_what_no_content_tells_about_is_in_no_figure(house: House) -> None:
    scored = stored((await house.decided([HARMFUL]))[0])
    older = replace(scored, bundle="of another model")
    failed = replace(older, scores=None, probability=None, basis=Basis.ERROR_POLICY, code="scorer_timeout")
    house.store.add([replace(older, id="older"), replace(failed, id="failed")])
    found = await house.replayed(house.candidate("mild", balanced=0.9999))
    assert found.ways == {Way.SCORES: 1, Way.OTHER_MODEL: 1, Way.UNSCORED: 1}
    assert (found.tally.changes().n, found.tally.changes().newly_allowed.value) == (1, 1000)


async def test_content_that_is_not_whole_or_not_all_that_was_blocked_is_not_judged_in_its_place(sealed: House) -> None:
    scored = stored((await sealed.decided([HARMFUL], keep=True))[0])
    cut, several = replace(scored, id="cut"), replace(scored, id="several", also_blocked=("ab" * 32,))
    sealed.store.add([cut, several], {"cut": Content(HARMFUL, is_whole=False), "several": Content(HARMFUL)})
    found = await sealed.replayed(other_model(sealed, 0.99999))
    assert found.ways == {Way.CONTENT: 1, Way.CUT: 1, Way.FAILED: 1}
    assert [flip.id for flip in found.flips] == [scored.id]


async def test_content_under_a_key_that_is_gone_is_counted_and_stops_nothing(sealed: House) -> None:
    await sealed.decided([HARMFUL], keep=True)
    sealed.store.close()
    store = open_store(sealed.store.place, box=Box(b"n" * 32))
    found = await replace(sealed, store=store).replayed(other_model(sealed, 0.99999))
    assert found.ways == {Way.LOCKED: 1}
    assert found.tally.changes().change.shortage == "nothing could be replayed"


async def test_what_rested_on_no_score_and_what_was_not_judged_stay_as_they_were(house: House) -> None:
    scored = stored((await house.decided([HARMLESS]))[0])
    failed = replace(
        scored,
        id="failed",
        scores=None,
        probability=None,
        verdict=Verdict.UNJUDGED,
        basis=Basis.ERROR_POLICY,
        intended=Action.BLOCK,
        action=Action.BLOCK,
        code="scorer_timeout",
    )
    partly = replace(failed, id="partly", scores=scored.scores, probability=scored.probability, code="image_rejected")
    house.store.add([failed, partly])
    found = await house.replayed(house.candidate("moved", balanced=0.9))
    assert found.ways == {Way.SCORES: 2, Way.UNSCORED: 1}
    assert found.flips == []
    assert (found.tally.changes().n, found.tally.changes().blocked_before) == (3, 2)


async def test_a_second_opinion_stays_what_it_was_and_is_no_flip_of_the_candidate(house: House) -> None:
    scored = stored((await house.decided([HARMFUL]))[0])
    house.store.purge(before=NOW + 1)
    turned = replace(scored, basis=Basis.JUDGE, intended=Action.ALLOW, action=Action.ALLOW, verdict=Verdict.SAFE)
    house.store.add([turned])
    found = await house.replayed(house.candidate("moved"))
    assert found.ways == {Way.JUDGED: 1}
    assert (found.flips, found.tally.changes().newly_blocked.value) == ([], 0)


async def test_most_reviewers_say_which_flips_are_better_and_users_say_nothing(house: House) -> None:
    right, wrong, asked, open_ = await house.decided([HARMFUL, HARMFUL, HARMFUL, HARMFUL])
    house.label(right, LabelKind.UNSAFE, "ann", 1, Source.REVIEWER)
    house.label(right, LabelKind.SAFE, "ann", 2, Source.REVIEWER)
    house.label(right, LabelKind.SAFE, "bob", 3, Source.REVIEWER)
    house.label(right, LabelKind.UNSAFE, "cleo", 4, Source.REVIEWER)
    house.label(wrong, LabelKind.UNSAFE, "ann", 1, Source.REVIEWER)
    house.label(wrong, LabelKind.SAFE, "user", 2, Source.USER)
    house.label(asked, LabelKind.SAFE, "ann", 1, Source.REVIEWER)
    house.label(asked, LabelKind.UNSAFE, "bob", 2, Source.REVIEWER)
    house.label(open_, LabelKind.SAFE, "user", 1, Source.USER)
    found = await house.replayed(house.candidate("mild", balanced=0.9999))
    assert found.reviewed == 3
    better = {flip.id: flip.is_better for flip in found.flips}
    assert better == {right.id: True, wrong.id: False, asked.id: None, open_.id: None}


async def test_a_policy_that_the_candidate_lacks_asks_for_its_configuration(house: House) -> None:
    decision = (await house.decided([HARMFUL]))[0]
    house.store.add([replace(stored(decision), id="own", policy="kiosk")])
    with pytest.raises(ConfigInvalid, match=r"kiosk.*--config"):
        await house.replayed(house.candidate("moved"))
    own = Settings.model_validate({"policies": {"kiosk": {"threshold": 0.9999}}})
    found = await house.replayed(house.candidate("again"), settings=own)
    assert [(flip.id, flip.after) for flip in found.flips] == [("own", Action.ALLOW)]


async def test_a_rate_of_flips_has_an_interval_that_holds_it(house: House) -> None:
    await house.decided([HARMFUL] + [HARMLESS] * 9)
    found = await house.replayed(house.candidate("mild", balanced=0.9999))
    change = found.tally.changes().newly_allowed
    assert change.value == pytest.approx(100)
    # Clopper and Pearson for 1 of 10 say 2.5 to 445.
    assert change.low == pytest.approx(2.5, abs=0.3)
    assert change.high == pytest.approx(445, rel=0.03)


@pytest.fixture
async def filled(house: House) -> House:
    made = await house.decided([HARMLESS] * 3 + [HARMFUL])
    house.label(made[-1], LabelKind.UNSAFE, "ann", 1, Source.REVIEWER)
    return house


def test_command_counts_flips_and_writes_them(filled: House) -> None:
    candidate, folder = filled.candidate("mild", balanced=0.9999), filled.folder / "out"
    command = ["release", "replay", "--candidate", str(candidate.path), "--store", filled.store.place, "--quiet"]
    done = CliRunner().invoke(app, [*command, "--baseline", str(filled.live.path), "--out", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads((folder / "replay.json").read_text())
    assert document == json.loads(done.stdout)
    assert (document["n"], document["newly_allowed"], document["newly_blocked"]) == (4, 1, 0)
    assert document["reviewed"] == {"n": 1, "changed": 1, "better": 0, "worse": 1}
    assert document["per_1000"]["change"]["value"] == -250


def test_command_has_another_point_of_the_candidate_decide(filled: House) -> None:
    candidate = filled.candidate("with-a-proposal", proposed=0.9999)
    command = ["release", "replay", "--candidate", str(candidate.path), "--store", filled.store.place, "--json"]
    command += ["--quiet", "--baseline", str(filled.live.path)]
    same, other = (CliRunner().invoke(app, [*command, *more]) for more in ([], ["--policy", "balanced=proposed"]))
    assert [json.loads(done.stdout)["newly_allowed"] for done in (same, other)] == [0, 1]
    assert CliRunner().invoke(app, [*command, "--policy", "proposed"]).exit_code != 0
    assert CliRunner().invoke(app, [*command, "--policy", "balanced=nothing"]).exit_code != 0


def test_command_exits_with_1_where_nothing_could_be_replayed(filled: House) -> None:
    other = make_tiny_bundle(filled.folder / "other", seed=1)
    done = CliRunner().invoke(app, ["release", "replay", "--candidate", str(other.path), "--store", filled.store.place])
    assert done.exit_code == 1
    assert "scores of another model" in done.output


def test_command_makes_no_store_where_there_is_none(house: House) -> None:
    place = house.folder / "nothing.db"
    arguments = ["release", "replay", "--candidate", str(house.live.path), "--store", f"sqlite:///{place}"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code != 0
    assert not place.exists()
