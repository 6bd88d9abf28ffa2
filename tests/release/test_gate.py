"""Real cases: each candidate has one thing wrong with it, or nothing."""

import datetime as dt
import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from guard.bundle import Bundle
from guard.calibration import Memory
from guard.errors import BundleInvalid, ConfigInvalid, UsageError
from guard.release.contender import Contender
from guard.release.cost import check_latency, check_memory
from guard.release.document import gate_document
from guard.release.gate import Gate, run_gate
from guard.release.margins import Margins, PlaceMargins
from guard.release.pool import narrowed
from guard.release.scoring import PICTURE_GONE, Scoring
from guard.release.summary import to_markdown
from guard.stats.calibrators import to_probability
from guard.stats.draws import thinned
from guard.suites import load_suite
from tests.release.conftest import QUICK, Works
from tests.release.made import blind, draw_suite, moved_threshold, swapped_tokenizer


def verdicts(gate: Gate) -> dict[tuple[str, str], str | None]:
    return {(check.kind, check.place): check.verdict for check in gate.checks}


def not_holding(gate: Gate) -> set[tuple[str, str]]:
    return {place for place, verdict in verdicts(gate).items() if verdict not in {"holds", None}}


def _sides(works: Works, folder: Path) -> tuple[Contender, Contender]:
    candidate = moved_threshold(works.live, folder / "moved", 0.50001)
    return Contender.of("candidate", candidate, "balanced"), Contender.of("baseline", works.live, "balanced")


async def test_threshold_moved_by_a_hair_passes(works: Works, tmp_path: Path) -> None:
    gate = await works.gate(moved_threshold(works.live, tmp_path / "b", 0.50001), "pairs", "texts")

    assert (gate.outcome, not_holding(gate)) == ("passed", set())
    kinds = {check.kind for check in gate.checks if check.verdict == "holds"}
    assert kinds == {"false_refusals", "recall", "coverage", "controls", "parity", "robustness"}


async def test_blind_candidate_that_is_better_on_text_is_caught_by_its_controls_alone(
    works: Works, tmp_path: Path
) -> None:
    # What the baseline never caught, no misspelling makes it lose.
    margins = QUICK.model_copy(update={"robustness": None})
    gate = await works.gate(blind(tmp_path / "b"), "pairs", "texts", margins=margins)

    found = {(check.kind, check.place): check for check in gate.checks}
    recall = found["recall", "pairs"]
    assert recall.verdict == "holds"
    assert recall.candidate is not None
    assert recall.baseline is not None
    assert recall.candidate > recall.baseline + 0.1
    assert gate.outcome == "failed"
    assert {kind for kind, _ in not_holding(gate)} == {"controls"}
    assert {("controls", "pictures count"), ("controls", "pictures no less")} <= not_holding(gate)


async def test_two_points_more_harmless_pairs_refused_fail(works: Works, tmp_path: Path) -> None:
    texts = load_suite(works.folder / "everyday")
    harmless = [pair for pair in texts.pairs if not pair.is_unsafe]
    async with Scoring(works.live, "live", Memory(works.folder / "memory"), lambda *_: None) as scoring:
        scores = (await scoring.score(texts)).scores(harmless)
    twentieth = np.sort(to_probability(works.live.manifest.calibration, scores))[-20]

    candidate = moved_threshold(works.live, tmp_path / "b", float(twentieth))
    margins = QUICK.model_copy(update={"false_refusals": 0.01, "robustness": None})
    gate = await works.gate(candidate, "everyday", margins=margins)

    (check,) = [check for check in gate.checks if check.kind == "false_refusals"]
    assert check.verdict == "fails"
    assert check.candidate == pytest.approx(0.02, abs=0.002)
    assert check.baseline == 0.0
    assert gate.outcome == "failed"


async def test_swapped_tokenizer_fails_parity(works: Works, tmp_path: Path) -> None:
    gate = await works.gate(swapped_tokenizer(works.live, tmp_path / "b"), "texts")

    (check,) = [check for check in gate.checks if check.place == "same model"]
    assert check.verdict == "fails"
    assert check.reason.endswith("both have the same graphs, but not the same tokenizer.json")
    assert gate.outcome == "failed"


async def test_too_little_data_cannot_tell_and_does_not_pass(works: Works, tmp_path: Path) -> None:
    gate = await works.gate(moved_threshold(works.live, tmp_path / "b", 0.50001), "few")

    assert gate.outcome == "cannot_tell"
    assert {("false_refusals", "few"), ("recall", "few")} <= not_holding(gate)
    assert "fails" not in verdicts(gate).values()


async def test_harmless_texts_alone_do_not_pass_however_the_margins_are(works: Works, tmp_path: Path) -> None:
    """Controls and labels are off, as for a gate of texts: only recall could still say that harm passes."""
    margins = QUICK.model_copy(update={"evidence": (), "picture_use": None, "text_use": None, "robustness": None})

    gate = await works.gate(moved_threshold(works.live, tmp_path / "b", 0.99), "everyday", margins=margins)

    assert (gate.outcome, not_holding(gate)) == ("cannot_tell", {("recall", "all suites")})


async def test_picture_that_vanished_counts_against_the_candidate_and_is_not_dropped(
    works: Works, tmp_path: Path
) -> None:
    folder = draw_suite(tmp_path / "gone", n_harmless=30, n_unsafe=0)
    suite = load_suite(folder)
    async with Scoring(works.live, "live", None, lambda *_: None) as scoring:
        before = await scoring.score(suite)
        for number in range(3):
            (folder / f"{number}.png").unlink()
        after = await scoring.score(suite)

    assert before.codes(suite.pairs) == []
    assert after.codes(suite.pairs) == [PICTURE_GONE] * 3
    assert len(after.scores(suite.pairs)) == 30


async def test_bundle_that_was_exchanged_before_it_was_measured_is_not_measured(works: Works, tmp_path: Path) -> None:
    """The record would be about the bundle that lay there first."""
    candidate = moved_threshold(works.live, tmp_path / "moved", 0.50001)
    shutil.rmtree(candidate.path)
    moved_threshold(works.live, candidate.path, 0.1)

    with pytest.raises(BundleInvalid, match=r"moved: changed while it was measured$"):
        await works.gate(candidate, "few")
    with pytest.raises(BundleInvalid, match="changed while it was measured"):
        await check_latency([], works.live, candidate, QUICK, lambda *_: None)
    assert check_memory(candidate, works.live, QUICK, lambda *_: None).reason == "the process of the candidate failed"


async def test_damaged_picture_is_counted_by_its_code(works: Works, tmp_path: Path) -> None:
    folder = shutil.copytree(works.folder / "few", tmp_path / "damaged")
    (folder / "3.png").write_bytes(b"no picture")
    gate = await run_gate(*_sides(works, tmp_path), [load_suite(folder)], QUICK)

    (check,) = [check for check in gate.checks if check.kind == "coverage"]
    assert (check.figures["candidate_image_rejected"], check.figures["rows"]) == (1, 48)
    (refused,) = [check for check in gate.checks if check.kind == "false_refusals"]
    assert refused.figures["n"] == 24
    assert refused.candidate == refused.baseline == pytest.approx(1 / 24)


async def test_known_scores_are_not_computed_again(works: Works) -> None:
    suite = load_suite(works.folder / "few")
    memory = Memory(works.folder / "own memory")
    told: list[int] = []
    for _ in range(2):
        told.clear()
        async with Scoring(works.live, "live", memory, lambda what, done, total: told.append(done)) as scoring:
            await scoring.score(suite)

    assert told == [48]


def test_limit_takes_large_groups_as_often_as_small_ones(works: Works) -> None:
    suite = load_suite(works.folder / "texts")
    sizes = [1, 9] * 24
    shares = []
    for draw in range(100):
        groups = [f"{size} {number} {draw}" for number, size in enumerate(sizes) for _ in range(size)]
        pairs = [replace(pair, group=group) for pair, group in zip(suite.pairs, groups, strict=True)]
        taken = {pair.group for pair in narrowed(suite, pairs, limit=100).pairs}
        shares.append(np.mean([group.startswith("9") for group in taken]))

    assert 0.45 < np.mean(shares) < 0.55


def test_limit_takes_whole_groups_and_the_same_ones_always(works: Works) -> None:
    suite = load_suite(works.folder / "few")
    in_threes = [replace(pair, group=f"g{number // 3}") for number, pair in enumerate(suite.pairs)]

    taken = narrowed(suite, in_threes, limit=10)

    assert sorted(Counter(pair.group for pair in taken.pairs).values()) == [3, 3, 3]
    assert taken == narrowed(suite, in_threes, limit=10)
    assert set(taken.pairs) < set(narrowed(suite, in_threes, limit=30).pairs)
    assert taken.digest != suite.digest


async def test_pairs_left_out_for_equal_sampling_and_by_the_limit_are_told(works: Works, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (works.folder / "texts" / "records.jsonl").read_text().splitlines()]
    for number, row in enumerate(rows):
        row["sampling_probability"] = (1.0, 0.1)[number % 2]
    (tmp_path / "uneven.jsonl").write_text("\n".join(map(json.dumps, rows)))
    sides, suite = _sides(works, tmp_path), load_suite(tmp_path / "uneven.jsonl")
    margins = QUICK.model_copy(update={"robustness": None})

    gate = await run_gate(*sides, [suite], margins)
    cut = await run_gate(*sides, [suite], margins, limit=20)

    assert len(gate.suites[0].pairs) == np.count_nonzero(
        thinned([p.id for p in suite.pairs], np.array([p.sampling_probability for p in suite.pairs]))
    )
    assert (gate.given["uneven"], len(cut.suites[0].pairs)) == (240, 20)
    document = json.loads(json.dumps(gate_document(cut, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))))
    assert [(suite["n"], suite["n_given"]) for suite in document["suites"]] == [(20, 240)]
    assert "uneven: 20 of 240 pairs in 20 groups" in to_markdown(cut)


async def test_suites_of_one_name_and_margins_for_none_are_bad_input(works: Works) -> None:
    with pytest.raises(UsageError, match="two suites are called 'few'"):
        await works.gate(works.live, "few", "few")
    with pytest.raises(UsageError, match="no suite is given"):
        await works.gate(works.live)
    with pytest.raises(ConfigInvalid, match="'fewer' is none of few, few/pairs"):
        await works.gate(works.live, "few", margins=Margins(suites={"fewer": PlaceMargins()}))
    with pytest.raises(ConfigInvalid, match=r"candidate tiny-0\.0 has the operating points"):
        Contender.of("candidate", works.live, "lax")


async def test_bundle_beside_itself_is_bad_input_and_no_pass(works: Works, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"tiny-0\.0 \([0-9a-f]{12}\) is both candidate and baseline"):
        await works.gate(works.live, "few")
    copy = Bundle.load(shutil.copytree(works.live.path, tmp_path / "copy"))
    with pytest.raises(UsageError, match="is both candidate and baseline"):
        await works.gate(copy, "few")
