"""What a reader sees of finished runs."""

from pathlib import Path

import pytest
from rich.console import Console

from benchmark.figures import read_report
from benchmark.judgement import Judgement
from benchmark.named import NamedRun
from benchmark.published import PUBLISHED
from benchmark.report import make_sheets
from benchmark.runner import run_suite
from benchmark.sheets import Sheet, to_markdown, to_terminal
from guard import Pair
from guard.errors import UsageError
from guard.suites import load_suite
from tests.benchmark.drawn_suites import draw_mmsafeaware, text_pack
from tests.benchmark.fake_target import FakeTarget


async def _sheets(tmp_path: Path) -> list[Sheet]:
    suite = load_suite(str(draw_mmsafeaware(tmp_path / "suite", without_picture=(983,))))

    def judge(pair: Pair) -> Judgement:
        if pair.text.endswith(" 990"):
            return Judgement(None, code="image_rejected")
        return Judgement(True, 0.5)

    return make_sheets([NamedRun("mine", await run_suite(suite, FakeTarget(judge), tmp_path / "mine"))])


def _cells(sheet: Sheet, name: str) -> tuple[str, ...]:
    (row,) = (row for row in sheet.rows if row[0].strip() == name)
    return row


def test_published_totals_are_means_of_their_splits() -> None:
    for row in PUBLISHED:
        assert row.total == pytest.approx((row.typical + row.attack + row.over_safety) / 3, abs=0.11), row.name


async def test_run_stands_beside_the_ten_published_rows_with_its_controls(tmp_path: Path) -> None:
    first = (await _sheets(tmp_path))[0]
    names = [row[0].strip() for row in first.rows]
    assert names[:10] == [row.name for row in PUBLISHED]
    assert names[10:] == [
        "mine", "95 % interval",
        "text_only", "image_only", "blank_image", "shuffled_images", "always_block", "always_allow",
    ]  # fmt: skip
    assert _cells(first, "mine")[1:5] == ("100.0", "100.0", "0.0", "66.7")


async def test_missing_pictures_and_unjudged_rows_are_said_below_the_table(tmp_path: Path) -> None:
    notes = " ".join((await _sheets(tmp_path))[0].notes)
    assert "1 rows have no picture here and were not run: 983" in notes
    assert "0 errors and 1 unjudged rows (image_rejected 1)" in notes


async def test_every_sheet_fits_into_80_columns(tmp_path: Path) -> None:
    console = Console(width=80, record=True, file=(tmp_path / "screen").open("w"))
    console.print(to_terminal(await _sheets(tmp_path)))
    console.file.close()
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


async def test_markdown_is_free_of_html_and_holds_every_row(tmp_path: Path) -> None:
    sheets = await _sheets(tmp_path)
    text = to_markdown("Benchmark", sheets)
    assert "<" not in text
    assert text.count("\n|") == sum(2 + len(sheet.rows) for sheet in sheets)


async def test_other_suites_are_not_set_beside_mmsafeaware(tmp_path: Path) -> None:
    report = await run_suite(load_suite(str(text_pack(tmp_path / "pack"))), FakeTarget(), tmp_path / "run")
    titles = [sheet.title for sheet in make_sheets([NamedRun("run", report)])]
    assert titles == ["pack: unsafe pairs caught, harmless ones refused, %", "pack by scenario: run"]


async def test_runs_of_several_suites_are_summed_up_first(tmp_path: Path) -> None:
    runs = []
    for name in ("first", "second"):
        suite = load_suite(str(text_pack(tmp_path / name)))
        runs.append(NamedRun(f"on {name}", await run_suite(suite, FakeTarget(), tmp_path / "runs" / name)))
    overview = make_sheets(runs)[0]
    assert [row[:4] for row in overview.rows] == [
        ("first", "on first", "12", "100.0 (40–100)"),
        ("second", "on second", "12", "100.0 (40–100)"),
    ]


def test_unfinished_run_says_how_to_finish_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not finished"):
        read_report(tmp_path)
