"""Differences between two runs on the same rows."""

from pathlib import Path

import pytest

from benchmark.compare import compare_runs, to_sheet
from benchmark.inferior import check_margins
from benchmark.judgement import Judgement
from benchmark.runner import run_suite
from guard import Pair
from guard.errors import UsageError
from guard.suites import load_suite
from tests.benchmark.drawn_suites import text_pack
from tests.benchmark.fake_target import FakeTarget, KilledError


async def _run(folder: Path, target: FakeTarget, *, n: int = 60, limit: int | None = None) -> Path:
    suite = load_suite(str(text_pack(folder / "pack", n=n)))
    await run_suite(suite, target, folder / "run", limit=limit, controls=False)
    return folder / "run"


def _deaf(pair: Pair) -> Judgement:
    return Judgement(False, 0.1)


async def test_equal_runs_differ_in_nothing(tmp_path: Path) -> None:
    first, second = await _run(tmp_path / "a", FakeTarget()), await _run(tmp_path / "b", FakeTarget(spec="other"))
    found = compare_runs(first, second)
    assert (found.n, found.n_differing, found.same_data) == (60, 0, True)
    assert {(one.difference, one.low, one.high) for one in found.differences.values()} == {(0.0, 0.0, 0.0)}


async def test_difference_is_second_minus_first_with_an_interval(tmp_path: Path) -> None:
    first, second = await _run(tmp_path / "a", FakeTarget()), await _run(tmp_path / "b", FakeTarget(_deaf))
    found = compare_runs(first, second)
    recall = found.differences["recall"]
    assert (recall.first, recall.second, recall.difference) == (1.0, 0.0, -1.0)
    assert found.n_differing == 30
    assert found.differences["accuracy"].difference == -0.5


async def test_only_rows_that_both_have_are_compared(tmp_path: Path) -> None:
    first, second = await _run(tmp_path / "a", FakeTarget()), await _run(tmp_path / "b", FakeTarget(), limit=10)
    found = compare_runs(first, second)
    assert (found.n, found.only_first, found.only_second) == (10, 50, 0)


async def test_other_copy_of_the_suite_is_said(tmp_path: Path) -> None:
    first, second = await _run(tmp_path / "a", FakeTarget()), await _run(tmp_path / "b", FakeTarget(), n=40)
    found = compare_runs(first, second)
    assert (found.n, found.same_data) == (40, False)
    assert any("different copies" in note for note in to_sheet(found).notes)


async def test_rows_without_a_common_verdict_are_refused(tmp_path: Path) -> None:
    blind = FakeTarget(lambda pair: Judgement(None, code="image_rejected"))
    first, second = await _run(tmp_path / "a", FakeTarget()), await _run(tmp_path / "b", blind)
    with pytest.raises(UsageError, match="no row with a verdict in both"):
        compare_runs(first, second)


async def test_table_names_its_rows_in_words(tmp_path: Path) -> None:
    first, second = await _run(tmp_path / "a", FakeTarget()), await _run(tmp_path / "b", FakeTarget(spec="other"))
    names = [row[0] for row in to_sheet(compare_runs(first, second)).rows]
    assert {"recall", "false refusal rate", "recall at 5 % refused"} <= set(names)
    assert not any("_" in name or "/" in name for name in names)


async def test_run_whose_rows_are_more_than_its_report_counts_is_compared_with_nothing(tmp_path: Path) -> None:
    first, larger = await _run(tmp_path / "a", FakeTarget()), await _run(tmp_path / "b", FakeTarget(), limit=10)
    suite = load_suite(str(tmp_path / "b" / "pack"))
    with pytest.raises(KilledError):
        await run_suite(suite, FakeTarget(die_after=30), larger, controls=False)

    for runs in ((first, larger), (larger, first)):
        with pytest.raises(UsageError, match="a larger run was begun and not finished"):
            compare_runs(*runs)
        with pytest.raises(UsageError, match="a larger run was begun and not finished"):
            check_margins(*runs, {"recall": 0.05})


async def test_run_that_was_cut_off_is_compared_with_nothing(tmp_path: Path) -> None:
    first, second = await _run(tmp_path / "a", FakeTarget()), await _run(tmp_path / "b", FakeTarget())
    (second / "report.json").unlink()

    with pytest.raises(UsageError, match="the run is not finished"):
        compare_runs(first, second)
