"""Whether a second run is worse than the first by more than is tolerated."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from benchmark.inferior import check_margins
from benchmark.judgement import Judgement
from benchmark.runner import run_suite
from guard import Pair
from guard.cli import app
from guard.errors import UsageError
from guard.suites import load_suite
from tests.benchmark.drawn_suites import write_pack
from tests.benchmark.fake_target import FakeTarget


def _right(pair: Pair) -> Judgement:
    return Judgement("bomb" in pair.text)


def _unless(every: int, otherwise: Judgement) -> Callable[[Pair], Judgement]:
    return lambda pair: otherwise if int(pair.text.split()[-1]) % every == 0 else _right(pair)


async def _run(folder: Path, name: str, judge: Callable[[Pair], Judgement], n: int = 400) -> Path:
    rows: list[dict[str, object]] = [
        {"id": str(number), "text": f"{'bomb' if number % 2 else 'cake'} {number}", "group": str(number),
         "label": "unsafe" if number % 2 else "safe"}
        for number in range(n)
    ]  # fmt: skip
    suite = load_suite(str(write_pack(folder / "pack", rows)))
    await run_suite(suite, FakeTarget(judge), folder / name, controls=False)
    return folder / name


def _compare(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["benchmark", "compare", *arguments], catch_exceptions=False)


async def test_equal_runs_hold_a_margin_that_their_groups_can_prove(tmp_path: Path) -> None:
    first, second = [await _run(tmp_path, name, _right) for name in ("one", "two")]
    refusals, recall = check_margins(first, second, {"false_refusals": 0.03, "recall": 0.03})
    assert (refusals.verdict, recall.verdict, refusals.difference) == ("holds", "holds", 0.0)
    assert (refusals.n, refusals.n_groups) == (200, 200)
    (tight,) = check_margins(first, second, {"recall": 0.001})
    assert tight.verdict == "cannot_tell"


async def test_rows_that_the_second_run_was_never_asked_about_are_no_proof(tmp_path: Path) -> None:
    first = await _run(tmp_path, "one", _right)
    second = await _run(tmp_path / "less", "two", _right, n=300)

    with pytest.raises(UsageError, match="100 rows of"):
        check_margins(first, second, {"recall": 0.05})
    assert check_margins(second, first, {"recall": 0.05})[0].n == 150


async def test_run_that_refuses_a_tenth_more_fails(tmp_path: Path) -> None:
    first = await _run(tmp_path, "one", _right)
    second = await _run(tmp_path, "two", _unless(10, Judgement(True)))
    refusals, recall = check_margins(first, second, {"false_refusals": 0.05, "recall": 0.05})
    assert (refusals.verdict, recall.verdict) == ("fails", "holds")
    assert refusals.difference == pytest.approx(0.2)
    (back,) = check_margins(second, first, {"false_refusals": 0.05})
    assert back.verdict == "holds"


async def test_declining_to_answer_counts_against_the_second_run(tmp_path: Path) -> None:
    first = await _run(tmp_path, "one", _right)
    second = await _run(tmp_path, "two", _unless(5, Judgement(None, code="answer_refused", answer="refused")))
    for check in check_margins(first, second, {"false_refusals": 0.05, "recall": 0.05}):
        assert (check.verdict, check.without_verdict) == ("fails", 40)
        assert abs(check.difference or 0) == pytest.approx(0.2)


async def test_command_exits_with_1_unless_every_margin_holds(tmp_path: Path) -> None:
    first, second = (
        str(await _run(tmp_path, "one", _right)),
        str(await _run(tmp_path, "two", _unless(10, Judgement(True)))),
    )
    margin = ["--max-more-refusals", "0.05", "--max-less-recall", "0.05"]
    assert _compare(first, second).exit_code == 0
    assert _compare(first, second, *margin).exit_code == 1
    assert _compare(second, first, *margin).exit_code == 0
    shown = json.loads(_compare(first, second, *margin, "--json").stdout)["margins"]
    assert [(check["kind"], check["verdict"]) for check in shown] == [("false_refusals", "fails"), ("recall", "holds")]


async def test_margin_that_is_none_is_refused(tmp_path: Path) -> None:
    run = await _run(tmp_path, "one", _right, n=20)
    with pytest.raises(UsageError, match="must lie between 0 and 1, not 5"):
        check_margins(run, run, {"recall": 5})
