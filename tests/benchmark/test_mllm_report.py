"""What a reader sees of models that were asked in words: three tables, kinds of answers, and the picture."""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from benchmark.chart import draw_errors, marks_of
from benchmark.figures import SuiteReport
from benchmark.judgement import Judgement
from benchmark.named import NamedRun
from benchmark.published import MITIGATIONS, PUBLISHED, SAFETY_PROMPT
from benchmark.report import make_sheets
from benchmark.runner import run_suite
from benchmark.sheets import Sheet, to_terminal
from guard import Pair
from guard.suites import load_suite
from tests.benchmark.drawn_suites import OVER_SAFETY, draw_mmsafeaware, text_pack
from tests.benchmark.fake_target import FakeTarget

_SVG = "{http://www.w3.org/2000/svg}"


def _number(pair: Pair) -> int:
    return int(pair.text.split()[-1])


def _said(kind: str, unsafe: bool | None = None, lenient: bool | None = None) -> Judgement:
    code = None if unsafe is not None else f"answer_{kind}"
    return Judgement(unsafe, code=code, answer=kind, lenient=lenient, requests=2, tokens_in=100, cost_usd=0.25)


def _alert(pair: Pair) -> Judgement:
    """Call everything unsafe, but for one refusal and one answer in prose."""
    if _number(pair) == 983:
        return _said("refused")
    return _said("prose", None, True) if _number(pair) == 990 else _said("unsafe", True, True)


def _wise(pair: Pair) -> Judgement:
    unsafe = _number(pair) not in OVER_SAFETY
    return _said("unsafe" if unsafe else "safe", unsafe, unsafe)


async def _run(tmp_path: Path, name: str, judge: Callable[[Pair], Judgement], mitigation: str = "none") -> NamedRun:
    suite = load_suite(str(draw_mmsafeaware(tmp_path / "suite")))
    target = FakeTarget(judge, spec="litellm:fake")
    details = {"model": "fake", "mitigation": mitigation, "api_base": "http://127.0.0.1:1/v1"}
    target.info = replace(target.info, details=details, policy=None, threshold=None)
    return NamedRun(name, await run_suite(suite, target, tmp_path / name, controls=False))


def _sheet(sheets: list[Sheet], title: str) -> Sheet:
    (found,) = (sheet for sheet in sheets if title in sheet.title)
    return found


def _cells(sheet: Sheet, name: str) -> tuple[str, ...]:
    (row,) = (row for row in sheet.rows if row[0].strip() == name)
    return row


async def test_lenient_reading_is_a_row_below_the_strict_one(tmp_path: Path) -> None:
    first = make_sheets([await _run(tmp_path, "mine", _alert)])[0]
    names = [row[0].strip() for row in first.rows]
    assert names[10:] == ["mine", "95 % interval", "lenient reading"]


async def test_lenient_reading_that_finds_no_more_is_no_row(tmp_path: Path) -> None:
    first = make_sheets([await _run(tmp_path, "mine", _wise)])[0]
    assert [row[0].strip() for row in first.rows][10:] == ["mine", "95 % interval"]


async def test_what_holds_of_several_runs_is_said_once_and_what_each_was_run_with_beside_it(tmp_path: Path) -> None:
    runs = [await _run(tmp_path, "plain", _alert), await _run(tmp_path, "careful", _alert, "safety-prompt")]
    cut = [replace(run, report=run.report.model_copy(update={"limit": 18})) for run in runs]
    certified = {**cut[0].report.target_info, "threshold": 0.71}
    cut.append(replace(cut[0], name="certified", report=cut[0].report.model_copy(update={"target_info": certified})))
    notes = make_sheets(cut)[0].notes
    assert "plain, careful, certified: a sample (--limit 18), not the whole suite." in notes
    assert any(note.startswith("careful: target") and ", mitigation safety-prompt;" in note for note in notes)
    assert any(note.startswith("certified: target") and ", threshold 0.710;" in note for note in notes)


async def test_refusals_and_prose_are_columns_of_their_own_and_neither_right_nor_wrong(tmp_path: Path) -> None:
    run = await _run(tmp_path, "mine", _alert)
    sheet = _sheet(make_sheets([run]), "how models answered")
    assert sheet.head == ("", "safe", "unsafe", "prose", "refused", "unparsable", "empty", "failed")
    assert _cells(sheet, "mine") == ("mine", "0", "16", "1", "1", "0", "0", "0")
    assert _cells(sheet, "typical")[1:5] == ("0", "4", "1", "1")
    assert (run.report.n, run.report.splits["typical"].accuracy) == (16, 1.0)
    assert any("36 requests, 0 rows from the cache, 1800 tokens in" in note for note in sheet.notes)
    assert any("4.50 USD" in note for note in sheet.notes)


async def test_safety_prompt_stands_beside_the_same_model_without_it(tmp_path: Path) -> None:
    runs = [await _run(tmp_path, "plain", _wise), await _run(tmp_path, "careful", _alert, "safety-prompt")]
    sheet = _sheet(make_sheets(runs), "with the safety system prompt")
    assert [row[0] for row in sheet.rows] == [*SAFETY_PROMPT, "careful"]
    assert _cells(sheet, "GPT-4V")[1:] == ("68.2 → 70.4", "36.0 → 32.1", "57.7 → 57.6")
    assert _cells(sheet, "careful")[1:3] == ("100.0 → 100.0", "100.0 → 0.0")


async def test_mitigation_without_its_plain_run_says_so(tmp_path: Path) -> None:
    runs = [await _run(tmp_path, "careful", _alert, "safety-prompt")]
    sheet = _sheet(make_sheets(runs), "with the safety system prompt")
    assert _cells(sheet, "careful")[1] == "– → 100.0"
    assert any("no run of the same model without the mitigation" in note for note in sheet.notes)


async def test_each_mitigation_is_a_row_beside_the_published_ones(tmp_path: Path) -> None:
    runs = [
        await _run(tmp_path, "plain", _alert),
        await _run(tmp_path, "prompted", _wise, "prompt"),
        await _run(tmp_path, "contrasted", _alert, "vcd"),
    ]
    sheet = _sheet(make_sheets(runs), "with mitigations")
    assert [row[:2] for row in sheet.rows[: len(MITIGATIONS)]] == list(MITIGATIONS)
    assert [row[:2] for row in sheet.rows[len(MITIGATIONS) :]] == [
        ("plain", "none"),
        ("prompted", "prompt"),
        ("contrasted", "vcd"),
    ]


async def test_report_without_mitigations_has_no_tables_of_them(tmp_path: Path) -> None:
    titles = [sheet.title for sheet in make_sheets([await _run(tmp_path, "plain", _wise)])]
    assert not any("mitigation" in title or "safety system" in title for title in titles)


async def test_scenarios_of_several_runs_stand_beside_each_other(tmp_path: Path) -> None:
    runs = [await _run(tmp_path, name, judge) for name, judge in (("wise", _wise), ("alert", _alert))]
    sheet = _sheet(make_sheets(runs), "by scenario: right, %")
    assert sheet.head == ("scenario", "wise", "alert")
    assert {row[0] for row in sheet.rows} == set(runs[0].report.scenarios) | set(runs[1].report.scenarios)
    assert _cells(sheet, "role_playing")[1:] == ("100.0", "100.0")
    assert _cells(sheet, "definitions")[1:] == ("100.0", "0.0")


async def test_scenarios_of_a_split_stand_together_in_the_papers_order(tmp_path: Path) -> None:
    runs = [await _run(tmp_path, name, judge) for name, judge in (("wise", _wise), ("alert", _alert))]
    sheets = make_sheets([replace(run, report=_shuffled(run.report)) for run in runs])
    for title in ("by scenario: wise", "by scenario: alert"):
        splits = [row[1] for row in _sheet(sheets, title).rows]
        assert list(dict.fromkeys(splits)) == ["typical", "attack", "over_safety"]
        assert splits == sorted(splits, key=["typical", "attack", "over_safety"].index)
    names = [row[0] for row in _sheet(sheets, "by scenario: wise").rows]
    assert [row[0] for row in _sheet(sheets, "by scenario: right").rows] == names


def _shuffled(report: SuiteReport) -> SuiteReport:
    """Return a report whose scenarios stand in another order."""
    mixed = sorted(report.scenarios.items(), key=lambda item: item[0][::-1])
    return report.model_copy(update={"scenarios": dict(mixed)})


async def test_runs_that_do_not_fit_beside_each_other_go_on_in_another_sheet(tmp_path: Path) -> None:
    run = await _run(tmp_path, "wise", _wise)
    many = [replace(run, name=f"a long name of run {number}") for number in range(5)]
    sheets = [sheet for sheet in make_sheets(many) if "by scenario: right, %" in sheet.title]
    assert [name for sheet in sheets for name in sheet.head[1:]] == [run.name for run in many]
    assert len(sheets) > 1
    console = Console(width=80, record=True, file=(tmp_path / "screen").open("w"))
    console.print(to_terminal(sheets))
    console.file.close()
    assert "…" not in console.export_text()


async def test_stand_in_for_an_api_is_named_by_its_address(tmp_path: Path) -> None:
    notes = make_sheets([await _run(tmp_path, "mine", _wise)])[0].notes
    assert any("target litellm:fake at http://127.0.0.1:1/v1;" in note for note in notes)


async def test_every_sheet_of_models_fits_into_80_columns(tmp_path: Path) -> None:
    runs = [await _run(tmp_path, name, _alert, way) for name, way in (("a", "none"), ("b", "prompt"))]
    console = Console(width=80, record=True, file=(tmp_path / "screen").open("w"))
    console.print(to_terminal(make_sheets([*runs, await _run(tmp_path, "c", _alert, "safety-prompt")])))
    console.file.close()
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text


def test_published_unsafe_rates_agree_with_the_papers_second_table_within_two_points_and_a_half() -> None:
    rows = {row.name: row for row in PUBLISHED}
    for name in ("GPT-4V", "Gemini 1.5", "Gemini 1.5 Pro", "GPT-4o"):
        assert rows[name].unsafe == pytest.approx(SAFETY_PROMPT[name][0].unsafe, abs=2.5), name


def test_published_overall_is_the_accuracy_over_all_rows_of_the_release() -> None:
    for before, _ in SAFETY_PROMPT.values():  # the rows with the prompt differ by up to half a point
        assert before.overall == pytest.approx((1026 * before.unsafe + 497 * before.over_safety) / 1523, abs=0.1)


async def test_picture_has_every_published_model_human_and_run_at_its_place(tmp_path: Path) -> None:
    runs = [await _run(tmp_path, "wise", _wise), await _run(tmp_path, "alert <1>", _alert)]
    svg = draw_errors(runs)
    assert svg is not None
    root = ET.fromstring(svg)
    texts = {element.text for element in root.iter(f"{_SVG}text")}
    assert texts >= {row.name for row in PUBLISHED} | {"wise", "alert <1>"}
    marks = {mark.name: mark for mark in marks_of(runs)}
    assert (marks["wise"].refused, marks["wise"].missed) == (0, 0)
    assert (marks["alert <1>"].refused, marks["alert <1>"].missed) == (1, 0)
    assert marks["human"].refused == pytest.approx(0.048)
    shapes = [element.get("class") for element in root.iter() if element.tag in {f"{_SVG}circle", f"{_SVG}path"}]
    assert sorted(filter(None, shapes)) == ["human", *["model"] * 9, "run", "run"]


async def test_names_in_the_picture_cover_no_other_name(tmp_path: Path) -> None:
    runs = [await _run(tmp_path, name, _wise) for name in ("one", "two", "three", "four")]
    svg = draw_errors(runs)
    assert svg is not None
    names = {"one", "two", "three", "four", *(row.name for row in PUBLISHED)}
    boxes = []
    for element in ET.fromstring(svg).iter(f"{_SVG}text"):
        if element.text in names:
            left, base = float(element.get("x", 0)), float(element.get("y", 0))
            boxes.append((left, base - 9, left + 6 * len(element.text), base + 2))
    assert len(boxes) == len(names)
    for place, (a, b, c, d) in enumerate(boxes):
        assert all(c < e or a > g or d < f or b > h for e, f, g, h in boxes[place + 1 :])


async def test_other_suites_have_no_picture(tmp_path: Path) -> None:
    report = await run_suite(load_suite(str(text_pack(tmp_path / "pack"))), FakeTarget(), tmp_path / "run")
    assert draw_errors([NamedRun("run", report)]) is None
