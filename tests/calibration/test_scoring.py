from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from guard.calibration import ScoreFile, score_suite
from guard.errors import CalibrationInvalid, SuiteInvalid
from guard.suites import Label, LabelledPair, StoredPicture
from guard.types import Assessment, Pair
from tests.calibration.made import make_suite
from tests.fakes import scores


@dataclass
class FakeAssessor:
    """Judges by the number in the text; `outcome` may say otherwise."""

    outcome: Callable[[str], Assessment | None] = lambda text: None
    asked: list[str] = field(default_factory=list)

    async def assess(self, pair: Pair) -> Assessment:
        self.asked.append(pair.text)
        return self.outcome(pair.text) or Assessment(scores(float(pair.text)))


def pairs(n: int) -> list[LabelledPair]:
    return [LabelledPair(f"id {k}", str(k), (), Label.SAFE, f"group {k}", "safe") for k in range(n)]


async def test_scores_stand_in_the_order_of_the_pairs() -> None:
    scored = await score_suite(FakeAssessor(), make_suite(pairs(20)), file=ScoreFile(None), side_by_side=3)

    assert scored.scores.tolist() == list(range(20))
    assert [pair.id for pair in scored.pairs] == [f"id {k}" for k in range(20)]


async def test_unjudged_pairs_are_left_out_and_counted_by_reason() -> None:
    def outcome(text: str) -> Assessment | None:
        known = {"1": Assessment(None, code="image_rejected"), "3": Assessment(scores(9.0), code="ocr_failed")}
        return known.get(text)

    scored = await score_suite(FakeAssessor(outcome), make_suite(pairs(5)), file=ScoreFile(None))

    assert scored.unjudged == {"id 1": "image_rejected", "id 3": "ocr_failed"}
    assert scored.scores.tolist() == [0.0, 2.0, 4.0]


async def test_second_run_asks_for_nothing_that_is_known(tmp_path: Path) -> None:
    file, suite = ScoreFile(tmp_path / "cache" / "scores.jsonl"), make_suite(pairs(10))
    first = await score_suite(FakeAssessor(), suite, file=file)
    assessor = FakeAssessor()

    second = await score_suite(assessor, suite, file=file)

    assert assessor.asked == []
    assert (second.scores == first.scores).all()


async def test_run_that_was_cut_off_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path, suite = tmp_path / "scores.jsonl", make_suite(pairs(10))
    await score_suite(FakeAssessor(), suite, file=ScoreFile(path))
    path.write_bytes(path.read_bytes()[:-4])  # the last line ends in the middle
    assessor = FakeAssessor()

    scored = await score_suite(assessor, suite, file=ScoreFile(path))

    assert assessor.asked == ["9"]
    assert scored.scores.tolist() == list(range(10))
    assert len(ScoreFile(path).read()) == 10


@pytest.mark.parametrize(
    "damage", [b"\xff\x00", b"7", b"null", b'{"id 1": 1, "x": 2}', b'["id 1"]', b'["id 1", null]', b"[1, 0.5]"]
)
async def test_damaged_lines_are_scored_anew(tmp_path: Path, damage: bytes) -> None:
    path, suite = tmp_path / "scores.jsonl", make_suite(pairs(3))
    path.write_bytes(b'["id 0", 0.0]\n' + damage)
    assessor = FakeAssessor()

    scored = await score_suite(assessor, suite, file=ScoreFile(path))

    assert assessor.asked == ["1", "2"]
    assert scored.scores.tolist() == [0.0, 1.0, 2.0]
    assert ScoreFile(path).read() == {"id 0": 0.0, "id 1": 1.0, "id 2": 2.0}


async def test_scores_that_cannot_be_kept_are_said_once_and_used(caplog: pytest.LogCaptureFixture) -> None:
    scored = await score_suite(FakeAssessor(), make_suite(pairs(3)), file=ScoreFile(Path("/dev/null/scores.jsonl")))

    assert scored.scores.tolist() == [0.0, 1.0, 2.0]
    assert [record.getMessage() for record in caplog.records] == [
        "scores are not kept: /dev/null/scores.jsonl: File exists"
    ]


async def test_guards_own_failures_are_tried_again(tmp_path: Path) -> None:
    file, suite = ScoreFile(tmp_path / "scores.jsonl"), make_suite(pairs(4))
    failing = FakeAssessor(lambda text: Assessment(None, code="scorer_failed", failed=True) if text == "2" else None)
    assert (await score_suite(failing, suite, file=file)).unjudged == {"id 2": "scorer_failed"}

    assert (await score_suite(FakeAssessor(), suite, file=file)).unjudged == {}


async def test_progress_counts_up_to_all_pairs() -> None:
    seen: list[tuple[int, int]] = []

    await score_suite(
        FakeAssessor(), make_suite(pairs(4)), file=ScoreFile(None), on_progress=lambda *step: seen.append(step)
    )

    assert seen == [(done, 4) for done in range(5)]


async def test_unequal_sampling_is_thinned_to_equal() -> None:
    sampled = [replace(pair, sampling_probability=1.0 if k % 2 else 0.1) for k, pair in enumerate(pairs(2000))]

    scored = await score_suite(FakeAssessor(), make_suite(sampled), file=ScoreFile(None))

    kept = np.array([int(pair.text) % 2 for pair in scored.pairs])
    assert np.sum(kept == 0) == 1000
    assert 60 < np.sum(kept == 1) < 140
    assert scored.n_thinned == 2000 - len(scored.pairs)


async def test_duplicate_ids_are_refused() -> None:
    with pytest.raises(CalibrationInvalid, match="id 'id 0' occurs twice"):
        await score_suite(FakeAssessor(), make_suite(pairs(1) + pairs(1)), file=ScoreFile(None))


async def test_suite_of_which_nothing_can_be_judged_is_refused() -> None:
    assessor = FakeAssessor(lambda text: Assessment(None, code="image_rejected"))

    with pytest.raises(CalibrationInvalid, match=r"none of 3 pairs could be judged \(image_rejected\)"):
        await score_suite(assessor, make_suite(pairs(3)), file=ScoreFile(None))


async def test_picture_that_vanished_is_named(tmp_path: Path) -> None:
    (pair,) = pairs(1)
    gone = replace(pair, pictures=(StoredPicture(tmp_path / "gone.png", "0" * 64),))

    with pytest.raises(SuiteInvalid, match="the picture of id 0 cannot be read"):
        await score_suite(FakeAssessor(), make_suite([gone]), file=ScoreFile(None))
