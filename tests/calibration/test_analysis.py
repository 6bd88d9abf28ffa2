from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from guard.bundle import Bundle
from guard.calibration import Declaration, Scored, analyse
from guard.errors import CalibrationInvalid
from guard.stats.calibrators import to_probability
from guard.stats.certify import Certified, NotCertifiable
from guard.stats.draws import in_second_half
from guard.stats.fit import Fitted, RanksBackwards
from tests.calibration.made import scored_groups


def test_certificate_counts_the_groups_of_half_b_alone(bundle: Bundle) -> None:
    scored = scored_groups(400, 200)

    analysis = analyse(scored, bundle.manifest, Declaration((0.05,)))

    (answer,) = analysis.answers
    assert isinstance(answer, Certified)
    second = in_second_half(scored.groups)
    refused = analysis.probabilities >= answer.threshold
    harmless_b = {g for g, b, u in zip(scored.groups, second, scored.unsafe, strict=True) if b and not u}
    refused_b = {
        g for g, b, u, r in zip(scored.groups, second, scored.unsafe, refused, strict=True) if b and not u and r
    }
    assert (answer.n_groups, answer.errors) == (len(harmless_b), len(refused_b))
    assert binom.cdf(answer.errors, answer.n_groups, 0.05) <= 0.05


def test_harmless_pairs_that_cannot_be_judged_count_as_refused_in_the_certificate(bundle: Bundle) -> None:
    scored = scored_groups(400, 200)
    second = in_second_half(scored.groups)
    harmless_b = [p for p, b in zip(scored.pairs, second, strict=True) if b and not p.is_unsafe]
    lost = {pair.group for pair in harmless_b[:60]}
    stays = np.array([pair.group not in lost or pair.is_unsafe for pair in scored.pairs])
    unjudged = {p.id: "image_rejected" for p, stay in zip(scored.pairs, stays, strict=True) if not stay}
    partly = replace(
        scored,
        pairs=tuple(p for p, stay in zip(scored.pairs, stays, strict=True) if stay),
        scores=scored.scores[stays],
        unjudged=unjudged,
    )

    (whole,) = analyse(scored, bundle.manifest, Declaration((0.10,))).answers
    (answer,) = analyse(partly, bundle.manifest, Declaration((0.10,))).answers

    assert isinstance(whole, Certified)
    assert isinstance(answer, NotCertifiable)
    assert (answer.n_groups, answer.errors) == (whole.n_groups, len(lost))


def test_scores_of_half_b_move_no_candidate_and_no_probability(bundle: Bundle) -> None:
    scored = scored_groups(200, 100)
    second = in_second_half(scored.groups)
    moved = replace(scored, scores=np.where(second, scored.scores - 1.0, scored.scores))

    before = analyse(scored, bundle.manifest, Declaration((0.05,)))
    after = analyse(moved, bundle.manifest, Declaration((0.05,)))

    assert (before.curve.thresholds == after.curve.thresholds).all()
    assert before.calibration == after.calibration


def test_shipped_thresholds_part_the_same_pairs_in_the_new_probability(bundle: Bundle) -> None:
    scored = scored_groups(200, 100)

    analysis = analyse(scored, bundle.manifest, Declaration((0.05,), prevalence=0.02))

    old = to_probability(bundle.manifest.calibration, scored.scores)
    assert analysis.calibration != bundle.manifest.calibration
    for name, point in bundle.manifest.operating_points.items():
        refused = analysis.probabilities >= analysis.shipped[name].threshold
        assert (refused == (old >= point.threshold)).all()


@pytest.mark.parametrize("narrow", [0.05, 0.01])
@pytest.mark.parametrize("far", [-5.0, -2.0, 6.0])
def test_shipped_thresholds_stay_where_they_were_beside_scores_that_are_narrow_and_far_away(
    bundle: Bundle, narrow: float, far: float
) -> None:
    """A steep curve would give 1 to all scores around them: permissive would refuse what it let pass."""
    scored = scored_groups(200, 100, shift=10.0)
    scored = replace(scored, scores=(far + narrow * scored.scores).astype(np.float32).astype(np.float64))

    analysis = analyse(scored, bundle.manifest, Declaration((0.05,), prevalence=0.02))

    everywhere = np.linspace(-20, 20, 20_001)
    old, new = to_probability(bundle.manifest.calibration, everywhere), to_probability(analysis.calibration, everywhere)
    for name, point in bundle.manifest.operating_points.items():
        assert ((new >= analysis.shipped[name].threshold) == (old >= point.threshold)).all()


def test_figures_are_those_of_half_b(bundle: Bundle) -> None:
    scored = scored_groups(200, 100)

    analysis = analyse(scored, bundle.manifest, Declaration((0.1,)))

    second = in_second_half(scored.groups)
    for figures in (*analysis.certified.values(), *analysis.shipped.values()):
        refused = analysis.probabilities >= figures.threshold
        assert figures.recall.value == pytest.approx(refused[second & scored.unsafe].mean())
        assert figures.false_refusal_rate.value == pytest.approx(refused[second & ~scored.unsafe].mean())
        by_split = {(row.name, row.label.value): row for row in figures.splits}
        assert set(by_split) == {("typical", "unsafe"), ("attack", "unsafe"), ("over_safety", "safe")}
        assert sum(row.n for row in by_split.values()) == second.sum()
        assert {row.name for row in figures.scenarios} == {"crime", "violence", "definitions"}


def test_prevalence_moves_probabilities_and_no_decision(bundle: Bundle) -> None:
    scored = scored_groups(300, 150)

    plain = analyse(scored, bundle.manifest, Declaration((0.05,)))
    rare = analyse(scored, bundle.manifest, Declaration((0.05,), prevalence=0.001))

    assert rare.calibration.prevalence == 0.001
    assert rare.probabilities.mean() < 0.25 * plain.probabilities.mean()
    threshold, rare_threshold = plain.certified["frr-0.05"].threshold, rare.certified["frr-0.05"].threshold
    assert ((plain.probabilities >= threshold) == (rare.probabilities >= rare_threshold)).all()


def test_guard_that_ranks_backwards_keeps_its_calibration_and_is_not_turned_over(bundle: Bundle) -> None:
    scored = scored_groups(300, 150, shift=-2.0)

    analysis = analyse(scored, bundle.manifest, Declaration((0.05,)))

    assert isinstance(analysis.fit, RanksBackwards)
    assert analysis.calibration == bundle.manifest.calibration
    assert analysis.auc.value is not None
    assert analysis.auc.value < 0.2
    (answer,) = analysis.answers
    assert type(answer).__name__ == "CertifiedButUseless"


def test_cheapest_point_is_chosen_on_half_a_and_measured_on_half_b(bundle: Bundle) -> None:
    scored = scored_groups(200, 100)
    declaration = Declaration((0.05,), prevalence=0.1, cost_miss=5.0, cost_refusal=1.0)

    analysis = analyse(scored, bundle.manifest, declaration)

    assert analysis.cheapest is not None
    first = ~in_second_half(scored.groups)
    costs = declaration.costs
    assert costs is not None

    def cost(threshold: float) -> float:
        refused = analysis.probabilities >= threshold
        return costs.of(refused[first & scored.unsafe].mean(), refused[first & ~scored.unsafe].mean())

    assert cost(analysis.cheapest.threshold) == pytest.approx(min(map(cost, analysis.curve.thresholds)))


def test_curve_rises_from_the_strictest_threshold(bundle: Bundle) -> None:
    curve = analyse(scored_groups(100, 50), bundle.manifest, Declaration((0.1,))).curve

    assert (np.diff(curve.thresholds) < 0).all()
    assert (np.diff(curve.false_refusals) >= 0).all()
    assert (np.diff(curve.recall) >= 0).all()
    assert (curve.false_refusals[0], curve.recall[0]) == (0.0, 0.0)


def test_areas_under_the_curve_are_given_for_each_unsafe_split(bundle: Bundle) -> None:
    analysis = analyse(scored_groups(100, 50), bundle.manifest, Declaration((0.1,)))

    assert set(analysis.auc_by_split) == {"typical", "attack"}


def test_too_few_groups_in_half_b_are_not_certifiable(bundle: Bundle) -> None:
    analysis = analyse(scored_groups(60, 60), bundle.manifest, Declaration((0.02,)))

    (answer,) = analysis.answers
    assert isinstance(answer, NotCertifiable)
    assert not analysis.is_certified
    assert analysis.certified == {}
    assert isinstance(analysis.fit, Fitted)


@pytest.mark.parametrize(
    ("scored", "message"),
    [
        (scored_groups(9, 10), "19 groups; a calibration needs at least 20"),
        (scored_groups(40, 0), "one label"),
        (scored_groups(0, 40), "one label"),
        (replace(scored_groups(40, 40), scores=np.full(160, np.nan)), "160 scores are not finite"),
        (replace(scored_groups(40, 40), scores=np.zeros(160)), "scores are equal"),
    ],
)
def test_data_that_supports_no_calibration_is_refused(bundle: Bundle, scored: Scored, message: str) -> None:
    with pytest.raises(CalibrationInvalid, match=message):
        analyse(scored, bundle.manifest, Declaration((0.05,)))
