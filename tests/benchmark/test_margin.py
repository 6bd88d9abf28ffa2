"""A target that combines text and picture stands above its controls; one that reads a half alone does not."""

from collections.abc import Callable

import numpy as np
import pytest

from benchmark.margin import picture_margin
from benchmark.rows import Row
from guard.suites import Label

N = 120


def rows(variant: str, score: Callable[[bool, int], float | None]) -> list[Row]:
    return [
        Row(
            variant=variant,
            id=str(number),
            group=f"g{number // 2}",
            label=Label.UNSAFE if number % 2 else Label.SAFE,
            split="typical" if number % 2 else "over_safety",
            scenario=None,
            attack=None,
            unsafe=False,
            probability=score(bool(number % 2), number),
            cause=None,
            code=None,
            failed=False,
            latency_ms=1.0,
        )
        for number in range(N)
    ]


def noise(seed: int) -> list[float]:
    return list(np.random.default_rng(seed).uniform(0, 0.4, N))


def test_a_target_that_combines_stands_above_chance_and_its_controls() -> None:
    whole, half = noise(0), noise(1)
    margin = picture_margin(
        rows("suite", lambda unsafe, i: 0.5 * unsafe + whole[i]), {"text_only": rows("text_only", lambda _, i: half[i])}
    )

    assert margin is not None
    assert margin.auc > 0.95
    assert margin.low > 0.3
    assert margin.n == N
    assert margin.n_groups == N // 2


def test_a_target_that_reads_the_text_alone_has_no_margin_over_the_text() -> None:
    heard = noise(2)
    same = rows("suite", lambda unsafe, i: 0.3 * unsafe + heard[i])
    margin = picture_margin(same, {"text_only": rows("text_only", lambda unsafe, i: 0.3 * unsafe + heard[i])})

    assert margin is not None
    assert (margin.best, margin.margin) == ("text_only", 0)


def test_a_target_below_chance_is_held_against_chance() -> None:
    margin = picture_margin(
        rows("suite", lambda unsafe, i: 0.1 * (not unsafe)),
        {"text_only": rows("text_only", lambda unsafe, i: 0.4 - unsafe)},
    )

    assert margin is not None
    assert margin.best == "chance"
    assert margin.margin == pytest.approx(-0.5)


def test_rows_without_a_score_in_one_variant_are_left_out_and_without_controls_there_is_none() -> None:
    whole = rows("suite", lambda unsafe, i: 0.5 * unsafe + i / 1000)
    margin = picture_margin(whole, {"blank": rows("blank", lambda unsafe, i: None if i < 20 else 0.5)})

    assert margin is not None
    assert margin.n == N - 20
    assert picture_margin(whole, {}) is None
    assert picture_margin(whole, {"always_block": rows("always_block", lambda *_: None)}) is None
