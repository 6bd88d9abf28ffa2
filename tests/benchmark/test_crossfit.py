"""Cross-fitted evaluation: what is chosen on some groups is measured on the others, and on them alone."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from io import StringIO
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from rich.console import Console
from scipy.stats import binom
from typer.testing import CliRunner, Result

from benchmark.crossfit.chart import draw_crossfit
from benchmark.crossfit.choice import BACKWARDS, choose
from benchmark.crossfit.evaluate import CrossFitted, _is_above, _one_row_each, evaluate
from benchmark.crossfit.figures import CrossFit, LimitFigures, read_crossfit
from benchmark.crossfit.plan import Plan, ScoredRows
from benchmark.crossfit.sheet import make_sheets, to_page
from benchmark.sheets import to_terminal
from guard.cli import app
from guard.errors import CalibrationInvalid, SuiteInvalid, UsageError
from guard.pipeline import Guard
from guard.stats.certify import Certified, Unit
from guard.stats.draws import fold_of
from tests.benchmark.drawn_suites import text_pack
from tests.tiny_bundle import make_tiny_bundle

PUBLISHED = Path(__file__).parents[2] / "benchmark" / "crossfit" / "mmsafeaware"


def _rows(n_harmless: int, n_unsafe: int, *, shift: float = 4.0, rows: int = 2, seed: int = 1) -> ScoredRows:
    """Return groups of `rows` pairs of one label; unsafe scores lie `shift` higher."""
    random = np.random.default_rng(seed)
    numbered = list(product(range(n_harmless + n_unsafe), range(rows)))
    unsafe = np.array([number >= n_harmless for number, _ in numbered])
    return ScoredRows(
        ids=[f"{number}-{row}" for number, row in numbered],
        groups=[f"group {number}" for number, _ in numbered],
        unsafe=unsafe,
        scores=shift * unsafe + random.normal(size=len(numbered)),
    )


def _only(found: CrossFitted) -> LimitFigures:
    (figures,) = found.limits
    return figures


def _document(found: CrossFitted, plan: Plan) -> CrossFit:
    return CrossFit(
        suite="a suite whose name is as long as names of suites ever are",
        suite_digest="0" * 64,
        target="embedded",
        bundle="embedded-0.0.0 (000000000000)",
        n=12_345,
        n_groups=2_345,
        n_harmless_groups=1_234,
        n_unsafe_groups=1_111,
        unjudged=3,
        missing_pictures=57,
        thinned=2,
        repeats=plan.repeats,
        folds=plan.folds,
        confidence=plan.confidence,
        unit=plan.unit,
        calibrations=found.calibrations,
        limits=found.limits,
    )


def test_choice_does_not_depend_on_the_rows_that_are_held_out() -> None:
    rows = _rows(200, 60)
    held_out = np.array([int(group.split()[1]) % 5 == 0 for group in rows.groups])
    spoilt = replace(rows, scores=np.where(held_out, -rows.scores + 100, rows.scores))
    plan = Plan((0.05, 0.1))

    first, second = (choose(each, held_out, plan, draw="0.0") for each in (rows, spoilt))

    assert first is not None
    assert second is not None
    assert (first.answers, first.plain) == (second.answers, second.plain)
    assert any(isinstance(answer, Certified) for answer in first.answers)


def test_realised_rates_are_those_of_a_count_by_hand() -> None:
    rows, plan = _rows(150, 50, shift=2.0, rows=3), Plan((0.1,), repeats=1, folds=3)
    refused: dict[str, bool] = {}
    caught: dict[str, list[bool]] = {}

    for fold in range(3):
        held_out = np.array([fold_of([f"0 {group}"], 3)[0] == fold for group in rows.groups])
        choice = choose(rows, held_out, plan, draw=f"0.{fold}")
        assert choice is not None
        threshold = choice.plain[0]
        assert threshold is not None
        for place in np.flatnonzero(held_out).tolist():
            group, hit = rows.groups[place], bool(choice.probabilities[place] >= threshold)
            if rows.unsafe[place]:
                caught.setdefault(group, []).append(hit)
            else:
                refused[group] = refused.get(group, False) or hit

    plain = _only(evaluate(rows, plan)).plain

    assert plain.by_group.value == pytest.approx(sum(refused.values()) / 150)
    assert plain.repeats == (plain.by_group.value,)
    means = [sum(hits) / len(hits) for hits in caught.values()]
    assert plain.recall.value == pytest.approx(np.mean(means), abs=0.1)  # one row of each group was drawn


def test_a_guard_that_separates_is_proven_and_catches_what_it_should() -> None:
    found = _only(evaluate(_rows(600, 200, shift=6.0, rows=1), Plan((0.05,), repeats=3)))
    assert found.outcomes == {"certified": 15, "useless": 0, "not certifiable": 0, "no choice": 0}
    assert (found.proven.repeats_above, found.proven.choices_refuted) == (0, 0)
    assert found.proven.recall.value is not None
    assert found.recall_proven is not None
    assert 0.9 < found.recall_proven <= found.proven.recall.value


def test_plain_thresholds_break_a_limit_that_proven_ones_keep() -> None:
    found = _only(evaluate(_rows(400, 100, shift=3.0, rows=1), Plan((0.05,), repeats=4)))
    assert found.proven.by_group.value is not None
    assert found.plain.by_group.value is not None
    assert found.proven.by_group.value < 0.05
    assert found.proven.repeats_above == 0 < found.plain.repeats_above
    assert found.proven.choices_above < found.plain.choices_above


def test_a_guard_that_ranks_the_wrong_way_round_is_useless_and_not_turned_over() -> None:
    found = evaluate(_rows(300, 100, shift=-3.0), Plan((0.1,), repeats=2))
    assert found.calibrations == {BACKWARDS: 10}
    assert _only(found).outcomes["useless"] == 10
    assert _only(found).proven.recall.value == pytest.approx(0.0, abs=0.02)


def test_too_few_groups_are_not_certifiable_and_measure_nothing() -> None:
    found = _only(evaluate(_rows(60, 30), Plan((0.05,), repeats=2)))
    assert found.outcomes["not certifiable"] == 10
    assert (found.proven.n_choices, found.proven.by_group.value, found.recall_proven) == (0, None, None)
    assert found.proven.repeats == (None, None)
    assert found.plain.n_choices == 10


def test_a_half_with_one_label_is_counted_as_no_choice() -> None:
    found = evaluate(_rows(40, 2), Plan((0.1,), repeats=4))
    assert 0 < _only(found).outcomes["no choice"] == found.calibrations["no choice"] < 20


def test_unjudged_rows_count_against_the_guard() -> None:
    rows = _rows(400, 200, shift=8.0, rows=1)
    nth = np.arange(600)
    spoilt = np.where((nth % 4 == 0) & (nth >= 400) | (nth % 5 == 0) & (nth < 400), np.nan, rows.scores)
    found = _only(evaluate(replace(rows, scores=spoilt), Plan((0.4,), repeats=2)))
    assert found.proven.by_group.value is not None
    assert found.proven.by_group.value >= 0.2  # a fifth of the harmless groups is refused at every threshold
    assert found.proven.recall.value is not None
    assert found.proven.recall.value <= 0.75  # a quarter of the unsafe ones is let through at every threshold


def test_a_rate_of_nothing_refused_gets_the_exact_interval_over_groups_and_not_over_repeats() -> None:
    rows = _rows(300, 100, shift=40.0, rows=1)
    found = _only(evaluate(replace(rows, scores=40.0 * rows.unsafe + np.arange(400) * 1e-6), Plan((0.1,), repeats=4)))
    assert found.proven.recall.value == 1.0
    assert found.proven.recall.low == pytest.approx(0.025 ** (1 / 100))


def test_by_chance_is_the_binomial_law_of_each_fold() -> None:
    rows = _rows(100, 40, rows=1)
    found = _only(evaluate(rows, Plan((0.1,), repeats=1, folds=2)))
    folds = fold_of([f"0 group {number}" for number in range(100)], 2)
    sizes = [int(np.sum(folds == fold)) for fold in range(2)]
    by_law = sum(1 - binom.cdf(np.floor(0.1 * size), size, 0.1) for size in sizes)
    assert found.plain.expected_above_at_limit == pytest.approx(by_law)


def test_a_rate_of_exactly_the_limit_is_not_above_it() -> None:
    errors, n = np.array([3, 4, 10, 11]), np.array([30, 30, 100, 100])
    assert _is_above(errors, n, 0.1).tolist() == [False, True, False, True]


def test_a_group_with_both_labels_gives_a_request_of_each() -> None:
    rows = _rows(40, 20, rows=4)
    mixed = replace(rows, unsafe=np.arange(240) % 4 < 2)
    picked = _one_row_each(mixed, 0)
    for label in (True, False):
        chosen = [group for group, taken in zip(mixed.groups, picked & (mixed.unsafe == label), strict=True) if taken]
        assert sorted(chosen) == sorted(set(mixed.groups))


def test_every_unit_of_a_certificate_can_be_tried() -> None:
    rows = _rows(300, 100, rows=1)
    for unit in get_args(Unit):
        found = _only(evaluate(rows, Plan((0.2,), repeats=1, folds=3, unit=unit)))
        assert found.outcomes["certified"] == 3
        assert found.proven.by_group == found.proven.by_request  # one row a group


def test_the_unit_of_the_limit_is_the_unit_of_the_repeats() -> None:
    rows = _rows(300, 100, shift=2.0, rows=6)
    by_group, by_request = (_only(evaluate(rows, Plan((0.1,), repeats=2, unit=unit))) for unit in ("group", "request"))
    assert by_group.plain.by_group.value is not None
    assert by_request.plain.by_group.value is not None
    assert by_group.plain.by_group.value < 0.15 < by_request.plain.by_group.value
    assert np.mean([rate for rate in by_request.plain.repeats if rate is not None]) == pytest.approx(
        by_request.plain.by_request.value
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"limits": ()}, "declare at least one"),
        ({"limits": (0.05, 0.05)}, "declared twice"),
        ({"limits": (1.0,)}, "must lie between 0 and 1, not 1"),
        ({"limits": (0.1,), "confidence": 0.0}, "--confidence must lie"),
        ({"limits": (0.1,), "folds": 1}, "something must be held out"),
        ({"limits": (0.1,), "repeats": 0}, "at least 1 repeat"),
    ],
)
def test_plan_that_cannot_be_meant_is_refused(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(CalibrationInvalid, match=said):
        Plan(**arguments)  # type: ignore[arg-type]


def test_rows_that_carry_no_evaluation_are_refused() -> None:
    rows = _rows(40, 20)
    with pytest.raises(CalibrationInvalid, match="19 groups"):
        _rows(12, 7)
    with pytest.raises(CalibrationInvalid, match="one label"):
        replace(rows, unsafe=np.zeros(120, dtype=np.bool_))
    with pytest.raises(CalibrationInvalid, match="1 scores are infinite"):
        replace(rows, scores=np.where(np.arange(120) == 3, np.inf, rows.scores))
    with pytest.raises(CalibrationInvalid, match="1 of 120 ids stand there twice"):
        replace(rows, ids=[*rows.ids[:-1], rows.ids[0]])


def test_tables_fit_eighty_columns() -> None:
    plan = Plan((0.005, 0.1), repeats=20, folds=2)
    found = _document(evaluate(_rows(60, 40, shift=1.0, rows=1), plan), plan)
    for unit in get_args(Unit):
        written = StringIO()
        Console(file=written, width=80).print(to_terminal(make_sheets(found.model_copy(update={"unit": unit}))))
        assert max(map(len, written.getvalue().splitlines())) <= 80
        assert "…" not in written.getvalue()


def test_picture_marks_every_repeat_by_shape_and_follows_the_page_into_the_dark() -> None:
    plan = Plan((0.1, 0.2), repeats=7)
    drawn = draw_crossfit(_document(evaluate(_rows(200, 60), plan), plan))
    root = ET.fromstring(drawn)
    name = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{name}path[@class='proven']")) == 14
    assert len(root.findall(f"{name}circle[@class='plain']")) == 14
    assert len(root.findall(f"{name}line[@class='limit']")) == 2
    assert "prefers-color-scheme: dark" in drawn
    assert {"script", "image", "use", "a"}.isdisjoint(element.tag.removeprefix(name) for element in root.iter())
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")


def test_picture_of_nothing_certifiable_says_none() -> None:
    plan = Plan((0.01,), repeats=2)
    drawn = draw_crossfit(_document(evaluate(_rows(30, 20), plan), plan))
    assert ">none</text>" in drawn
    assert "nan" not in drawn


def test_published_tables_and_picture_are_those_of_the_published_figures() -> None:
    found = read_crossfit(PUBLISHED / "crossfit.json")
    assert (PUBLISHED / "crossfit.md").read_text(encoding="utf-8") == to_page(found, picture="crossfit.svg")
    assert (PUBLISHED / "crossfit.svg").read_text(encoding="utf-8") == draw_crossfit(found)


def test_damaged_document_is_refused_with_the_place(tmp_path: Path) -> None:
    document = json.loads((PUBLISHED / "crossfit.json").read_text(encoding="utf-8"))
    document["limits"][0]["proven"]["n_choices"] = "many"
    (tmp_path / "crossfit.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(UsageError, match=r"not an evaluation of this version: limits\.0\.proven\.n_choices"):
        read_crossfit(tmp_path / "crossfit.json")
    with pytest.raises(UsageError, match="No such file"):
        read_crossfit(tmp_path / "absent.json")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "guard"


def _crossfit(suite: Path, target: str, *more: str) -> Result:
    arguments = ["--suite", str(suite), "--target", target, "--max-false-refusal", "0.2", "--repeats", "2", *more]
    return CliRunner().invoke(app, ["benchmark", "crossfit", *arguments], catch_exceptions=False)


def test_command_writes_tables_picture_and_figures_of_a_jsonl_suite(tmp_path: Path, cache: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "bundle")
    suite = text_pack(tmp_path / "pack", n=150) / "records.jsonl"

    result = _crossfit(suite, f"bundle:{bundle.path}", "--out", str(tmp_path / "out"), "--json")

    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document == json.loads((tmp_path / "out" / "crossfit.json").read_text(encoding="utf-8"))
    assert (document["n"], document["n_groups"], document["target"]) == (150, 50, "bundle:DIR")
    assert "crossfit.svg" in (tmp_path / "out" / "crossfit.md").read_text(encoding="utf-8")
    ET.parse(tmp_path / "out" / "crossfit.svg")
    assert str(tmp_path) not in (tmp_path / "out" / "crossfit.md").read_text(encoding="utf-8")
    assert len(list((cache / "calibrations").glob("*.jsonl"))) == 1  # a look at the data, and counted as one


def test_command_scores_once_and_shares_the_scores_with_calibrate(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_tiny_bundle(tmp_path / "bundle")
    suite = text_pack(tmp_path / "pack", n=90)
    calibrated = ["--data", str(suite), "--bundle", str(bundle.path), "--max-false-refusal", "0.3"]
    CliRunner().invoke(app, ["calibrate", *calibrated, "--out", str(tmp_path / "out"), "--quiet"])
    assert len(list((cache / "scores").glob("*.jsonl"))) == 1

    async def refuse(*_: object) -> None:
        raise AssertionError("scored again")

    monkeypatch.setattr(Guard, "assess", refuse)
    result = _crossfit(suite, f"bundle:{bundle.path}", "--quiet")
    assert (result.exit_code, result.output) == (0, "")


def test_command_promises_nothing_of_groups_that_were_drawn_pair_by_pair(tmp_path: Path, cache: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "bundle")
    suite = text_pack(tmp_path / "pack", n=90) / "records.jsonl"
    rows = [json.loads(line) for line in suite.read_text(encoding="utf-8").splitlines()]
    suite.write_text("\n".join(json.dumps({**row, "sampling_probability": 0.5}) for row in rows), encoding="utf-8")

    with pytest.raises(CalibrationInvalid, match="drawn pair by pair, they cannot prove a limit of --unit group"):
        _crossfit(suite, f"bundle:{bundle.path}")
    assert _crossfit(suite, f"bundle:{bundle.path}", "--unit", "request", "--quiet").exit_code == 0


def test_command_refuses_targets_without_raw_scores_before_anything_is_loaded(tmp_path: Path) -> None:
    for target in ("http://localhost:8080", "control:always_block", "bundle:", "gpt"):
        with pytest.raises(UsageError, match="it must be embedded or bundle:DIR"):
            _crossfit(tmp_path / "absent", target)


def test_command_refuses_a_suite_that_is_not_there_and_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(SuiteInvalid, match="no such file or directory"):
        _crossfit(tmp_path / "absent", "embedded")
    with pytest.raises(UsageError, match="/dev/null/x: Not a directory"):
        _crossfit(text_pack(tmp_path / "pack"), "embedded", "--out", "/dev/null/x")
