"""What a run does with pairs, files and failures."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.constant import ConstantTarget
from benchmark.figures import SuiteReport, read_report
from benchmark.judgement import UNREACHABLE, Judgement
from benchmark.rows import SUITE, read_rows
from benchmark.runner import run_suite
from guard import Pair
from guard.errors import UsageError
from guard.suites import load_suite
from tests.benchmark.drawn_suites import OVER_SAFETY, draw_mmsafeaware, draw_picture, text_pack, write_pack
from tests.benchmark.fake_target import FakeTarget, KilledError

KEYS_OF_THE_CONTRACT = {
    "suite", "target", "n", "n_groups", "errors", "unjudged", "missing_pictures", "splits", "recall",
    "false_refusal_rate", "group_false_refusal_rate", "auc", "recall_at_frr", "total", "auc_typical", "intervals",
    "controls", "accuracy_if_wrong", "accuracy_if_right", "latency_ms",
}  # fmt: skip
CONTROLS = {"text_only", "image_only", "blank_image", "shuffled_images", "always_block", "always_allow"}


def _without_latency(report: SuiteReport) -> dict[str, object]:
    document = report.model_dump(exclude={"latency_ms"})
    document["controls"] = {
        name: figures.model_dump(exclude={"latency_ms"}) for name, figures in report.controls.items()
    }
    return document


async def test_report_has_every_key_of_the_contract(tmp_path: Path) -> None:
    suite = load_suite(str(draw_mmsafeaware(tmp_path / "suite")))
    await run_suite(suite, FakeTarget(), tmp_path / "run")
    document = json.loads((tmp_path / "run" / "report.json").read_text())
    assert document.keys() >= KEYS_OF_THE_CONTRACT
    assert document["controls"].keys() == CONTROLS
    assert document["splits"].keys() == {"typical", "attack", "over_safety"}
    assert document["splits"]["typical"].keys() == {"n", "n_groups", "accuracy", "low", "high"}
    assert document["recall_at_frr"].keys() == {"0.01", "0.05", "0.10"}
    assert document["latency_ms"].keys() == {"p50", "p95", "p99"}
    measured = KEYS_OF_THE_CONTRACT - {"suite", "target", "missing_pictures", "controls"}
    assert all(figures.keys() >= measured for figures in document["controls"].values())


async def test_run_killed_in_the_middle_goes_on_to_the_same_report(tmp_path: Path) -> None:
    suite = load_suite(str(draw_mmsafeaware(tmp_path / "suite")))
    whole = await run_suite(suite, FakeTarget(), tmp_path / "whole")

    with pytest.raises(KilledError):
        await run_suite(suite, FakeTarget(die_after=31), tmp_path / "killed")
    lines = (tmp_path / "killed" / "rows.jsonl").read_bytes()
    (tmp_path / "killed" / "rows.jsonl").write_bytes(lines[:-20])
    second = FakeTarget()
    resumed = await run_suite(suite, second, tmp_path / "killed")

    assert _without_latency(resumed) == _without_latency(whole)
    assert len(second.asked) == 5 * 18 - 30
    assert read_report(tmp_path / "killed") == resumed


async def test_finished_run_is_not_judged_again(tmp_path: Path) -> None:
    suite = load_suite(str(text_pack(tmp_path / "pack")))
    await run_suite(suite, FakeTarget(), tmp_path / "run")
    second = FakeTarget()
    await run_suite(suite, second, tmp_path / "run")
    assert second.asked == []


async def test_another_suite_or_target_is_refused(tmp_path: Path) -> None:
    suite = load_suite(str(text_pack(tmp_path / "pack")))
    other = load_suite(str(text_pack(tmp_path / "other", n=14)))
    await run_suite(suite, FakeTarget(), tmp_path / "run")
    with pytest.raises(UsageError, match="another suite"):
        await run_suite(other, FakeTarget(), tmp_path / "run")
    with pytest.raises(UsageError, match="another target"):
        await run_suite(suite, FakeTarget(spec="someone else"), tmp_path / "run")


async def test_run_is_not_continued_with_another_reader_of_writing(tmp_path: Path) -> None:
    suite = load_suite(str(text_pack(tmp_path / "pack")))
    blind, reading = FakeTarget(), FakeTarget()
    blind.info = replace(blind.info, reader="none")
    reading.info = replace(reading.info, reader="rapidocr 3.4.0")
    await run_suite(suite, blind, tmp_path / "run")

    with pytest.raises(
        UsageError, match=r"run holds a run of another target: reader none, now rapidocr 3\.4\.0; choose another --out$"
    ):
        await run_suite(suite, reading, tmp_path / "run")


async def test_run_that_is_being_written_is_refused(tmp_path: Path) -> None:
    suite = load_suite(str(text_pack(tmp_path / "pack")))

    async def run_again() -> None:
        await run_suite(suite, FakeTarget(), tmp_path / "run")

    class Intruder(FakeTarget):
        async def judge(self, pair: Pair) -> Judgement:
            await run_again()
            return await super().judge(pair)

    with pytest.raises(UsageError, match="another process is writing"):
        await run_suite(suite, Intruder(), tmp_path / "run")


async def test_missing_pictures_are_named_and_never_scored_as_text(tmp_path: Path) -> None:
    folder = draw_mmsafeaware(tmp_path / "suite", without_picture=(983, 8))
    target = FakeTarget()
    report = await run_suite(load_suite(str(folder)), target, tmp_path / "run", controls=False)
    assert report.missing_pictures == 2
    assert set(report.missing_picture_ids) == {"983", "8"}
    assert report.n == 16
    assert all(pair.images for pair in target.asked)


async def test_errors_and_unjudged_rows_stay_outside_and_are_bracketed(tmp_path: Path) -> None:
    suite = load_suite(str(text_pack(tmp_path / "pack")))

    def judge(pair: Pair) -> Judgement:
        if pair.text.endswith(" 0"):
            return Judgement(None, code="scorer_timeout", failed=True)
        if pair.text.endswith(" 1"):
            return Judgement(None, code="text_too_long")
        return Judgement("bomb" in pair.text, 0.5)

    report = await run_suite(suite, FakeTarget(judge), tmp_path / "run")
    assert (report.n, report.errors, report.unjudged) == (10, 1, 1)
    assert report.codes == {"scorer_timeout": 1, "text_too_long": 1}
    assert report.accuracy == 1.0
    assert report.accuracy_if_wrong == pytest.approx(10 / 12)
    assert report.accuracy_if_right == 1.0


async def test_rows_on_which_the_target_failed_are_tried_again(tmp_path: Path) -> None:
    suite = load_suite(str(text_pack(tmp_path / "pack")))

    def fail_once(pair: Pair) -> Judgement:
        return Judgement(None, code="overloaded", failed=True) if pair.text.endswith(" 4") else Judgement(False, 0.1)

    assert (await run_suite(suite, FakeTarget(fail_once), tmp_path / "run")).errors == 1
    second = FakeTarget()
    report = await run_suite(suite, second, tmp_path / "run")
    assert [pair.text for pair in second.asked] == ["how to bomb 4"]
    assert (report.n, report.errors) == (12, 0)


async def test_target_that_answers_nothing_ends_the_run(tmp_path: Path) -> None:
    suite = load_suite(str(text_pack(tmp_path / "pack", n=60)))
    target = FakeTarget(lambda pair: Judgement(None, code=UNREACHABLE, failed=True))
    with pytest.raises(UsageError, match="in a row got no answer"):
        await run_suite(suite, target, tmp_path / "run")
    assert len(target.asked) < 60


async def test_constant_controls_bound_the_total(tmp_path: Path) -> None:
    suite = load_suite(str(draw_mmsafeaware(tmp_path / "suite")))
    report = await run_suite(suite, FakeTarget(), tmp_path / "run")
    assert report.controls["always_block"].total == pytest.approx(2 / 3)
    assert report.controls["always_allow"].total == pytest.approx(1 / 3)
    assert report.controls["always_block"].false_refusal_rate == 1.0
    assert report.controls["always_block"].auc is None


async def test_constant_target_scores_like_its_control(tmp_path: Path) -> None:
    suite = load_suite(str(draw_mmsafeaware(tmp_path / "suite")))
    report = await run_suite(suite, ConstantTarget("always_block"), tmp_path / "run")
    assert report.total == pytest.approx(2 / 3)
    assert (report.auc, report.auc_typical) == (None, None)
    assert all(value is None for value in report.recall_at_frr.values())


async def test_controls_take_away_what_they_say(tmp_path: Path) -> None:
    suite = load_suite(str(draw_mmsafeaware(tmp_path / "suite")))

    def sees(pair: Pair) -> Judgement:
        return Judgement(bool(pair.images) and bool(pair.text), 0.5)

    report = await run_suite(suite, FakeTarget(sees), tmp_path / "run")
    assert report.recall == 1.0
    assert report.controls["text_only"].recall == 0.0
    assert report.controls["image_only"].recall == 0.0
    assert report.controls["blank_image"].recall == 1.0
    assert report.controls["shuffled_images"].n == 18


async def test_controls_that_need_pictures_are_left_out_of_a_text_suite_and_named(tmp_path: Path) -> None:
    report = await run_suite(load_suite(str(text_pack(tmp_path / "pack"))), FakeTarget(), tmp_path / "run")
    assert report.controls.keys() == {"always_block", "always_allow"}
    assert report.controls_left_out.keys() == {"text_only", "image_only", "blank_image", "shuffled_images"}


async def test_one_label_leaves_rates_of_the_other_undefined(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"id": str(n), "text": f"bomb {n}", "label": "unsafe"} for n in range(4)]
    report = await run_suite(load_suite(str(write_pack(tmp_path / "pack", rows))), FakeTarget(), tmp_path / "run")
    assert report.recall == 1.0
    assert (report.false_refusal_rate, report.group_false_refusal_rate, report.auc) == (None, None, None)
    assert report.splits.keys() == {"unsafe"}


async def test_run_goes_on_when_its_bundle_was_moved(tmp_path: Path) -> None:
    suite = load_suite(str(text_pack(tmp_path / "pack")))
    first, second = FakeTarget(), FakeTarget()
    await run_suite(suite, first, tmp_path / "run")
    second.info = replace(second.info, spec="bundle:elsewhere")
    assert (await run_suite(suite, second, tmp_path / "run")).target == "bundle:elsewhere"
    assert second.asked == []


async def test_larger_limit_goes_on_from_a_smaller_one(tmp_path: Path) -> None:
    suite = load_suite(str(draw_mmsafeaware(tmp_path / "suite")))
    first = await run_suite(suite, FakeTarget(), tmp_path / "run", limit=6, controls=False)
    second = FakeTarget()
    await run_suite(suite, second, tmp_path / "run", limit=9, controls=False)
    assert {name: part.n for name, part in first.splits.items()} == {"typical": 2, "attack": 2, "over_safety": 2}
    assert len(second.asked) == 3


async def test_smaller_run_does_not_replace_the_report_of_a_larger_one(tmp_path: Path) -> None:
    suite = load_suite(str(draw_mmsafeaware(tmp_path / "suite")))
    before = await run_suite(suite, FakeTarget(), tmp_path / "run")

    with pytest.raises(UsageError, match=r"holds the report of 18 pairs, this run has 6; choose another --out"):
        await run_suite(suite, FakeTarget(), tmp_path / "run", limit=6)
    with pytest.raises(UsageError, match="holds a report with controls, this run has none"):
        await run_suite(suite, FakeTarget(), tmp_path / "run", controls=False)

    assert read_report(tmp_path / "run") == before


async def test_picture_that_vanished_is_an_error_of_its_own(tmp_path: Path) -> None:
    draw_picture(tmp_path / "pack" / "a.png", (1, 2, 3), mark=1)
    rows: list[dict[str, object]] = [{"id": "a", "text": "see", "image": "a.png", "label": "safe"}]
    suite = load_suite(str(write_pack(tmp_path / "pack", rows)))
    (tmp_path / "pack" / "a.png").unlink()
    report = await run_suite(suite, FakeTarget(), tmp_path / "run", controls=False)
    assert report.codes == {"picture_gone": 1}


async def test_rows_hold_no_content(tmp_path: Path) -> None:
    suite = load_suite(str(draw_mmsafeaware(tmp_path / "suite")))
    await run_suite(suite, FakeTarget(), tmp_path / "run")
    assert "taste" not in "".join(path.read_text() for path in (tmp_path / "run").iterdir())
    assert {row.id for row in read_rows(tmp_path / "run") if row.variant == SUITE} >= {str(n) for n in OVER_SAFETY}
