"""What a threshold that was chosen on own pairs costs on anchors, beside the guard before at as many refusals."""

from typing import get_args

import numpy as np
import pytest

from guard.bundle import Bundle
from guard.calibration import Declaration, analyse
from guard.calibration.adaptation.checked import Checked
from guard.calibration.adaptation.remembered import Anchored
from guard.stats.calibrators import to_probability
from guard.stats.draws import in_second_half, one_per_group
from guard.stats.trials import Unit
from tests.calibration.made import scored_groups

RANDOM = np.random.default_rng(5)
UNSAFE = np.arange(300) % 3 == 0
ANCHORS = Anchored(
    before=RANDOM.normal(size=300) + 3 * UNSAFE,
    after=RANDOM.normal(size=300) + 3 * UNSAFE,
    unsafe=UNSAFE,
    groups=tuple(map(str, range(300))),
)


@pytest.mark.parametrize("unit", get_args(Unit))
def test_guard_before_is_taken_where_it_refuses_as_many_harmless_units_of_half_b(bundle: Bundle, unit: Unit) -> None:
    scored = scored_groups(300, 150)
    before = scored.scores + RANDOM.normal(size=len(scored.scores))
    analysis = analyse(scored, bundle.manifest, Declaration((0.1,), unit=unit))
    checked = Checked(ANCHORS, dict(zip((pair.id for pair in scored.pairs), before.tolist(), strict=True)))

    toll = checked.tolls(analysis)["frr-0.1"]

    threshold = analysis.certified["frr-0.1"].threshold
    harmless = in_second_half(scored.groups) & ~scored.unsafe
    groups = np.array(scored.groups)[harmless]
    ids = [pair.id for pair, counts in zip(scored.pairs, harmless, strict=True) if counts]

    def rate(refused: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
        shares = [refused[groups == group] for group in np.unique(groups)]
        if unit == "request":
            return float(np.mean(refused[one_per_group(ids, groups.tolist())]))
        return float(np.mean([share.any() if unit == "group" else share.mean() for share in shares]))

    most = rate(analysis.probabilities[harmless] >= threshold)
    candidates = np.unique(before[harmless])
    least = min(value for value in candidates if rate(before[harmless] > value) <= most + 1e-9)
    from_on = least + _half_a_step(candidates, least)
    assert toll.harmless_refused_before == np.count_nonzero(ANCHORS.before[~UNSAFE] > from_on)
    after = np.asarray(to_probability(analysis.calibration, ANCHORS.after)) >= threshold
    assert (toll.harmless_refused, toll.harm_caught) == (np.sum(after & ~UNSAFE), np.sum(after & UNSAFE))


def _half_a_step(values: np.ndarray[tuple[int], np.dtype[np.float64]], value: float) -> float:
    following = values[values > value]
    return float(following[0] - value) / 2 if len(following) else 1e-3


@pytest.mark.parametrize(("lost_harm", "refused_more", "is_too_much"), [(1, 2, False), (2, 0, True), (0, 3, True)])
def test_more_than_a_point_of_harm_or_of_harmless_use_is_too_much(
    lost_harm: int, refused_more: int, *, is_too_much: bool
) -> None:
    harm, harmless = np.flatnonzero(UNSAFE), np.flatnonzero(~UNSAFE)  # 100 and 200
    before, after = np.zeros(300, dtype=np.bool_), np.zeros(300, dtype=np.bool_)
    before[harm[:50]] = True
    after[harm[lost_harm:50]] = True
    after[harmless[:refused_more]] = True

    assert Checked(ANCHORS, {}).is_too_much(ANCHORS.toll(before, after)) is is_too_much
